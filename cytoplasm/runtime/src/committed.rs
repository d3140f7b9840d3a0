//! What an earlier start committed, read along with the run that repeats it; and the first record
//! in which the two differ.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use karyon_log::{Lane, LogError, Record, Records, Walk, WalkedBlock};
use karyon_types::{Position, Tick};

use crate::ahead::{Ahead, Blocks};
use crate::recorder::RecordError;

/// The first record in which a run differs from what is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The record's number in the log; where it ends, the number that would follow.
    pub position: Position,
    /// The tick that both were in; `None`: no tick had begun.
    pub tick: Option<Tick>,
    /// The record as it was committed; `None`: the run does more than is recorded. As long as a
    /// record may be, at most.
    pub expected: Option<Vec<u8>>,
    /// What the run made in its place; `None`: it ended before, or see `why`.
    pub got: Option<Vec<u8>>,
    /// Of a free-running run, which does what its log says: why it could not do that.
    pub why: Option<&'static str>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.expected, &self.got) {
            (Some(_), Some(_)) => write!(f, "the first record that differs is {}", self.position)?,
            (Some(_), None) if let Some(why) = self.why => {
                write!(f, "record {} cannot come to be: {why}", self.position)?;
            }
            (Some(_), None) => {
                write!(f, "it ended, but record {} of it is committed", self.position)?;
            }
            (None, _) => write!(f, "it goes on where the log has no record {}", self.position)?,
        }
        self.tick.map_or(Ok(()), |tick| write!(f, ", in {tick}"))
    }
}

/// What a run repeated of its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// How many records, all as recorded.
    pub records: u64,
    /// The last of them; `None`: none yet.
    pub last: Option<Position>,
    /// The tick that it is in; `None`: no tick had begun.
    pub tick: Option<Tick>,
    /// The end of the tick up to which nothing but the run's beginning was repeated, since it went
    /// on from a snapshot; `None`: it was repeated from its beginning.
    pub from: Option<Tick>,
}

impl Compared {
    /// The run goes on with `records`, behind all that is committed.
    pub(crate) fn and_then(&self, records: &[u8]) -> Divergence {
        Divergence {
            position: Position(self.last.map_or(0, |last| last.0 + 1)),
            tick: self.tick,
            expected: None,
            got: first_record(records),
            why: None,
        }
    }
}

/// What an earlier start committed, read along.
pub(crate) struct Committed {
    blocks: Blocks,
    body: Vec<u8>,
    /// How much of `body` was compared.
    read: usize,
    /// The number of the record that begins there.
    next: u64,
    compared: Compared,
    /// Records that were not compared yet.
    left: u64,
}

impl Committed {
    /// The first `records` records of the run that `walk` reads from its beginning; `None`:
    /// there is nothing to compare with.
    pub(crate) fn new(walk: Walk, records: u64) -> Option<Committed> {
        (records > 0).then(|| Committed {
            blocks: Blocks::new(walk),
            body: Vec::new(),
            read: 0,
            next: 0,
            compared: Compared::default(),
            left: records,
        })
    }

