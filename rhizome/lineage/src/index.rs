//! Looking up: each answer takes a few pages, however long the log is.

use std::ops::RangeInclusive;
use std::path::Path;

use karyon_log::{Message, Place, Walk};
use karyon_types::{AgentId, Position, Tick};
use redb::{ReadOnlyTable, ReadableDatabase};

use crate::error::IndexError;
use crate::rows::{
    BlockRow, State, Tie, handled_key, input_key, number_at, position_of, step_key, tick_key,
    tie_key,
};
use crate::tables::ReadTables;
use crate::{catch_up, file};

/// An index as it stands now. It keeps its file open, so that nobody writes to it meanwhile.
pub struct Index {
    tables: ReadTables,
    state: State,
    place: Option<Place>,
    /// Behind the tables, so that it is dropped after them.
    _database: Box<dyn ReadableDatabase + Send + Sync>,
}

/// Where a block lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The number of its commit.
    pub commit: u64,
    /// The place before that commit, for [`Walk::resume`].
    pub place: Place,
    /// Its number in the commit, counted from 0.
    pub block: usize,
    /// The position of its first record.
    pub first: Position,
    /// The tick before its first record.
    pub tick: Option<Tick>,
}

impl Index {
    /// Opens the index in `file`; `None`: there is none that could be used as it is, and
    /// [`catch_up`](crate::catch_up) helps.
    ///
    /// # Errors
    /// [`IndexError::InUse`] while somebody writes to it, [`IndexError::Io`].
    pub fn open(file: &Path) -> Result<Option<Index>, IndexError> {
        let database = file::open_read_only(file)?;
        database.map(|database| Index::of(Box::new(database))).transpose()
    }

    /// Builds the index of the log in the folder `log` in memory, where nothing may be written.
    /// `progress` hears now and then how many records are read.
    ///
    /// # Errors
    /// [`IndexError::Log`] for a log that cannot be read, [`IndexError::Record`].
    pub fn in_memory(log: &Path, progress: &mut dyn FnMut(u64)) -> Result<Index, IndexError> {
        Index::of(Box::new(catch_up::in_memory(log, progress)?))
    }

    fn of(database: Box<dyn ReadableDatabase + Send + Sync>) -> Result<Index, IndexError> {
        let tables = ReadTables::open(&database.begin_read()?)?;
        let (state, place) = file::standing(&tables)?;
        Ok(Index { tables, state, place, _database: database })
    }

    /// Whether it stands at the log's end, told without reading the log again.
    ///
    /// # Errors
    /// [`IndexError::Log`] for a log that cannot be read.
    pub fn is_current(&self, log: &Path) -> Result<bool, IndexError> {
        let Some(place) = &self.place else { return Ok(false) };
        Ok(match Walk::resume(log, place)? {
            Some(mut walk) => walk.next_group()?.is_none(),
            None => false,
        })
    }

    /// The position behind the last record.
    pub fn end(&self) -> Position {
        Position(self.state.position)
    }

    /// The tick that began last; `None`: there was none.
    pub fn last_tick(&self) -> Option<Tick> {
        self.state.tick
    }

