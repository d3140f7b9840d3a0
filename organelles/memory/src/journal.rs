//! A log that records can be looked up in: by position, by an agent's step, by what they are tied
//! to. An index says where a record lies ([`karyon_lineage`]); what it says is read from the log,
//! and checked again, so that the index is never believed about what happened.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use karyon_graph::GraphError;
use karyon_lineage::{IndexError, Rebuilt, Tie};
use karyon_log::{Control, Genesis, LogError, Message, Record, Records, Walk, WalkedBlock};
use karyon_runtime::datadir::log_folder;
use karyon_types::{AgentId, LeaseId, Position, Tick};

use crate::index::{self, Opened};
use crate::keeping::Unkept;

/// Why a record cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index cannot be read or made.
    #[error(transparent)]
    Index(Box<IndexError>),
    /// The index's file, or the checksum beside it, cannot be read or written.
    #[error(transparent)]
    File(Box<GraphError>),
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

impl From<IndexError> for JournalError {
    fn from(error: IndexError) -> JournalError {
        match error {
            IndexError::Log(error) => JournalError::Log(error),
            IndexError::Record { position } => JournalError::Unreadable { position },
            other => JournalError::Index(Box::new(other)),
        }
    }
}

impl From<GraphError> for JournalError {
    fn from(error: GraphError) -> JournalError {
        JournalError::File(Box::new(error))
    }
}

/// Commits that are kept in memory, some 8 MiB each at most: causes lie close together.
const CACHED_COMMITS: usize = 4;

/// A log, ready for looking up.
pub struct Journal {
    folder: PathBuf,
    opened: Opened,
    /// The commits that were read last, the newest behind.
    cached: VecDeque<Commit>,
}

struct Commit {
    number: u64,
    blocks: Vec<CachedBlock>,
}

struct CachedBlock {
    block: WalkedBlock,
    /// Where each record begins, and the tick in which it happened; empty before the first is
    /// looked up.
    marks: Vec<(usize, Option<Tick>)>,
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

impl Found {
    /// What it says.
    pub fn record(&self) -> Option<Record<'_>> {
        Records::new(&self.bytes).next().flatten()
    }
}

impl Journal {
    /// Opens the log of a data directory with its index, which is brought up to the log first. An
    /// index that is missing, damaged or not of this log is built anew: its file is hashed before
    /// anything is answered from it. In safe mode, and where nothing can be written, one that would
    /// have to be written to is built in memory instead. `progress` hears how many records are read.
    ///
    /// # Errors
    /// When the log is damaged in what has to be read, or the index cannot be made.
    pub fn of(data: &Path, progress: &mut dyn FnMut(u64)) -> Result<Journal, JournalError> {
        let (folder, opened) = (log_folder(data), index::open(data, progress)?);
        Ok(Journal { folder, opened, cached: VecDeque::new() })
    }

    /// Why the index was made anew though there was one; `None`: it was not.
    pub fn rebuilt(&self) -> Option<&Rebuilt> {
        self.opened.rebuilt.as_ref()
    }

    /// Why the index was built in memory and is not kept; `None`: it is the one in the data
    /// directory.
    pub fn unkept(&self) -> Option<Unkept> {
        self.opened.unkept
    }

    /// The position behind the last record.
    pub fn end(&self) -> Position {
        self.opened.index.end()
    }

