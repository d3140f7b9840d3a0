//! Agents ask the memory: a projection that follows the log while the run goes on.
//!
//! Each answer looks at it as it was recorded up to the end of the tick in which the question was
//! asked. So a log that is longer, of a run that is repeated, gives the same answer. A run on a data
//! directory has one [`Projection`] for everything; one that is only repeated, and one in memory, read
//! on in memory when somebody asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_graph::{At, Direction, EntityId, Graph, GraphError, Kind, Reader, Version, View};
use karyon_log::{DiskFolder, ReadFolder, WalkedBlock};
use karyon_memory_ops::limits::ANSWER_MEMORIES_MAX;
use karyon_memory_ops::{Entity, Memories, Query, Remembered, Vertex, Wanted, Write};
use karyon_runtime::datadir::{inputs, log_folder};
use karyon_runtime::{Asked, Prefix, Recaller};
use karyon_types::Position;

use crate::projection::{Projection, ProjectionError};
use crate::stretches::{Stretch, Stretches};

/// The memory of a run under way, for [`RunConfig::recaller`](karyon_runtime::RunConfig).
pub struct Recollection(Source);

enum Source {
    /// In a file, by a thread of its own.
    Followed(Arc<Projection>),
    /// In memory, when somebody asks.
    Read(Box<InMemory>),
}

impl Recollection {
    /// Of a projection that follows the run's log. The run waits for it where it falls behind.
    pub fn following(projection: Arc<Projection>) -> Recollection {
        Recollection(Source::Followed(projection))
    }

    /// Of the log in a data directory. Nothing is written there.
    pub fn of(data: &Path) -> Recollection {
        Recollection::new(Arc::new(DiskFolder::new(&log_folder(data))), &inputs(data))
    }

    /// Of a log in a folder of any kind; `inputs` is where the copies of imported files lie.
    pub fn new(log: Arc<dyn ReadFolder>, inputs: &Path) -> Recollection {
        let inputs = inputs.into();
        let (graph, stretches, reader) = (None, Stretches::default(), None);
        Recollection(Source::Read(Box::new(InMemory { log, inputs, graph, stretches, reader })))
    }

    /// A view that reaches as far as the prefix, and the last record that counts.
    fn reach(&mut self, prefix: Prefix) -> Result<(Arc<Reader>, Position), ProjectionError> {
        match &mut self.0 {
            Source::Followed(projection) => {
                // A projector that fails begins an empty file, also between these two.
                loop {
                    let last = projection.wait_for_prefix(prefix)?;
                    let reader = projection.read()?;
                    if reader.end() > last {
                        return Ok((reader, last));
                    }
                }
            }
            Source::Read(memory) => memory.reach(prefix),
        }
    }
}

/// A memory that is read on from the log when somebody asks.
struct InMemory {
    log: Arc<dyn ReadFolder>,
    inputs: PathBuf,
    /// `None`: nobody asked yet.
    graph: Option<Graph>,
    stretches: Stretches,
    /// A view of all that was read.
    reader: Option<Arc<Reader>>,
}

impl InMemory {
    fn reach(&mut self, prefix: Prefix) -> Result<(Arc<Reader>, Position), ProjectionError> {
        if let (Some(last), Some(reader)) = (self.stretches.last(prefix.records), &self.reader) {
            return Ok((Arc::clone(reader), last));
        }
        let reader = Arc::new(self.read_on(prefix)?);
        self.reader = Some(Arc::clone(&reader));
        let last = self.stretches.last(prefix.records);
        Ok((reader, last.ok_or(ProjectionError::NotRecorded(prefix))?))
    }

    fn read_on(&mut self, prefix: Prefix) -> Result<Reader, GraphError> {
        let mut graph = match self.graph.take() {
            Some(graph) => graph,
            None => Graph::in_memory()?,
        };
        self.reader = None;
        let stretches = &mut self.stretches;
        let mut is_enough = |read: &[WalkedBlock]| {
            read.iter().filter_map(Stretch::of).for_each(|stretch| stretches.push(stretch));
            stretches.records() >= prefix.records
        };
        graph.catch_up_in(&self.log, &self.inputs, &mut is_enough, &mut |_| ())?;
        let reader = graph.read()?;
        self.graph = Some(graph);
        Ok(reader)
    }
}

