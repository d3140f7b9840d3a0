//! Agents that stand apart for an order from outside: paused ones, and those that were resumed,
//! killed or restarted between this tick and the one before.
//!
//! All others pay one look at an empty map a tick.

use karyon_arrangements::{Bond, ExitReason, TimerId};
use karyon_log::{Cause, CrashKind, Loss, Message, OrderVerb};
use karyon_supervision::Exit;
use karyon_types::{AgentId, Tick};

use super::life::Fall;
use super::{Arrivals, Envelope, Plan, Scheduler};
use crate::agent::Agent;
use crate::bonds::{Bonds, Left, Signal};
use crate::error::RunError;
use crate::input::InputItem;
use crate::processes::{LAST_CAUSES, Refusal, Status};
use crate::watchdog::Due;

/// Agents of one scheduler whose last causes are remembered; one more, and that of the lowest
/// serial is forgotten. Some 300 bytes each.
const MAX_WATCHED: usize = 4_096;

/// What waits for an agent, in the order in which it came.
pub(super) enum Held {
    Signal(Signal),
    Timer(TimerId),
    Input(InputItem),
    Mail(Envelope),
}

impl Held {
    fn cause(&self, id: AgentId) -> Cause {
        match self {
            Held::Signal(signal) => match signal.bond {
                Bond::Monitor => Cause::Down(signal.by),
                Bond::Link => Cause::Exit(signal.by),
            },
            Held::Timer(timer) => {
                Cause::Timer(Message { from: id, step: timer.step, output: timer.output })
            }
            Held::Input(item) => Cause::Input(item.index),
            Held::Mail(envelope) => envelope.cause(),
        }
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(self, Held::Mail(envelope) if envelope.counted().is_some())
    }

    /// Whether it counts against the mailbox's bound. The others have their place since their
    /// timer, monitor or link was made.
    fn is_ordinary(&self) -> bool {
        match self {
            Held::Input(_) | Held::Mail(_) => true,
            Held::Signal(_) | Held::Timer(_) => false,
        }
    }

    /// Whether it is for what is left of an agent that ended. A timer that is not armed any more
    /// does not fire.
    fn survives(&self, left: Left) -> bool {
        match self {
            Held::Timer(_) => true,
            Held::Signal(signal) => left == Left::LastGood && signal.bond == Bond::Monitor,
            Held::Input(_) | Held::Mail(_) => false,
        }
    }
}

#[derive(Default)]
pub(super) struct Apart {
    paused: bool,
    /// How it was ended: recorded at the beginning of the tick, in its turn.
    ended: Vec<(Fall, ExitReason)>,
    held: Vec<Held>,
}

/// What is known of an agent beside its state.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) id: AgentId,
    /// Its kind's name; `None`: it exited.
    pub(crate) kind: Option<&'static str>,
    pub(crate) status: Status,
    pub(crate) steps: u64,
    pub(crate) restarts: u64,
    pub(crate) log_bytes: u64,
    /// What waits for it because it is paused.
    pub(crate) held: u64,
}

impl<A: Agent> Scheduler<A> {
    /// Carries out an order: in force from the beginning of the tick that comes next. What is
    /// refused changes nothing.
    pub(crate) fn order(
        &mut self,
        plan: &Plan<A>,
        verb: OrderVerb,
        id: AgentId,
    ) -> Result<(), Refusal> {
        let place = id.0.checked_sub(self.first).ok_or(Refusal::Unknown)? as usize;
        let slot = self.slots.get_mut(place).ok_or(Refusal::Unknown)?;
        let Some(agent) = slot.agent.as_ref() else { return Err(Refusal::Exited) };
        let kind = agent.kind();
        let paused = self.apart.get(&id).is_some_and(|apart| apart.paused);
        let (again, reason) = match (verb, paused) {
            (OrderVerb::Pause, true) => return Err(Refusal::AlreadyPaused),
            (OrderVerb::Resume, false) => return Err(Refusal::NotPaused),
            (OrderVerb::Pause, false) | (OrderVerb::Resume, true) => {
                self.apart.entry(id).or_default().paused = verb == OrderVerb::Pause;
                return Ok(());
            }
            (OrderVerb::Kill, _) => {
                (kind.restart.restarts_after(Exit::Failure), ExitReason::Killed)
            }
            (OrderVerb::Restart, _) => (true, ExitReason::Shutdown),
        };
        let fall = self.fell(plan, id, again).ok_or(Refusal::Exited)?;
        // As with OTP: a person who restarts a child does not use up its supervisor's patience.
        self.outcome.restarts += u64::from(again && verb == OrderVerb::Kill);
        // A pause belongs to the life that was paused.
        let apart = self.apart.entry(id).or_default();
        apart.paused = false;
        apart.ended.push((fall, reason));
        Ok(())
    }

