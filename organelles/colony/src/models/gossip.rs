//! Push gossip: each round, whoever knows tells one other, drawn from all.
//!
//! All know it after about log₂ N + ln N rounds. Source: Pittel, "On spreading a rumor", SIAM J. Appl.
//! Math. 47, 1987. Schedule: simultaneous; a tick is a round.

use karyon::{
    Agent, Context, Kind, Layer, Limits, Pid, Result, Run, Schedule, TimerId, Whose, below,
};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, say, size, tally, within};

/// What is measured, in this order.
pub const MEASURES: [&str; 2] = ["waiting", "informed"];

const INFORMED: u64 = 1;
const KNOWS: u8 = 0;

/// What the model depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Nodes of the network.
    pub nodes: u32,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters { nodes: 10_000 }
    }
}

#[derive(Serialize)]
struct Network {
    nodes: u64,
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
            ctx.mark(say(KNOWS, ctx.me().pid(), INFORMED)?);
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
        let (me, nodes) = (ctx.me().pid(), ctx.world::<Network>()?.nodes);
        let other = Pid(1 + (me.0 + below(ctx.random(), nodes - 1)) % nodes);
        ctx.cast(other.of::<Node>(), ());
        Ok(())
    }
}

impl Model for Parameters {
    const NAME: &'static str = "gossip";
    const ABOUT: &'static str = "push gossip: each round whoever knows tells one other";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn check(&self) -> Checked {
        within("model.nodes", self.nodes, 2, 10_000_000, "2 to 10,000,000")
    }

    // Measured behind each tick, and complete when all know.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let nodes = u64::from(self.nodes);
        run.space([Layer::new(Whose::Agents, nodes, 1)]);
        run.agents("node", nodes, |_, _| Node { is_informed: false });
        run.input(0, Pid(1).of::<Node>(), ());
        run.world(Network { nodes });
        run.schedule(Schedule::default().seeded(seed));
        run.limits(Limits { messages_per_tick: nodes.max(64), ..Limits::default() });
        run.measure(1, MEASURES, |view| {
            tally::<2>(view.layer(KNOWS), size(view, |network: &Network| network.nodes))
        });
        run.until(|_, row| row.first() == Some(&0.0));
        run
    }
}
