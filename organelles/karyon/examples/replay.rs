//! A run on a data directory: signed, durable, and repeated from its log.

use karyon::{Agent, AgentRef, Context, Data, KeyDirectory, Kind, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Player {
    other: AgentRef<Player>,
    hits: u64,
}

impl Agent for Player {
    type Message = u64;
    const KIND: Kind = Kind::new("player").keeps_its_state(8);

    fn handle(&mut self, _from: Pid, left: u64, ctx: &mut Context<'_, Self>) -> Result {
        self.hits += 1;
        if left > 0 {
            ctx.cast(self.other, left - 1);
        }
        Ok(())
    }
}

fn game() -> (Run, AgentRef<Player>) {
    let mut run = Run::new("game");
    let (ada, bob) = (run.reserve("ada"), run.reserve("bob"));
    run.put(ada, Player { other: bob, hits: 0 });
    run.put(bob, Player { other: ada, hits: 0 });
    run.input(0, ada, 99);
    run.chaos(0.1).seed(7);
    (run, bob)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    // In a program of your own, leave `keys` out: then it takes the keys of this machine.
    let keys = KeyDirectory::at(folder.path().join("keys"));
    let data = Data::new(folder.path().join("game"), "ada", "to see them play").keys(keys);

    let (mut run, bob) = game();
    let outcome = run.begin(&data)?;
    assert_eq!(outcome.state(bob).map(|bob| bob.hits), Some(50));
    assert!(outcome.counts.crashes > 0);

    // Everything is in the log: who repeats it finds each record as it was, on any number of
    // threads.
    assert!(run.schedulers(4).replay(&data)?.is_confirmed());
    // In memory it is the same run, record by record.
    let again = run.test()?;
    assert_eq!(again.records_root, outcome.records_root);

    // Another run is refused by the log.
    let (mut other, _) = game();
    other.seed(8);
    assert!(matches!(other.replay(&data), Err(RunError::OtherRun(_))));
    Ok(())
}
