//! Memories of another log: kept apart, each once, and named when they contradict.

use std::collections::BTreeMap;
use std::fs;

use karyon_engram::{Engram, Manifest, Opened, Origin, Principal};
use karyon_graph::{
    Direction, EntityId, Graph, GraphError, ImportError, Kind, Rebuilt, Version, View,
};
use karyon_log::{
    Control, End, ImportRecord, InputFile, Place, SegmentHeader, Walk, write_segment,
};
use karyon_memory_ops::{Content, Entity, Memory, Recorded, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Hasher, LeaseId, LogId, Position, Tick, hash};

use crate::records::{name_of, spawn, step, time};
use crate::support::{Data, control, header, key, root_of};

/// What agent 1 of log 9 remembers: of its own mood, and whom it met.
fn memory(position: u64, entity: Entity, valid: Valid, value: i64) -> Memory {
    let content = Content::with([("value", Value::Int(value))]);
    let recorded = Recorded {
        position: Position(position),
        tick: Tick(position / 10),
        agent: AgentId(1),
        step: position,
        output: Some(0),
        lease: LeaseId(5),
    };
    Memory { write: Write { entity, valid, content }, recorded }
}

fn mood(position: u64, valid: Valid, value: i64) -> Memory {
    let subject = Vertex::Agent(AgentId(1));
    memory(position, Entity::Fact { subject, predicate: "mood".into() }, valid, value)
}

fn met(position: u64, to: Vertex) -> Memory {
    let from = Vertex::Agent(AgentId(1));
    memory(position, Entity::Edge { from, kind: "met".into(), to }, Valid::since(time(0)), 0)
}

fn since(from: i64) -> Valid {
    Valid::since(time(from))
}

fn seal(log: u8, memories: &[Memory]) -> Vec<u8> {
    let names: BTreeMap<_, _> =
        Engram::mentioned(memories).into_iter().map(|agent| (agent, name_of(agent.0))).collect();
    let manifest = Manifest {
        origin: Origin {
            log: LogId([log; 16]),
            node_key: key().public_key(),
            tree_size: 1,
            tree_root: [1; 32],
            records: 1000,
        },
        principal: Principal { name: "ada".into(), public_key: key().public_key() },
        reason: "a test".into(),
        created_unix_ms: 5,
        at: None,
        agents: names.clone(),
        names,
    };
    Engram::seal(&manifest, memories, &key()).unwrap()
}

fn record(name: &str, bytes: &[u8]) -> ImportRecord {
    let Opened { engram, signer, root } = Engram::open(bytes).unwrap();
    ImportRecord {
        file: InputFile { name: name.into(), size: bytes.len() as u64, hash: hash(bytes).0 },
        root: root.to_bytes().to_vec(),
        origin: engram.manifest.origin.log.0,
        signer: signer.0,
        trusted_by: "ada".into(),
        lease: 3,
        at_unix_ms: 6,
    }
}

fn append(data: &Data, end: &End, record: ImportRecord) -> End {
    let header: SegmentHeader = header(1);
    write_segment(&data.log(), &header, key().into(), 2, end, control(Control::Import(record)))
        .unwrap()
}

/// A finished run whose agent 1 has the mood 7 from 5 on, and the imports behind it.
fn run_with(engrams: &[&[u8]]) -> Data {
    let data = Data::new();
    let own = mood(0, since(5), 7).write;
    let mut end = data.write_log(1, &[spawn(1), step(1, 0, &[own])], true);
    for (number, bytes) in engrams.iter().enumerate() {
        let name = format!("{number}.car");
        fs::write(data.inputs().join(&name), bytes).unwrap();
        end = append(&data, &end, record(&name, bytes));
    }
    data
}

fn graph(data: &Data) -> Graph {
    let mut graph = Graph::open(&data.file()).unwrap();
    data.catch_up(&mut graph);
    graph
}

fn value(version: &Version) -> i64 {
    match &version.content {
        Content::Present { properties, .. } => match properties["value"] {
            Value::Int(value) => value,
            _ => panic!("an int"),
        },
        Content::Ended => panic!("present"),
    }
}

