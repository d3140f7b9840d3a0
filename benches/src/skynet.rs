//! Skynet: a tree of agents, ten below each, of which those at the bottom report their numbers and
//! the others the sum of what they hear; made from above, one by one by whoever is above. Source:
//! Temerev, "Skynet 1M concurrency microbenchmark", 2016.

use std::sync::Arc;

use karyon_gate::Rights;
use karyon_runtime::{Agent, AgentKind, Context, Event, Failure, Restart, RestartFrom};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};

use crate::governed::{Kickoff, LogPlace, Run, grant};
use crate::hop::Traffic;
use crate::rivals::Address;

/// Children of a node.
pub(crate) const CHILDREN: u64 = 10;

/// What the root has to report: the sum of the numbers of `leaves` (a power of ten), from 0 on.
pub(crate) fn sum(leaves: u64) -> u64 {
    leaves * (leaves - 1) / 2
}

/// All agents of the tree.
pub fn nodes(leaves: u64) -> u64 {
    (10 * leaves - 1) / 9
}

/// Which part of the tree a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The first number in it.
    first: u64,
    /// Numbers in it: a power of ten.
    size: u64,
}

impl Part {
    pub(crate) fn whole(leaves: u64) -> Part {
        Part { first: 0, size: leaves }
    }

    /// The number of a node that has no children.
    pub(crate) fn number(self) -> Option<u64> {
        (self.size == 1).then_some(self.first)
    }

    /// The parts of the children, of which there are ten or none.
    pub(crate) fn parts(self) -> impl Iterator<Item = Part> {
        let size = self.size / CHILDREN;
        let children = if size == 0 { 0 } else { CHILDREN };
        (0..children).map(move |child| Part { first: self.first + child * size, size })
    }

    fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.first) << 64 | u128::from(self.size)).to_le_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Part> {
        let both = u128::from_le_bytes(bytes.try_into().ok()?);
        Some(Part { first: (both >> 64) as u64, size: both as u64 })
    }
}

/// What a node has heard.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Heard {
    children: u64,
    sum: u64,
}

impl Heard {
    /// The sum, when the last child has reported.
    pub(crate) fn hear(&mut self, sum: u64) -> Option<u64> {
        self.children += 1;
        self.sum += sum;
        (self.children == CHILDREN).then_some(self.sum)
    }
}

/// What a node that is no agent of Karyon needs: its part, whom it reports to, and what it heard.
pub(crate) struct Seed<A> {
    pub(crate) part: Part,
    pub(crate) up: A,
    pub(crate) heard: Heard,
}

impl<A: Address<u64>> Seed<A> {
    pub(crate) fn new(part: Part, up: A) -> Seed<A> {
        Seed { part, up, heard: Heard::default() }
    }

    /// Reports if there are no children. Else these are they, to be made by `me`.
    pub(crate) fn begin(&self, me: A) -> impl Iterator<Item = Seed<A>>
    where
        A: Clone,
    {
        if let Some(number) = self.part.number() {
            self.up.tell(number);
        }
        self.part.parts().map(move |part| Seed::new(part, me.clone()))
    }

    pub(crate) fn hear(&mut self, sum: u64) {
        if let Some(sum) = self.heard.hear(sum) {
            self.up.tell(sum);
        }
    }
}

/// A node as an agent of Karyon.
///
/// It hears of the birth of each child and tells it to begin, which is how that learns to whom it
/// reports: two messages and a birth for each node, where other engines need one and a birth.
#[derive(Serialize, Deserialize)]
pub struct Node {
    part: Part,
    /// The serial of whoever told it to begin.
    up: Option<u64>,
    heard: Heard,
}

impl Node {
    fn new(part: Part) -> Node {
        Node { part, up: None, heard: Heard::default() }
    }

    fn begin(&self, context: &mut Context<'_>) {
        if let (Some(number), Some(up)) = (self.part.number(), self.up) {
            context.send(AgentId(up), &number.to_le_bytes());
        }
        for part in self.part.parts() {
            context.spawn("node", &part.to_bytes());
        }
    }

    fn hear(&mut self, sum: u64, context: &mut Context<'_>) -> Result<(), Failure> {
        match (self.heard.hear(sum), self.up) {
            (Some(sum), Some(up)) => context.send(AgentId(up), &sum.to_le_bytes()),
            // The whole: a crash is seen when the run is over.
            (Some(whole), None) if whole != sum_of(self.part) => {
                return Err(Failure(format!("the sum is {whole}")));
            }
            (Some(_) | None, _) => {}
        }
        Ok(())
    }
}

fn sum_of(part: Part) -> u64 {
    sum(part.size)
}

impl Agent for Node {
    const KIND: AgentKind = AgentKind {
        name: "node",
        version: 1,
        restart: Restart::Temporary,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        match event {
            Event::Input { .. } => self.begin(context),
            Event::Spawned { child, .. } => context.send(child, &[]),
            Event::Message { from, payload: [] } => {
                self.up = Some(from.0);
                self.begin(context);
            }
            Event::Message { payload, .. } => {
                let sum = payload.try_into().map_err(|_| Failure("not a sum".into()))?;
                self.hear(u64::from_le_bytes(sum), context)?;
            }
            Event::Denied { .. }
            | Event::Refused { .. }
            | Event::Timer { .. }
            | Event::Down { .. }
            | Event::Exit { .. }
            | Event::Recalled { .. }
            | Event::Receipt { .. } => return Err(Failure("it needs nothing else".into())),
        }
        Ok(())
    }
}

impl Run<Node> {
    /// The tree with so many leaves, a power of ten; the log lies below `folder`.
    pub fn skynet(leaves: u64, schedulers: usize, place: LogPlace, folder: &str) -> Self {
        let inputs = Arc::new(Kickoff::new(Traffic::random(1, 1)));
        let init = move |_| Node::new(Part::whole(leaves));
        let mut run = Run::new(1, init, inputs, schedulers, place, folder);
        run.population.born = Some(Arc::new(|_, part| Part::from_bytes(part).map(Node::new)));
        run.population.grant = grant(nodes(leaves));
        run.population.grant.rights = Rights::SPAWN.and(Rights::SEND);
        run.config.limits.outputs_per_step = CHILDREN;
        run.config.limits.messages_per_tick = CHILDREN;
        run.config.limits.spawned = nodes(leaves) - 1;
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_is_born_begins_and_reports() {
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        for schedulers in [1, 2] {
            let done = Run::skynet(1_000, schedulers, LogPlace::Memory(0), below).go();
            let below_root = nodes(1_000) - 1;
            assert_eq!(below_root, 1_110);
            assert_eq!(done.counts.delivered, 2 * below_root);
            assert_eq!(done.counts.steps, 1 + 3 * below_root);
        }
    }

    #[test]
    fn a_wrong_sum_is_a_crash() {
        let mut node = Node::new(Part::whole(10));
        let mut hear = |sum| node.heard.hear(sum);
        let heard: Vec<_> = (0..10).filter_map(&mut hear).collect();
        assert_eq!(heard, [sum(10)]);
    }
}
