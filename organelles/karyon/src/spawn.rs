//! Agents that come while the run goes on: what their parent keeps, and is told.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use karyon_runtime::SpawnId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{AgentRef, Pid};

/// An agent of kind `B` that was asked for, which its parent keeps in its state until
/// [`Agent::spawned`](crate::Agent::spawned) tells who it is.
pub struct Spawn<B> {
    id: SpawnId,
    of: PhantomData<fn() -> B>,
}

impl<B> Spawn<B> {
    pub(crate) fn new(id: SpawnId) -> Spawn<B> {
        Spawn { id, of: PhantomData }
    }
}

/// An agent that came to life.
#[derive(Clone, Copy, Debug)]
pub struct Spawned {
    pub(crate) spawn: SpawnId,
    pub(crate) child: Pid,
}

impl Spawned {
    /// Its number.
    pub fn pid(&self) -> Pid {
        self.child
    }

    /// Its address, if it is the one that was asked for so; `None`: it is another one.
    pub fn of<B>(&self, spawn: &Spawn<B>) -> Option<AgentRef<B>> {
        (self.spawn == spawn.id).then(|| AgentRef::new(self.child))
    }

    /// The same for one that may be asked for, which it is not any more afterwards.
    pub fn take<B>(&self, spawn: &mut Option<Spawn<B>>) -> Option<AgentRef<B>> {
        let child = self.of(spawn.as_ref()?)?;
        *spawn = None;
        Some(child)
    }
}

impl<B> Clone for Spawn<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Spawn<B> {}

impl<B> fmt::Debug for Spawn<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spawn({}.{})", self.id.step, self.id.output)
    }
}

impl<B> PartialEq for Spawn<B> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<B> Eq for Spawn<B> {}

impl<B> PartialOrd for Spawn<B> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<B> Ord for Spawn<B> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl<B> Serialize for Spawn<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<'de, B> Deserialize<'de> for Spawn<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Spawn::new(SpawnId::deserialize(deserializer)?))
    }
}
