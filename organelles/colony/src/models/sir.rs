//! SIR on a network, in ticks: who is infected infects each susceptible neighbour with one probability
//! a tick, and recovers with another.
//!
//! Source: Kermack, McKendrick 1927, as a chain-binomial process on a network: Keeling, Eames,
//! "Networks and epidemic models", J. R. Soc. Interface 2, 2005. Schedule: simultaneous.

use karyon::{
    Agent, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose, unit,
};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, probability, say, size, stream, tally, within};
use crate::random::Sequence;
use crate::spaces::graph::{Graph, shuffle};

/// What is measured, in this order.
pub const MEASURES: [&str; 3] = ["susceptible", "infected", "recovered"];

const INFECTED: u64 = 1;
const RECOVERED: u64 = 2;
/// The layer in which people say how they are.
const HEALTH: u8 = 0;

/// What the model depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// People.
    pub people: u32,
    /// How many each knows: an even number, on a ring.
    pub degree: u32,
    /// Probability that an edge of the ring leads elsewhere.
    pub rewired: f64,
    /// Who is infected at first.
    pub cases: u32,
    /// Probability that an infected person infects a susceptible neighbour in a tick.
    pub infection: f64,
    /// Probability that an infected person recovers in a tick.
    pub recovery: f64,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            people: 10_000,
            degree: 8,
            rewired: 0.1,
            cases: 10,
            infection: 0.05,
            recovery: 0.1,
        }
    }
}

/// What all know.
#[derive(Serialize)]
struct Town {
    network: Graph,
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
            ctx.mark(say(HEALTH, ctx.me().pid(), INFECTED)?);
        }
        Ok(())
    }

    fn timer(&mut self, timer: TimerId, (): (), ctx: &mut Context<'_, Self>) -> Result {
        let me = ctx.me().pid();
        let town = ctx.world::<Town>()?;
        let health = ctx.layer(HEALTH)?;
        for other in town.network.neighbours(me.0 as u32 - 1) {
            let other = u64::from(*other);
            if health.word(other) == 0 && unit(ctx.random()) < town.infection {
                ctx.cast(Pid(other + 1).of::<Person>(), ());
            }
        }
        if unit(ctx.random()) < town.recovery {
            self.ill = None;
            ctx.cancel(timer);
            ctx.mark(say(HEALTH, me, RECOVERED)?);
        }
        Ok(())
    }
}

impl Model for Parameters {
    const NAME: &'static str = "sir";
    const ABOUT: &'static str = "SIR on a small-world network, in ticks";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn check(&self) -> Checked {
        within("model.people", self.people, 1, 10_000_000, "1 to 10,000,000")?;
        within("model.degree", self.degree, 2, 1_000, "2 to 1,000")?;
        within("model.cases", self.cases, 0, self.people, "0 to the number of people")?;
        probability("model.rewired", self.rewired)?;
        probability("model.infection", self.infection)?;
        probability("model.recovery", self.recovery)
    }

    // Measured behind each tick.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let mut draws = Sequence::new(seed, stream::NETWORK);
        let network = Graph::watts_strogatz(self.people, self.degree, self.rewired, &mut draws);
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
        let outputs = u64::from(self.degree.max(self.people.min(64))) * 4 + 4;
        run.limits(Limits {
            outputs_per_step: outputs,
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
