//! A log made by hand: three agents, a tick a line, a commit for each few records.

use std::path::Path;
use std::sync::Arc;

use karyon_graph::Reader;
use karyon_identity::SecretKey;
use karyon_log::{
    Cause, Control, End, Genesis, GrantRecord, Lane, LeaseRecord, Message, Output, PrincipalRecord,
    ReasonRecord, Record, SegmentHeader,
};
use karyon_log_writer::{Block, FileStorage, Storage as _, Writer};
use karyon_memory::{Journal, open};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_runtime::datadir::{inputs, log_file, log_folder};
use karyon_types::{AgentId, GrantId, LeaseId, LogId, Tick};

/// Writes the log of `records` into a data directory, a block and a commit for each `group`.
pub fn write_log(data: &Path, records: &[Record<'_>], group: usize) {
    std::fs::create_dir(log_folder(data)).unwrap();
    std::fs::create_dir(inputs(data)).unwrap();
    karyon_safety::initialise(data).unwrap();
    let key = Arc::new(SecretKey::from_seed([3; 32]).unwrap());
    let header = SegmentHeader { log: LogId([2; 16]), node_key: key.public_key() };
    let mut storage = FileStorage::create(&log_file(data)).unwrap();
    storage.write_at(0, &header.encode()).unwrap();
    let writer = Writer::start(Box::new(storage), &header, key, 1, End::of_new_log()).unwrap();
    let (control, ticks): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| matches!(record, Record::Control(_)));
    let blocks = [(Lane::Control, control), (Lane::Ticks, ticks)];
    for (lane, records) in blocks {
        for records in records.chunks(group) {
            let mut body = Vec::new();
            records.iter().for_each(|record| record.encode(&mut body));
            let count = records.len() as u32;
            writer.append(Block { lane, count, body, wall_ms: 1, seals: false }).unwrap();
            writer.flush().unwrap();
        }
    }
    writer.close().unwrap();
}

/// What every log here begins with: six control records, then three agents with their leases.
pub fn beginning() -> Vec<Record<'static>> {
    let control = |control| Record::Control(Box::new(control));
    let mut records = vec![
        control(Control::Genesis(Genesis {
            karyon: "0.1.0".into(),
            created_unix_ms: 0,
            scenario_name: "test".into(),
            scenario: String::new(),
            kinds: vec![("person".into(), 1)],
            inputs: Vec::new(),
        })),
        control(Control::Principal(PrincipalRecord {
            id: 1,
            name: "ada".into(),
            public_key: [9; 32],
        })),
        control(Control::Reason(ReasonRecord { id: 1, parent: None, label: "to learn".into() })),
        control(Control::Reason(ReasonRecord { id: 2, parent: Some(1), label: "to test".into() })),
        control(Control::Grant(GrantRecord {
            id: 1,
            principal: 1,
            reason: 2,
            rights: 3,
            scope_first: 1,
            scope_last: 3,
            expires: None,
            signed: Vec::new(),
            terms: None,
        })),
    ];
    for agent in 1..=3 {
        records.push(Record::Lease(LeaseRecord {
            id: LeaseId(agent),
            owner: AgentId(agent),
            grant: GrantId(1),
            rights: 3,
            scope: (1, 3),
            expires: None,
            log_bytes: None,
            cut: None,
        }));
        let name = ["one", "two", "three"][agent as usize - 1];
        records.push(Record::Spawn { agent: AgentId(agent), kind: 0, lease: LeaseId(agent), name });
    }
    records
}

/// The memory and the journal of a log that is made of `records`, to ask something of.
pub fn ask<T>(records: &[Record<'_>], question: impl FnOnce(&mut Journal, &Reader) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), records, 4);
    let graph = open(folder.path(), &mut |_| ()).unwrap().graph;
    let mut journal = Journal::of(folder.path(), &mut |_| ()).unwrap();
    question(&mut journal, &graph.read().unwrap())
}

/// The bytes of a fact about `subject`.
pub fn fact(subject: u64, predicate: &str, at: i64, from: Option<u64>) -> Vec<u8> {
    let from = from.map(|from| ("from", Value::Vertex(Vertex::Agent(AgentId(from)))));
    let write = Write {
        entity: Entity::Fact {
            subject: Vertex::Agent(AgentId(subject)),
            predicate: predicate.into(),
        },
        valid: Valid::since(Time::new(at, 0).unwrap()),
        content: Content::with(from),
    };
    let mut bytes = Vec::new();
    write.encode(&mut bytes).unwrap();
    bytes
}

pub fn step<'a>(agent: u64, step: u64, cause: Cause, outputs: Vec<Output<'a>>) -> Record<'a> {
    Record::Step { agent: AgentId(agent), step, cause, outputs }
}

pub fn message(from: u64, step: u64, output: u16) -> Cause {
    Cause::Message(Message { from: AgentId(from), step, output })
}

pub fn sent(from: u64, to: u64) -> Output<'static> {
    Output::Sent { lease: LeaseId(from), to: AgentId(to), payload: b"hello" }
}

pub fn tick(number: u64) -> Record<'static> {
    Record::Tick(Tick(number))
}
