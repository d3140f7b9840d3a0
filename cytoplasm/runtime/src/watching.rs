//! The watchdog's thread, and the threads of schedulers that are watched.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use karyon_guard::{Event, Guard};
use karyon_types::Tick;

use crate::agent::Agent;
use crate::engine::{Shared, lock};
use crate::epoch::Epoch;
use crate::error::RunError;
use crate::scheduler::{Envelope, Scheduler};
use crate::watchdog::{Due, Running, Seen, Share, Stuck, Watch};

/// Looks at each step within its limit: a step that is given up took at most a tenth longer.
const LOOKS: u32 = 10;
/// However long the limit is.
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

type Thrown = Box<dyn Any + Send>;

/// Where a scheduler's thread says how it ended.
type Ended = Sender<Result<(), Thrown>>;

/// What a watched run has beside its schedulers.
pub(crate) struct Watched {
    watch: Watch,
    shares: Vec<Share>,
    /// By scheduler, once it has a thread.
    ended: Vec<Mutex<Option<Ended>>>,
    stuck: Mutex<Vec<Stuck>>,
}

impl Watched {
    pub(crate) fn new(watch: Watch, schedulers: usize) -> Watched {
        Watched {
            watch,
            shares: (0..schedulers).map(|_| Share::default()).collect(),
            ended: (0..schedulers).map(|_| Mutex::default()).collect(),
            stuck: Mutex::default(),
        }
    }

    pub(crate) fn share(&self, number: usize) -> Option<&Share> {
        self.shares.get(number)
    }

    /// What a scheduler's share of a tick begins with.
    pub(crate) fn due<A: Agent>(
        &self,
        scheduler: &mut Scheduler<A>,
        share: &Share,
        leading: Option<usize>,
        inbox: &Arc<Vec<Envelope>>,
    ) -> Due {
        scheduler.pulse.get_or_insert_with(|| share.pulse());
        Due {
            leading,
            inbox: Arc::clone(inbox),
            signals: scheduler.signals.clone(),
            counts: scheduler.counts,
            restarts: scheduler.outcome.restarts,
            held: scheduler.waiting(),
        }
    }

    /// The shares that are void, and what they began with.
    pub(crate) fn void(&self) -> impl Iterator<Item = (usize, Due)> {
        self.shares.iter().enumerate().filter_map(|(number, share)| Some((number, share.bury()?)))
    }

    pub(crate) fn nobody_left(&self) -> RunError {
        match lock(&self.stuck).last() {
            Some(stuck) => RunError::Stuck(Box::new(stuck.clone())),
            None => RunError::Runtime("all agents were lost".into()),
        }
    }

    /// Runs a scheduler on a thread of its own, and waits for its end, or for that of whoever
    /// takes its place.
    pub(crate) fn host<A: Agent>(&self, shared: &Arc<Shared<A>>, number: usize) {
        let (ended, end) = mpsc::channel();
        if let Some(slot) = self.ended.get(number) {
            *lock(slot) = Some(ended.clone());
        }
        let first = Arc::clone(shared);
        begin(number, ended, move || first.take_over(number, None).is_ok());
        // A sender is kept as long as the run: what is received is the end.
        if let Ok(Err(thrown)) = end.recv() {
            resume_unwind(thrown);
        }
    }
}

/// Begins a scheduler's thread. `work` is `false` if another took its place: that one says how it
/// ended.
fn begin(number: usize, ended: Ended, work: impl FnOnce() -> bool + Send + 'static) {
    let failed = ended.clone();
    let body = move || match catch_unwind(AssertUnwindSafe(work)) {
        Ok(false) => {}
        // Nobody listens any more: then nobody needs to know.
        Ok(true) => drop(ended.send(Ok(()))),
        Err(thrown) => drop(ended.send(Err(thrown))),
    };
    if let Err(error) = thread::Builder::new().name(format!("scheduler {number}")).spawn(body) {
        drop(failed.send(Err(Box::new(format!("its thread could not be started: {error}")))));
    }
}

/// The watchdog's thread; it ends with this.
pub(crate) struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It looks and tells; if it panicked, the hook has said so.
            drop(thread.join());
        }
    }
}

impl<A: Agent> Shared<A> {
    /// Begins to watch, if the run is watched.
    pub(crate) fn watchdog(
        self: &Arc<Self>,
        guard: Option<Arc<Guard>>,
    ) -> Result<Option<Watchdog>, RunError> {
        if self.watched.is_none() {
            return Ok(None);
        }
        let (stop, stopped) = mpsc::channel();
        let shared = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || shared.watch(&stopped, guard.as_deref()))
            .map_err(|error| RunError::Runtime(format!("no watchdog: {error}")))?;
        Ok(Some(Watchdog { stop: Some(stop), thread: Some(thread) }))
    }

    fn watch(self: &Arc<Self>, stopped: &Receiver<()>, guard: Option<&Guard>) {
        let Some(watched) = &self.watched else { return };
        let limit = watched.watch.limit;
        let every = (limit / LOOKS).clamp(Duration::from_millis(1), LOOK_AT_LEAST);
        let mut seen = vec![Seen::default(); watched.shares.len()];
        let mut before = Instant::now();
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
            let now = Instant::now();
            // Should this process have been stopped, the steps were, too.
            let passed = (now - before).min(2 * every);
            before = now;
            for (number, (share, seen)) in watched.shares.iter().zip(&mut seen).enumerate() {
                let running = share.look();
                let after = seen.look(running, passed);
                if let Some(running) = running.filter(|_| after >= limit) {
                    self.give_up(watched, number, &running, after, guard);
                }
            }
        }
    }

    /// Takes a scheduler out of the run, unless its step came back just now.
    fn give_up(
        self: &Arc<Self>,
        watched: &Watched,
        number: usize,
        running: &Running,
        after: Duration,
        guard: Option<&Guard>,
    ) {
        let Running { tick, agent, cause, .. } = *running;
        let (name, kind) = self.known(agent);
        let lost = self.layout.ranges(number, self.plan.last());
        let stuck = Stuck { agent, name, kind, cause, tick: Tick(tick), after, lost };
        // Before it is void: whoever buries the last of all says which it was.
        lock(&watched.stuck).push(stuck.clone());
        let Some(Ok(leading)) = watched.share(number).map(|share| share.void(tick)) else {
            lock(&watched.stuck).pop();
            return;
        };
        self.epoch.iter().for_each(Epoch::end);
        (watched.watch.told)(&stuck);
        if let Some(guard) = guard {
            guard.counters().crashes.fetch_add(1, Ordering::Relaxed);
            // Whether the guardian hears is the link's to find, which ends the process if not.
            match guard.report(Event::Failure, agent.0, &stuck.to_string()) {
                Ok(()) | Err(_) => {}
            }
        }
        let heir = leading.unwrap_or(number);
        let ended = watched.ended.get(heir).and_then(|ended| lock(ended).clone());
        let shared = Arc::clone(self);
        let rest = leading.map(|_| (tick, number + 1));
        match ended {
            Some(ended) => begin(heir, ended, move || shared.take_over(heir, rest).is_ok()),
            None => self.barrier.poison(),
        }
    }
}
