//! SIR on a network, in ticks: who is infected infects each susceptible neighbour with one probability
//! a tick, and recovers with another.
//!
//! Source: Kermack, McKendrick 1927, as a chain-binomial process on a network: Keeling, Eames,
//! "Networks and epidemic models", J. R. Soc. Interface 2, 2005. Schedule: simultaneous.

use karyon::{
    Agent, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose, unit,
};
use serde::{Deserialize, Serialize};

use super::networks::Links;
use super::{Checked, Model, Network, Parameter, parameters, say, size, stream, tally};
use crate::network::OutOfRange;
use crate::random::Sequence;
use crate::spaces::graph::shuffle;

/// What is measured, in this order.
pub const MEASURES: [&str; 3] = ["susceptible", "infected", "recovered"];

const INFECTED: u64 = 1;
const RECOVERED: u64 = 2;
/// The layer in which people say how they are.
const HEALTH: u8 = 0;

/// Outputs of a step, at most.
const OUTPUTS_MAX: u64 = 65_536;
/// People where all know each other, at most: an infected one may infect all of them in one step.
const MEET_MAX: u32 = 65_000;

parameters! {
    network: Network::WattsStrogatz { degree: 8, rewiring: 0.1 };
    /// People.
    population.people: u32 = 10_000, in 1..=10_000_000;
    /// Who is infected at first.
    population.cases: u32 = 10, in 0..=10_000_000;
    /// Probability that an infected person infects a susceptible neighbour in a tick.
    model.infection: f64 = 0.05, in 0.0..=1.0;
    /// Probability that an infected person recovers in a tick.
    model.recovery: f64 = 0.1, in 0.0..=1.0;
}

/// What all know.
#[derive(Serialize)]
struct Town {
    network: Links,
    infection: f64,
    recovery: f64,
}

/// A person; while infected, the timer that wakes it each tick.
#[derive(Serialize, Deserialize)]
struct Person {
    ill: Option<TimerId>,
    is_susceptible: bool,
}

impl Agent for Person {
    /// That somebody infects it.
    type Message = ();
    const KIND: Kind = Kind::new("person").keeps_its_state(8);

    fn handle(&mut self, _: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        if std::mem::take(&mut self.is_susceptible) {
            self.ill = Some(ctx.interval(1, ()));
            ctx.mark(say(HEALTH, ctx.me().pid(), &[INFECTED])?);
        }
        Ok(())
    }

    fn timer(&mut self, timer: TimerId, (): (), ctx: &mut Context<'_, Self>) -> Result {
        let me = ctx.me().pid();
        let town = ctx.world::<Town>()?;
        let health = ctx.layer(HEALTH)?;
        for other in town.network.of(me.0 as u32 - 1).map(u64::from) {
            if health.word(other) == 0 && unit(ctx.random()) < town.infection {
                ctx.cast(Pid(other + 1).of::<Person>(), ());
            }
        }
        if unit(ctx.random()) < town.recovery {
            self.ill = None;
            ctx.cancel(timer);
            ctx.mark(say(HEALTH, me, &[RECOVERED])?);
        }
        Ok(())
    }
}

impl Model for Parameters {
    const NAME: &'static str = "sir";
    const ABOUT: &'static str = "SIR on a network, in ticks";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        let fits = self.cases <= self.people;
        OutOfRange::unless(fits, "population.cases", self.cases, "0 to the number of people")?;
        self.network.agree(self.people)?;
        let fits = self.network != Network::Complete || self.people <= MEET_MAX;
        let allowed = "1 to 65,000 where all know each other";
        OutOfRange::unless(fits, "population.people", self.people, allowed)
    }

    // Measured behind each tick.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let mut draws = Sequence::new(seed, stream::NETWORK);
        let network = self.network.links(self.people, &mut draws);
        let known = u64::from(network.degree());
        let people = u64::from(self.people);
        run.space([Layer::new(Whose::Agents, people, 1)]);
        run.agents("person", people, |_, _| Person { ill: None, is_susceptible: true });
        let mut cases: Vec<u32> = (0..self.people).collect();
        shuffle(&mut cases, &mut Sequence::new(seed, stream::STATES));
        for case in cases.iter().take(self.cases as usize) {
            run.input(0, Pid(u64::from(*case) + 1).of::<Person>(), ());
        }
        let (infection, recovery) = (self.infection, self.recovery);
        run.world(Town { network, infection, recovery });
        run.schedule(Schedule::default().seeded(seed));
        // Each whom one knows, and what one says of oneself.
        run.limits(Limits {
            outputs_per_step: (known + 4).clamp(64, OUTPUTS_MAX),
            messages_per_tick: people.max(64),
            ..Limits::default()
        });
        run.measure(1, MEASURES, |view| {
            let people = size(view, |town: &Town| u64::from(town.network.vertices()));
            tally::<3>(view.layer(HEALTH), people)
        });
        run
    }
}
