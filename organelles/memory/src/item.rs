//! Memories with their names: what is shown to people and machines.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use karyon_graph::{EntityId, GraphError, Reader, Version, VertexId};
use karyon_memory_ops::{Content, Entity, Memory, Properties, Recorded, Valid, Vertex, rename_all};
use karyon_types::{AgentId, LogId, Position};

/// What a memory is about, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A vertex.
    Vertex {
        /// Its name.
        name: String,
    },
    /// An edge.
    Edge {
        /// Where it begins.
        from: String,
        /// Its type.
        kind: String,
        /// Where it ends.
        to: String,
    },
    /// A fact.
    Fact {
        /// Of whom.
        subject: String,
        /// What kind of fact.
        predicate: String,
    },
}

impl Thing {
    /// Subject and predicate of a fact; `None`: it is none.
    pub fn fact(&self) -> Option<(&str, &str)> {
        match self {
            Thing::Fact { subject, predicate } => Some((subject, predicate)),
            Thing::Vertex { .. } | Thing::Edge { .. } => None,
        }
    }
}

/// One version of a memory, readable.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is about.
    pub thing: Thing,
    /// When it is so.
    pub valid: Valid,
    /// Its labels and properties, agents by name; `None`: from then on it is no more.
    pub content: Option<(BTreeSet<String>, Properties)>,
    /// The record that brought it here.
    pub position: Position,
    /// Where it was recorded at first.
    pub recorded: Recorded,
    /// Who wrote it, by name.
    pub writer: String,
    /// The log that it comes from; `None`: this one.
    pub origin: Option<LogId>,
}

impl Item {
    /// Reads the names of an entity and its version.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn read(reader: &Reader, entity: &EntityId, version: Version) -> Result<Item, GraphError> {
        let origin = version.origin.as_ref().map(|origin| origin.log);
        let name = |vertex: &VertexId| name_of(reader, *vertex);
        let thing = match entity {
            EntityId::Vertex(vertex) => Thing::Vertex { name: name(vertex)? },
            EntityId::Edge { from, kind, to } => {
                Thing::Edge { from: name(from)?, kind: kind.clone(), to: name(to)? }
            }
            EntityId::Fact { subject, predicate } => {
                Thing::Fact { subject: name(subject)?, predicate: predicate.clone() }
            }
        };
        let content = match version.content {
            Content::Ended => None,
            Content::Present { labels, properties } => {
                Some((labels, named_all(reader, origin, properties)?))
            }
        };
        let writer = spoken_of(reader, origin, &Vertex::Agent(version.recorded.agent))?;
        Ok(Item {
            thing,
            valid: version.valid,
            content,
            position: version.position,
            recorded: version.recorded,
            writer,
            origin,
        })
    }
}

impl Item {
    /// A memory of an engram, as its own log would show it. `names` are those of its manifest.
    pub fn told(memory: &Memory, names: &BTreeMap<AgentId, String>) -> Item {
        let Memory { write, recorded } = memory;
        let of_agent = |agent: &AgentId| names.get(agent).cloned();
        let name = |vertex: &Vertex| match vertex {
            Vertex::Agent(agent) => of_agent(agent).unwrap_or_else(|| plainly(vertex)),
            Vertex::Named(_) => plainly(vertex),
        };
        let thing = match &write.entity {
            Entity::Vertex(vertex) => Thing::Vertex { name: name(vertex) },
            Entity::Edge { from, kind, to } => {
                Thing::Edge { from: name(from), kind: kind.clone(), to: name(to) }
            }
            Entity::Fact { subject, predicate } => {
                Thing::Fact { subject: name(subject), predicate: predicate.clone() }
            }
        };
        let content = match &write.content {
            Content::Ended => None,
            Content::Present { labels, properties } => {
                let mut rename = |vertex| Ok::<_, Infallible>(Vertex::Named(name(&vertex)));
                let Ok(properties) = rename_all(properties.clone(), &mut rename);
                Some((labels.clone(), properties))
            }
        };
        Item {
            thing,
            valid: write.valid,
            content,
            position: recorded.position,
            recorded: *recorded,
            writer: name(&Vertex::Agent(recorded.agent)),
            origin: None,
        }
    }
}

/// The name of a vertex; for an agent that was spoken of and never born, its serial.
///
/// # Errors
/// When the memory cannot be read.
pub fn name_of(reader: &Reader, vertex: VertexId) -> Result<String, GraphError> {
    let Some(info) = reader.vertex(vertex)? else { return Ok("?".into()) };
    Ok(info.name.unwrap_or_else(|| plainly(&info.vertex)))
}

/// The name of the vertex of which a log speaks so; `None` is this log.
///
/// # Errors
/// When the memory cannot be read.
pub fn spoken_of(
    reader: &Reader,
    origin: Option<LogId>,
    vertex: &Vertex,
) -> Result<String, GraphError> {
    match reader.find_vertex(origin, vertex)? {
        Some(id) => name_of(reader, id),
        None => Ok(plainly(vertex)),
    }
}

fn plainly(vertex: &Vertex) -> String {
    match vertex {
        Vertex::Named(name) => name.clone(),
        Vertex::Agent(agent) => agent.to_string(),
    }
}

/// The properties with every vertex by its name; `origin` is the log that speaks.
///
/// # Errors
/// When the memory cannot be read.
pub fn named_all(
    reader: &Reader,
    origin: Option<LogId>,
    properties: Properties,
) -> Result<Properties, GraphError> {
    rename_all(properties, &mut |vertex| Ok(Vertex::Named(spoken_of(reader, origin, &vertex)?)))
}
