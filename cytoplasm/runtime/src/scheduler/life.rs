//! An agent's own life: its timers, to whom it is bound, and its end.

mod saved;

use std::collections::BTreeSet;

use karyon_arrangements::{Arrangement, Bond, ExitReason, TimerId};
use karyon_gate::{Handle, Request, Rights};
use karyon_log::{Cause, CrashKind, Decision, Loss, Message, Record};
use karyon_supervision::{ChildId, Exit};
use karyon_types::{AgentId, Denial, LeaseId, Tick};
use smallvec::SmallVec;

use super::{Due, Plan, Scheduler, newborn};
use crate::agent::{Agent, Deed, Event, Payload, RestartFrom};
use crate::births::{Birth, Place};
use crate::bonds::{BondChange, Left, Signal};
use crate::effects::{self, Effect, Intent};
use crate::error::RunError;
use crate::recall::{RECALLS_PER_AGENT, Recall};
use crate::registry::{Claim, Naming, REGISTERED_BYTES_MAX};
use crate::space::{Change, What};
use crate::standing::Wanted;
use crate::wheel::{Key, Wheel};

/// The longest time of a timer, ticks: a run of a tick a microsecond takes nine years to it, and no
/// tick comes near the end of the numbers.
pub const TIMER_TICKS_MAX: u64 = 1 << 48;
/// Timers that an agent has armed at a time; one more is denied. Bounds memory: whoever needs more
/// keeps them in its state, behind one timer.
pub const TIMERS_PER_AGENT: usize = 1024;
/// Monitors and links that an agent has made at a time, together; one more is denied. Bounds
/// memory. How many others monitor one agent is not bounded.
pub const BONDS_PER_AGENT: usize = 1024;

/// A timer on the wheel: whose, and which.
pub(super) type Armed = (AgentId, TimerId);

/// What an agent arranged. Few agents arrange anything, and the others have none.
#[derive(Default)]
pub(super) struct Life {
    traps: bool,
    /// By identity, as they were armed: a new one comes last. Mostly there is one, and a map's first
    /// node has room for eleven.
    timers: SmallVec<[(TimerId, Timer); 1]>,
    /// Those that it made.
    bonds: BTreeSet<(Bond, AgentId)>,
    /// What it asked the memory and was not answered yet.
    recalls: u32,
}

struct Timer {
    /// Where it lies on the wheel; `None`: it is due in this tick, or rests.
    key: Option<Key>,
    /// Of one that rests: when it is due. None if that was in the tick in which it came to rest.
    rests: Option<u64>,
    every: Option<u64>,
    payload: Payload,
}

/// How an agent ended between two of its steps.
#[derive(Clone, Copy)]
pub(super) struct Fall {
    pub(super) decision: Decision,
    pub(super) left: Left,
}

impl Life {
    pub(super) fn traps(&self) -> bool {
        self.traps
    }

    /// It is told of that end no more.
    pub(super) fn unbind(&mut self, bond: Bond, who: AgentId) {
        self.bonds.remove(&(bond, who));
    }

    /// What a timer brings, if it is armed.
    pub(super) fn payload(&self, timer: &TimerId) -> Option<&[u8]> {
        self.timers.get(self.place(timer)?).map(|(_, timer)| timer.payload.as_slice())
    }

    fn place(&self, timer: &TimerId) -> Option<usize> {
        self.timers.binary_search_by_key(timer, |(own, _)| *own).ok()
    }

    fn timer_mut(&mut self, timer: &TimerId) -> Option<&mut Timer> {
        let place = self.place(timer)?;
        self.timers.get_mut(place).map(|(_, timer)| timer)
    }

    fn take_timer(&mut self, timer: &TimerId) -> Option<Timer> {
        self.place(timer).map(|place| self.timers.remove(place).1)
    }

    /// Takes all timers from the wheel.
    pub(super) fn cancel(&self, wheel: &mut Wheel<(AgentId, TimerId)>) {
        for key in self.timers.iter().filter_map(|(_, timer)| timer.key) {
            wheel.cancel(key);
        }
    }