impl Recaller for Recollection {
    /// An empty answer: the question cannot be read, or is about somebody for whom the gate was not
    /// asked.
    fn answer(&mut self, prefix: Prefix, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
        let query = Query::decode(asked.query).filter(|query| query.about() == asked.about);
        let Some(query) = query else { return Ok(Vec::new()) };
        let (reader, last) = self.reach(prefix).map_err(|error| error.to_string())?;
        let (memories, count) = look(&reader, &query, last).map_err(|error| error.to_string())?;
        Memories::encode(memories, count).map_err(|error| error.to_string())
    }

    fn remembers(&mut self) {
        if let Source::Followed(projection) = &self.0 {
            projection.begin();
        }
    }

    fn keeps_up(&mut self) -> Result<bool, String> {
        match &self.0 {
            Source::Followed(projection) => {
                projection.keeps_up().map_err(|error| error.to_string())
            }
            Source::Read(_) => Ok(true),
        }
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
    let mut count = None;
    let found: Vec<(EntityId, Version)> = match &query.wanted {
        Wanted::Facts(of) => own(of)?.map_or(Ok(Vec::new()), |of| reader.facts(of, &view))?,
        Wanted::Fact(of, predicate) => match fact(of, predicate)? {
            Some(id) => reader.get(&id, &view)?.map(|version| (id, version)).into_iter().collect(),
            None => Vec::new(),
        },
        Wanted::History(of, predicate) => match fact(of, predicate)? {
            Some(id) => {
                let mut versions = reader.history(&id, &view)?;
                count = Some(versions.len() as u64);
                let first = versions.len().saturating_sub(ANSWER_MEMORIES_MAX);
                versions.drain(..first);
                versions.into_iter().map(|version| (id.clone(), version)).collect()
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
    let count = count.unwrap_or(found.len() as u64);
    let memories = found.into_iter().map(|(id, Version { valid, content, recorded, .. })| {
        let write = Write { entity: reader.entity(&id)?, valid, content };
        let (tick, agent, step) = (recorded.tick, recorded.agent, recorded.step);
        Ok(Remembered { write, tick, agent, step })
    });
    Ok((memories.collect::<Result<_, GraphError>>()?, count))
}

#[cfg(test)]
mod tests {
    use std::io;

    use karyon_identity::SecretKey;
    use karyon_log::{
        Cause, Control, End, Lane, Output, ReadStorage, Record, SegmentHeader, segment_name,
    };
    use karyon_log_writer::{Block, Storage, Writer};
    use karyon_memory_ops::{Content, Time, Valid, Value, Write};
    use karyon_types::{AgentId, LeaseId, LogId, Tick};

    use super::*;

    /// The bytes of one file.
    #[derive(Clone)]
    struct Bytes(Arc<Vec<u8>>);

    impl ReadStorage for Bytes {
        fn len(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            let begin = offset as usize;
            buffer.copy_from_slice(&self.0[begin..begin + buffer.len()]);
            Ok(())
        }
    }

    impl ReadFolder for Bytes {
        fn names(&self) -> io::Result<Vec<String>> {
            Ok(vec![segment_name(0)])
        }

        fn open(&self, _: &str) -> io::Result<Box<dyn ReadStorage>> {
            Ok(Box::new(self.clone()))
        }
    }

    fn fact(of: &Vertex, n: i64) -> Vec<u8> {
        let entity = Entity::Fact { subject: of.clone(), predicate: "is".into() };
        let content = Content::with([("n", Value::Int(n))]);
        let mut bytes = Vec::new();
        Write { entity, valid: Valid::since(Time::MIN), content }.encode(&mut bytes).unwrap();
        bytes
    }

    /// A log in which each tick is a record of it and one step, and control records lie between
    /// them: in tick t agent 1 says that it, agent 2 and "house" are t.
    fn log(ticks: u64) -> Bytes {
        let key = Arc::new(SecretKey::from_seed([3; 32]).unwrap());
        let header = SegmentHeader { log: LogId([1; 16]), node_key: key.public_key() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = karyon_log_writer::FileStorage::create(&path).unwrap();
        file.write_at(0, &header.encode()).unwrap();
        let writer = Writer::start(Box::new(file), &header, key, 1, End::of_new_log()).unwrap();
        let append = |lane, count, body| {
            writer.append(Block { lane, count, body, wall_ms: 0, seals: false }).unwrap();
        };
        for tick in 0..ticks {
            let mut control = Vec::new();
            let halt = karyon_log::Halt { reason: "none".into(), at_unix_ms: 0 };
            (0..tick % 3).for_each(|_| {
                Record::Control(Box::new(Control::Halt(halt.clone()))).encode(&mut control);
            });
            if !control.is_empty() {
                append(Lane::Control, (tick % 3) as u32, control);
            }
            let of = [Vertex::Agent(AgentId(1)), Vertex::Agent(AgentId(2)), "house".into()];
            let writes: Vec<_> = of.iter().map(|of| fact(of, tick as i64)).collect();
            let outputs =
                writes.iter().map(|write| Output::Remembered { lease: LeaseId(1), write });
            let mut body = Vec::new();
            Record::Tick(Tick(tick)).encode(&mut body);
            let (agent, cause, outputs) = (AgentId(1), Cause::Input(0), outputs.collect());
            Record::Step { agent, step: tick, cause, outputs }.encode(&mut body);
            append(Lane::Ticks, 2, body);
        }
        writer.close().unwrap();
        Bytes(Arc::new(std::fs::read(&path).unwrap()))
    }

    fn ask(
        memory: &mut Recollection,
        tick: u64,
        about: Option<u64>,
        query: &Query,
    ) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        query.encode(&mut bytes).unwrap();
        let prefix = Prefix { tick: Tick(tick), records: 2 * tick + 2 };
        let asked = Asked { agent: AgentId(1), about: about.map(AgentId), query: &bytes };
        memory.answer(prefix, &asked)
    }

    fn said(answer: &[u8]) -> Vec<i64> {
        let memories = Memories::decode(answer).unwrap().memories;
        let number = |memory: &Remembered| match memory.property("n") {
            Some(Value::Int(n)) => *n,
            other => panic!("{other:?}"),
        };
        memories.iter().map(number).collect()
    }

    #[test]
    fn each_answer_is_of_its_prefix_however_far_the_log_goes() {
        let mut long = Recollection::new(Arc::new(log(9)), Path::new(""));
        for tick in [8, 0, 5, 3, 8] {
            let answer = ask(&mut long, tick, Some(2), &Query::facts(AgentId(2))).unwrap();
            assert_eq!(said(&answer), [tick as i64]);
            let mut short = Recollection::new(Arc::new(log(tick + 1)), Path::new(""));
            let same = ask(&mut short, tick, Some(2), &Query::facts(AgentId(2))).unwrap();
            assert_eq!(same, answer, "tick {tick}");
            let history = Query::history("house", "is");
            let answer = ask(&mut long, tick, None, &history).unwrap();
            assert_eq!(said(&answer), (0..=tick as i64).collect::<Vec<_>>());
            let count = ask(&mut long, tick, None, &Query::count_facts("is")).unwrap();
            assert_eq!(Memories::decode(&count).unwrap().count, 3);
        }
        let error = ask(&mut long, 9, None, &Query::facts("house")).unwrap_err();
        assert!(error.contains("ends before"), "{error}");
    }

    #[test]
    fn a_question_about_somebody_else_than_the_gate_was_asked_about_is_not_answered() {
        let mut memory = Recollection::new(Arc::new(log(2)), Path::new(""));
        let mut ask = |about, query: &Query| ask(&mut memory, 1, about, query).unwrap();
        let other = Query::facts(AgentId(2));
        assert_eq!(said(&ask(Some(2), &other)), [1]);
        for about in [Some(1), None] {
            assert_eq!(ask(about, &other), b"", "{about:?}");
        }
        for query in [Query::facts("house"), Query::count_facts("is")] {
            assert_eq!(ask(Some(1), &query), b"");
            assert_ne!(ask(None, &query), b"");
        }
    }

    #[test]
    fn what_is_no_question_is_not_answered() {
        let mut memory = Recollection::new(Arc::new(log(1)), Path::new(""));
        let prefix = Prefix { tick: Tick(0), records: 2 };
        let asked = Asked { agent: AgentId(1), about: None, query: b"what?" };
        assert_eq!(memory.answer(prefix, &asked), Ok(Vec::new()));
    }
}
