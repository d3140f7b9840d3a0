//! The recorder: brings the run's records into the log, in tick order.
//!
//! The records of a run in tick mode are the same bytes in the same order for any number of
//! schedulers: tick by tick, the agents in the order of their serials. So a resumed run is
//! re-executed from its beginning, compared byte by byte with what is committed already, and
//! only what is missing is appended.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use karyon_log::limits::{BLOCK_BYTES_MAX, RECORD_BYTES_MAX};
use karyon_log::{Control, Damage, End, Lane, LogError, Record, Records, Walk};
use karyon_log_writer::limits::BLOCK_BYTES;
use karyon_log_writer::{Block, LogFailed, Writer, WriterStatus};

use crate::ahead::{Ahead, Blocks};

/// Records that are younger than this may wait for more to share their block: bounds the padding
/// of small commits, and how long a record waits before it goes to the writer. Looked at once a
/// tick.
const SEAL_AFTER: Duration = Duration::from_millis(20);

/// Why a record could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The log gave up.
    #[error(transparent)]
    Log(#[from] LogFailed),
    /// What is committed already cannot be read.
    #[error(transparent)]
    Committed(#[from] LogError),
    /// The run does something else than is recorded.
    #[error("the run does not repeat what is recorded: {0}")]
    Diverged(Damage),
    /// More was recorded than the run does.
    #[error("the run ended, but {0} more records of it are committed")]
    Short(u64),
    /// The run does more than a sealed log holds.
    #[error("the log is sealed, but the run goes on behind its last record")]
    Sealed,
}

/// The one place through which a run's records pass.
pub struct Recorder {
    /// `None`: the log is sealed, and all there is to do is to compare.
    writer: Option<Writer>,
    committed: Option<Committed>,
    /// Records of the run so far, repeated ones included.
    recorded: u64,
    open: Vec<u8>,
    open_count: u32,
    opened: Instant,
}

impl Recorder {
    /// A recorder for a new log.
    pub fn new(writer: Writer) -> Recorder {
        Recorder::with(Some(writer))
    }

    fn with(writer: Option<Writer>) -> Recorder {
        Recorder {
            writer,
            committed: None,
            recorded: 0,
            open: Vec::with_capacity(BLOCK_BYTES),
            open_count: 0,
            opened: Instant::now(),
        }
    }

    /// A recorder that compares with what `walk` reads, up to `end`, before it appends. Without
    /// a writer it only compares.
    pub fn resuming(writer: Option<Writer>, walk: Walk, end: &End) -> Recorder {
        let left = end.lane_records(Lane::Ticks);
        let committed = (left > 0).then(|| Committed {
            blocks: Blocks::new(walk),
            body: Vec::new(),
            read: 0,
            place: None,
            left,
        });
        Recorder { committed, ..Recorder::with(writer) }
    }

    /// Why nothing more is written, if that is so.
    pub fn failure(&self) -> Option<&LogFailed> {
        self.writer.as_ref().and_then(|writer| writer.status().failure())
    }

    /// How far the log has come, for whoever looks while the run goes on.
    pub fn status(&self) -> Option<Arc<WriterStatus>> {
        self.writer.as_ref().map(|writer| Arc::clone(writer.status()))
    }

    /// Records of the run so far, whether they were appended or repeated.
    pub(crate) fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Whether all of them are durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.committed.is_some()
            || self.open_count == 0 && self.writer.as_ref().is_none_or(Writer::is_durable)
    }

    /// Whether anything can be recorded that is not committed already.
    pub(crate) fn appends(&self) -> bool {
        self.writer.is_some()
    }

    /// What is committed of the beginning of the next tick, between two ticks.
    pub(crate) fn ahead(&mut self) -> Result<Ahead, RecordError> {
        self.committed.as_mut().map_or_else(|| Ok(Ahead::default()), Committed::ahead)
    }

    /// Records `count` whole records, in the order of the run.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn append(&mut self, records: &[u8], count: u32) -> Result<(), RecordError> {
        self.recorded += u64::from(count);
        let (records, count) = match &mut self.committed {
            None => (records, count),
            Some(committed) => {
                let (rest, count) = committed.compare(records, count)?;
                if committed.left == 0 {
                    self.committed = None;
                }
                (rest, count)
            }
        };
        if count == 0 {
            return Ok(());
        }
        if self.writer.is_none() {
            return Err(RecordError::Sealed);
        }
        if self.open.len() + records.len() > BLOCK_BYTES_MAX {
            self.seal()?;
            return self.append_in_pieces(records);
        }
        if self.open_count == 0 {
            self.opened = Instant::now();
        }
        self.open.extend_from_slice(records);
        self.open_count += count;
        if self.open.len() >= BLOCK_BYTES {
            self.seal()?;
        }
        Ok(())
    }

    /// Hands over records that waited long enough for more to share their block.
    ///
    /// # Errors
    /// When the log gave up.
    pub fn end_of_tick(&mut self) -> Result<(), LogFailed> {
        if self.open_count > 0 && self.opened.elapsed() >= SEAL_AFTER {
            self.seal()?;
        }
        Ok(())
    }

    /// A tick that is larger than a block may be: cut between records.
    fn append_in_pieces(&mut self, records: &[u8]) -> Result<(), RecordError> {
        let mut walk = Records::new(records);
        let mut start = 0;
        let mut count = 0;
        loop {
            let more = walk.pass();
            let at = records.len() - walk.rest().len();
            count += u32::from(more);
            if at - start >= BLOCK_BYTES || !more {
                self.open.extend_from_slice(records.get(start..at).unwrap_or_default());
                self.open_count += count;
                (start, count) = (at, 0);
                self.seal()?;
            }
            match (more, walk.rest().is_empty()) {
                (true, _) => {}
                (false, true) => return Ok(()),
                (false, false) => {
                    return Err(RecordError::Log(LogFailed {
                        kind: std::io::ErrorKind::InvalidData,
                        message: "a record is longer than the log holds".into(),
                    }));
                }
            }
        }
    }

    /// Hands the open records to the writer.
    ///
    /// # Errors
    /// When the log gave up.
    pub fn seal(&mut self) -> Result<(), LogFailed> {
        if self.open_count == 0 {
            return Ok(());
        }
        let body = std::mem::replace(&mut self.open, Vec::with_capacity(BLOCK_BYTES));
        let count = std::mem::take(&mut self.open_count);
        self.hand_over(Block { lane: Lane::Ticks, count, body, wall_ms: wall_ms(), seals: false })
    }

    fn hand_over(&self, block: Block) -> Result<(), LogFailed> {
        match &self.writer {
            Some(writer) => writer.append(block),
            None => Err(LogFailed {
                kind: std::io::ErrorKind::ReadOnlyFilesystem,
                message: "the log is sealed".into(),
            }),
        }
    }

    /// Records control records in a block of their own, behind everything before.
    ///
    /// # Errors
    /// When the log gave up.
    pub fn control(&mut self, records: &[Control]) -> Result<(), LogFailed> {
        self.seal()?;
        let mut body = Vec::new();
        for record in records {
            let before = body.len();
            Record::Control(Box::new(record.clone())).encode(&mut body);
            if body.len() - before > RECORD_BYTES_MAX {
                // Written, it could never be read again, and neither could the log.
                return Err(LogFailed {
                    kind: std::io::ErrorKind::InvalidData,
                    message: format!("a record is longer than {RECORD_BYTES_MAX} bytes"),
                });
            }
        }
        let seals = matches!(records.last(), Some(Control::Seal(_)));
        let count = records.len() as u32;
        self.hand_over(Block { lane: Lane::Control, count, body, wall_ms: wall_ms(), seals })
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// When the log gave up.
    pub fn flush(&mut self) -> Result<(), LogFailed> {
        self.seal()?;
        self.writer.as_ref().map_or(Ok(()), Writer::flush)
    }

    /// Makes everything durable and ends the writer; where the log ends now, if it was written.
    ///
    /// # Errors
    /// When the log gave up.
    pub fn close(mut self) -> Result<Option<End>, LogFailed> {
        self.seal()?;
        self.writer.map(Writer::close).transpose()
    }

    /// The log gave up: brings one last record into it, should the disk be full, and ends the
    /// writer.
    ///
    /// # Errors
    /// When that is not possible: of what failed otherwise, nobody knows what is durable.
    pub(crate) fn last_words(self, record: Control) -> Result<(), LogFailed> {
        let spoken = self.urgent(record);
        // The writer failed before, and closing only says so again.
        match self.writer.map(Writer::close) {
            Some(Ok(_) | Err(_)) | None => spoken,
        }
    }

    /// Makes a control record durable, also where the disk is full.
    ///
    /// # Errors
    /// When the log gave up for another reason, or its last room is used.
    pub(crate) fn urgent(&self, record: Control) -> Result<(), LogFailed> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let mut body = Vec::new();
        Record::Control(Box::new(record)).encode(&mut body);
        let lane = Lane::Control;
        writer.last_words(Block { lane, count: 1, body, wall_ms: wall_ms(), seals: false })
    }

    /// Checks that the run repeated all that was committed.
    ///
    /// # Errors
    /// [`RecordError::Short`].
    pub fn check_complete(&self) -> Result<(), RecordError> {
        match &self.committed {
            Some(committed) => Err(RecordError::Short(committed.left)),
            None => Ok(()),
        }
    }
}

