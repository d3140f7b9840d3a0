//! Agents that stand apart for an order from outside: paused ones, and those that were resumed,
//! killed or restarted between this tick and the one before.
//!
//! All others pay one look at an empty map a tick.

use karyon_log::{Cause, Loss, OrderVerb};
use karyon_types::{AgentId, Tick};

use super::{Envelope, Plan, Scheduler};
use crate::agent::{Agent, RestartFrom};
use crate::input::InputItem;
use crate::processes::{LAST_CAUSES, Refusal, Status};
use karyon_supervision::Exit;

/// Agents of one scheduler whose last causes are remembered; one more, and that of the lowest
/// serial is forgotten. Some 300 bytes each.
const MAX_WATCHED: usize = 4_096;

/// What waits for an agent, in the order in which it came.
pub(super) enum Held {
    Input(InputItem),
    Mail(Envelope),
}

impl Held {
    fn cause(&self) -> Cause {
        match self {
            Held::Input(item) => Cause::Input(item.index),
            Held::Mail(envelope) => envelope.cause(),
        }
    }
}

#[derive(Default)]
pub(super) struct Apart {
    paused: bool,
    /// It was ended: what waits for it is lost at the beginning of the tick.
    emptied: bool,
    held: Vec<Held>,
}

/// What is known of an agent beside its state.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) id: AgentId,
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
        if slot.agent.is_none() {
            return Err(Refusal::Exited);
        }
        let paused = self.apart.get(&id).is_some_and(|apart| apart.paused);
        let again = match (verb, paused) {
            (OrderVerb::Pause, true) => return Err(Refusal::AlreadyPaused),
            (OrderVerb::Resume, false) => return Err(Refusal::NotPaused),
            (OrderVerb::Pause, false) | (OrderVerb::Resume, true) => {
                self.apart.entry(id).or_default().paused = verb == OrderVerb::Pause;
                return Ok(());
            }
            (OrderVerb::Kill, _) => A::KIND.restart.restarts_after(Exit::Failure),
            (OrderVerb::Restart, _) => true,
        };
        match (again, A::KIND.restart_from) {
            (false, _) => slot.agent = None,
            (true, RestartFrom::Init) => slot.agent = Some((plan.init)(id)),
            // Between two steps its state is the last good one.
            (true, RestartFrom::LastGood { .. }) => {}
        }
        if again {
            slot.restarts = slot.restarts.saturating_add(1);
            self.counts.restarts += 1;
            // As with OTP: a person who restarts a child does not use up its supervisor's patience.
            self.outcome.restarts += u64::from(verb == OrderVerb::Kill);
        }
        // A pause belongs to the life that was paused.
        let apart = self.apart.entry(id).or_default();
        (apart.paused, apart.emptied) = (false, true);
        Ok(())
    }

    /// Those with whom something is to happen in this tick, whether they are sent something or
    /// not; by serial.
    pub(super) fn called_upon(&self) -> Vec<AgentId> {
        let called = self.apart.iter().filter(|(_, apart)| apart.emptied || !apart.paused);
        called.map(|(id, _)| *id).collect()
    }

    /// What is due for an agent that stands apart.
    pub(super) fn run_apart<'a>(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        inputs: &[InputItem],
        mail: impl Iterator<Item = &'a Envelope> + Clone,
    ) {
        let Some(mut apart) = self.apart.remove(&id) else { return };
        let emptied = std::mem::take(&mut apart.emptied);
        if emptied {
            let gone = self.slot(id).is_none_or(|slot| slot.agent.is_none());
            let loss = if gone { Loss::ReceiverGone } else { Loss::MailboxEmptied };
            let held = apart.held.drain(..).map(|held| held.cause());
            held.chain(mail.clone().map(Envelope::cause))
                .for_each(|cause| self.lose(id, cause, loss));
        }
        match (apart.paused, emptied) {
            // The inputs of this tick come behind the order.
            (false, true) => self.run_agent(plan, tick, id, &[], inputs, std::iter::empty()),
            (false, false) => self.run_agent(plan, tick, id, &apart.held, inputs, mail),
            (true, _) => {
                apart.held.extend(inputs.iter().map(|item| Held::Input(*item)));
                if !emptied {
                    apart.held.extend(mail.cloned().map(Held::Mail));
                }
                self.apart.insert(id, apart);
            }
        }
    }

    /// What waits for paused agents.
    pub(crate) fn held(&self) -> u64 {
        self.apart.values().map(|apart| apart.held.len() as u64).sum()
    }

    /// The first agent for which something waits because it is paused.
    pub(crate) fn holding(&self) -> Option<AgentId> {
        self.apart
            .iter()
            .find(|(_, apart)| apart.paused && !apart.held.is_empty())
            .map(|(id, _)| *id)
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
            status: match (&slot.agent, apart) {
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
