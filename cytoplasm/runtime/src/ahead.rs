//! What is committed and not repeated yet: read ahead, for the orders of the tick that comes next.
//!
//! A run that is repeated takes its orders from the log instead of the desk, at the tick in which
//! they were carried out, and nobody may add one in between.

use std::collections::VecDeque;

use karyon_log::{Lane, LogError, Record, Records, Walk, WalkedBlock};

use karyon_types::AgentId;

use crate::processes::Order;

/// The blocks of a run's records, with a view ahead.
pub(crate) struct Blocks {
    walk: Walk,
    read: std::vec::IntoIter<WalkedBlock>,
    ahead: VecDeque<WalkedBlock>,
}

impl Blocks {
    pub(crate) fn new(walk: Walk) -> Blocks {
        Blocks { walk, read: Vec::new().into_iter(), ahead: VecDeque::new() }
    }

    pub(crate) fn next(&mut self) -> Result<Option<WalkedBlock>, LogError> {
        match self.ahead.pop_front() {
            Some(block) => Ok(Some(block)),
            None => self.read(),
        }
    }

    /// The block that comes behind `before` others.
    fn peek(&mut self, before: usize) -> Result<Option<&WalkedBlock>, LogError> {
        while self.ahead.len() <= before {
            match self.read()? {
                Some(block) => self.ahead.push_back(block),
                None => return Ok(None),
            }
        }
        Ok(self.ahead.get(before))
    }

    fn read(&mut self) -> Result<Option<WalkedBlock>, LogError> {
        loop {
            if let Some(block) = self.read.by_ref().find(|block| block.header.lane == Lane::Ticks) {
                return Ok(Some(block));
            }
            match self.walk.next_group()? {
                Some(blocks) => self.read = blocks.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

/// What is committed of the beginning of a tick.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// The orders that are carried out in it.
    pub(crate) orders: Vec<Order>,
    /// First and last of those who are lost in it.
    pub(crate) lost: Vec<(AgentId, AgentId)>,
    /// Whether more of the run is committed behind them.
    pub(crate) more: bool,
    begun: bool,
    /// Whether all of the beginning was read.
    read: bool,
}

impl Ahead {
    /// Reads the beginning of the next tick from `rest`, what is left of the block before
    /// `blocks`.
    pub(crate) fn read(rest: &[u8], blocks: &mut Blocks) -> Result<Ahead, LogError> {
        let mut ahead = Ahead::default();
        ahead.pass(rest);
        let mut before = 0;
        while !ahead.read
            && let Some(block) = blocks.peek(before)?
        {
            ahead.pass(&block.body);
            before += 1;
        }
        Ok(ahead)
    }

    fn pass(&mut self, bytes: &[u8]) {
        for record in Records::new(bytes) {
            match record {
                Some(Record::Tick(_)) if !self.begun => self.begun = true,
                Some(Record::Change { .. } | Record::Supervised { .. }) if self.begun => {}
                Some(Record::Order { verb, agent, uid }) if self.begun => {
                    self.orders.push(Order { verb, agent, uid });
                }
                Some(Record::Input { .. }) if self.begun => self.more = true,
                // Asked again, and compared.
                Some(Record::Told { .. }) if self.begun => self.more = true,
                Some(Record::Lost { first, last }) if self.begun => {
                    self.lost.push((first, last));
                    self.more = true;
                }
                // A fork's beginning lies between orders; that of a spawned agent behind them all.
                Some(Record::Lease(lease)) if self.begun && lease.cut.is_some() => {
                    self.more |= lease.cut.is_some_and(|cut| cut.by.is_some());
                }
                Some(Record::Spawn { .. }) if self.begun => {}
                // All else lies behind; what is no record at all the comparison finds.
                Some(_) | None => {
                    (self.more, self.read) = (true, true);
                    return;
                }
            }
        }
    }
}
