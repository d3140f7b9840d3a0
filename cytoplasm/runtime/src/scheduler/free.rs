//! A scheduler that is free-running: it runs its agents as something reaches them.
//!
//! Between two epochs each message lies in a mailbox, and bonds, births and orders are seen to as
//! between two ticks. Within one a scheduler takes turns with its agents, hands over what is for
//! others in batches, and makes its records visible before what they caused.

use karyon_arrangements::{Bond, Lane};
use karyon_log::{Cause, CrashKind, Loss};
use karyon_types::{AgentId, Tick};

use super::apart::{End, Held};
use super::attempt::attempt_step;
use super::boxes::{Boxes, Posted};
use super::newborn::{birth_event, refused_event};
use super::told::told_event;
use super::{Due, Envelope, Plan, Scheduler};
use crate::agent::{Agent, Context, Event, Wishes};
use crate::bonds::{BondChange, Left, Signal};
use crate::codec;
use crate::epoch::Epoch;
use crate::input::InputItem;
use crate::pressure::{Refused, room};

/// Events that an agent handles before others have a turn: enough that changing costs little.
const EVENTS_PER_TURN: usize = 32;
/// Turns behind which a scheduler looks up: at the clock, and at what was handed over to it.
const TURNS_PER_ROUND: usize = 64;
/// Letters for one scheduler that are handed over at once; fewer, where a round ends before.
const BATCH: usize = 128;

/// Why a message of this lane finds none: nothing but its lane, so that the log need not say it.
fn why(lane: Lane) -> Refused {
    match lane {
        Lane::Critical | Lane::Normal => Refused::MailboxFull,
        Lane::Speculative => Refused::LaneClosed,
    }
}

impl<A: Agent> Scheduler<A> {
    fn boxes(&mut self) -> &mut Boxes {
        let (first, own) = (self.first, self.slots.len() as u64);
        self.boxes.get_or_insert_with(|| Box::new(Boxes::new(first, own)))
    }

    fn lives(&self, id: AgentId) -> bool {
        self.slot(id).is_some_and(|slot| slot.agent.is_some())
    }

    /// From now on what comes next is what the log says, or not any more.
    pub(crate) fn follow_log(&mut self, follows: bool) {
        self.boxes().follows = follows;
    }

    /// An external input of the epoch that begins.
    pub(crate) fn take_input(&mut self, item: InputItem) {
        self.boxes().inputs.push(item);
    }

    /// Brings to mailboxes what an epoch begins with: timers that are due, the ends of others,
    /// births, inputs. Between the ends and the inputs it does what was ordered.
    pub(crate) fn begin_epoch(&mut self, plan: &Plan<A>, tick: Tick) {
        self.names = plan.names.read();
        while let Some(due) = self.wheel.soonest(true).filter(|due| *due <= tick.0) {
            for (id, timer) in self.timers_due(Tick(due)) {
                self.deposit(id, Held::Timer(timer));
            }
        }
        // What is armed from now on is measured from here.
        drop(self.timers_due(tick));
        for signal in std::mem::take(&mut self.signals) {
            self.notify(signal);
        }
        for id in self.called_upon() {
            self.see_to(id);
        }
        for item in std::mem::take(&mut self.boxes().inputs) {
            self.deposit(item.receiver, Held::Input(item));
        }
    }

    /// The news of an end reaches an agent: here is decided what it is to it, as in OTP.
    fn notify(&mut self, signal: Signal) {
        let Some(slot) = self.slots.get_mut(signal.to.0.wrapping_sub(self.first) as usize) else {
            return self.lose(
                signal.to,
                Held::Signal(signal.clone()).cause(signal.to),
                Loss::ReceiverGone,
            );
        };
        let traps = slot.life.as_ref().is_some_and(|life| life.traps());
        if signal.bond == Bond::Link && signal.reason.is_normal() && !traps {
            // It harms nobody, and nobody hears of it.
            return slot.life.iter_mut().for_each(|life| life.unbind(signal.bond, signal.who));
        }
        self.deposit(signal.to, Held::Signal(signal));
    }

