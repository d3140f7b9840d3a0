//! A scheduler: owns a slab of agents and runs their steps, tick by tick.
//!
//! Its agents are a contiguous range of serials, so that what the schedulers write, put one
//! behind the other, is in the order of serials for any number of them; and so that what arrives
//! from them is ordered by sender already.

mod apart;
mod life;
mod mailbox;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use karyon_arrangements::{Arrangement, ExitReason, Lane, TimerId};
use karyon_gate::{Gate, Handle, Request, Rights};
use karyon_log::limits::RECORD_BYTES_MAX;
use karyon_log::{Cause, CrashKind, Decision, Loss, Message, Output, Record, StepEncoder};
use karyon_supervision::Exit;
use karyon_types::{AgentId, Denial, Tick};

use crate::agent::{Agent, Context, Deed, Event, Failure, Payload, RestartFrom, Wish, Wishes};
use crate::bonds::{BondChange, Left, Signal};
use crate::chaos::Chaos;
use crate::codec;
use crate::engine::{Counts, Limits};
use crate::error::RunError;
use crate::input::{InputItem, InputSource};
use crate::panics;
use crate::pressure::{self, Refused};
use crate::standing::{Standing, Wanted};
use crate::watchdog::Pulse;
use crate::wheel::Wheel;

pub(crate) use self::apart::Facts;
use self::apart::{Apart, Held};
pub use self::life::{BONDS_PER_AGENT, TIMER_TICKS_MAX, TIMERS_PER_AGENT};
use self::life::{Life, exit_of};
use self::mailbox::Letter;

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) to: AgentId,
    message: Message,
    what: What,
    payload: Payload,
}

/// What an envelope brings. The news of what became of a wish goes to whoever had it.
#[derive(Clone, Copy)]
enum What {
    Message(Lane),
    Denied(Denial, Deed),
    /// By the one to whom it was sent.
    Refused(AgentId, Refused),
}

impl Envelope {
    fn cause(&self) -> Cause {
        match self.what {
            What::Message(_) => Cause::Message(self.message),
            What::Denied(..) | What::Refused(..) => Cause::Denial(self.message),
        }
    }

    /// In which lane it waits.
    fn lane(&self) -> Lane {
        match self.what {
            What::Message(lane) => lane,
            What::Denied(..) | What::Refused(..) => Lane::Normal,
        }
    }

    /// Its lane, if it counts against the mailbox's bound.
    fn counted(&self) -> Option<Lane> {
        match self.what {
            What::Message(lane) => Some(lane),
            What::Denied(..) | What::Refused(..) => None,
        }
    }
}

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

/// What a scheduler did in one tick.
#[derive(Default)]
pub(crate) struct TickOutcome {
    /// Its records, encoded, and their number.
    pub(crate) records: Vec<u8>,
    pub(crate) count: u32,
    /// Messages that it sent to be delivered in the next tick.
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    pub(crate) restarts: u64,
    pub(crate) crashes: u64,
    /// Who was bound to whom, and who ended, in the order in which it happened.
    pub(crate) bonds: Vec<BondChange>,
    /// The first tick at which a timer fires; exact if nothing was sent.
    pub(crate) timer: Option<Tick>,
    /// The other way: the leader's signals for the next tick, by receiver.
    pub(crate) signals: Vec<Signal>,
    pub(crate) error: Option<RunError>,
}

/// What all schedulers share and none changes.
pub(crate) struct Plan<A> {
    pub(crate) gate: Arc<Gate>,
    pub(crate) inputs: Arc<dyn InputSource>,
    pub(crate) init: Arc<dyn Fn(AgentId) -> A + Send + Sync>,
    pub(crate) chaos: Chaos,
    pub(crate) limits: Limits,
    /// Agents are numbered from 1 to this.
    pub(crate) agents: u64,
}

pub(crate) struct Scheduler<A> {
    /// The serial of its first agent.
    first: u64,
    slots: Vec<Slot<A>>,
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
    pub(crate) outcome: TickOutcome,
    pub(crate) counts: Counts,
    encoder: StepEncoder,
    wishes: Wishes,
    undo: Vec<u8>,
    input: Vec<u8>,
    apart: BTreeMap<AgentId, Apart>,
    watched: Watched,
    /// Of its agents, those that were lost.
    lost: BTreeSet<AgentId>,
    /// Where it says what it runs, if somebody watches.
    pub(crate) pulse: Option<Arc<Pulse>>,
}

