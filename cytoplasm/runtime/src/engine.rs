//! The engine: drives the schedulers from tick to tick, and decides when to stop.
//!
//! Between two ticks, while all schedulers wait, one of them runs the serial part: it looks for
//! STOP, brings the tick's records into the log in the order of serials, counts restarts against
//! the supervisor's intensity, and names the next tick.

mod shares;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karyon_gate::{Grant, Lease};
use karyon_guard::Guard;
use karyon_log::Record;
use karyon_safety::StopFile;
use karyon_supervision::{Intensity, RestartWindow};
use karyon_types::{AgentId, Tick};

use crate::agent::Agent;
use crate::barrier::Barrier;
use crate::bonds::Bonds;
use crate::census::Ground;
use crate::chaos::Chaos;
use crate::error::RunError;
use crate::input::{Batch, InputSource};
use crate::leases::{Change, Leases};
use crate::orders::{Open, Orders};
use crate::pressure::Shed;
use crate::processes::Desk;
use crate::recorder::Recorder;
use crate::scheduler::{Envelope, Plan, Scheduler, TickOutcome};
use crate::services;
use crate::watchdog::Watch;
use crate::watching::Watched;

/// Bounds of a run in tick mode. Passing one of the first two ends the run, unless it sheds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Outputs of one step; at most 65,536, which is what a message's identity has room for.
    pub outputs_per_step: u64,
    /// Messages to one agent in one tick: the bound of its mailbox.
    pub messages_per_tick: u64,
    /// Bytes of the log that the outputs under one lease may take, as they are encoded; what is
    /// beyond is denied. `u64::MAX`: no bound.
    pub log_bytes_per_lease: u64,
    /// What is refused rather than that the run ends; `None`: nothing is.
    pub shed: Option<Shed>,
}

/// What was counted; each output is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that ended well.
    pub steps: u64,
    /// Messages that agents wanted to send.
    pub sent: u64,
    /// Messages that were handled.
    pub delivered: u64,
    /// Messages that the gate denied.
    pub denied: u64,
    /// Memories that were written.
    pub remembered: u64,
    /// Memories that the gate denied.
    pub forgone: u64,
    /// Messages refused under pressure.
    pub refused: u64,
    /// Of these, speculative ones.
    pub refused_speculative: u64,
    /// Messages that nobody handled.
    pub dead_lettered: u64,
    /// External inputs that nobody handled.
    pub inputs_lost: u64,
    /// Steps that failed.
    pub crashes: u64,
    /// Agents that were started again.
    pub restarts: u64,
    /// Agents that ended because one that they were linked to did.
    pub exits: u64,
    /// Timers, monitors and links that the gate denied.
    pub unarranged: u64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.denied += other.denied;
        self.remembered += other.remembered;
        self.forgone += other.forgone;
        self.refused += other.refused;
        self.refused_speculative += other.refused_speculative;
        self.dead_lettered += other.dead_lettered;
        self.inputs_lost += other.inputs_lost;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.exits += other.exits;
        self.unarranged += other.unarranged;
    }
}

/// The agents of a run: numbered from 1, all supervised by one `one_for_one` supervisor.
pub struct Population<A> {
    /// Their names, in the order of their serials.
    pub names: Vec<String>,
    /// Makes an agent as it is born.
    pub init: Arc<dyn Fn(AgentId) -> A + Send + Sync>,
    /// What they may do at most. Their leases reach all agents of the run and nothing else.
    pub grant: Grant,
    /// When an agent's lease ends, should that be before the grant does.
    pub expires: Vec<(AgentId, Tick)>,
    /// What happens to their authority while they run: each at the beginning of its tick, those
    /// of one tick in this order. A change behind the run's last tick never comes.
    pub changes: Vec<Change>,
}

/// The usual [`RunConfig::small_tick`]: waking another thread costs some 10 µs, an event less
/// than a microsecond.
pub const SMALL_TICK: u64 = 64;

