//! What is left of a run when it is over.

use karyon_types::AgentId;

use super::{Shared, lock};
use crate::agent::Agent;
use crate::scheduler::Scheduler;
use crate::subjects::Opaque;
use crate::terms::Counts;

/// What was counted, and the agents in the order of their serials; `None` for those that exited, or
/// of which no state is known.
pub(super) fn agents<A: Agent>(shared: &Shared<A>, opaque: &Opaque) -> (Counts, Vec<Option<A>>) {
    let (mut counts, mut agents, mut later) = (Counts::default(), Vec::new(), Vec::new());
    for slab in &shared.slabs {
        let slab = std::mem::replace(&mut *lock(slab), Scheduler::nobody());
        counts.add(&slab.counts);
        for (id, agent) in slab.into_agents() {
            match id.0 <= shared.plan.agents {
                true => agents.push(agent),
                false => later.push((id, agent)),
            }
        }
    }
    later.sort_unstable_by_key(|(id, _)| *id);
    agents.extend(later.into_iter().map(|(_, agent)| agent));
    for (serial, agent) in (1..).zip(&mut agents) {
        if opaque.agents.contains_key(&AgentId(serial)) {
            *agent = None;
        }
    }
    (counts, agents)
}
