//! A scheduler: owns a slab of agents and runs their steps, tick by tick.
//!
//! Its agents are a contiguous range of serials, so that what the schedulers write, put one
//! behind the other, is in the order of serials for any number of them; and so that what arrives
//! from them is ordered by sender already.

mod admit;
mod apart;
mod arrivals;
mod attempt;
mod boxes;
mod free;
mod life;
mod mailbox;
mod newborn;
mod opaque;
mod plan;
mod quarantine;
mod saved;
mod supervised;
pub(crate) mod told;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use karyon_arrangements::TimerId;
use karyon_gate::Handle;
use karyon_log::{Cause, Decision, Loss, Message, Record, StepEncoder};
use karyon_supervision::Exit;
use karyon_types::{AgentId, Tick};

use crate::agent::{Agent, Context, Event, RestartFrom, Wishes};
use crate::births::{Birth, Piece};
use crate::bonds::{BondChange, Left, Signal};
use crate::codec;
use crate::effects::Intent;
use crate::error::RunError;
use crate::input::InputItem;
use crate::pressure;
use crate::recall::Recall;
use crate::registry::{Naming, Registry};
use crate::space::{self, Change, Space};
use crate::standing::Standing;
use crate::subjects::Opaque;
use crate::terms::Counts;
use crate::trace;
use crate::watchdog::Pulse;
use crate::wheel::Wheel;

pub(crate) use self::apart::Facts;
use self::apart::{Apart, Held};
use self::arrivals::{Arrivals, Due, split_front};
use self::attempt::attempt_step;
use self::boxes::Boxes;
pub(crate) use self::free::Said;
use self::life::Life;
pub use self::life::{BONDS_PER_AGENT, TIMER_TICKS_MAX, TIMERS_PER_AGENT};
pub(crate) use self::mailbox::Envelope;
use self::mailbox::{Letter, Sorter, What};
pub(crate) use self::newborn::{Kind, Layout, Newborn};
use self::newborn::{Origins, Slab};
use self::opaque::recorded_step;
pub(crate) use self::plan::Plan;
use self::supervised::Parked;
pub(crate) use self::supervised::{Stopped, Verdict};
use self::turns::Turns;

/// What agents handled last, the newest first; only of those that somebody inspected.
type Watched = BTreeMap<AgentId, VecDeque<Cause>>;

struct Slot<A> {
    /// `None`: it exited.
    agent: Option<A>,
    /// Events that it is done with.
    steps: u64,
    lease: Option<Handle>,
    /// How often it was started again.
    restarts: u32,
    standing: Standing,
    life: Option<Box<Life>>,
}

impl<A> Slot<A> {
    fn new(agent: Option<A>, lease: Option<Handle>, standing: Standing) -> Slot<A> {
        Slot { agent, steps: 0, lease, restarts: 0, standing, life: None }
    }
}

/// What a scheduler did in one tick.
#[derive(Default)]
pub(crate) struct TickOutcome {
    /// Its records, encoded, and their number.
    pub(crate) records: Vec<u8>,
    pub(crate) count: u32,
    /// Messages that it sent to be delivered in the next tick.
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    /// Messages that were sent and delivered in this tick.
    pub(crate) passed: u64,
    /// Agents that were activated because all are.
    pub(crate) activated: u64,
    pub(crate) restarts: u64,
    pub(crate) crashes: u64,
    pub(crate) remembered: bool,
    /// Who was bound to whom, and who ended, in the order in which it happened.
    pub(crate) bonds: Vec<BondChange>,
    /// The first tick at which a timer fires; exact if nothing was sent.
    pub(crate) timer: Option<Tick>,
    /// Whom agents want to bring to life.
    pub(crate) births: Vec<Birth>,
    /// Names and groups that agents want.
    pub(crate) names: Vec<Naming>,
    /// What agents did to what all see.
    pub(crate) changes: Vec<Change>,
    /// What agents ask the memory.
    pub(crate) recalls: Vec<Recall>,
    /// What they want done outside.
    pub(crate) effects: Vec<Intent>,
    /// Where in all of this the agents behind the scenario's begin, by serial.
    pub(crate) pieces: Vec<Piece>,
    /// The other way: the leader's signals for the next tick, by receiver.
    pub(crate) signals: Vec<Signal>,
    /// What waits for its paused agents.
    pub(crate) held: u64,
    /// What waits in mailboxes for others: only in a free-running run does anything.
    pub(crate) waiting: u64,
    pub(crate) error: Option<RunError>,
}