    /// Those with whom something is to happen in this tick, whether they are sent something or
    /// not; by serial.
    pub(super) fn called_upon(&self) -> Vec<AgentId> {
        let called =
            self.apart.iter().filter(|(_, apart)| !apart.ended.is_empty() || !apart.paused);
        called.map(|(id, _)| *id).collect()
    }

    /// What is due for an agent that stands apart.
    pub(super) fn run_apart(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        arrivals: &Arrivals<'_>,
    ) {
        let Some(mut apart) = self.apart.remove(&id) else { return };
        let ordinary = apart.held.iter().filter(|held| held.is_ordinary()).count() as u64;
        let kept;
        let mut admitted = arrivals.letters;
        if plan.limits.shed.is_some() {
            let Some(letters) = self.admit_mail(plan, tick, id, ordinary, arrivals) else { return };
            kept = letters;
            admitted = &kept;
        }
        let arrivals = &Arrivals { letters: admitted, ..*arrivals };
        let inputs = arrivals.inputs.iter().map(|item| Held::Input(*item));
        apart.held.extend(arrivals.signals.iter().cloned().map(Held::Signal));
        apart.held.extend(arrivals.timers.iter().map(|(_, timer)| Held::Timer(*timer)));
        if apart.ended.is_empty() {
            apart.held.extend(inputs);
            apart.held.extend(arrivals.mail().cloned().map(Held::Mail));
        } else {
            apart.held.extend(arrivals.mail().cloned().map(Held::Mail));
            for (fall, reason) in apart.ended.drain(..) {
                self.record_crash(id, CrashKind::Order, fall.decision);
                let loss = match fall.left {
                    Left::Nothing => Loss::ReceiverGone,
                    Left::Anew | Left::LastGood => Loss::MailboxEmptied,
                };
                apart.held.retain(|held| {
                    let survives = held.survives(fall.left);
                    if !survives {
                        self.lose(id, held.cause(id), loss);
                    }
                    survives
                });
                self.record_end(id, reason, fall.left);
            }
            // The inputs of this tick come behind the order.
            apart.held.extend(inputs);
        }
        if !apart.paused {
            return self.run_agent(plan, tick, id, &apart.held, &Arrivals::NONE);
        }
        let bound = plan.limits.messages_per_tick;
        let bound = bound.saturating_add(plan.limits.shed.map_or(0, |shed| shed.critical));
        let ordinary = || apart.held.iter().filter(|held| held.is_ordinary()).count() as u64;
        if apart.held.len() as u64 > bound && ordinary() > bound {
            self.outcome.error = Some(RunError::MailboxBound { agent: id, tick, bound });
        }
        self.apart.insert(id, apart);
    }

    /// What waits for paused agents.
    pub(crate) fn held(&self) -> usize {
        self.apart.values().map(|apart| apart.held.len()).sum()
    }