/// How a run is run.
pub struct RunConfig {
    /// Threads that run agents; the result is the same for any number.
    pub schedulers: usize,
    /// Ticks of fewer events are run by one thread while the others wait. Usually [`SMALL_TICK`].
    pub small_tick: u64,
    /// Which steps die.
    pub chaos: Chaos,
    /// When the supervisor gives up.
    pub intensity: Intensity,
    /// Bounds.
    pub limits: Limits,
    /// Looked for at every tick.
    pub stop: Option<StopFile>,
    /// The number of the signal that asks for an end; 0: none.
    pub interrupt: Arc<AtomicUsize>,
    /// Read by whoever shows progress.
    pub progress: Arc<Progress>,
    /// The guardian that is told of ticks and crashes with each of its beats.
    pub guard: Option<Arc<Guard>>,
    /// Where the run is asked about its agents, and takes orders about them.
    pub desk: Option<Arc<Desk>>,
    /// How steps are watched; `None`: one that does not return ends nothing but the run.
    pub watch: Option<Watch>,
}

/// How far a run has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// The tick that runs.
    pub tick: AtomicU64,
    /// External inputs released.
    pub inputs: AtomicU64,
    /// Messages on their way so far.
    pub messages: AtomicU64,
    /// Messages refused so far, because a mailbox was full.
    pub refused: AtomicU64,
    /// All that is left to do waits for paused agents, and so the run for orders.
    pub waiting: AtomicBool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was left to do.
    Completed,
    /// A signal asked for it; the run can be resumed.
    Interrupted {
        /// Its number.
        signal: u32,
    },
    /// STOP was found.
    Halted,
}

/// What is left of a run.
pub struct Outcome<A> {
    /// How it ended.
    pub ending: Ending,
    /// Ticks that ran.
    pub ticks: u64,
    /// What was counted.
    pub counts: Counts,
    /// The agents in the order of their serials; `None` for those that exited.
    pub agents: Vec<Option<A>>,
    /// Their leases, likewise.
    pub leases: Vec<Lease>,
    /// How many were lost with a step that did not return.
    pub lost: u64,
}

/// Runs a population to its end.
///
/// # Errors
/// See [`RunError`]. What was recorded before stays.
pub fn run<A: Agent>(
    config: RunConfig,
    population: Population<A>,
    inputs: Arc<dyn InputSource>,
    recorder: &mut Option<Recorder>,
) -> Result<Outcome<A>, RunError> {
    crate::panics::install();
    let stepping = Stepping::begin(config.guard);
    let desk = Open::new(config.desk.clone());
    let mut owned =
        recorder.take().ok_or_else(|| RunError::Runtime("a run needs a recorder".into()))?;
    let leases = match Leases::bring_to_life(&population, config.limits, &mut owned) {
        Ok(leases) => leases,
        Err(error) => {
            *recorder = Some(owned);
            return Err(error);
        }
    };
    let schedulers = config.schedulers.max(1);
    let plan = Plan {
        gate: Arc::clone(&leases.gate),
        inputs,
        init: population.init,
        chaos: config.chaos,
        limits: config.limits,
        agents: population.names.len() as u64,
    };
    let names = match config.watch {
        Some(_) => population.names.clone(),
        None => Vec::new(),
    };
    let orders = Orders::new(config.desk, population.names);
    let slabs: Vec<_> = (0..schedulers)
        .map(|number| Mutex::new(Scheduler::new(&plan, number, schedulers, &leases.handles)))
        .collect();
    let shared = Arc::new(Shared {
        barrier: Barrier::new(schedulers),
        small_tick: config.small_tick,
        next: AtomicU64::new(0),
        outcomes: (0..schedulers).map(|_| Mutex::default()).collect(),
        links: (0..2 * schedulers * schedulers).map(|_| Mutex::default()).collect(),
        names,
        watched: config.watch.map(|watch| Watched::new(watch, schedulers)),
        leader: Mutex::new(Some(Leader {
            recorder: owned,
            stop: config.stop,
            interrupt: config.interrupt,
            progress: config.progress,
            guard: stepping.guard.clone(),
            window: RestartWindow::new(config.intensity),
            intensity: config.intensity,
            current: None,
            result: None,
            leases,
            orders,
            framing: Vec::new(),
            framed: 0,
            bonds: Bonds::default(),
            losing: Vec::new(),
            lost: BTreeSet::new(),
        })),
        plan,
        slabs,
    });
    let jobs = (0..schedulers)
        .map(|number| {
            let shared = Arc::clone(&shared);
            let job = move || shared.serve(number);
            (format!("scheduler {number}"), Box::new(job) as services::Job)
        })
        .collect();
    let watchdog = shared.watchdog(stepping.guard.clone())?;
    let failed = {
        let shared = Arc::clone(&shared);
        services::supervise(jobs, move || shared.barrier.poison())
    };
    drop(watchdog);
    if let Err(failure) = failed {
        return Err(RunError::Runtime(failure));
    }
    // What is left behind is what a thread that was given up still holds.
    let leader = lock(&shared.leader)
        .take()
        .ok_or_else(|| RunError::Runtime("the run ended without its leader".into()))?;
    let lost = leader.lost.len() as u64;
    // Nobody is answered any more, and whoever waits shall not wait for the rest.
    drop((desk, leader.orders));
    *recorder = Some(leader.recorder);
    let (ending, ticks) = leader
        .result
        .ok_or_else(|| RunError::Runtime("the run ended without a result".into()))??;
    let (mut counts, mut agents) = (Counts::default(), Vec::new());
    for slab in &shared.slabs {
        let slab = std::mem::replace(&mut *lock(slab), Scheduler::nobody());
        counts.add(&slab.counts);
        agents.extend(slab.into_agents());
    }
    Ok(Outcome { ending, ticks, counts, agents, leases: leader.leases.terms, lost })
}

