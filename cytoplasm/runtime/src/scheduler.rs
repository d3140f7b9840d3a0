//! A scheduler: owns a slab of agents and runs their steps, tick by tick.
//!
//! Its agents are a contiguous range of serials, so that what the schedulers write, put one
//! behind the other, is in the order of serials for any number of them; and so that what arrives
//! from them is ordered by sender already.

mod apart;

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use karyon_gate::{Gate, Handle, Request, Rights};
use karyon_log::limits::RECORD_BYTES_MAX;
use karyon_log::{Cause, CrashKind, Decision, Loss, Message, Output, Record, StepEncoder};
use karyon_supervision::Exit;
use karyon_types::{AgentId, Denial, Tick};

use crate::agent::{Agent, Context, Deed, Event, Failure, Payload, RestartFrom, Wish, Wishes};
use crate::chaos::Chaos;
use crate::codec;
use crate::engine::{Counts, Limits};
use crate::error::RunError;
use crate::input::{InputItem, InputSource};
use crate::panics;
use crate::standing::{Standing, Wanted};

pub(crate) use self::apart::Facts;
use self::apart::{Apart, Held};

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) to: AgentId,
    message: Message,
    /// The news that what the sender wanted was denied; `to` is the sender then.
    denial: Option<(Denial, Deed)>,
    payload: Payload,
}

impl Envelope {
    fn cause(&self) -> Cause {
        match self.denial {
            None => Cause::Message(self.message),
            Some(_) => Cause::Denial(self.message),
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
}

/// What a scheduler did in one tick.
#[derive(Default)]
pub(crate) struct TickOutcome {
    /// Its records, encoded, and their number.
    pub(crate) records: Vec<u8>,
    pub(crate) count: u32,
    /// Messages that it sent to be delivered in the next tick.
    pub(crate) sent: u64,
    pub(crate) restarts: u64,
    pub(crate) crashes: u64,
    /// What waits for its paused agents.
    pub(crate) held: u64,
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
    /// Receiver and place in the inbox, sorted.
    order: Vec<(AgentId, u32)>,
    pub(crate) outcome: TickOutcome,
    pub(crate) counts: Counts,
    encoder: StepEncoder,
    wishes: Wishes,
    undo: Vec<u8>,
    input: Vec<u8>,
    apart: BTreeMap<AgentId, Apart>,
    watched: Watched,
}

/// One event, ready to be handled.
struct Due<'a> {
    cause: Cause,
    event: Event<'a>,
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
        let share = share(plan.agents, schedulers);
        let first = 1 + number as u64 * share;
        let last = plan.agents.min(first + share - 1);
        let slots = (first..=last)
            .map(|serial| Slot {
                agent: Some((plan.init)(AgentId(serial))),
                steps: 0,
                lease: leases.get(serial as usize - 1).copied().flatten(),
                restarts: 0,
                standing: Standing::default(),
            })
            .collect();
        Scheduler {
            first,
            slots,
            outbox: (0..schedulers).map(|_| Vec::new()).collect(),
            share,
            inbox: Vec::new(),
            order: Vec::new(),
            outcome: TickOutcome::default(),
            counts: Counts::default(),
            encoder: StepEncoder::default(),
            wishes: Wishes::default(),
            undo: Vec::new(),
            input: Vec::new(),
            apart: BTreeMap::new(),
            watched: Watched::new(),
        }
    }

    /// Its agents in the order of their serials; `None` for those that exited.
    pub(crate) fn into_agents(self) -> Vec<Option<A>> {
        self.slots.into_iter().map(|slot| slot.agent).collect()
    }

