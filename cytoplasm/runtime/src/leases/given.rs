//! The leases of a run's agents, in few bytes each: most have the same terms.

use karyon_gate::{Lease, Rights, Scope};
use karyon_types::{AgentId, LeaseId, Tick};

/// The leases of a run's agents, by serial: an agent and its lease have the same.
#[derive(Clone, Debug, Default)]
pub struct Leased {
    terms: Vec<Terms>,
    /// By agent, which of the terms are its lease's.
    of: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Terms {
    rights: Rights,
    scope: Scope,
    expires: Option<Tick>,
}

impl Leased {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// An agent's lease.
    pub fn get(&self, agent: AgentId) -> Option<Lease> {
        let which = *self.of.get(usize::try_from(agent.0.checked_sub(1)?).ok()?)?;
        let Terms { rights, scope, expires } = *self.terms.get(which as usize)?;
        Some(Lease { id: LeaseId(agent.0), owner: agent, rights, scope, expires })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Lease> {
        (1..=self.of.len() as u64).filter_map(|serial| self.get(AgentId(serial)))
    }

    /// That of the next agent. The gate has room for fewer than can be counted here.
    pub(super) fn push(&mut self, Lease { rights, scope, expires, .. }: &Lease) {
        let terms = Terms { rights: *rights, scope: *scope, expires: *expires };
        if self.terms.last() != Some(&terms) {
            self.terms.push(terms);
        }
        self.of.push(self.terms.len() as u32 - 1);
    }

    /// Likewise, with the terms that another has.
    pub(super) fn push_like(&mut self, other: AgentId) {
        self.of.extend(self.of.get(other.0 as usize - 1).copied());
    }
}

impl PartialEq for Leased {
    fn eq(&self, other: &Leased) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}
