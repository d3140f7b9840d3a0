//! What is written: an entity, from when on, and what it is like.

use std::collections::BTreeSet;

use karyon_types::{AgentId, LeaseId, Position, Tick};

use crate::value::rename_all;
use crate::{Properties, Time};

/// A vertex as whoever writes knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vertex {
    /// An agent of the same log. Its vertex begins with its spawn record, which brings its name
    /// and its kind, so an agent needs to know no more than the serial.
    Agent(AgentId),
    /// Anything else, by a name that is its identity.
    Named(String),
}

impl From<AgentId> for Vertex {
    fn from(agent: AgentId) -> Vertex {
        Vertex::Agent(agent)
    }
}

impl From<&str> for Vertex {
    fn from(name: &str) -> Vertex {
        Vertex::Named(name.into())
    }
}

/// What a memory is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A vertex itself.
    Vertex(Vertex),
    /// An edge: there is one for each triple.
    Edge {
        /// Where it begins.
        from: Vertex,
        /// Its type.
        kind: String,
        /// Where it ends.
        to: Vertex,
    },
    /// A fact: there is one for each pair.
    Fact {
        /// Of whom.
        subject: Vertex,
        /// What kind of fact.
        predicate: String,
    },
}

/// An interval of valid time: the first moment belongs to it, the last does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Valid {
    /// The first moment.
    pub from: Time,
    /// The first moment behind it; `None`: no end.
    pub to: Option<Time>,
}

impl Valid {
    /// From a moment on, without an end.
    pub fn since(from: Time) -> Valid {
        Valid { from, to: None }
    }

    /// Whether `moment` lies inside.
    pub fn contains(&self, moment: Time) -> bool {
        self.from <= moment && self.to.is_none_or(|to| moment < to)
    }
}

/// What an entity is like.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// It is there.
    Present {
        /// Its labels; edges and facts usually have none beside their type.
        labels: BTreeSet<String>,
        /// Its properties, all of them: a version does not add to the one before.
        properties: Properties,
    },
    /// It is no more. The versions before it stay in its history.
    Ended,
}

impl Content {
    /// There, with properties and no labels.
    pub fn with(properties: impl IntoIterator<Item = (&'static str, crate::Value)>) -> Content {
        let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value));
        Content::Present { labels: BTreeSet::new(), properties: properties.collect() }
    }
}

impl Content {
    /// The content with every vertex in its values replaced by what `name` says.
    ///
    /// # Errors
    /// Those of `name`.
    pub fn rename<E>(
        self,
        name: &mut impl FnMut(Vertex) -> Result<Vertex, E>,
    ) -> Result<Content, E> {
        Ok(match self {
            Content::Present { labels, properties } => {
                Content::Present { labels, properties: rename_all(properties, name)? }
            }
            Content::Ended => Content::Ended,
        })
    }
}

/// One memory operation: from `valid.from` on (and up to `valid.to`, if it says so), `entity` is
/// like `content`.
///
/// At a moment that lies in several versions the one that begins last holds; of equal beginnings
/// the one that was recorded last.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What it is about.
    pub entity: Entity,
    /// When that is so.
    pub valid: Valid,
    /// What it is like then.
    pub content: Content,
}

/// Where and by what a memory was recorded: its transaction time and its provenance, in the log
/// that it comes from.
///
/// Position order is the order of transaction time. In tick mode the logical identity (tick,
/// agent, step, output) sorts alike, and is the same for every way of running the same scenario,
/// which positions are not: a crash is a record too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recorded {
    /// The record's position in commit order.
    pub position: Position,
    /// The tick in which it was written.
    pub tick: Tick,
    /// The agent that wrote it.
    pub agent: AgentId,
    /// Which of the agent's steps, counted from 0.
    pub step: u64,
    /// Which of the step's outputs; `None`: it is the agent's own vertex, made by its spawn record.
    pub output: Option<u16>,
    /// The lease that allowed it.
    pub lease: LeaseId,
}

/// One version of an entity, with where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// What was written.
    pub write: Write,
    /// Where and by what.
    pub recorded: Recorded,
}
