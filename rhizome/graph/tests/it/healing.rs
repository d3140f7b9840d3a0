//! Whatever lies at the graph's place: reading the log again gives the same root.

use std::fs;
use std::path::Path;

use karyon_graph::{CaughtUp, Graph, GraphError, Rebuilt, rebuild};
use karyon_log::{LogError, segment_file};
use karyon_memory_ops::{Content, Entity, Valid, Value, Vertex, Write};
use karyon_types::{Hash, Position};

use crate::records::{spawn, step, time};
use crate::support::{Data, project, root_of, with_genesis};

fn bodies(count: u64) -> Vec<Vec<u8>> {
    let write = |n: u64| Write {
        entity: Entity::Fact { subject: Vertex::Named(format!("n{n}")), predicate: "p".into() },
        valid: Valid::since(time(n as i64)),
        content: Content::with([("value", Value::Text("x".repeat(100)))]),
    };
    let steps = (0..count).map(|n| step(1, n, &[write(n), write(n + 1)]));
    std::iter::once(spawn(1)).chain(steps).collect()
}

/// A log, its graph up to the end, and the root.
fn projected(count: u64) -> (Data, Hash) {
    let data = Data::new();
    let bodies = bodies(count);
    data.write_log(1, &bodies, true);
    let (caught_up, root) = data.heal();
    assert_eq!(caught_up, CaughtUp { from: Position(0), to: Position(count + 3), rebuilt: None });
    assert_eq!(root, root_of(&bodies));
    (data, root)
}

fn heals(data: &Data, root: Hash, why: impl Fn(&Rebuilt) -> bool) {
    let (caught_up, found) = data.heal();
    assert_eq!(found, root);
    assert_eq!(caught_up.from, Position(0));
    assert!(caught_up.rebuilt.as_ref().is_some_and(why), "{:?}", caught_up.rebuilt);
    // Once.
    let (caught_up, found) = data.heal();
    assert_eq!((caught_up.from, caught_up.rebuilt, found), (caught_up.to, None, root));
    let left: Vec<_> = fs::read_dir(data.file().parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_missing_one_is_built() {
    let (data, root) = projected(5);
    fs::remove_file(data.file()).unwrap();
    let (caught_up, found) = data.heal();
    assert_eq!((caught_up.from, caught_up.rebuilt, found), (Position(0), None, root));
}

#[test]
fn an_older_copy_reads_on() {
    let data = Data::new();
    data.write_log(1, &bodies(5), false);
    data.heal();
    let copy = fs::read(data.file()).unwrap();
    data.write_log(1, &bodies(9), true);
    let (_, root) = data.heal();
    fs::write(data.file(), copy).unwrap();
    let graph = Graph::open_read_only(&data.file()).unwrap();
    assert!(!graph.is_current(&data.log()).unwrap());
    drop(graph);
    let (caught_up, found) = data.heal();
    assert_eq!((caught_up.from, caught_up.rebuilt, found), (Position(7), None, root));
}

#[test]
fn one_that_the_log_does_not_know_begins_again() {
    let (data, _) = projected(9);
    // Ahead of the log.
    data.write_log(1, &bodies(5), true);
    heals(&data, root_of(&bodies(5)), |why| *why == Rebuilt::NotInLog);
    // Another past of the same length.
    let other: Vec<_> = bodies(6).into_iter().skip(1).collect();
    data.write_log(1, &other, true);
    heals(&data, root_of(&other), |why| *why == Rebuilt::NotInLog);
    // Another log.
    data.write_log(2, &bodies(5), true);
    heals(&data, root_of(&bodies(5)), |why| *why == Rebuilt::OtherLog);
}

#[test]
fn one_that_was_fed_by_hand_begins_again() {
    let data = Data::new();
    data.write_log(1, &bodies(3), true);
    let mut graph = Graph::open(&data.file()).unwrap();
    project(&mut graph, &with_genesis(&bodies(1)));
    assert!(!graph.is_current(&data.log()).unwrap());
    drop(graph);
    heals(&data, root_of(&bodies(3)), |why| *why == Rebuilt::NotInLog);
}

#[test]
fn what_is_no_graph_is_replaced() {
    let (data, root) = projected(5);
    let good = fs::read(data.file()).unwrap();
    let damaged = |why: &Rebuilt| matches!(why, Rebuilt::Damaged { .. });
    for garbage in [&b"x"[..], &[0; 5000], &[0xff; 9000], b"redb\x1a\x0a\xa9\x0d\x0a and then?"] {
        fs::write(data.file(), garbage).unwrap();
        let refused = Graph::open_read_only(&data.file());
        assert!(matches!(refused, Err(GraphError::Unusable { .. })));
        heals(&data, root, damaged);
    }
    // Cut at each page, and not at a page.
    for cut in (1..good.len()).step_by(4096).chain([100, 4100, good.len() - 1]) {
        fs::write(data.file(), &good[..cut]).unwrap();
        heals(&data, root, damaged);
    }
    // An empty file is a new one.
    fs::write(data.file(), b"").unwrap();
    let (caught_up, found) = data.heal();
    assert_eq!((caught_up.rebuilt, found), (None, root));
}

#[test]
fn what_an_interrupted_building_left_is_in_nobodys_way() {
    let (data, root) = projected(5);
    let mut beside = data.file().into_os_string();
    beside.push(".new");
    for left in [&b"garbage"[..], &fs::read(data.file()).unwrap()] {
        fs::write(&beside, left).unwrap();
        let built = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {}).unwrap();
        assert_eq!((built.old, built.new_root), (Some((root, Position(8))), root));
        assert!(!Path::new(&beside).exists());
    }
    fs::remove_file(data.file()).unwrap();
    let built = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {}).unwrap();
    assert_eq!((built.old, built.new_root), (None, root));
    fs::write(data.file(), b"garbage").unwrap();
    let built = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {}).unwrap();
    assert_eq!((built.old, built.new_root), (None, root));
}

