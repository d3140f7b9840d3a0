//! The engine: drives the schedulers from tick to tick, and decides when to stop.
//!
//! Between two ticks, while all schedulers wait, one of them runs the serial part: it looks for
//! STOP, brings the tick's records into the log in the order of serials, counts restarts against
//! the supervisor's intensity, and names the next tick.

mod free;
mod leaving;
mod seeing;
mod shares;
mod snapshots;
mod stepping;
mod supervising;
mod waiting;

use self::free::Free;
use self::seeing::Seeing;
use self::stepping::Stepping;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use karyon_guard::Guard;
use karyon_log::Record;
use karyon_safety::StopFile;
use karyon_supervision::{Intensity, RestartWindow};
use karyon_types::{AgentId, Tick};

use crate::agent::Agent;
use crate::barrier::Barrier;
use crate::births::{Births, Later};
use crate::bonds::{BondChange, Bonds};
use crate::census::Ground;
use crate::effects::{Checks, UnderWay};
use crate::epoch::Epoch;
use crate::error::RunError;
use crate::input::{Batch, InputSource};
use crate::leases::Leases;
use crate::orders::{Open, Orders};
use crate::pace::Pace;
use crate::processes::MAX_HELD;
use crate::recall::Recalls;
use crate::recorder::Recorder;
use crate::registry::{Board, Names};
use crate::schedule;
use crate::scheduler::{Envelope, Layout, Plan, Scheduler, TickOutcome};
use crate::services;
use crate::snapshot::{self, Taker};
use crate::space::Common;
use crate::subjects::{Custody, Opaque};
use crate::tally::Tallied;
use crate::terms::{Ending, Limits, Outcome, Population, Progress, RunConfig};
use crate::trees::Trees;
use crate::watching::Watched;

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
    let agents = population.names.len();
    let _run = tracing::info_span!("run", agents, schedulers = config.schedulers).entered();
    let stepping = Stepping::begin(config.guard);
    let desk = Open::new(config.desk.clone());
    let mut owned =
        recorder.take().ok_or_else(|| RunError::Runtime("a run needs a recorder".into()))?;
    let prepared = prepare(&population, config.limits).and_then(|trees| {
        schedule::record(&config.schedule, &mut owned)?;
        Ok((trees, Leases::bring_to_life(&population, config.limits, &mut owned)?))
    });
    let (trees, leases) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            *recorder = Some(owned);
            return Err(schedule::named(error, &config.schedule));
        }
    };
    let schedulers = if config.schedule.is_sequential() { 1 } else { config.schedulers.max(1) };
    let plan = Plan {
        gate: Arc::clone(&leases.gate),
        inputs,
        init: population.init,
        chaos: config.chaos,
        limits: config.limits,
        schedule: config.schedule,
        agents: population.names.len() as u64,
        supervised: trees.is_some(),
        born: population.born,
        recalls: config.recaller.is_some(),
        permits: config.effects.permits.clone(),
        spawned: AtomicU64::new(0),
        last: AtomicU64::new(population.names.len() as u64),
        names: Board::default(),
        space: Common::new(config.space),
        custody: population.subjects.map(|subjects| Box::new(Custody::new(subjects))),
    };
    let goes_on = (plan.schedule.is_free(), owned.appends());
    let permitted = plan.custody.as_ref().map_or(Ok(()), |custody| custody.permits(goes_on));
    let permitted = permitted.and_then(|()| seeing::permits(&plan));
    if let Err(error) = permitted {
        *recorder = Some(owned);
        return Err(error);
    }
    let layout = Layout::new(plan.agents, schedulers);
    let epoch = config.schedule.is_free().then(|| Epoch::new(schedulers));
    let births = Births::new(config.limits, layout, population.names);
    let orders = Orders::new(config.desk, layout);
    let slabs: Vec<_> = (0..schedulers)
        .map(|number| Mutex::new(Scheduler::new(&plan, number, schedulers, &leases.handles)))
        .collect();
    let links: Vec<_> = (0..2 * schedulers * schedulers).map(|_| Mutex::default()).collect();
    let tree = trees.as_ref().map(|trees| trees.tree());
    let woken = snapshot::wake(&plan, tree, &mut owned);
    let checks = Checks {
        gate: Arc::clone(&plan.gate),
        guard: stepping.guard.clone(),
        progress: Arc::clone(&config.progress),
    };
    let in_step = config.virtual_time;
    let effects = match UnderWay::new(config.effects, checks, &owned, in_step) {
        Ok(effects) => effects,
        Err(error) => {
            *recorder = Some(owned);
            return Err(error);
        }
    };
    let mut leader = Leader {
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
        held: 0,
        pace: Pace::new(config.rate),
        framing: Vec::new(),
        framed: 0,
        bonds: Bonds::new(plan.agents),
        trees,
        births,
        names: Names::default(),
        recalls: Recalls::new(config.recaller),
        effects,
        layout,
        losing: Vec::new(),
        lost: BTreeSet::new(),
        // A free-running run takes none: its log says in which order it has to be repeated.
        taker: config.snapshots.filter(|_| !plan.schedule.is_free()).map(Taker::new),
        taken: None,
        woken: None,
        free: Free::new(config.virtual_time),
        seeing: Seeing::new(config.observer),
    };
    let resumed_from = woken.as_ref().map(|woken| woken.tick);
    let going_on = woken.map_or(Ok(()), |woken| leader.go_on(&plan, woken, &slabs, &links));
    if let Err(error) = going_on {
        *recorder = Some(leader.recorder);
        return Err(error);
    }
    let shared = Arc::new(Shared {
        barrier: Barrier::new(schedulers),
        epoch,
        layout,
        small_tick: config.small_tick,
        next: AtomicU64::new(0),
        outcomes: (0..schedulers).map(|_| Mutex::default()).collect(),
        links,
        watched: config.watch.map(|watch| Watched::new(watch, schedulers)),
        leader: Mutex::new(Some(leader)),
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
        services::supervise(jobs, move || {
            shared.barrier.poison();
            shared.epoch.iter().for_each(Epoch::end);
        })
    };
    drop(watchdog);
    if let Err(failure) = failed {
        return Err(RunError::Runtime(failure));
    }
    // What is left behind is what a thread that was given up still holds.
    let mut leader = lock(&shared.leader)
        .take()
        .ok_or_else(|| RunError::Runtime("the run ended without its leader".into()))?;
    let lost = leader.lost.len() as u64;
    // Nobody is answered any more, and whoever waits shall not wait for the rest.
    drop((desk, leader.orders));
    // What was taken is kept before anybody hears of the end.
    drop(leader.taker);
    let mut opaque = Opaque::default();
    shared.slabs.iter().for_each(|slab| opaque.add(lock(slab).opaque()));
    leader.recorder.note_opaque(&opaque);
    *recorder = Some(leader.recorder);
    let result =
        leader.result.ok_or_else(|| RunError::Runtime("the run ended without a result".into()))?;
    let (ending, ticks) = result.inspect_err(|error| tracing::error!(%error, "the run failed"))?;
    tracing::info!(?ending, ticks, "the run ended");
    let (counts, agents) = leaving::agents(&shared, &opaque);
    let subjects = shared.plan.custody.as_ref().map(|custody| custody.subjects());
    let born = leader.births.names.into_iter().skip(shared.plan.agents as usize).collect();
    let (leases, space) = (leader.leases.terms, shared.plan.space.read());
    Ok(Outcome {
        ending,
        ticks,
        counts,
        agents,
        born,
        leases,
        lost,
        resumed_from,
        opaque,
        subjects,
        space,
    })
}

