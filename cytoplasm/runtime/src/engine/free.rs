//! The leader of a free-running run: what is done between two epochs, and how a log is followed.
//!
//! An epoch is a tick of the engine in which messages are delivered at once. Its number is the time:
//! milliseconds since the run began, in which it runs, so that two epochs may have the same.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use karyon_log::{Loss, Record};
use karyon_types::{AgentId, Tick};

use super::waiting::LOOK_AGAIN;
use super::{Leader, Left, Next, lock};
use crate::agent::Agent;
use crate::census::Ground;
use crate::epoch::Epoch;
use crate::error::RunError;
use crate::input::InputItem;
use crate::processes::MAX_HELD;
use crate::scheduler::{Said, Scheduler, TickOutcome};
use crate::terms::Ending;

/// An epoch lasts no longer, if its steps do not: bounds how long orders, signals and whoever stops
/// the run wait.
const EPOCH_MOST: Duration = Duration::from_millis(2);
/// The last time that a run can have: 35,000 years, and no timer comes near the end of the numbers.
const TIME_MAX: u64 = 1 << 50;
/// Whoever sleeps longer than this makes durable what there is.
const LONG: Duration = Duration::from_millis(20);

/// What the leader of a free-running run keeps.
pub(super) struct Free {
    since: Instant,
    /// The run's time then.
    at: u64,
    /// Then `at` is the time, and it passes only where nothing else is to be done.
    is_virtual: bool,
    /// Inputs of this time and of later ones were not released yet.
    inputs_from: u64,
    /// Those that were, for the epoch that comes next: their batch, and they.
    inputs: Vec<(u64, Vec<InputItem>)>,
    /// Whether the log says what comes next.
    follows: bool,
}

impl Free {
    pub(super) fn new(is_virtual: bool) -> Free {
        let (since, at, inputs_from, inputs) = (Instant::now(), 0, 0, Vec::new());
        Free { since, at, is_virtual, inputs_from, inputs, follows: false }
    }

    /// Time stands still where the run does not run: it goes on from the last that is recorded.
    fn go_on_from(&mut self, last: Tick) {
        (self.since, self.at) = (Instant::now(), last.0);
    }

    fn now(&self, last: Tick) -> Tick {
        if self.is_virtual {
            return last.max(Tick(self.at));
        }
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(TIME_MAX);
        last.max(Tick(self.at.saturating_add(passed).min(TIME_MAX)))
    }

    /// How long it is until `due`.
    fn until(&self, due: Tick) -> Duration {
        let due = Duration::from_millis(due.0.saturating_sub(self.at));
        due.saturating_sub(self.since.elapsed())
    }

    /// Releases the inputs up to a time.
    fn release<A: Agent>(&mut self, ground: &Ground<'_, A>, now: Tick) -> Result<(), RunError> {
        let inputs = &ground.plan.inputs;
        for time in (self.inputs_from..=now.0).take_while(|time| *time < inputs.ends().0) {
            if inputs.everybody(Tick(time)).is_some() {
                return Err(RunError::NotFree(
                    "inputs for all agents at once: have agents arm intervals",
                ));
            }
            let batch = inputs.released(Tick(time));
            if !batch.items.is_empty() {
                self.inputs.push((batch.number, batch.items.to_vec()));
            }
        }
        self.inputs_from = self.inputs_from.max(now.0 + 1);
        Ok(())
    }
}

