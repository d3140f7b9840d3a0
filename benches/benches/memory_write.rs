//! Claim: memories become durable at the speed of the log. The graph that answers questions is
//! projected from it later, in large transactions.
//!
//! Workload: 500,000 versions of the edges between 400 agents, some three an edge. Each is written
//! in a step of its own by the agent that a message reached (see `karyon_benches::remember`), with
//! two properties, as the agents of the rumour do.
//! - "karyon recorded": the agents run; steps, gate, step records, blocks, signed commits.
//! - "karyon recorded and projected": the same, then the log is read and projected.
//! - "sqlite": the same versions from memory into tables, in transactions of 1,000, or in one.
//!   See `karyon_benches::sqlite` for its settings and what else was tried.
//!
//! The projection alone is `memory_rebuild`'s; transactions as small as SQLite's, and whole
//! contents, are `memory_mutations`'.
//!
//! Durability: all. Karyon's log: each commit followed by fdatasync; its graph: redb's durable
//! commits, in two phases. SQLite: WAL with synchronous=FULL. The clock stops when the last
//! version is on the disk.
//! Unit: versions a second.
//! Means: "recorded" is how fast memories become durable, "recorded and projected" how fast they
//! can be asked for when the run is over, from nothing.
//! Does not mean: that the two sides do the same. SQLite runs no agents, has no gate and no log
//! that is chained by hashes and signed; its tables are all there is, so its transactions cannot
//! be as large as Karyon's unless the last of them may be lost. Karyon keeps each version twice,
//! and an index by type that SQLite's tables do not have.

use criterion::{BatchSize, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::history::Question;
use karyon_benches::projected::{Projected, answers, neighbours, vertex};
use karyon_benches::remember::memories;
use karyon_benches::rows::Row;
use karyon_benches::sampling::is_asked_for;
use karyon_benches::sqlite::Sqlite;
use karyon_benches::{Done, Run, Traffic, size};
use karyon_graph::{Direction, View};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    if !is_asked_for("memory_write") {
        return;
    }
    let traffic = Traffic::random(size(400, 10), size(1_250, 20));
    let done = Run::memories(traffic, 2, FOLDER).go();
    let log = done.log();
    let rows: Vec<Row> =
        memories(&log).iter().map(|(position, write)| Row::new(*position, write)).collect();
    assert_eq!(rows.len() as u64, traffic.messages());
    compare(traffic, &done, &rows);

    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("memory_write");
    group.throughput(Throughput::Elements(traffic.messages())).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("karyon recorded", threads), |bencher| {
            let run = || Run::memories(traffic, threads, FOLDER);
            bencher.iter_batched(run, Run::go, BatchSize::PerIteration);
        });
        let name = BenchmarkId::new("karyon recorded and projected", threads);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || (Run::memories(traffic, threads, FOLDER), Projected::new(FOLDER)),
                |(run, graph)| {
                    let done = run.go();
                    let graph = graph.catch_up(&done.log());
                    (done, graph)
                },
                BatchSize::PerIteration,
            );
        });
    }
    for (name, transaction) in [("1000 a transaction", 1_000), ("one transaction", rows.len())] {
        group.bench_function(BenchmarkId::new("sqlite", name), |bencher| {
            bencher.iter_batched(
                || Sqlite::new(FOLDER),
                |sqlite| sqlite.insert_edges(&rows, transaction),
                BatchSize::PerIteration,
            );
        });
    }
}

/// Both sides hold the same.
fn compare(traffic: Traffic, done: &Done, rows: &[Row]) {
    let graph = Projected::new(FOLDER).catch_up(&done.log());
    let sqlite = Sqlite::new(FOLDER).insert_edges(rows, 1_000);
    assert_eq!(sqlite.edge_versions(), traffic.messages());
    let reader = graph.reader();
    assert_eq!(reader.unreadable(), 0);
    let mut out = sqlite.neighbours(true);
    for subject in 1..=traffic.agents {
        let found = neighbours(&reader, vertex(&reader, subject), Direction::Out, &View::NOW);
        let mut expected = out.get(Question { subject, moment: i64::MAX });
        expected.reverse();
        assert_eq!(answers(&reader, found), expected);
    }
}
