//! The canonical stream of a run's final state: what its root is computed from.
//!
//! Sorted by identity; the same for any number of schedulers, with and without chaos or kills.
//! Not in it: log positions, slots, boots, wall time, attempts, crash counts, keys, signatures. Of
//! agents that belong to a subject their sealed state is in it: a root of what they knew would be a
//! way to try what that was.

use karyon_gate::Lease;
use karyon_types::{AgentId, Hasher};

use crate::agent::Agent;
use crate::codec;
use crate::terms::Outcome;

/// Adds the agents and their lease terms to `hasher`.
///
/// `names` are those of the scenario's agents; who came to life in the run follows.
///
/// A run that is complete has no undelivered message; another kind of ending has no root.
pub fn add_state<A: Agent>(outcome: &Outcome<A>, names: &[String], hasher: &mut Hasher) {
    hasher.field(A::KIND.name.as_bytes());
    hasher.update(&(outcome.agents.len() as u64).to_le_bytes());
    let mut state = Vec::new();
    for (serial, (agent, name)) in
        (1u64..).zip(outcome.agents.iter().zip(names.iter().chain(&outcome.born)))
    {
        hasher.update(&serial.to_le_bytes()).field(name.as_bytes());
        match agent {
            None => hasher.update(&[0]),
            Some(agent) => {
                state.clear();
                codec::encode(agent, &mut state);
                let subjects = outcome.subjects.as_ref();
                let sealed = subjects.and_then(|known| known.state(AgentId(serial), &state));
                hasher.update(&[1]).field(sealed.as_deref().unwrap_or(&state))
            }
        };
    }
    hasher.update(&(outcome.leases.len() as u64).to_le_bytes());
    outcome.leases.iter().for_each(|lease| add_lease(&lease, hasher));
}

fn add_lease(lease: &Lease, hasher: &mut Hasher) {
    for number in [
        lease.id.0,
        lease.owner.0,
        u64::from(lease.rights.0),
        lease.scope.first,
        lease.scope.last,
        lease.expires.map_or(u64::MAX, |tick| tick.0),
    ] {
        hasher.update(&number.to_le_bytes());
    }
}
