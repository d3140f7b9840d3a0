//! Free-running: no ticks for all at once. Agents act as soon as something reaches them, on two
//! threads, in an order that nobody chose; the log says which it was, and a replay follows it.

use karyon::{
    Agent, AgentRef, Context, Data, KeyDirectory, Kind, Limits, Pid, Refused, Result, Run,
};
use serde::{Deserialize, Serialize};

/// Adds up what it is sent; its mailbox is small.
#[derive(Default, Serialize, Deserialize)]
struct Till {
    sum: u64,
}

impl Agent for Till {
    type Message = u64;
    const KIND: Kind = Kind::new("till");

    fn handle(&mut self, _from: Pid, amount: u64, _ctx: &mut Context<'_, Self>) -> Result {
        self.sum += amount;
        Ok(())
    }
}

/// Pays one after the other, and again a millisecond later what was refused.
#[derive(Serialize, Deserialize)]
struct Customer {
    till: AgentRef<Till>,
    refused: u64,
}

impl Agent for Customer {
    type Message = u64;
    const KIND: Kind = Kind::new("customer");

    fn handle(&mut self, _from: Pid, amount: u64, ctx: &mut Context<'_, Self>) -> Result {
        for _ in 0..amount {
            ctx.cast(self.till, 1);
        }
        Ok(())
    }

    fn refused(&mut self, _to: Pid, _why: Refused, ctx: &mut Context<'_, Self>) -> Result {
        self.refused += 1;
        ctx.after(1, 1);
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut run = Run::new("tills");
    let till = run.agent("till", Till::default());
    let customers = run.agents("customer", 20, |_, _| Customer { till, refused: 0 });
    run.limits(Limits { messages_per_tick: 32, ..Limits::default() });
    for customer in customers {
        run.input(5, customer, 40);
    }
    run.free_running().schedulers(2);

    let folder = tempfile::tempdir()?;
    let keys = KeyDirectory::at(folder.path().join("keys"));
    let data = Data::new(folder.path().join("tills"), "ada", "to see them pay").keys(keys);
    let outcome = run.begin(&data)?;
    // Whoever was first, in the end all have paid.
    assert_eq!(outcome.state(till).map(|till| till.sum), Some(800));
    assert!(run.replay(&data)?.is_confirmed());

    // In memory, on one thread, the same run does the same again.
    let (one, other) = (run.schedulers(1).test()?, run.test()?);
    assert_eq!(one.records_root, other.records_root);
    Ok(())
}
