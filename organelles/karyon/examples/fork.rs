//! A fork: a second agent from the state of one, and what becomes of both. While a run is under way
//! under a guardian, `karyon fork ID` does the same.

use karyon::{Agent, Context, Kind, Order, Pid, Refusal, Result, Run, RunError};
use serde::{Deserialize, Serialize};

/// Draws money until there is none. The timer is its own: a fork has to set one anew.
#[derive(Serialize, Deserialize)]
struct Purse {
    coins: u64,
    forked_from: Option<Pid>,
}

impl Agent for Purse {
    type Message = ();
    const KIND: Kind = Kind::new("purse");

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.after(2, ());
        Ok(())
    }

    fn handle(&mut self, _from: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        self.coins -= 1;
        if self.coins > 0 {
            ctx.after(2, ());
        }
        Ok(())
    }

    fn forked(&mut self, from: Pid, _ctx: &mut Context<'_, Self>) -> Result {
        self.forked_from = Some(from);
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("purses");
    let purse = run.agent("purse", Purse { coins: 5, forked_from: None });
    let calm = run.test()?;

    run.order(5, purse, Order::Fork).order(6, purse, Order::Kill).order(7, Pid(9), Order::Kill);
    let outcome = run.test()?;
    let born: Vec<_> = outcome.born().map(|(pid, name)| (pid.of::<Purse>(), name)).collect();
    let [(fork, name)] = born[..] else { panic!("{born:?}") };
    assert_eq!(name, "purse/fork-2");
    // Two coins were drawn when it was forked. Nobody spoke to it since, and it has no timer.
    assert_eq!(outcome.state(fork).map(|purse| purse.coins), Some(3));
    assert_eq!(outcome.state(fork).map(|purse| purse.forked_from), Some(None));
    // The other was killed, began anew, and waits for somebody to speak to it.
    assert_eq!(outcome.state(purse).map(|purse| purse.coins), Some(5));
    assert_eq!(calm.state(purse).map(|purse| purse.coins), Some(0));
    // There is no ninth agent.
    assert_eq!(outcome.refused.len(), 1);
    assert!(outcome.refused.iter().all(|order| order.why == Refusal::Unknown));
    Ok(())
}
