//! kameo: an actor each, on tokio's multi-thread runtime, with an unbounded mailbox.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use tokio::runtime::Runtime;

use super::{Address, Agent, Engine, Shared, Up, runtime};
use crate::hop::Hop;
use crate::skynet::{Part, Seed};

/// Agents as kameo's actors.
pub struct Kameo(Runtime);

/// One of them.
pub struct Hopper(Agent<ActorRef<Hopper>>);

impl Address<Hop> for ActorRef<Hopper> {
    #[inline]
    fn tell(&self, hop: Hop) {
        ActorRef::tell(self, hop).try_send().expect("the actor lives");
    }
}

impl Actor for Hopper {
    type Args = Hopper;
    type Error = Infallible;

    async fn on_start(agent: Hopper, _: ActorRef<Hopper>) -> Result<Hopper, Infallible> {
        agent.0.begin();
        Ok(agent)
    }
}

impl Message<Hop> for Hopper {
    type Reply = ();

    async fn handle(&mut self, hop: Hop, _: &mut Context<Hopper, ()>) {
        self.0.handle(hop);
    }
}

/// A node of skynet's tree; it ends when nobody is left to tell it anything.
struct Node(Seed<Up<ActorRef<Node>>>);

impl Address<u64> for ActorRef<Node> {
    #[inline]
    fn tell(&self, sum: u64) {
        ActorRef::tell(self, sum).try_send().expect("the actor lives");
    }
}

impl Actor for Node {
    type Args = Node;
    type Error = Infallible;

    async fn on_start(node: Node, me: ActorRef<Node>) -> Result<Node, Infallible> {
        for child in node.0.begin(Up::Node(me)) {
            Node::spawn_with_mailbox(Node(child), mailbox::unbounded());
        }
        Ok(node)
    }
}

impl Message<u64> for Node {
    type Reply = ();

    async fn handle(&mut self, sum: u64, _: &mut Context<Node, ()>) {
        self.0.hear(sum);
    }
}

impl Engine for Kameo {
    const NAME: &'static str = "kameo";
    type Address = ActorRef<Hopper>;

    fn new(workers: usize) -> Kameo {
        Kameo(runtime(workers))
    }

    fn spawn(&self, shared: &Arc<Shared<ActorRef<Hopper>>>) -> Vec<ActorRef<Hopper>> {
        let shared = Arc::clone(shared);
        let making = self.0.spawn(async move {
            let agent = |me| Hopper(Agent::new(me, &shared));
            let spawn = |me| Hopper::spawn_with_mailbox(agent(me), mailbox::unbounded());
            (1..=shared.traffic.agents).map(spawn).collect()
        });
        self.0.block_on(making).expect("the task ends")
    }

    fn skynet(&self, leaves: u64, done: SyncSender<u64>) {
        let root = Node(Seed::new(Part::whole(leaves), Up::Out(done)));
        self.0.spawn(async { Node::spawn_with_mailbox(root, mailbox::unbounded()) });
    }
}