    /// Records that were not compared yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn compared(&self) -> Compared {
        self.compared
    }

    /// Passes over the run's next `records` records, up to the end of `tick`, which are not
    /// compared.
    pub(crate) fn skip(&mut self, records: u64, tick: Tick) -> Result<(), RecordError> {
        let mut rest = records;
        while rest > 0 && (self.read < self.body.len() || self.next_body()?) {
            let (passed, bytes) = pass(self.body.get(self.read..).unwrap_or_default(), rest);
            if passed == 0 {
                // No records: what compares next says so.
                break;
            }
            rest = rest.saturating_sub(u64::from(passed));
            self.read += bytes;
            self.next += u64::from(passed);
        }
        self.left = self.left.saturating_sub(records);
        self.compared = Compared {
            last: self.next.checked_sub(1).map(Position),
            tick: Some(tick),
            from: Some(tick),
            ..self.compared
        };
        Ok(())
    }

    /// Compares, and returns what lies behind the last committed record. `records` are whole
    /// records of at most one tick: should they begin it, they begin with its own.
    pub(crate) fn compare<'a>(
        &mut self,
        mut records: &'a [u8],
        mut count: u32,
    ) -> Result<(&'a [u8], u32), RecordError> {
        let mut begins = match Records::new(records).next() {
            Some(Some(Record::Tick(tick))) => Some(tick),
            Some(_) | None => None,
        };
        while !records.is_empty() && self.left > 0 {
            if self.read == self.body.len() && !self.next_body()? {
                break;
            }
            let have = self.body.get(self.read..).unwrap_or_default();
            let both = have.len().min(records.len());
            let (mine, _) = records.split_at(both);
            let same = match have.get(..both) == Some(mine) {
                true => both,
                false => have.iter().zip(mine).take_while(|(a, b)| a == b).count(),
            };
            // Both sides consist of whole records, so what they have in common does too, but for
            // the record in which they differ.
            let (passed, bytes) = pass(have.get(..same).unwrap_or_default(), self.left);
            self.advance(passed, bytes, begins.take());
            count = count.saturating_sub(passed);
            records = records.get(bytes..).unwrap_or_default();
            if (same < both || passed == 0) && self.left > 0 {
                return Err(RecordError::Diverged(Box::new(self.divergence(records))));
            }
        }
        Ok((records, count))
    }

    /// The first record that the run, which ended, did not come to.
    pub(crate) fn missing(&mut self) -> RecordError {
        if self.read == self.body.len()
            && let Err(error) = self.next_body()
        {
            return error;
        }
        RecordError::Diverged(Box::new(self.divergence(&[])))
    }

    fn advance(&mut self, records: u32, bytes: usize, begins: Option<Tick>) {
        if records == 0 {
            return;
        }
        self.read += bytes;
        self.next += u64::from(records);
        self.left = self.left.saturating_sub(u64::from(records));
        self.compared.records += u64::from(records);
        self.compared.last = Some(Position(self.next - 1));
        self.compared.tick = begins.or(self.compared.tick);
    }

    fn next_body(&mut self) -> Result<bool, RecordError> {
        let Some(block) = self.blocks.next()? else { return Ok(false) };
        (self.next, self.body, self.read) = (block.first_record.0, block.body, 0);
        Ok(true)
    }

    /// What is committed of the beginning of the tick that is compared next.
    pub(crate) fn ahead(&mut self) -> Result<Ahead, RecordError> {
        let rest = self.body.get(self.read..).unwrap_or_default();
        Ok(Ahead::read(rest, &mut self.blocks)?)
    }

    /// Looks at what is committed and not compared yet.
    pub(crate) fn scan<T>(
        &mut self,
        look: impl FnMut(Option<&Record<'_>>) -> ControlFlow<T>,
    ) -> Result<Option<T>, RecordError> {
        let rest = self.body.get(self.read..).unwrap_or_default();
        Ok(self.blocks.scan(rest, self.left, look)?)
    }

    /// What comes next cannot be.
    pub(crate) fn impossible(&mut self, why: &'static str) -> RecordError {
        match self.missing() {
            RecordError::Diverged(mut first) => {
                first.why = Some(why);
                RecordError::Diverged(first)
            }
            error => error,
        }
    }

    /// The run makes `records` where something else is committed.
    fn divergence(&self, records: &[u8]) -> Divergence {
        Divergence {
            position: Position(self.next),
            tick: self.compared.tick,
            expected: first_record(self.body.get(self.read..).unwrap_or_default()),
            got: first_record(records),
            why: None,
        }
    }
}

/// How many records of its run the log in `folder` holds up to a position, which belongs to them.
///
/// # Errors
/// See [`Walk`].
pub fn run_records_up_to(folder: &Path, last: Position) -> Result<u64, LogError> {
    let mut walk = Walk::open(folder)?;
    let mut records = 0;
    while let Some(blocks) = walk.next_group()? {
        for WalkedBlock { header, first_record, .. } in blocks {
            if first_record > last {
                return Ok(records);
            }
            if header.lane == Lane::Ticks {
                records += (last.0 - first_record.0 + 1).min(u64::from(header.count));
            }
        }
    }
    Ok(records)
}

/// The whole records at the beginning of `bytes`, at most `most`: how many, and how long.
fn pass(bytes: &[u8], most: u64) -> (u32, usize) {
    let mut records = Records::new(bytes);
    let mut count = 0;
    while u64::from(count) < most && records.pass() {
        count += 1;
    }
    (count, bytes.len() - records.rest().len())
}

/// The bytes of the first record, with its length.
fn first_record(bytes: &[u8]) -> Option<Vec<u8>> {
    let (count, len) = pass(bytes, 1);
    (count > 0).then(|| bytes.get(..len).unwrap_or_default().to_vec())
}
