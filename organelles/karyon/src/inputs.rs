//! What a run is told from outside.

use std::collections::BTreeMap;

use karyon_runtime::{Batch, InputItem, InputSource, codec};
use karyon_types::Tick;

use crate::address::Pid;
use crate::wire::MARK;

/// One input: when, to whom, and the message's bytes.
pub(crate) type Input = (u64, Pid, Vec<u8>);

/// What stands in a copy in the place of an input: of the place in the list, whom it is for, and what it
/// says. `None`: itself.
pub(crate) type Instead<'a> = dyn Fn(u32, Pid, &[u8]) -> Option<Vec<u8>> + 'a;

/// The inputs of a run in the order of their release; in front of them, in tick 0, a start for each
/// agent.
pub(crate) struct Inputs {
    said: Vec<Vec<u8>>,
    by_tick: BTreeMap<u64, (u64, Vec<InputItem>)>,
    agents: u64,
    /// How often all are activated, and in how many ticks once.
    activates: Option<(u64, u64)>,
}

impl Inputs {
    pub(crate) fn new(agents: u64, inputs: &[Input]) -> Inputs {
        let starts = (1..=agents).map(|serial| (0, Pid(serial), vec![MARK]));
        let mut ticks: BTreeMap<u64, Vec<InputItem>> = BTreeMap::new();
        let mut said = Vec::new();
        for (index, (tick, to, bytes)) in (0..).zip(starts.chain(inputs.iter().cloned())) {
            ticks.entry(tick).or_default().push(InputItem { receiver: to.id(), index });
            said.push(bytes);
        }
        let by_tick = (0..).zip(ticks).map(|(number, (tick, mut items))| {
            // Those of one agent stay in the order in which they were given.
            items.sort_by_key(|item| item.receiver);
            (tick, (number, items))
        });
        Inputs { said, by_tick: by_tick.collect(), agents, activates: None }
    }

    /// Likewise, and all agents are activated so often, in each of so many ticks once.
    pub(crate) fn activating(self, activates: Option<(u64, u64)>) -> Inputs {
        Inputs { activates, ..self }
    }

    /// The copy that a data directory keeps: MessagePack, a list of (tick, agent, bytes). What is
    /// `instead` of an input's bytes, by its place in the list, stands there.
    pub(crate) fn file(inputs: &[Input], instead: &Instead<'_>) -> Vec<u8> {
        let mut list = Vec::with_capacity(inputs.len());
        for (index, (tick, to, bytes)) in (0..).zip(inputs) {
            let bytes = instead(index, *to, bytes).unwrap_or_else(|| bytes.clone());
            list.push((tick, to, serde_bytes::ByteBuf::from(bytes)));
        }
        let mut file = Vec::new();
        codec::encode(&list, &mut file);
        file
    }

    /// What such a copy says; `None`: it is none.
    pub(crate) fn read(file: &[u8]) -> Option<Vec<Input>> {
        let list: Vec<(u64, Pid, serde_bytes::ByteBuf)> = codec::decode(file)?;
        Some(list.into_iter().map(|(tick, to, bytes)| (tick, to, bytes.into_vec())).collect())
    }
}

impl InputSource for Inputs {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let batch = self.by_tick.get(&tick.0);
        batch.map(|(number, items)| Batch { number: *number, items }).unwrap_or_default()
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.said.get(index as usize).map_or(&[], Vec::as_slice));
    }

    fn ends(&self) -> Tick {
        let said = self.by_tick.last_key_value().map_or(0, |(tick, _)| tick + 1);
        let (times, each) = self.activates.unwrap_or((0, 1));
        let activated = times.checked_sub(1).map_or(0, |last| last.saturating_mul(each) + 1);
        Tick(said.max(activated))
    }

    fn everybody(&self, tick: Tick) -> Option<u32> {
        let (times, each) = self.activates?;
        let time = tick.0 / each;
        let is_now = tick.0.is_multiple_of(each) && time < times;
        // Behind all that says something.
        is_now.then_some((self.said.len() as u64 + time * self.agents) as u32)
    }
}
