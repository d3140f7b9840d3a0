//! Agents ask the memory: a projection that follows the log while the run goes on.
//!
//! It lies in memory and is no one else's: what is kept in the data directory is built from the
//! whole log when the run is complete, as ever. It is read from the committed log alone, when
//! somebody asks, and each answer looks at it as it was recorded up to the end of the tick in which
//! the question was asked. So a log that is longer, of a run that is repeated, gives the same answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_graph::{At, Direction, EntityId, Graph, GraphError, Kind, Reader, Version, View};
use karyon_log::{DiskFolder, Lane, ReadFolder, WalkedBlock};
use karyon_memory_ops::{Entity, Memories, Query, Remembered, Vertex, Wanted, Write};
use karyon_runtime::datadir::{inputs, log_folder};
use karyon_runtime::{Asked, Prefix, Recaller};
use karyon_types::Position;

/// The memory of a log that is written just now, for [`RunConfig::recaller`](karyon_runtime::RunConfig).
pub struct Recollection {
    log: Arc<dyn ReadFolder>,
    inputs: PathBuf,
    /// `None`: nobody asked yet.
    graph: Option<Graph>,
    /// Where the run's records lie among all that the log holds, as far as it was read: blocks of
    /// the lane of ticks, in order.
    blocks: Vec<Stretch>,
    /// A view of all that was read.
    reader: Option<Reader>,
}

/// Records of the run that lie behind each other in the log.
struct Stretch {
    /// How many of the run lie before them.
    first: u64,
    count: u64,
    position: Position,
}

impl Recollection {
    /// Of the log in a data directory. Nothing is written there.
    pub fn of(data: &Path) -> Recollection {
        Recollection::new(Arc::new(DiskFolder::new(&log_folder(data))), &inputs(data))
    }

    /// Of a log in a folder of any kind; `inputs` is where the copies of imported files lie.
    pub fn new(log: Arc<dyn ReadFolder>, inputs: &Path) -> Recollection {
        Recollection { log, inputs: inputs.into(), graph: None, blocks: Vec::new(), reader: None }
    }

    /// The last record of the log that counts for a prefix, if the log was read so far.
    fn last(&self, prefix: Prefix) -> Option<Position> {
        let behind = self.blocks.partition_point(|stretch| stretch.first < prefix.records);
        let stretch = self.blocks.get(behind.checked_sub(1)?)?;
        let within = prefix.records - stretch.first;
        (within <= stretch.count).then(|| Position(stretch.position.0 + within - 1))
    }

    /// The memory, read on if it does not reach so far, and the last record that counts.
    fn reach(&mut self, prefix: Prefix) -> Result<(&Reader, Position), String> {
        if self.last(prefix).is_none() {
            self.read_on().map_err(|error| error.to_string())?;
        }
        let last = self.last(prefix).ok_or_else(|| {
            format!("the log was committed up to {}, and ends before that", prefix.tick)
        })?;
        let reader = self.reader.as_ref().ok_or("the memory was not read")?;
        Ok((reader, last))
    }

    fn read_on(&mut self) -> Result<(), GraphError> {
        let mut graph = match self.graph.take() {
            Some(graph) => graph,
            None => Graph::in_memory()?,
        };
        self.reader = None;
        let blocks = &mut self.blocks;
        graph.catch_up_in(&self.log, &self.inputs, &mut |read, _| note(blocks, read))?;
        self.reader = Some(graph.read()?);
        self.graph = Some(graph);
        Ok(())
    }
}

/// Notes where the run's records lie. From the first on, should the log be read anew.
fn note(blocks: &mut Vec<Stretch>, read: &[WalkedBlock]) {
    for block in read.iter().filter(|block| block.header.lane == Lane::Ticks) {
        let (first, count) = (block.header.first, u64::from(block.header.count));
        if first == 0 {
            blocks.clear();
        }
        let position = block.first_record;
        match blocks.last_mut() {
            Some(last) if last.position.0 + last.count == position.0 => last.count += count,
            Some(_) | None => blocks.push(Stretch { first, count, position }),
        }
    }
}

impl Recaller for Recollection {
    /// An empty answer: the question cannot be read, or is about somebody for whom the gate was not
    /// asked.
    fn answer(&mut self, prefix: Prefix, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
        let query = Query::decode(asked.query).filter(|query| query.about() == asked.about);
        let Some(query) = query else { return Ok(Vec::new()) };
        let (reader, last) = self.reach(prefix)?;
        let (memories, count) = look(reader, &query, last).map_err(|error| error.to_string())?;
        Memories::encode(memories, count).map_err(|error| error.to_string())
    }
}

/// What there is to say, and how many there are of it.
fn look(
    reader: &Reader,
    query: &Query,
    last: Position,
) -> Result<(Vec<Remembered>, u64), GraphError> {
    let view = View { at: query.at.map_or(At::Now, At::Moment), as_recorded: Some(last) };
    let own = |of: &Vertex| reader.find_vertex(None, of);
    let fact = |of: &Vertex, predicate: &str| {
        let entity = Entity::Fact { subject: of.clone(), predicate: predicate.into() };
        reader.find(&entity)
    };
    let found: Vec<(EntityId, Version)> = match &query.wanted {
        Wanted::Facts(of) => own(of)?.map_or(Ok(Vec::new()), |of| reader.facts(of, &view))?,
        Wanted::Fact(of, predicate) => match fact(of, predicate)? {
            Some(id) => reader.get(&id, &view)?.map(|version| (id, version)).into_iter().collect(),
            None => Vec::new(),
        },
        Wanted::History(of, predicate) => match fact(of, predicate)? {
            Some(id) => {
                let versions = reader.history(&id, &view)?.into_iter();
                versions.map(|version| (id.clone(), version)).collect()
            }
            None => Vec::new(),
        },
        Wanted::Edges(of, kind) => match own(of)? {
            Some(of) => {
                let all = reader.neighbours(of, Direction::Both, kind.as_deref(), &view)?;
                all.into_iter().map(|found| (found.edge, found.version)).collect()
            }
            None => Vec::new(),
        },
        Wanted::CountFacts(name) => {
            return Ok((Vec::new(), reader.count(Kind::Fact, name, &view)?));
        }
        Wanted::CountEdges(name) => {
            return Ok((Vec::new(), reader.count(Kind::Edge, name, &view)?));
        }
    };
    let count = found.len() as u64;
    let memories = found.into_iter().map(|(id, Version { valid, content, recorded, .. })| {
        let write = Write { entity: reader.entity(&id)?, valid, content };
        let (tick, agent, step) = (recorded.tick, recorded.agent, recorded.step);
        Ok(Remembered { write, tick, agent, step })
    });
    Ok((memories.collect::<Result<_, GraphError>>()?, count))
}
