//! Let it crash: who fails is started again, as its kind says.

use karyon::{Agent, Context, Kind, Pid, Result, Run, RunError, failure};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Message {
    Divide(i64, i64),
}

/// Begins anew after a crash (OTP's way): what it had counted is gone.
#[derive(Default, Serialize, Deserialize)]
struct Forgetful {
    done: u64,
}

/// Goes on from its last good state; the message that it fails on does not come again.
#[derive(Default, Serialize, Deserialize)]
struct Steady {
    done: u64,
}

fn divide(a: i64, b: i64) -> Result<i64> {
    a.checked_div(b).ok_or_else(|| failure(format_args!("{a} divided by {b}")))
}

impl Agent for Forgetful {
    type Message = Message;
    const KIND: Kind = Kind::new("forgetful");

    fn handle(&mut self, _from: Pid, message: Message, _ctx: &mut Context<'_, Self>) -> Result {
        let Message::Divide(a, b) = message;
        divide(a, b)?;
        self.done += 1;
        Ok(())
    }
}

impl Agent for Steady {
    type Message = Message;
    const KIND: Kind = Kind::new("steady").keeps_its_state(0);

    fn handle(&mut self, _from: Pid, message: Message, _ctx: &mut Context<'_, Self>) -> Result {
        let Message::Divide(a, b) = message;
        divide(a, b)?;
        self.done += 1;
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("restart");
    let forgetful = run.agent("forgetful", Forgetful::default());
    let steady = run.agent("steady", Steady::default());
    for (tick, divisor) in (0..).zip([1, 2, 0, 4]) {
        run.input(tick, forgetful, Message::Divide(8, divisor));
        run.input(tick, steady, Message::Divide(8, divisor));
    }

    let outcome = run.test()?;
    assert_eq!((outcome.counts.crashes, outcome.counts.restarts), (2, 2));
    assert_eq!(outcome.state(forgetful).map(|agent| agent.done), Some(1));
    assert_eq!(outcome.state(steady).map(|agent| agent.done), Some(3));

    // More crashes than the supervisor bears: it gives up, and the run fails.
    run.intensity(1, 10);
    assert!(matches!(run.test(), Err(RunError::Run(_))));
    Ok(())
}
