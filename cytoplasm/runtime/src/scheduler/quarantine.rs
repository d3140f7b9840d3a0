//! Agents that are lost because a step did not come back: what is left of their scheduler.

use karyon_types::AgentId;

use super::apart::Held;
use super::newborn::Kind;
use super::{Layout, Plan, Scheduler, Slot};
use crate::agent::Agent;
use crate::bonds::Bonds;
use crate::standing::Standing;
use crate::watchdog::Due;

impl<A: Agent> Scheduler<A> {
    /// A scheduler of nobody, for the while in which another holds the place.
    pub(crate) fn nobody() -> Scheduler<A> {
        Scheduler::of(1, Layout::new(1, 1), 0, 1)
    }

    /// Messages and inputs that wait for paused agents.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let held = || self.apart.values().flat_map(|apart| &apart.held);
        let inputs = held().filter(|held| matches!(held, Held::Input(_))).count();
        (held().filter(|held| held.is_message()).count() as u64, inputs as u64)
    }

    /// Whether anybody is left.
    pub(crate) fn has_living(&self) -> bool {
        self.slots.all().any(|(_, slot)| slot.agent.is_some())
    }

    /// Those from `first` to `last` that it has are lost: none of them takes a step any more, and
    /// what waited for them goes to the dead letters, without a record for each.
    pub(crate) fn lose_agents(&mut self, first: AgentId, last: AgentId, bonds: &Bonds) {
        let (mut messages, mut inputs) = (0, 0);
        for id in (first.0..=last.0).map(AgentId) {
            let Some(place) = id.0.checked_sub(self.first) else { continue };
            let Some(slot) = self.slots.get_mut(place as usize) else { continue };
            // Nothing is left of it, as nothing is behind a share that was lost while it ran.
            let lost = std::mem::replace(slot, Slot::new(None, None, Standing::default()));
            if let Some(life) = lost.life {
                life.cancel(&mut self.wheel);
            }
            self.parked.remove(&id);
            self.forget_origin(id);
            if let Some(origin) = self.origins.get_mut(id) {
                origin.supervised = false;
            }
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
    /// from the beginning of the tick on. `kinds`: those of agents that came to life in the run.
    pub(crate) fn grave(
        plan: &Plan<A>,
        (number, schedulers): (usize, usize),
        due: &Due,
        bonds: &Bonds,
        kinds: impl Fn(AgentId) -> Option<Kind>,
    ) -> Scheduler<A> {
        let mut grave = Scheduler::empty(plan, number, schedulers);
        let (layout, last) = (grave.layout, plan.last());
        for id in layout.serials(number, last) {
            grave.slots.push(id, Slot::new(None, None, Standing::default()));
            if let Some(kind) = kinds(id) {
                grave.remember_kind(id, kind);
            }
        }
        grave.counts = due.counts;
        grave.counts.dead_lettered += due.held.0;
        grave.counts.inputs_lost += due.held.1;
        grave.outcome.restarts = due.restarts;
        grave.signals.clone_from(&due.signals);
        for (first, last) in layout.ranges(number, last) {
            grave.lose_agents(first, last, bonds);
        }
        grave
    }
}