    /// What was done with an agent between two epochs.
    fn see_to(&mut self, id: AgentId) {
        let Some(mut apart) = self.apart.remove(&id) else { return };
        for birth in std::mem::take(&mut apart.held) {
            self.deposit(id, birth);
        }
        if std::mem::take(&mut apart.emptied) {
            let loss = if self.lives(id) { Loss::MailboxEmptied } else { Loss::ReceiverGone };
            self.empty_box(id, Left::Nothing, loss);
        }
        if self.boxes().follows && !apart.ended().is_empty() {
            // The log says when.
            self.apart.insert(id, apart);
            return;
        }
        while let Some(end) = apart.next_ended() {
            self.end_ordered(id, end);
        }
        if apart.paused {
            self.apart.insert(id, apart);
        } else {
            self.boxes().call(id);
        }
    }

    /// Records that an agent was ended between two epochs.
    fn end_ordered(&mut self, id: AgentId, end: End) {
        let End { crash, fall, reason } = end;
        self.record_crash(id, crash, fall.decision);
        let loss = match fall.left {
            Left::Nothing | Left::Resting => Loss::ReceiverGone,
            Left::Anew | Left::LastGood => Loss::MailboxEmptied,
        };
        self.empty_box(id, fall.left, loss);
        self.record_end(id, reason, fall.left);
        self.boxes().urgent = true;
    }

    /// Empties a mailbox, but for what is for whatever is left of its agent.
    fn empty_box(&mut self, id: AgentId, left: Left, loss: Loss) {
        if left != Left::LastGood {
            self.boxes().forget_timers(id, None);
        }
        if self.boxes().follows {
            let emptied = (loss == Loss::MailboxEmptied).then_some(left);
            self.boxes().of(id).emptied = emptied;
            return;
        }
        let mut kept = Vec::new();
        while let Some(held) = self.boxes().pop(id) {
            match held.survives(left) {
                true => kept.push(held),
                false => self.lose(id, held.cause(id), loss),
            }
        }
        for held in kept {
            self.boxes().push(id, held);
        }
    }

    /// Something for which a place is kept reaches an agent.
    fn deposit(&mut self, id: AgentId, held: Held) {
        if self.boxes().follows {
            return self.boxes().push(id, held);
        }
        if !self.lives(id) {
            return match held {
                // One that is not armed any more does not fire.
                Held::Timer(_) => {}
                Held::Signal(_)
                | Held::Input(_)
                | Held::Mail(_)
                | Held::Birth(..)
                | Held::Denied(_)
                | Held::Told(..) => {
                    self.lose(id, held.cause(id), Loss::ReceiverGone);
                }
            };
        }
        self.boxes().push(id, held);
        if self.apart.is_empty() || !self.is_paused(id) {
            self.boxes().call(id);
        }
    }

    /// A letter reaches its mailbox, or is refused.
    pub(crate) fn receive(&mut self, plan: &Plan<A>, envelope: Envelope) {
        let id = envelope.to;
        if let Some(lane) = envelope.counted()
            && !self.boxes().follows
            && u64::from(self.boxes().of(id).counted) >= room(&plan.limits, lane)
            && self.lives(id)
        {
            return self.refuse(id, envelope.message, why(lane));
        }
        self.deposit(id, Held::Mail(envelope));
    }

    /// What its agents sent each other reaches its mailbox, or is refused: as `receive`, but that
    /// it stays where it lies.
    fn receive_posted(&mut self, plan: &Plan<A>, posted: Posted) {
        let id = posted.to;
        let lives = self.lives(id);
        let boxes = self.boxes();
        let refuses =
            |lane: &Lane| lives && u64::from(boxes.of(id).counted) >= room(&plan.limits, *lane);
        let refused = posted.counted.filter(refuses);
        if lives && refused.is_none() {
            boxes.accept(posted);
            if self.apart.is_empty() || !self.is_paused(id) {
                self.boxes().call(id);
            }
            return;
        }
        match (boxes.decline(posted), refused) {
            (Some(Held::Mail(envelope)), Some(lane)) => {
                self.refuse(id, envelope.message, why(lane));
            }
            (Some(held), _) => self.lose(id, held.cause(id), Loss::ReceiverGone),
            (None, _) => {}
        }
    }