#[test]
fn what_is_imported_keeps_to_itself() {
    let named = Vertex::Named("square".into());
    let bytes = seal(9, &[mood(20, since(3), 1), met(30, named.clone()), met(31, named)]);
    let without = graph(&run_with(&[])).read().unwrap();
    let data = run_with(&[&bytes]);
    let graph = graph(&data);
    let reader = graph.read().unwrap();
    // Records: genesis, spawn, step, seal, import.
    assert_eq!(reader.position(), Position(5));
    let [own, foreign] = &reader.vertices_named("agent 1").unwrap()[..] else { panic!("two") };
    assert_eq!((own.origin, foreign.origin), (None, Some(LogId([9; 16]))));
    assert!(foreign.id.is_foreign() && !own.id.is_foreign());
    assert_eq!(foreign.vertex, own.vertex);
    let fact = |subject| EntityId::Fact { subject, predicate: "mood".into() };
    let own = reader.get(&fact(own.id), &View::NOW).unwrap().unwrap();
    assert_eq!((value(&own), own.origin), (7, None));
    let version = reader.get(&fact(foreign.id), &View::NOW).unwrap().unwrap();
    assert_eq!((value(&version), version.position), (1, Position(4)));
    assert_eq!(version.recorded, mood(20, since(3), 1).recorded);
    let origin = version.origin.unwrap();
    assert_eq!((origin.log, origin.import), (LogId([9; 16]), Position(4)));
    assert_eq!(origin.root, record("0.car", &bytes).root);
    assert_eq!(reader.entity(&fact(foreign.id)).unwrap(), mood(0, since(0), 0).write.entity);
    // As recorded before the import it is not there.
    let before = View::NOW.as_recorded(Position(3));
    assert_eq!(reader.get(&fact(foreign.id), &before).unwrap(), None);
    let met = reader.neighbours(foreign.id, Direction::Both, Some("met"), &View::NOW).unwrap();
    assert_eq!(met.len(), 1);
    let square = reader.vertex(met[0].other).unwrap().unwrap();
    assert_eq!((square.name.as_deref(), square.origin), (Some("square"), Some(LogId([9; 16]))));
    // What is counted and what is current is what this run knew itself.
    assert_eq!(reader.count(Kind::Fact, "mood", &View::NOW).unwrap(), 1);
    assert_eq!(reader.count(Kind::Edge, "met", &View::NOW).unwrap(), 0);
    let current = |reader: &karyon_graph::Reader| {
        let mut hasher = Hasher::for_domain("test");
        reader.add_current(&mut hasher).unwrap();
        hasher.finish()
    };
    assert_eq!(current(&reader), current(&without));
    assert_ne!(reader.memory_root().unwrap(), without.memory_root().unwrap());
}

#[test]
fn each_memory_is_there_once_and_in_the_order_of_its_own_log() {
    // All begin alike: the one that was recorded last holds, whatever its CID, and also if it
    // comes with the same import as one that was recorded before it.
    let (one, two, three) = (mood(20, since(3), 1), mood(21, since(3), 2), mood(22, since(3), 3));
    for last in [&two, &three] {
        let bytes = seal(9, &[one.clone(), last.clone()]);
        let reader = graph(&run_with(&[&bytes])).read().unwrap();
        let id = reader.vertices_named("agent 1").unwrap()[1].id;
        let facts = reader.facts(id, &View::NOW).unwrap();
        assert_eq!(value(&facts[0].1), value(&reader_version(last)));
    }
    let (first, second) = (seal(9, &[one.clone(), two.clone()]), seal(9, &[two.clone(), three]));
    let reader = graph(&run_with(&[&first, &second])).read().unwrap();
    let other = graph(&run_with(&[&second, &first])).read().unwrap();
    let twice = graph(&run_with(&[&first, &second, &first])).read().unwrap();
    let root = reader.memory_root().unwrap();
    assert_eq!(other.memory_root().unwrap(), root, "the order of imports");
    assert_eq!(twice.memory_root().unwrap(), root, "the same again");
    assert_eq!(twice.position(), Position(7));
    for (cid, _) in Engram::open(&second).unwrap().engram.memories {
        assert!(reader.is_known(&cid.to_bytes()).unwrap());
        assert!(!graph(&run_with(&[])).read().unwrap().is_known(&cid.to_bytes()).unwrap());
    }
    // `two` came with the first import.
    let id = reader.vertices_named("agent 1").unwrap()[1].id;
    let entity = EntityId::Fact { subject: id, predicate: "mood".into() };
    let view = View::NOW.as_recorded(Position(4));
    assert_eq!(value(&reader.get(&entity, &view).unwrap().unwrap()), 2);
    // Another log's agent 1 is another one.
    let elsewhere = seal(8, &[one]);
    let reader = graph(&run_with(&[&first, &elsewhere])).read().unwrap();
    assert_eq!(reader.vertices_named("agent 1").unwrap().len(), 3);
}

fn reader_version(memory: &Memory) -> Version {
    Version {
        valid: memory.write.valid,
        content: memory.write.content.clone(),
        position: Position(0),
        recorded: memory.recorded,
        origin: None,
    }
}

