//! The feeder: releases the contacts level by level, two ticks a level.
//!
//! In the first tick of a level each sender is told to send, in the second the message arrives.
//! Nobody is in two contacts of one level, so that equals processing the file line by line.

use std::collections::HashMap;

use karyon_runtime::{Batch, InputItem, InputSource, codec};
use karyon_types::{AgentId, Tick};

use crate::contacts::Contacts;
use crate::levels::Levels;
use crate::person::Tell;

/// Ticks a level: one to send, one to arrive.
pub const TICKS_PER_LEVEL: u64 = 2;

/// The serial of a person: people are numbered from 0, agents from 1.
pub fn agent_of(person: u32) -> AgentId {
    AgentId(u64::from(person) + 1)
}

/// The input source of the colony "rumour".
pub struct Feeder {
    tells: Vec<Tell>,
    items: Vec<InputItem>,
    /// Where each level begins in `items`, and where the last one ends.
    starts: Vec<u32>,
}

impl Feeder {
    /// A feeder of all contacts.
    pub fn new(contacts: &Contacts, levels: &Levels) -> Feeder {
        let mut pairs = HashMap::new();
        let tells = (0..)
            .zip(contacts.list())
            .map(|(index, contact)| {
                let nth = pairs.entry((contact.source, contact.target)).or_insert(0);
                *nth += 1;
                Tell {
                    to: agent_of(contact.target).0,
                    time: contact.time,
                    contact: index,
                    nth: *nth,
                }
            })
            .collect();
        let mut items = Vec::with_capacity(contacts.list().len());
        let mut starts = vec![0];
        for level in 0..levels.len() {
            items.extend(levels.level(level).iter().filter_map(|&index| {
                let contact = contacts.list().get(index as usize)?;
                Some(InputItem { receiver: agent_of(contact.source), index })
            }));
            starts.push(items.len() as u32);
        }
        Feeder { tells, items, starts }
    }
}

impl InputSource for Feeder {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let number = tick.0 / TICKS_PER_LEVEL;
        let place = usize::try_from(number).ok().filter(|_| tick.0.is_multiple_of(TICKS_PER_LEVEL));
        let items = place
            .and_then(|level| Some((*self.starts.get(level)?, *self.starts.get(level + 1)?)))
            .and_then(|(from, to)| self.items.get(from as usize..to as usize))
            .unwrap_or_default();
        Batch { number, items }
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        if let Some(tell) = self.tells.get(index as usize) {
            codec::encode(tell, out);
        }
    }

    fn ends(&self) -> Tick {
        Tick((self.starts.len() as u64 - 1) * TICKS_PER_LEVEL)
    }
}
