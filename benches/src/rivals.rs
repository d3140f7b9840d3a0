//! The same workloads on engines that govern nothing: no gate, no record, unbounded mailboxes.
//!
//! What an agent does is the same code for all; an engine says only how an agent is made and how it
//! is sent to. Agents find each other by index in a shared vector, the cheapest way there is. Each
//! engine is used as its documentation has it, by its cheapest way to send without waiting.

mod actix;
mod channels;
mod kameo;
mod ractor;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use crate::hop::{Hop, Next, Traffic};
use crate::skynet::sum;

pub use self::actix::Actix;
pub use self::channels::Channels;
pub use self::kameo::Kameo;
pub use self::ractor::Ractor;

/// Where an agent can be sent to.
pub trait Address<M>: Send + Sync + 'static {
    /// Sends, without waiting.
    fn tell(&self, message: M);
}

/// How agents are made. Dropping it ends them.
pub trait Engine: Sized {
    /// What it is called in results.
    const NAME: &'static str;
    /// Where an agent can be sent to.
    type Address: Address<Hop>;

    /// So many threads, on which nothing runs yet.
    fn new(workers: usize) -> Self;

    /// Makes the agents, in the order of their serials. Each says that it begins when it
    /// could handle a hop, which may be later.
    fn spawn(&self, shared: &Arc<Shared<Self::Address>>) -> Vec<Self::Address>;

    /// Makes the root of a tree of `leaves`, a power of ten, and has the sum told to `done`. Who is
    /// not needed any more may end.
    fn skynet(&self, leaves: u64, done: SyncSender<u64>);
}

/// What all agents of a run share.
pub struct Shared<A> {
    traffic: Traffic,
    addresses: OnceLock<Vec<A>>,
    /// Agents that have not begun.
    beginning: AtomicU64,
    /// Chains that have not come to their end.
    running: AtomicU64,
    /// Hops that were handled, as far as agents are gone.
    handled: AtomicU64,
    /// Told when the last agent has begun, and when the last chain has ended.
    done: SyncSender<()>,
}

/// What handles hops, on any engine.
pub(crate) struct Agent<A> {
    me: u64,
    handled: u64,
    shared: Arc<Shared<A>>,
}

impl<A: Address<Hop>> Agent<A> {
    fn new(me: u64, shared: &Arc<Shared<A>>) -> Agent<A> {
        Agent { me, handled: 0, shared: Arc::clone(shared) }
    }

    fn begin(&self) {
        self.shared.count_down(&self.shared.beginning);
    }

    #[inline]
    fn handle(&mut self, hop: Hop) {
        self.handled += 1;
        let Traffic { agents, pattern, .. } = self.shared.traffic;
        match hop.next(self.me, agents, pattern) {
            Next::One(to, hop) => self.shared.address(to).tell(hop),
            Next::Burst(count, hop) => {
                let to = self.shared.address(agents);
                hop.burst(count).for_each(|hop| to.tell(hop));
            }
            Next::Wait => {}
            Next::End => self.shared.count_down(&self.shared.running),
        }
    }
}

impl<A> Drop for Agent<A> {
    fn drop(&mut self) {
        self.shared.handled.fetch_add(self.handled, Ordering::Relaxed);
    }
}

impl<A> Shared<A> {
    #[inline]
    fn address(&self, agent: u64) -> &A {
        let addresses = self.addresses.get().expect("nobody sends before all are made");
        addresses.get(agent as usize - 1).expect("it is one of them")
    }

    fn count_down(&self, counter: &AtomicU64) {
        if counter.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.send(()).expect("somebody waits for it");
        }
    }
}

/// What a node of a tree reports to.
#[derive(Clone)]
pub(crate) enum Up<A> {
    /// To whoever waits for the sum.
    Out(SyncSender<u64>),
    /// To the node above.
    Node(A),
}

impl<A: Address<u64>> Address<u64> for Up<A> {
    fn tell(&self, sum: u64) {
        match self {
            Up::Out(done) => done.send(sum).expect("somebody waits for it"),
            Up::Node(node) => node.tell(sum),
        }
    }
}

/// Builds the tree on the engine, and asserts that the root hears the sum.
pub fn skynet<E: Engine>(engine: E, leaves: u64) -> E {
    let (sender, done) = sync_channel(1);
    engine.skynet(leaves, sender);
    assert_eq!(done.recv().expect("the root reports"), sum(leaves));
    engine
}

/// Agents on an engine. Dropping it ends them, and checks that they handled all there was.
pub struct Rival<E: Engine> {
    engine: Option<E>,
    shared: Arc<Shared<E::Address>>,
    done: Receiver<()>,
    expected: u64,
}

impl<E: Engine> Rival<E> {
    /// An engine with `workers` threads, without agents yet.
    pub fn new(traffic: Traffic, workers: usize) -> Rival<E> {
        let (sender, done) = sync_channel(1);
        let shared = Shared {
            traffic,
            addresses: OnceLock::new(),
            beginning: AtomicU64::new(traffic.agents),
            running: AtomicU64::new(traffic.chains),
            handled: AtomicU64::new(0),
            done: sender,
        };
        Rival { engine: Some(E::new(workers)), shared: Arc::new(shared), done, expected: 0 }
    }

    /// Makes the agents, and waits until all have begun.
    pub fn spawn(self) -> Rival<E> {
        let engine = self.engine.as_ref().expect("it is there until this is dropped");
        let addresses = engine.spawn(&self.shared);
        assert_eq!(addresses.len() as u64, self.shared.traffic.agents);
        assert!(self.shared.addresses.set(addresses).is_ok(), "they are made once");
        self.done.recv().expect("the last agent begins");
        self
    }

    /// Runs all chains to their end.
    pub fn run(mut self) -> Rival<E> {
        let traffic = self.shared.traffic;
        for number in 0..traffic.chains {
            self.shared.address(traffic.begins(number)).tell(Hop::first(number, traffic));
        }
        self.done.recv().expect("the last chain ends");
        self.expected = traffic.messages() + traffic.chains;
        self
    }
}

impl<E: Engine> Drop for Rival<E> {
    fn drop(&mut self) {
        drop(self.engine.take());
        if !std::thread::panicking() {
            assert_eq!(self.shared.handled.load(Ordering::Relaxed), self.expected);
        }
    }
}

/// Tokio's runtime with so many threads, for the engines that run on it.
pub(crate) fn runtime(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("the system has threads")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hop::tests::SMALL;

    /// That all was handled is asserted when they are dropped.
    fn check<E: Engine>() {
        for traffic in SMALL {
            for workers in [1, 2] {
                let rival = Rival::<E>::new(traffic, workers).spawn().run();
                assert_eq!(rival.shared.running.load(Ordering::Relaxed), 0, "{traffic:?}");
            }
        }
        drop(Rival::<E>::new(Traffic::random(100, 1), 2).spawn());
        for workers in [1, 2] {
            skynet(E::new(workers), 1_000);
        }
    }

    #[test]
    fn ractor_runs_every_pattern() {
        check::<Ractor>();
    }

    #[test]
    fn kameo_runs_every_pattern() {
        check::<Kameo>();
    }

    #[test]
    fn actix_runs_every_pattern() {
        check::<Actix>();
    }

    #[test]
    fn channels_run_every_pattern() {
        check::<Channels>();
    }
}
