//! Claim: what expires is found and erased at a cost that grows with it, and not with what is kept;
//! sealing costs memory writes a part of their rate.
//!
//! Workload: memories of 256 bytes, each under a key of its own, about 1,000 subjects in turn, with
//! owner, reason and horizon, in a graph and a keystore on disk.
//! - "expire E of K": K memories are kept for a long time, and E, all over the subjects, are to be
//!   kept no longer. "found": their keys, by the index of horizons. "recorded": the record, and the
//!   graph's transaction. "erased": the keys, in the keystore's file, under a new master.
//! - "written, sealed" and "written, in the open": 100,000 memories are encoded, sealed or not,
//!   put into records, and projected into a new graph, 20,000 a transaction.
//!
//! Durability: each transaction of the graph and each erasure are durable; no log is written.
//! Unit: milliseconds, one pass each; memories a second, the median of five passes in turn; bytes of
//! a record's part for one memory.
//! Means: what expiry waits for, and what sealing costs where memories are written.
//! Does not mean: what a command takes, which reads and verifies the log first.
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use std::path::Path;
use std::time::Instant;

use karyon_benches::sampling::{figure, is_asked_for, is_wanted};
use karyon_benches::size;
use karyon_graph::Graph;
use karyon_identity::SecretKey;
use karyon_keystore::Keystore;
use karyon_log::{Control, Genesis, MemoryRecord, Record};
use karyon_memory::{Adopted, Change, Terms, Told, Words, due, settle};
use karyon_memory_ops::{Content, Entity, MemoKind, Time, Valid, Value, Vertex, Write};
use karyon_types::{LogId, Position};
use tempfile::TempDir;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "memory_governed";
const SUBJECTS: u64 = 1_000;
/// Memories that are recorded together.
const BATCH: u64 = 20_000;
const SOON: i64 = 1_000;
const LATE: i64 = 1_000_000;

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    for (kept, expiring) in
        [(10_000, 1_000), (100_000, 1_000), (1_000_000, 1_000), (10_000, 1_000_000)]
    {
        let name = format!("{GROUP}/expire {expiring} of {}", kept + expiring);
        if is_wanted(&name) {
            expire(&name, size(kept, 50), size(expiring, 10));
        }
    }
    if is_wanted(&format!("{GROUP}/written")) {
        written(size(100_000, 50));
    }
}

struct Place {
    keys: Keystore,
    graph: Graph,
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new_in(FOLDER).expect("cargo makes the folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder can be made");
        let keys = Keystore::create(&data, &folder.path().join("master"), LogId([3; 16]));
        let graph = Graph::open(&folder.path().join("graph")).expect("the folder is empty");
        let mut place = Place { keys: keys.expect("it can be made"), graph, folder };
        place.record([Control::Genesis(Genesis {
            karyon: String::new(),
            created_unix_ms: 0,
            scenario_name: String::new(),
            scenario: String::new(),
            kinds: Vec::new(),
            inputs: Vec::new(),
        })]);
        place
    }

    /// Puts records into the graph; how many bytes they are.
    fn record(&mut self, records: impl IntoIterator<Item = Control>) -> usize {
        let mut body = Vec::new();
        for record in records {
            Record::Control(Box::new(record)).encode(&mut body);
        }
        let mut projector = self.graph.projector(Path::new("")).expect("nobody else writes");
        projector.apply(&[&body]).expect("the graph can be written");
        body.len()
    }

    /// Remembers so many, from this number on, to be kept until `horizon`.
    fn remember(&mut self, from: u64, count: u64, horizon: i64) {
        let mut number = from;
        while number < from + count {
            let most = BATCH.min(from + count - number);
            let change = self.sealed(number, most, horizon);
            self.record(change.records(1, 0).into_iter().map(Control::Memory));
            number += most;
        }
    }

    fn sealed(&mut self, from: u64, count: u64, horizon: i64) -> Change {
        let adopted = Adopted {
            new: (from..from + count).map(told).collect(),
            known: 0,
            forgotten: 0,
            forgotten_elsewhere: 0,
            superseded: 0,
            refused: Vec::new(),
            disagreements: Vec::new(),
            log: LogId([4; 16]),
            signer: SecretKey::from_seed([5; 32]).expect("it is a seed").public_key(),
        };
        let terms = Terms { owner: "ada", horizon: Some(horizon), again: false };
        Change::adopt(&mut self.keys, None, &adopted, &terms).expect("they can be sealed")
    }
}

