//! Nothing but tokio: a task and an unbounded channel each. What any actor on tokio costs at least.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Address, Agent, Engine, Shared, Up, runtime};
use crate::hop::Hop;
use crate::skynet::{Part, Seed};

/// Agents as tasks.
pub struct Channels(Runtime);

impl Address<Hop> for UnboundedSender<Hop> {
    #[inline]
    fn tell(&self, hop: Hop) {
        self.send(hop).expect("the task lives");
    }
}

impl Address<u64> for UnboundedSender<u64> {
    #[inline]
    fn tell(&self, sum: u64) {
        self.send(sum).expect("the task lives");
    }
}

/// A node of skynet's tree, as a task; it ends when all below it have reported.
fn grow(mut seed: Seed<Up<UnboundedSender<u64>>>) {
    tokio::spawn(async move {
        let (sender, mut receiver) = unbounded_channel();
        seed.begin(Up::Node(sender)).for_each(grow);
        while let Some(sum) = receiver.recv().await {
            seed.hear(sum);
        }
    });
}

impl Engine for Channels {
    const NAME: &'static str = "tokio channels";
    type Address = UnboundedSender<Hop>;

    fn new(workers: usize) -> Channels {
        Channels(runtime(workers))
    }

    fn spawn(&self, shared: &Arc<Shared<UnboundedSender<Hop>>>) -> Vec<UnboundedSender<Hop>> {
        let shared = Arc::clone(shared);
        let making = self.0.spawn(async move {
            let spawn = |me| {
                let (sender, mut receiver) = unbounded_channel();
                let mut agent = Agent::new(me, &shared);
                tokio::spawn(async move {
                    agent.begin();
                    while let Some(hop) = receiver.recv().await {
                        agent.handle(hop);
                    }
                });
                sender
            };
            (1..=shared.traffic.agents).map(spawn).collect()
        });
        self.0.block_on(making).expect("the task ends")
    }

    fn skynet(&self, leaves: u64, done: SyncSender<u64>) {
        let root = Seed::new(Part::whole(leaves), Up::Out(done));
        self.0.spawn(async { grow(root) });
    }
}
