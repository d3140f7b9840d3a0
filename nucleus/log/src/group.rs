//! One segment's storage, read group by group: a commit and its blocks, checked as a whole.

use std::io;

use karyon_types::{Hash, Position, hash};

use crate::block::{BlockHeader, Lane, LaneState};
use crate::commit::{Commit, Entry};
use crate::damage::Damage;
use crate::end::End;
use crate::folder::{ReadFolder, segment_name};
use crate::limits::SECTOR_BYTES;
use crate::segment::SegmentHeader;
use crate::storage::ReadStorage;
use crate::walk::{LogError, WalkedBlock};

/// A whole group that follows what was read before, and where the log stands behind it.
pub(crate) struct Group {
    pub(crate) blocks: Vec<WalkedBlock>,
    pub(crate) end: End,
}

/// What a search of the rest of a segment found.
pub(crate) struct Rest {
    /// The last byte that is not zero.
    pub(crate) last_nonzero: Option<u64>,
    /// The first valid commit.
    pub(crate) later: Option<Commit>,
}

/// A segment's storage, as long as it was when it was last looked at.
pub struct SegmentReader {
    storage: Box<dyn ReadStorage>,
    len: u64,
}

impl SegmentReader {
    /// Opens a segment of the log in `folder`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &dyn ReadFolder, segment: u32) -> Result<SegmentReader, LogError> {
        folder
            .open(&segment_name(segment))
            .and_then(SegmentReader::new)
            .map_err(|error| LogError::from(error).in_segment(segment))
    }

    pub(crate) fn new(storage: Box<dyn ReadStorage>) -> io::Result<SegmentReader> {
        let len = storage.len()?;
        Ok(SegmentReader { storage, len })
    }

    /// Looks again how long it is.
    pub(crate) fn refresh(&mut self) -> io::Result<()> {
        self.len = self.storage.len()?;
        Ok(())
    }

    /// The header in the first sector.
    ///
    /// # Errors
    /// [`LogError::NotALog`] when that sector was never whole: the file is not longer.
    pub(crate) fn header(&self) -> Result<SegmentHeader, LogError> {
        if self.len < SECTOR_BYTES {
            return Err(LogError::NotALog);
        }
        let mut sector = vec![0; SECTOR_BYTES as usize];
        self.storage.read_at(0, &mut sector)?;
        // The first sector is durable before the file grows: a longer file had one.
        match SegmentHeader::decode(&sector) {
            Err(LogError::NotALog) if self.len > SECTOR_BYTES => Err(LogError::Header),
            Err(LogError::Header) if self.len <= SECTOR_BYTES => Err(LogError::NotALog),
            other => other,
        }
    }

    /// Reads the group behind `end`: `Err(problem)` inside when it is not whole and right.
    pub(crate) fn read_group(
        &self,
        header: &SegmentHeader,
        end: &End,
    ) -> Result<Result<Group, Problem>, LogError> {
        let start = end.offset;
        let Some((commit, digest)) = self.read_commit(header, start)? else {
            return Ok(Err(Problem::unknown("no valid commit")));
        };
        let expected = (end.commits, end.last_commit, end.records);
        if (commit.number, commit.previous, commit.first_record) != expected
            || commit.first_block() != Some(end.tree.size())
            || end.ends_file()
        {
            // A copy of an earlier commit tells of nothing that is gone.
            let stray = Some(commit).filter(|commit| commit.number >= end.commits);
            let problem = Problem::unknown("the commit does not follow the one before it");
            return Ok(Err(Problem { stray, ..problem }));
        }
        let group_end = start + commit.group_len();
        let mut blocks = Vec::with_capacity(commit.entries.len());
        let (mut tree, mut lanes) = (end.tree.clone(), end.lanes);
        let (mut sealed, mut turned, mut record) = (false, false, commit.first_record);
        let mut offset = start + Commit::len(commit.entries.len()) as u64;
        for entry in &commit.entries {
            let problem = |what| Problem {
                block: Some((tree.size(), record, u64::from(entry.count))),
                group: Some((tree.size(), commit.tree_size, commit.records())),
                ..Problem::unknown(what)
            };
            let Some(bytes) = self.read(offset, u64::from(entry.len))? else {
                return Ok(Err(problem("the block is cut off")));
            };
            if hash(&bytes) != entry.hash {
                let suspect = bytes.get(BlockHeader::BYTES..).map(|body| (record, body.to_vec()));
                let problem = problem("the block does not match its hash");
                return Ok(Err(Problem { suspect, ..problem }));
            }
            let checked = check_block(header, bytes, entry, &mut lanes);
            let Some((block, body)) = checked.filter(|_| !sealed && !turned) else {
                return Ok(Err(problem("the block does not follow the one before it")));
            };
            (sealed, turned) = (block.seals, block.turns);
            blocks.push(WalkedBlock {
                index: tree.size(),
                first_record: Position(record),
                hash: entry.hash,
                header: block,
                body,
                segment: end.segment,
                offset,
            });
            tree.push(entry.hash);
            record += u64::from(entry.count);
            offset += u64::from(entry.len);
        }
        if tree.root() != commit.root {
            return Ok(Err(Problem::unknown("the commit's root is not that of its blocks")));
        }
        let padding = self.read(offset, group_end - offset)?;
        if !padding.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
            return Ok(Err(Problem {
                group: Some((end.tree.size(), commit.tree_size, commit.records())),
                ..Problem::unknown("the padding behind the blocks is not zero")
            }));
        }
        let end = End {
            segment: end.segment,
            offset: group_end,
            commits: end.commits + 1,
            records: end.records + commit.records(),
            tree,
            sealed,
            turned,
            tail_bytes: 0,
            tail: None,
            last_commit: digest,
            last_commit_offset: start,
            lanes,
        };
        Ok(Ok(Group { blocks, end }))
    }

    /// Whether the last commit before `end` lies where `end` says, and says what `end` says.
    pub(crate) fn holds(&self, header: &SegmentHeader, end: &End) -> Result<bool, LogError> {
        if end.offset > self.len {
            return Ok(false);
        }
        let Some((commit, digest)) = self.read_commit(header, end.last_commit_offset)? else {
            return Ok(false);
        };
        Ok(digest == end.last_commit
            && commit.number.checked_add(1) == Some(end.commits)
            && commit.first_record.checked_add(commit.records()) == Some(end.records)
            && end.last_commit_offset.checked_add(commit.group_len()) == Some(end.offset)
            && (commit.tree_size, commit.root) == (end.tree.size(), end.tree.root()))
    }

    /// Searches from `start` to the end of the file for bytes that are not zero, and behind
    /// `commits_behind` for a valid commit, at which it stops.
    pub(crate) fn search(
        &self,
        header: &SegmentHeader,
        start: u64,
        commits_behind: u64,
    ) -> Result<Rest, LogError> {
        let mut rest = Rest { last_nonzero: None, later: None };
        let mut offset = start;
        while offset < self.len {
            let sector = self.read(offset, SECTOR_BYTES.min(self.len - offset))?;
            // The file became shorter: a writer gave reserved space back.
            let Some(sector) = sector else { break };
            if let Some(at) = sector.iter().rposition(|byte| *byte != 0) {
                rest.last_nonzero = Some(offset + at as u64);
                let announced = offset > commits_behind && Commit::announced_len(&sector).is_some();
                if announced && let Some((commit, _)) = self.read_commit(header, offset)? {
                    rest.later = Some(commit);
                    break;
                }
            }
            offset += SECTOR_BYTES;
        }
        Ok(rest)
    }

    /// The commit at `offset` and its hash, should a valid one lie there.
    ///
    /// # Errors
    /// The system's.
    pub fn read_commit(
        &self,
        header: &SegmentHeader,
        offset: u64,
    ) -> Result<Option<(Commit, Hash)>, LogError> {
        let ahead = SECTOR_BYTES.min(self.len.saturating_sub(offset));
        let Some(first) = self.read(offset, ahead)? else { return Ok(None) };
        let Some(len) = Commit::announced_len(&first) else { return Ok(None) };
        let Some(bytes) = self.read(offset, len as u64)? else { return Ok(None) };
        Ok(Commit::decode(&bytes, &header.node_key).filter(|(commit, _)| commit.log == header.log))
    }

    /// `len` bytes from `offset` on; `None`: the file ends before.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, offset: u64, len: u64) -> Result<Option<Vec<u8>>, LogError> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let mut bytes = vec![0; len as usize];
        match self.storage.read_at(offset, &mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            // A writer that ends gives reserved space back.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn check_block(
    log: &SegmentHeader,
    bytes: Vec<u8>,
    entry: &Entry,
    lanes: &mut [LaneState; Lane::COUNT],
) -> Option<(BlockHeader, Vec<u8>)> {
    let header = BlockHeader::decode(&bytes)?;
    let mut body = bytes;
    body.drain(..BlockHeader::BYTES);
    let lane = lanes.get_mut(header.lane as usize)?;
    let fits = header.log == log.log
        && header.count == entry.count
        && header.body_len as usize == body.len()
        && header.first == lane.records
        && header.previous == lane.last;
    lane.records += u64::from(header.count);
    lane.last = entry.hash;
    fits.then_some((header, body))
}

