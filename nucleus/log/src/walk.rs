//! Walks a log from its beginning: each committed block once, in commit order, checked.

use std::io;
use std::path::Path;
use std::sync::Arc;

use karyon_types::{Hash, Position};

use crate::block::BlockHeader;
use crate::damage::Damage;
use crate::end::{End, Place};
use crate::folder::{DiskFolder, ReadFolder, list_segments, segment_name};
use crate::group::{Problem, SegmentReader};
use crate::segment::SegmentHeader;
use crate::storage::ReadStorage;

/// Why a log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk answered with an error.
    #[error("the log cannot be read")]
    Io(#[from] io::Error),
    /// The file does not begin as a log does.
    #[error("this is not a Karyon log")]
    NotALog,
    /// The first sector is damaged.
    #[error(
        "block 0 and all behind it, record #0 and all behind it: \
         the log's first sector does not match its hash (at byte 0 of the log)"
    )]
    Header,
    /// The log was written in another format.
    #[error(
        "the log has format {found}; this version of Karyon reads format {}",
        crate::FORMAT_VERSION
    )]
    Version {
        /// The version that the log names.
        found: u16,
    },
    /// Committed bytes are not as they were written.
    #[error("{0}")]
    Damaged(Damage),
    /// Any of these, in another file than the log's first.
    #[error("{source}, in its file {}", segment_name(*segment))]
    Segment {
        /// The number of the file.
        segment: u32,
        /// What is wrong there.
        source: Box<LogError>,
    },
}

impl LogError {
    /// The same error, with the file in which it lies, should that not be the first.
    pub fn in_segment(self, segment: u32) -> LogError {
        match segment {
            0 => self,
            _ => LogError::Segment { segment, source: Box::new(self) },
        }
    }

    /// Whether it says "this is not what was written", rather than "I could not look".
    pub fn is_refutation(&self) -> bool {
        match self {
            LogError::Io(_) | LogError::NotALog | LogError::Version { .. } => false,
            LogError::Header | LogError::Damaged(_) => true,
            LogError::Segment { source, .. } => source.is_refutation(),
        }
    }
}

/// A committed block.
#[derive(Clone, Debug)]
pub struct WalkedBlock {
    /// Its position in the tree.
    pub index: u64,
    /// The position of its first record.
    pub first_record: Position,
    /// Its hash: an entry of the tree.
    pub hash: Hash,
    /// What it says of itself.
    pub header: BlockHeader,
    /// Its records.
    pub body: Vec<u8>,
    /// The segment file that holds it.
    pub segment: u32,
    /// Where it begins in that file.
    pub offset: u64,
}

impl WalkedBlock {
    /// Damage to some of its records.
    pub fn damage(&self, what: &'static str, first_record: u64, last: u64) -> Damage {
        Damage {
            what,
            first_block: self.index,
            last_block: Some(self.index),
            first_record,
            last_record: Some(last),
            offset: self.offset,
        }
    }
}

/// A reader that checks everything that it hands out.
pub struct Walk {
    /// `None`: a single storage, behind which nothing can follow.
    folder: Option<Arc<dyn ReadFolder>>,
    file: SegmentReader,
    header: SegmentHeader,
    end: End,
    done: bool,
    /// The first record and the body of the block at which the walk ended, should it not match
    /// its hash.
    suspect: Option<(u64, Vec<u8>)>,
}

impl Walk {
    /// Begins at the beginning of the log in `folder`, whose segments are read in order.
    ///
    /// # Errors
    /// [`LogError::Io`] of the kind [`NotFound`](io::ErrorKind::NotFound) when there is no log;
    /// [`LogError::Damaged`] when its first file is gone but others are there; otherwise as
    /// [`new`](Walk::new).
    pub fn open(folder: &Path) -> Result<Walk, LogError> {
        Walk::open_in(Arc::new(DiskFolder::new(folder)))
    }

    /// The same, in a folder of any kind.
    ///
    /// # Errors
    /// See [`open`](Walk::open).
    pub fn open_in(folder: Arc<dyn ReadFolder>) -> Result<Walk, LogError> {
        let storage = match folder.open(&segment_name(0)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && has_segments(&*folder) => {
                let problem =
                    Problem::unknown("the log's first file is gone, but others are there");
                return Err(LogError::Damaged(problem.at(&End::of_new_log(), 0)));
            }
            other => other?,
        };
        Ok(Walk { folder: Some(folder), ..Walk::new(storage)? })
    }