/// One event, ready to be handled.
struct Due<'a> {
    cause: Cause,
    event: Event<'a>,
}

/// What arrives for one agent in one tick, in the order in which it is handled.
struct Arrivals<'a> {
    signals: &'a [Signal],
    timers: &'a [(AgentId, TimerId)],
    inputs: &'a [InputItem],
    letters: &'a [Letter],
    inbox: &'a [Envelope],
}

impl<'a> Arrivals<'a> {
    const NONE: Arrivals<'static> =
        Arrivals { signals: &[], timers: &[], inputs: &[], letters: &[], inbox: &[] };

    fn mail(&self) -> impl Iterator<Item = &'a Envelope> + use<'a> {
        let inbox = self.inbox;
        self.letters.iter().filter_map(move |letter| inbox.get(mailbox::place(letter)))
    }
}

/// Splits off what lies in front and is one agent's.
#[inline]
fn split_front<'a, T>(items: &mut &'a [T], is_its: impl Fn(&T) -> bool) -> &'a [T] {
    let (its, later) = items.split_at(items.iter().take_while(|item| is_its(item)).count());
    *items = later;
    its
}

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
        Scheduler::with(plan, number, schedulers, |id| Some((plan.init)(id)), leases)
    }

    /// A scheduler of nobody, for the while in which another holds the place.
    pub(crate) fn nobody() -> Scheduler<A> {
        Scheduler::of(1, Vec::new(), 0, 1)
    }

    fn with(
        plan: &Plan<A>,
        number: usize,
        schedulers: usize,
        agent: impl Fn(AgentId) -> Option<A>,
        leases: &[Option<Handle>],
    ) -> Scheduler<A> {
        let share = share(plan.agents, schedulers);
        let first = 1 + number as u64 * share;
        let last = plan.agents.min(first + share - 1);
        let slots = (first..=last)
            .map(|serial| Slot {
                agent: agent(AgentId(serial)),
                steps: 0,
                lease: leases.get(serial as usize - 1).copied().flatten(),
                restarts: 0,
                standing: Standing::default(),
                life: None,
            })
            .collect();
        Scheduler::of(first, slots, schedulers, share)
    }

    fn of(first: u64, slots: Vec<Slot<A>>, schedulers: usize, share: u64) -> Scheduler<A> {
        Scheduler {
            first,
            slots,
            outbox: (0..schedulers).map(|_| Vec::new()).collect(),
            share,
            inbox: Vec::new(),
            signals: Vec::new(),
            wheel: Wheel::default(),
            due: Vec::new(),
            order: Vec::new(),
            outcome: TickOutcome::default(),
            counts: Counts::default(),
            encoder: StepEncoder::default(),
            wishes: Wishes::default(),
            undo: Vec::new(),
            input: Vec::new(),
            apart: BTreeMap::new(),
            watched: Watched::new(),
            lost: BTreeSet::new(),
            pulse: None,
        }
    }

    /// Its agents in the order of their serials; `None` for those that exited.
    pub(crate) fn into_agents(self) -> Vec<Option<A>> {
        self.slots.into_iter().map(|slot| slot.agent).collect()
    }

    /// Runs all that is due for its agents in `tick`: by receiver; the ends of others first, then
    /// timers, then external inputs, then by lane, sender, sender's step and output. The inbox is
    /// ordered by sender already.
    pub(crate) fn run_tick(&mut self, plan: &Plan<A>, tick: Tick, inbox: &[Envelope]) {
        let all_timers = self.timers_due(tick);
        let all_signals = std::mem::take(&mut self.signals);
        let (mut timers, mut signals) = (all_timers.as_slice(), all_signals.as_slice());
        // What is sorted is 16 bytes a message rather than the message. Equal receivers stay in
        // the order of arrival, since no two places are equal.
        let mut order = std::mem::take(&mut self.order);
        order.extend(
            inbox.iter().zip(0..).map(|(envelope, place)| mailbox::letter(envelope, place)),
        );
        order.sort_unstable();
        let released = plan.inputs.released(tick).items;
        let behind = self.first + self.slots.len() as u64;
        let from = released.partition_point(|item| item.receiver.0 < self.first);
        let to = released.partition_point(|item| item.receiver.0 < behind);
        let mut inputs = released.get(from..to).unwrap_or_default();
        let mut mail = order.as_slice();
        let called = self.called_upon();
        let mut called = called.as_slice();
        while self.outcome.error.is_none() {
            let first = [
                inputs.first().map(|item| item.receiver),
                mail.first().map(|(to, _)| *to),
                timers.first().map(|(to, _)| *to),
                signals.first().map(|signal| signal.to),
                called.first().copied(),
            ];
            let Some(next) = first.into_iter().flatten().min() else { break };
            called = called.strip_prefix(&[next]).unwrap_or(called);
            let arrivals = Arrivals {
                signals: split_front(&mut signals, |signal| signal.to == next),
                timers: split_front(&mut timers, |timer| timer.0 == next),
                inputs: split_front(&mut inputs, |item| item.receiver == next),
                letters: split_front(&mut mail, |letter| letter.0 == next),
                inbox,
            };
            if self.apart.is_empty() || !self.apart.contains_key(&next) {
                self.run_agent(plan, tick, next, &[], &arrivals);
            } else {
                self.run_apart(plan, tick, next, &arrivals);
            }
        }
        self.due = all_timers;
        self.due.clear();
        self.signals = all_signals;
        self.signals.clear();
        self.outcome.timer = self.wheel.soonest(self.outcome.sent == 0).map(Tick);
        order.clear();
        self.order = order;
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
        let letters = held.iter().filter(|held| held.is_message()).count()
            + arrivals.mail().filter(|envelope| envelope.counted().is_some()).count();
        let bound = plan.limits.messages_per_tick;
        let (kept, admitted);
        let mut arrivals = arrivals;
        if letters as u64 > pressure::begins(&plan.limits) {
            if plan.limits.shed.is_none() {
                self.outcome.error = Some(RunError::MailboxBound { agent: id, tick, bound });
                return;
            }
            // What waited was admitted when it came, and then nothing comes with it.
            let Some(letters) = self.admit_mail(plan, tick, id, 0, arrivals) else { return };
            kept = letters;
            admitted = Arrivals { letters: &kept, ..*arrivals };
            arrivals = &admitted;
        }
        let mut emptied = false;
        for held in held {
            emptied = match held {
                Held::Signal(signal) => self.signal(plan, tick, signal, emptied),
                Held::Timer(timer) => self.fire(plan, tick, id, *timer, emptied),
                Held::Input(item) => self.handle_input(plan, tick, id, item, emptied),
                Held::Mail(envelope) => self.handle_mail(plan, tick, id, envelope, emptied),
            };
        }
        for signal in arrivals.signals {
            emptied = self.signal(plan, tick, signal, emptied);
        }
        for (_, timer) in arrivals.timers {
            emptied = self.fire(plan, tick, id, *timer, emptied);
        }
        for item in arrivals.inputs {
            emptied = self.handle_input(plan, tick, id, item, emptied);
        }
        for envelope in arrivals.mail() {
            emptied = self.handle_mail(plan, tick, id, envelope, emptied);
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
        let event = match envelope.what {
            What::Message(_) => {
                Event::Message { from: envelope.message.from, payload: &envelope.payload }
            }
            What::Denied(denial, deed) => Event::Denied { deed, denial },
            What::Refused(to, why) => Event::Refused { to, why },
        };
        self.handle(plan, tick, id, &Due { cause: envelope.cause(), event }, emptied)
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
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else {
            return emptied;
        };
        let living = slot.agent.as_ref().filter(|_| !emptied && self.outcome.error.is_none());
        let Some(agent) = living else {
            let loss = if emptied { Loss::MailboxEmptied } else { Loss::ReceiverGone };
            self.lose(id, due.cause, loss);
            return emptied;
        };
        apart::note(&mut self.watched, id, due.cause);
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
            let mut context = Context { me: id, step, now: tick, wishes, bound };
            let chaos = plan.chaos.kills(id, tick, due.cause, attempt);
            if let Some(pulse) = &self.pulse {
                pulse.begin(id, due.cause);
            }
            let outcome = attempt_step(agent, due.event, &mut context, chaos);
            if let Some(pulse) = &self.pulse {
                pulse.end();
            }
            let Err((crash, reason)) = outcome else {
                slot.steps += 1;
                let lease = slot.lease;
                return self.admit(plan, tick, id, step, due.cause, lease);
            };
            // The step failed: nothing of it is left but the record that it did.
            self.counts.crashes += 1;
            self.outcome.crashes += 1;
            let restarts = kind.restart.restarts_after(Exit::Failure);
            let again = redeliver.is_some_and(|most| attempt < most);
            let decision = match (restarts, again) {
                (false, _) => Decision::Stopped,
                (true, true) => Decision::Redelivered,
                (true, false) => Decision::Restarted,
            };
            slot.agent = match (decision, redeliver) {
                (Decision::Stopped, _) => None,
                (_, None) => Some((plan.init)(id)),
                (_, Some(_)) => match agent.restore(&self.undo) {
                    Some(last_good) => Some(last_good),
                    None => {
                        self.outcome.error = Some(RunError::State { agent: id, tick });
                        return emptied;
                    }
                },
            };
            let record = Record::Crash { agent: id, step, attempt, kind: crash, decision };
            record.encode(&mut self.outcome.records);
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
            let left = match (restarts, redeliver) {
                (false, _) => Left::Nothing,
                (true, None) => Left::Anew,
                (true, Some(_)) => Left::LastGood,
            };
            self.end(Message { from: id, step, output: 0 }, reason, left);
            return left == Left::Anew;
        }
    }

    /// Admits what a good step wants, and records the step. Returns whether the mailbox is gone.
    fn admit(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        step: u64,
        cause: Cause,
        lease: Option<Handle>,
    ) -> bool {
        let limits = plan.limits;
        let wished = self.wishes.count;
        if wished > limits.outputs_per_step {
            let bound = limits.outputs_per_step;
            self.outcome.error = Some(RunError::OutputBound { agent: id, tick, bound });
            return false;
        }
        self.encoder.begin(id, step, cause, wished as usize);
        let mut outputs = std::mem::take(&mut self.wishes.outputs);
        let mut memory = std::mem::take(&mut self.wishes.memory);
        let mut begin = 0;
        let mut lane = Lane::Normal;
        for (index, wish) in outputs.drain(..).enumerate() {
            let message = Message { from: id, step, output: index as u16 };
            let (right, target) = match &wish {
                Wish::Send(to, _) => (mailbox::right(lane), to.0),
                Wish::Lane(next) => {
                    lane = *next;
                    self.enter_lane(id, lane);
                    continue;
                }
                // An agent remembers under its own name.
                Wish::Remember { .. } => (Rights::REMEMBER, id.0),
                Wish::Arrange { end } => {
                    let what = memory.get(begin..*end).unwrap_or_default();
                    self.arrange(plan, tick, message, lease, what);
                    begin = *end;
                    continue;
                }
            };
            let request = Request { agent: id, right, target, now: tick };
            let decision = plan.gate.check(lease, &request);
            let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { break };
            let mut record = |wanted: Wanted<'_>| {
                slot.standing.record(
                    &mut self.encoder,
                    decision,
                    limits.log_bytes_per_lease,
                    wanted,
                )
            };
            match wish {
                Wish::Send(to, payload) => {
                    let deed = Deed::Send(to);
                    let decision = record(Wanted { deed, bytes: &payload });
                    self.counts.sent += 1;
                    match decision {
                        Ok(_) => self.send(to, message, std::mem::take(&mut lane), payload),
                        Err(denial) => {
                            self.counts.denied += 1;
                            lane = Lane::Normal;
                            self.tell(message, denial, deed);
                        }
                    }
                }
                Wish::Remember { end } => {
                    let deed = Deed::Remember;
                    let bytes = memory.get(begin..end).unwrap_or_default();
                    begin = end;
                    match record(Wanted { deed, bytes }) {
                        Ok(_) => self.counts.remembered += 1,
                        Err(denial) => {
                            self.counts.forgone += 1;
                            self.tell(message, denial, deed);
                        }
                    }
                }
                Wish::Arrange { .. } | Wish::Lane(_) => {}
            }
        }
        // Their space is used again by the next step.
        memory.clear();
        self.wishes.outputs = outputs;
        self.wishes.memory = memory;
        let exit = self.wishes.exit.take();
        match &exit {
            None => {}
            Some(ExitReason::Normal) => self.encoder.output(&Output::Exit),
            Some(reason) => {
                let mut what = Vec::new();
                Arrangement::Exit(reason.clone()).encode(&mut what);
                self.encoder.output(&Output::Arranged { lease: None, what: &what });
            }
        }
        if self.encoder.len() > RECORD_BYTES_MAX {
            self.outcome.error = Some(RunError::RecordBound { agent: id, tick });
            return false;
        }
        self.encoder.finish(&mut self.outcome.records);
        self.outcome.count += 1;
        self.counts.steps += 1;
        if let Cause::Message(_) = cause {
            self.counts.delivered += 1;
        }
        exit.is_some_and(|reason| {
            let by = Message { from: id, step, output: wished.saturating_sub(1) as u16 };
            self.exit(plan, by, reason)
        })
    }

    #[inline]
    fn send(&mut self, to: AgentId, message: Message, lane: Lane, payload: Payload) {
        // The gate's scope ends with the last agent, so the scheduler exists.
        let scheduler = ((to.0 - 1) / self.share) as usize;
        if let Some(outbox) = self.outbox.get_mut(scheduler) {
            outbox.push(Envelope { to, message, what: What::Message(lane), payload });
            self.outcome.sent += 1;
        }
    }

    /// Tells the agent in the next tick what it was denied.
    fn tell(&mut self, message: Message, denial: Denial, deed: Deed) {
        let mine = ((message.from.0 - 1) / self.share) as usize;
        if let Some(outbox) = self.outbox.get_mut(mine) {
            let (to, what) = (message.from, What::Denied(denial, deed));
            outbox.push(Envelope { to, message, what, payload: Payload::new() });
            self.outcome.sent += 1;
        }
    }

    /// An agent ended itself. Returns whether its mailbox is gone because it began anew.
    fn exit(&mut self, plan: &Plan<A>, by: Message, reason: ExitReason) -> bool {
        let id = by.from;
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return false };
        let again = slot
            .agent
            .as_ref()
            .is_some_and(|agent| agent.kind().restart.restarts_after(exit_of(&reason)));
        slot.agent = again.then(|| (plan.init)(id));
        slot.restarts = slot.restarts.saturating_add(u32::from(again));
        if again {
            self.counts.restarts += 1;
            self.outcome.restarts += 1;
        }
        self.end(by, reason, if again { Left::Anew } else { Left::Nothing });
        again
    }

    fn lose(&mut self, agent: AgentId, cause: Cause, loss: Loss) {
        Record::DeadLetter { agent, cause, loss }.encode(&mut self.outcome.records);
        self.outcome.count += 1;
        match cause {
            Cause::Message(_) if loss == Loss::Refused => {}
            Cause::Message(_) => self.counts.dead_lettered += 1,
            Cause::Input(_) => self.counts.inputs_lost += 1,
            // The news of a denial, or of an end, and a timer; whence they come is counted.
            Cause::Denial(_) | Cause::Timer(_) | Cause::Down(_) | Cause::Exit(_) => {}
        }
    }
}