/// Milliseconds since 1970, for block headers and control records only: nothing that is replayed
/// reads it.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// What an earlier start committed, read along.
struct Committed {
    blocks: Blocks,
    body: Vec<u8>,
    /// How much of `body` was compared.
    read: usize,
    /// Block and first record of `body`, its records, its offset.
    place: Option<(u64, u64, u32, u64)>,
    /// Records that were not compared yet.
    left: u64,
}

impl Committed {
    /// Compares, and returns what lies behind the last committed record.
    fn compare<'a>(
        &mut self,
        mut records: &'a [u8],
        mut count: u32,
    ) -> Result<(&'a [u8], u32), RecordError> {
        while !records.is_empty() && self.left > 0 {
            if self.read == self.body.len() && !self.next_body()? {
                break;
            }
            let have = self.body.get(self.read..).unwrap_or_default();
            let both = have.len().min(records.len());
            let (mine, rest) = records.split_at(both);
            if have.get(..both) != Some(mine) {
                let same = have.iter().zip(mine).take_while(|(a, b)| a == b).count();
                return Err(self.divergence(self.read + same));
            }
            // Both sides consist of whole records, so a common prefix that ends one of them
            // ends a record.
            let compared = count_records(mine);
            self.left = self.left.saturating_sub(u64::from(compared));
            count = count.saturating_sub(compared);
            self.read += both;
            records = rest;
        }
        Ok((records, count))
    }

    fn next_body(&mut self) -> Result<bool, RecordError> {
        let Some(block) = self.blocks.next()? else { return Ok(false) };
        self.place = Some((block.index, block.first_record.0, block.header.count, block.offset));
        self.body = block.body;
        self.read = 0;
        Ok(true)
    }

    /// What is committed of the beginning of the tick that is compared next.
    fn ahead(&mut self) -> Result<Ahead, RecordError> {
        let rest = self.body.get(self.read..).unwrap_or_default();
        Ok(Ahead::read(rest, &mut self.blocks)?)
    }

    /// `same` bytes of the body are as recorded.
    fn divergence(&self, same: usize) -> RecordError {
        let (block, record, count, offset) = self.place.unwrap_or_default();
        let before = count_records(self.body.get(..same).unwrap_or_default());
        RecordError::Diverged(Damage {
            what: "the first record that differs lies here",
            first_block: block,
            last_block: Some(block),
            first_record: record + u64::from(before),
            last_record: Some((record + u64::from(count)).saturating_sub(1)),
            offset,
        })
    }
}

fn count_records(bytes: &[u8]) -> u32 {
    let mut records = Records::new(bytes);
    let mut count = 0;
    while records.pass() {
        count += 1;
    }
    count
}