    /// Begins at the beginning of a single segment.
    ///
    /// # Errors
    /// [`LogError::NotALog`] for a file that never was one: not longer than a first sector, and
    /// without a whole one.
    pub fn new(storage: Box<dyn ReadStorage>) -> Result<Walk, LogError> {
        let file = SegmentReader::new(storage)?;
        let header = file.header()?;
        let end = End::of_new_log();
        Ok(Walk { folder: None, file, header, end, done: false, suspect: None })
    }

    /// Goes on behind a place that was reached before; of what lies before it, only the last
    /// commit is read again. `None`: the log in `folder` has no such place. It is another log, or
    /// one that is shorter, or has another past; a walk from the beginning tells.
    ///
    /// # Errors
    /// See [`open`](Walk::open).
    pub fn resume(folder: &Path, place: &Place) -> Result<Option<Walk>, LogError> {
        Walk::resume_in(Arc::new(DiskFolder::new(folder)), place)
    }

    /// The same, in a folder of any kind.
    ///
    /// # Errors
    /// See [`open`](Walk::open).
    pub fn resume_in(folder: Arc<dyn ReadFolder>, place: &Place) -> Result<Option<Walk>, LogError> {
        let mut walk = Walk::open_in(Arc::clone(&folder))?;
        let end = place.end.without_tail();
        if walk.header.log != place.log {
            return Ok(None);
        }
        if end.commits == 0 {
            return Ok((end == End::of_new_log()).then_some(walk));
        }
        if end.segment > 0 {
            let there = list_segments(&*folder)?;
            if there.range(..=end.segment).count() as u64 != u64::from(end.segment) + 1 {
                return Ok(None);
            }
            walk.file = SegmentReader::open(&*folder, end.segment)?;
            match walk.file.header() {
                Err(LogError::Io(error)) => {
                    return Err(LogError::from(error).in_segment(end.segment));
                }
                Ok(header) if header == walk.header => {}
                Ok(_) | Err(_) => return Ok(None),
            }
        }
        let holds = walk.file.holds(&walk.header, &end);
        let holds = holds.map_err(|error| error.in_segment(end.segment))?;
        walk.end = end;
        Ok(holds.then_some(walk))
    }

    /// Whose log it is.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Where the walk stands; once [`next_group`](Walk::next_group) gave `None`, the log's end.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// Where the walk stands, to be kept for [`resume`](Walk::resume).
    pub fn place(&self) -> Place {
        Place { log: self.header.log, end: self.end.without_tail() }
    }

    /// Gives up the walk for where it stands.
    pub fn into_end(self) -> End {
        self.end
    }

    /// The first record and the body of the block at which the walk ended, should it not match
    /// its hash.
    pub fn suspect(&self) -> Option<(u64, &[u8])> {
        self.suspect.as_ref().map(|(record, body)| (*record, &body[..]))
    }

    /// The blocks of the next commit; `None` at the end.
    ///
    /// # Errors
    /// [`LogError::Damaged`] for a place that is followed by a valid commit or by another
    /// segment, or that lies behind a seal in its own file; in a [`LogError::Segment`] for all
    /// files but the first. Anything else behind the last commit is a tail, not an error.
    pub fn next_group(&mut self) -> Result<Option<Vec<WalkedBlock>>, LogError> {
        if self.done {
            return Ok(None);
        }
        let segment = self.end.segment;
        let in_file = |error: LogError| error.in_segment(segment);
        let group = self.file.read_group(&self.header, &self.end).map_err(in_file)?;
        let mut problem = match group {
            Ok(group) => return Ok(Some(self.step(group.end, group.blocks))),
            Err(problem) => problem,
        };
        self.suspect = problem.suspect.take();
        // Only what the rest of the log says tells a tail from damage; and should the log be
        // written just now, the group may have come while the rest was searched.
        let later = self.later_segments()?;
        let tail = judge(&self.file, &self.header, &self.end, problem, self.end.offset);
        self.file.refresh().map_err(|error| in_file(error.into()))?;
        let group = self.file.read_group(&self.header, &self.end).map_err(in_file)?;
        if let Ok(group) = group {
            return Ok(Some(self.step(group.end, group.blocks)));
        }
        self.done = true;
        (self.end.tail_bytes, self.end.tail) = tail.map_err(in_file)?;
        self.next_segment(&later)
    }

