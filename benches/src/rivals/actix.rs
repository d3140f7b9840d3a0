//! actix: an actor each, on as many arbiters as there are threads; neighbours by serial share one.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, channel};

use actix::{
    Actor, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message, System,
    SystemRunner,
};

use super::{Address, Agent, Engine, Shared, Up};
use crate::hop::Hop;
use crate::skynet::{Part, Seed};

/// Agents as actix' actors.
pub struct Actix {
    arbiters: Vec<Arbiter>,
    /// To which they belong; what it runs itself is nothing.
    _system: SystemRunner,
}

/// One of them.
pub struct Hopper(Agent<Addr<Hopper>>);

impl Message for Hop {
    type Result = ();
}

impl Address<Hop> for Addr<Hopper> {
    #[inline]
    fn tell(&self, hop: Hop) {
        // The way that asks for no room in the mailbox.
        self.do_send(hop);
    }
}

impl Actor for Hopper {
    type Context = Context<Hopper>;

    fn started(&mut self, _: &mut Context<Hopper>) {
        self.0.begin();
    }
}

impl Handler<Hop> for Hopper {
    type Result = ();

    fn handle(&mut self, hop: Hop, _: &mut Context<Hopper>) {
        self.0.handle(hop);
    }
}

/// A node of skynet's tree; it ends when nobody is left to tell it anything.
struct Node {
    seed: Seed<Up<Addr<Node>>>,
    /// Of the root: where its children live, in turn. The others' live where they do.
    arbiters: Vec<ArbiterHandle>,
}

impl Node {
    fn new(seed: Seed<Up<Addr<Node>>>) -> Node {
        Node { seed, arbiters: Vec::new() }
    }
}

struct Sum(u64);

impl Message for Sum {
    type Result = ();
}

impl Address<u64> for Addr<Node> {
    #[inline]
    fn tell(&self, sum: u64) {
        self.do_send(Sum(sum));
    }
}

impl Actor for Node {
    type Context = Context<Node>;

    fn started(&mut self, context: &mut Context<Node>) {
        let mut arbiters = self.arbiters.iter().cycle();
        for child in self.seed.begin(Up::Node(context.address())) {
            match arbiters.next() {
                Some(arbiter) => drop(Node::start_in_arbiter(arbiter, |_| Node::new(child))),
                None => drop(Node::new(child).start()),
            }
        }
    }
}

impl Handler<Sum> for Node {
    type Result = ();

    fn handle(&mut self, Sum(sum): Sum, _: &mut Context<Node>) {
        self.seed.hear(sum);
    }
}

impl Engine for Actix {
    const NAME: &'static str = "actix";
    type Address = Addr<Hopper>;

    fn new(workers: usize) -> Actix {
        let system = System::new();
        Actix { arbiters: (0..workers).map(|_| Arbiter::new()).collect(), _system: system }
    }

    fn spawn(&self, shared: &Arc<Shared<Addr<Hopper>>>) -> Vec<Addr<Hopper>> {
        let agents = shared.traffic.agents;
        let share = agents.div_ceil(self.arbiters.len() as u64);
        let make = |(arbiter, first): (&Arbiter, u64)| {
            let (shared, (sender, made)) = (Arc::clone(shared), channel());
            let last = agents.min(first + share - 1);
            let is_running = arbiter.spawn_fn(move || {
                let start = |me| Hopper(Agent::new(me, &shared)).start();
                let all: Vec<_> = (first..=last).map(start).collect();
                sender.send(all).expect("somebody waits for them");
            });
            assert!(is_running, "an arbiter runs until it is stopped");
            made
        };
        let firsts = (1..).step_by(share as usize);
        let made: Vec<_> = self.arbiters.iter().zip(firsts).map(make).collect();
        made.into_iter().flat_map(|made| made.recv().expect("the arbiter makes them")).collect()
    }

    fn skynet(&self, leaves: u64, done: SyncSender<u64>) {
        let arbiters: Vec<_> = self.arbiters.iter().map(Arbiter::handle).collect();
        let seed = Seed::new(Part::whole(leaves), Up::Out(done));
        let Some(first) = self.arbiters.first() else { return };
        first.spawn_fn(|| drop(Node { seed, arbiters }.start()));
    }
}

impl Drop for Actix {
    fn drop(&mut self) {
        for arbiter in self.arbiters.drain(..) {
            arbiter.stop();
            arbiter.join().expect("no actor panics");
        }
    }
}