#[test]
fn where_there_is_no_log_nothing_is_built() {
    let data = Data::new();
    let refused = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {});
    assert!(matches!(refused, Err(GraphError::Log(LogError::Io(_)))), "{refused:?}");
    assert!(!data.file().parent().unwrap().exists());
}

#[test]
fn what_is_no_file_beside_it_stays() {
    let (data, _) = projected(5);
    let mut beside = data.file().into_os_string();
    beside.push(".new");
    let _socket = std::os::unix::net::UnixListener::bind(&beside).unwrap();
    let refused = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {});
    let Err(GraphError::Io { path: Some(path), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(path, Path::new(&beside));
    assert!(path.exists());
}

#[test]
fn building_anew_shows_a_difference() {
    let (data, root) = projected(5);
    // A graph of another log that pretends to be at the same place: its rows are not this log's.
    let other = Data::new();
    other.write_log(1, &bodies(6), true);
    other.heal();
    let place = |data: &Data, new: Option<Vec<u8>>| meta(data, "place", new);
    place(&other, Some(place(&data, None)));
    let state = meta(&data, "state", None);
    meta(&other, "state", Some(state));
    fs::copy(other.file(), data.file()).unwrap();
    let built = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {}).unwrap();
    assert!(built.differs());
    assert_eq!(built.new_root, root);
}

