//! To be told when another agent ends, and why.

use karyon::{Agent, AgentRef, Context, ExitReason, Kind, Pid, Result, Run, RunError, failure};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Worker;

#[derive(Serialize, Deserialize)]
enum Work {
    Finish,
    Break,
}

impl Agent for Worker {
    type Message = Work;
    const KIND: Kind = Kind::new("worker").temporary();

    fn handle(&mut self, _from: Pid, message: Work, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Work::Finish => ctx.exit(),
            Work::Break => return Err(failure("it broke")),
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Boss {
    workers: Vec<AgentRef<Worker>>,
    heard: Vec<(Pid, ExitReason)>,
}

impl Agent for Boss {
    type Message = ();
    const KIND: Kind = Kind::new("boss");

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        for worker in &self.workers {
            ctx.monitor(*worker);
        }
        Ok(())
    }

    fn handle(&mut self, _from: Pid, (): (), _ctx: &mut Context<'_, Self>) -> Result {
        Ok(())
    }

    fn down(&mut self, who: Pid, reason: &ExitReason, _ctx: &mut Context<'_, Self>) -> Result {
        self.heard.push((who, reason.clone()));
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("monitor");
    let workers = run.agents("worker", 2, |_, _| Worker);
    let boss = run.agent("boss", Boss { workers: workers.clone(), heard: Vec::new() });
    for (worker, message) in workers.iter().zip([Work::Finish, Work::Break]) {
        run.input(1, *worker, message);
    }

    let outcome = run.test()?;
    let heard = outcome.state(boss).map(|boss| boss.heard.as_slice()).unwrap_or_default();
    let reasons: Vec<_> = heard.iter().map(|(_, reason)| reason.to_string()).collect();
    assert_eq!(reasons, ["normal", "failure: it broke"]);
    assert!(workers.iter().all(|worker| !outcome.is_alive(*worker)));
    Ok(())
}
