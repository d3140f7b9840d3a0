//! Agents of several kinds in one run.
//!
//! A run whose agents are all of one type needs none of this, and pays nothing for it: its agents
//! lie in their slab as they are. [`AnyAgent`] holds an agent of any of its run's [`Kinds`].

use std::fmt;
use std::marker::PhantomData;

use karyon_supervision::Restart;
use karyon_types::AgentId;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::agent::{Agent, AgentKind, Context, Event, Failure, RestartFrom, Restore};
use crate::codec;

/// The kinds of a run, at most: the number of a kind takes two bytes of a record.
pub const KINDS_MAX: usize = 16_384;

/// Why a kind cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindsError {
    /// Two kinds have one name.
    #[error("two kinds are called {0:?}; give each a name of its own")]
    Twice(&'static str),
    /// Too many.
    #[error("a run holds at most {KINDS_MAX} kinds")]
    TooMany,
}

/// The kinds of a run. The number of a kind is its place in the order in which they were added;
/// genesis names them in that order.
#[derive(Default)]
pub struct Kinds {
    known: Vec<(&'static AgentKind, Read)>,
}

type Read = fn(&[u8]) -> Option<Box<dyn Boxed>>;

/// Makes agents of one kind.
pub struct KindOf<A> {
    number: u32,
    of: PhantomData<fn(A)>,
}

impl<A> Clone for KindOf<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for KindOf<A> {}

impl Kinds {
    /// Adds the next kind.
    ///
    /// # Errors
    /// See [`KindsError`].
    pub fn add<A: Agent + DeserializeOwned>(&mut self) -> Result<KindOf<A>, KindsError> {
        let kind = &A::KIND;
        if self.known.iter().any(|(known, _)| known.name == kind.name) {
            return Err(KindsError::Twice(kind.name));
        }
        if self.known.len() >= KINDS_MAX {
            return Err(KindsError::TooMany);
        }
        let number = self.known.len() as u32;
        self.known.push((kind, |bytes| Some(Box::new(codec::decode::<A>(bytes)?))));
        Ok(KindOf { number, of: PhantomData })
    }

    /// Names and versions, as genesis holds them.
    pub fn names(&self) -> Vec<(String, u32)> {
        self.known.iter().map(|(kind, _)| (kind.name.into(), kind.version)).collect()
    }

    /// Reads an agent as it was encoded; `None` when the bytes are no agent of these kinds.
    pub fn decode(&self, bytes: &[u8]) -> Option<AnyAgent> {
        let (number, Bytes(state)) = codec::decode::<(u32, Bytes)>(bytes)?;
        let (_, read) = self.known.get(number as usize)?;
        Some(AnyAgent { number, agent: read(&state)? })
    }
}

impl<A: Agent> KindOf<A> {
    /// An agent of this kind.
    pub fn agent(self, agent: A) -> AnyAgent {
        AnyAgent { number: self.number, agent: Box::new(agent) }
    }
}

/// An agent of any kind of its run. Its encoding is the number of its kind and its state.
pub struct AnyAgent {
    number: u32,
    agent: Box<dyn Boxed>,
}

/// An agent whose type is forgotten.
trait Boxed: Send {
    fn kind(&self) -> &'static AgentKind;
    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure>;
    fn encode(&self, out: &mut Vec<u8>);
    fn restore(&self, state: &[u8]) -> Option<Box<dyn Boxed>>;
}

impl<A: Agent> Boxed for A {
    fn kind(&self) -> &'static AgentKind {
        Agent::kind(self)
    }

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        Agent::handle(self, event, context)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        codec::encode(self, out);
    }

    fn restore(&self, state: &[u8]) -> Option<Box<dyn Boxed>> {
        Some(Box::new(Restore::restore(self, state)?))
    }
}

impl Agent for AnyAgent {
    /// No agent's: each has the one of what it holds. The name stands in the state's root.
    const KIND: AgentKind = AgentKind {
        name: "any",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        self.agent.handle(event, context)
    }

    fn kind(&self) -> &'static AgentKind {
        self.agent.kind()
    }

    fn kind_number(init: &dyn Fn(AgentId) -> Self, agent: AgentId) -> u32 {
        init(agent).number
    }

    fn number(&self) -> u32 {
        self.number
    }
}

impl Restore for AnyAgent {
    fn restore(&self, state: &[u8]) -> Option<AnyAgent> {
        let (number, Bytes(state)) = codec::decode::<(u32, Bytes)>(state)?;
        let agent = self.agent.restore(&state)?;
        (number == self.number).then_some(AnyAgent { number, agent })
    }
}

impl Serialize for AnyAgent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut state = Vec::new();
        self.agent.encode(&mut state);
        (self.number, Bytes(state)).serialize(serializer)
    }
}

/// Bytes as MessagePack knows them, rather than a list of numbers.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visit)
    }
}
