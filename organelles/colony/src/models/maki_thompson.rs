//! The rumour of Maki and Thompson: a spreader who tells somebody that knows it already stops
//! spreading.
//!
//! Each tick each spreader tells one other, drawn from all whom it knows. Who had not heard becomes a spreader; if
//! the other had heard, the teller becomes a stifler. Source: Maki, Thompson, "Mathematical models and
//! applications", 1973; where all know each other the share that never hears tends to 0.203188: Sudbury, "The proportion of the
//! population never hearing a rumour", J. Appl. Prob. 22, 1985. Each telling depends on how many have
//! heard alone, so that this share does not depend on the order of tellings. Schedule:
//! sequential-random.

use karyon::{Agent, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose};
use serde::{Deserialize, Serialize};

use super::networks::Links;
use super::{Checked, Model, Network, Parameter, parameters, say, size, stream, tally};
use crate::random::Sequence;

/// What is measured, in this order.
pub const MEASURES: [&str; 3] = ["ignorant", "spreaders", "stiflers"];

const SPREADER: u64 = 1;
const STIFLER: u64 = 2;
const KNOWS: u8 = 0;

parameters! {
    network: Network::Complete;
    /// People.
    population.people: u32 = 10_000, in 2..=10_000_000;
}

#[derive(Serialize)]
struct Town {
    network: Links,
}

/// A person: whether it has heard.
#[derive(Serialize, Deserialize)]
struct Person {
    has_heard: bool,
}

impl Agent for Person {
    /// The rumour.
    type Message = ();
    const KIND: Kind = Kind::new("person").keeps_its_state(8);

    fn handle(&mut self, _: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        if !std::mem::replace(&mut self.has_heard, true) {
            ctx.mark(say(KNOWS, ctx.me().pid(), &[SPREADER])?);
            ctx.interval(1, ());
        }
        Ok(())
    }

    fn timer(&mut self, timer: TimerId, (): (), ctx: &mut Context<'_, Self>) -> Result {
        let (me, bits) = (ctx.me().pid(), ctx.random());
        let other = ctx.world::<Town>()?.network.drawn(me.0 as u32 - 1, bits);
        // Who knows nobody has nobody to tell.
        let other = other.map_or(me, |other| Pid(u64::from(other) + 1));
        if ctx.layer(KNOWS)?.word(other.0 - 1) == 0 {
            // In front of the news of it: nobody else finds this one ignorant.
            ctx.mark(say(KNOWS, other, &[SPREADER])?);
            ctx.cast(other.of::<Person>(), ());
        } else {
            ctx.mark(say(KNOWS, me, &[STIFLER])?);
            ctx.cancel(timer);
        }
        Ok(())
    }
}

impl Model for Parameters {
    const NAME: &'static str = "maki-thompson";
    const ABOUT: &'static str =
        "a rumour that dies out: who meets somebody who knows it stops telling";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        self.network.agree(self.people)
    }

    // Measured behind each tick.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let people = u64::from(self.people);
        run.space([Layer::new(Whose::Agents, people, 1)]);
        run.agents("person", people, |_, _| Person { has_heard: false });
        run.input(0, Pid(1).of::<Person>(), ());
        let network = self.network.links(self.people, &mut Sequence::new(seed, stream::NETWORK));
        run.world(Town { network });
        run.schedule(Schedule::sequential_random(seed));
        run.limits(Limits { messages_per_tick: people.max(64), ..Limits::default() });
        run.measure(1, MEASURES, |view| {
            tally::<3>(
                view.layer(KNOWS),
                size(view, |town: &Town| u64::from(town.network.vertices())),
            )
        });
        run
    }
}
