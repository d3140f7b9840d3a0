//! Agents that stand apart for an order from outside: paused ones, and those that were resumed,
//! killed or restarted between this tick and the one before.
//!
//! All others pay one look at an empty map a tick.

use karyon_arrangements::{Bond, ExitReason, Lane, TimerId};
use karyon_log::{Cause, CrashKind, Loss, Message, OrderVerb};
use karyon_supervision::Exit;
use karyon_types::{AgentId, Denial, Tick};

use super::life::Fall;
use super::newborn::birth_cause;
use super::told::News;
use super::{Arrivals, Envelope, Plan, Scheduler};
use crate::agent::Agent;
use crate::births::Refused;
use crate::bonds::{Left, Signal};
use crate::input::InputItem;
use crate::processes::{LAST_CAUSES, Refusal, Status};

/// Agents of one scheduler whose last causes are remembered; one more, and that of the lowest
/// serial is forgotten. Some 300 bytes each.
const MAX_WATCHED: usize = 4_096;

/// What waits for an agent, in the order in which it came.
#[derive(Clone)]
pub(super) enum Held {
    Signal(Signal),
    Timer(TimerId),
    Input(InputItem),
    Mail(Envelope),
    /// What came of a wish to spawn, and of which.
    Birth(Message, Result<AgentId, Denial>),
    /// Something else was denied behind the tick in which it was wished for.
    Denied(Refused),
    /// What came of an output, and of which.
    Told(Message, News),
}

impl Held {
    pub(super) fn cause(&self, id: AgentId) -> Cause {
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
            Held::Birth(by, child) => birth_cause(*by, child.ok()),
            Held::Denied(refused) => Cause::Denial(refused.by),
            Held::Told(by, _) => Cause::Told(*by),
        }
    }

    pub(super) fn is_message(&self) -> bool {
        self.lane().is_some()
    }

    /// Its lane, if it is a message.
    pub(super) fn lane(&self) -> Option<Lane> {
        match self {
            Held::Mail(envelope) => envelope.counted(),
            Held::Signal(_)
            | Held::Timer(_)
            | Held::Input(_)
            | Held::Birth(..)
            | Held::Denied(_)
            | Held::Told(..) => None,
        }
    }

    /// Whether it is for what is left of an agent that ended. A timer that is not armed any more
    /// does not fire.
    pub(super) fn survives(&self, left: Left) -> bool {
        match self {
            Held::Timer(_) => true,
            Held::Signal(signal) => left == Left::LastGood && signal.bond == Bond::Monitor,
            // It remembers what it asked for.
            Held::Told(..) => left == Left::LastGood,
            Held::Input(_) | Held::Mail(_) | Held::Birth(..) | Held::Denied(_) => false,
        }
    }
}

/// How an agent ended between two ticks.
pub(super) struct End {
    pub(super) crash: CrashKind,
    pub(super) fall: Fall,
    pub(super) reason: ExitReason,
}

#[derive(Default)]
pub(super) struct Apart {
    pub(super) paused: bool,
    /// How it was ended: recorded at the beginning of the tick, in its turn.
    pub(super) ended: Vec<End>,
    /// Its supervisor ended it: what waited for it is lost.
    pub(super) emptied: bool,
    pub(super) held: Vec<Held>,
}

impl Apart {
    pub(super) fn end(&mut self, end: End) {
        self.ended.push(end);
    }

    /// How it was ended and that was not recorded yet.
    pub(super) fn ended(&self) -> &[End] {
        &self.ended
    }

    /// Takes the first of these.
    pub(super) fn next_ended(&mut self) -> Option<End> {
        (!self.ended.is_empty()).then(|| self.ended.remove(0))
    }

    pub(super) fn hold(&mut self, held: Held) {
        self.held.push(held);
    }
}

