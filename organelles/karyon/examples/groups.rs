//! Names and groups: who is found by name, and whom a broadcast reaches.

use karyon::{Agent, Context, Group, Kind, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

const WORKERS: Group<Worker> = Group::new("workers");

#[derive(Serialize, Deserialize)]
struct Worker {
    share: u64,
}

impl Agent for Worker {
    type Message = u64;
    const KIND: Kind = Kind::new("worker");

    fn handle(&mut self, _from: Pid, number: u64, ctx: &mut Context<'_, Self>) -> Result {
        if let Some(total) = ctx.whereis::<Total>("total") {
            ctx.cast(total, number * self.share);
        }
        Ok(())
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Total {
    sum: u64,
}

impl Agent for Total {
    type Message = u64;
    const KIND: Kind = Kind::new("total");

    fn handle(&mut self, from: Pid, number: u64, ctx: &mut Context<'_, Self>) -> Result {
        match from {
            // Each member is sent a message of its own, and the gate is asked for each.
            Pid::OUTSIDE => ctx.broadcast(WORKERS, &number),
            _ => self.sum += number,
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("groups");
    let total = run.agent("total", Total::default());
    let workers = run.agents("worker", 10, |number, _| Worker { share: number + 1 });
    run.group(WORKERS, workers);
    run.input(0, total, 100);

    let outcome = run.test()?;
    assert_eq!(outcome.state(total).map(|total| total.sum), Some(5_500));
    assert_eq!(outcome.counts.sent, 10 + 10);
    Ok(())
}
