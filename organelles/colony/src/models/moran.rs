//! The Moran process: individuals reproduce in proportion to their fitness, and a child takes the
//! place of somebody drawn from all others.
//!
//! Each has a clock that rings at the rate of its fitness, 1 or `fitness`. A mutant's kind takes over
//! with probability (1 − 1/r) / (1 − 1/rᴺ). Source: Moran, "Random processes in genetics", 1958;
//! Nowak, "Evolutionary dynamics", 2006, 6. Events at real-valued times.

use karyon::{
    Agent, Clock, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose, below,
    exponential,
};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, Parameter, TICKS_PER_UNIT, parameters, put, say, size, tally};
use crate::network::OutOfRange;

/// What is measured, in this order.
pub const MEASURES: [&str; 2] = ["residents", "mutants"];

const KINDS: u8 = 0;
const MUTANT: u64 = 1;

parameters! {
    /// Individuals.
    population.individuals: u32 = 100, in 2..=1_000_000;
    /// Mutants at first.
    population.mutants: u32 = 1, in 0..=1_000_000;
    /// A mutant's fitness; a resident's is 1.
    model.fitness: f64 = 1.1, in 1e-9..=1e9;
}

#[derive(Serialize)]
struct Habitat {
    individuals: u64,
    fitness: f64,
}

#[derive(Serialize, Deserialize)]
struct Individual {
    is_mutant: bool,
    clock: Option<TimerId>,
}

#[derive(Serialize, Deserialize)]
enum Event {
    /// A child of this kind takes its place, at this time.
    Replaced(bool, f64),
    Rings(f64),
}

impl Individual {
    fn wait(&mut self, now: f64, ctx: &mut Context<'_, Self>) -> Result {
        let rate = if self.is_mutant { ctx.world::<Habitat>()?.fitness } else { 1.0 };
        let next = now + exponential(ctx.random(), rate);
        let ticks = Clock::new(TICKS_PER_UNIT).until(ctx.now(), next);
        self.clock = Some(ctx.after(ticks, Event::Rings(next)));
        Ok(())
    }
}

impl Agent for Individual {
    type Message = Event;
    const KIND: Kind = Kind::new("individual").keeps_its_state(8);

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        self.wait(0.0, ctx)
    }

    fn handle(&mut self, _: Pid, event: Event, ctx: &mut Context<'_, Self>) -> Result {
        let Event::Replaced(by_mutant, now) = event else { return Ok(()) };
        if self.is_mutant != by_mutant {
            self.is_mutant = by_mutant;
            ctx.mark(say(KINDS, ctx.me().pid(), &[u64::from(by_mutant)])?);
            // Its clock is another one; what is left of the old one has no memory.
            if let Some(clock) = self.clock.take() {
                ctx.cancel(clock);
            }
            self.wait(now, ctx)?;
        }
        Ok(())
    }

    fn timer(&mut self, _: TimerId, event: Event, ctx: &mut Context<'_, Self>) -> Result {
        let Event::Rings(now) = event else { return Ok(()) };
        let (me, all) = (ctx.me().pid(), ctx.world::<Habitat>()?.individuals);
        let other = 1 + (me.0 + below(ctx.random(), all - 1)) % all;
        ctx.cast(Pid(other).of::<Individual>(), Event::Replaced(self.is_mutant, now));
        self.wait(now, ctx)
    }
}

impl Model for Parameters {
    const NAME: &'static str = "moran";
    const ABOUT: &'static str = "a mutant that takes over, or does not";
    const MEASURES: &'static [&'static str] = &MEASURES;
    const UNIT: u64 = TICKS_PER_UNIT as u64;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        let (fits, allowed) = (self.mutants <= self.individuals, "0 to the number of individuals");
        OutOfRange::unless(fits, "population.mutants", self.mutants, allowed)
    }

    // Measured behind each event, and complete when all are of
    // one kind.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let individuals = u64::from(self.individuals);
        run.space([Layer::new(Whose::Agents, individuals, 1)]);
        let mutants = u64::from(self.mutants);
        run.agents("individual", individuals, |number, _| Individual {
            is_mutant: number < mutants,
            clock: None,
        });
        (0..mutants).for_each(|slot| put(&mut run, KINDS, slot, None, &[MUTANT]));
        run.world(Habitat { individuals, fitness: self.fitness });
        run.schedule(Schedule::default().seeded(seed));
        run.limits(Limits { messages_per_tick: individuals.max(64), ..Limits::default() });
        run.measure(1, MEASURES, |view| {
            tally::<2>(view.layer(KINDS), size(view, |habitat: &Habitat| habitat.individuals))
        });
        run.until(|_, row| row.contains(&0.0));
        run
    }
}
