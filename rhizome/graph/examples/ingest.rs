//! How fast the projector is: `cargo run --release -p karyon-graph --example ingest -- [writes]`.
//!
//! The workload: agents that each write edges to others, facts about themselves that change, and
//! edges that end. The records lie in memory; the graph is a file in the current directory's
//! file system, made durable every 32 MiB of records. Then the file is opened again as after a
//! kill, and questions are asked.

use std::error::Error;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use karyon_graph::{Direction, Graph, Kind, View};
use karyon_log::{Cause, Control, Genesis, Output, Record};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, LeaseId, Tick};

const AGENTS: u64 = 10_000;
const BLOCK_BYTES: usize = 64 * 1024;
const BLOCKS_PER_BATCH: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let writes = std::env::args().nth(1).map_or(Ok(2_000_000), |arg| arg.parse())?;
    let blocks = blocks(writes)?;
    let bytes: usize = blocks.iter().map(Vec::len).sum();
    println!("{writes} writes, {:.1} bytes each in the log", bytes as f64 / writes as f64);
    let folder = tempfile::tempdir_in(".")?;
    let file = folder.path().join("graph.redb");
    let mut graph = Graph::open(&file)?;
    let begin = Instant::now();
    let mut projector = graph.projector(Path::new(""))?;
    for batch in blocks.chunks(BLOCKS_PER_BATCH) {
        let bodies: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        projector.apply(&bodies)?;
    }
    let took = begin.elapsed().as_secs_f64();
    let size = std::fs::metadata(&file)?.blocks() * 512;
    println!(
        "projected: {:.0} writes/s, {:.1} bytes a write on disk",
        writes as f64 / took,
        size as f64 / writes as f64
    );
    for size in graph.read()?.sizes()? {
        let each = size.total() as f64 / size.rows.max(1) as f64;
        println!("  {:12} {:9} rows, {each:.0} bytes each", size.table, size.rows);
    }
    // What a kill leaves behind: the file while it is open.
    let copy = folder.path().join("copy.redb");
    std::fs::copy(&file, &copy)?;
    std::fs::File::open(&copy)?.sync_all()?;
    let begin = Instant::now();
    let reopened = Graph::open(&copy)?;
    println!("opened after a kill: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    drop(reopened);
    ask(&graph)?;
    Ok(())
}

fn ask(graph: &Graph) -> Result<(), Box<dyn Error>> {
    let reader = graph.read()?;
    let timed =
        |what: &str, questions: u64, ask: &mut dyn FnMut(u64) -> Result<(), Box<dyn Error>>| {
            let begin = Instant::now();
            (0..questions).try_for_each(ask)?;
            let micros = begin.elapsed().as_secs_f64() * 1e6 / questions as f64;
            println!("{what}: {micros:.1} µs");
            Ok::<_, Box<dyn Error>>(())
        };
    let moment = View::at(Time::new(1000, 0).ok_or("time")?);
    timed("get a fact as of a moment", 100_000, &mut |n| {
        let subject = Vertex::Agent(AgentId(n % AGENTS + 1));
        let entity = Entity::Fact { subject, predicate: "mood".into() };
        let id = reader.find(&entity)?.ok_or("no such fact")?;
        reader.get(&id, &moment)?;
        Ok(())
    })?;
    timed("neighbours, both directions", 1000, &mut |n| {
        let agent = Vertex::Agent(AgentId(n % AGENTS + 1));
        let id = reader.find_vertex(None, &agent)?.ok_or("no such agent")?;
        reader.neighbours(id, Direction::Both, None, &View::NOW)?;
        Ok(())
    })?;
    timed("count all edges of a type", 1, &mut |_| {
        println!("{} edges", reader.count(Kind::Edge, "met", &View::NOW)?);
        Ok(())
    })?;
    timed("memory root", 1, &mut |_| {
        println!("{}", reader.memory_root()?);
        Ok(())
    })
}

fn blocks(writes: u64) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let genesis = Genesis {
        karyon: "0".into(),
        created_unix_ms: 0,
        scenario_name: "ingest".into(),
        scenario: String::new(),
        kinds: vec![("person".into(), 1)],
        inputs: Vec::new(),
    };
    let mut blocks = vec![Vec::new()];
    let mut put = |record: &Record<'_>| {
        if blocks.last().is_none_or(|block: &Vec<u8>| block.len() >= BLOCK_BYTES) {
            blocks.push(Vec::new());
        }
        if let Some(block) = blocks.last_mut() {
            record.encode(block);
        }
    };
    put(&Record::Control(Box::new(Control::Genesis(genesis))));
    for serial in 1..=AGENTS {
        let name = format!("person {serial}");
        put(&Record::Spawn {
            agent: AgentId(serial),
            kind: 0,
            lease: LeaseId(serial),
            name: &name,
        });
    }
    let mut random = 1u64;
    let mut next = |below: u64| {
        // Source: Knuth, MMIX.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for number in 0..writes {
        if number % 1000 == 0 {
            put(&Record::Tick(Tick(number / 1000)));
        }
        let agent = AgentId(next(AGENTS) + 1);
        let write = write(agent, &mut next, number);
        let mut bytes = Vec::new();
        write.encode(&mut bytes)?;
        let outputs = vec![Output::Remembered { lease: LeaseId(agent.0), write: &bytes }];
        put(&Record::Step { agent, step: number, cause: Cause::Input(0), outputs });
    }
    Ok(blocks)
}

fn write(agent: AgentId, next: &mut impl FnMut(u64) -> u64, number: u64) -> Write {
    let subject = Vertex::Agent(agent);
    let to = Vertex::Agent(AgentId(next(AGENTS) + 1));
    let valid = Valid::since(Time::new((number / 1000) as i64, 0).unwrap_or(Time::MIN));
    let (entity, content) = match next(10) {
        0..6 => (
            Entity::Edge { from: subject, kind: "met".into(), to },
            Content::with([("weight", Value::Int(number as i64))]),
        ),
        6..9 => (
            Entity::Fact { subject, predicate: "mood".into() },
            Content::with([("value", Value::Float(number as f64))]),
        ),
        _ => (Entity::Edge { from: subject, kind: "met".into(), to }, Content::Ended),
    };
    Write { entity, valid, content }
}
