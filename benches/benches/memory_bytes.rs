//! Claim: a version takes a fraction of a full copy of its entity.
//!
//! Workload: the Zipf load (`memory_mutations`; 500,000 mutations); the road sensors of
//! `los-speed.csv` (a fact about each, one number, a version with each change); the messages of
//! `college-msg.txt` (an edge for each pair, two properties, a version with each message). The
//! latter two where `KARYON_DATASETS` is. Each is projected from nothing in the product's
//! transactions, and inserted into the peers in transactions of 10,000.
//! - "karyon, file" and "while it grows": blocks that the file system gave the graph's file,
//!   compacted as at the end of a run, and before that, with the pages that transactions leave. "rows", "metadata",
//!   "pages": what redb says of it: keys and values, what leads to them, and the whole pages that
//!   hold both.
//! - "karyon, log": the records of the mutations in the log, which is kept besides.
//! - "sqlite": blocks of the file, everything brought into the tables: current rows and past rows
//!   (`karyon_benches::versioned`).
//! - "fjall, tables": its tables after a whole compaction, LZ4 below the first levels, or without
//!   any; "files": blocks of all its files, the journal too, which it gives back when it is long
//!   enough.
//!
//! Peers: as named; each keeps each version as a full copy. LZ4 sees that copies which lie in one
//! block are alike.
//! Durability: all was written durably.
//! Unit: bytes a version.
//! Does not mean: that the sides keep the same: Karyon has the record's position, tick, agent,
//! step and lease with each version, and indexes by name, which the peers have in part.

use karyon_benches::datasets;
use karyon_benches::load::Load;
use karyon_benches::lsm::Fjall;
use karyon_benches::projected::{Projected, Stored};
use karyon_benches::rows::{Row, rows};
use karyon_benches::sampling::{figure, is_asked_for};
use karyon_benches::size;
use karyon_benches::steps::{Steps, encoded};
use karyon_benches::versioned::Versioned;
use karyon_memory_ops::Write;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "memory_bytes";
const BATCH: usize = 10_000;

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let load = Load { vertices: size(10_000, 50), mutations: size(500_000, 3_000) };
    measure("zipf", load.writes().collect());
    for (name, writes) in [("los-speed", datasets::speeds()), ("college-msg", datasets::messages())]
    {
        if let Some(mut writes) = writes {
            writes.truncate(size(u64::MAX, 3_000) as usize);
            measure(name, writes);
        }
    }
}

fn measure(load: &str, writes: Vec<Write>) {
    let versions = writes.len() as f64;
    let tell = |what: &str, bytes: u64| {
        figure(&format!("{GROUP}/{load}/{what}"), bytes as f64 / versions, "bytes/version");
    };
    let written = encoded(writes.iter().cloned());
    tell("a write, encoded", written.iter().map(|write| write.len() as u64).sum());
    let mut steps = Steps::default();
    written.iter().for_each(|write| steps.push(write));
    tell("karyon, log", steps.bytes() as u64);
    drop((steps, written));

    let graph = Projected::new(FOLDER).fill(writes.iter().cloned());
    assert_eq!(graph.reader().end().0, writes.len() as u64);
    let Stored { filled, closed, rows: stored, metadata, pages } = graph.stored();
    tell("karyon, file", closed);
    tell("karyon, file while it grows", filled);
    tell("karyon, rows", stored);
    tell("karyon, metadata", metadata);
    tell("karyon, pages", pages);

    let rows: Vec<Row> = rows(writes.into_iter()).collect();
    let mut sqlite = Versioned::new(FOLDER);
    sqlite.insert(&rows, BATCH);
    tell("sqlite", sqlite.bytes());
    drop(sqlite);
    for (name, mut fjall) in
        [("fjall", Fjall::new(FOLDER)), ("fjall without LZ4", Fjall::uncompressed(FOLDER))]
    {
        fjall.insert(&rows, BATCH);
        fjall.settle();
        let (tables, files) = fjall.bytes();
        tell(&format!("{name}, tables"), tables);
        tell(&format!("{name}, files"), files);
    }
}
