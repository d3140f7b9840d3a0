//! The memory benches on Karyon: records in blocks, projected into a file.

use std::path::Path;

use karyon_graph::limits::BATCH_BYTES;
use karyon_graph::{Direction, EntityId, Graph, Neighbour, Reader, Version, VertexId, View};
use karyon_log::{Cause, Output, Record, Walk};
use karyon_log_writer::limits::BLOCK_BYTES;
use karyon_memory_ops::{Entity, Vertex, Write};
use karyon_types::{AgentId, LeaseId};
use tempfile::TempDir;

use crate::history::{Answer, CONTACT, STATE};

/// A graph in a file of its own. Dropping it deletes the file.
pub struct Projected {
    graph: Graph,
    _folder: TempDir,
}

impl Projected {
    /// An empty graph below `folder`.
    pub fn new(folder: &str) -> Projected {
        let folder = TempDir::new_in(folder).expect("cargo makes the folder for temporary files");
        let graph = Graph::open(&folder.path().join("graph.redb")).expect("the folder is empty");
        Projected { graph, _folder: folder }
    }

    /// Projects writes, each from a step of its own, as the records from position 0 on.
    pub fn fill(mut self, writes: impl Iterator<Item = Write>) -> Projected {
        let (mut blocks, mut bytes) = (vec![Vec::new()], 0);
        let mut projector = self.graph.projector(Path::new("")).expect("the graph is empty");
        let mut project = |blocks: &[Vec<u8>]| {
            let bodies: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
            projector.apply(&bodies).expect("the disk works");
        };
        let mut write_bytes = Vec::new();
        for (number, write) in (0..).zip(writes) {
            if bytes >= BATCH_BYTES {
                project(&blocks);
                (blocks, bytes) = (vec![Vec::new()], 0);
            }
            write_bytes.clear();
            write.encode(&mut write_bytes).expect("it keeps to the bounds");
            let outputs = vec![Output::Remembered { lease: LeaseId(1), write: &write_bytes }];
            let (agent, cause) = (AgentId(1), Cause::Input(0));
            let step = Record::Step { agent, step: number, cause, outputs };
            if let Some(block) = blocks.last_mut() {
                let before = block.len();
                step.encode(block);
                bytes += block.len() - before;
            }
            if blocks.last().is_some_and(|block| block.len() >= BLOCK_BYTES) {
                blocks.push(Vec::new());
            }
        }
        project(&blocks);
        self
    }

    /// Projects a log to its end, as the product does it.
    pub fn catch_up(mut self, log: &Path) -> Projected {
        self.graph.catch_up(log, Path::new(""), &mut |_| {}).expect("the log can be read");
        self
    }

    /// Projects a log to its end, one durable transaction a block.
    pub fn catch_up_by_blocks(mut self, log: &Path) -> Projected {
        let mut projector = self.graph.projector(Path::new("")).expect("the graph is empty");
        let mut walk = Walk::open(log).expect("there is a log");
        while let Some(group) = walk.next_group().expect("the log can be read") {
            for block in group {
                projector.apply(&[&block.body]).expect("the disk works");
            }
        }
        self
    }

    /// A held view.
    pub fn reader(&self) -> Reader {
        self.graph.read().expect("the graph can be read")
    }
}

/// The fact about an agent.
pub fn fact(reader: &Reader, serial: u64) -> EntityId {
    let subject = Vertex::Agent(AgentId(serial));
    let fact = Entity::Fact { subject, predicate: STATE.into() };
    reader.find(&fact).expect("the graph can be read").expect("each agent has one")
}

/// An agent's vertex.
pub fn vertex(reader: &Reader, serial: u64) -> VertexId {
    let agent = Vertex::Agent(AgentId(serial));
    reader.find_vertex(None, &agent).expect("the graph can be read").expect("any agent has one")
}

/// What holds.
pub fn get(reader: &Reader, entity: &EntityId, view: &View) -> Option<Version> {
    reader.get(entity, view).expect("the graph can be read")
}

/// The contacts of an agent that hold.
pub fn neighbours(
    reader: &Reader,
    vertex: VertexId,
    direction: Direction,
    view: &View,
) -> Vec<Neighbour> {
    reader.neighbours(vertex, direction, Some(CONTACT), view).expect("the graph can be read")
}

impl From<Version> for Answer {
    fn from(version: Version) -> Answer {
        let Version { valid, content, position, .. } = version;
        Answer { other: 0, valid, position: position.0, content }
    }
}

/// Neighbours as answers, the vertices at the other end in order.
pub fn answers(reader: &Reader, neighbours: Vec<Neighbour>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = neighbours
        .into_iter()
        .map(|neighbour| {
            let info = reader.vertex(neighbour.other).expect("the graph can be read");
            let Some(Vertex::Agent(AgentId(other))) = info.map(|info| info.vertex) else {
                unreachable!("only agents have contacts");
            };
            Answer { other, ..neighbour.version.into() }
        })
        .collect();
    answers.sort_by_key(|answer| answer.other);
    answers
}