impl Leader {
    /// Ends one epoch and begins the next; `None` when the run is over.
    pub(super) fn between_epochs<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        outcomes: &[Mutex<TickOutcome>],
        epoch: &Epoch,
    ) -> Result<Option<Next>, RunError> {
        loop {
            // First, and whatever else is the matter: STOP.
            if self.is_stopped(ground.plan) {
                return Ok(self.end(Ending::Halted));
            }
            let left = match self.current {
                None => {
                    self.supervise(ground, Tick(0))?;
                    self.follow_log(ground, true);
                    Left::default()
                }
                Some(tick) => self.finish_epoch(tick, ground, outcomes, epoch)?,
            };
            if self.free.follows && !self.recorder.follows() {
                self.follow_log(ground, false);
            }
            let tick = match self.next_time(ground, &left)? {
                Ok(tick) => tick,
                Err(ending) => {
                    if let Ending::Interrupted { .. } = ending {
                        self.wind_up_epoch(ground, outcomes)?;
                    }
                    return Ok(self.end(ending));
                }
            };
            self.begin_epoch(ground, outcomes, tick)?;
            if self.recorder.follows() {
                self.follow(ground, epoch, tick)?;
                continue;
            }
            if self.free.follows {
                self.follow_log(ground, false);
            }
            let due = self.due(&left).map(|due| self.free.until(due));
            let most = due.map_or(EPOCH_MOST, |due| due.min(EPOCH_MOST));
            epoch.begin((!self.free.is_virtual).then_some(most));
            return Ok(Some(Next { tick, events: u64::MAX }));
        }
    }

    /// As `wind_up`: the receipts are all that the last epoch holds.
    fn wind_up_epoch<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        outcomes: &[Mutex<TickOutcome>],
    ) -> Result<(), RunError> {
        if self.ends_effects() {
            let tick = self.free.now(self.current.unwrap_or(Tick(0)));
            self.begin_epoch(ground, outcomes, tick)?;
            self.orders.recorded(&self.recorder, tick);
        }
        Ok(())
    }

    /// From now on what comes next is what the log says, or not any more.
    fn follow_log<A: Agent>(&mut self, ground: &Ground<'_, A>, begins: bool) {
        let follows = begins && self.recorder.follows();
        // What is only repeated waits for nothing.
        self.free.is_virtual |= !self.recorder.appends();
        self.free.follows = follows;
        for slab in ground.slabs {
            match begins {
                true => lock(slab).follow_log(follows),
                false => lock(slab).go_on(),
            }
        }
        self.free.go_on_from(self.current.unwrap_or(Tick(0)));
    }

    /// Brings what happened in an epoch into the log, and each letter to its mailbox.
    fn finish_epoch<A: Agent>(
        &mut self,
        tick: Tick,
        ground: &Ground<'_, A>,
        outcomes: &[Mutex<TickOutcome>],
        epoch: &Epoch,
    ) -> Result<Left, RunError> {
        deliver_all(ground, epoch);
        for (slab, outcome) in ground.slabs.iter().zip(outcomes) {
            let mut slab = lock(slab);
            epoch.record(&mut slab.outcome);
            slab.end_epoch();
            std::mem::swap(&mut *lock(outcome), &mut slab.outcome);
        }
        let sequence = epoch.take_sequence();
        if let Some(first) = outcomes.first() {
            let mut first = lock(first);
            (first.records, first.count) = (sequence.records, sequence.count);
            first.bonds = sequence.bonds;
        }
        let before = self.progress.messages.load(Ordering::Relaxed);
        let left = self.finish_tick(tick, ground, outcomes)?;
        let passed = self.progress.messages.load(Ordering::Relaxed) - before;
        self.pace.passed(passed, Instant::now());
        if self.progress.tally.is_wanted() {
            self.tally(ground, left.events);
        }
        self.orders.recorded(&self.recorder, tick);
        Ok(left)
    }

    /// When the next epoch runs: waits for it. Or how the run ends.
    fn next_time<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        left: &Left,
    ) -> Result<Result<Tick, Ending>, RunError> {
        let last = self.current.unwrap_or(Tick(0));
        let mut slept = None;
        let next = loop {
            if self.is_stopped(ground.plan) {
                break Err(Ending::Halted);
            }
            if let Some(ending) = self.is_over()? {
                break Err(ending);
            }
            let recorded = match self.free.follows {
                // One that goes back or too far is found by the comparison.
                true => Some(self.recorder.ahead()?.tick.unwrap_or(last)),
                false => None,
            };
            let recorded = recorded.map(|tick| tick.clamp(last, Tick(TIME_MAX)));
            let due = self.due(left);
            // Whoever orders something when nothing is left to do comes too late.
            let trees_rest = self.trees.as_ref().is_none_or(|trees| trees.is_quiet());
            let is_over = left.events == 0
                && due.is_none()
                && trees_rest
                && self.free.inputs_from >= ground.plan.inputs.ends().0
                && self.free.inputs.is_empty()
                && self.effects.is_empty()
                && !self.orders.has_records();
            // The log may end before it holds the end of somebody who was to end.
            let is_behind = is_over && ground.slabs.iter().any(|slab| lock(slab).has_ended());
            if is_over && !is_behind && self.held == 0 && self.current.is_some() {
                self.recorder.check_complete()?;
                break Err(Ending::Completed);
            }
            let now = recorded.unwrap_or_else(|| self.free.now(last));
            self.free.release(ground, now)?;
            self.serve(ground)?;
            self.effects.look(&mut self.recorder)?;
            if recorded.is_none() && !self.keeps_up(now)? {
                // Whatever is to be done waits, so that the memory's lag is bounded.
                self.sleep(ground, LOOK_AGAIN, &mut slept)?;
                continue;
            }
            let has_news = self.orders.has_records() || self.effects.has_receipts();
            let is_due = due.is_some_and(|due| due <= now);
            let has_work = left.events > 0 || is_due || !self.free.inputs.is_empty();
            let is_free = self.held < MAX_HELD && self.pace.rest(Instant::now()).is_none();
            let is_first = self.current.is_none() || is_behind || !trees_rest && due.is_none();
            if recorded.is_some() || has_news || is_first || has_work && is_free {
                break Ok(now);
            }
            let inputs_from = Tick(self.free.inputs_from);
            let inputs = Some(inputs_from).filter(|from| *from < ground.plan.inputs.ends());
            let waits = !self.effects.is_empty();
            if !has_work && inputs.is_none() && due.is_none() && self.held == 0 && !waits {
                continue;
            }
            if self.free.is_virtual
                && !has_work
                && !waits
                && let Some(next) = [due, inputs].into_iter().flatten().min()
            {
                self.free.at = next.0;
                continue;
            }
            if !self.recorder.appends() {
                // The comparison says that the run should not have gone on.
                break Ok(now);
            }
            let rest = due.map_or(Duration::MAX, |due| self.free.until(due));
            let rest = inputs.map_or(rest, |_| LOOK_AGAIN);
            self.sleep(ground, rest, &mut slept)?;
        };
        if slept.is_some() {
            self.set_waiting(None);
        }
        Ok(next)
    }

    /// Sleeps a while, at most until it has to look again at whatever may come from outside.
    fn sleep<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        rest: Duration,
        slept: &mut Option<Instant>,
    ) -> Result<(), RunError> {
        if slept.is_none() {
            let waits_for = ground.slabs.iter().find_map(|slab| lock(slab).holding());
            self.set_waiting(waits_for.filter(|_| self.held > 0));
            self.set_stepping(false);
        }
        if rest >= LONG || slept.get_or_insert_with(Instant::now).elapsed() >= LONG {
            self.recorder.seal()?;
        }
        std::thread::sleep(rest.min(LOOK_AGAIN));
        Ok(())
    }

    /// Records how an epoch begins, and gives agents what it begins with.
    fn begin_epoch<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        outcomes: &[Mutex<TickOutcome>],
        tick: Tick,
    ) -> Result<(), RunError> {
        self.current = Some(tick);
        self.progress.tick.store(tick.0, Ordering::Relaxed);
        if let Some(guard) = &self.guard {
            guard.counters().ticks.fetch_add(1, Ordering::Relaxed);
        }
        self.start_frame(ground, tick)?;
        for (batch, items) in std::mem::take(&mut self.free.inputs) {
            let count = items.len() as u64;
            Record::Input { batch, count }.encode(&mut self.framing);
            self.framed += 1;
            self.progress.inputs.fetch_add(count, Ordering::Relaxed);
            for item in items {
                let home = self.layout.home(item.receiver);
                if let Some(slab) = home.and_then(|home| ground.slabs.get(home)) {
                    lock(slab).take_input(item);
                }
            }
        }
        self.recorder.append(&self.framing, self.framed)?;
        self.framing.clear();
        self.framed = 0;
        self.bonds.deliver(self.layout, outcomes);
        for (slab, outcome) in ground.slabs.iter().zip(outcomes) {
            std::mem::swap(&mut lock(slab).signals, &mut lock(outcome).signals);
        }
        Ok(())
    }

    /// Does what the log says, one record after the other, up to the next epoch or to its end.
    fn follow<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        epoch: &Epoch,
        tick: Tick,
    ) -> Result<(), RunError> {
        ground.slabs.iter().for_each(|slab| lock(slab).begin_epoch(ground.plan, tick));
        while let Some(next) = self.recorder.scan(Reader::default().read())? {
            let (agent, said) = match next {
                What::Tick => return Ok(()),
                What::Other => return Err(self.recorder.impossible("it belongs elsewhere").into()),
                What::Said(agent, said) => (agent, said),
            };
            let slab = self.layout.home(agent).and_then(|home| ground.slabs.get(home));
            let Some(slab) = slab else {
                return Err(self.recorder.impossible("there is no such agent").into());
            };
            let mut slab = lock(slab);
            if let Err(why) = slab.follow(ground.plan, tick, agent, said) {
                return Err(self.recorder.impossible(why).into());
            }
            if let Some(error) = slab.outcome.error.take() {
                return Err(error);
            }
            self.recorder.append(&slab.outcome.records, slab.outcome.count)?;
            slab.outcome.records.clear();
            slab.outcome.count = 0;
            epoch.record(&mut slab.outcome);
            drop(slab);
            // Nothing is refused that the log does not say, so nothing more comes of it.
            if let Some(home) = self.layout.home(agent) {
                deliver_from(ground, home);
            }
        }
        Ok(())
    }
}

