//! Agents that come while the run goes on: what their parent keeps, and is told.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use karyon_runtime::{SpawnId, codec};
use karyon_types::varint;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{AgentRef, Pid};
use crate::agent::{Agent, Result, failure};
use crate::context::Context;
use crate::run::Child;

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

/// An agent that was asked for, and does not come.
#[derive(Clone, Copy, Debug)]
pub struct NotSpawned {
    pub(crate) spawn: SpawnId,
}

impl NotSpawned {
    /// Whether it is the one that was asked for so.
    pub fn is<B>(&self, spawn: &Spawn<B>) -> bool {
        self.spawn == spawn.id
    }
}

impl<A: Agent> Context<'_, A> {
    /// Brings an agent to life: `start_child`, with a state rather than arguments. It is there from
    /// the next tick on, where [`Agent::spawned`] tells who it is, and begins with `state`, also
    /// when it begins anew. Its name is cut to 256 bytes, nobody checks that it is the only one of
    /// that name, and [`Context::whereis`] finds it only if it [registers](Context::register) one.
    ///
    /// It may do what its parent may and no more, stands in no supervision tree (one supervisor,
    /// `one_for_one`, starts it again as its kind says; see [`Context::spawn_under`]), and does not end with its parent unless
    /// one of them links itself to the other. Two outputs, one of them when it is told. One that is
    /// denied comes to [`Agent::not_spawned`], also where as many came to life as may.
    ///
    /// # Errors
    /// The run does not say [`Run::may_spawn`](crate::Run::may_spawn) of this kind.
    pub fn spawn<B: Agent>(&mut self, name: &str, state: B) -> Result<Spawn<B>> {
        let how = self.how(&state)?;
        Ok(Spawn::new(self.inner.spawn(name, &how)))
    }

    /// As [`Context::spawn`], below a supervisor of the run's tree that was declared as
    /// [`Supervisor::dynamic`](crate::Supervisor::dynamic) with this name: `DynamicSupervisor.start_child`. `child` says when it
    /// is started again, whatever its kind says; its restarts count for that supervisor, which stops
    /// it with itself, and forgets it when it begins anew. Who is busy stopping another child adds
    /// this one behind it.
    ///
    /// A supervisor that is not there or does not run, and one that has as many children as it may,
    /// comes to [`Agent::not_spawned`], in the tick in which [`Agent::spawned`] would.
    ///
    /// # Errors
    /// See [`Context::spawn`].
    pub fn spawn_under<B: Agent>(
        &mut self,
        supervisor: &str,
        child: Child,
        name: &str,
        state: B,
    ) -> Result<Spawn<B>> {
        let how = self.how(&state)?;
        // Nobody has the last number: it is denied.
        let number = self.directory.supervisors.get(supervisor).copied().unwrap_or(u64::MAX);
        Ok(Spawn::new(self.inner.spawn_under(number, child.terms(), name, &how)))
    }

    /// Has an agent that was spawned below a supervisor stopped by it, behind this tick, and not
    /// started again: `terminate_child`. It is asked and has its time, as its [`Child`] says. Who
    /// wants to know that it ended monitors it. Takes `Rights::SPAWN`; of anybody else than such
    /// an agent it is denied. One output.
    pub fn terminate_child(&mut self, child: impl Into<Pid>) {
        self.inner.terminate_child(child.into().id());
    }

    /// What an agent that is spawned is made of.
    fn how<B: Agent>(&self, state: &B) -> Result<Vec<u8>> {
        let kind = B::KIND.0.name;
        let Some(number) = self.directory.spawns.get(kind) else {
            return Err(failure(format_args!(
                "agents of kind {kind:?} are not to be spawned in this run; call `Run::may_spawn`"
            )));
        };
        let mut how = Vec::with_capacity(64);
        varint::write(&mut how, u64::from(*number));
        codec::encode(state, &mut how);
        Ok(how)
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
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<'de, B> Deserialize<'de> for Spawn<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Spawn::new(SpawnId::deserialize(deserializer)?))
    }
}
