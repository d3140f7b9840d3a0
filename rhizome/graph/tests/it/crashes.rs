//! A projection whose disk fails at any of its operations, and one whose process is killed: what
//! is found behind it is what some transaction left, and reading on gives the root that it gives
//! undisturbed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use karyon_graph::{CaughtUp, EntityId, Graph, GraphError, Reader, Rebuilt, View};
use karyon_log::{DiskFolder, ReadFolder};
use karyon_memory_ops::{Content, Entity, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Hash, Position};

use crate::disk::{Disk, Fault, Loss};
use crate::engrams::{append, met, mood, record, seal, since, until, value};
use crate::records::{spawn, step, time};
use crate::support::{Data, root_of};

/// A fact of which each step brings the next version.
fn counted(number: u64) -> Write {
    Write {
        entity: Entity::Fact { subject: Vertex::Agent(AgentId(1)), predicate: "counted".into() },
        valid: Valid::since(time(number as i64)),
        content: Content::with([
            ("value", Value::Int(number as i64)),
            ("note", Value::Text("x".repeat(number as usize % 90))),
        ]),
    }
}

/// Steps that count, and begin and end an edge of a hub each.
fn bodies(count: u64) -> Vec<Vec<u8>> {
    let edge = |number: u64, content| Write {
        entity: Entity::Edge {
            from: Vertex::Agent(AgentId(1)),
            kind: "met".into(),
            to: Vertex::Named(format!("n{}", number % 40)),
        },
        valid: Valid::since(time(number as i64)),
        content,
    };
    let steps = (0..count).map(|number| {
        let begins = edge(number, Content::with([("value", Value::Int(0))]));
        let ends = edge(number + 20, Content::Ended);
        step(1, number, &[counted(number), begins, ends])
    });
    std::iter::once(spawn(1)).chain(steps).collect()
}

/// Reads the log on, each commit as a transaction of its own.
fn next(graph: &mut Graph, data: &Data) -> Result<CaughtUp, GraphError> {
    let log: Arc<dyn ReadFolder> = Arc::new(DiskFolder::new(&data.log()));
    graph.catch_up_in(&log, &data.inputs(), &mut |_| true, &mut |_| {})
}

/// Projects a log to its end, and compacts the file; `reached` hears how far it has got for good.
fn read_on(disk: &Disk, data: &Data, reached: &mut dyn FnMut(&Graph)) -> Result<(), GraphError> {
    let mut graph = Graph::on(disk.clone())?;
    loop {
        reached(&graph);
        let caught_up = next(&mut graph, data)?;
        assert_eq!(caught_up.rebuilt, None);
        if caught_up.from == caught_up.to {
            return graph.compact();
        }
    }
}

fn end_and_root(graph: &Graph) -> (u64, Hash) {
    let reader = graph.read().unwrap();
    (reader.end().0, reader.memory_root().unwrap())
}

/// A finished run, and an import behind it.
fn short() -> Data {
    let data = Data::new();
    let end = data.write_log(1, &bodies(12), true);
    let bytes = seal(9, &[mood(20, since(3), 1), mood(21, until(4, 6), 2), met(30, "x".into())]);
    fs::write(data.inputs().join("0.car"), &bytes).unwrap();
    append(&data, &end, record("0.car", &bytes));
    data
}

#[test]
fn a_disk_that_fails_at_any_operation() {
    let data = short();
    let (disk, mut roots) = (Disk::default(), Vec::new());
    read_on(&disk, &data, &mut |graph| roots.push(end_and_root(graph))).unwrap();
    let operations = disk.operations();
    let (end, root) = *roots.last().unwrap();
    // Nothing, genesis, spawn, twelve steps, the seal and the import.
    assert_eq!((roots.len(), end), (17, 16));
    let roots: BTreeMap<u64, Hash> = roots.into_iter().collect();
    let losses = [Loss::Everything, Loss::Nothing, Loss::Some(1), Loss::Some(2), Loss::Some(3)];
    let stops = losses.map(|loss| (Fault::Stop, loss));
    let cases =
        stops.into_iter().chain([(Fault::Once, Loss::Nothing), (Fault::Once, Loss::Some(4))]);
    let cases: Vec<_> = cases.collect();
    let mut began_again = 0;
    for operation in 1..=operations {
        for &(fault, loss) in &cases {
            let case = format!("{fault:?} at {operation} of {operations}, lost: {loss:?}");
            let disk = Disk::failing(operation, fault);
            let mut durable = None;
            let outcome =
                read_on(&disk, &data, &mut |graph| durable = Some(graph.read().unwrap().end().0));
            if let Err(error) = &outcome {
                assert!(
                    matches!(error, GraphError::Io { .. } | GraphError::Database(_)),
                    "{case}: {error}"
                );
            }
            let loss = match loss {
                Loss::Some(seed) => Loss::Some(seed.wrapping_mul(operation)),
                other => other,
            };
            let mut graph = match Graph::on(disk.after(loss)) {
                Ok(graph) => graph,
                // It was never there as a whole; a file is replaced then.
                Err(error) if durable.is_none() => {
                    assert!(matches!(error, GraphError::Damaged { .. }), "{case}: {error}");
                    began_again += 1;
                    Graph::on(Disk::default()).unwrap()
                }
                Err(error) => panic!("{case}: {error}"),
            };
            let (from, found) = end_and_root(&graph);
            // What was done stays done; of what was under way all or nothing is there.
            let durable = durable.unwrap_or(0);
            let next_one = roots.range(durable + 1..).next().map_or(end, |(end, _)| *end);
            assert!(from == durable || from == next_one, "{case}: {durable} was there, {from} is");
            assert_eq!(roots.get(&from), Some(&found), "{case}");
            let caught_up = graph.catch_up(&data.log(), &data.inputs(), &mut |_| {}).unwrap();
            let expected =
                CaughtUp { from: Position(from), to: Position(end), rebuilt: None::<Rebuilt> };
            assert_eq!(caught_up, expected, "{case}");
            assert_eq!(end_and_root(&graph), (end, root), "{case}");
        }
    }
    println!("{operations} operations, {began_again} times nothing was there yet");
    assert!(operations > 100, "{operations}");
}

