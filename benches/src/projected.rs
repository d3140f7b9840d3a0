//! The memory benches on Karyon: records in blocks, projected into a file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use karyon_graph::limits::BATCH_BYTES;
use karyon_graph::{
    Direction, Durability, EntityId, Graph, Neighbour, Projector, Reader, Version, VertexId, View,
};
use karyon_log_writer::Block;
use karyon_memory_ops::{Content, Entity, Vertex, Write};
use karyon_types::{AgentId, Hash};
use tempfile::TempDir;

use crate::audience::Requests;
use crate::disk::allocated;
use crate::history::{Answer, CONTACT, STATE};
use crate::steps::{Steps, bodies};

/// Transactions after which those who read beside them get the new views they asked for: views
/// are made by whoever has the graph, between two projectors.
const VIEWS_EACH: usize = 16;

/// How often a graph that follows a log becomes durable itself: as in the product.
const DURABLE_EVERY: Duration = Duration::from_secs(1);

/// A graph in a file of its own. Dropping it deletes the file.
pub struct Projected {
    graph: Graph,
    folder: TempDir,
}

/// What a graph's file takes on the disk, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Blocks of the file, as it was filled.
    pub filled: u64,
    /// Blocks of the file, compacted and closed.
    pub closed: u64,
    /// Keys and values in the database's leaves.
    pub rows: u64,
    /// What leads to them: branches, and headers of pages.
    pub metadata: u64,
    /// Whole pages of both, and of the database's own tables.
    pub pages: u64,
}

impl Projected {
    /// An empty graph below `folder`.
    pub fn new(folder: &str) -> Projected {
        let folder = TempDir::new_in(folder).expect("cargo makes the folder for temporary files");
        let graph = Graph::open(&file(&folder)).expect("the folder is empty");
        Projected { graph, folder }
    }

    /// Projects writes, each from a step of its own, as the next records, in transactions as
    /// large as the product's.
    pub fn fill(mut self, writes: impl Iterator<Item = Write>) -> Projected {
        let (mut steps, mut projector) = (Steps::default(), self.projector());
        let mut bytes = Vec::new();
        for write in writes {
            if steps.bytes() >= BATCH_BYTES {
                project(&mut projector, &steps.take());
            }
            bytes.clear();
            write.encode(&mut bytes).expect("it keeps to the bounds");
            steps.push(&bytes);
        }
        project(&mut projector, &steps.take());
        drop(projector);
        self
    }

    /// Projects batches of records as they come, a durable transaction each, and hands out views to
    /// those who ask for them.
    pub fn follow(&mut self, batches: impl Iterator<Item = Vec<Block>>, requests: &Requests) {
        self.follow_each(batches, requests, Duration::ZERO);
    }

    /// The same for records that are in a durable log already: durable about every second, and at
    /// the end, as the product does it.
    pub fn follow_log(&mut self, batches: impl Iterator<Item = Vec<Block>>, requests: &Requests) {
        self.follow_each(batches, requests, DURABLE_EVERY);
    }

    fn follow_each(
        &mut self,
        mut batches: impl Iterator<Item = Vec<Block>>,
        requests: &Requests,
        every: Duration,
    ) {
        let (mut is_over, mut durable) = (false, Instant::now());
        while !is_over {
            let mut projector = self.projector();
            is_over = true;
            for batch in batches.by_ref().take(VIEWS_EACH) {
                let is_due = durable.elapsed() >= every;
                let durability = if is_due { Durability::Immediate } else { Durability::None };
                projector.set_durability(durability);
                project(&mut projector, &batch);
                if is_due {
                    durable = Instant::now();
                }
                is_over = false;
            }
            if is_over {
                projector.set_durability(Durability::Immediate);
                project(&mut projector, &[]);
            }
            drop(projector);
            requests.answer(|| self.reader());
        }
    }

    fn projector(&mut self) -> Projector<'_> {
        self.graph.projector(Path::new("")).expect("the graph can be read")
    }

    /// Projects a log to its end, as the product does it.
    pub fn catch_up(mut self, log: &Path) -> Projected {
        self.graph.catch_up(log, Path::new(""), &mut |_| {}).expect("the log can be read");
        self
    }

    /// A held view.
    pub fn reader(&self) -> Reader {
        self.graph.read().expect("the graph can be read")
    }

    /// Compacts the graph's file, as at the end of a run or of building anew, closes it and looks at
    /// it.
    pub fn stored(self) -> Stored {
        let Projected { mut graph, folder } = self;
        let file = file(&folder);
        let filled = allocated(&file);
        graph.compact().expect("the disk works");
        drop(graph);
        let closed = allocated(&file);
        let database = redb::Database::open(&file).expect("it was closed well");
        let stats = database.begin_write().and_then(|transaction| {
            let stats = transaction.stats();
            transaction.abort()?;
            Ok(stats)
        });
        let stats = stats.expect("the disk works").expect("the database can be read");
        Stored {
            filled,
            closed,
            rows: stats.stored_bytes(),
            metadata: stats.metadata_bytes(),
            pages: stats.allocated_pages() * stats.page_size() as u64,
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("graph.redb")
}

fn project(projector: &mut Projector<'_>, blocks: &[Block]) {
    projector.apply(&bodies(blocks)).expect("the disk works");
}

/// The fact about an agent.
pub fn fact(reader: &Reader, serial: u64) -> EntityId {
    let subject = Vertex::Agent(AgentId(serial));
    let fact = Entity::Fact { subject, predicate: STATE.into() };
    reader.find(&fact).expect("the graph can be read").expect("each agent has one")
}

/// An agent's vertex as an entity.
pub fn person(reader: &Reader, serial: u64) -> EntityId {
    EntityId::Vertex(vertex(reader, serial))
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

/// The versions of a part of time that do not end the entity.
pub fn slice(reader: &Reader, entity: &EntityId, view: &View) -> Vec<Version> {
    let mut versions = reader.history(entity, view).expect("the graph can be read");
    versions.retain(|version| version.content != Content::Ended);
    versions
}

/// The root over everything.
pub fn root(reader: &Reader) -> Hash {
    reader.memory_root().expect("the graph can be read")
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