    /// Takes all timers from the wheel until the agent goes on; nobody is linked to it any more.
    pub(super) fn rest(&mut self, wheel: &mut Wheel<(AgentId, TimerId)>) {
        self.bonds.retain(|(bond, _)| *bond == Bond::Monitor);
        for (_, timer) in &mut self.timers {
            timer.rests = timer.key.take().and_then(|key| wheel.cancel(key));
        }
    }

    /// The agent goes on behind `now`. What should have fired meanwhile fires in the next tick.
    pub(super) fn wake(&mut self, wheel: &mut Wheel<(AgentId, TimerId)>, id: AgentId, now: Tick) {
        for (timer, armed) in &mut self.timers {
            let due = armed.rests.take().unwrap_or(0).max(now.0 + 1);
            armed.key = Some(wheel.insert(due, (id, *timer)));
        }
    }

    /// One of its questions was answered.
    pub(super) fn is_answered(&mut self) {
        self.recalls = self.recalls.saturating_sub(1);
    }

    fn has_room(&self, what: &Arrangement<'_>) -> bool {
        match what {
            Arrangement::Arm { .. } => self.timers.len() < TIMERS_PER_AGENT,
            Arrangement::Bind(bond, agent) => {
                self.bonds.len() < BONDS_PER_AGENT || self.bonds.contains(&(*bond, *agent))
            }
            Arrangement::Recall { .. } => self.recalls < RECALLS_PER_AGENT,
            Arrangement::Cancel(_)
            | Arrangement::Unbind(..)
            | Arrangement::TrapExit(_)
            | Arrangement::Exit(_)
            | Arrangement::SealedExit(_)
            | Arrangement::Spawn { .. }
            | Arrangement::SpawnUnder { .. }
            | Arrangement::Terminate(_)
            | Arrangement::Unregister(_)
            | Arrangement::Leave(_)
            | Arrangement::Register(_)
            | Arrangement::Join(_)
            | Arrangement::Effect { .. }
            | Arrangement::Mark(_)
            | Arrangement::Lane(_) => true,
        }
    }
}

impl<A: Agent> Scheduler<A> {
    /// Takes from the wheel what fires in `tick`, by agent and timer.
    pub(super) fn timers_due(&mut self, tick: Tick) -> Vec<(AgentId, TimerId)> {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(tick.0, &mut due);
        due.sort_unstable();
        for (id, timer) in &due {
            let slot = self.slots.get_mut((id.0 - self.first) as usize);
            let life = slot.and_then(|slot| slot.life.as_mut());
            if let Some(timer) = life.and_then(|life| life.timer_mut(timer)) {
                timer.key = None;
            }
        }
        due
    }

