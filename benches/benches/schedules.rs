//! Claim: turns one after the other cost what one scheduler costs and a draw, a sorted turn and a
//! mailbox more; stages cost nothing; where agents take turns, to activate all each tick is cheaper
//! than that each keeps a timer.
//!
//! Workload "hops": each of 1,000 agents begins a chain that hops from agent to pseudo-random
//! other agent (see `karyon_benches::Traffic`); the same messages in each schedule. All at once each
//! hop takes a tick; one after the other a hop to an agent whose turn is still to come takes none.
//! Workload "steps": each of 1,000 agents counts a step each tick, and is sent nothing: activated
//! by `EveryTick`, or by an interval of one tick of its own.
//! Durability: none: the log is built, hashed and signed, but kept in memory.
//! Unit: messages or steps a second, each recorded; making the agents is included.
//! Means: what a schedule costs beside another, on the same work in the same run. With a
//! sequential schedule "2" is one scheduler, too: the figures tell the noise.
//! Does not mean: how a model fares whose results need fewer ticks under one schedule than under
//! another.

use criterion::{BatchSize, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::{Hopper, LogPlace, Run, Schedule, Stepper, Traffic, size};

/// On a disk, unlike `/tmp` may be.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let schedules = [
        ("simultaneous", Schedule::default()),
        ("staged", Schedule::staged(2)),
        ("sequential random", Schedule::sequential_random(1)),
        ("staged, shuffled", Schedule::staged(2).shuffled(1)),
    ];
    let mut criterion = karyon_benches::criterion();
    let traffic = Traffic::random(1_000, size(500, 3));
    let mut group = criterion.benchmark_group("schedules_hops");
    group.throughput(Throughput::Elements(traffic.messages())).sampling_mode(SamplingMode::Flat);
    let memory = LogPlace::Memory(60 * traffic.messages());
    for threads in [1, 2] {
        for (name, schedule) in schedules {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_batched(
                    || Run::<Hopper<false>>::hops(traffic, threads, memory, FOLDER).with(schedule),
                    Run::go,
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
    let ticks = size(500, 3);
    let mut group = criterion.benchmark_group("schedules_steps");
    group.throughput(Throughput::Elements(1_000 * ticks)).sampling_mode(SamplingMode::Flat);
    let memory = LogPlace::Memory(60 * 1_000 * ticks);
    for threads in [1, 2] {
        for (name, schedule) in schedules {
            for (how, intervals) in [("activated", false), ("by intervals", true)] {
                let name = format!("{name}, {how}");
                group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                    bencher.iter_batched(
                        || {
                            Run::<Stepper>::steps(1_000, ticks, intervals, threads, memory, FOLDER)
                                .with(schedule)
                        },
                        Run::go,
                        BatchSize::PerIteration,
                    );
                });
            }
        }
    }
}
