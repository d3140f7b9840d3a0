//! SIR among people who all meet each other, exact: events at real-valued times.
//!
//! An infected person meets each other one at the rate β, and recovers at the rate γ. It draws when it
//! meets somebody next, at the rate β (N − 1), and whom; whoever is susceptible is infected. So events
//! come as in Gillespie's method, and the ticks only say in which order. Source: Gillespie 1977; final
//! sizes: Bailey, "The mathematical theory of infectious diseases", 2nd ed., 1975.

use karyon::{
    Agent, Clock, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose, below,
    exponential,
};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, Parameter, TICKS_PER_UNIT, parameters, say, size, tally};
use crate::network::OutOfRange;

/// What is measured, in this order.
pub const MEASURES: [&str; 3] = ["susceptible", "infected", "recovered"];

const INFECTED: u64 = 1;
const RECOVERED: u64 = 2;
const HEALTH: u8 = 0;

parameters! {
    /// People.
    population.people: u32 = 1_000, in 2..=10_000_000;
    /// Who is infected at first.
    population.cases: u32 = 1, in 0..=10_000_000;
    /// How many an infected person infects among none but susceptible ones: β (N − 1) / γ.
    model.reproduction: f64 = 2.0, in 1e-9..=1e9;
    /// Recoveries of an infected person a unit of time: γ.
    model.recovery: f64 = 1.0, in 1e-9..=1e9;
}

#[derive(Serialize)]
struct Town {
    people: u64,
    /// Of one infected person, a unit of time.
    meetings: f64,
    recovery: f64,
}

/// A person. Times are exact; a tick only says in which order they come.
#[derive(Serialize, Deserialize)]
enum Person {
    Susceptible,
    /// Until then.
    Infected(f64),
    Recovered,
}

/// When it happens.
#[derive(Serialize, Deserialize)]
enum Happens {
    Infected(f64),
    Next(f64),
}

impl Person {
    fn next(now: f64, recovers: f64, ctx: &mut Context<'_, Self>) -> Result {
        let meetings = ctx.world::<Town>()?.meetings;
        let next = recovers.min(now + exponential(ctx.random(), meetings));
        ctx.after(Clock::new(TICKS_PER_UNIT).until(ctx.now(), next), Happens::Next(next));
        Ok(())
    }
}

impl Agent for Person {
    type Message = Happens;
    const KIND: Kind = Kind::new("person").keeps_its_state(8);

    fn handle(&mut self, _: Pid, event: Happens, ctx: &mut Context<'_, Self>) -> Result {
        if let (Person::Susceptible, Happens::Infected(now)) = (&self, event) {
            let recovery = ctx.world::<Town>()?.recovery;
            let recovers = now + exponential(ctx.random(), recovery);
            *self = Person::Infected(recovers);
            ctx.mark(say(HEALTH, ctx.me().pid(), &[INFECTED])?);
            Person::next(now, recovers, ctx)?;
        }
        Ok(())
    }

    fn timer(&mut self, _: TimerId, event: Happens, ctx: &mut Context<'_, Self>) -> Result {
        let (Person::Infected(recovers), Happens::Next(now)) = (&self, event) else {
            return Ok(());
        };
        let (recovers, me) = (*recovers, ctx.me().pid());
        if now >= recovers {
            *self = Person::Recovered;
            ctx.mark(say(HEALTH, me, &[RECOVERED])?);
            return Ok(());
        }
        let people = ctx.world::<Town>()?.people;
        let other = 1 + (me.0 + below(ctx.random(), people - 1)) % people;
        ctx.cast(Pid(other).of::<Person>(), Happens::Infected(now));
        Person::next(now, recovers, ctx)
    }
}

impl Model for Parameters {
    const NAME: &'static str = "sir-events";
    const ABOUT: &'static str = "SIR among people who all meet each other, exact";
    const MEASURES: &'static [&'static str] = &MEASURES;
    const UNIT: u64 = TICKS_PER_UNIT as u64;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        let fits = self.cases <= self.people;
        OutOfRange::unless(fits, "population.cases", self.cases, "0 to the number of people")
    }

    // Measured once a unit of time.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let people = u64::from(self.people);
        run.space([Layer::new(Whose::Agents, people, 1)]);
        run.agents("person", people, |_, _| Person::Susceptible);
        for case in 1..=u64::from(self.cases.min(self.people)) {
            run.input(0, Pid(case).of::<Person>(), Happens::Infected(0.0));
        }
        let meetings = self.reproduction * self.recovery;
        run.world(Town { people, meetings, recovery: self.recovery });
        run.schedule(Schedule::default().seeded(seed));
        run.limits(Limits { messages_per_tick: people.max(64), ..Limits::default() });
        run.measure(u64::from(TICKS_PER_UNIT), MEASURES, |view| {
            tally::<3>(view.layer(HEALTH), size(view, |town: &Town| town.people))
        });
        run
    }
}
