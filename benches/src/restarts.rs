//! Agents that fail at everything they are told, and are started again each time.

use std::panic::{PanicHookInfo, panic_any, set_hook, take_hook};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Once};

use karyon_runtime::{
    Agent, AgentKind, Chaos, Context, Event, EveryTick, Failure, Intensity, Restart, RestartFrom,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::governed::{Hopper, LogPlace, Run};
use crate::rivals::runtime;

/// How an agent fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// It says so.
    Error,
    /// It panics.
    Panic,
}

/// With what it panics: a hook keeps silent about it.
struct Deliberate;

#[expect(clippy::panic, reason = "that is what is measured")]
fn panic_quietly() -> ! {
    panic_any(Deliberate)
}

/// Words about a panic would take longer than the panic.
fn keep_silent() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !info.payload().is::<Deliberate>() {
                before(info);
            }
        }));
    });
}

/// Fails at each event.
#[derive(Serialize, Deserialize)]
pub struct Fragile(Fault);

impl Agent for Fragile {
    const KIND: AgentKind = AgentKind {
        name: "fragile",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, _: Event<'_>, _: &mut Context<'_>) -> Result<(), Failure> {
        match self.0 {
            Fault::Error => Err(Failure("it fails at everything".into())),
            Fault::Panic => panic_quietly(),
        }
    }
}

/// A supervisor bears so much.
const ANY: Intensity = Intensity { restarts: u64::MAX, period_ticks: 1 };

impl Run<Fragile> {
    /// `agents` agents, each of which fails `times` times and is started again, below one
    /// supervisor; the log lies below `folder`.
    pub fn failing(
        agents: u64,
        times: u64,
        fault: Fault,
        schedulers: usize,
        place: LogPlace,
        folder: &str,
    ) -> Run<Fragile> {
        keep_silent();
        let source = EveryTick::new(agents, times).expect("there are not so many");
        let init = move |_| Fragile(fault);
        let mut run = Run::new(agents, init, Arc::new(source), schedulers, place, folder);
        run.config.intensity = ANY;
        run.crashes = agents * times..=agents * times;
        run
    }
}

impl Run<Hopper<true>> {
    /// As it is, but that steps die with this probability (0 to 1), the same in each run; what they
    /// handled comes again, so all messages are handled.
    pub fn with_chaos(mut self, probability: f64) -> Self {
        self.config.chaos = Chaos::new(1, probability);
        self.config.intensity = ANY;
        let least = if probability > 0.0 { 1 } else { 0 };
        self.crashes = least..=if probability > 0.0 { u64::MAX } else { 0 };
        self
    }
}

/// The like on ractor: a supervisor that starts each child again when it hears that it failed, and
/// tells it the next thing to fail at.
pub struct Failing {
    runtime: Runtime,
    family: Family,
}

/// What there is to do.
#[derive(Clone, Copy)]
struct Family {
    agents: u64,
    times: u64,
    fault: Fault,
}

struct Child(Fault);

impl Actor for Child {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<()>, (): (), (): &mut ()) -> Result<(), ActorProcessingErr> {
        match self.0 {
            Fault::Error => Err("it fails at everything".into()),
            Fault::Panic => panic_quietly(),
        }
    }
}

struct Supervisor(Family);

/// What a supervisor keeps.
struct Kept {
    /// Failures of which it has not heard.
    left: u64,
    done: SyncSender<()>,
}

impl Supervisor {
    async fn start_child(&self, me: &ActorRef<()>) -> Result<ActorRef<()>, ActorProcessingErr> {
        let child = Child(self.0.fault);
        Ok(Actor::spawn_linked(None, child, (), me.get_cell()).await?.0)
    }
}

impl Actor for Supervisor {
    type Msg = ();
    type State = Kept;
    type Arguments = SyncSender<()>;

    async fn pre_start(
        &self,
        me: ActorRef<()>,
        done: SyncSender<()>,
    ) -> Result<Kept, ActorProcessingErr> {
        for _ in 0..self.0.agents {
            self.start_child(&me).await?.cast(())?;
        }
        Ok(Kept { left: self.0.agents * self.0.times, done })
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        kept: &mut Kept,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            kept.left -= 1;
            let child = self.start_child(&me).await?;
            // Who failed for the last time is started again too.
            if kept.left >= self.0.agents {
                child.cast(())?;
            }
            if kept.left == 0 {
                kept.done.send(())?;
            }
        }
        Ok(())
    }
}

impl Failing {
    /// A runtime with `workers` threads, without actors yet.
    pub fn new(agents: u64, times: u64, fault: Fault, workers: usize) -> Failing {
        keep_silent();
        Failing { runtime: runtime(workers), family: Family { agents, times, fault } }
    }

    /// Makes the actors and has them fail, until the last one was started again.
    pub fn run(self) -> Failing {
        let (sender, done) = sync_channel(1);
        let supervisor = Supervisor(self.family);
        self.runtime.spawn(async {
            Actor::spawn(None, supervisor, sender).await.expect("the actor starts")
        });
        done.recv().expect("the last failure is heard of");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hop::Traffic;

    #[test]
    fn each_failure_is_followed_by_a_restart() {
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        for fault in [Fault::Error, Fault::Panic] {
            let done = Run::failing(5, 7, fault, 2, LogPlace::Memory(0), below).go();
            assert_eq!((done.counts.crashes, done.counts.restarts), (35, 35));
            // It returns when it has heard of 35 failures.
            Failing::new(5, 7, fault, 2).run();
        }
    }

    #[test]
    fn steps_that_die_are_repeated_until_all_is_done() {
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        let traffic = Traffic::random(20, 200);
        for (probability, some) in [(0.0, false), (0.05, true)] {
            let run = Run::<Hopper<true>>::hops(traffic, 2, LogPlace::Memory(0), below);
            let done = run.with_chaos(probability).go();
            assert_eq!(done.counts.delivered, traffic.messages());
            assert_eq!(done.counts.crashes > 0, some);
        }
    }
}