/// Brings what was sent and not handed over to its mailboxes, and what comes of that.
fn deliver_all<A: Agent>(ground: &Ground<'_, A>, epoch: &Epoch) {
    let mut letters = Vec::new();
    for (number, slab) in ground.slabs.iter().enumerate() {
        epoch.take(number, &mut letters);
        let mut slab = lock(slab);
        letters.drain(..).for_each(|envelope| slab.receive(ground.plan, envelope));
    }
    // A refusal is news for its sender, and that is never refused.
    while (0..ground.slabs.len()).filter(|from| deliver_from(ground, *from)).count() > 0 {}
}

/// Likewise, what one scheduler sent; whether there was something.
fn deliver_from<A: Agent>(ground: &Ground<'_, A>, from: usize) -> bool {
    let own = ground.slabs.get(from);
    let mut any = own.is_some_and(|own| lock(own).deliver_posted(ground.plan));
    for (number, to) in ground.slabs.iter().enumerate() {
        let sent = |sender: &mut Scheduler<A>| sender.outbox.get_mut(number).map(std::mem::take);
        let Some(from) = ground.slabs.get(from) else { return any };
        let mut letters = sent(&mut lock(from)).unwrap_or_default();
        any |= !letters.is_empty();
        if !letters.is_empty() {
            let mut to = lock(to);
            letters.drain(..).for_each(|envelope| to.receive(ground.plan, envelope));
        }
        // Its space is used again, unless there is something new.
        let mut from = lock(from);
        if let Some(outbox) = from.outbox.get_mut(number).filter(|outbox| outbox.is_empty()) {
            *outbox = letters;
        }
    }
    any
}