pub(crate) struct Scheduler<A> {
    /// The serial of its first agent.
    first: u64,
    /// Its own among the schedulers.
    number: usize,
    slots: Slab<A>,
    layout: Layout,
    origins: Origins,
    /// By scheduler.
    pub(crate) outbox: Vec<Vec<Envelope>>,
    share: u64,
    pub(crate) inbox: Vec<Envelope>,
    /// Those of this tick, by receiver.
    pub(crate) signals: Vec<Signal>,
    wheel: Wheel<(AgentId, TimerId)>,
    due: Vec<(AgentId, TimerId)>,
    /// Receiver and place, sorted.
    order: Vec<Letter>,
    sorter: Sorter,
    pub(crate) outcome: TickOutcome,
    pub(crate) counts: Counts,
    /// The most messages that one agent was handed in a tick, since somebody looked.
    pub(crate) deepest: u64,
    encoder: StepEncoder,
    wishes: Wishes,
    undo: Vec<u8>,
    input: Vec<u8>,
    apart: BTreeMap<AgentId, Apart>,
    watched: Watched,
    /// Of use only where agents take turns.
    turns: Turns,
    /// Those that failed, as they were after their last good step.
    parked: BTreeMap<AgentId, Parked<A>>,
    /// Of its agents, those that were lost.
    lost: BTreeSet<AgentId>,
    /// And those whose steps nobody can execute.
    opaque: Opaque,
    /// If it is free-running.
    boxes: Option<Box<Boxes>>,
    /// Who has which name in the tick that runs, should names be taken in this run.
    names: Option<Arc<Registry>>,
    /// What all see in the tick that runs.
    space: Option<Arc<Space>>,
    /// Whether there is something that all see.
    sees: bool,
    /// Where it says what it runs, if somebody watches.
    pub(crate) pulse: Option<Arc<Pulse>>,
}

/// Behind all serials.
const NOBODY: AgentId = AgentId(u64::MAX);

/// How many agents each of `schedulers` owns (the last perhaps fewer).
pub(crate) fn share(agents: u64, schedulers: usize) -> u64 {
    agents.div_ceil(schedulers as u64).max(1)
}

impl<A: Agent> Scheduler<A> {
    pub(crate) fn new(
        plan: &Plan<A>,
        number: usize,
        schedulers: usize,
        leases: &[Option<Handle>],
    ) -> Scheduler<A> {
        let mut scheduler = Scheduler::empty(plan, number, schedulers);
        let own = plan.agents.saturating_sub(scheduler.first - 1).min(scheduler.share);
        scheduler.slots.make_room(own as usize);
        for id in scheduler.layout.serials(number, plan.agents) {
            // In a tree they are started one after the other.
            let agent = (!plan.supervised).then(|| (plan.init)(id));
            let lease = leases.get(id.0 as usize - 1).copied().flatten();
            scheduler.slots.push(id, Slot::new(agent, lease, Standing::default()));
        }
        scheduler
    }

    /// A scheduler that has no agents yet.
    fn empty(plan: &Plan<A>, number: usize, schedulers: usize) -> Scheduler<A> {
        let share = share(plan.agents, schedulers);
        let layout = Layout::new(plan.agents, schedulers);
        let mut scheduler = Scheduler::of(1 + number as u64 * share, layout, schedulers, share);
        scheduler.sees = plan.space.is_there();
        scheduler
    }

    fn of(first: u64, layout: Layout, schedulers: usize, share: u64) -> Scheduler<A> {
        Scheduler {
            first,
            number: ((first - 1) / share) as usize,
            slots: Slab::new(layout, first),
            layout,
            origins: Origins::default(),
            outbox: (0..schedulers).map(|_| Vec::new()).collect(),
            share,
            inbox: Vec::new(),
            signals: Vec::new(),
            wheel: Wheel::default(),
            due: Vec::new(),
            order: Vec::new(),
            sorter: Sorter::default(),
            outcome: TickOutcome::default(),
            counts: Counts::default(),
            deepest: 0,
            encoder: StepEncoder::default(),
            wishes: Wishes::default(),
            undo: Vec::new(),
            input: Vec::new(),
            apart: BTreeMap::new(),
            watched: Watched::new(),
            turns: Turns::default(),
            parked: BTreeMap::new(),
            lost: BTreeSet::new(),
            opaque: Opaque::default(),
            boxes: None,
            names: None,
            space: None,
            sees: false,
            pulse: None,
        }
    }

