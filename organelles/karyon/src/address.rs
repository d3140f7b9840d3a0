//! Whom one can speak to: agents and groups, typed by what they understand.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use karyon_types::AgentId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::agent::Agent;

/// An agent of a run, whatever its kind: its number, from 1 in the order in which agents were added
/// to the run. The same in every run of the same population.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pid(pub u64);

impl Pid {
    /// No agent: where inputs come from.
    pub const OUTSIDE: Pid = Pid(0);

    /// The same agent, as one of this kind. Nobody checks it: a message that it cannot read fails
    /// its step.
    pub fn of<A: Agent>(self) -> AgentRef<A> {
        AgentRef { pid: self, of: PhantomData }
    }

    pub(crate) fn id(self) -> AgentId {
        AgentId(self.0)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Pid::OUTSIDE => f.write_str("outside"),
            Pid(serial) => write!(f, "agent {serial}"),
        }
    }
}

impl From<AgentId> for Pid {
    fn from(id: AgentId) -> Pid {
        Pid(id.0)
    }
}

/// An agent of kind `A`: what [`Run::agent`](crate::Run::agent) gives back, and what an agent holds
/// of others. Copied freely, kept in states, sent in messages; encoded as its number.
pub struct AgentRef<A> {
    pid: Pid,
    of: PhantomData<fn() -> A>,
}

impl<A> AgentRef<A> {
    /// Its number.
    pub fn pid(self) -> Pid {
        self.pid
    }
}

impl<A> From<AgentRef<A>> for Pid {
    fn from(agent: AgentRef<A>) -> Pid {
        agent.pid
    }
}

impl<A> Clone for AgentRef<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for AgentRef<A> {}

impl<A> fmt::Debug for AgentRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentRef({})", self.pid.0)
    }
}

impl<A> fmt::Display for AgentRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pid.fmt(f)
    }
}

impl<A> PartialEq for AgentRef<A> {
    fn eq(&self, other: &Self) -> bool {
        self.pid == other.pid
    }
}

impl<A> Eq for AgentRef<A> {}

impl<A> PartialOrd for AgentRef<A> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<A> Ord for AgentRef<A> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.pid.cmp(&other.pid)
    }
}

impl<A> Hash for AgentRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pid.hash(state);
    }
}

impl<A> Serialize for AgentRef<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pid.serialize(serializer)
    }
}

impl<'de, A> Deserialize<'de> for AgentRef<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(AgentRef { pid: Pid::deserialize(deserializer)?, of: PhantomData })
    }
}

/// The name of a group of agents of kind `A`, usually a constant:
/// `const WORKERS: Group<Worker> = Group::new("workers");`
pub struct Group<A> {
    name: &'static str,
    of: PhantomData<fn() -> A>,
}

impl<A> Group<A> {
    /// The group of this name. Who is in it is said once, in [`Run::group`](crate::Run::group).
    pub const fn new(name: &'static str) -> Group<A> {
        Group { name, of: PhantomData }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }
}

impl<A> Clone for Group<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Group<A> {}

impl<A> fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({:?})", self.name)
    }
}