    /// What its agents sent each other reaches them; whether there was something.
    pub(crate) fn deliver_posted(&mut self, plan: &Plan<A>) -> bool {
        let mut any = false;
        while let Some(posted) = self.boxes().next_posted() {
            any = true;
            self.receive_posted(plan, posted);
        }
        any
    }

    /// Runs its agents until the epoch is over.
    pub(crate) fn run_epoch(&mut self, plan: &Plan<A>, tick: Tick, number: usize, epoch: &Epoch) {
        self.begin_epoch(plan, tick);
        let mut letters = Vec::new();
        loop {
            epoch.take(number, &mut letters);
            letters.drain(..).for_each(|envelope| self.receive(plan, envelope));
            self.deliver_posted(plan);
            for _ in 0..TURNS_PER_ROUND {
                if epoch.is_over() {
                    break;
                }
                let Some(id) = self.boxes().next() else { break };
                // Since it was called it was paused.
                if !self.apart.is_empty() && self.is_paused(id) {
                    continue;
                }
                self.turn(plan, tick, id);
                let is_full = self.outbox.iter().any(|outbox| outbox.len() >= BATCH);
                if is_full || self.boxes().urgent || self.outcome.error.is_some() {
                    break;
                }
            }
            if self.outcome.error.is_some() {
                // Nothing of the epoch is kept.
                return epoch.end();
            }
            self.hand_over(number, epoch);
            if self.boxes().urgent {
                epoch.end();
            }
            epoch.look_at_the_clock();
            if epoch.is_over() || self.boxes().ready.is_empty() && !epoch.wait(number) {
                return;
            }
        }
    }

    /// Makes its records visible, and then hands over what they caused.
    fn hand_over(&mut self, number: usize, epoch: &Epoch) {
        epoch.record(&mut self.outcome);
        for (to, outbox) in self.outbox.iter_mut().enumerate() {
            if to != number && !outbox.is_empty() {
                epoch.hand_over(to, outbox);
            }
        }
    }

    /// Lets an agent handle some of what waits for it.
    fn turn(&mut self, plan: &Plan<A>, tick: Tick, id: AgentId) {
        self.deepest = self.deepest.max(u64::from(self.boxes().of(id).counted));
        for _ in 0..EVENTS_PER_TURN {
            let Some(held) = self.boxes().pop(id) else { return };
            self.process(plan, tick, id, &held);
            self.deliver_posted(plan);
            if self.outcome.error.is_some() {
                return;
            }
        }
        self.boxes().call(id);
    }

