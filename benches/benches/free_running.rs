//! Claim: agents that need no ticks pay no barrier for each hop, and still each step is gated and
//! recorded before anybody outside hears of it.
//!
//! Workload: each of N agents begins a chain that hops from agent to pseudo-random other agent
//! (see `karyon_benches::Traffic`), so N messages of 8 bytes are on their way at any time; N is 1,000
//! or 2. The same chains free-running, in ticks, and on ractor, in one process.
//! Durability: none: the log is built, hashed and signed, but kept in memory. ractor keeps nothing.
//! Unit: messages a second, each sent, checked, recorded and handled. For Karyon making the agents
//! is included, for ractor it is not.
//! Means: with 2, what a hop costs when there is hardly anything else to do: with one thread a
//! mailbox, with two a batch of one message to another thread. With 1,000, throughput.
//! Does not mean: what the disk costs (see `routed_message`), or how soon what leaves the node does.

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use karyon_benches::{Hopper, LogPlace, Ractor, Rival, Run, Schedule, Traffic, size};

/// On a disk, unlike `/tmp` may be.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let mut criterion = karyon_benches::criterion();
    measure(&mut criterion, Traffic::random(1_000, size(1_000, 3)));
    measure(&mut criterion, Traffic::random(2, size(50_000, 3)));
}

fn measure(criterion: &mut Criterion, traffic: Traffic) {
    // A message and its share of what is about it take less than 60 bytes.
    let memory = LogPlace::Memory(60 * traffic.messages());
    let mut group = criterion.benchmark_group(format!("free_running_{}", traffic.agents));
    group.throughput(Throughput::Elements(traffic.messages())).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        for (name, schedule) in [("free", Schedule::free()), ("ticks", Schedule::default())] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_batched(
                    || Run::<Hopper<false>>::hops(traffic, threads, memory, FOLDER).with(schedule),
                    Run::go,
                    BatchSize::PerIteration,
                );
            });
        }
        group.bench_function(BenchmarkId::new("ractor", threads), |bencher| {
            bencher.iter_batched(
                || Rival::<Ractor>::new(traffic, threads).spawn(),
                Rival::run,
                BatchSize::PerIteration,
            );
        });
    }
}
