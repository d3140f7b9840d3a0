//! Claim: a governed message on Karyon costs less than an ungoverned one on ractor.
//!
//! Workload: each of N agents begins a chain that hops from agent to pseudo-random other agent
//! (see `karyon_benches::Traffic`), so N messages of 8 bytes are on their way at any time; N is
//! 1,000 or 2. The same chains on both engines, in one process. Karyon delivers a hop a tick.
//! Durability: "memory": the log is built, hashed and signed, but kept in memory. "durable": the
//! same in a file on the disk, each commit followed by fdatasync; the clock stops when the last
//! record is on the disk. ractor keeps nothing.
//! Unit: messages a second, each sent, checked, recorded and handled; from the first hop to the
//! end of the last chain and the end of the log. For Karyon this includes making the agents (see
//! `spawn`), for ractor it does not.
//! Means: with 1,000, throughput of many small messages among many agents; with 2, what a tick
//! costs when there is hardly anything to do in it. "last good" is Karyon with agents that
//! restart from their last good state: each state is encoded before each step.
//! Does not mean: the latency of one message. Karyon's messages wait for the tick, and what
//! leaves the node waits for the disk. Karyon's log has a thread of its own beside the
//! schedulers, so "2" uses three threads; ractor's "2" are two workers.

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use karyon_benches::{Hopper, LogPlace, Ractor, Rival, Run, Traffic, size};

/// On a disk, unlike `/tmp` may be.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let mut criterion = karyon_benches::criterion();
    measure(&mut criterion, Traffic::random(1_000, size(1_000, 3)));
    measure(&mut criterion, Traffic::random(2, size(50_000, 3)));
}

fn measure(criterion: &mut Criterion, traffic: Traffic) {
    // A message and its tick take less than 60 bytes.
    let memory = LogPlace::Memory(60 * traffic.messages());
    let mut group = criterion.benchmark_group(format!("routed_message_{}", traffic.agents));
    group.throughput(Throughput::Elements(traffic.messages())).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        for (name, place) in [("karyon memory", memory), ("karyon durable", LogPlace::Durable)] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_batched(
                    || Run::<Hopper<false>>::hops(traffic, threads, place, FOLDER),
                    Run::go,
                    BatchSize::PerIteration,
                );
            });
        }
        group.bench_function(BenchmarkId::new("karyon memory, last good", threads), |bencher| {
            bencher.iter_batched(
                || Run::<Hopper<true>>::hops(traffic, threads, memory, FOLDER),
                Run::go,
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("ractor", threads), |bencher| {
            bencher.iter_batched(
                || Rival::<Ractor>::new(traffic, threads).spawn(),
                Rival::run,
                BatchSize::PerIteration,
            );
        });
    }
}
