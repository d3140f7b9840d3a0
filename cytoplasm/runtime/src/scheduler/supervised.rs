//! What a tree of supervisors does with its agents, between two ticks.
//!
//! An agent that failed may go on from its last good state: until its supervisor has decided, that
//! lies parked here with its timers, which rest.

use karyon_log::{Loss, Message};
use karyon_types::{AgentId, Tick};

use super::apart::Held;
use super::life::Life;
use super::{Plan, Scheduler, newborn};
use crate::agent::Agent;
use crate::bonds::Left;
use crate::panics;

/// An agent that failed, as it was after its last good step.
pub(super) struct Parked<A> {
    pub(super) agent: A,
    pub(super) life: Option<Box<Life>>,
}

/// How an agent is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is asked, if it traps exits.
    Ask,
    /// It is not.
    Kill,
}

/// What came of it. `Message`: what stands for it in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It had ended already; whoever decided hears of that.
    Absent,
    /// It traps exits, and is to be asked.
    Asked(Message),
    Ended(Message),
}

impl<A> Plan<A> {
    /// Makes an agent as it is born; `None`: that panicked.
    pub(crate) fn begin(&self, id: AgentId) -> Option<A> {
        panics::caught(|| (self.init)(id))
    }
}

impl<A: Agent> Scheduler<A> {
    /// Puts away what is left of an agent whose step failed.
    pub(super) fn park(&mut self, id: AgentId, left: Left) {
        if left == Left::Resting
            && let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize)
            && let Some(agent) = slot.agent.take()
        {
            self.parked.insert(id, Parked { agent, life: None });
        }
    }

    /// Puts its timers and monitors beside what is parked. They fire when it goes on.
    pub(super) fn rest(&mut self, id: AgentId) {
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { return };
        let Some(mut life) = slot.life.take() else { return };
        life.rest(&mut self.wheel);
        if let Some(parked) = self.parked.get_mut(&id) {
            parked.life = Some(life);
        }
    }

    /// Starts an agent that is gone behind `now`; it `goes_on` from its last good state if that
    /// is there. `None`: it cannot be started.
    pub(crate) fn start(
        &mut self,
        plan: &Plan<A>,
        now: Tick,
        id: AgentId,
        goes_on: bool,
    ) -> Option<bool> {
        let parked = self.parked.remove(&id).filter(|_| goes_on);
        let went_on = parked.is_some();
        let slot = self.slots.get_mut((id.0 - self.first) as usize)?;
        match parked {
            Some(Parked { agent, life }) => {
                (slot.agent, slot.life) = (Some(agent), life);
                if let Some(life) = slot.life.as_mut() {
                    life.wake(&mut self.wheel, id, now);
                }
            }
            None => slot.agent = Some(newborn::again(plan, &self.origins, id)?),
        }
        Some(went_on)
    }

    /// Counts a start behind the first.
    pub(crate) fn restarted(&mut self, id: AgentId) {
        if let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) {
            slot.restarts = slot.restarts.saturating_add(1);
            self.counts.restarts += 1;
        }
    }

    /// Stops an agent. What waits for it because it is paused is lost in the tick that comes next;
    /// what is on its way arrives, at it or at the one that is started in its place.
    pub(crate) fn stop(&mut self, id: AgentId, verdict: Verdict) -> Stopped {
        let paused = self.is_paused(id);
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else {
            return Stopped::Absent;
        };
        if slot.agent.is_none() {
            return Stopped::Absent;
        }
        let by = Message { from: id, step: slot.steps, output: 0 };
        slot.steps += 1;
        let traps = slot.life.as_ref().is_some_and(|life| life.traps());
        if verdict == Verdict::Ask && traps && !paused {
            return Stopped::Asked(by);
        }
        if self.boxes.is_some() {
            // What waits in its mailbox was for it.
            self.apart.entry(id).or_default();
        }
        if let Some(apart) = self.apart.get_mut(&id) {
            (apart.paused, apart.emptied) = (false, true);
        }
        slot.agent = None;
        if let Some(life) = slot.life.take() {
            life.cancel(&mut self.wheel);
        }
        Stopped::Ended(by)
    }

    /// It is never started again from its last good state, and if it came to life in the run,
    /// never again.
    pub(crate) fn discard(&mut self, id: AgentId) {
        self.parked.remove(&id);
        self.forget_origin(id);
    }

    /// How many steps an agent is done with.
    pub(crate) fn steps(&self, id: AgentId) -> u64 {
        self.facts_of(id).map_or(0, |facts| facts.steps)
    }

    /// What waited for an agent that was stopped is lost.
    pub(super) fn lose_held(&mut self, id: AgentId, held: &mut Vec<Held>) {
        let facts = self.facts_of(id);
        let loss = match facts.and_then(|facts| facts.kind) {
            Some(_) => Loss::MailboxEmptied,
            None => Loss::ReceiverGone,
        };
        for held in held.drain(..) {
            // A timer that is not armed any more does not fire.
            if !held.survives(Left::Nothing) {
                self.lose(id, held.cause(id), loss);
            }
        }
    }
}
