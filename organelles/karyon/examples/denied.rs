//! Nothing leaves an agent without a lease that covers it; whoever is denied is told.

use karyon::{Agent, AgentRef, Context, Deed, Denial, Kind, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Inbox {
    letters: Vec<String>,
}

impl Agent for Inbox {
    type Message = String;
    const KIND: Kind = Kind::new("inbox");

    fn handle(&mut self, _from: Pid, letter: String, _ctx: &mut Context<'_, Self>) -> Result {
        self.letters.push(letter);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Writer {
    to: AgentRef<Inbox>,
    denied: Vec<String>,
}

impl Agent for Writer {
    type Message = String;
    const KIND: Kind = Kind::new("writer");

    fn handle(&mut self, _from: Pid, letter: String, ctx: &mut Context<'_, Self>) -> Result {
        ctx.cast(self.to, letter);
        Ok(())
    }

    fn denied(&mut self, deed: Deed, denial: Denial, _ctx: &mut Context<'_, Self>) -> Result {
        if matches!(deed, Deed::Send(_)) {
            self.denied.push(denial.code().into());
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("denied");
    let inbox = run.agent("inbox", Inbox::default());
    let writer = run.agent("writer", Writer { to: inbox, denied: Vec::new() });
    for (tick, letter) in [(0, "one"), (2, "two"), (4, "three"), (6, "four")] {
        run.input(tick, writer, letter.into());
    }
    // Between the ticks 2 and 4 it may do nothing, and from tick 6 on never again.
    run.suspend(writer, 2).unsuspend(writer, 4).revoke(writer, 6);

    let outcome = run.test()?;
    assert_eq!((outcome.counts.sent, outcome.counts.denied), (4, 2));
    let letters = outcome.state(inbox).map(|inbox| inbox.letters.join(", "));
    assert_eq!(letters.as_deref(), Some("one, three"));
    let denied = outcome.state(writer).map(|writer| writer.denied.join(", "));
    assert_eq!(denied.as_deref(), Some("lease_suspended, lease_revoked"));
    Ok(())
}