#[test]
fn contradictions_are_told_by_name_and_time() {
    // Own: agent 1 has mood 7 from 5 on. Log 8 said: mood 2 from 0 to 6.
    let until = |from, to| Valid { from: time(from), to: Some(time(to)) };
    let eight = seal(8, &[mood(1, until(0, 6), 2)]);
    let reader = graph(&run_with(&[&eight])).read().unwrap();
    for (valid, value, expected) in [
        (since(5), 7, &[2][..]),
        (since(6), 7, &[]),
        (since(6), 1, &[7]),
        (since(0), 1, &[7, 2]),
        (until(0, 5), 1, &[2]),
        (until(0, 5), 2, &[]),
        (until(5, 6), 1, &[7, 2]),
    ] {
        let opened = Engram::open(&seal(9, &[mood(1, valid, value)])).unwrap();
        let conflicts = reader.conflicts(&opened.engram).unwrap();
        let found: Vec<i64> =
            conflicts.iter().map(|conflict| self::value(&conflict.version)).collect();
        assert_eq!(found, expected, "{valid:?} {value}");
        assert!(conflicts.iter().all(|conflict| conflict.memory == opened.engram.memories[0].0));
    }
    // A log does not contradict itself.
    let same = |log| Engram::open(&seal(log, &[mood(9, since(0), 3)])).unwrap().engram;
    let values = |log| {
        let conflicts = reader.conflicts(&same(log)).unwrap();
        conflicts.iter().map(|conflict| value(&conflict.version)).collect::<Vec<_>>()
    };
    assert_eq!(values(8), [7]);
    assert_eq!(values(1), [2]);
}

#[test]
fn a_copy_that_is_not_the_one_stops_the_reading_until_it_is_back() {
    let bytes = seal(9, &[mood(20, since(3), 1)]);
    let other = seal(9, &[mood(20, since(3), 2)]);
    let data = run_with(&[&bytes]);
    let copy = data.inputs().join("0.car");
    let attempt = |check: &dyn Fn(&ImportError) -> bool| {
        let mut graph = Graph::open(&data.file()).unwrap();
        let error = graph.catch_up(&data.log(), &data.inputs(), &mut |_| {}).unwrap_err();
        match &error {
            GraphError::Import { position: Position(4), path, source } => {
                assert!(*path == copy && check(source), "{error}");
            }
            _ => panic!("{error}"),
        }
        assert!(!graph.is_current(&data.log()).unwrap());
        // What lies before the import is there.
        assert_eq!(graph.read().unwrap().position(), Position(4));
    };
    fs::write(&copy, &other).unwrap();
    attempt(&|error| matches!(error, ImportError::Changed));
    fs::remove_file(&copy).unwrap();
    attempt(&|error| matches!(error, ImportError::Io(_)));
    fs::write(&copy, &bytes).unwrap();
    let (caught_up, root) = data.heal();
    assert_eq!(caught_up.rebuilt, None::<Rebuilt>);
    assert_ne!(root, root_of(&[]));
}

#[test]
fn a_record_that_tells_of_another_engram_is_not_believed() {
    let bytes = seal(9, &[mood(20, since(3), 1)]);
    let good = record("0.car", &bytes);
    let (noise, noise_hash) = (b"no engram".to_vec(), hash(b"no engram").0);
    let file = InputFile { name: "0.car".into(), size: 9, hash: noise_hash };
    for (bad, copy) in [
        (ImportRecord { root: vec![1], ..good.clone() }, &bytes),
        (ImportRecord { origin: [8; 16], ..good.clone() }, &bytes),
        (ImportRecord { signer: [8; 32], ..good.clone() }, &bytes),
        (ImportRecord { file, ..good.clone() }, &noise),
    ] {
        let data = run_with(&[]);
        fs::write(data.inputs().join("0.car"), copy).unwrap();
        append(&data, &end_of(&data), bad);
        let mut graph = Graph::open(&data.file()).unwrap();
        let error = graph.catch_up(&data.log(), &data.inputs(), &mut |_| {}).unwrap_err();
        assert!(matches!(
            error,
            GraphError::Import { source: ImportError::Other | ImportError::Engram(_), .. }
        ));
    }
    for name in ["../0.car", "/0.car", "..", "", "a/0.car"] {
        let data = run_with(&[]);
        let file = InputFile { name: name.into(), ..good.file.clone() };
        append(&data, &end_of(&data), ImportRecord { file, ..good.clone() });
        let mut graph = Graph::open(&data.file()).unwrap();
        let error = graph.catch_up(&data.log(), &data.inputs(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, GraphError::Import { source: ImportError::Name, .. }), "{name}");
    }
}

fn end_of(data: &Data) -> End {
    let mut walk = Walk::open(&data.log()).unwrap();
    while walk.next_group().unwrap().is_some() {}
    let Place { end, .. } = walk.place();
    end
}
