//! What questions and answers are made of.

use karyon_memory_ops::{Content, Recorded, Time, Valid, Vertex};
use karyon_types::{AgentId, LogId, Position};

/// A vertex in this graph. Own agents have their serial as number; everything else gets one in
/// the order in which the log first speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub(crate) u64);

/// Who wrote what a principal recorded: no agent, since agents are numbered from 1.
pub const NOBODY: AgentId = AgentId(0);

/// The number of the first own vertex that is no agent.
pub(crate) const FIRST_NAMED: u64 = 1 << 63;
/// The number of the first vertex that an import brought.
pub(crate) const FIRST_FOREIGN: u64 = 3 << 62;

impl VertexId {
    /// Whether an import brought it.
    pub(crate) fn is_foreign(self) -> bool {
        self.0 >= FIRST_FOREIGN
    }
}

/// An entity in this graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityId {
    /// A vertex itself.
    Vertex(VertexId),
    /// The edge of a type between two vertices.
    Edge {
        /// Where it begins.
        from: VertexId,
        /// Its type.
        kind: String,
        /// Where it ends.
        to: VertexId,
    },
    /// The fact of a kind about a vertex.
    Fact {
        /// Of whom.
        subject: VertexId,
        /// What kind of fact.
        predicate: String,
    },
}

/// The kinds of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Vertices, by their labels.
    Vertex = 0,
    /// Edges, by their types.
    Edge = 1,
    /// Facts, by their predicates.
    Fact = 2,
}

/// Which of a vertex's edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that begin at it.
    Out,
    /// Those that end at it.
    In,
    /// All; an edge from a vertex to itself once.
    Both,
}

/// The part of valid time that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The end of time: what holds if nothing more is written.
    Now,
    /// One moment.
    Moment(Time),
    /// All moments from the first to the last, both included. Source: SQL:2011,
    /// `FOR SYSTEM_TIME BETWEEN`.
    Between(Time, Time),
}

/// How a question looks at the graph: at which valid time, and as recorded up to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The valid time.
    pub at: At,
    /// The last record that counts (transaction time); `None`: all.
    pub as_recorded: Option<Position>,
}

impl View {
    /// What holds at the end of time, by all that is recorded.
    pub const NOW: View = View { at: At::Now, as_recorded: None };

    /// What holds at a moment, by all that is recorded.
    pub fn at(moment: Time) -> View {
        View { at: At::Moment(moment), as_recorded: None }
    }

    /// What holds at some moment from `first` to `last`, by all that is recorded.
    pub fn between(first: Time, last: Time) -> View {
        View { at: At::Between(first, last), as_recorded: None }
    }

    /// The first and the last moment.
    pub(crate) fn window(&self) -> (Time, Time) {
        match self.at {
            At::Now => (Time::MAX, Time::MAX),
            At::Moment(moment) => (moment, moment),
            At::Between(first, last) => (first, last),
        }
    }

    /// The same as it was recorded up to `position`, included.
    #[must_use]
    pub fn as_recorded(self, position: Position) -> View {
        View { as_recorded: Some(position), ..self }
    }
}

/// One version of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// When it is so.
    pub valid: Valid,
    /// What it is like then.
    pub content: Content,
    /// Its transaction time in this log: the record that brought it here. For an imported version
    /// that is the import.
    pub position: Position,
    /// Where and by what it was recorded, in the log that it comes from.
    pub recorded: Recorded,
    /// What brought it, if it does not come from this log.
    pub origin: Option<Origin>,
}

/// Where an imported version comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The log in which it was recorded.
    pub log: LogId,
    /// The CID of the root of the engram that brought it, as bytes.
    pub root: Vec<u8>,
}

/// An edge with the vertex at its other end.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// The edge.
    pub edge: EntityId,
    /// The vertex at its other end.
    pub other: VertexId,
    /// The edge's version that holds.
    pub version: Version,
}

/// What is known of a vertex beside its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VertexInfo {
    /// Its number in this graph.
    pub id: VertexId,
    /// Its name. An agent that was spoken of and never spawned has none.
    pub name: Option<String>,
    /// How writers speak of it, in the log that it comes from.
    pub vertex: Vertex,
    /// The log that it comes from, if it is not this one.
    pub origin: Option<LogId>,
}
