//! Versions as rows, for the stores that keep one row a version: SQLite and fjall.
//!
//! Contents are bytes as Karyon encodes them, and read by its code: no side is measured with a
//! better or a worse encoding of values.

use std::collections::BTreeSet;

use karyon_memory_ops::{Content, Entity, Valid, Vertex, Write};
use karyon_types::AgentId;

use crate::history::{PERSON, time};

/// A version as a row. An edge is one from `subject` to `other`.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) subject: i64,
    /// Above 0 for an edge alone.
    pub(crate) other: i64,
    pub(crate) valid_from: i64,
    pub(crate) valid_to: Option<i64>,
    pub(crate) tx: i64,
    /// As Karyon encodes them; `None`: from then on the entity is no more.
    pub(crate) properties: Option<Vec<u8>>,
}

impl Row {
    /// The row of a write that is recorded at a position.
    pub fn new(position: u64, write: &Write) -> Row {
        let (subject, other) = match &write.entity {
            Entity::Edge { from, to, .. } => (serial(from), serial(to)),
            Entity::Fact { subject, .. } => (serial(subject), 0),
            Entity::Vertex(vertex) => (serial(vertex), 0),
        };
        let properties = match &write.content {
            Content::Present { labels, .. } => {
                let before = prefix(write.entity.clone(), write.valid, labels.clone()).len();
                Some(encode(write).split_off(before))
            }
            Content::Ended => None,
        };
        Row {
            subject,
            other,
            valid_from: write.valid.from.units(),
            valid_to: write.valid.to.map(|to| to.units()),
            tx: position as i64,
            properties,
        }
    }
}

/// The rows of writes, recorded from position 0 on.
pub fn rows(writes: impl Iterator<Item = Write>) -> impl Iterator<Item = Row> {
    (0..).zip(writes).map(|(position, write)| Row::new(position, &write))
}

fn serial(vertex: &Vertex) -> i64 {
    match vertex {
        Vertex::Agent(AgentId(serial)) => *serial as i64,
        Vertex::Named(_) => unreachable!("only agents are remembered here"),
    }
}

fn encode(write: &Write) -> Vec<u8> {
    let mut bytes = Vec::new();
    write.encode(&mut bytes).expect("it keeps to the bounds");
    bytes
}

/// What stands before the properties in a write's bytes. They come last, and their number takes
/// one byte when there are none.
fn prefix(entity: Entity, valid: Valid, labels: BTreeSet<String>) -> Vec<u8> {
    let content = Content::Present { labels, properties: Default::default() };
    let mut bytes = encode(&Write { entity, valid, content });
    bytes.pop();
    bytes
}

/// Reads properties as Karyon reads a write, behind the start of some write.
pub struct Decoder {
    write: Vec<u8>,
    prefix: usize,
}

impl Decoder {
    /// For edges and facts.
    pub fn plain() -> Decoder {
        Decoder::new(BTreeSet::new())
    }

    /// For vertices, all of which have the one label [`PERSON`].
    pub fn labelled() -> Decoder {
        Decoder::new([PERSON.to_owned()].into())
    }

    fn new(labels: BTreeSet<String>) -> Decoder {
        let vertex = Entity::Vertex(Vertex::Agent(AgentId(1)));
        let write = prefix(vertex, Valid::since(time(0)), labels);
        Decoder { prefix: write.len(), write }
    }

    /// The content that has these properties.
    pub(crate) fn content(&mut self, properties: &[u8]) -> Content {
        self.write.truncate(self.prefix);
        self.write.extend_from_slice(properties);
        Write::decode(&self.write).expect("it was encoded").content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{edges, facts};
    use crate::load::Load;

    #[test]
    fn contents_come_back() {
        let load = Load { vertices: 20, mutations: 300 };
        for write in facts(3, 40).chain(edges(2, 3, 40)).chain(load.writes()) {
            let row = Row::new(7, &write);
            let mut decoder = match &write.entity {
                Entity::Vertex(_) => Decoder::labelled(),
                Entity::Edge { .. } | Entity::Fact { .. } => Decoder::plain(),
            };
            let content = match &row.properties {
                Some(properties) => decoder.content(properties),
                None => Content::Ended,
            };
            assert_eq!(content, write.content);
        }
    }
}