    /// Its agents with their serials; `None` for those that exited.
    pub(crate) fn into_agents(self) -> impl Iterator<Item = (AgentId, Option<A>)> {
        self.slots.into_all().map(|(id, slot)| (id, slot.agent))
    }

    /// Runs all that is due for its agents in `tick`: by receiver; the ends of others first, then
    /// timers, then external inputs, then by lane, sender, sender's step and output. The inbox is
    /// ordered by sender already.
    pub(crate) fn run_tick(&mut self, plan: &Plan<A>, tick: Tick, inbox: &[Envelope]) {
        self.names = plan.names.read();
        self.space = plan.space.read();
        let all_timers = self.timers_due(tick);
        let all_signals = std::mem::take(&mut self.signals);
        let (mut timers, mut signals) = (all_timers.as_slice(), all_signals.as_slice());
        let mut order = std::mem::take(&mut self.order);
        match plan.last.load(Ordering::Relaxed) > plan.agents {
            false => self.sorter.sort(&mut order, inbox, self.first, self.slots.len()),
            true => newborn::by_receiver_and_sender(&mut order, inbox, plan.agents),
        }
        let released = plan.inputs.released(tick).items;
        let behind = self.first + self.slots.len() as u64;
        let from = released.partition_point(|item| item.receiver.0 < self.first);
        let to = released.partition_point(|item| item.receiver.0 < behind);
        let mut inputs = released.get(from..to).unwrap_or_default();
        let mut mail = order.as_slice();
        let called = self.called_upon();
        let mut called = called.as_slice();
        let everybody = plan.inputs.everybody(tick);
        let mut living = everybody.and_then(|_| self.next_living(self.first));
        // Most have nothing but mail: who is next for another reason is found out once for each.
        let mut other = None;
        while self.outcome.error.is_none() {
            let awaited = *other.get_or_insert_with(|| {
                let first = [
                    inputs.first().map(|item| item.receiver),
                    timers.first().map(|(to, _)| *to),
                    signals.first().map(|signal| signal.to),
                    called.first().copied(),
                    living,
                ];
                first.into_iter().flatten().min().unwrap_or(NOBODY)
            });
            let next = mail.first().map_or(NOBODY, |(to, _)| *to).min(awaited);
            if next == NOBODY {
                break;
            }
            let letters = split_front(&mut mail, |letter| letter.0 == next);
            let mut arrivals = Arrivals { letters, inbox, ..Arrivals::NONE };
            if next == awaited {
                other = None;
                called = called.strip_prefix(&[next]).unwrap_or(called);
                if living == Some(next) {
                    living = self.next_living(next.0 + 1);
                }
                arrivals.signals = split_front(&mut signals, |signal| signal.to == next);
                arrivals.timers = split_front(&mut timers, |timer| timer.0 == next);
                arrivals.inputs = split_front(&mut inputs, |item| item.receiver == next);
                arrivals.activation = self.activation(everybody, next);
            }
            if next.0 > plan.agents {
                self.begin_piece(next);
            }
            self.run_one(plan, tick, next, &arrivals);
        }
        self.due = all_timers;
        self.due.clear();
        self.signals = all_signals;
        self.signals.clear();
        self.outcome.timer = self.wheel.soonest(self.outcome.sent == 0).map(Tick);
        self.outcome.held = self.held();
        (self.names, self.space) = (None, None);
        order.clear();
        self.order = order;
    }