/// What comes next in a log that is followed.
enum What {
    Tick,
    Other,
    Said(AgentId, Said),
}

/// Reads it: of a failure the log says in a later record what the agent was about.
#[derive(Default)]
struct Reader {
    crashed: Option<(AgentId, karyon_log::CrashKind)>,
}

impl Reader {
    fn read(mut self) -> impl FnMut(Option<&Record<'_>>) -> ControlFlow<What> {
        move |record| {
            let said = |agent, said| ControlFlow::Break(What::Said(agent, said));
            match (self.crashed, record) {
                (None, None) => ControlFlow::Break(What::Other),
                (None, Some(Record::Tick(_))) => ControlFlow::Break(What::Tick),
                (None, Some(Record::Step { agent, cause, .. })) => said(*agent, Said::Step(*cause)),
                (None, Some(Record::DeadLetter { agent, cause, loss })) => {
                    said(*agent, Said::Lost(*cause, *loss))
                }
                (None, Some(Record::Crash { agent, kind, .. })) => {
                    self.crashed = Some((*agent, *kind));
                    ControlFlow::Continue(())
                }
                (None, Some(_)) => ControlFlow::Break(What::Other),
                (Some((who, _)), Some(Record::Crash { agent, .. })) if *agent == who => {
                    ControlFlow::Continue(())
                }
                (Some((who, kind)), Some(Record::Step { agent, cause, .. })) if *agent == who => {
                    said(who, Said::Crash(Some(*cause), kind))
                }
                (
                    Some((who, kind)),
                    Some(Record::DeadLetter { agent, cause, loss: Loss::Poison }),
                ) if *agent == who => said(who, Said::Crash(Some(*cause), kind)),
                (Some((who, kind)), _) => said(who, Said::Crash(None, kind)),
            }
        }
    }
}
