//! Claim: memories become durable, in the log and in the graph with its indexes, at three times
//! the speed of SQLite with full rows, and at more than 50,000 a second while 100 agents read.
//!
//! Workload: 200,000 mutations of the Zipf load (`karyon_benches::load`): four of five are a
//! version more of one of 10,000 vertices, drawn by Zipf with exponent 1.1, with eight properties
//! of some 220 bytes of which one has changed; one of five is about an edge with two properties.
//! All sides take them in batches of 1,000, and keep an index by label and one of edges by their
//! ends.
//! - "karyon recorded": steps are encoded and appended to the log, whole contents in each.
//! - "karyon recorded and projected": the same, and behind each commit a transaction of the graph
//!   with its records, from a thread of its own.
//! - "karyon projected": the transactions of the graph alone.
//! - "karyon beside 100 agents": recorded and projected, the second half of the load, while 100
//!   agents, each with a view of its own that it renews after each 1,000 questions, ask what
//!   vertices were like, from 1 or 2 more threads, as fast as they can. How many answers they got
//!   is printed.
//! - "sqlite": a table of current rows and one of past rows, see `karyon_benches::versioned`.
//! - "fjall": a row a version, see `karyon_benches::lsm`.
//!
//! Durability: all; a batch is on the disk before the next begins, and the clock stops when the
//! last one is. Karyon's log: fdatasync, or more than one where the writer does not wait for the
//! rest of the batch. Its graph: behind the log, which is durable, each batch is there to be read
//! and made durable about every second, as in the product; projected alone, a durable commit a
//! batch. SQLite: WAL with synchronous=FULL. fjall: `SyncAll`.
//! Unit: mutations a second.
//! Means: what one node takes in, with its proof. The contents are encoded before the clock starts
//! on all sides; records, keys and statements are made while it runs.
//! Does not mean: that the peers do the same. They have no chained, signed log, and one copy of
//! each mutation beside their own log. No side runs agents: the steps are made here. Where two
//! threads of Karyon and the readers share two cores, the readers' part is taken from the writers.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::audience::{Heard, Requests, beside};
use karyon_benches::history::{Answer, Question, time};
use karyon_benches::load::Load;
use karyon_benches::logged::Logged;
use karyon_benches::lsm::Fjall;
use karyon_benches::projected::{Projected, answers, get, neighbours, person, vertex};
use karyon_benches::rows::{Decoder, Row, rows};
use karyon_benches::sampling::{figure, is_asked_for};
use karyon_benches::size;
use karyon_benches::steps::{Steps, encoded};
use karyon_benches::versioned::Versioned;
use karyon_graph::{Direction, Reader, View};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "memory_mutations";
/// Mutations a commit.
const BATCH: usize = 1_000;
const AGENTS: usize = 100;

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let load = Load { vertices: size(10_000, 50), mutations: size(200_000, 3_000) };
    let rows: Vec<Row> = rows(load.writes()).collect();
    let writes = encoded(load.writes());
    compare(load, &writes, &rows);

    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    group.throughput(Throughput::Elements(load.mutations)).sampling_mode(SamplingMode::Flat);
    karyon(&mut group, &writes);
    group.bench_function("sqlite", |bencher| {
        let setup = || Versioned::new(FOLDER);
        let insert = |mut sqlite: Versioned| {
            sqlite.insert(&rows, BATCH);
            sqlite
        };
        bencher.iter_batched(setup, insert, BatchSize::PerIteration);
    });
    group.bench_function("fjall", |bencher| {
        let setup = || Fjall::new(FOLDER);
        let insert = |mut fjall: Fjall| {
            fjall.insert(&rows, BATCH);
            fjall
        };
        bencher.iter_batched(setup, insert, BatchSize::PerIteration);
    });
    group.throughput(Throughput::Elements(load.mutations / 2));
    beside_agents(&mut group, load, &writes);
}

