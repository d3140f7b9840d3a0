//! Agents that act each tick without being sent anything.

use std::sync::Arc;

use karyon_runtime::{
    Agent, AgentKind, Context, Event, EveryTick, Failure, Restart, RestartFrom, Schedule, TimerId,
};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};

use crate::governed::{LogPlace, Run};

/// Counts its steps.
#[derive(Serialize, Deserialize)]
pub struct Stepper {
    /// With an interval of its own; it takes it back after so many steps.
    intervals: Option<u64>,
    steps: u64,
}

impl Agent for Stepper {
    const KIND: AgentKind = AgentKind {
        name: "stepper",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        self.steps += 1;
        if let Some(most) = self.intervals {
            match event {
                Event::Input { .. } => drop::<TimerId>(context.interval(1, &[])),
                Event::Timer { id, .. } if self.steps == most => context.cancel(id),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Run<Stepper> {
    /// `agents` agents that take `ticks` steps each.
    pub fn steps(
        agents: u64,
        ticks: u64,
        intervals: bool,
        schedulers: usize,
        place: LogPlace,
        folder: &str,
    ) -> Run<Stepper> {
        let init = move |_: AgentId| Stepper { intervals: intervals.then_some(ticks), steps: 0 };
        let times = if intervals { 1 } else { ticks };
        let source = EveryTick::new(agents, times).expect("there are not so many");
        Run::new(agents, init, Arc::new(source), schedulers, place, folder)
    }
}

impl<A> Run<A> {
    /// With turns like these.
    pub fn with(mut self, schedule: Schedule) -> Run<A> {
        self.config.schedule = schedule;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_take_as_many_steps() {
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        for schedule in [Schedule::default(), Schedule::sequential_random(1)] {
            for intervals in [false, true] {
                let run = Run::<Stepper>::steps(7, 9, intervals, 2, LogPlace::Memory(0), below);
                let done = run.with(schedule).go();
                assert_eq!((done.counts.steps, done.ticks), (63, 9));
            }
        }
    }
}
