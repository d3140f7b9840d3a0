//! Memories of another log: kept apart, each once, and named when they contradict.

use std::fs;

use karyon_graph::{Direction, EntityId, Graph, GraphError, ImportError, Kind, Rebuilt, View};
use karyon_log::{End, ImportRecord, InputFile, Place, Walk};
use karyon_memory_ops::Vertex;
use karyon_types::{Hasher, LogId, Position, hash};

use crate::engrams::{append, graph, met, mood, record, run_with, seal, since, value};
use crate::support::{Data, root_of};

#[test]
fn what_is_imported_keeps_to_itself() {
    let named = Vertex::Named("square".into());
    let bytes = seal(9, &[mood(20, since(3), 1), met(30, named.clone()), met(31, named)]);
    let without = graph(&run_with(&[])).read().unwrap();
    let data = run_with(&[&bytes]);
    let graph = graph(&data);
    let reader = graph.read().unwrap();
    // Records: genesis, spawn, step, seal, import.
    assert_eq!(reader.end(), Position(5));
    let [own, foreign] = &reader.vertices_named("agent 1").unwrap()[..] else { panic!("two") };
    assert_eq!((own.origin, foreign.origin), (None, Some(LogId([9; 16]))));
    assert_eq!(foreign.vertex, own.vertex);
    let fact = |subject| EntityId::Fact { subject, predicate: "mood".into() };
    let own = reader.get(&fact(own.id), &View::NOW).unwrap().unwrap();
    assert_eq!((value(&own), own.origin), (7, None));
    let version = reader.get(&fact(foreign.id), &View::NOW).unwrap().unwrap();
    assert_eq!((value(&version), version.position), (1, Position(4)));
    assert_eq!(version.recorded, mood(20, since(3), 1).recorded);
    let origin = version.origin.unwrap();
    assert_eq!(origin.log, LogId([9; 16]));
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
    assert_eq!(reader.list(Kind::Fact, "mood", &View::NOW).unwrap().len(), 1);
    assert!(reader.list(Kind::Edge, "met", &View::NOW).unwrap().is_empty());
    assert_eq!(reader.count_imported(Kind::Fact, "mood", &View::NOW).unwrap(), 1);
    assert_eq!(reader.count_imported(Kind::Edge, "met", &View::NOW).unwrap(), 1);
    assert_eq!(reader.count_imported(Kind::Edge, "met", &before).unwrap(), 0);
    assert_eq!(reader.count_imported(Kind::Edge, "mood", &View::NOW).unwrap(), 0);
    // Of both versions of the edge, one entity; the other end knows it too.
    let about = reader.entities_of(foreign.id).unwrap();
    assert_eq!(about, [met[0].edge.clone(), fact(foreign.id)]);
    assert_eq!(reader.entities_of(met[0].other).unwrap(), [met[0].edge.clone()]);
    let current = |reader: &karyon_graph::Reader| {
        let mut hasher = Hasher::for_domain("test");
        reader.add_current(&mut hasher).unwrap();
        hasher.finish()
    };
    assert_eq!(current(&reader), current(&without));
    assert_ne!(reader.memory_root().unwrap(), without.memory_root().unwrap());
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
        assert_eq!(graph.read().unwrap().end(), Position(4));
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
