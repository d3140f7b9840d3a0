//! Walks a log from its beginning: each committed block once, in commit order, checked.

use std::io;

use karyon_types::{Hash, Position};

use crate::block::{BlockHeader, Lane, LaneState, block_hash};
use crate::commit::{Commit, Entry};
use crate::damage::Damage;
use crate::limits::SECTOR_BYTES;
use crate::segment::SegmentHeader;
use crate::storage::Storage;
use crate::tree::Tree;

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
}

/// A committed block.
#[derive(Clone, Debug)]
pub struct WalkedBlock {
    /// Its position in the tree.
    pub index: u64,
    /// The position of its first record.
    pub first_record: Position,
    /// What it says of itself.
    pub header: BlockHeader,
    /// Its records.
    pub body: Vec<u8>,
    /// Where it begins in the file.
    pub offset: u64,
}

/// Where a log ends, and how.
#[derive(Clone, Debug)]
pub struct End {
    /// The end of the last commit: where the next one goes.
    pub offset: u64,
    /// How many commits there are.
    pub commits: u64,
    /// The number of committed records.
    pub records: u64,
    /// The tree over all committed blocks.
    pub tree: Tree,
    /// Whether the last record seals the log.
    pub sealed: bool,
    /// Bytes behind the last commit that are not zero and belong to no commit.
    pub tail_bytes: u64,
    /// What the tail looks like, should a checkpoint say that it was committed once.
    pub tail: Option<Damage>,
    pub(crate) last_commit: Hash,
    pub(crate) lanes: [LaneState; Lane::COUNT],
}

impl End {
    /// How many records of `lane` are committed.
    pub fn lane_records(&self, lane: Lane) -> u64 {
        self.lanes.get(lane as usize).map_or(0, |state| state.records)
    }

    /// The end of a log that holds nothing but its first sector.
    pub fn of_new_log() -> End {
        End {
            offset: SECTOR_BYTES,
            commits: 0,
            records: 0,
            tree: Tree::default(),
            sealed: false,
            tail_bytes: 0,
            tail: None,
            last_commit: Hash::ZERO,
            lanes: [LaneState::default(); Lane::COUNT],
        }
    }
}

/// A reader that checks everything that it hands out.
pub struct Walk {
    storage: Box<dyn Storage>,
    header: SegmentHeader,
    len: u64,
    end: End,
    done: bool,
}

impl Walk {
    /// Begins at the beginning.
    ///
    /// # Errors
    /// [`LogError::NotALog`] for a file that never was one: not longer than a first sector, and
    /// without a whole one.
    pub fn new(storage: Box<dyn Storage>) -> Result<Walk, LogError> {
        let len = storage.len()?;
        if len < SECTOR_BYTES {
            return Err(LogError::NotALog);
        }
        let mut sector = vec![0; SECTOR_BYTES as usize];
        storage.read_at(0, &mut sector)?;
        // The first sector is durable before the file grows: a longer file had one.
        let header = match SegmentHeader::decode(&sector) {
            Ok(header) => header,
            Err(LogError::NotALog) if len > SECTOR_BYTES => return Err(LogError::Header),
            Err(LogError::Header) if len <= SECTOR_BYTES => return Err(LogError::NotALog),
            Err(other) => return Err(other),
        };
        Ok(Walk { storage, header, len, end: End::of_new_log(), done: false })
    }

    /// Whose log it is.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Where the walk stands; once [`next_group`](Walk::next_group) gave `None`, the log's end.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// Gives up the walk for where it stands.
    pub fn into_end(self) -> End {
        self.end
    }

    /// The blocks of the next commit; `None` at the end.
    ///
    /// # Errors
    /// [`LogError::Damaged`] for a place that is followed by a valid commit, or that lies behind
    /// a seal. Anything else behind the last commit is a tail, not an error.
    pub fn next_group(&mut self) -> Result<Option<Vec<WalkedBlock>>, LogError> {
        if self.done {
            return Ok(None);
        }
        let start = self.end.offset;
        let mut group = self.read_group(start)?;
        if let Err(problem) = group {
            // Only what the rest of the file says tells a tail from damage; and should the log
            // be written just now, the group may have come while the rest was searched.
            let verdict = self.classify(start, problem);
            self.len = self.storage.len()?;
            group = self.read_group(start)?;
            if group.is_err() {
                self.done = true;
                return verdict.map(|()| None);
            }
            (self.end.tail_bytes, self.end.tail) = (0, None);
        }
        match group {
            Ok((commit, digest, blocks)) => {
                self.end.offset = start + commit.group_len();
                self.end.commits += 1;
                self.end.records += commit.records();
                self.end.last_commit = digest;
                Ok(Some(blocks))
            }
            Err(_) => Ok(None),
        }
    }

