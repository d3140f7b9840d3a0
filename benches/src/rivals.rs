//! The same workloads on ractor, ungoverned: no gate, no record, unbounded mailboxes.
//!
//! Each agent is a ractor actor on a multi-thread tokio runtime. Actors find each other by index
//! in a shared vector, the cheapest way there is, and are made by a task inside the runtime.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::runtime::Runtime;

use crate::hop::{Hop, Ring};

/// What all actors of a run share.
struct Shared {
    ring: Ring,
    actors: OnceLock<Vec<ActorRef<Hop>>>,
    /// Chains that have not come to their end.
    running: AtomicU64,
    ended: SyncSender<()>,
}

struct Hopper;

struct State {
    me: u64,
    handled: u64,
    shared: Arc<Shared>,
}

impl Actor for Hopper {
    type Msg = Hop;
    type State = State;
    type Arguments = State;

    async fn pre_start(&self, _: ActorRef<Hop>, state: State) -> Result<State, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<Hop>,
        hop: Hop,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.handled += 1;
        let shared = &state.shared;
        match hop.next(state.me, shared.ring.agents) {
            Some((to, hop)) => {
                let actors = shared.actors.get().ok_or("no actor was told to begin yet")?;
                actors.get(to as usize - 1).ok_or("nobody has this number")?.cast(hop)?;
            }
            None if shared.running.fetch_sub(1, Ordering::Relaxed) == 1 => shared.ended.send(())?,
            None => {}
        }
        Ok(())
    }
}

/// Actors that wait for the first hops. Dropping it ends them.
pub struct Ractor {
    runtime: Runtime,
    shared: Arc<Shared>,
    ended: Receiver<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Ractor {
    /// A runtime with `workers` threads, without actors yet.
    pub fn new(ring: Ring, workers: usize) -> Ractor {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .expect("the system has threads");
        let (ended, wait) = sync_channel(1);
        let running = AtomicU64::new(ring.agents);
        let shared = Arc::new(Shared { ring, actors: OnceLock::new(), running, ended });
        Ractor { runtime, shared, ended: wait, tasks: Vec::new() }
    }

    /// Makes the actors.
    pub fn spawn(mut self) -> Ractor {
        let shared = Arc::clone(&self.shared);
        let making = self.runtime.spawn(async move {
            let (mut actors, mut tasks) = (Vec::new(), Vec::new());
            for me in 1..=shared.ring.agents {
                let state = State { me, handled: 0, shared: Arc::clone(&shared) };
                let (actor, task) =
                    Actor::spawn(None, Hopper, state).await.expect("the actor starts");
                actors.push(actor);
                tasks.push(task);
            }
            (actors, tasks)
        });
        let (actors, tasks) = self.runtime.block_on(making).expect("the task ends");
        self.shared.actors.set(actors).expect("actors are made once");
        self.tasks = tasks;
        self
    }

    /// Runs all chains to their end.
    pub fn run_hops(self) -> Ractor {
        let actors = self.shared.actors.get().expect("spawn was called");
        for (number, actor) in (1..).zip(actors) {
            actor.cast(Hop::first(number, self.shared.ring)).expect("the actor lives");
        }
        self.ended.recv().expect("the last chain ends");
        self
    }
}

impl Drop for Ractor {
    fn drop(&mut self) {
        for actor in self.shared.actors.get().into_iter().flatten() {
            actor.stop(None);
        }
        let tasks = std::mem::take(&mut self.tasks);
        self.runtime.block_on(async {
            for task in tasks {
                task.await.expect("the actor ends");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_chains_end() {
        let ractor = Ractor::new(Ring { agents: 7, hops: 30 }, 2).spawn().run_hops();
        assert_eq!(ractor.shared.running.load(Ordering::Relaxed), 0);
    }
}