    /// Where the first tick later than `tick` began.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn tick_after(&self, tick: Tick) -> Result<Option<Position>, IndexError> {
        let Some(next) = tick.0.checked_add(1) else { return Ok(None) };
        let range = tick_key(next, 0)..=tick_key(u64::MAX, u64::MAX);
        first(&self.tables.ticks, range)
    }

    /// The block that holds a record; `None` behind the end.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn block_of(&self, position: Position) -> Result<Option<Spot>, IndexError> {
        if position >= self.end() {
            return Ok(None);
        }
        let damaged = || IndexError::damaged("a block is missing");
        let (first, row) =
            self.tables.blocks.range(..=position.0)?.next_back().ok_or_else(damaged)??;
        let row = BlockRow::decode(row.value()).ok_or_else(damaged)?;
        let place = self.tables.commits.get(row.commit)?.ok_or_else(damaged)?;
        Ok(Some(Spot {
            commit: row.commit,
            place: Place::decode(place.value()).ok_or_else(damaged)?,
            block: row.number as usize,
            first: Position(first.value()),
            tick: row.tick,
        }))
    }

    /// The last record of a step before a position.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn step(
        &self,
        agent: AgentId,
        step: u64,
        before: Position,
    ) -> Result<Option<Position>, IndexError> {
        let Some(until) = before.0.checked_sub(1) else { return Ok(None) };
        last(&self.tables.steps, step_key(agent, step, 0)..=step_key(agent, step, until))
    }

    /// The record of an agent's last step: the one of the highest number.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn last_step(&self, agent: AgentId) -> Result<Option<Position>, IndexError> {
        let range = step_key(agent, 0, 0)..=step_key(agent, u64::MAX, u64::MAX);
        last(&self.tables.steps, range)
    }

    /// The records of an agent's steps from number `from` on, in the order of their numbers.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn steps(
        &self,
        agent: AgentId,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<Position, IndexError>> + use<>, IndexError> {
        let range = step_key(agent, from, 0)..=step_key(agent, u64::MAX, u64::MAX);
        Ok(all(&self.tables.steps, range)?.map(|key| Ok(position_of(&key?))))
    }

    /// Where a message, or the news that it was denied, was handled or lost.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn handled(&self, message: Message) -> Result<Vec<Position>, IndexError> {
        let range = handled_key(message, 0)..=handled_key(message, u64::MAX);
        all(&self.tables.handled, range)?.map(|key| Ok(position_of(&key?))).collect()
    }

    /// All that was handled or lost of what an agent sent from its step `from` on, in the order
    /// in which it was sent: the message, and where.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn handled_of(
        &self,
        agent: AgentId,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<(Message, Position), IndexError>> + use<>, IndexError>
    {
        let sent = move |step, output| Message { from: agent, step, output };
        let range = handled_key(sent(from, 0), 0)..=handled_key(sent(u64::MAX, u16::MAX), u64::MAX);
        Ok(all(&self.tables.handled, range)?.map(move |key| {
            let key = key?;
            let output = (number_at(&key, 10) & u64::from(u16::MAX)) as u16;
            Ok((sent(number_at(&key, 8), output), position_of(&key)))
        }))
    }

    /// Where an external input was handled or lost.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn input(&self, index: u32) -> Result<Vec<Position>, IndexError> {
        let range = input_key(index, 0)..=input_key(index, u64::MAX);
        all(&self.tables.inputs, range)?.map(|key| Ok(position_of(&key?))).collect()
    }

    /// Where an agent crashed in one of its steps.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn crashes(&self, agent: AgentId, step: u64) -> Result<Vec<Position>, IndexError> {
        let range = step_key(agent, step, 0)..=step_key(agent, step, u64::MAX);
        all(&self.tables.crashes, range)?.map(|key| Ok(position_of(&key?))).collect()
    }

    /// The records that are tied so to a serial, in the order of the log.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn tied(
        &self,
        tie: Tie,
        serial: u64,
    ) -> Result<impl Iterator<Item = Result<Position, IndexError>> + use<>, IndexError> {
        let range = tie_key(tie, serial, 0)..=tie_key(tie, serial, u64::MAX);
        Ok(all(&self.tables.ties, range)?.map(|key| Ok(position_of(&key?))))
    }

    /// The lowest serial to which anything is tied so.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn first_serial(&self, tie: Tie) -> Result<Option<u64>, IndexError> {
        let range = tie_key(tie, 0, 0)..=tie_key(tie, u64::MAX, u64::MAX);
        let key = all(&self.tables.ties, range)?.next().transpose()?;
        Ok(key.map(|key| number_at(&key, 1)))
    }

    /// The highest serial to which anything is tied so.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn last_serial(&self, tie: Tie) -> Result<Option<u64>, IndexError> {
        let range = tie_key(tie, 0, 0)..=tie_key(tie, u64::MAX, u64::MAX);
        let row = self.tables.ties.range::<&[u8; 17]>(range.start()..=range.end())?.next_back();
        Ok(row.transpose()?.map(|(key, _)| number_at(key.value(), 1)))
    }
}

/// The keys of a range, in order.
fn all<const N: usize>(
    table: &ReadOnlyTable<&'static [u8; N], ()>,
    range: RangeInclusive<[u8; N]>,
) -> Result<impl Iterator<Item = Result<[u8; N], IndexError>> + use<N>, IndexError> {
    let rows = table.range::<&[u8; N]>(range.start()..=range.end())?;
    Ok(rows.map(|row| Ok(*row?.0.value())))
}

/// The position with which the first key of a range ends.
fn first<const N: usize>(
    table: &ReadOnlyTable<&'static [u8; N], ()>,
    range: RangeInclusive<[u8; N]>,
) -> Result<Option<Position>, IndexError> {
    let row = table.range::<&[u8; N]>(range.start()..=range.end())?.next();
    Ok(row.transpose()?.map(|(key, _)| position_of(key.value())))
}

/// The position with which the last key of a range ends.
fn last<const N: usize>(
    table: &ReadOnlyTable<&'static [u8; N], ()>,
    range: RangeInclusive<[u8; N]>,
) -> Result<Option<Position>, IndexError> {
    let row = table.range::<&[u8; N]>(range.start()..=range.end())?.next_back();
    Ok(row.transpose()?.map(|(key, _)| position_of(key.value())))
}
