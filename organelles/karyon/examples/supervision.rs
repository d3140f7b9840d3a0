//! A tree of supervisors: who begins anew with whom, and when that is given up.

use karyon::{Agent, Child, Context, Kind, Pid, Result, Run, RunError, Supervisor, failure};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Message {
    Count,
    Break,
}

/// Counts what it is told since it began.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    counted: u64,
}

impl Agent for Part {
    type Message = Message;
    const KIND: Kind = Kind::new("part");

    fn handle(&mut self, _from: Pid, message: Message, _ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Message::Count => self.counted += 1,
            Message::Break => return Err(failure("broken")),
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("shop");
    let parts = ["store", "cache", "till", "clerk", "clock"];
    let parts = parts.map(|name| run.agent(name, Part::default()));
    let [store, cache, till, clerk, clock] = parts;
    run.supervise(
        // The cache is of no use without the store, nor are till and clerk without the cache.
        Supervisor::rest_for_one()
            .intensity(1, 20)
            .child(clock)
            .child(store)
            .child_with(cache, Child::transient().brutal_kill())
            .supervisor(Supervisor::one_for_all().intensity(1, 20).child(till).child(clerk)),
    );
    for part in parts {
        run.input(0, part, Message::Count);
    }
    let counted = |run: &Run| -> std::result::Result<_, RunError> {
        let outcome = run.test()?;
        let one = |part| outcome.state::<Part>(part).map_or(0, |part| part.counted);
        Ok((parts.map(one), outcome.counts.restarts))
    };
    assert_eq!(counted(&run)?, ([1; 5], 0));

    // One for all: the till does not begin anew without its clerk. Nobody above is concerned.
    run.input(1, till, Message::Break);
    assert_eq!(counted(&run)?, ([1, 1, 0, 0, 1], 2));

    // Once more is too much for the supervisor of the two: it gives up. The one above starts it
    // again, and so both.
    run.input(5, clerk, Message::Break);
    run.input(7, till, Message::Count);
    assert_eq!(counted(&run)?, ([1, 1, 1, 0, 1], 4));

    // Rest for one: all behind the store would begin anew, but this is too much for the root as
    // well, and the run fails.
    run.input(9, store, Message::Break);
    assert!(matches!(run.test(), Err(RunError::Run(_))));
    Ok(())
}