    /// The last record that belongs to a tick or came before it.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn end_of_tick(&self, tick: Tick) -> Result<Position, JournalError> {
        let behind = self.opened.index.tick_after(tick)?.unwrap_or(self.end());
        Ok(Position(behind.0.saturating_sub(1)))
    }

    /// The last tick; `None`: there was none.
    pub fn last_tick(&self) -> Option<Tick> {
        self.opened.index.last_tick()
    }

    /// The highest number that a lease has.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn last_lease(&self) -> Result<Option<LeaseId>, JournalError> {
        Ok(self.opened.index.last_serial(Tie::Lease)?.map(LeaseId))
    }

    /// What began the log; `None`: nothing is recorded.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn genesis(&mut self) -> Result<Option<Genesis>, JournalError> {
        let found = self.first_tied(Tie::Genesis, 0)?;
        Ok(match found.as_ref().and_then(Found::record) {
            Some(Record::Control(control)) => match *control {
                Control::Genesis(genesis) => Some(genesis),
                _ => None,
            },
            _ => None,
        })
    }

    /// The record at a position; `None` behind the end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn record(&mut self, position: Position) -> Result<Option<Found>, JournalError> {
        if let Some(found) = self.cached.iter().find_map(|commit| commit.record(position)) {
            return Ok(Some(found));
        }
        let Some(spot) = self.opened.index.block_of(position)? else { return Ok(None) };
        let changed = JournalError::Changed { position };
        if !self.cached.iter().any(|commit| commit.number == spot.commit) {
            // What was read a moment ago is there still, unless somebody replaced the log.
            let walk = Walk::resume(&self.folder, &spot.place)?;
            let Some(mut walk) = walk else { return Err(changed) };
            let Some(blocks) = walk.next_group()? else { return Err(changed) };
            if self.cached.len() == CACHED_COMMITS {
                self.cached.pop_front();
            }
            let blocks = blocks.into_iter().map(|block| CachedBlock { block, marks: Vec::new() });
            self.cached.push_back(Commit { number: spot.commit, blocks: blocks.collect() });
        }
        let commit = self.cached.iter_mut().find(|commit| commit.number == spot.commit);
        let block = commit.and_then(|commit| commit.blocks.get_mut(spot.block));
        let Some(block) = block.filter(|block| block.block.first_record == spot.first) else {
            return Err(changed);
        };
        block.mark(spot.tick)?;
        block.record(position).map(Some).ok_or(changed)
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
        let Some(position) = self.opened.index.step(agent, step, before)? else { return Ok(None) };
        self.expect(position, |record| {
            matches!(record, Record::Step { agent: a, step: s, .. } if (*a, *s) == (agent, step))
        })
        .map(Some)
    }

    /// The last step that an agent took.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn last_step(&mut self, agent: AgentId) -> Result<Option<Found>, JournalError> {
        let Some(position) = self.opened.index.last_step(agent)? else { return Ok(None) };
        let is_its =
            |record: &Record<'_>| matches!(record, Record::Step { agent: a, .. } if *a == agent);
        self.expect(position, is_its).map(Some)
    }

    /// Where an agent took its steps from number `from` on.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn steps(
        &self,
        agent: AgentId,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<Position, JournalError>> + use<>, JournalError> {
        Ok(self.opened.index.steps(agent, from)?.map(|step| Ok(step?)))
    }

    /// Where a message, or the news that it was denied, was handled or lost.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn handled(&self, message: Message) -> Result<Vec<Position>, JournalError> {
        Ok(self.opened.index.handled(message)?)
    }

    /// All that was handled or lost of what an agent sent from its step `from` on.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn handled_of(
        &self,
        agent: AgentId,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<(Message, Position), JournalError>> + use<>, JournalError>
    {
        Ok(self.opened.index.handled_of(agent, from)?.map(|handled| Ok(handled?)))
    }

    /// Where an agent crashed in one of its steps.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn crashes(&self, agent: AgentId, step: u64) -> Result<Vec<Position>, JournalError> {
        Ok(self.opened.index.crashes(agent, step)?)
    }

    /// The records that are tied so to a serial, in the order of the log.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn tied(
        &self,
        tie: Tie,
        serial: u64,
    ) -> Result<impl Iterator<Item = Result<Position, JournalError>> + use<>, JournalError> {
        Ok(self.opened.index.tied(tie, serial)?.map(|position| Ok(position?)))
    }

    /// The lowest serial to which anything is tied so.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn first_serial(&self, tie: Tie) -> Result<Option<u64>, JournalError> {
        Ok(self.opened.index.first_serial(tie)?)
    }

    /// The first record that is tied so to a serial.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn first_tied(&mut self, tie: Tie, serial: u64) -> Result<Option<Found>, JournalError> {
        let position = self.opened.index.tied(tie, serial)?.next();
        position.map_or(Ok(None), |position| self.record(position?))
    }

    /// A record of which the index says what it is. Should it be another, somebody changed the
    /// log or the index just now.
    fn expect(
        &mut self,
        position: Position,
        is_it: impl Fn(&Record<'_>) -> bool,
    ) -> Result<Found, JournalError> {
        let found = self.record(position)?;
        let found = found.filter(|found| found.record().is_some_and(|record| is_it(&record)));
        found.ok_or(JournalError::Changed { position })
    }
}

impl Commit {
    /// The record at a position, if its block was looked into before.
    fn record(&self, position: Position) -> Option<Found> {
        let behind = self.blocks.partition_point(|block| block.block.first_record <= position);
        self.blocks.get(behind.checked_sub(1)?)?.record(position)
    }
}

impl CachedBlock {
    /// Notes where each record begins, in a block before which it was `tick`.
    fn mark(&mut self, mut tick: Option<Tick>) -> Result<(), JournalError> {
        let (body, first) = (&self.block.body, self.block.first_record);
        let (mut records, mut marks) = (Records::new(body), Vec::new());
        loop {
            let start = body.len() - records.rest().len();
            let Some(record) = records.next() else { break };
            let position = Position(first.0 + marks.len() as u64);
            if let Record::Tick(now) = record.ok_or(JournalError::Unreadable { position })? {
                tick = Some(now);
            }
            marks.push((start, tick));
        }
        self.marks = marks;
        Ok(())
    }

    /// The record at a position, if the block holds it and is marked.
    fn record(&self, position: Position) -> Option<Found> {
        let number = position.0.checked_sub(self.block.first_record.0)?;
        let number = usize::try_from(number).ok()?;
        let (start, tick) = self.marks.get(number).copied()?;
        let behind = self.marks.get(number + 1);
        let behind = behind.map_or(self.block.body.len(), |(start, _)| *start);
        let bytes = self.block.body.get(start..behind)?.to_vec();
        Some(Found { position, tick, bytes })
    }
}
