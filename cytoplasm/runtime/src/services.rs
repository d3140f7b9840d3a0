//! Services: what runs beside the agents, under one root supervisor.
//!
//! Each scheduler's thread is owned by a ractor actor, linked to the root. A scheduler cannot be
//! restarted, since its agents are gone with it: the first failure of the runtime itself ends the
//! node, and the node is resumed from its log.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

/// What a service's thread does.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Runs all jobs, each on a thread of its own, until all have ended. When one panics,
/// `on_failure` is called at once, to make the others end.
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

struct RootState {
    running: usize,
    on_failure: Box<dyn Fn() + Send + Sync>,
    report: Option<tokio::sync::oneshot::Sender<String>>,
}

type RootArguments =
    (Vec<(String, Job)>, Box<dyn Fn() + Send + Sync>, tokio::sync::oneshot::Sender<String>);

impl Actor for Root {
    type Msg = ();
    type State = RootState;
    type Arguments = RootArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        (jobs, on_failure, report): RootArguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let running = jobs.len();
        for (name, job) in jobs {
            let begun = Actor::spawn_linked(None, Service, (name, job), myself.get_cell()).await;
            if let Err(error) = begun {
                // Those that began already must not wait for one that never comes.
                on_failure();
                return Err(error.into());
            }
        }
        Ok(RootState { running, on_failure, report: Some(report) })
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let failure = match event {
            SupervisionEvent::ActorFailed(_, error) => Some(error.to_string()),
            SupervisionEvent::ActorTerminated(..) => None,
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        state.running -= 1;
        if let Some(failure) = failure {
            (state.on_failure)();
            if let Some(report) = state.report.take() {
                // Nobody listens any more: then nobody needs to know.
                drop(report.send(failure));
            }
        }
        if state.running == 0 {
            myself.stop(None);
        }
        Ok(())
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
