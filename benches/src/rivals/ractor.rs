//! ractor: an actor each, on tokio's multi-thread runtime, with its supervision of each.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::runtime::Runtime;

use super::{Address, Agent, Engine, Shared, Up, runtime};
use crate::hop::Hop;
use crate::skynet::{Part, Seed};

/// Agents as ractor's actors.
pub struct Ractor(Runtime);

struct Hopper;

impl Address<Hop> for ActorRef<Hop> {
    #[inline]
    fn tell(&self, hop: Hop) {
        self.cast(hop).expect("the actor lives");
    }
}

impl Actor for Hopper {
    type Msg = Hop;
    type State = Agent<ActorRef<Hop>>;
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        _: ActorRef<Hop>,
        agent: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        agent.begin();
        Ok(agent)
    }

    async fn handle(
        &self,
        _: ActorRef<Hop>,
        hop: Hop,
        agent: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        agent.handle(hop);
        Ok(())
    }
}

/// A node of skynet's tree.
struct Node;

type UpHere = Up<ActorRef<u64>>;

impl Address<u64> for ActorRef<u64> {
    #[inline]
    fn tell(&self, sum: u64) {
        self.cast(sum).expect("the actor lives");
    }
}

impl Actor for Node {
    type Msg = u64;
    type State = Seed<UpHere>;
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        _: ActorRef<u64>,
        seed: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(seed)
    }

    async fn post_start(
        &self,
        myself: ActorRef<u64>,
        seed: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        for child in seed.begin(Up::Node(myself)) {
            Actor::spawn(None, Node, child).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<u64>,
        sum: u64,
        seed: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        seed.hear(sum);
        Ok(())
    }
}

impl Engine for Ractor {
    const NAME: &'static str = "ractor";
    type Address = ActorRef<Hop>;

    fn new(workers: usize) -> Ractor {
        Ractor(runtime(workers))
    }

    fn spawn(&self, shared: &Arc<Shared<ActorRef<Hop>>>) -> Vec<ActorRef<Hop>> {
        let shared = Arc::clone(shared);
        let making = self.0.spawn(async move {
            let mut actors = Vec::new();
            for me in 1..=shared.traffic.agents {
                let spawned = Actor::spawn(None, Hopper, Agent::new(me, &shared)).await;
                actors.push(spawned.expect("the actor starts").0);
            }
            actors
        });
        self.0.block_on(making).expect("the task ends")
    }

    fn skynet(&self, leaves: u64, done: SyncSender<u64>) {
        let root = Seed::new(Part::whole(leaves), Up::Out(done));
        self.0.spawn(async { Actor::spawn(None, Node, root).await.expect("the actor starts") });
    }
}
