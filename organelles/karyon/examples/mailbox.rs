//! A mailbox is bounded, and nothing is shed in silence: more messages than it holds end the run,
//! with an error that names the agent.

use karyon::{Agent, AgentRef, Context, Kind, Limits, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Slow {
    handled: u64,
}

impl Agent for Slow {
    type Message = u64;
    const KIND: Kind = Kind::new("slow");

    fn handle(&mut self, _from: Pid, _n: u64, _ctx: &mut Context<'_, Self>) -> Result {
        self.handled += 1;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Sender {
    to: AgentRef<Slow>,
}

impl Agent for Sender {
    type Message = u64;
    const KIND: Kind = Kind::new("sender");

    fn handle(&mut self, _from: Pid, count: u64, ctx: &mut Context<'_, Self>) -> Result {
        for n in 0..count {
            ctx.cast(self.to, n);
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("mailbox");
    let slow = run.agent("slow", Slow::default());
    let senders = run.agents("sender", 4, |_, _| Sender { to: slow });
    run.limits(Limits { messages_per_tick: 8, ..Limits::default() });

    // Eight at once fit.
    for sender in &senders {
        run.input(0, *sender, 2);
    }
    let outcome = run.test()?;
    assert_eq!(outcome.state(slow).map(|slow| slow.handled), Some(8));

    // The ninth does not.
    for (sender, count) in senders.iter().zip([8, 1]) {
        run.input(1, *sender, count);
    }
    let error = run.test().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.starts_with("agent 1 got more than 8 messages in one tick"), "{error}");
    Ok(())
}