/// Names the folder to the process that is killed.
const FOLDER: &str = "KARYON_TEST_KILLED";

/// Not a test of its own: what [`kills_at_random_moments`] starts, and kills.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let data = Data::at(Path::new(&folder));
    fs::write(Path::new(&folder).join("started"), b"").unwrap();
    let mut graph = Graph::open(&data.file()).unwrap();
    loop {
        let caught_up = next(&mut graph, &data).unwrap();
        assert_eq!(caught_up.rebuilt, None);
        if caught_up.from == caught_up.to {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    fs::write(Path::new(&folder).join("finished"), b"").unwrap();
}

fn until_there(file: &Path, child: &mut Child) {
    while !file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        sleep(Duration::from_millis(1));
    }
}

/// The versions of the fact that counts: from 0 on, without a gap, each once.
fn check_counted(reader: &Reader, steps: u64) {
    let subject = reader.find_vertex(None, &Vertex::Agent(AgentId(1))).unwrap().unwrap();
    let fact = EntityId::Fact { subject, predicate: "counted".into() };
    let history = reader.history(&fact, &View::NOW).unwrap();
    assert!(
        history.iter().map(value).eq(0..steps as i64),
        "{steps} steps, {} versions",
        history.len()
    );
}

#[test]
fn kills_at_random_moments() {
    const STEPS: u64 = 1_200;
    const KILLS: u64 = 30;
    let data = Data::new();
    let bodies = bodies(STEPS);
    data.write_log(1, &bodies, true);
    let folder = data.log().parent().unwrap().to_owned();
    let (started, finished) = (folder.join("started"), folder.join("finished"));
    let (mut reached, mut killed, mut grown) = (0, 0, 0);
    let begun = Instant::now();
    while killed < KILLS && !finished.exists() {
        fs::remove_file(&started).ok();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crashes::the_process_that_is_killed", "--nocapture"])
            .env(FOLDER, &folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until_there(&started, &mut child);
        // What the clock says last is random enough. Each other time while it opens the file.
        let most_us = if killed % 2 == 0 { 80_000 } else { 10_000 };
        sleep(Duration::from_micros(u64::from(begun.elapsed().subsec_nanos()) % most_us));
        child.kill().unwrap();
        child.wait().unwrap();
        killed += u64::from(!finished.exists());
        let graph = Graph::open(&data.file()).unwrap();
        let (end, root) = end_and_root(&graph);
        assert!(end >= reached, "{end} behind {reached}");
        grown += u64::from(end > reached);
        reached = end;
        let steps = end.saturating_sub(2).min(STEPS);
        check_counted(&graph.read().unwrap(), steps);
        if end >= 2 {
            assert_eq!(root, root_of(&bodies[..=steps as usize]), "at {end}");
        }
    }
    let mut graph = Graph::open(&data.file()).unwrap();
    let caught_up = data.catch_up(&mut graph);
    assert_eq!((caught_up.from.0, caught_up.rebuilt), (reached, None));
    let reader = graph.read().unwrap();
    assert_eq!(reader.end().0, STEPS + 3);
    assert_eq!(reader.memory_root().unwrap(), root_of(&bodies));
    check_counted(&reader, STEPS);
    println!("killed {killed} times, {grown} times behind new commits, at last at {reached}");
    assert!(killed >= KILLS / 2 && grown >= 5, "{killed} {grown}");
}
