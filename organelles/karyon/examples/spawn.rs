//! Agents that bring others to life: one for each job, gone when it is done.

use karyon::{
    Agent, AgentRef, Context, Deed, Denial, Kind, Pid, Result, Run, RunError, Spawn, Spawned,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Boss {
    hired: Vec<(Spawn<Worker>, u64)>,
    squares: Vec<u64>,
    denied: u64,
}

#[derive(Serialize, Deserialize)]
enum Order {
    Square(u64),
    Squared(u64),
}

impl Agent for Boss {
    type Message = Order;
    const KIND: Kind = Kind::new("boss");

    fn handle(&mut self, _from: Pid, order: Order, ctx: &mut Context<'_, Self>) -> Result {
        match order {
            Order::Square(number) => {
                let worker = Worker { boss: ctx.me() };
                self.hired.push((ctx.spawn(&format!("worker {number}"), worker)?, number));
            }
            Order::Squared(square) => self.squares.push(square),
        }
        Ok(())
    }

    fn spawned(&mut self, child: Spawned, ctx: &mut Context<'_, Self>) -> Result {
        for (spawn, number) in &self.hired {
            if let Some(worker) = child.of(spawn) {
                ctx.cast(worker, *number);
            }
        }
        Ok(())
    }

    fn denied(&mut self, deed: Deed, denial: Denial, _ctx: &mut Context<'_, Self>) -> Result {
        assert_eq!((deed, denial.code()), (Deed::Spawn, "budget_exhausted"));
        self.denied += 1;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Worker {
    boss: AgentRef<Boss>,
}

impl Agent for Worker {
    type Message = u64;
    const KIND: Kind = Kind::new("worker").transient();

    fn handle(&mut self, _from: Pid, number: u64, ctx: &mut Context<'_, Self>) -> Result {
        ctx.cast(self.boss, Order::Squared(number * number));
        ctx.exit();
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("office");
    let boss = run.agent("boss", Boss { hired: vec![], squares: vec![], denied: 0 });
    run.may_spawn::<Worker>(3); // Three, and a fourth is denied.
    (1..=4).for_each(|number| _ = run.input(number, boss, Order::Square(number)));
    let outcome = run.test()?;
    let boss = outcome.state(boss).map(|boss| (boss.squares.clone(), boss.denied));
    assert_eq!(boss, Some((vec![1, 4, 9], 1)));
    let born: Vec<_> = outcome.born().map(|(pid, name)| (pid.0, name)).collect();
    assert_eq!(born, [(2, "worker 1"), (3, "worker 2"), (4, "worker 3")]);
    Ok(())
}