    /// Runs one event to its end, and sees to what follows for mailboxes.
    fn process(&mut self, plan: &Plan<A>, tick: Tick, id: AgentId, held: &Held) {
        let bonds = self.outcome.bonds.len();
        match held {
            // It trapped exits when the news came.
            Held::Signal(signal) if signal.bond == Bond::Link && signal.reason.is_normal() => {
                if let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) {
                    slot.life.iter_mut().for_each(|life| life.unbind(signal.bond, signal.who));
                }
                let event = Event::Exit { from: signal.who, reason: &signal.reason };
                self.handle(plan, tick, id, &Due { cause: Cause::Exit(signal.by), event }, false);
            }
            Held::Signal(signal) => drop(self.signal(plan, tick, signal, false)),
            Held::Timer(timer) => drop(self.fire(plan, tick, id, *timer, false)),
            Held::Birth(by, child) => drop(self.tell_of_birth(plan, tick, (*by, *child), false)),
            Held::Denied(refused) => drop(self.tell_refused(plan, tick, *refused, false)),
            Held::Told(by, news) => drop(self.tell_of_output(plan, tick, (*by, news), false)),
            Held::Input(item) => drop(self.handle_input(plan, tick, id, item, false)),
            Held::Mail(envelope) => drop(self.handle_mail(plan, tick, id, envelope, false)),
        }
        if !self.outcome.births.is_empty() || !self.outcome.names.is_empty() {
            self.boxes().urgent = true;
        }
        for place in bonds..self.outcome.bonds.len() {
            match self.outcome.bonds.get(place) {
                Some(&BondChange::Unbind { from, to, bond }) => {
                    self.boxes().forget_signals(from, to, bond);
                }
                Some(&BondChange::End { left, .. }) => {
                    self.boxes().urgent = true;
                    match left {
                        Left::LastGood => {}
                        Left::Anew => self.empty_box(id, left, Loss::MailboxEmptied),
                        Left::Nothing | Left::Resting => {
                            self.empty_box(id, left, Loss::ReceiverGone)
                        }
                    }
                }
                Some(BondChange::Terminate { .. }) => self.boxes().urgent = true,
                Some(BondChange::Bind { .. }) | None => {}
            }
        }
    }

    /// Tells what is left to do behind an epoch.
    pub(crate) fn end_epoch(&mut self) {
        self.boxes().urgent = false;
        // Or to change it would be to copy it.
        self.names = None;
        let waiting = self.boxes().waiting;
        let held = self.boxes.as_ref().map_or(0, |boxes| self.held_in_boxes(boxes));
        self.outcome.waiting = waiting - held;
        // With what waits for paused agents in no mailbox: news of their own wishes.
        self.outcome.held = self.held();
        self.outcome.passed = std::mem::take(&mut self.outcome.sent);
        self.outcome.timer = self.wheel.soonest(true).map(Tick);
    }

    /// What lies in an agent's mailbox.
    pub(super) fn boxed(&self, id: AgentId) -> u64 {
        let boxes = self.boxes.as_ref();
        boxes.and_then(|boxes| boxes.get(id)).map_or(0, |mailbox| mailbox.len() as u64)
    }

    /// What waits for paused agents.
    pub(super) fn held_in_boxes(&self, boxes: &Boxes) -> u64 {
        let paused = self.apart.iter().filter(|(_, apart)| apart.paused);
        paused.map(|(id, _)| boxes.get(*id).map_or(0, |mailbox| mailbox.len() as u64)).sum()
    }
}

/// What the log says that an agent did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It handled this.
    Step(Cause),
    /// It failed, handling this; `None`: the log ends before it says so.
    Crash(Option<Cause>, CrashKind),
    /// This was lost.
    Lost(Cause, Loss),
}