/// What is known of an agent beside its state.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) id: AgentId,
    /// Its kind's name; `None`: it exited, and was of the scenario.
    pub(crate) kind: Option<&'static str>,
    pub(crate) status: Status,
    pub(crate) steps: u64,
    pub(crate) restarts: u64,
    pub(crate) log_bytes: u64,
    /// What waits for it because it is paused, or for its turn.
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
            // Nothing happens to the agent itself: see `copy`.
            (OrderVerb::Fork, _) => return Ok(()),
        };
        let fall = self.fell(plan, id, again).ok_or(Refusal::Exited)?;
        // As with OTP: a person who restarts a child does not use up its supervisor's patience.
        let again = fall.left != Left::Nothing;
        self.outcome.restarts += u64::from(again && verb == OrderVerb::Kill);
        // A pause belongs to the life that was paused.
        let apart = self.apart.entry(id).or_default();
        apart.paused = false;
        apart.end(End { crash: CrashKind::Order, fall, reason });
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
        if std::mem::take(&mut apart.emptied) {
            self.lose_held(id, &mut apart.held);
        }
        let inputs = arrivals.inputs().map(|item| Held::Input(*item));
        let mut mail = arrivals.mail().cloned().map(Held::Mail);
        apart.held.extend(arrivals.signals.iter().cloned().map(Held::Signal));
        if plan.schedule.hears_first() {
            apart.held.extend(mail.by_ref());
        }
        apart.held.extend(arrivals.timers.iter().map(|(_, timer)| Held::Timer(*timer)));
        if apart.ended.is_empty() {
            apart.held.extend(inputs);
            apart.held.extend(mail);
        } else {
            apart.held.extend(mail);
            for End { crash, fall, reason } in apart.ended.drain(..) {
                self.record_crash(id, crash, fall.decision);
                let loss = match fall.left {
                    Left::Nothing | Left::Resting => Loss::ReceiverGone,
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
        self.apart.insert(id, apart);
    }

    pub(super) fn is_paused(&self, id: AgentId) -> bool {
        self.apart.get(&id).is_some_and(|apart| apart.paused)
    }

    /// Messages that wait for an agent, unless they are lost in any case.
    pub(super) fn held_messages(&self, id: AgentId) -> u64 {
        let apart = self.apart.get(&id).filter(|apart| !apart.emptied && apart.ended.is_empty());
        let held = apart.into_iter().flat_map(|apart| &apart.held);
        held.filter(|held| held.is_message()).count() as u64
    }

    /// What waits for paused agents.
    pub(crate) fn held(&self) -> u64 {
        let held: u64 = self.apart.values().map(|apart| apart.held.len() as u64).sum();
        held + self.boxes.as_ref().map_or(0, |boxes| self.held_in_boxes(boxes))
    }

    /// The first agent for which something waits because it is paused.
    pub(crate) fn holding(&self) -> Option<AgentId> {
        self.apart
            .iter()
            .find(|(id, apart)| apart.paused && (!apart.held.is_empty() || self.boxed(**id) > 0))
            .map(|(id, _)| *id)
    }

    /// What is known of all its agents, by serial but for those of other schedulers in between.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Facts> {
        self.slots.all().map(|(id, slot)| self.known(id, slot))
    }

    /// What is known of one of its agents.
    pub(crate) fn facts_of(&self, id: AgentId) -> Option<Facts> {
        self.slot(id).map(|slot| self.known(id, slot))
    }

    fn known(&self, id: AgentId, slot: &super::Slot<A>) -> Facts {
        let apart = if self.apart.is_empty() { None } else { self.apart.get(&id) };
        Facts {
            id,
            kind: match &slot.agent {
                Some(agent) => Some(agent.kind().name),
                None => self.kind_of_later(id),
            },
            status: match (&slot.agent, apart) {
                (None, _) if self.lost.contains(&id) => Status::Lost,
                (None, _) => Status::Exited,
                (Some(_), Some(apart)) if apart.paused => Status::Paused,
                (Some(_), _) => Status::Running,
            },
            steps: slot.steps,
            restarts: u64::from(slot.restarts),
            log_bytes: slot.standing.log_bytes(),
            held: apart.map_or(0, |apart| apart.held.len() as u64)
                + self.turns.letters(id)
                + self.boxed(id),
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

    pub(super) fn slot(&self, id: AgentId) -> Option<&super::Slot<A>> {
        self.slots.get(id.0.checked_sub(self.first)? as usize)
    }
}

/// Remembers what an agent handled, should somebody have asked.
#[inline]
pub(super) fn note(watched: &mut super::Watched, id: AgentId, cause: &Cause) {
    if !watched.is_empty()
        && let Some(last) = watched.get_mut(&id)
    {
        last.truncate(LAST_CAUSES - 1);
        last.push_front(*cause);
    }
}