/// Reads, and perhaps replaces, a row of the table `meta`.
fn meta(data: &Data, row: &str, new: Option<Vec<u8>>) -> Vec<u8> {
    let table = redb::TableDefinition::<&[u8], &[u8]>::new("meta");
    let database = redb::Database::open(data.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut open = transaction.open_table(table).unwrap();
    let new = new.unwrap_or_else(|| open.get(row.as_bytes()).unwrap().unwrap().value().to_vec());
    let old = open.insert(row.as_bytes(), &*new).unwrap().unwrap().value().to_vec();
    drop(open);
    transaction.commit().unwrap();
    old
}

use redb::ReadableTable as _;

#[test]
fn another_layout_is_built_anew() {
    let (data, root) = projected(5);
    meta(&data, "schema", Some(99u32.to_le_bytes().to_vec()));
    let refused = Graph::open_read_only(&data.file()).err().unwrap();
    assert!(matches!(refused, GraphError::Unusable { why: Rebuilt::Schema { found: 99 }, .. }));
    heals(&data, root, |why| *why == Rebuilt::Schema { found: 99 });
    let elsewhere = meta(&projected(4).0, "state", None);
    let damage =
        [("schema", vec![1]), ("state", vec![]), ("state", elsewhere), ("place", vec![1, 2, 3])];
    for (row, bytes) in damage {
        meta(&data, row, Some(bytes));
        heals(&data, root, |why| matches!(why, Rebuilt::Damaged { .. }));
    }
}

#[test]
fn one_writes_or_many_read() {
    let (data, _) = projected(3);
    let file = data.file();
    let in_use = |graph: Result<Graph, GraphError>| match graph {
        Err(GraphError::InUse { path }) => path == file,
        Ok(_) | Err(_) => false,
    };
    let writing = Graph::open(&file).unwrap();
    assert!(in_use(Graph::open(&file)));
    assert!(in_use(Graph::open_read_only(&file)));
    let busy = rebuild(&file, &data.log(), &data.inputs(), &mut |_| {});
    assert!(matches!(busy, Err(GraphError::InUse { .. })));
    drop(writing);
    let mut one = Graph::open_read_only(&file).unwrap();
    let other = Graph::open_read_only(&file).unwrap();
    assert!(in_use(Graph::open(&file)));
    let roots = [&one, &other].map(|graph| graph.read().unwrap().memory_root().unwrap());
    assert_eq!(roots[0], roots[1]);
    assert!(one.is_current(&data.log()).unwrap());
    let refused = one.catch_up(&data.log(), &data.inputs(), &mut |_| {});
    assert!(matches!(refused, Err(GraphError::ReadOnly)));
    drop((one, other));
    fs::remove_file(&file).unwrap();
    assert!(matches!(Graph::open_read_only(&file), Err(GraphError::Missing { .. })));
}

#[test]
fn a_view_outlives_the_graph_that_gave_it() {
    let (data, root) = projected(8);
    for open in [Graph::open, Graph::open_read_only] {
        // Nothing of it is read before the graph is dropped, so nothing is in its cache.
        let view = open(&data.file()).unwrap().read().unwrap();
        assert_eq!(view.memory_root().unwrap(), root);
        // And it holds the file.
        assert!(matches!(Graph::open(&data.file()), Err(GraphError::InUse { .. })));
    }
}

#[test]
fn a_held_view_stays_as_it_is() {
    let data = Data::new();
    data.write_log(1, &bodies(2), false);
    let mut graph = Graph::open(&data.file()).unwrap();
    data.catch_up(&mut graph);
    let held = graph.read().unwrap();
    let root = held.memory_root().unwrap();
    data.write_log(1, &bodies(4), false);
    data.catch_up(&mut graph);
    assert_eq!((held.memory_root().unwrap(), held.end()), (root, Position(4)));
    let now = graph.read().unwrap();
    assert_eq!((now.memory_root().unwrap(), now.end()), (root_of(&bodies(4)), Position(6)));
}

#[test]
fn a_kill_between_any_two_transactions_costs_nothing() {
    let bodies = bodies(6);
    let data = Data::new();
    data.write_log(1, &bodies, true);
    let expected = root_of(&bodies);
    // Each commit of the log as a transaction; the file as a kill would leave it.
    for stop in 0..=bodies.len() {
        fs::remove_dir_all(data.file().parent().unwrap()).ok();
        let part = Data::new();
        part.write_log(1, &bodies[..stop], false);
        let mut graph = Graph::open(&data.file()).unwrap();
        part.catch_up(&mut graph);
        let killed = fs::read(data.file()).unwrap();
        drop(graph);
        fs::write(data.file(), &killed).unwrap();
        // Who only reads leaves it as it is.
        let refused = Graph::open_read_only(&data.file()).err().unwrap();
        assert!(matches!(refused, GraphError::Unclosed { .. }), "{refused}");
        assert_eq!(fs::read(data.file()).unwrap(), killed);
        let (caught_up, root) = data.heal();
        assert_eq!((caught_up.from, caught_up.rebuilt), (Position(1 + stop as u64), None));
        assert_eq!(root, expected);
    }
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let mut graph = Graph::in_memory().unwrap();
    let bodies = with_genesis(&bodies(3));
    let mut projector = graph.projector(Path::new("")).unwrap();
    projector.apply(&[&bodies[0], &bodies[1]]).unwrap();
    let bad = [2, 200, 0];
    let refused = projector.apply(&[&bodies[2], &bodies[3], &bad]);
    assert!(matches!(refused, Err(GraphError::Record { position: Position(4) })));
    // The numbers that were given in it are given again.
    projector.apply(&[&bodies[2], &bodies[3], &bodies[4]]).unwrap();
    let reader = graph.read().unwrap();
    assert_eq!(reader.end(), Position(5));
    assert_eq!(reader.memory_root().unwrap(), root_of(&crate::healing::bodies(3)));
}

#[test]
fn a_damaged_log_is_read_up_to_the_damage() {
    let (data, root) = projected(6);
    fs::remove_file(data.file()).unwrap();
    let first = segment_file(&data.log(), 0);
    let whole = fs::read(&first).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].iter_mut().find(|byte| **byte != 0).map(|byte| *byte ^= 1).unwrap();
    fs::write(&first, damaged).unwrap();
    let mut graph = Graph::open(&data.file()).unwrap();
    let refused = graph.catch_up(&data.log(), &data.inputs(), &mut |_| {});
    assert!(matches!(refused, Err(GraphError::Log(LogError::Damaged(_)))), "{refused:?}");
    let reached = graph.read().unwrap().end();
    assert!(reached > Position(0) && reached < Position(9));
    drop(graph);
    fs::write(&first, whole).unwrap();
    let (caught_up, found) = data.heal();
    assert_eq!((caught_up.from, caught_up.rebuilt, found), (reached, None, root));
}

#[test]
fn what_is_no_file_is_refused_with_its_path() {
    let data = Data::new();
    fs::create_dir_all(data.file()).unwrap();
    for graph in [Graph::open(&data.file()), Graph::open_read_only(&data.file())] {
        let error = graph.err().unwrap();
        assert!(error.to_string().contains("graph.redb"), "{error}");
        assert!(matches!(error, GraphError::Io { .. }));
    }
    let below_a_file = data.inputs().join("a");
    fs::write(&below_a_file, b"").unwrap();
    let error = Graph::open(&below_a_file.join("graph.redb")).err().unwrap();
    assert!(matches!(error, GraphError::Io { .. }), "{error}");
}