    /// Runs a timer that fires, unless it was taken back in this tick. Returns, as all that
    /// follow, whether the rest of the agent's mailbox is gone.
    pub(super) fn fire(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        timer: TimerId,
        emptied: bool,
    ) -> bool {
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return emptied };
        let Some(life) = slot.life.as_mut() else { return emptied };
        let Some(armed) = life.timer_mut(&timer) else { return emptied };
        let payload = armed.payload.clone();
        let request = Request { agent: id, right: Rights::SEND, target: id.0, now: tick };
        let allowed = |_: &u64| plan.gate.check(slot.lease, &request).is_ok();
        match armed.every.filter(allowed) {
            Some(every) => armed.key = Some(self.wheel.insert(tick.0 + every, (id, timer))),
            None => drop(life.take_timer(&timer)),
        }
        let armed_by = Message { from: id, step: timer.step, output: timer.output };
        let event = Event::Timer { id: timer, payload: &payload };
        self.handle(plan, tick, id, &Due { cause: Cause::Timer(armed_by), event }, emptied)
    }

    /// Brings an agent the news of another's end, of which it may die.
    pub(super) fn signal(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        signal: &Signal,
        emptied: bool,
    ) -> bool {
        let Signal { to: id, who, bond, by, ref reason } = *signal;
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return emptied };
        let mut traps = false;
        if let Some(life) = slot.life.as_mut() {
            life.bonds.remove(&(bond, who));
            traps = life.traps;
        }
        let due = match bond {
            Bond::Monitor => Due { cause: Cause::Down(by), event: Event::Down { who, reason } },
            Bond::Link if traps => {
                Due { cause: Cause::Exit(by), event: Event::Exit { from: who, reason } }
            }
            Bond::Link if reason.is_normal() => return emptied,
            Bond::Link => return self.die(plan, id, Cause::Exit(by), reason, emptied),
        };
        self.handle(plan, tick, id, &due, emptied)
    }

    /// Ends an agent because one that it was linked to ended.
    fn die(
        &mut self,
        plan: &Plan<A>,
        id: AgentId,
        cause: Cause,
        reason: &ExitReason,
        emptied: bool,
    ) -> bool {
        let slot = self.slots.get((id.0 - self.first) as usize);
        let agent = slot.and_then(|slot| slot.agent.as_ref()).filter(|_| !emptied);
        let again = agent.map(|agent| agent.kind().restart.restarts_after(exit_of(reason)));
        let Some(fall) = again.and_then(|again| self.fell(plan, id, again)) else {
            let loss = if emptied { Loss::MailboxEmptied } else { Loss::ReceiverGone };
            self.lose(id, cause, loss);
            return emptied;
        };
        self.counts.exits += 1;
        self.outcome.restarts += u64::from(fall.left != Left::Nothing);
        self.record_crash(id, CrashKind::Link, fall.decision);
        self.end_likewise(plan, id, &cause);
        self.lose(id, cause, Loss::Poison);
        self.record_end(id, reason.clone(), fall.left);
        fall.left == Left::Anew
    }

    /// An agent ended itself. Returns whether its mailbox is gone because it began anew.
    pub(super) fn exit(&mut self, plan: &Plan<A>, by: Message, reason: ExitReason) -> bool {
        let id = by.from;
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return false };
        let begins = |agent: &&A| {
            !plan.supervises(&self.origins, id)
                && agent.kind().restart.restarts_after(exit_of(&reason))
        };
        let ended = slot.agent.as_ref().filter(begins);
        slot.agent = ended.and_then(|agent| newborn::anew(plan, &self.origins, id, agent));
        let again = slot.agent.is_some();
        slot.restarts = slot.restarts.saturating_add(u32::from(again));
        if again {
            self.counts.restarts += 1;
            self.outcome.restarts += 1;
        }
        self.end(by, reason, if again { Left::Anew } else { Left::Nothing });
        again
    }

    /// Ends an agent between two of its steps: it is what its kind says from now on. None if it
    /// is gone already.
    pub(super) fn fell(&mut self, plan: &Plan<A>, id: AgentId, again: bool) -> Option<Fall> {
        let slot = self.slots.get_mut((id.0 - self.first) as usize)?;
        let supervised = plan.supervises(&self.origins, id);
        let again = again && !supervised;
        let fall = match (again, slot.agent.as_ref()?.kind().restart_from) {
            (false, _) => {
                let decision =
                    if supervised { Decision::LeftToSupervisor } else { Decision::Stopped };
                Fall { decision, left: Left::Nothing }
            }
            (true, RestartFrom::Init) => Fall { decision: Decision::Restarted, left: Left::Anew },
            // Between two steps its state is the last good one.
            (true, RestartFrom::LastGood { .. }) => {
                Fall { decision: Decision::Restarted, left: Left::LastGood }
            }
        };
        slot.agent = match fall.left {
            Left::Nothing | Left::Resting => None,
            Left::Anew => newborn::anew(plan, &self.origins, id, slot.agent.as_ref()?),
            Left::LastGood => slot.agent.take(),
        };
        let begins = slot.agent.is_some();
        let fall = match again && !begins {
            // It could not begin again.
            true => Fall { decision: Decision::Stopped, left: Left::Nothing },
            false => fall,
        };
        let again = begins;
        slot.restarts = slot.restarts.saturating_add(u32::from(again));
        self.counts.restarts += u64::from(again);
        Some(fall)
    }

    /// Records that an agent ended without a step of its own; the end has the number of one.
    pub(super) fn record_crash(&mut self, id: AgentId, kind: CrashKind, decision: Decision) {
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return };
        let step = slot.steps;
        slot.steps += 1;
        Record::Crash { agent: id, step, attempt: 0, kind, decision }
            .encode(&mut self.outcome.records);
        self.outcome.count += 1;
    }

    /// Tells whoever is bound to an agent of the end that was recorded last.
    pub(super) fn record_end(&mut self, id: AgentId, reason: ExitReason, left: Left) {
        let Some(slot) = self.slots.get((id.0 - self.first) as usize) else { return };
        let step = slot.steps.saturating_sub(1);
        self.end(Message { from: id, step, output: 0 }, reason, left);
    }

    /// An agent ended, `by` an output or in a step that failed: whoever is bound to it is told,
    /// and what it arranged is void if it does not go on.
    pub(super) fn end(&mut self, by: Message, reason: ExitReason, left: Left) {
        if let Some(slot) = self.slots.get_mut((by.from.0 - self.first) as usize)
            && let Some(life) = slot.life.as_mut()
        {
            match left {
                Left::LastGood => life.bonds.retain(|(bond, _)| *bond == Bond::Monitor),
                Left::Resting => self.rest(by.from),
                Left::Nothing | Left::Anew => {
                    life.cancel(&mut self.wheel);
                    slot.life = None;
                }
            }
        }
        if self.sees && matches!(left, Left::Nothing | Left::Anew) {
            self.outcome.changes.push(Change { by, what: What::End });
        }
        if left == Left::Nothing && !self.origins.is_empty() {
            self.ended_for_good(by.from);
        }
        self.outcome.bonds.push(BondChange::End { by, reason, left });
    }

    /// Records an arrangement, and makes it if it is allowed.
    pub(super) fn arrange(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        message: Message,
        lease: Option<Handle>,
        bytes: &[u8],
    ) {
        let id = message.from;
        let Some(what) = Arrangement::decode(bytes) else {
            let words = format!("an arrangement of {id} cannot be read");
            self.outcome.error = Some(RunError::Runtime(words));
            return;
        };
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return };
        let (deed, right, target) = match &what {
            Arrangement::Arm { .. } => (Deed::Arm, Rights::SEND, id),
            Arrangement::Bind(Bond::Monitor, to) => (Deed::Monitor(*to), Rights::SEND, *to),
            Arrangement::Bind(Bond::Link, to) => (Deed::Link(*to), Rights::LINK, *to),
            Arrangement::Spawn { .. } | Arrangement::SpawnUnder { .. } => {
                (Deed::Spawn, Rights::SPAWN, id)
            }
            Arrangement::Terminate(child) => (Deed::Terminate(*child), Rights::SPAWN, *child),
            Arrangement::Register(_) => (Deed::Register(AgentId(0)), Rights::SEND, id),
            Arrangement::Join(_) => (Deed::Join, Rights::SEND, id),
            Arrangement::Recall { about, .. } => {
                (Deed::Recall, Rights::RECALL, about.unwrap_or(AgentId(1)))
            }
            Arrangement::Effect { .. } => (Deed::Effect, Rights::ACT, id),
            Arrangement::Mark(mark) => {
                let to = self.space.as_ref().and_then(|space| space.asks(id, mark).ok());
                let to = to.unwrap_or(id);
                (Deed::Mark(to), Rights::SEND, to)
            }
            Arrangement::Cancel(_)
            | Arrangement::Unbind(..)
            | Arrangement::TrapExit(_)
            | Arrangement::Exit(_)
            | Arrangement::SealedExit(_)
            | Arrangement::Unregister(_)
            | Arrangement::Leave(_)
            | Arrangement::Lane(_) => {
                slot.standing.record_free(&mut self.encoder, bytes);
                return self.make(tick, message, &what);
            }
        };
        let request = Request { agent: id, right, target: target.0, now: tick };
        let kind = || slot.agent.as_ref().map_or("", |agent| agent.kind().name);
        let found = match &what {
            // Nobody can be stopped, or stand, below a supervisor that nobody declared.
            Arrangement::SpawnUnder { .. } | Arrangement::Terminate(_) if !plan.supervised => {
                Err(Denial::ExceedsCapabilityScope)
            }
            Arrangement::Spawn { .. } | Arrangement::SpawnUnder { .. } if !plan.may_spawn() => {
                Err(Denial::BudgetExhausted)
            }
            Arrangement::Recall { .. } if !plan.recalls => Err(Denial::BudgetExhausted),
            Arrangement::Effect { action, resource, arguments }
                if let Err(denial) =
                    effects::permits(&plan.permits, kind(), action, resource, arguments) =>
            {
                Err(denial)
            }
            Arrangement::Effect { .. } if !slot.standing.may_act() => Err(Denial::BudgetExhausted),
            Arrangement::Mark(mark) => match &self.space {
                Some(space) => space.asks(id, mark).map(drop),
                None => Err(Denial::BudgetExhausted),
            },
            Arrangement::Register(name) | Arrangement::Join(name)
                if !(1..=REGISTERED_BYTES_MAX).contains(&name.len()) =>
            {
                Err(Denial::MalformedArguments)
            }
            other if slot.life.as_ref().is_none_or(|life| life.has_room(other)) => Ok(()),
            _ => Err(Denial::BudgetExhausted),
        };
        let mut allowed = plan.gate.check(lease, &request);
        if let Arrangement::Recall { about: None, .. } = what {
            // Of everybody: from the first to the last.
            let last = Request { target: plan.last(), ..request };
            allowed = allowed.and_then(|_| plan.gate.check(lease, &last));
        }
        let allowed = allowed.and_then(|lease| found.map(|()| lease));
        let budget = plan.limits.log_bytes_per_lease;
        let sealed = plan.custody.as_ref().and_then(|custody| custody.arrangement(message, &what));
        let wanted = Wanted { deed, bytes: sealed.as_deref().unwrap_or(bytes) };
        match slot.standing.record(&mut self.encoder, allowed, budget, wanted) {
            Ok(allowed) => {
                if let Arrangement::Effect { action, resource, arguments } = what {
                    let lease = (lease, allowed);
                    return self.intend(message, lease, (action, resource, arguments));
                }
                self.make(tick, message, &what);
            }
            Err(denial) => {
                self.counts.unarranged += 1;
                self.tell(message, denial, deed);
            }
        }
    }

    /// Makes what is recorded.
    fn make(&mut self, tick: Tick, message: Message, what: &Arrangement<'_>) {
        let (under, name, how) = match what {
            Arrangement::Spawn { name, how } => (None, name, how),
            Arrangement::SpawnUnder { supervisor, child, name, how } => {
                (Some(Place { supervisor: ChildId(*supervisor), child: *child }), name, how)
            }
            Arrangement::Mark(mark) => {
                let change = Change { by: message, what: What::Mark(*mark) };
                return self.outcome.changes.push(change);
            }
            other => return self.make_own(tick, message, other),
        };
        let birth = Birth { by: message, name: (*name).into(), how: (*how).into(), under };
        self.outcome.births.push(birth);
    }

    /// Makes what is of the agent's own life.
    fn make_own(&mut self, tick: Tick, message: Message, what: &Arrangement<'_>) {
        let id = message.from;
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return };
        let life = slot.life.get_or_insert_default();
        match what {
            Arrangement::Arm { ticks, repeats, payload } => {
                let timer = TimerId { step: message.step, output: message.output };
                let key = Some(self.wheel.insert(tick.0 + ticks, (id, timer)));
                let every = repeats.then_some(*ticks);
                let payload = Payload::from_slice(payload);
                life.timers.push((timer, Timer { key, rests: None, every, payload }));
            }
            Arrangement::Cancel(timer) => {
                match (life.take_timer(timer).map(|timer| timer.key), &mut self.boxes) {
                    (Some(Some(key)), _) => drop(self.wheel.cancel(key)),
                    // It is due, and may lie in the mailbox.
                    (Some(None), Some(boxes)) => boxes.forget_timers(id, Some(*timer)),
                    (Some(None), None) | (None, _) => {}
                }
            }
            Arrangement::Bind(bond, to) => {
                if *to != id {
                    life.bonds.insert((*bond, *to));
                    let change = BondChange::Bind { by: message, to: *to, bond: *bond };
                    self.outcome.bonds.push(change);
                }
            }
            Arrangement::Unbind(bond, to) => {
                life.bonds.remove(&(*bond, *to));
                self.outcome.bonds.push(BondChange::Unbind { from: id, to: *to, bond: *bond });
            }
            Arrangement::TrapExit(traps) => life.traps = *traps,
            Arrangement::Recall { about, query } => {
                life.recalls += 1;
                let recall = Recall { by: message, about: *about, query: (*query).into() };
                self.outcome.recalls.push(recall);
            }
            // The step's last output: what follows is done when the step is recorded. The others are
            // made elsewhere.
            Arrangement::Exit(_)
            | Arrangement::SealedExit(_)
            | Arrangement::Spawn { .. }
            | Arrangement::SpawnUnder { .. }
            | Arrangement::Mark(_)
            | Arrangement::Effect { .. } => {}
            Arrangement::Terminate(child) => {
                self.outcome.bonds.push(BondChange::Terminate { by: message, child: *child });
            }
            Arrangement::Register(name) => self.claim(message, Claim::Register((*name).into())),
            Arrangement::Unregister(name) => {
                self.claim(message, Claim::Unregister((*name).into()));
            }
            Arrangement::Join(group) => self.claim(message, Claim::Join((*group).into())),
            Arrangement::Leave(group) => self.claim(message, Claim::Leave((*group).into())),
            // It is about a message, and no wish of this kind.
            Arrangement::Lane(_) => {}
        }
    }
}

