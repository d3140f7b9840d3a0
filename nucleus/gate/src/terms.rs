//! What authority consists of: rights, scope, time, and the rule that it only ever narrows.

use karyon_types::{AgentId, GrantId, LeaseId, PrincipalId, ReasonId, Tick};

/// A set of rights, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(pub u32);

impl Rights {
    /// To send messages to agents.
    pub const SEND: Rights = Rights(1);
    /// To write memories, under the name of an agent.
    pub const REMEMBER: Rights = Rights(2);
    /// To bring memories from elsewhere into this one.
    pub const IMPORT: Rights = Rights(4);
    /// To act on the world outside, as the lease's terms say.
    pub const ACT: Rights = Rights(8);
    /// To be linked to agents: whoever is can end them by ending itself.
    pub const LINK: Rights = Rights(16);
    /// To bring agents to life.
    pub const SPAWN: Rights = Rights(32);
    /// To send safety-critical messages, besides [`Rights::SEND`]: they are refused last.
    pub const CRITICAL: Rights = Rights(64);
    /// To ask the memory, about agents.
    pub const RECALL: Rights = Rights(128);

    /// Both.
    pub const fn and(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    #[inline]
    pub fn contains(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A scope: an interval of resource numbers, both ends included.
///
/// Resources are numbered in the order in which a walk over their tree first meets them, so that
/// a resource and all below it are one interval, and containment is two compares. In a colony
/// the resource number of an agent is its serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The first resource inside.
    pub first: u64,
    /// The last resource inside.
    pub last: u64,
}

impl Scope {
    /// Whether `resource` lies inside.
    #[inline]
    pub fn contains(self, resource: u64) -> bool {
        self.first <= resource && resource <= self.last
    }

    /// Whether all of `other` lies inside. An empty interval lies inside nothing.
    pub fn covers(self, other: Scope) -> bool {
        other.first <= other.last && self.contains(other.first) && self.contains(other.last)
    }
}

/// What a principal allows, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its serial in the log.
    pub id: GrantId,
    /// Who answers for it.
    pub principal: PrincipalId,
    /// Why it was given.
    pub reason: ReasonId,
    /// The most that a lease may hold.
    pub rights: Rights,
    /// The widest that a lease may reach.
    pub scope: Scope,
    /// The first tick at which it no longer holds; `None`: no end.
    pub expires: Option<Tick>,
}

/// One agent's part of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its serial in the log.
    pub id: LeaseId,
    /// The only agent that it answers for.
    pub owner: AgentId,
    /// What the owner may do.
    pub rights: Rights,
    /// To what the owner may do it.
    pub scope: Scope,
    /// The first tick at which it no longer holds; `None`: no end.
    pub expires: Option<Tick>,
}

/// What an agent asks to do.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The asking agent, as the scheduler knows it.
    pub agent: AgentId,
    /// The right that is needed.
    pub right: Rights,
    /// The resource that it is needed for.
    pub target: u64,
    /// The gate's time, in the unit of the run.
    pub now: Tick,
}

/// The rule that a lease would have broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Widening {
    /// It asks for a right that the grant does not hold.
    #[error("a lease holds no right that its grant does not hold")]
    Rights,
    /// It reaches outside the grant's scope, or its own scope is empty.
    #[error("a lease's scope is not empty and lies inside its grant's")]
    Scope,
    /// It outlives the grant.
    #[error("a lease does not outlive its grant")]
    Expiry,
}

impl Grant {
    /// Checks that `lease` only narrows this grant.
    ///
    /// # Errors
    /// The first rule that it breaks, in the order rights, scope, expiry.
    pub fn attenuates(&self, lease: &Lease) -> Result<(), Widening> {
        if !self.rights.contains(lease.rights) {
            return Err(Widening::Rights);
        }
        if !self.scope.covers(lease.scope) {
            return Err(Widening::Scope);
        }
        let outlives = match (self.expires, lease.expires) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(grant), Some(lease)) => lease > grant,
        };
        if outlives {
            return Err(Widening::Expiry);
        }
        Ok(())
    }
}
