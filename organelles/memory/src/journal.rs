//! A log that records can be looked up in: by position, and an agent's step by its number.
//!
//! One walk through the log notes where each commit and each block begins, some 700 bytes a commit
//! and 40 a block; what is looked up is read again, and checked again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use karyon_log::{Control, LeaseRecord, LogError, Place, Record, Records, Walk, WalkedBlock};
use karyon_types::{AgentId, LeaseId, Position, Tick};

/// Why a record cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another log lies there than a moment ago.
    #[error("the log was changed while it was read, at record {position}; ask again")]
    Changed {
        /// The first record that was looked for.
        position: Position,
    },
    /// A committed record is not of this version's format.
    #[error("record {position} cannot be read by this version of Karyon")]
    Unreadable {
        /// Which record.
        position: Position,
    },
}

/// Commits that are kept in memory, some 8 MiB each at most: causes lie close together.
const CACHED_COMMITS: usize = 4;

/// A log, ready for looking up.
pub struct Journal {
    folder: PathBuf,
    /// Where each commit begins.
    groups: Vec<Place>,
    blocks: Vec<Mark>,
    /// The blocks of the commits that were read last, the newest behind.
    cached: VecDeque<(usize, Vec<WalkedBlock>)>,
    /// All control records.
    controls: Vec<(Position, Control)>,
    /// The highest number that a lease has.
    last_lease: Option<LeaseId>,
    last_tick: Option<Tick>,
    end: Position,
}

/// Where a block begins.
struct Mark {
    /// Its commit, and its place in it.
    group: usize,
    block: usize,
    first: Position,
    /// The tick before its first record.
    tick: Option<Tick>,
}

/// A record that was looked up.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its position.
    pub position: Position,
    /// The tick in which it happened; `None` before the first.
    pub tick: Option<Tick>,
    bytes: Vec<u8>,
}

/// A record in passing.
struct Seen<'a> {
    position: Position,
    tick: Option<Tick>,
    bytes: &'a [u8],
}

impl Seen<'_> {
    fn to_owned(&self) -> Found {
        Found { position: self.position, tick: self.tick, bytes: self.bytes.to_vec() }
    }
}

impl Found {
    /// What it says.
    pub fn record(&self) -> Option<Record<'_>> {
        Records::new(&self.bytes).next().flatten()
    }
}

