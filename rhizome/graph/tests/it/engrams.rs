//! Engrams of other logs, and logs that import them.

use std::collections::BTreeMap;
use std::fs;

use karyon_engram::{Engram, Manifest, Opened, Origin, Principal};
use karyon_graph::{Graph, Reader, Version};
use karyon_log::{Control, End, ImportRecord, InputFile, SegmentHeader};
use karyon_log_writer::write_segment;
use karyon_memory_ops::{Content, Entity, Memory, Recorded, Valid, Value, Vertex};
use karyon_types::{AgentId, LeaseId, LogId, Position, Tick, hash};
use tempfile::TempDir;

use crate::records::{name_of, spawn, step, time};
use crate::support::{Data, control, genesis, header, key, project};

/// What agent 1 of another log remembers: of its own mood, and whom it met.
pub fn memory(position: u64, entity: Entity, valid: Valid, content: Content) -> Memory {
    let recorded = Recorded {
        position: Position(position),
        tick: Tick(position / 10),
        agent: AgentId(1),
        step: position,
        output: Some(0),
        lease: LeaseId(5),
    };
    Memory { write: karyon_memory_ops::Write { entity, valid, content }, recorded }
}

pub fn mood_of(subject: Vertex) -> Entity {
    Entity::Fact { subject, predicate: "mood".into() }
}

pub fn agent(serial: u64) -> Vertex {
    Vertex::Agent(AgentId(serial))
}

pub fn says(value: Value) -> Content {
    Content::with([("value", value)])
}

pub fn mood(position: u64, valid: Valid, value: i64) -> Memory {
    memory(position, mood_of(agent(1)), valid, says(Value::Int(value)))
}

pub fn met(position: u64, to: Vertex) -> Memory {
    let entity = Entity::Edge { from: agent(1), kind: "met".into(), to };
    memory(position, entity, since(0), says(Value::Int(0)))
}

pub fn since(from: i64) -> Valid {
    Valid::since(time(from))
}

pub fn until(from: i64, to: i64) -> Valid {
    Valid { from: time(from), to: Some(time(to)) }
}

/// An engram of a log whose agents have their usual names.
pub fn seal(log: u8, memories: &[Memory]) -> Vec<u8> {
    seal_named(log, memories, name_of)
}

pub fn seal_named(log: u8, memories: &[Memory], name: impl Fn(u64) -> String) -> Vec<u8> {
    let mentioned = Engram::mentioned(memories).into_iter();
    let names: BTreeMap<_, _> = mentioned.map(|agent| (agent, name(agent.0))).collect();
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

pub fn open(bytes: &[u8]) -> Engram {
    Engram::open(bytes).unwrap().engram
}

/// The record that imports the copy of a file.
pub fn record(name: &str, bytes: &[u8]) -> ImportRecord {
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

pub fn append(data: &Data, end: &End, record: ImportRecord) -> End {
    let header: SegmentHeader = header(1);
    write_segment(&data.log(), &header, key().into(), 2, end, control(Control::Import(record)))
        .unwrap()
}

/// A finished run whose agent 1 has the mood 7 from 5 on, and the imports behind it.
pub fn run_with(engrams: &[&[u8]]) -> Data {
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

pub fn graph(data: &Data) -> Graph {
    let mut graph = Graph::open(&data.file()).unwrap();
    data.catch_up(&mut graph);
    graph
}

/// Only genesis (position 0) and imports (from 1 on), projected in memory.
pub fn imported(engrams: &[&[u8]]) -> Reader {
    let inputs = TempDir::new().unwrap();
    let mut bodies = vec![control(genesis()).body];
    for (number, bytes) in engrams.iter().enumerate() {
        let name = format!("{number}.car");
        fs::write(inputs.path().join(&name), bytes).unwrap();
        bodies.push(control(Control::Import(record(&name, bytes))).body);
    }
    let mut graph = Graph::in_memory().unwrap();
    let mut projector = graph.projector(inputs.path()).unwrap();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    projector.apply(&bodies).unwrap();
    graph.read().unwrap()
}

/// An own memory of these writes of agent 1, in one step.
pub fn own(memories: &[Memory]) -> Reader {
    let writes: Vec<_> = memories.iter().map(|memory| memory.write.clone()).collect();
    let mut graph = Graph::in_memory().unwrap();
    project(&mut graph, &[control(genesis()).body, spawn(1), step(1, 0, &writes)]);
    graph.read().unwrap()
}

pub fn value(version: &Version) -> i64 {
    match &version.content {
        Content::Present { properties, .. } => match properties["value"] {
            Value::Int(value) => value,
            _ => panic!("an int"),
        },
        Content::Ended => panic!("present"),
    }
}
