//! What is committed and not repeated yet: read ahead, for the orders of the tick that comes next.
//!
//! A run that is repeated takes its orders from the log instead of the desk, at the tick in which
//! they were carried out, and nobody may add one in between.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use karyon_arrangements::Told;
use karyon_log::{Lane, LogError, Message, Record, Records, Walk, WalkedBlock};

use karyon_types::{AgentId, Tick};

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

    /// Looks at whole records from `rest` on, what is left of the block before, and at most `most`
    /// of them, until `look` has seen enough. Bytes that are no record are none, and so is the end,
    /// unless that is where it begins.
    pub(crate) fn scan<T>(
        &mut self,
        rest: &[u8],
        mut most: u64,
        mut look: impl FnMut(Option<&Record<'_>>) -> ControlFlow<T>,
    ) -> Result<Option<T>, LogError> {
        let (mut before, mut any, mut body) = (0, false, rest);
        loop {
            for record in Records::new(body) {
                if most == 0 {
                    break;
                }
                (any, most) = (true, most - 1);
                if let ControlFlow::Break(found) = look(record.as_ref()) {
                    return Ok(Some(found));
                }
            }
            let next = if most > 0 { self.peek(before)? } else { None };
            let Some(block) = next else { break };
            (body, before) = (&block.body, before + 1);
        }
        Ok(match any.then(|| look(None)) {
            Some(ControlFlow::Break(found)) => Some(found),
            Some(ControlFlow::Continue(())) | None => None,
        })
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
    /// What came of effects, of which agents are told in it.
    pub(crate) receipts: Vec<(Message, Box<[u8]>)>,
    /// Whether more of the run is committed behind them.
    pub(crate) more: bool,
    /// The tick, if it is one that comes next.
    pub(crate) tick: Option<Tick>,
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
                Some(Record::Tick(tick)) if !self.begun => {
                    (self.begun, self.tick) = (true, Some(tick));
                }
                Some(Record::Change { .. } | Record::Supervised { .. }) if self.begun => {}
                Some(Record::Order { verb, agent, uid }) if self.begun => {
                    self.orders.push(Order { verb, agent, uid });
                }
                Some(Record::Input { .. }) if self.begun => self.more = true,
                Some(Record::Told { by, what }) if self.begun => {
                    // What was recalled is asked again, and compared.
                    if let Some(Told::Receipt(_)) = Told::decode(what) {
                        self.receipts.push((by, what.into()));
                    }
                    self.more = true;
                }
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
