//! Agents that remember, as those of the rumour do: with each message that reaches one, an edge
//! from its sender gets a version more. The messages are those of [`Traffic::random`].

use std::path::Path;
use std::sync::Arc;

use karyon_gate::Rights;
use karyon_log::{Control, Genesis, Output, Record, Records, Walk};
use karyon_memory_ops::{Entity, Valid, Vertex, Write};
use karyon_runtime::{Agent, AgentKind, Context, Event, Failure, Restart, RestartFrom};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};

use crate::governed::{Kickoff, LogPlace, Run};
use crate::history::{CONTACT, contact, time};
use crate::hop::{Hop, Next, Pattern, Traffic};

/// An agent that passes hops on and remembers from whom it had them.
#[derive(Serialize, Deserialize)]
pub struct Rememberer {
    agents: u64,
    handled: u64,
}

impl Agent for Rememberer {
    const KIND: AgentKind = AgentKind {
        name: "rememberer",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        let payload = match event {
            Event::Input { payload } => payload,
            Event::Message { from, payload } => {
                self.handled += 1;
                self.remember(from, context)?;
                payload
            }
            Event::Denied { .. } => return Err(Failure("everything is allowed".into())),
            Event::Refused { .. } => return Err(Failure("nothing is shed".into())),
            Event::Timer { .. }
            | Event::Down { .. }
            | Event::Exit { .. }
            | Event::Spawned { .. }
            | Event::Recalled { .. }
            | Event::Receipt { .. } => {
                return Err(Failure("it arranges nothing".into()));
            }
        };
        let hop = Hop::from_bytes(payload).ok_or_else(|| Failure("not a hop".into()))?;
        if let Next::One(to, hop) = hop.next(context.me().0, self.agents, Pattern::Random) {
            context.send(AgentId(to), &hop.to_bytes());
        }
        Ok(())
    }
}

impl Rememberer {
    fn remember(&self, from: AgentId, context: &mut Context<'_>) -> Result<(), Failure> {
        let (from, to) = (Vertex::Agent(from), Vertex::Agent(context.me()));
        let now = time(context.now().0 as i64);
        let write = Write {
            entity: Entity::Edge { from, kind: CONTACT.into(), to },
            valid: Valid::since(now),
            content: contact(self.handled, now),
        };
        let mut bytes = Vec::with_capacity(64);
        write.encode(&mut bytes).map_err(|error| Failure(error.to_string()))?;
        context.remember(&bytes);
        Ok(())
    }
}

impl Run<Rememberer> {
    /// The chains of `traffic`, remembered; the log lies below `folder`.
    pub fn memories(traffic: Traffic, schedulers: usize, folder: &str) -> Self {
        let init = move |_| Rememberer { agents: traffic.agents, handled: 0 };
        let inputs = Arc::new(Kickoff::new(traffic));
        let place = LogPlace::Durable;
        let mut run = Run::new(traffic.agents, init, inputs, schedulers, place, folder);
        run.population.grant.rights = Rights::SEND.and(Rights::REMEMBER);
        run.config.limits.outputs_per_step = 2;
        // The projection names the agents' kind after it.
        let genesis = Genesis {
            karyon: String::new(),
            created_unix_ms: 0,
            scenario_name: "memories".into(),
            scenario: String::new(),
            kinds: vec![(Rememberer::KIND.name.into(), Rememberer::KIND.version)],
            inputs: Vec::new(),
        };
        run.recorder.control(&[Control::Genesis(genesis)]).expect("the disk works");
        run
    }
}

/// The memories that a log holds, with the positions of their records.
pub fn memories(log: &Path) -> Vec<(u64, Write)> {
    let mut memories = Vec::new();
    let mut walk = Walk::open(log).expect("there is a log");
    while let Some(group) = walk.next_group().expect("the log can be read") {
        for block in group {
            for (position, record) in (block.first_record.0..).zip(Records::new(&block.body)) {
                let Some(Record::Step { outputs, .. }) = record else { continue };
                for output in outputs {
                    if let Output::Remembered { write, .. } = output {
                        memories.push((position, Write::decode(write).expect("it was encoded")));
                    }
                }
            }
        }
    }
    memories
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Answer;
    use crate::projected::{Projected, answers, neighbours, vertex};
    use karyon_graph::{Direction, View};

    #[test]
    fn each_message_is_remembered_once() {
        let traffic = Traffic::random(5, 30);
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        let done = Run::memories(traffic, 2, below).go();
        assert_eq!(done.counts.remembered, traffic.messages());
        let memories = memories(&done.log());
        assert_eq!(memories.len() as u64, traffic.messages());
        let graph = Projected::new(below).catch_up(&done.log());
        let reader = graph.reader();
        assert_eq!(reader.unreadable(), 0);
        let found = neighbours(&reader, vertex(&reader, 1), Direction::In, &View::NOW);
        let from = |other: u64| Vertex::Agent(AgentId(other));
        for answer in answers(&reader, found) {
            let edge = Entity::Edge { from: from(answer.other), kind: CONTACT.into(), to: from(1) };
            let last = memories.iter().rev().find(|(_, write)| write.entity == edge);
            let (position, write) = last.unwrap().clone();
            let Answer { other, .. } = answer;
            let expected = Answer { other, valid: write.valid, position, content: write.content };
            assert_eq!(answer, expected);
        }
    }
}
