//! Claim: a governed message on Karyon costs less than an ungoverned one on other engines, whoever
//! sends to whom.
//!
//! Workload, by pattern (see `karyon_benches::Pattern`); the same messages of 8 bytes between the
//! same agents on every engine, in one process:
//! - "big": each agent begins a chain that hops from agent to pseudo-random other agent; with 1,000
//!   and with 100,000 agents, as many messages under way.
//! - "stream": one agent sends to another, 1,000 messages under way; the last of each 500 is
//!   answered. "fan-in": 100 agents send to one, 100 messages of each under way, the last of each
//!   50 is answered.
//! - "ring": 1,000 agents pass on 1 token, or 1,000.
//! - "request": pairs of agents, of which one asks and the other answers, by a message each; 1
//!   pair, or 500. With 2 threads the one pair is on two schedulers; each of the 500 is on one.
//! - "local": 1,000 agents in two halves, of 100 messages 0, 50, 90 or 100 stay in their half; with
//!   2 threads each half has a scheduler, or an arbiter of actix.
//!
//! Durability: "memory", "free": the log is built, hashed and signed, but kept in memory.
//! "durable": the same in a file on the disk, each commit followed by fdatasync; the clock stops
//! when the last record is on the disk. The others check nothing and keep nothing.
//! Unit: messages a second, answers included, each sent and handled, on Karyon checked and recorded
//! too; from the first message to the last. On Karyon making the agents and the end of the log are
//! included (see `spawn`), on the others they are not.
//! Means: throughput; of "request" with 1 pair the latency, which is the inverse of half of it.
//! "free" is Karyon's free-running mode, the rest of it goes in ticks: there a hop takes a tick.
//! Does not mean: what waiting senders cost. Mailboxes have no bound, on Karyon one that nobody
//! reaches. Karyon's log has a thread of its own beside the schedulers, so its "2" uses three;
//! tokio's workers share all agents, actix' arbiters and Karyon's schedulers have half each.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use karyon_benches::{
    Actix, Channels, Engine, Hopper, Kameo, LogPlace, Pattern, Ractor, Rival, Run, Schedule,
    Traffic, size, workloads,
};

/// On a disk, unlike `/tmp` may be.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let mut criterion = karyon_benches::criterion();
    let criterion = &mut criterion;
    for (name, traffic) in workloads() {
        compare(criterion, name, traffic, name.starts_with("big"));
    }
    for local in [0, 50, 90, 100] {
        let name = format!("local_{local}");
        let pattern = Pattern::Halves(local);
        let traffic = Traffic { pattern, ..Traffic::random(1_000, size(1_000, 3)) };
        let group = &mut group(criterion, &name, traffic);
        for threads in [1, 2] {
            karyon(group, traffic, threads, true);
            rival::<Ractor>(group, traffic, threads);
            rival::<Actix>(group, traffic, threads);
        }
    }
}

/// All engines; Karyon on the disk too, if that is asked for.
fn compare(criterion: &mut Criterion, name: &str, traffic: Traffic, durable: bool) {
    let group = &mut group(criterion, name, traffic);
    for threads in [1, 2] {
        karyon(group, traffic, threads, durable);
        rival::<Ractor>(group, traffic, threads);
        rival::<Kameo>(group, traffic, threads);
        rival::<Actix>(group, traffic, threads);
        rival::<Channels>(group, traffic, threads);
    }
}

fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    traffic: Traffic,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(format!("patterns_{name}"));
    group.throughput(Throughput::Elements(traffic.messages())).sampling_mode(SamplingMode::Flat);
    group
}

fn karyon(
    group: &mut BenchmarkGroup<'_, WallTime>,
    traffic: Traffic,
    threads: usize,
    durable: bool,
) {
    // A message and its share of what is about it take less than 60 bytes.
    let memory = LogPlace::Memory(60 * traffic.messages());
    let ways = [
        ("karyon memory", memory, Schedule::default()),
        ("karyon free", memory, Schedule::free()),
        ("karyon durable", LogPlace::Durable, Schedule::default()),
    ];
    for (name, place, schedule) in ways.into_iter().take(if durable { 3 } else { 2 }) {
        group.bench_function(BenchmarkId::new(name, threads), |bencher| {
            bencher.iter_batched(
                || Run::<Hopper<false>>::hops(traffic, threads, place, FOLDER).with(schedule),
                Run::go,
                BatchSize::PerIteration,
            );
        });
    }
}

fn rival<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, traffic: Traffic, threads: usize) {
    group.bench_function(BenchmarkId::new(E::NAME, threads), |bencher| {
        bencher.iter_batched(
            || Rival::<E>::new(traffic, threads).spawn(),
            Rival::run,
            BatchSize::PerIteration,
        );
    });
}