    fn step(&mut self, end: End, blocks: Vec<WalkedBlock>) -> Vec<WalkedBlock> {
        self.end = end;
        self.done = false;
        blocks
    }

    /// The numbers of the files behind the one that is read.
    fn later_segments(&self) -> Result<Vec<u32>, LogError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let there = list_segments(&**folder)?;
        Ok(there.range(self.end.segment.saturating_add(1)..).copied().collect())
    }

    /// Goes on in the next file, should there be one: the first group in it.
    fn next_segment(&mut self, later: &[u32]) -> Result<Option<Vec<WalkedBlock>>, LogError> {
        let (Some(folder), Some(first)) = (&self.folder, later.first()) else { return Ok(None) };
        if !self.end.ends_file() {
            let what = "the file is not ended here, but the log goes on in another file";
            let damage = self
                .end
                .tail
                .take()
                .unwrap_or_else(|| Problem::unknown(what).at(&self.end, self.end.offset));
            return Err(LogError::Damaged(damage).in_segment(self.end.segment));
        }
        let begin = self.end.of_next_segment();
        let in_file = |error: LogError| error.in_segment(begin.segment);
        let damaged = |what| Err(in_file(LogError::Damaged(Problem::unknown(what).at(&begin, 0))));
        if *first != begin.segment {
            return damaged("the file is gone, but a later one is there");
        }
        let file = SegmentReader::open(&**folder, begin.segment)?;
        let (mut problem, at) = match file.header() {
            Ok(header) if header != self.header => {
                return damaged("the file belongs to another log");
            }
            Ok(_) => match file.read_group(&self.header, &begin).map_err(in_file)? {
                Ok(group) => {
                    self.file = file;
                    return Ok(Some(self.step(group.end, group.blocks)));
                }
                Err(problem) => (problem, begin.offset),
            },
            Err(LogError::NotALog | LogError::Header) => {
                (Problem::unknown("the file's first sector is not whole"), 0)
            }
            Err(other) => return Err(in_file(other)),
        };
        if later.len() > 1 {
            let damage = problem.at(&begin, at);
            return Err(in_file(LogError::Damaged(damage)));
        }
        self.suspect = problem.suspect.take();
        // Nothing of this file was ever committed: all of it is the log's tail, but for the first
        // sector that a turn brings along.
        let from = if self.end.turned { at } else { 0 };
        let tail = judge(&file, &self.header, &End { offset: at, ..begin.clone() }, problem, from);
        (self.end.tail_bytes, self.end.tail) = tail.map_err(in_file)?;
        Ok(None)
    }
}

/// Whether a log lies in `folder` without its first file. A folder that cannot be read, or is not
/// there, holds none that could be told of.
fn has_segments(folder: &dyn ReadFolder) -> bool {
    list_segments(folder).is_ok_and(|segments| !segments.is_empty())
}

/// Tells a tail that was never committed from damage to what was: the size of the tail, and what
/// it looks like. What counts as tail begins at `from`.
fn judge(
    file: &SegmentReader,
    header: &SegmentHeader,
    end: &End,
    problem: Problem,
    from: u64,
) -> Result<(u64, Option<Damage>), LogError> {
    let rest = file.search(header, from, end.offset)?;
    let Some(last_nonzero) = rest.last_nonzero else { return Ok((0, None)) };
    let mut damage = problem.at(end, end.offset);
    if end.ends_file() {
        // Nothing follows a seal or a turn in its own file; name the block that holds it.
        let sealing = end.tree.size().saturating_sub(1);
        (damage.first_block, damage.last_block) = (sealing, Some(sealing));
        damage.first_record = end.records.saturating_sub(1);
        damage.last_record = Some(damage.first_record);
        damage.what = "bytes follow the file's last record, where nothing may follow";
        return Err(LogError::Damaged(damage));
    }
    // Whatever lies before a valid commit was committed too, also where that commit is not the
    // next one.
    if let Some(commit) = rest.later.or(problem.stray) {
        if damage.last_block.is_none() {
            let before = |next: u64, first: u64| Some(next.saturating_sub(1).max(first));
            damage.last_block =
                commit.first_block().and_then(|block| before(block, damage.first_block));
            damage.last_record = before(commit.first_record, damage.first_record);
        }
        return Err(LogError::Damaged(damage));
    }
    Ok((last_nonzero + 1 - from, Some(damage)))
}
