//! Wealth exchange: agents with a coin give one to somebody, drawn from all others.
//!
//! Each agent has a clock that rings at the rate 1; if it has a coin then, it gives one away. Each
//! distribution of the coins is as likely as any other in the long run, so that with N agents and M
//! coins P(w = 0) = (N − 1) / (N + M − 1). Source: Drăgulescu, Yakovenko, "Statistical mechanics of
//! money", Eur. Phys. J. B 17, 2000; the process is a zero-range process: Spitzer 1970. Events at
//! real-valued times.

use karyon::{
    Agent, Clock, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, View, Whose,
    below, exponential,
};
use serde::{Deserialize, Serialize};

use super::{Model, Parameter, TICKS_PER_UNIT, parameters, put, say, size};

/// What is measured, in this order: the richest agent's coins, the Gini coefficient, and how many have
/// none, one and two.
pub const MEASURES: [&str; 5] = ["richest", "gini", "none", "one", "two"];

/// Of each agent its coins, and one more than the tick in which it gave one last. A coin is a tick on
/// its way, and rows are taken behind ticks in which one is given: it still counts as its giver's then.
const COINS: u8 = 0;

parameters! {
    /// Agents.
    population.agents: u32 = 100, in 2..=10_000_000;
    /// Coins of each at first.
    population.coins: u32 = 1, in 0..=1_000_000;
    /// How long it goes on, units of time.
    schedule.time: u32 = 1_000, in 1..=1_000_000;
}

#[derive(Serialize)]
struct Market {
    agents: u64,
    ends: f64,
}

#[derive(Serialize, Deserialize)]
struct Trader {
    coins: u64,
}

#[derive(Serialize, Deserialize)]
enum Event {
    Coin,
    /// Its clock rings then.
    Rings(f64),
}

impl Trader {
    fn wait(now: f64, ctx: &mut Context<'_, Self>) -> Result {
        let next = now + exponential(ctx.random(), 1.0);
        if next < ctx.world::<Market>()?.ends {
            ctx.after(Clock::new(TICKS_PER_UNIT).until(ctx.now(), next), Event::Rings(next));
        }
        Ok(())
    }
}

impl Agent for Trader {
    type Message = Event;
    const KIND: Kind = Kind::new("trader").keeps_its_state(8);

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        Trader::wait(0.0, ctx)
    }

    fn handle(&mut self, _: Pid, _: Event, ctx: &mut Context<'_, Self>) -> Result {
        self.coins += 1;
        ctx.mark(say(COINS, ctx.me().pid(), &[self.coins])?);
        Ok(())
    }

    fn timer(&mut self, _: TimerId, event: Event, ctx: &mut Context<'_, Self>) -> Result {
        let Event::Rings(now) = event else { return Ok(()) };
        if self.coins > 0 {
            let (me, agents) = (ctx.me().pid(), ctx.world::<Market>()?.agents);
            let other = 1 + (me.0 + below(ctx.random(), agents - 1)) % agents;
            self.coins -= 1;
            ctx.mark(say(COINS, me, &[self.coins, ctx.now().0 + 1])?);
            ctx.cast(Pid(other).of::<Trader>(), Event::Coin);
        }
        Trader::wait(now, ctx)
    }
}

/// Richest, Gini coefficient, and how many have none, one, two.
fn row(view: &View<'_>) -> Vec<f64> {
    let agents = size(view, |market: &Market| market.agents);
    let coins = |slot| match view.layer(COINS).map(|layer| layer.words(slot)) {
        Some([coins, gave]) => coins + u64::from(*gave == view.tick().0 + 1),
        Some(_) | None => 0,
    };
    let mut coins: Vec<u64> = (0..agents).map(coins).collect();
    coins.sort_unstable();
    let sum: u64 = coins.iter().sum();
    let ranked: u128 = (1u128..).zip(&coins).map(|(rank, coins)| rank * u128::from(*coins)).sum();
    let count = agents as f64;
    let gini = if sum == 0 {
        0.0
    } else {
        2.0 * ranked as f64 / (count * sum as f64) - (count + 1.0) / count
    };
    let with = |wealth| coins.iter().filter(|coins| **coins == wealth).count() as f64;
    vec![coins.last().copied().unwrap_or(0) as f64, gini, with(0), with(1), with(2)]
}

impl Model for Parameters {
    const NAME: &'static str = "wealth";
    const ABOUT: &'static str = "agents that give each other coins";
    const MEASURES: &'static [&'static str] = &MEASURES;
    const UNIT: u64 = TICKS_PER_UNIT as u64;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    // Measured once a unit of time.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let (agents, coins) = (u64::from(self.agents), u64::from(self.coins));
        run.space([Layer::new(Whose::Agents, agents, 2)]);
        run.agents("trader", agents, |_, _| Trader { coins });
        (0..agents).for_each(|slot| put(&mut run, COINS, slot, None, &[coins]));
        run.world(Market { agents, ends: f64::from(self.time) });
        run.schedule(Schedule::default().seeded(seed));
        run.limits(Limits { messages_per_tick: agents.max(64), ..Limits::default() });
        run.measure(u64::from(TICKS_PER_UNIT), MEASURES, row);
        run
    }
}
