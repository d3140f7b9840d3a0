//! A fork: a second agent from the state of one, and what becomes of both. In a run of scenarios,
//! `karyon fork ID` does the same from outside while the run goes on.

use karyon::{Agent, AgentRef, Context, Kind, Order, Pid, Refusal, Result, Run, RunError};
use serde::{Deserialize, Serialize};

/// Draws its coins, one every two ticks.
#[derive(Serialize, Deserialize)]
struct Purse {
    coins: u64,
    drawn: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
enum Message {
    Draw,
    Wake(AgentRef<Purse>),
    Hello,
}

impl Agent for Purse {
    type Message = Message;
    const KIND: Kind = Kind::new("purse").transient();

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.interval(2, Message::Draw);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, message: Message, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Message::Draw => {
                self.coins -= 1;
                self.drawn.push(ctx.now().0);
                if self.coins == 0 {
                    ctx.exit();
                }
            }
            Message::Wake(other) => ctx.cast(other, Message::Hello),
            Message::Hello => {}
        }
        Ok(())
    }

    /// A fork has the state of the other, but no timers: it sets its own.
    fn forked(&mut self, _from: Pid, ctx: &mut Context<'_, Self>) -> Result {
        ctx.after(1, Message::Draw);
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("purses");
    let purse = run.agent("purse", Purse { coins: 9, drawn: vec![] });
    // Leases reach who comes only where somebody may be spawned; without it nobody could wake it.
    run.may_spawn::<Purse>(1);
    let fork = Pid(2).of::<Purse>();
    run.order(5, purse, Order::Fork).input(10, purse, Message::Wake(fork));
    // There is no ninth agent.
    run.order(6, Pid(9), Order::Kill);

    let outcome = run.test()?;
    assert_eq!(outcome.born().collect::<Vec<_>>(), [(fork.pid(), "purse/fork-2")]);
    // What was drawn before is part of both; then the fork slept, and drew once.
    let fork = outcome.state(fork).map(|purse| (purse.coins, purse.drawn.clone()));
    assert_eq!(fork, Some((6, vec![2, 4, 12])));
    // The other drew them all, and ended.
    assert!(!outcome.is_alive(purse));
    assert!(outcome.refused.iter().all(|order| order.why == Refusal::Unknown));
    assert_eq!(outcome.refused.len(), 1);
    Ok(())
}