    /// Reads the group at `start`: `Err(problem)` inside when it is not whole and right.
    #[expect(clippy::type_complexity, reason = "read once, right above")]
    fn read_group(
        &mut self,
        start: u64,
    ) -> Result<Result<(Commit, Hash, Vec<WalkedBlock>), Problem>, LogError> {
        let Some((commit, digest)) = self.read_commit(start)? else {
            return Ok(Err(Problem::unknown("no valid commit")));
        };
        let expected = (self.end.commits, self.end.last_commit, self.end.records);
        if (commit.number, commit.previous, commit.first_record) != expected
            || commit.first_block() != Some(self.end.tree.size())
            || self.end.sealed
        {
            return Ok(Err(Problem::unknown("the commit does not follow the one before it")));
        }
        let group_end = start + commit.group_len();
        let mut blocks = Vec::with_capacity(commit.entries.len());
        let (mut tree, mut lanes) = (self.end.tree.clone(), self.end.lanes);
        let (mut sealed, mut record) = (false, commit.first_record);
        let mut offset = start + Commit::len(commit.entries.len()) as u64;
        for entry in &commit.entries {
            let problem = |what| Problem {
                what,
                block: Some((tree.size(), record, u64::from(entry.count))),
                group: Some((tree.size(), commit.tree_size, commit.records())),
            };
            let Some(bytes) = self.read(offset, u64::from(entry.len))? else {
                return Ok(Err(problem("the block is cut off")));
            };
            if block_hash(&bytes) != entry.hash {
                return Ok(Err(problem("the block does not match its hash")));
            }
            let Some(block) = self.check_block(bytes, entry, &mut lanes) else {
                return Ok(Err(problem("the block does not follow the one before it")));
            };
            let (header, body) = block;
            sealed = header.seals;
            let (index, first_record) = (tree.size(), Position(record));
            blocks.push(WalkedBlock { index, first_record, header, body, offset });
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
                what: "the padding behind the blocks is not zero",
                block: None,
                group: Some((self.end.tree.size(), commit.tree_size, commit.records())),
            }));
        }
        self.end.tree = tree;
        self.end.lanes = lanes;
        self.end.sealed = sealed;
        Ok(Ok((commit, digest, blocks)))
    }

    fn check_block(
        &self,
        bytes: Vec<u8>,
        entry: &Entry,
        lanes: &mut [LaneState; Lane::COUNT],
    ) -> Option<(BlockHeader, Vec<u8>)> {
        let header = BlockHeader::decode(&bytes)?;
        let mut body = bytes;
        body.drain(..BlockHeader::BYTES);
        let lane = lanes.get_mut(header.lane as usize)?;
        let fits = header.log == self.header.log
            && header.count == entry.count
            && header.body_len as usize == body.len()
            && header.first == lane.records
            && header.previous == lane.last;
        lane.records += u64::from(header.count);
        lane.last = entry.hash;
        fits.then_some((header, body))
    }

    fn read_commit(&self, offset: u64) -> Result<Option<(Commit, Hash)>, LogError> {
        let ahead = SECTOR_BYTES.min(self.len.saturating_sub(offset));
        let Some(first) = self.read(offset, ahead)? else { return Ok(None) };
        let Some(len) = Commit::announced_len(&first) else { return Ok(None) };
        let Some(bytes) = self.read(offset, len as u64)? else { return Ok(None) };
        Ok(Commit::decode(&bytes, &self.header.node_key)
            .filter(|(commit, _)| commit.log == self.header.log))
    }

    /// `None`: the file ends before.
    fn read(&self, offset: u64, len: u64) -> Result<Option<Vec<u8>>, LogError> {
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

    /// Tells a tail that was never committed from damage to what was.
    fn classify(&mut self, start: u64, problem: Problem) -> Result<(), LogError> {
        let (mut last_nonzero, mut later) = (None, None);
        let mut offset = start;
        while offset < self.len {
            let sector = self.read(offset, SECTOR_BYTES.min(self.len - offset))?;
            // The file became shorter: a writer gave reserved space back.
            let Some(sector) = sector else { break };
            if let Some(at) = sector.iter().rposition(|byte| *byte != 0) {
                last_nonzero = Some(offset + at as u64);
                let announced = offset > start && Commit::announced_len(&sector).is_some();
                if announced && let Some((commit, _)) = self.read_commit(offset)? {
                    later = Some(commit);
                    break;
                }
            }
            offset += SECTOR_BYTES;
        }
        let Some(last_nonzero) = last_nonzero else { return Ok(()) };
        let mut damage = problem.at(&self.end, start);
        if let Some(commit) = later {
            if damage.last_block.is_none() {
                damage.last_block = commit.first_block().map(|b| b.saturating_sub(1));
                damage.last_record = Some(commit.first_record.saturating_sub(1));
            }
            return Err(LogError::Damaged(damage));
        }
        if self.end.sealed {
            // Nothing follows a seal; name the block that holds it.
            let sealing = self.end.tree.size().saturating_sub(1);
            (damage.first_block, damage.last_block) = (sealing, Some(sealing));
            damage.first_record = self.end.records.saturating_sub(1);
            damage.last_record = Some(damage.first_record);
            damage.what = "bytes behind the seal are not zero";
            return Err(LogError::Damaged(damage));
        }
        self.end.tail_bytes = last_nonzero + 1 - start;
        self.end.tail = Some(damage);
        Ok(())
    }
}

/// What is wrong with a group.
struct Problem {
    what: &'static str,
    /// Block, first record, records: where the commit tells them.
    block: Option<(u64, u64, u64)>,
    /// First block, block behind the last, records of the group.
    group: Option<(u64, u64, u64)>,
}

impl Problem {
    fn unknown(what: &'static str) -> Problem {
        Problem { what, block: None, group: None }
    }

    fn at(self, end: &End, offset: u64) -> Damage {
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