/// What chaos throws: no message, no hook.
struct ChaosStrikes;

/// Runs a step; how it failed, if it did. What the agent and the context hold then is void.
fn attempt_step<A: Agent>(
    agent: &mut A,
    event: Event<'_>,
    context: &mut Context<'_>,
    chaos: bool,
) -> Result<(), (CrashKind, ExitReason)> {
    let quiet = panics::quiet();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let outcome = agent.handle(event, context);
        if chaos && outcome.is_ok() {
            // After the step changed its state and made its outputs: the hardest moment. A step
            // that failed by itself did, with chaos and without: others may hear why.
            resume_unwind(Box::new(ChaosStrikes));
        }
        outcome
    }));
    drop(quiet);
    classify(outcome)
}

#[inline]
fn classify(
    outcome: Result<Result<(), Failure>, Box<dyn Any + Send>>,
) -> Result<(), (CrashKind, ExitReason)> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            panics::note(&failure.0);
            Err((CrashKind::Error, ExitReason::failure(&failure.0)))
        }
        Err(thrown) if thrown.is::<ChaosStrikes>() => {
            Err((CrashKind::Chaos, ExitReason::failure("chaos")))
        }
        // What a panic says may name lines and addresses: no other agent may rest on it.
        Err(_) => Err((CrashKind::Panic, ExitReason::failure("panic"))),
    }
}
