//! A write's bytes taken apart without copying them: for whoever keeps writes by the thousand.

use std::collections::BTreeSet;

use karyon_types::{AgentId, varint};

use crate::codec::{
    byte, get_bytes, get_labels, get_map, get_str, get_time, put_bytes, put_time, tag,
};
use crate::limits::{DEPTH_MAX, WRITE_BYTES_MAX};
use crate::{Content, Entity, Valid, Vertex, Write};

/// A [`Vertex`] as it stands in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VertexRef<'a> {
    /// An agent of the same log.
    Agent(AgentId),
    /// Anything else.
    Named(&'a str),
}

/// An [`Entity`] as it stands in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityRef<'a> {
    /// A vertex itself.
    Vertex(VertexRef<'a>),
    /// An edge.
    Edge {
        /// Where it begins.
        from: VertexRef<'a>,
        /// Its type.
        kind: &'a str,
        /// Where it ends.
        to: VertexRef<'a>,
    },
    /// A fact.
    Fact {
        /// Of whom.
        subject: VertexRef<'a>,
        /// What kind of fact.
        predicate: &'a str,
    },
}

/// A [`Content`] as it stands in bytes. Only the functions of this module make one, so the bytes
/// of one that is read from a write are those of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRef<'a> {
    /// It is there.
    Present {
        /// Whether labels stand in front of the properties.
        labelled: bool,
        /// The labels, if there are any, and the properties.
        bytes: &'a [u8],
    },
    /// It is no more.
    Ended,
}

/// A [`Write`] as it stands in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// What it is about.
    pub entity: EntityRef<'a>,
    /// When that is so.
    pub valid: Valid,
    /// What it is like then.
    pub content: ContentRef<'a>,
}

impl From<VertexRef<'_>> for Vertex {
    fn from(vertex: VertexRef<'_>) -> Vertex {
        match vertex {
            VertexRef::Agent(agent) => Vertex::Agent(agent),
            VertexRef::Named(name) => Vertex::Named(name.to_owned()),
        }
    }
}

impl From<EntityRef<'_>> for Entity {
    fn from(entity: EntityRef<'_>) -> Entity {
        match entity {
            EntityRef::Vertex(vertex) => Entity::Vertex(vertex.into()),
            EntityRef::Edge { from, kind, to } => {
                Entity::Edge { from: from.into(), kind: kind.to_owned(), to: to.into() }
            }
            EntityRef::Fact { subject, predicate } => {
                Entity::Fact { subject: subject.into(), predicate: predicate.to_owned() }
            }
        }
    }
}

impl<'a> From<&'a Vertex> for VertexRef<'a> {
    fn from(vertex: &'a Vertex) -> VertexRef<'a> {
        match vertex {
            Vertex::Agent(agent) => VertexRef::Agent(*agent),
            Vertex::Named(name) => VertexRef::Named(name),
        }
    }
}

impl<'a> From<&'a Entity> for EntityRef<'a> {
    fn from(entity: &'a Entity) -> EntityRef<'a> {
        match entity {
            Entity::Vertex(vertex) => EntityRef::Vertex(vertex.into()),
            Entity::Edge { from, kind, to } => {
                EntityRef::Edge { from: from.into(), kind, to: to.into() }
            }
            Entity::Fact { subject, predicate } => {
                EntityRef::Fact { subject: subject.into(), predicate }
            }
        }
    }
}

impl ContentRef<'_> {
    /// The content; `None` when the bytes are none.
    pub fn decode(&self) -> Option<Content> {
        let ContentRef::Present { labelled, bytes } = *self else { return Some(Content::Ended) };
        let mut rest = bytes;
        let labels = if labelled { get_labels(&mut rest)? } else { BTreeSet::new() };
        let properties = get_map(&mut rest, DEPTH_MAX)?;
        rest.is_empty().then_some(Content::Present { labels, properties })
    }

    /// Tells the labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let mut rest = match self {
            ContentRef::Present { labelled: true, bytes } => *bytes,
            ContentRef::Present { labelled: false, .. } | ContentRef::Ended => &[],
        };
        let count = varint::read(&mut rest).unwrap_or(0);
        (0..count).map_while(move |_| get_str(&mut rest))
    }
}