/// What is wrong with a group.
pub(crate) struct Problem {
    what: &'static str,
    /// Block, first record, records: where the commit tells them.
    block: Option<(u64, u64, u64)>,
    /// First block, block behind the last, records of the group.
    group: Option<(u64, u64, u64)>,
    /// A valid commit that belongs further behind: what lay before it is gone.
    pub(crate) stray: Option<Commit>,
    /// The first record and the body of a block that does not match its hash.
    pub(crate) suspect: Option<(u64, Vec<u8>)>,
}

impl Problem {
    pub(crate) fn unknown(what: &'static str) -> Problem {
        Problem { what, block: None, group: None, stray: None, suspect: None }
    }

    /// The damage, should the bytes behind `end` have been committed once.
    pub(crate) fn at(&self, end: &End, offset: u64) -> Damage {
        let last = |first: u64, count: u64| Some((first + count).saturating_sub(1).max(first));
        let (first_block, last_block, first_record, last_record) = match (self.block, self.group) {
            (Some((block, record, count)), _) => (block, Some(block), record, last(record, count)),
            (None, Some((first, behind, records))) => {
                (first, Some(behind.saturating_sub(1)), end.records, last(end.records, records))
            }
            (None, None) => (end.tree.size(), None, end.records, None),
        };
        Damage { what: self.what, first_block, last_block, first_record, last_record, offset }
    }
}