    /// Messages and inputs that wait for paused agents.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let held = || self.apart.values().flat_map(|apart| &apart.held);
        let inputs = held().filter(|held| matches!(held, Held::Input(_))).count();
        (held().filter(|held| held.is_message()).count() as u64, inputs as u64)
    }

    /// Those from `first` to `last` that it has are lost: none of them takes a step any more, and
    /// what waited for them goes to the dead letters, without a record for each.
    pub(crate) fn lose_agents(&mut self, first: AgentId, last: AgentId, bonds: &Bonds) {
        let (mut messages, mut inputs) = (0, 0);
        let mine = self.first..self.first + self.slots.len() as u64;
        for id in (first.0.max(mine.start)..=last.0.min(mine.end.saturating_sub(1))).map(AgentId) {
            let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { continue };
            slot.agent = None;
            slot.bury(&mut self.wheel);
            if let Some(apart) = self.apart.remove(&id) {
                let is_input = |held: &&Held| matches!(held, Held::Input(_));
                inputs += apart.held.iter().filter(is_input).count() as u64;
                messages += apart.held.iter().filter(|held| held.is_message()).count() as u64;
            }
            if !bonds.is_gone(id) {
                self.lost.insert(id);
            }
        }
        self.counts.dead_lettered += messages;
        self.counts.inputs_lost += inputs;
    }

    /// What is left of a share of a tick that is void: nobody, as it would be without the agents
    /// from the beginning of the tick on.
    pub(crate) fn grave(
        plan: &Plan<A>,
        number: usize,
        schedulers: usize,
        due: &Due,
        bonds: &Bonds,
    ) -> (Scheduler<A>, AgentId, AgentId) {
        let mut grave = Scheduler::with(plan, number, schedulers, |_| None, &[]);
        let first = AgentId(grave.first);
        let last = AgentId(grave.first + (grave.slots.len() as u64).saturating_sub(1));
        grave.counts = due.counts;
        grave.counts.dead_lettered += due.held.0;
        grave.counts.inputs_lost += due.held.1;
        grave.outcome.restarts = due.restarts;
        grave.signals.clone_from(&due.signals);
        grave.lose_agents(first, last, bonds);
        (grave, first, last)
    }

    /// What is known of all its agents, by serial.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Facts> {
        (self.first..).zip(&self.slots).map(|(serial, slot)| self.known(AgentId(serial), slot))
    }

    /// What is known of one of its agents.
    pub(crate) fn facts_of(&self, id: AgentId) -> Option<Facts> {
        self.slot(id).map(|slot| self.known(id, slot))
    }

    fn known(&self, id: AgentId, slot: &super::Slot<A>) -> Facts {
        let apart = if self.apart.is_empty() { None } else { self.apart.get(&id) };
        Facts {
            id,
            kind: slot.agent.as_ref().map(|agent| agent.kind().name),
            status: match (&slot.agent, apart) {
                (None, _) if self.lost.contains(&id) => Status::Lost,
                (None, _) => Status::Exited,
                (Some(_), Some(apart)) if apart.paused => Status::Paused,
                (Some(_), _) => Status::Running,
            },
            steps: slot.steps,
            restarts: u64::from(slot.restarts),
            log_bytes: slot.standing.log_bytes(),
            held: apart.map_or(0, |apart| apart.held.len() as u64),
        }
    }

    /// The state of one of its agents, if it has not exited.
    pub(crate) fn state(&self, id: AgentId) -> Option<Vec<u8>> {
        let agent = self.slot(id)?.agent.as_ref()?;
        let mut state = Vec::new();
        crate::codec::encode(agent, &mut state);
        Some(state)
    }

    /// What an agent handled last, the newest first; remembered from the first time on that
    /// somebody asked.
    pub(crate) fn last(&mut self, id: AgentId) -> Vec<Cause> {
        let last = self.watched.entry(id).or_default().iter().copied().collect();
        while self.watched.len() > MAX_WATCHED {
            self.watched.pop_first();
        }
        last
    }

    fn slot(&self, id: AgentId) -> Option<&super::Slot<A>> {
        self.slots.get(id.0.checked_sub(self.first)? as usize)
    }
}

/// Remembers what an agent handled, should somebody have asked.
#[inline]
pub(super) fn note(watched: &mut super::Watched, id: AgentId, cause: Cause) {
    if !watched.is_empty()
        && let Some(last) = watched.get_mut(&id)
    {
        last.truncate(LAST_CAUSES - 1);
        last.push_front(cause);
    }
}