fn text(number: u64) -> String {
    format!("{number:0256}")
}

fn told(number: u64) -> Told {
    Told {
        subject: format!("somebody {}", number % SUBJECTS),
        key: format!("key {number}"),
        kind: MemoKind::Fact,
        owner: "bea".into(),
        reason: "because".into(),
        horizon: None,
        words: Words { text: text(number), ..Words::default() },
        from: Time::new(0, 0).expect("it is in bounds"),
        record: Position(number),
        first: None,
    }
}

fn expire(name: &str, kept: u64, expiring: u64) {
    let mut place = Place::new();
    place.remember(0, kept, LATE);
    place.remember(kept, expiring, SOON);
    let begun = Instant::now();
    let reader = place.graph.read().expect("it can be read");
    let found = due(&reader, &place.keys, SOON).expect("it can be read");
    drop(reader);
    let after_finding = Instant::now();
    assert_eq!(found.len() as u64, expiring);
    let change = Change::expire(found, SOON).expect("something is due");
    let records: Vec<_> = change.records(1, 0).into_iter().map(Control::Memory).collect();
    place.record(records.clone());
    let after_recording = Instant::now();
    let settled = settle(&mut place.keys, &records).expect("it can be written");
    let after_erasing = Instant::now();
    assert_eq!(settled.memories, expiring);
    for (what, from, to) in [
        ("found", begun, after_finding),
        ("recorded", after_finding, after_recording),
        ("erased", after_recording, after_erasing),
    ] {
        figure(&format!("{name}, {what}"), (to - from).as_secs_f64() * 1e3, "ms");
    }
    let again = due(&place.graph.read().expect("it can be read"), &place.keys, SOON);
    assert!(again.expect("it can be read").is_empty(), "they are erased");
    drop(place.folder);
}

/// The same memory, unsealed.
fn open(number: u64) -> Vec<u8> {
    let horizon = Time::new(LATE, 0).expect("it is in bounds");
    let told = told(number);
    let write = Write {
        entity: Entity::Fact {
            subject: Vertex::Named(format!("~{}", number % SUBJECTS + 1)),
            predicate: told.key,
        },
        valid: Valid::since(told.from),
        content: Content::with([
            ("kind", told.kind.name().into()),
            ("owner", "ada".into()),
            ("reason", told.reason.into()),
            ("horizon", Value::Time(horizon)),
            ("text", told.words.text.into()),
        ]),
    };
    let mut bytes = Vec::new();
    write.encode(&mut bytes).expect("it is in bounds");
    bytes
}

fn written(count: u64) {
    let (mut sealed, mut plain) = (Vec::new(), Vec::new());
    let mut bytes = [0, 0];
    for _ in 0..5 {
        let mut place = Place::new();
        let begun = Instant::now();
        bytes[0] = 0;
        for from in (0..count).step_by(BATCH as usize) {
            let change = place.sealed(from, BATCH.min(count - from), LATE);
            bytes[0] += place.record(change.records(1, 0).into_iter().map(Control::Memory));
        }
        sealed.push(count as f64 / begun.elapsed().as_secs_f64());
        let mut place = Place::new();
        let begun = Instant::now();
        bytes[1] = 0;
        for from in (0..count).step_by(BATCH as usize) {
            let writes: Vec<_> = (from..count.min(from + BATCH)).map(open).collect();
            // As many in a record as of those that are sealed.
            let records = writes.chunks(2_000).map(|writes| {
                let writes = writes.iter().cloned().map(serde_bytes::ByteBuf::from).collect();
                let (erased, expired) = (Vec::new(), None);
                Control::Memory(MemoryRecord { lease: 1, writes, erased, expired, at_unix_ms: 0 })
            });
            bytes[1] += place.record(records.collect::<Vec<_>>());
        }
        plain.push(count as f64 / begun.elapsed().as_secs_f64());
    }
    for (what, mut rates, bytes) in [("sealed", sealed, bytes[0]), ("in the open", plain, bytes[1])]
    {
        rates.sort_by(f64::total_cmp);
        let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
        figure(&format!("{GROUP}/written, {what}"), median, "memories/s");
        figure(
            &format!("{GROUP}/written, {what}, a record's part"),
            bytes as f64 / count as f64,
            "bytes",
        );
    }
}
