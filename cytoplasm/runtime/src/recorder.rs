//! The recorder: brings the run's records into the log, in tick order.
//!
//! The records of a run in tick mode are the same bytes in the same order for any number of
//! schedulers: tick by tick, the agents in the order of their serials. So a resumed run is
//! re-executed from its beginning, compared byte by byte with what is committed already, and
//! only what is missing is appended.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use karyon_log::limits::{BLOCK_BYTES_MAX, RECORD_BYTES_MAX};
use karyon_log::{Control, End, Lane, LogError, Record, Records, Walk};
use karyon_log_writer::limits::BLOCK_BYTES;
use karyon_log_writer::{Block, LogFailed, Writer, WriterStatus};
use karyon_types::Tick;

use crate::ahead::Ahead;
use crate::committed::{Committed, Compared, Divergence};
use crate::snapshot::Start;
use crate::subjects::Opaque;

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
    Diverged(Box<Divergence>),
    /// No failure: all that was to be compared is as recorded, and the run ends here.
    #[error("the record is reached up to which was to be compared")]
    Reached,
}

/// The one place through which a run's records pass.
pub struct Recorder {
    /// `None`: the log is sealed, and all there is to do is to compare.
    writer: Option<Writer>,
    committed: Option<Committed>,
    /// What was compared, once that is all.
    compared: Compared,
    /// Whether the run ends with what is compared.
    ends: bool,
    /// Records of the run so far, repeated ones included.
    recorded: u64,
    /// Snapshots from which the run may start, the newest first.
    starts: Vec<Start>,
    /// What of the run was not executed.
    opaque: Opaque,
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
            compared: Compared::default(),
            ends: false,
            recorded: 0,
            starts: Vec::new(),
            opaque: Opaque::default(),
            open: Vec::with_capacity(BLOCK_BYTES),
            open_count: 0,
            opened: Instant::now(),
        }
    }

    /// A recorder that compares with what `walk` reads, up to `end`, before it appends. Without
    /// a writer it only compares.
    pub fn resuming(writer: Option<Writer>, walk: Walk, end: &End) -> Recorder {
        let committed = Committed::new(walk, end.lane_records(Lane::Ticks));
        Recorder { committed, ..Recorder::with(writer) }
    }

    /// A recorder that compares with the first `records` records of the run that `walk` reads,
    /// and then ends the run with [`RecordError::Reached`].
    pub fn comparing(walk: Walk, records: u64) -> Recorder {
        Recorder { committed: Committed::new(walk, records), ends: true, ..Recorder::with(None) }
    }

    /// Lets the run start from one of these, the newest first, rather than from its beginning: only
    /// its beginning and what lies behind the snapshot is compared then.
    #[must_use]
    pub fn starting_from(self, starts: Vec<Start>) -> Recorder {
        Recorder { starts, ..self }
    }

    pub(crate) fn take_starts(&mut self) -> Vec<Start> {
        std::mem::take(&mut self.starts)
    }

    /// Whether what the run does is compared still.
    pub(crate) fn repeats(&self) -> bool {
        self.committed.is_some()
    }

    /// Records of the run that are committed, or of which a comparison consists.
    pub(crate) fn committed_records(&self) -> u64 {
        self.recorded + self.committed.as_ref().map_or(0, Committed::left)
    }

    /// The run goes on behind `tick`, where it has so many records.
    pub(crate) fn skip_to(&mut self, records: u64, tick: Tick) -> Result<(), RecordError> {
        if let Some(committed) = &mut self.committed {
            committed.skip(records.saturating_sub(self.recorded), tick)?;
            if committed.left() == 0 {
                self.compared = committed.compared();
                self.committed = None;
            }
        }
        self.recorded = records;
        Ok(())
    }

    /// What was compared with what was committed before.
    pub fn compared(&self) -> Compared {
        self.committed.as_ref().map_or(self.compared, Committed::compared)
    }

    /// What of the run that was repeated was not executed, once it has ended.
    pub fn opaque(&self) -> &Opaque {
        &self.opaque
    }

    pub(crate) fn note_opaque(&mut self, opaque: &Opaque) {
        self.opaque.add(opaque);
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

    /// Whether something is committed that is not repeated yet.
    pub(crate) fn follows(&self) -> bool {
        self.committed.is_some()
    }

    /// Looks at it, record by record, until `look` has seen enough; `None`: there is none. `look`
    /// gets none for what is no record, and where the log ends.
    pub(crate) fn scan<T>(
        &mut self,
        look: impl FnMut(Option<&Record<'_>>) -> ControlFlow<T>,
    ) -> Result<Option<T>, RecordError> {
        self.committed.as_mut().map_or(Ok(None), |committed| committed.scan(look))
    }

    /// What is committed next cannot be.
    pub(crate) fn impossible(&mut self, why: &'static str) -> RecordError {
        match &mut self.committed {
            Some(committed) => committed.impossible(why),
            None => RecordError::Reached,
        }
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
                if committed.left() == 0 {
                    self.compared = committed.compared();
                    self.committed = None;
                }
                (rest, count)
            }
        };
        if self.ends && self.committed.is_none() {
            return Err(RecordError::Reached);
        }
        if count == 0 {
            return Ok(());
        }
        if self.writer.is_none() {
            return Err(RecordError::Diverged(Box::new(self.compared().and_then(records))));
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
        self.tell_gathered();
        Ok(())
    }

    /// How much is not even handed over yet, for whoever looks from outside.
    fn tell_gathered(&self) {
        if let Some(writer) = &self.writer {
            writer.status().gathers(self.open_count);
        }
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
        self.tell_gathered();
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

    /// Checks that the run, which ends now, repeated all that was committed.
    ///
    /// # Errors
    /// [`RecordError::Diverged`] for the first record that it did not come to, or
    /// [`RecordError::Committed`].
    pub fn check_complete(&mut self) -> Result<(), RecordError> {
        match &mut self.committed {
            Some(committed) => Err(committed.missing()),
            None => Ok(()),
        }
    }
}

/// Milliseconds since 1970, for block headers and control records only: nothing that is replayed
/// reads it.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