impl Journal {
    /// Walks through the log once.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn open(folder: &Path) -> Result<Journal, JournalError> {
        let mut walk = Walk::open(folder)?;
        let mut journal = Journal {
            folder: folder.into(),
            groups: Vec::new(),
            blocks: Vec::new(),
            cached: VecDeque::new(),
            controls: Vec::new(),
            last_lease: None,
            last_tick: None,
            end: Position(0),
        };
        let mut tick = None;
        loop {
            let place = walk.place();
            let Some(blocks) = walk.next_group()? else { break };
            let group = journal.groups.len();
            journal.groups.push(place);
            for (number, block) in blocks.iter().enumerate() {
                let first = block.first_record;
                journal.blocks.push(Mark { group, block: number, first, tick });
                for (position, record) in (first.0..).zip(Records::new(&block.body)) {
                    match record {
                        Some(Record::Tick(now)) => tick = Some(now),
                        Some(Record::Lease(lease)) => {
                            journal.last_lease = journal.last_lease.max(Some(lease.id));
                        }
                        Some(Record::Control(control)) => {
                            journal.controls.push((Position(position), *control));
                        }
                        Some(_) => {}
                        None => {
                            let position = Position(position);
                            return Err(JournalError::Unreadable { position });
                        }
                    }
                }
            }
        }
        journal.last_tick = tick;
        journal.end = Position(walk.end().records);
        Ok(journal)
    }

    /// The position behind the last record.
    pub fn end(&self) -> Position {
        self.end
    }

    /// The last record that belongs to a tick or came before it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn end_of_tick(&mut self, tick: Tick) -> Result<Position, JournalError> {
        // The first record of a later tick lies in the block before the first that begins later.
        let later = self.blocks.partition_point(|mark| mark.tick.is_none_or(|begun| begun <= tick));
        for block in later.saturating_sub(1)..self.blocks.len() {
            let beginning = self.first_in_block(
                block,
                |_, record| matches!(record, Record::Tick(begun) if *begun > tick),
            )?;
            if let Some(found) = beginning {
                return Ok(Position(found.position.0.saturating_sub(1)));
            }
        }
        Ok(Position(self.end.0.saturating_sub(1)))
    }

    /// The last tick; `None`: there was none.
    pub fn last_tick(&self) -> Option<Tick> {
        self.last_tick
    }

    /// All control records with their positions.
    pub fn controls(&self) -> &[(Position, Control)] {
        &self.controls
    }

    /// The record at a position; `None` behind the end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn record(&mut self, position: Position) -> Result<Option<Found>, JournalError> {
        let block = self.blocks.partition_point(|mark| mark.first <= position);
        match block.checked_sub(1) {
            Some(block) if position < self.end => self.last_in_block(block, |at, _| at == position),
            _ => Ok(None),
        }
    }

    /// The record of an agent's step, somewhere before `before`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn step(
        &mut self,
        agent: AgentId,
        step: u64,
        before: Position,
    ) -> Result<Option<Found>, JournalError> {
        let behind = self.blocks.partition_point(|mark| mark.first < before);
        // A cause lies shortly before its effect.
        for block in (0..behind).rev() {
            let found = self.last_in_block(block, |position, record| {
                position < before
                    && matches!(record, Record::Step { agent: a, step: s, .. } if (*a, *s) == (agent, step))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The last step that an agent took.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn last_step(&mut self, agent: AgentId) -> Result<Option<Found>, JournalError> {
        for block in (0..self.blocks.len()).rev() {
            let found = self.last_in_block(
                block,
                |_, record| matches!(record, Record::Step { agent: a, .. } if *a == agent),
            )?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first lease for which `is_it` holds.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn lease(
        &mut self,
        is_it: impl Fn(&LeaseRecord) -> bool,
    ) -> Result<Option<LeaseRecord>, JournalError> {
        // Leases are opened before anything is done under them.
        for block in 0..self.blocks.len() {
            let found = self.first_in_block(
                block,
                |_, record| matches!(record, Record::Lease(lease) if is_it(lease)),
            )?;
            if let Some(found) = found
                && let Some(Record::Lease(lease)) = found.record()
            {
                return Ok(Some(lease));
            }
        }
        Ok(None)
    }

    /// The highest number that a lease has.
    pub fn last_lease(&self) -> Option<LeaseId> {
        self.last_lease
    }

    /// The last record of a block for which `is_it` holds.
    fn last_in_block(
        &mut self,
        block: usize,
        is_it: impl Fn(Position, &Record<'_>) -> bool,
    ) -> Result<Option<Found>, JournalError> {
        let mut last = None;
        self.scan(block, |found, record| {
            if is_it(found.position, record) {
                last = Some(found.to_owned());
            }
            true
        })?;
        Ok(last)
    }

    /// The first record of a block for which `is_it` holds.
    fn first_in_block(
        &mut self,
        block: usize,
        is_it: impl Fn(Position, &Record<'_>) -> bool,
    ) -> Result<Option<Found>, JournalError> {
        let mut first = None;
        self.scan(block, |found, record| {
            if is_it(found.position, record) {
                first = Some(found.to_owned());
            }
            first.is_none()
        })?;
        Ok(first)
    }

    /// Shows the records of a block to `look`, until it has seen enough.
    fn scan(
        &mut self,
        block: usize,
        mut look: impl FnMut(&Seen<'_>, &Record<'_>) -> bool,
    ) -> Result<(), JournalError> {
        let Some(mark) = self.blocks.get(block) else { return Ok(()) };
        let (group, number, mut position, mut tick) =
            (mark.group, mark.block, mark.first, mark.tick);
        let changed = JournalError::Changed { position };
        let body = self.body(group, number)?.ok_or(changed)?;
        let mut records = Records::new(body);
        loop {
            let before = records.rest();
            let Some(record) = records.next() else { return Ok(()) };
            let record = record.ok_or(JournalError::Unreadable { position })?;
            if let Record::Tick(now) = record {
                tick = Some(now);
            }
            let len = before.len() - records.rest().len();
            let bytes = before.get(..len).unwrap_or_default();
            if !look(&Seen { position, tick, bytes }, &record) {
                return Ok(());
            }
            position.0 += 1;
        }
    }

    /// The records of a block.
    fn body(&mut self, group: usize, block: usize) -> Result<Option<&[u8]>, LogError> {
        if !self.cached.iter().any(|(cached, _)| *cached == group) {
            let Some(place) = self.groups.get(group) else { return Ok(None) };
            // What was read a moment ago is there still, unless somebody replaced the log.
            let Some(mut walk) = Walk::resume(&self.folder, place)? else { return Ok(None) };
            let Some(blocks) = walk.next_group()? else { return Ok(None) };
            if self.cached.len() == CACHED_COMMITS {
                self.cached.pop_front();
            }
            self.cached.push_back((group, blocks));
        }
        let blocks = self.cached.iter().find(|(cached, _)| *cached == group);
        let block = blocks.and_then(|(_, blocks)| blocks.get(block));
        Ok(block.map(|block| block.body.as_slice()))
    }
}