    /// Runs all that is due for its agents in `tick`: by receiver, external inputs first, then
    /// by sender, sender's step and output. The inbox is ordered by sender already.
    pub(crate) fn run_tick(&mut self, plan: &Plan<A>, tick: Tick) {
        let inbox = std::mem::take(&mut self.inbox);
        // What is sorted is 16 bytes a message rather than the message. Equal receivers stay in
        // the order of arrival, since no two places are equal.
        let mut order = std::mem::take(&mut self.order);
        order.extend(inbox.iter().zip(0..).map(|(envelope, place)| (envelope.to, place)));
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
            let next = match (inputs.first(), mail.first(), called.first()) {
                (None, None, None) => break,
                (Some(item), None, None) => item.receiver,
                (None, Some((to, _)), None) => *to,
                (Some(item), Some((to, _)), None) => item.receiver.min(*to),
                (item, letter, Some(id)) => {
                    let receivers = [item.map(|item| item.receiver), letter.map(|(to, _)| *to)];
                    receivers.into_iter().flatten().fold(*id, AgentId::min)
                }
            };
            called = called.strip_prefix(&[next]).unwrap_or(called);
            let (now, later) = inputs.split_at(inputs.partition_point(|i| i.receiver == next));
            inputs = later;
            let (letters, later) =
                mail.split_at(mail.iter().take_while(|(to, _)| *to == next).count());
            mail = later;
            let letters = letters.iter().filter_map(|(_, place)| inbox.get(*place as usize));
            if self.apart.is_empty() || !self.apart.contains_key(&next) {
                self.run_agent(plan, tick, next, &[], now, letters);
            } else {
                self.run_apart(plan, tick, next, now, letters);
            }
        }
        self.outcome.held = self.held();
        order.clear();
        self.order = order;
        self.inbox = inbox;
        self.inbox.clear();
    }

    fn run_agent<'a>(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        held: &[Held],
        inputs: &[InputItem],
        mail: impl Iterator<Item = &'a Envelope> + Clone,
    ) {
        let is_message = |envelope: &Envelope| envelope.denial.is_none();
        // What was held was counted in the ticks in which it came.
        let letters = mail.clone().filter(|envelope| is_message(envelope)).count();
        if letters as u64 > plan.limits.messages_per_tick {
            self.outcome.error = Some(RunError::MailboxBound {
                agent: id,
                tick,
                bound: plan.limits.messages_per_tick,
            });
            return;
        }
        let mut emptied = false;
        for held in held {
            emptied = match held {
                Held::Input(item) => self.handle_input(plan, tick, id, item, emptied),
                Held::Mail(envelope) => self.handle_mail(plan, tick, id, envelope, emptied),
            };
        }
        for item in inputs {
            emptied = self.handle_input(plan, tick, id, item, emptied);
        }
        for envelope in mail {
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
        let event = match envelope.denial {
            None => Event::Message { from: envelope.message.from, payload: &envelope.payload },
            Some((denial, deed)) => Event::Denied { deed, denial },
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
        if emptied || slot.agent.is_none() || self.outcome.error.is_some() {
            let loss = if emptied { Loss::MailboxEmptied } else { Loss::ReceiverGone };
            self.lose(id, due.cause, loss);
            return emptied;
        }
        apart::note(&mut self.watched, id, due.cause);
        let redeliver = match A::KIND.restart_from {
            RestartFrom::Init => None,
            RestartFrom::LastGood { redeliver } => Some(redeliver),
        };
        if let (Some(_), Some(agent)) = (redeliver, &slot.agent) {
            self.undo.clear();
            codec::encode(agent, &mut self.undo);
        }
        let mut attempt = 0;
        loop {
            let Some(agent) = slot.agent.as_mut() else { return emptied };
            self.wishes.clear();
            let bound = plan.limits.outputs_per_step;
            let mut context = Context { me: id, now: tick, wishes: &mut self.wishes, bound };
            let chaos = plan.chaos.kills(id, due.cause, attempt);
            let Some(kind) = attempt_step(agent, due.event, &mut context, chaos) else {
                let step = slot.steps;
                slot.steps += 1;
                let lease = slot.lease;
                return self.admit(plan, tick, id, step, due.cause, lease);
            };
            // The step failed: nothing of it is left but the record that it did.
            self.counts.crashes += 1;
            self.outcome.crashes += 1;
            let restarts = A::KIND.restart.restarts_after(Exit::Failure);
            let again = redeliver.is_some_and(|most| attempt < most);
            let decision = match (restarts, again) {
                (false, _) => Decision::Stopped,
                (true, true) => Decision::Redelivered,
                (true, false) => Decision::Restarted,
            };
            let step = slot.steps;
            slot.agent = match (decision, redeliver) {
                (Decision::Stopped, _) => None,
                (_, None) => Some((plan.init)(id)),
                (_, Some(_)) => match codec::decode(&self.undo) {
                    Some(last_good) => Some(last_good),
                    None => {
                        self.outcome.error = Some(RunError::State { agent: id, tick });
                        return emptied;
                    }
                },
            };
            let record = Record::Crash { agent: id, step, attempt, kind, decision };
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
            return decision == Decision::Restarted && redeliver.is_none();
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
        for (index, wish) in outputs.drain(..).enumerate() {
            let message = Message { from: id, step, output: index as u16 };
            let (right, target) = match &wish {
                Wish::Send(to, _) => (Rights::SEND, to.0),
                // An agent remembers under its own name.
                Wish::Remember { .. } => (Rights::REMEMBER, id.0),
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
                        Ok(_) => self.send(to, message, payload),
                        Err(denial) => {
                            self.counts.denied += 1;
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
            }
        }
        // Their space is used again by the next step.
        memory.clear();
        self.wishes.outputs = outputs;
        self.wishes.memory = memory;
        if self.wishes.exit {
            self.encoder.output(&Output::Exit);
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
        self.wishes.exit && self.exit(plan, id)
    }

    #[inline]
    fn send(&mut self, to: AgentId, message: Message, payload: Payload) {
        // The gate's scope ends with the last agent, so the scheduler exists.
        let scheduler = ((to.0 - 1) / self.share) as usize;
        if let Some(outbox) = self.outbox.get_mut(scheduler) {
            outbox.push(Envelope { to, message, denial: None, payload });
            self.outcome.sent += 1;
        }
    }

    /// Tells the agent in the next tick what it was denied.
    fn tell(&mut self, message: Message, denial: Denial, deed: Deed) {
        let mine = ((message.from.0 - 1) / self.share) as usize;
        if let Some(outbox) = self.outbox.get_mut(mine) {
            let denial = Some((denial, deed));
            outbox.push(Envelope { to: message.from, message, denial, payload: Payload::new() });
            self.outcome.sent += 1;
        }
    }

    /// An agent ended itself. Returns whether its mailbox is gone because it began anew.
    fn exit(&mut self, plan: &Plan<A>, id: AgentId) -> bool {
        let again = A::KIND.restart.restarts_after(Exit::Normal);
        if let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) {
            slot.agent = again.then(|| (plan.init)(id));
            slot.restarts = slot.restarts.saturating_add(u32::from(again));
        }
        if again {
            self.counts.restarts += 1;
            self.outcome.restarts += 1;
        }
        again
    }

    fn lose(&mut self, agent: AgentId, cause: Cause, loss: Loss) {
        Record::DeadLetter { agent, cause, loss }.encode(&mut self.outcome.records);
        self.outcome.count += 1;
        match cause {
            Cause::Message(_) => self.counts.dead_lettered += 1,
            Cause::Input(_) => self.counts.inputs_lost += 1,
            // The news of a denial; the denial itself is counted.
            Cause::Denial(_) => {}
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
) -> Option<CrashKind> {
    let quiet = panics::quiet();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let outcome = agent.handle(event, context);
        if chaos {
            // After the step changed its state and made its outputs: the hardest moment.
            resume_unwind(Box::new(ChaosStrikes));
        }
        outcome
    }));
    drop(quiet);
    classify(outcome)
}

#[inline]
fn classify(outcome: Result<Result<(), Failure>, Box<dyn Any + Send>>) -> Option<CrashKind> {
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => {
            panics::note(&failure.0);
            Some(CrashKind::Error)
        }
        Err(thrown) if thrown.is::<ChaosStrikes>() => Some(CrashKind::Chaos),
        Err(_) => Some(CrashKind::Panic),
    }
}
