//! Agents that come to life while a run runs.

use std::sync::Arc;

use karyon_gate::Rights;
use karyon_runtime::{Agent, AgentKind, Context, Event, Failure, Restart, RestartFrom};
use serde::{Deserialize, Serialize};

use crate::governed::{Kickoff, LogPlace, Run, grant};
use crate::hop::Traffic;

/// Brings its children to life in one step, and hears of each; its children have none.
#[derive(Serialize, Deserialize)]
pub struct Parent {
    children: u64,
    heard: u64,
}

impl Agent for Parent {
    const KIND: AgentKind = AgentKind {
        name: "parent",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        match event {
            Event::Input { .. } => {
                for _ in 0..self.children {
                    context.spawn("child", &[]);
                }
                Ok(())
            }
            Event::Spawned { .. } => {
                self.heard += 1;
                Ok(())
            }
            Event::Message { .. }
            | Event::Denied { .. }
            | Event::Refused { .. }
            | Event::Timer { .. }
            | Event::Down { .. }
            | Event::Exit { .. }
            | Event::Recalled { .. }
            | Event::Receipt { .. } => Err(Failure("it hears of births alone".into())),
        }
    }
}

impl Run<Parent> {
    /// One agent, which brings so many to life; the log lies below `folder`.
    pub fn spawning(children: u64, schedulers: usize, place: LogPlace, folder: &str) -> Self {
        let inputs = Arc::new(Kickoff::new(Traffic::random(1, 1)));
        let init = move |_| Parent { children, heard: 0 };
        let mut run = Run::new(1, init, inputs, schedulers, place, folder);
        run.population.born = Some(Arc::new(|_, _| Some(Parent { children: 0, heard: 0 })));
        run.population.grant = grant(1 + children);
        run.population.grant.rights = Rights::SPAWN;
        run.config.limits.outputs_per_step = children;
        run.config.limits.spawned = children;
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_child_is_recorded_and_heard_of() {
        let below = std::env::temp_dir();
        let done = Run::spawning(50, 2, LogPlace::Memory(0), below.to_str().unwrap()).go();
        assert_eq!((done.counts.steps, done.ticks), (51, 2));
    }
}