impl<A: Agent> Scheduler<A> {
    /// Keeps what is to be done outside, with the lease that allowed it.
    fn intend(&mut self, by: Message, lease: (Option<Handle>, LeaseId), what: (&str, &str, &[u8])) {
        let Some(slot) = self.slots.get_mut((by.from.0 - self.first) as usize) else { return };
        let Some(agent) = slot.agent.as_ref() else { return };
        slot.standing.acts();
        let (action, resource, arguments) = what;
        let effect = Effect {
            agent: by.from,
            kind: agent.kind().name,
            step: by.step,
            output: by.output,
            action: action.into(),
            resource: resource.into(),
            arguments: arguments.into(),
        };
        self.outcome.effects.push(Intent { lease, effect });
    }

    fn claim(&mut self, by: Message, what: Claim) {
        let slot = self.slots.get((by.from.0 - self.first) as usize);
        if let Some(agent) = slot.and_then(|slot| slot.agent.as_ref()) {
            self.outcome.names.push(Naming { by, kind: agent.kind().name, what });
        }
    }
}

/// What a supervisor makes of a reason, as OTP's does: to be shut down is no failure.
pub(super) fn exit_of(reason: &ExitReason) -> Exit {
    match reason {
        ExitReason::Normal | ExitReason::Shutdown => Exit::Normal,
        ExitReason::Killed | ExitReason::NoProcess | ExitReason::Failure(_) => Exit::Failure,
    }
}