/// While it lives the guardian is told that agents run, however the run ends.
struct Stepping {
    guard: Option<Arc<Guard>>,
}

impl Stepping {
    fn begin(guard: Option<Arc<Guard>>) -> Stepping {
        let stepping = Stepping { guard };
        stepping.tell(true);
        stepping
    }

    fn tell(&self, is_so: bool) {
        if let Some(guard) = &self.guard {
            guard.counters().stepping.store(is_so, Ordering::Relaxed);
        }
    }
}

impl Drop for Stepping {
    fn drop(&mut self) {
        self.tell(false);
    }
}

/// How long a run that waits for orders sleeps before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The tick that stands for "no more".
const STOP: u64 = u64::MAX;

pub(crate) struct Shared<A> {
    pub(crate) plan: Plan<A>,
    pub(crate) barrier: Barrier,
    small_tick: u64,
    /// What all do next: a tick, or [`STOP`].
    next: AtomicU64,
    outcomes: Vec<Mutex<TickOutcome>>,
    /// Messages by (parity of the tick, sender's scheduler, receiver's scheduler): one side
    /// fills those of its tick while the other empties those of the tick before.
    links: Vec<Mutex<Vec<Envelope>>>,
    pub(crate) watched: Option<Watched>,
    /// The agents' names, by serial, for the watchdog.
    pub(crate) names: Vec<String>,
    /// `None`: the run has ended.
    leader: Mutex<Option<Leader>>,
    slabs: Vec<Mutex<Scheduler<A>>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A thread that died poisons the barrier, and nobody looks at what it left.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tick that is to run.
struct Next {
    tick: Tick,
    /// Messages and inputs that are due in it.
    events: u64,
}

/// What the serial part needs.
struct Leader {
    recorder: Recorder,
    stop: Option<StopFile>,
    interrupt: Arc<AtomicUsize>,
    progress: Arc<Progress>,
    guard: Option<Arc<Guard>>,
    window: RestartWindow,
    intensity: Intensity,
    /// The tick that just ran.
    current: Option<Tick>,
    result: Option<Result<(Ending, u64), RunError>>,
    leases: Leases,
    orders: Orders,
    /// The tick's own records, in front of those of its agents.
    framing: Vec<u8>,
    framed: u32,
    bonds: Bonds,
    /// First and last of those who are lost in the current tick.
    losing: Vec<(AgentId, AgentId)>,
    /// All who were lost.
    lost: BTreeSet<AgentId>,
}

/// What is left to do behind a tick.
#[derive(Default)]
struct Left {
    /// Messages and signals on their way.
    events: u64,
    /// The first tick at which a timer fires; exact if nothing is on its way.
    timer: Option<Tick>,
}

impl Leader {
    /// Ends one tick and names the next; `None` when the run is over.
    fn between_ticks<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        outcomes: &[Mutex<TickOutcome>],
    ) -> Result<Option<Next>, RunError> {
        let plan = ground.plan;
        // First, and whatever else is the matter: STOP.
        if self.is_stopped(plan) {
            return Ok(self.end(Ending::Halted));
        }
        let last = self.current;
        let (next, left) = match last {
            None => (Tick(0), Left::default()),
            Some(tick) => {
                let left = self.finish_tick(tick, plan, outcomes)?;
                self.orders.recorded(&self.recorder, tick);
                let next = Tick(tick.0 + 1);
                let is_quiet = left.events == 0 && next >= plan.inputs.ends();
                // Nothing can happen before.
                let due = left.timer.filter(|_| is_quiet);
                (due.map_or(next, |due| due.max(next)), left)
            }
        };
        let is_empty = left.events == 0 && left.timer.is_none();
        let idle = last.is_some() && is_empty && next >= plan.inputs.ends();
        if idle && ground.slabs.iter().all(|slab| lock(slab).held() == 0) {
            self.recorder.check_complete()?;
            self.current = Some(next);
            return Ok(self.end(Ending::Completed));
        }
        if let Some(ending) = self.is_over()? {
            self.current = Some(next);
            return Ok(self.end(ending));
        }
        let batch = plan.inputs.released(next);
        let ordered = self.orders.serve(ground, &self.leases.terms, &mut self.recorder, last)?;
        // Without a log to write to nobody gives orders: the comparison says how the run ends.
        if idle
            && !ordered
            && self.recorder.appends()
            && let Some(ending) = self.wait_for_orders(ground)?
        {
            if ending != Ending::Halted {
                self.current = Some(next);
            }
            return Ok(self.end(ending));
        }
        self.current = Some(next);
        self.progress.tick.store(next.0, Ordering::Relaxed);
        if let Some(guard) = &self.guard {
            // Begun ticks, so that the first is one too.
            guard.counters().ticks.store(next.0 + 1, Ordering::Relaxed);
        }
        let events = left.events + self.frame(next, batch)?;
        // As it is recorded, in a run that is repeated.
        for (first, last) in std::mem::take(&mut self.orders.lost) {
            ground.slabs.iter().for_each(|slab| lock(slab).lose_agents(first, last, &self.bonds));
            self.lose(first, last);
        }
        Ok(Some(Next { tick: next, events }))
    }