impl<A: Agent> Scheduler<A> {
    /// Does what the log says; else why it cannot be.
    pub(crate) fn follow(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        said: Said,
    ) -> Result<(), &'static str> {
        let cause = match said {
            Said::Crash(..)
                if self.apart.get(&id).is_some_and(|apart| !apart.ended().is_empty()) =>
            {
                return self.follow_order(id);
            }
            Said::Lost(cause, loss) => return self.follow_loss(plan, id, cause, loss),
            Said::Step(cause) | Said::Crash(Some(cause), _) => cause,
            Said::Crash(None, kind) => {
                self.guess(plan, tick, id, kind).ok_or("it did not fail there")?
            }
        };
        match self.apart.get(&id) {
            Some(apart) if apart.paused => return Err("it is paused"),
            Some(_) => return Err("an end that was ordered comes before"),
            None => {}
        }
        let held = match (self.boxes().take(id, cause), said) {
            // What it was about is told in a record behind: that one differs.
            (None, Said::Crash(Some(_), kind)) => {
                let cause = self.guess(plan, tick, id, kind).ok_or("it did not fail there")?;
                self.boxes().take(id, cause)
            }
            (held, _) => held,
        };
        let held = held.ok_or("that does not wait for it")?;
        self.boxes().of(id).emptied = None;
        self.process(plan, tick, id, &held);
        Ok(())
    }

    /// An agent was ended between two epochs.
    fn follow_order(&mut self, id: AgentId) -> Result<(), &'static str> {
        let Some(mut apart) = self.apart.remove(&id) else { return Ok(()) };
        let end = apart.next_ended();
        if apart.paused || !apart.ended().is_empty() {
            self.apart.insert(id, apart);
        }
        if let Some(end) = end {
            self.end_ordered(id, end);
        }
        Ok(())
    }

    /// Something was not handled.
    fn follow_loss(
        &mut self,
        plan: &Plan<A>,
        id: AgentId,
        cause: Cause,
        loss: Loss,
    ) -> Result<(), &'static str> {
        let counted = u64::from(self.boxes().of(id).counted);
        let held = self.boxes().take(id, cause).ok_or("that does not wait for it")?;
        match (loss, held) {
            (Loss::Refused, Held::Mail(envelope)) => match envelope.counted() {
                // Whatever lay in the mailbox waits here as well.
                Some(lane) if counted > room(&plan.limits, lane) => {
                    self.refuse(id, envelope.message, why(lane));
                    Ok(())
                }
                Some(_) => Err("its mailbox had room for it"),
                None => Err("that is never refused"),
            },
            (Loss::Refused, _) => Err("that is never refused"),
            (Loss::ReceiverGone, _) if self.lives(id) => Err("it lives"),
            (Loss::MailboxEmptied, _) if self.boxes().of(id).emptied.is_none() => {
                Err("it lost no mailbox there")
            }
            (Loss::Poison, _) => Err("it did not fail there"),
            (Loss::ReceiverGone | Loss::MailboxEmptied, held) => {
                self.lose(id, held.cause(id), loss);
                Ok(())
            }
        }
    }

    /// What an agent may have been about when the log ended with its failure: the first that fails
    /// now in the same way. If others do, too, nobody saw which it was.
    fn guess(&mut self, plan: &Plan<A>, tick: Tick, id: AgentId, kind: CrashKind) -> Option<Cause> {
        let waiting: Vec<_> = self.boxes().all(id).cloned().collect();
        let fails = |held: &&Held| self.try_out(plan, tick, id, held) == Some(kind);
        waiting.iter().find(fails).map(|held| held.cause(id))
    }

    /// How an agent would fail if it handled this now.
    fn try_out(&self, plan: &Plan<A>, tick: Tick, id: AgentId, held: &Held) -> Option<CrashKind> {
        let slot = self.slot(id)?;
        let agent = slot.agent.as_ref()?;
        let life = slot.life.as_ref();
        let mut payload = Vec::new();
        let event = match held {
            Held::Signal(Signal { who, bond: Bond::Monitor, reason, .. }) => {
                Event::Down { who: *who, reason }
            }
            Held::Signal(Signal { who, bond: Bond::Link, reason, .. }) => {
                if !reason.is_normal() && !life.is_some_and(|life| life.traps()) {
                    return Some(CrashKind::Link);
                }
                Event::Exit { from: *who, reason }
            }
            Held::Timer(timer) => Event::Timer { id: *timer, payload: life?.payload(timer)? },
            Held::Birth(by, child) => birth_event(*by, *child),
            Held::Denied(refused) => refused_event(refused),
            Held::Told(by, news) => told_event(*by, news),
            Held::Input(item) => {
                plan.inputs.payload(item.index, &mut payload);
                Event::Input { payload: &payload }
            }
            Held::Mail(envelope) => envelope.event(),
        };
        let mut state = Vec::new();
        codec::encode(agent, &mut state);
        let mut agent = agent.restore(&state)?;
        let (mut wishes, bound) = (Wishes::default(), plan.limits.outputs_per_step);
        let (step, schedule, wishes) = (slot.steps, &plan.schedule, &mut wishes);
        let names = self.names.as_deref();
        let mut context = Context {
            me: id,
            step,
            now: tick,
            wishes,
            bound,
            schedule,
            drawn: 0,
            names,
            space: None,
        };
        let chaos = plan.chaos.kills(id, tick, &held.cause(id), 0);
        attempt_step(&mut agent, event, &mut context, chaos).map(|fault| fault.0)
    }

    /// Whether somebody was ended and it is not recorded yet.
    pub(crate) fn has_ended(&self) -> bool {
        self.apart.values().any(|apart| !apart.ended().is_empty())
    }

    /// The log is at its end: what waits is handled from now on.
    pub(crate) fn go_on(&mut self) {
        self.boxes().follows = false;
        for id in self.boxes().waited_for() {
            if let Some(left) = self.boxes().of(id).emptied.take() {
                self.empty_box(id, left, Loss::MailboxEmptied);
            }
            if !self.is_paused(id) {
                self.boxes().call(id);
            }
        }
    }
}
