//! The rumour of Maki and Thompson on the complete graph: a spreader who tells somebody that knows it
//! already stops spreading.
//!
//! Each tick each spreader tells one other, drawn from all. Who had not heard becomes a spreader; if
//! the other had heard, the teller becomes a stifler. Source: Maki, Thompson, "Mathematical models and
//! applications", 1973; the share that never hears tends to 0.203188: Sudbury, "The proportion of the
//! population never hearing a rumour", J. Appl. Prob. 22, 1985. Each telling depends on how many have
//! heard alone, so that this share does not depend on the order of tellings. Schedule:
//! sequential-random.

use karyon::{
    Agent, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose, below,
};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, say, size, tally, within};

/// What is measured, in this order.
pub const MEASURES: [&str; 3] = ["ignorant", "spreaders", "stiflers"];

const SPREADER: u64 = 1;
const STIFLER: u64 = 2;
const KNOWS: u8 = 0;

/// What the model depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// People.
    pub people: u32,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters { people: 10_000 }
    }
}

#[derive(Serialize)]
struct Town {
    people: u64,
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
            ctx.mark(say(KNOWS, ctx.me().pid(), SPREADER)?);
            ctx.interval(1, ());
        }
        Ok(())
    }

    fn timer(&mut self, timer: TimerId, (): (), ctx: &mut Context<'_, Self>) -> Result {
        let (me, people) = (ctx.me().pid(), ctx.world::<Town>()?.people);
        let other = Pid(1 + (me.0 + below(ctx.random(), people - 1)) % people);
        if ctx.layer(KNOWS)?.word(other.0 - 1) == 0 {
            // In front of the news of it: nobody else finds this one ignorant.
            ctx.mark(say(KNOWS, other, SPREADER)?);
            ctx.cast(other.of::<Person>(), ());
        } else {
            ctx.mark(say(KNOWS, me, STIFLER)?);
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

    fn check(&self) -> Checked {
        within("model.people", self.people, 2, 10_000_000, "2 to 10,000,000")
    }

    // Measured behind each tick.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let people = u64::from(self.people);
        run.space([Layer::new(Whose::Agents, people, 1)]);
        run.agents("person", people, |_, _| Person { has_heard: false });
        run.input(0, Pid(1).of::<Person>(), ());
        run.world(Town { people });
        run.schedule(Schedule::sequential_random(seed));
        run.limits(Limits { messages_per_tick: people.max(64), ..Limits::default() });
        run.measure(1, MEASURES, |view| {
            tally::<3>(view.layer(KNOWS), size(view, |town: &Town| town.people))
        });
        run
    }
}