    fn is_stopped<A>(&self, plan: &Plan<A>) -> bool {
        let stopped = self.stop.as_ref().is_some_and(StopFile::is_present);
        if stopped {
            plan.gate.halt();
        }
        stopped
    }

    /// Whether a signal asks for an end; an error when the log gave up.
    fn is_over(&self) -> Result<Option<Ending>, RunError> {
        if let Some(failed) = self.recorder.failure() {
            return Err(failed.clone().into());
        }
        let signal = self.interrupt.load(Ordering::Relaxed) as u32;
        Ok((signal != 0).then_some(Ending::Interrupted { signal }))
    }

    /// All that is left to do waits for paused agents: waits for an order, or for the end.
    fn wait_for_orders<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
    ) -> Result<Option<Ending>, RunError> {
        // What there is becomes durable: nothing that comes soon could share its block.
        self.recorder.seal()?;
        self.set_waiting(true);
        let ending = loop {
            if self.is_stopped(ground.plan) {
                break Some(Ending::Halted);
            }
            if let Some(ending) = self.is_over()? {
                break Some(ending);
            }
            let (last, terms) = (self.current, &self.leases.terms);
            if self.orders.serve(ground, terms, &mut self.recorder, last)? {
                break None;
            }
            std::thread::sleep(LOOK_AGAIN);
        };
        self.set_waiting(false);
        Ok(ending)
    }

    fn set_waiting(&self, is_so: bool) {
        self.progress.waiting.store(is_so, Ordering::Relaxed);
        if let Some(guard) = &self.guard {
            // Or the guardian would take a run that waits for one that hangs.
            guard.counters().stepping.store(!is_so, Ordering::Relaxed);
        }
    }

    fn end(&mut self, ending: Ending) -> Option<Next> {
        self.result = Some(Ok((ending, self.current.map_or(0, |tick| tick.0))));
        None
    }

    /// Begins a tick: changes what is to be changed; how many inputs it releases.
    fn frame(&mut self, tick: Tick, batch: Batch<'_>) -> Result<u64, RunError> {
        self.framing.clear();
        Record::Tick(tick).encode(&mut self.framing);
        self.framed = 1 + self.leases.change(tick, &mut self.framing)?;
        self.framed += self.orders.frame(&mut self.framing);
        let released = batch.items.len() as u64;
        if released > 0 {
            Record::Input { batch: batch.number, count: released }.encode(&mut self.framing);
            self.framed += 1;
        }
        Ok(released)
    }

    /// From this tick on these agents take no step.
    fn lose(&mut self, first: AgentId, last: AgentId) {
        Record::Lost { first, last }.encode(&mut self.framing);
        self.framed += 1;
        self.losing.push((first, last));
        self.lost.extend((first.0..=last.0).map(AgentId).filter(|id| !self.bonds.is_gone(*id)));
    }

    /// Brings a tick's records into the log, and signals on their way; what is left to do.
    fn finish_tick<A>(
        &mut self,
        tick: Tick,
        plan: &Plan<A>,
        outcomes: &[Mutex<TickOutcome>],
    ) -> Result<Left, RunError> {
        // An error keeps the whole tick out of the log, so that what is recorded does not depend
        // on who came upon it. The first in the order of serials is the one to tell.
        if let Some(error) = outcomes.iter().find_map(|outcome| lock(outcome).error.take()) {
            return Err(error);
        }
        self.recorder.append(&self.framing, self.framed)?;
        // They ended before anything else happened in the tick.
        self.losing.drain(..).for_each(|(first, last)| self.bonds.lose(first, last));
        let released = plan.inputs.released(tick).items.len() as u64;
        let (mut sent, mut refused, mut restarts, mut crashes, mut timer) = (0, 0, 0, 0, None);
        for outcome in outcomes {
            let mut outcome = lock(outcome);
            self.recorder.append(&outcome.records, outcome.count)?;
            sent += outcome.sent;
            refused += std::mem::take(&mut outcome.refused);
            restarts += outcome.restarts;
            crashes += std::mem::take(&mut outcome.crashes);
            outcome.records.clear();
            (outcome.count, outcome.sent, outcome.restarts) = (0, 0, 0);
            timer = [timer, outcome.timer].into_iter().flatten().min();
            outcome.bonds.drain(..).for_each(|change| self.bonds.apply(change));
        }
        let events = sent + self.bonds.deliver(plan.agents, outcomes);
        if let Some(guard) = &self.guard {
            guard.counters().crashes.fetch_add(crashes, Ordering::Relaxed);
        }
        self.recorder.end_of_tick()?;
        if !self.window.record(tick, restarts) {
            return Err(RunError::IntensityExceeded { tick, intensity: self.intensity });
        }
        self.progress.inputs.fetch_add(released, Ordering::Relaxed);
        self.progress.messages.fetch_add(sent, Ordering::Relaxed);
        if refused > 0 {
            self.progress.refused.fetch_add(refused, Ordering::Relaxed);
        }
        Ok(Left { events, timer })
    }
}