fn karyon(group: &mut BenchmarkGroup<'_, WallTime>, writes: &[Vec<u8>]) {
    group.bench_function("karyon recorded", |bencher| {
        let setup = || Logged::new(FOLDER);
        bencher.iter_batched(setup, |log| log.record_all(writes, BATCH), BatchSize::PerIteration);
    });
    group.bench_function("karyon recorded and projected", |bencher| {
        bencher.iter_batched(
            || (Logged::new(FOLDER), Projected::new(FOLDER)),
            |(log, mut graph)| {
                let log = log.record_and_project(writes, BATCH, &mut graph, &Requests::none());
                (log, graph)
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("karyon projected", |bencher| {
        let mut steps = Steps::default();
        let batch = |writes: &[Vec<u8>]| {
            writes.iter().for_each(|write| steps.push(write));
            steps.take()
        };
        let batches: Vec<_> = writes.chunks(BATCH).map(batch).collect();
        bencher.iter_batched(
            || (Projected::new(FOLDER), batches.clone()),
            |(mut graph, batches)| {
                graph.follow(batches.into_iter(), &Requests::none());
                graph
            },
            BatchSize::PerIteration,
        );
    });
}

fn beside_agents(group: &mut BenchmarkGroup<'_, WallTime>, load: Load, writes: &[Vec<u8>]) {
    let half = load.mutations / 2;
    let (first, second) = writes.split_at(half as usize);
    // Of what is there from the beginning.
    let questions = Load { mutations: half, ..load }.questions(size(100_000, 1_000));
    let ask = |reader: &Reader, number: u64| {
        let next = questions.get(number as usize % questions.len());
        black_box(next.and_then(|question| ask_karyon(reader, *question)));
    };
    for threads in [1, 2] {
        let (mut heard, mut took) = (Heard::default(), Duration::ZERO);
        let name = BenchmarkId::new(format!("karyon beside {AGENTS} agents"), threads);
        group.bench_function(name, |bencher| {
            let once = || {
                let (log, mut graph) = (Logged::new(FOLDER), Projected::new(FOLDER));
                let log = log.record_and_project(first, BATCH, &mut graph, &Requests::none());
                let views: Vec<Reader> = (0..AGENTS).map(|_| graph.reader()).collect();
                let (time, now) = beside(threads, views, ask, |requests| {
                    let begun = Instant::now();
                    let log = log.record_and_project(second, BATCH, &mut graph, requests);
                    let time = begun.elapsed();
                    drop(log);
                    time
                });
                heard.questions += now.questions;
                heard.views += now.views;
                took += time;
                time
            };
            let mut once = once;
            bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
        if took > Duration::ZERO {
            let (name, seconds) = (format!("{GROUP}/answers beside/{threads}"), took.as_secs_f64());
            figure(&name, heard.questions as f64 / seconds, "answers/s");
            figure(&name, heard.views as f64 / seconds, "new views/s");
        }
    }
}

fn ask_karyon(reader: &Reader, question: Question) -> Option<Answer> {
    let view = View::at(time(question.moment));
    get(reader, &person(reader, question.subject), &view).map(Answer::from)
}

/// All sides hold the same.
fn compare(load: Load, writes: &[Vec<u8>], rows: &[Row]) {
    let mut graph = Projected::new(FOLDER);
    let log = Logged::new(FOLDER);
    drop(log.record_and_project(writes, BATCH, &mut graph, &Requests::none()));
    let reader = graph.reader();
    assert_eq!((reader.end().0, reader.unreadable()), (load.mutations, 0));
    let (mut sqlite, mut fjall) = (Versioned::new(FOLDER), Fjall::new(FOLDER));
    sqlite.insert(rows, BATCH);
    fjall.insert(rows, BATCH);
    let (mut sqlite, fjall) = (sqlite.ask(), fjall.view());
    let (mut person, mut edge) = (Decoder::labelled(), Decoder::plain());
    for question in load.questions(size(10_000, 500)) {
        let answer = ask_karyon(&reader, question);
        assert!(answer.is_some());
        assert_eq!(answer, sqlite.at(question));
        assert_eq!(answer, fjall.get(question, None, &mut person));
        let view = View::at(time(question.moment));
        let vertex = vertex(&reader, question.subject);
        let out = answers(&reader, neighbours(&reader, vertex, Direction::Out, &view));
        let mut expected = sqlite.out_at(question);
        expected.sort_by_key(|answer| answer.other);
        assert_eq!(out, expected);
        expected.reverse();
        assert_eq!(fjall.out(question, &mut edge), expected);
    }
}