    #[inline]
    fn run_one(&mut self, plan: &Plan<A>, tick: Tick, id: AgentId, arrivals: &Arrivals<'_>) {
        // News are among them, which do not count: how many is looked at only where it matters.
        let mut letters = arrivals.letters.len() as u64;
        if letters > self.deepest.min(pressure::begins(&plan.limits)) {
            letters = arrivals.counted();
            self.deepest = self.deepest.max(letters);
        }
        let is_apart = !self.apart.is_empty() && self.apart.contains_key(&id);
        // In a run that sheds nothing, what was held was counted in the ticks in which it came.
        let sheds = plan.limits.shed.is_some();
        let held = if is_apart && sheds { self.held_messages(id) } else { 0 };
        let (kept, admitted);
        let mut arrivals = arrivals;
        if letters + held > pressure::begins(&plan.limits) {
            let Some(letters) = self.admit_mail(plan, tick, id, held, arrivals) else { return };
            kept = letters;
            admitted = Arrivals { letters: &kept, ..*arrivals };
            arrivals = &admitted;
        }
        match is_apart {
            false => self.run_agent(plan, tick, id, &[], arrivals),
            true => self.run_apart(plan, tick, id, arrivals),
        }
    }

    /// Runs what waited for an agent, then what arrives.
    fn run_agent(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        held: &[Held],
        arrivals: &Arrivals<'_>,
    ) {
        let mut emptied = false;
        for held in held {
            emptied = match held {
                Held::Signal(signal) => self.signal(plan, tick, signal, emptied),
                Held::Timer(timer) => self.fire(plan, tick, id, *timer, emptied),
                Held::Birth(by, child) => self.tell_of_birth(plan, tick, (*by, *child), emptied),
                Held::Denied(refused) => self.tell_refused(plan, tick, *refused, emptied),
                Held::Told(by, news) => self.tell_of_output(plan, tick, (*by, news), emptied),
                Held::Input(item) => self.handle_input(plan, tick, id, item, emptied),
                Held::Mail(envelope) => self.handle_mail(plan, tick, id, envelope, emptied),
            };
        }
        for signal in arrivals.signals {
            emptied = self.signal(plan, tick, signal, emptied);
        }
        let hears_first = plan.schedule.hears_first();
        if hears_first {
            for envelope in arrivals.mail() {
                emptied = self.handle_mail(plan, tick, id, envelope, emptied);
            }
        }
        for (_, timer) in arrivals.timers {
            emptied = self.fire(plan, tick, id, *timer, emptied);
        }
        for item in arrivals.inputs() {
            emptied = self.handle_input(plan, tick, id, item, emptied);
        }
        if !hears_first {
            for envelope in arrivals.mail() {
                emptied = self.handle_mail(plan, tick, id, envelope, emptied);
            }
        }
    }

    fn handle_input(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        item: &InputItem,
        emptied: bool,
    ) -> bool {
        let mut payload = std::mem::take(&mut self.input);
        payload.clear();
        plan.inputs.payload(item.index, &mut payload);
        let event = Event::Input { payload: &payload };
        let due = Due { cause: Cause::Input(item.index), event };
        let emptied = self.handle(plan, tick, id, &due, emptied);
        self.input = payload;
        emptied
    }

    #[inline]
    fn handle_mail(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        envelope: &Envelope,
        emptied: bool,
    ) -> bool {
        let What::Message(_) = envelope.what else {
            return self.handle_news(plan, tick, id, envelope, emptied);
        };
        let Envelope { message, payload, .. } = envelope;
        let event = Event::Message { from: message.from, payload };
        self.handle(plan, tick, id, &Due { cause: Cause::Message(*message), event }, emptied)
    }

    /// What became of a wish of its own. Apart from messages, which are many.
    #[cold]
    fn handle_news(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        envelope: &Envelope,
        emptied: bool,
    ) -> bool {
        let due = Due { cause: envelope.cause(), event: envelope.event() };
        self.handle(plan, tick, id, &due, emptied)
    }