/// The tree above a population, if it has one that fits.
fn prepare<A>(population: &Population<A>, limits: Limits) -> Result<Option<Box<Trees>>, RunError> {
    let tree = population.tree.clone();
    let later = limits.spawned.saturating_add(limits.forks);
    let agents = population.names.len() as u64;
    let trees = tree.map(|below| Trees::new(below, agents, later)).transpose()?;
    Ok(trees.map(Box::new))
}

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
    pub(crate) layout: Layout,
    pub(crate) watched: Option<Watched>,
    /// Of a free-running run.
    pub(crate) epoch: Option<Epoch>,
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
    /// What waits for paused agents.
    held: u64,
    pace: Pace,
    /// The tick's own records, in front of those of its agents.
    framing: Vec<u8>,
    framed: u32,
    bonds: Bonds,
    trees: Option<Box<Trees>>,
    births: Births,
    names: Names,
    recalls: Recalls,
    effects: UnderWay,
    layout: Layout,
    /// First and last of those who are lost in the current tick.
    losing: Vec<(AgentId, AgentId)>,
    /// All who were lost.
    lost: BTreeSet<AgentId>,
    /// Of use only to a free-running run.
    free: Free,
    taker: Option<Taker>,
    /// The tick of the last snapshot, taken or gone on from.
    taken: Option<Tick>,
    /// It goes on from a snapshot, behind a tick that ran before.
    woken: Option<Left>,
    seeing: Seeing,
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
        let (next, left, waits) = match last {
            None => {
                self.supervise(ground, Tick(0))?;
                (Tick(0), Left::default(), false)
            }
            Some(tick) => {
                let left = match self.woken.take() {
                    Some(left) => left,
                    None => self.finish_tick(tick, ground, outcomes)?,
                };
                if self.progress.tally.is_wanted() {
                    self.tally(ground, left.events);
                }
                self.orders.recorded(&self.recorder, tick);
                let (next, waits) = self.tick_after(tick, &left, plan);
                (next, left, waits)
            }
        };
        let is_empty = left.events == 0
            && left.timer.is_none()
            && self.recalls.due().is_none()
            && self.effects.is_empty()
            && !self.orders.has_records()
            && self.trees.as_ref().is_none_or(|trees| trees.is_quiet());
        if let Some(last) = last.filter(|_| self.seeing.is_complete) {
            self.recorder.check_complete()?;
            self.current = Some(Tick(last.0 + 1));
            return Ok(self.end(Ending::Completed));
        }
        let idle = last.is_some() && is_empty && next >= plan.inputs.ends();
        if idle && self.held == 0 {
            self.recorder.check_complete()?;
            self.current = Some(next);
            return Ok(self.end(Ending::Completed));
        }
        if let Some(ending) = self.is_over()? {
            self.take_snapshot(ground, true)?;
            self.wind_up(ground, next)?;
            return Ok(self.end(ending));
        }
        self.take_snapshot(ground, false)?;
        let batch = plan.inputs.released(next);
        let ordered = self.serve(ground)?;
        self.effects.look(&mut self.recorder)?;
        // Without a log to write to nobody gives orders: the comparison says how the run ends.
        if self.recorder.appends() {
            let has_news = ordered || self.effects.has_receipts();
            let ending = match (idle || self.held >= MAX_HELD, waits && !self.recorder.repeats()) {
                (true, _) if !has_news => self.wait_for_orders(ground)?,
                (false, true) if !has_news => self.wait_for_receipts(ground)?,
                _ => self.wait_for_turn(ground, next)?,
            };
            if let Some(ending) = ending {
                if ending != Ending::Halted {
                    self.take_snapshot(ground, true)?;
                    self.wind_up(ground, next)?;
                }
                return Ok(self.end(ending));
            }
        }
        self.current = Some(next);
        self.progress.tick.store(next.0, Ordering::Relaxed);
        if let Some(guard) = &self.guard {
            // Begun ticks, so that the first is one too.
            guard.counters().ticks.store(next.0 + 1, Ordering::Relaxed);
        }
        if let Some(custody) = &plan.custody {
            custody.read_tick(&mut self.recorder)?;
        }
        let everybody = plan.inputs.everybody(next).map_or(0, |_| plan.agents);
        let events = left.events + everybody + self.frame(ground, next, batch)?;
        // As it is recorded, in a run that is repeated.
        for (first, last) in std::mem::take(&mut self.orders.lost) {
            ground.slabs.iter().for_each(|slab| lock(slab).lose_agents(first, last, &self.bonds));
            self.lose(first, last);
        }
        if !plan.schedule.is_sequential() {
            // Otherwise they wait for their receivers' turns.
            self.bonds.deliver(self.layout, outcomes);
        }
        if !self.recorder.repeats() {
            self.pace.passed(events, Instant::now());
        }
        Ok(Some(Next { tick: next, events }))
    }

    /// Tells whoever looks from outside what was counted.
    fn tally<A: Agent>(&self, ground: &Ground<'_, A>, on_the_way: u64) {
        let mut now = Tallied { on_the_way, ..Tallied::default() };
        for slab in ground.slabs {
            let mut slab = lock(slab);
            now.counts.add(&slab.counts);
            now.held += slab.held();
            now.deepest = now.deepest.max(std::mem::take(&mut slab.deepest));
        }
        self.progress.tally.write(now);
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

    fn end(&mut self, ending: Ending) -> Option<Next> {
        self.result = Some(Ok((ending, self.current.map_or(0, |tick| tick.0))));
        None
    }

    /// Begins a tick: changes what is to be changed; how many inputs it releases.
    fn frame<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        tick: Tick,
        batch: Batch<'_>,
    ) -> Result<u64, RunError> {
        self.start_frame(ground, tick)?;
        let released = batch.items.len() as u64;
        if released > 0 {
            Record::Input { batch: batch.number, count: released }.encode(&mut self.framing);
            self.framed += 1;
        }
        Ok(released)
    }

    /// The same but for inputs.
    fn start_frame<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        tick: Tick,
    ) -> Result<(), RunError> {
        self.framing.clear();
        Record::Tick(tick).encode(&mut self.framing);
        self.framed = 1 + self.leases.change(tick, &mut self.framing)?;
        self.framed += self.orders.frame(&mut self.framing);
        self.bring_to_life(ground, tick)?;
        self.framed += self.recalls.begin(ground, tick, &mut self.recorder, &mut self.framing)?;
        let recorded = std::mem::take(&mut self.orders.receipts);
        self.framed += self.effects.begin(ground, recorded, &mut self.framing);
        Ok(())
    }

    /// From this tick on these agents take no step.
    fn lose(&mut self, first: AgentId, last: AgentId) {
        Record::Lost { first, last }.encode(&mut self.framing);
        self.framed += 1;
        self.losing.push((first, last));
        self.lost.extend((first.0..=last.0).map(AgentId).filter(|id| !self.bonds.is_gone(*id)));
    }

    /// Brings a tick's records into the log, and signals on their way; what is left to do.
    fn finish_tick<A: Agent>(
        &mut self,
        tick: Tick,
        ground: &Ground<'_, A>,
        outcomes: &[Mutex<TickOutcome>],
    ) -> Result<Left, RunError> {
        // An error keeps the whole tick out of the log, so that what is recorded does not depend
        // on who came upon it. The first in the order of serials is the one to tell.
        let failed = outcomes.iter().filter_map(|outcome| {
            let mut outcome = lock(outcome);
            let later = outcome.pieces.last().map(|piece| piece.agent);
            outcome.error.take().map(|error| (later, error))
        });
        if let Some((_, error)) = failed.min_by_key(|(later, _)| *later) {
            return Err(error);
        }
        let plan = ground.plan;
        let activated = schedule::activated(plan, tick, outcomes, &mut self.framing);
        self.framed += u32::from(activated.is_some());
        self.recorder.append(&self.framing, self.framed)?;
        // They ended before anything else happened in the tick.
        for (first, last) in self.losing.drain(..) {
            self.bonds.lose(first, last);
            plan.space.remove((first.0..=last.0).map(AgentId));
            self.trees.iter_mut().for_each(|trees| trees.lose(first, last));
        }
        // In a free-running run they are counted when they are released.
        let batch =
            if plan.schedule.is_free() { Batch::default() } else { plan.inputs.released(tick) };
        let released = batch.items.len() as u64 + activated.unwrap_or(0);
        let mut waiting = 0;
        let (mut sent, mut passed, mut restarts, mut crashes, mut timer) = (0, 0, 0, 0, None);
        let (mut refused, mut later) = (0, Vec::new());
        let (mut recalls, mut effects) = (Vec::new(), Vec::new());
        self.held = 0;
        for outcome in outcomes {
            let mut outcome = lock(outcome);
            later.extend(Later::take(&mut outcome));
            self.births.ask(&mut outcome.births);
            self.names.ask(&mut outcome.names);
            recalls.append(&mut outcome.recalls);
            effects.append(&mut outcome.effects);
            if std::mem::take(&mut outcome.remembered) {
                self.recalls.remember();
            }
            self.recorder.append(&outcome.records, outcome.count)?;
            sent += outcome.sent;
            passed += std::mem::take(&mut outcome.passed);
            refused += std::mem::take(&mut outcome.refused);
            restarts += outcome.restarts;
            self.held += outcome.held;
            waiting += outcome.waiting;
            crashes += std::mem::take(&mut outcome.crashes);
            outcome.records.clear();
            (outcome.count, outcome.sent, outcome.restarts) = (0, 0, 0);
            timer = [timer, outcome.timer].into_iter().flatten().min();
            outcome.bonds.drain(..).for_each(|change| self.apply(change));
        }
        if !later.is_empty() {
            let (records, count, bonds) = Later::in_order(later);
            self.recorder.append(&records, count)?;
            for change in bonds {
                self.apply(change);
            }
        }
        self.seeing.settle(plan, tick, outcomes);
        self.recalls.ask(recalls, tick, &mut self.recorder)?;
        self.effects.ask(effects, &self.recorder);
        if let Some(guard) = &self.guard {
            guard.counters().crashes.fetch_add(crashes, Ordering::Relaxed);
        }
        self.recorder.end_of_tick()?;
        tracing::trace!(tick = tick.0, released, sent, crashes, restarts, "the tick is recorded");
        if !self.window.record(tick, restarts) {
            return Err(RunError::IntensityExceeded { tick, intensity: self.intensity });
        }
        self.supervise(ground, tick)?;
        self.seeing.show(plan, tick);
        self.progress.inputs.fetch_add(released, Ordering::Relaxed);
        self.progress.messages.fetch_add(sent + passed, Ordering::Relaxed);
        if refused > 0 {
            self.progress.refused.fetch_add(refused, Ordering::Relaxed);
        }
        Ok(Left { events: waiting + sent + self.wishes() + self.bonds.waiting(), timer })
    }

    fn apply(&mut self, change: BondChange) {
        if let Some(trees) = &mut self.trees {
            trees.note(&change);
        }
        self.bonds.apply(change);
    }
}
