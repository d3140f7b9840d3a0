//! Claim: the memory is built anew from its log at 300,000 records a second.
//!
//! Workload: two logs, each of more than 1,000,000 records in segments on the disk.
//! - "whole contents": the Zipf load, 1,000,000 mutations, see `memory_mutations`.
//! - "contacts": what 400 agents remember of 1,000,000 messages, see `memory_write`.
//!
//! "karyon" reads the log from its first record to its last, with all hashes, and projects it, in
//! the product's transactions, into a new file; "root" is the memory root over all of it, which
//! `karyon memory rebuild` takes besides.
//! Peer: none that reads a log.
//! Durability: the file is durable when the clock stops. The log is read from the page cache.
//! Unit: records a second.
//! Means: how long whoever deletes `memory/` waits.
//! Does not mean: that a log which was never read is in the page cache.

use std::path::Path;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::load::Load;
use karyon_benches::logged::Logged;
use karyon_benches::projected::{Projected, root};
use karyon_benches::sampling::is_asked_for;
use karyon_benches::steps::encoded;
use karyon_benches::{Run, Traffic, size};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "memory_rebuild";

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    group.sampling_mode(SamplingMode::Flat);
    {
        let load = Load { vertices: size(10_000, 50), mutations: size(1_000_000, 2_000) };
        let mut log = Logged::new(FOLDER).record_all(&encoded(load.writes()), 10_000);
        // Each segment begins with a record of its own.
        assert!(log.close() >= load.mutations);
        measure(&mut group, "whole contents", &log.path());
    }
    let traffic = Traffic::random(size(400, 10), size(2_500, 20));
    let done = Run::memories(traffic, 2, FOLDER).go();
    measure(&mut group, "contacts", &done.log());
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, log: &Path) {
    let graph = Projected::new(FOLDER).catch_up(log);
    let reader = graph.reader();
    assert_eq!(reader.unreadable(), 0);
    group.throughput(Throughput::Elements(reader.end().0));
    group.bench_function(BenchmarkId::new("root", name), |bencher| {
        bencher.iter(|| root(&reader));
    });
    drop((reader, graph));
    group.bench_function(BenchmarkId::new("karyon", name), |bencher| {
        let graph = || Projected::new(FOLDER);
        bencher.iter_batched(graph, |graph| graph.catch_up(log), BatchSize::PerIteration);
    });
}