impl<'a> Parts<'a> {
    /// Takes a write's bytes apart; `None` when they are none: exactly where [`Write::decode`]
    /// says so.
    pub fn read(bytes: &'a [u8]) -> Option<Parts<'a>> {
        if bytes.len() > WRITE_BYTES_MAX {
            return None;
        }
        let mut rest = bytes;
        let b = &mut rest;
        let tags = byte(b)?;
        if tags & !tag::ALL != 0 {
            return None;
        }
        let entity = match tags & tag::ENTITY {
            tag::VERTEX => EntityRef::Vertex(vertex(b)?),
            tag::EDGE => EntityRef::Edge { from: vertex(b)?, kind: get_str(b)?, to: vertex(b)? },
            tag::FACT => EntityRef::Fact { subject: vertex(b)?, predicate: get_str(b)? },
            _ => return None,
        };
        let from = get_time(b)?;
        let to = if tags & tag::BOUNDED != 0 { Some(get_time(b)?) } else { None };
        if to.is_some_and(|to| to <= from) {
            return None;
        }
        let labelled = tags & tag::LABELS != 0;
        let content = match (tags & tag::ENDED != 0, labelled) {
            (true, true) => return None,
            (true, false) => ContentRef::Ended,
            (false, _) => {
                let bytes = *b;
                if labelled {
                    pass_labels(b)?;
                }
                pass_map(b, DEPTH_MAX)?;
                let bytes = bytes.get(..bytes.len() - b.len())?;
                ContentRef::Present { labelled, bytes }
            }
        };
        b.is_empty().then_some(Parts { entity, valid: Valid { from, to }, content })
    }

    /// Appends the write's bytes: those that were taken apart.
    pub fn write(&self, out: &mut Vec<u8>) {
        let entity = match self.entity {
            EntityRef::Vertex(_) => tag::VERTEX,
            EntityRef::Edge { .. } => tag::EDGE,
            EntityRef::Fact { .. } => tag::FACT,
        };
        let bounded = if self.valid.to.is_some() { tag::BOUNDED } else { 0 };
        let (content, bytes) = match self.content {
            ContentRef::Ended => (tag::ENDED, &[][..]),
            ContentRef::Present { labelled: true, bytes } => (tag::LABELS, bytes),
            ContentRef::Present { labelled: false, bytes } => (0, bytes),
        };
        out.push(entity | bounded | content);
        match self.entity {
            EntityRef::Vertex(vertex) => put_vertex(out, vertex),
            EntityRef::Edge { from, kind, to } => {
                put_vertex(out, from);
                put_bytes(out, kind.as_bytes());
                put_vertex(out, to);
            }
            EntityRef::Fact { subject, predicate } => {
                put_vertex(out, subject);
                put_bytes(out, predicate.as_bytes());
            }
        }
        put_time(out, self.valid.from);
        if let Some(to) = self.valid.to {
            put_time(out, to);
        }
        out.extend_from_slice(bytes);
    }

    /// The write; `None` when the content's bytes are none.
    pub fn decode(&self) -> Option<Write> {
        let content = self.content.decode()?;
        Some(Write { entity: self.entity.into(), valid: self.valid, content })
    }
}

/// An agent is its serial above 0; 0 announces a name.
pub(crate) fn vertex<'a>(b: &mut &'a [u8]) -> Option<VertexRef<'a>> {
    Some(match varint::read(b)? {
        0 => VertexRef::Named(get_str(b)?),
        serial => VertexRef::Agent(AgentId(serial)),
    })
}

fn put_vertex(out: &mut Vec<u8>, vertex: VertexRef<'_>) {
    match vertex {
        VertexRef::Agent(agent) => varint::write(out, agent.0),
        VertexRef::Named(name) => {
            out.push(0);
            put_bytes(out, name.as_bytes());
        }
    }
}

/// Passes over `count` names that are in order.
fn pass_labels(b: &mut &[u8]) -> Option<()> {
    let count = varint::read(b)?;
    let mut last = None;
    for _ in 0..count {
        let label = get_str(b)?;
        if last.is_some_and(|last| last >= label) {
            return None;
        }
        last = Some(label);
    }
    (count > 0).then_some(())
}

fn pass_map(b: &mut &[u8], depth: usize) -> Option<()> {
    let count = varint::read(b)?;
    let mut last = None;
    for _ in 0..count {
        let name = get_str(b)?;
        if last.is_some_and(|last| last >= name) {
            return None;
        }
        last = Some(name);
        pass_value(b, depth)?;
    }
    Some(())
}

/// Passes over a value, as strictly as it is read.
fn pass_value(b: &mut &[u8], depth: usize) -> Option<()> {
    match byte(b)? {
        tag::NULL | tag::FALSE | tag::TRUE => {}
        tag::INT => {
            varint::read(b)?;
        }
        tag::FLOAT => {
            let (bytes, rest) = b.split_first_chunk::<8>()?;
            *b = rest;
            let number = f64::from_le_bytes(*bytes);
            if !number.is_finite() || (number == 0.0 && number.is_sign_negative()) {
                return None;
            }
        }
        tag::TEXT => {
            std::str::from_utf8(get_bytes(b)?).ok()?;
        }
        tag::BYTES => {
            get_bytes(b)?;
        }
        tag::TIME => {
            get_time(b)?;
        }
        tag::AGENT => {
            if varint::read(b)? == 0 {
                return None;
            }
        }
        tag::NAMED => {
            get_str(b)?;
        }
        tag::LIST => {
            let depth = depth.checked_sub(1)?;
            for _ in 0..varint::read(b)? {
                pass_value(b, depth)?;
            }
        }
        tag::MAP => pass_map(b, depth.checked_sub(1)?)?,
        _ => return None,
    }
    Some(())
}
