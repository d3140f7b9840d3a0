//! Agents that come while the run goes on, below a supervisor that starts them again and counts.

use karyon::{
    Agent, AgentRef, Child, Context, Denial, Kind, NotSpawned, Pid, Result, Run, RunError, Spawn,
    Spawned, Supervisor, failure,
};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Boss {
    hiring: Option<Spawn<Digger>>,
    crew: Vec<AgentRef<Digger>>,
    refused: u32,
}

#[derive(Serialize, Deserialize)]
enum Order {
    Hire,
    Dig(usize),
    Fire(usize),
}

impl Agent for Boss {
    type Message = Order;
    const KIND: Kind = Kind::new("boss");

    fn handle(&mut self, _from: Pid, order: Order, ctx: &mut Context<'_, Self>) -> Result {
        let digger = |at: usize| self.crew.get(at).copied().ok_or_else(|| failure("nobody"));
        match order {
            Order::Hire => {
                let spawn = ctx.spawn_under("crew", Child::permanent(), "digger", Digger(0))?;
                self.hiring = Some(spawn);
            }
            Order::Dig(which) => ctx.cast(digger(which)?, ()),
            Order::Fire(which) => ctx.terminate_child(digger(which)?),
        }
        Ok(())
    }

    fn spawned(&mut self, child: Spawned, _ctx: &mut Context<'_, Self>) -> Result {
        self.crew.extend(child.take(&mut self.hiring));
        Ok(())
    }

    fn not_spawned(&mut self, which: NotSpawned, why: Denial, _: &mut Context<'_, Self>) -> Result {
        assert!(self.hiring.is_some_and(|hiring| which.is(&hiring)));
        self.refused += u32::from(why == Denial::BudgetExhausted);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Digger(u64);

impl Agent for Digger {
    type Message = ();
    const KIND: Kind = Kind::new("digger").keeps_its_state(0);

    fn handle(&mut self, _from: Pid, (): (), _ctx: &mut Context<'_, Self>) -> Result {
        self.0 += 1;
        if self.0 == 2 { Err(failure("hit a rock")) } else { Ok(()) }
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("dig");
    let boss = run.agent("boss", Boss::default());
    let crew = Supervisor::dynamic("crew").max_children(2).intensity(3, 5);
    run.supervise(Supervisor::one_for_one().supervisor(crew)).may_spawn::<Digger>(9);
    run.input(0, boss, Order::Hire).input(2, boss, Order::Hire).input(4, boss, Order::Hire);
    run.input(5, boss, Order::Dig(0)).input(6, boss, Order::Dig(0)).input(7, boss, Order::Fire(1));
    let outcome = run.test()?;
    assert_eq!(outcome.state(boss).map(|boss| boss.refused), Some(1), "two are enough");
    let holes = |id| outcome.state(Pid(id).of::<Digger>()).map(|digger| digger.0);
    assert_eq!((holes(2), holes(3)), (Some(1), None), "one goes on, one was stopped");
    Ok(())
}
