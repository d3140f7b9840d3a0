//! Names and groups that agents take while the run goes on: a leader is whoever has the name.

use karyon::{Agent, Context, Deed, Denial, Group, Kind, Pid, Result, Run, RunError, failure};
use serde::{Deserialize, Serialize};

const AWAKE: Group<Node> = Group::new("awake");

#[derive(Default, Serialize, Deserialize)]
struct Node {
    leads_since: Option<u64>,
    follows: Option<Pid>,
    orders: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Stand,
    Order,
    Obey,
    Break,
}

impl Agent for Node {
    type Message = Message;
    const KIND: Kind = Kind::new("node").temporary();

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.join(AWAKE);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, message: Message, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Message::Stand => {
                self.leads_since = Some(ctx.now().0);
                ctx.register("leader");
            }
            // Whoever leads tells all who are awake, itself among them.
            Message::Order => match ctx.whereis::<Node>("leader") {
                Some(leader) if leader == ctx.me() => ctx.broadcast(AWAKE, &Message::Obey),
                Some(leader) => ctx.cast(leader, Message::Order),
                None => return Err(failure("nobody leads")),
            },
            Message::Obey => self.orders += 1,
            Message::Break => return Err(failure("broken")),
        }
        Ok(())
    }

    fn denied(&mut self, deed: Deed, _denial: Denial, _ctx: &mut Context<'_, Self>) -> Result {
        if let Deed::Register(leader) = deed {
            (self.leads_since, self.follows) = (None, Some(leader.into()));
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("election");
    let [a, b, c] = ["a", "b", "c"].map(|name| run.agent(name, Node::default()));
    // Two want to lead in one tick: the lower number does.
    run.input(1, c, Message::Stand).input(1, b, Message::Stand);
    run.input(3, a, Message::Order);
    // It breaks, and its name is free again.
    run.input(7, b, Message::Break).input(9, c, Message::Stand);
    run.input(11, a, Message::Order);
    let outcome = run.test()?;
    let orders = [a, b, c].map(|node| outcome.state(node).map(|node| node.orders));
    assert_eq!(orders, [Some(2), None, Some(2)]);
    let third = outcome.state(c).map(|node| (node.leads_since, node.follows));
    assert_eq!(third, Some((Some(9), Some(b.pid()))));
    Ok(())
}