    /// Runs one event to its end. Returns whether the rest of the agent's mailbox is gone.
    fn handle(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        due: &Due<'_>,
        emptied: bool,
    ) -> bool {
        let opaque = plan.custody.is_some() && !emptied && self.is_opaque(plan, id, &due.cause);
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else {
            // Nobody has that serial yet.
            self.lose(id, due.cause, Loss::ReceiverGone);
            return emptied;
        };
        let living = slot.agent.as_ref().filter(|_| !emptied && self.outcome.error.is_none());
        let Some(agent) = living else {
            let loss = if emptied { Loss::MailboxEmptied } else { Loss::ReceiverGone };
            self.lose(id, due.cause, loss);
            return emptied;
        };
        apart::note(&mut self.watched, id, &due.cause);
        if plan.schedule.is_sequential() {
            // A step sees what the one before did.
            space::take_effect(&mut self.space, &mut self.outcome.changes);
        }
        let kind = agent.kind();
        let redeliver = match kind.restart_from {
            RestartFrom::Init => None,
            RestartFrom::LastGood { redeliver } => Some(redeliver),
        };
        if redeliver.is_some() {
            self.undo.clear();
            codec::encode(agent, &mut self.undo);
        }
        let mut attempt = 0;
        loop {
            let Some(agent) = slot.agent.as_mut() else { return emptied };
            self.wishes.clear();
            let bound = plan.limits.outputs_per_step;
            let (step, wishes) = (slot.steps, &mut self.wishes);
            let (schedule, names) = (&plan.schedule, self.names.as_deref());
            let space = self.space.as_deref();
            let (me, now, drawn) = (id, tick, 0);
            let mut context =
                Context { me, step, now, wishes, bound, schedule, drawn, names, space };
            let chaos = plan.chaos.kills(id, tick, &due.cause, attempt);
            if let Some(pulse) = &self.pulse {
                pulse.begin(id, &due.cause);
            }
            let outcome = match opaque {
                false => attempt_step(agent, due.event, &mut context, chaos),
                true => recorded_step(plan.custody.as_deref(), &mut context, attempt, chaos),
            };
            if let Some(pulse) = &self.pulse {
                pulse.end();
            }
            let Some(fault) = outcome else {
                slot.steps += 1;
                let lease = slot.lease;
                self.opaque.steps += u64::from(opaque);
                return self.admit(plan, tick, id, step, &due.cause, lease);
            };
            // The step failed: nothing of it is left but the record that it did.
            let (crash, reason) = *fault;
            self.counts.crashes += 1;
            self.outcome.crashes += 1;
            let again = redeliver.is_some_and(|most| attempt < most);
            let supervised = plan.supervises(&self.origins, id);
            let mut decision = match (kind.restart.restarts_after(Exit::Failure), again) {
                // In a tree only its supervisor knows whether it is started again.
                (_, true) if supervised => Decision::Redelivered,
                (_, false) if supervised => Decision::LeftToSupervisor,
                (false, _) => Decision::Stopped,
                (true, true) => Decision::Redelivered,
                (true, false) => Decision::Restarted,
            };
            slot.agent = match (decision, redeliver) {
                (Decision::Stopped, _) | (Decision::LeftToSupervisor, None) => None,
                (_, None) => newborn::anew(plan, &self.origins, id, agent),
                (_, Some(_)) => match agent.restore(&self.undo) {
                    Some(last_good) => Some(last_good),
                    None => {
                        self.outcome.error = Some(RunError::State { agent: id, tick });
                        return emptied;
                    }
                },
            };
            if slot.agent.is_none() && decision == Decision::Restarted {
                // It could not begin again.
                decision = Decision::Stopped;
            }
            let restarts = matches!(decision, Decision::Redelivered | Decision::Restarted);
            let record = Record::Crash { agent: id, step, attempt, kind: crash, decision };
            record.encode(&mut self.outcome.records);
            trace::crashed(id, tick, attempt, crash, decision);
            self.outcome.count += 1;
            if restarts {
                slot.restarts = slot.restarts.saturating_add(1);
                self.counts.restarts += 1;
                self.outcome.restarts += 1;
            }
            if decision == Decision::Redelivered {
                attempt += 1;
                continue;
            }
            slot.steps += 1;
            self.lose(id, due.cause, Loss::Poison);
            let left = match (decision, redeliver) {
                (Decision::LeftToSupervisor, Some(_)) => Left::Resting,
                (Decision::Stopped | Decision::LeftToSupervisor, _) => Left::Nothing,
                (_, None) => Left::Anew,
                (_, Some(_)) => Left::LastGood,
            };
            self.park(id, left);
            let by = Message { from: id, step, output: 0 };
            if opaque {
                self.fail_opaquely(plan, by, crash);
            }
            self.end(by, reason, left);
            return left == Left::Anew;
        }
    }
}
