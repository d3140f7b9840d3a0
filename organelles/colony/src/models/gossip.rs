//! Push gossip: each round, whoever knows tells one other, drawn from all whom it knows.
//!
//! Where all know each other, all know it after about log₂ N + ln N rounds. Source: Pittel, "On spreading a rumor", SIAM J. Appl.
//! Math. 47, 1987. Schedule: simultaneous; a tick is a round.

use karyon::{Agent, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose};
use serde::{Deserialize, Serialize};

use super::networks::Links;
use super::{Checked, Model, Network, Parameter, parameters, say, size, stream, tally};
use crate::random::Sequence;

/// What is measured, in this order.
pub const MEASURES: [&str; 2] = ["waiting", "informed"];

const INFORMED: u64 = 1;
const KNOWS: u8 = 0;

parameters! {
    network: Network::Complete;
    /// Nodes of the network.
    population.nodes: u32 = 10_000, in 2..=10_000_000;
    /// Rounds at most, where not all come to know.
    schedule.rounds: u32 = 10_000, in 1..=1_000_000;
}

#[derive(Serialize)]
struct Town {
    network: Links,
}

#[derive(Serialize, Deserialize)]
struct Node {
    is_informed: bool,
}

impl Agent for Node {
    /// The news.
    type Message = ();
    const KIND: Kind = Kind::new("node").keeps_its_state(8);

    fn handle(&mut self, _: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        if !std::mem::replace(&mut self.is_informed, true) {
            ctx.mark(say(KNOWS, ctx.me().pid(), &[INFORMED])?);
            ctx.interval(1, ());
            Node::tell(ctx)?;
        }
        Ok(())
    }

    fn timer(&mut self, _: TimerId, (): (), ctx: &mut Context<'_, Self>) -> Result {
        Node::tell(ctx)
    }
}

impl Node {
    fn tell(ctx: &mut Context<'_, Self>) -> Result {
        let me = ctx.me().pid().0 as u32 - 1;
        let bits = ctx.random();
        if let Some(other) = ctx.world::<Town>()?.network.drawn(me, bits) {
            ctx.cast(Pid(u64::from(other) + 1).of::<Node>(), ());
        }
        Ok(())
    }
}

impl Model for Parameters {
    const NAME: &'static str = "gossip";
    const ABOUT: &'static str = "push gossip: each round whoever knows tells one neighbour";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        self.network.agree(self.nodes)
    }

    // Measured behind each tick, and complete when all know.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let nodes = u64::from(self.nodes);
        run.space([Layer::new(Whose::Agents, nodes, 1)]);
        run.agents("node", nodes, |_, _| Node { is_informed: false });
        run.input(0, Pid(1).of::<Node>(), ());
        let network = self.network.links(self.nodes, &mut Sequence::new(seed, stream::NETWORK));
        run.world(Town { network });
        run.schedule(Schedule::default().seeded(seed));
        run.limits(Limits { messages_per_tick: nodes.max(64), ..Limits::default() });
        run.measure(1, MEASURES, |view| {
            tally::<2>(
                view.layer(KNOWS),
                size(view, |town: &Town| u64::from(town.network.vertices())),
            )
        });
        let rounds = u64::from(self.rounds);
        run.until(move |tick, row| row.first() == Some(&0.0) || tick >= rounds);
        run
    }
}
