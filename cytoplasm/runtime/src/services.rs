//! Services: what runs beside the agents, under one root supervisor.
//!
//! Each scheduler's thread is owned by a ractor actor, linked to the root, which does what a
//! [`Supervisor`] decides. A scheduler cannot be restarted, since its agents are gone with it: so
//! the root bears no restart, the first failure of the runtime itself ends the node, and the node
//! is resumed from its log.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use karyon_supervision::{
    Action, AutoShutdown, ChildId, ChildSpec, Event, Exit, Flags, Intensity, Restart, Shutdown,
    Strategy, Supervisor,
};
use karyon_types::Tick;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

/// What a service's thread does.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Runs all jobs, each on a thread of its own, until all have ended. When one panics,
/// `on_failure` is called at once, perhaps again, to make the others end.
///
/// # Errors
/// Which service failed, and how.
pub(crate) fn supervise(
    jobs: Vec<(String, Job)>,
    on_failure: impl Fn() + Send + Sync + 'static,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the root supervisor could not be started: {error}"))?;
    runtime.block_on(async move {
        let (report, failure) = tokio::sync::oneshot::channel();
        let arguments = (jobs, Box::new(on_failure) as Box<dyn Fn() + Send + Sync>, report);
        let (_, root) = Actor::spawn(None, Root, arguments)
            .await
            .map_err(|error| format!("the root supervisor could not be started: {error}"))?;
        root.await.map_err(|error| format!("the root supervisor died: {error}"))?;
        match failure.await {
            Ok(failure) => Err(failure),
            Err(_no_failure) => Ok(()),
        }
    })
}

struct Root;

/// Nothing here is ever restarted, and all is over when all have ended.
const FLAGS: Flags = Flags {
    strategy: Strategy::OneForAll,
    intensity: Intensity { restarts: 0, period_ticks: 1 },
    auto_shutdown: AutoShutdown::AllSignificant,
    max_children: None,
};

/// With no restart borne, no time is needed.
const NOW: Tick = Tick(0);

fn spec(id: ChildId) -> ChildSpec {
    let (restart, shutdown) = (Restart::Transient, Shutdown::Infinity);
    ChildSpec { id, arguments: 0, restart, shutdown, significant: true }
}

struct RootState {
    supervisor: Supervisor,
    /// Those that have not begun.
    jobs: HashMap<ChildId, (String, Job)>,
    /// Those that run.
    services: HashMap<ActorId, ChildId>,
    on_failure: Box<dyn Fn() + Send + Sync>,
    report: Option<tokio::sync::oneshot::Sender<String>>,
}

type RootArguments =
    (Vec<(String, Job)>, Box<dyn Fn() + Send + Sync>, tokio::sync::oneshot::Sender<String>);

impl RootState {
    /// Lets the supervisor hear an event, and does what it decides.
    async fn hear(
        &mut self,
        myself: &ActorRef<()>,
        event: Event,
    ) -> Result<(), ActorProcessingErr> {
        let (mut next, mut actions) = (Some(event), Vec::new());
        while let Some(event) = next.take() {
            self.supervisor.decide(NOW, event, &mut actions)?;
            for action in actions.drain(..) {
                tracing::debug!(?action, "the root supervisor decides");
                match action {
                    // One start at a time: what came of it is the only event that follows.
                    Action::Start { child, .. } => next = Some(self.start(myself, child).await),
                    Action::Stop { .. } | Action::Kill(_) => (self.on_failure)(),
                    Action::End(_) => myself.stop(None),
                    Action::Begun | Action::Forget(_) | Action::Answer { .. } => {}
                }
            }
        }
        Ok(())
    }

    async fn start(&mut self, myself: &ActorRef<()>, child: ChildId) -> Event {
        let Some(arguments) = self.jobs.remove(&child) else { return Event::FailedToStart(child) };
        match Actor::spawn_linked(None, Service, arguments, myself.get_cell()).await {
            Ok((service, _)) => {
                self.services.insert(service.get_id(), child);
                Event::Started(child)
            }
            Err(error) => {
                self.report(error.to_string());
                Event::FailedToStart(child)
            }
        }
    }

    /// Only the first failure is told.
    fn report(&mut self, failure: String) {
        if let Some(report) = self.report.take() {
            // Nobody listens any more: then nobody needs to know.
            drop(report.send(failure));
        }
    }
}

impl Actor for Root {
    type Msg = ();
    type State = RootState;
    type Arguments = RootArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        (jobs, on_failure, report): RootArguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let jobs: Vec<_> = (0..).map(ChildId).zip(jobs).collect();
        let supervisor = Supervisor::new(FLAGS, jobs.iter().map(|(id, _)| spec(*id)))?;
        let mut state = RootState {
            supervisor,
            jobs: jobs.into_iter().collect(),
            services: HashMap::new(),
            on_failure,
            report: Some(report),
        };
        state.hear(&myself, Event::Begin).await?;
        Ok(state)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (who, exit) = match event {
            SupervisionEvent::ActorFailed(who, error) => {
                state.report(error.to_string());
                (who, Exit::Failure)
            }
            SupervisionEvent::ActorTerminated(who, ..) => (who, Exit::Normal),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        match state.services.remove(&who.get_id()) {
            Some(child) => state.hear(&myself, Event::Exited(child, exit)).await,
            // One that never began; `start` has told that.
            None => Ok(()),
        }
    }
}

struct Service;

/// The thread ended; `Err` with its words when it panicked.
struct Ended(Result<(), String>);

impl Actor for Service {
    type Msg = Ended;
    type State = String;
    type Arguments = (String, Job);

    async fn pre_start(
        &self,
        myself: ActorRef<Ended>,
        (name, job): (String, Job),
    ) -> Result<String, ActorProcessingErr> {
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(job)).map_err(|thrown| {
                let text = thrown.downcast_ref::<String>().map(String::as_str);
                text.or(thrown.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
            });
            // The actor lives until it hears this, unless the root is gone already.
            drop(myself.cast(Ended(outcome)));
        })?;
        Ok(name)
    }

    async fn handle(
        &self,
        myself: ActorRef<Ended>,
        Ended(outcome): Ended,
        name: &mut String,
    ) -> Result<(), ActorProcessingErr> {
        match outcome {
            Ok(()) => {
                myself.stop(None);
                Ok(())
            }
            Err(words) => Err(format!("{name} panicked: {words}").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn waits_for_all() {
        let done = Arc::new(AtomicUsize::new(0));
        let jobs = (0..3)
            .map(|n| {
                let done = Arc::clone(&done);
                let job = move || {
                    std::thread::sleep(Duration::from_millis(10));
                    done.fetch_add(1, Ordering::SeqCst);
                };
                (format!("job {n}"), Box::new(job) as Job)
            })
            .collect();
        assert_eq!(supervise(jobs, || panic!("nobody failed")), Ok(()));
        assert_eq!(done.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn the_first_failure_ends_all_and_is_named() {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, other) = (Arc::clone(&stop), Arc::clone(&stop));
        let jobs: Vec<(String, Job)> = vec![
            ("bad".into(), Box::new(|| panic!("out of luck"))),
            (
                "good".into(),
                Box::new(move || {
                    while !other.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                }),
            ),
        ];
        let outcome = supervise(jobs, move || flag.store(true, Ordering::SeqCst));
        assert_eq!(outcome, Err("bad panicked: out of luck".into()));
    }
}
