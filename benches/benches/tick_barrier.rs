//! Claim: a tick costs microseconds, so ticks may be fine-grained.
//!
//! Workload: "tick": 10,000 ticks of a run with 4 agents to which nothing happens, as the product
//! runs it, with a look for STOP and a record a tick; one thread runs such ticks while the others
//! wait. "tick, all meet": the same, but all schedulers meet at the barrier in each tick, as they
//! do when there is more to do. "barrier": 10,000 rounds of the barrier alone, with nothing
//! between them.
//! Durability: the log is in memory.
//! Unit: ticks or rounds a second; the inverse is the time of one. Starting the threads is
//! included, a ten-thousandth of it in each tick.
//! Means: what a tick costs beside the work that is done in it.
//! Does not mean: that schedulers wait this briefly for one that works longer. With more
//! schedulers than cores (4 on a machine with 2) nobody spins and each round parks threads.

use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::{LogPlace, Run, size};
use karyon_runtime::{Barrier, SMALL_TICK};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let rounds = size(10_000, 50);
    let memory = LogPlace::Memory(100 * rounds);
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("tick_barrier");
    group.throughput(Throughput::Elements(rounds)).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2, 4] {
        for (name, small_tick) in [("tick", SMALL_TICK), ("tick, all meet", 0)] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_batched(
                    || Run::idle(4, rounds, threads, small_tick, memory, FOLDER),
                    Run::go,
                    BatchSize::PerIteration,
                );
            });
        }
        group.bench_function(BenchmarkId::new("barrier", threads), |bencher| {
            bencher.iter(|| meet(threads, rounds));
        });
    }
}

/// So many threads meet so often.
fn meet(threads: usize, rounds: u64) {
    let barrier = Arc::new(Barrier::new(threads));
    let mut served = 0;
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| (0..rounds).try_for_each(|_| barrier.wait(|| ())));
        }
        served += (0..rounds).filter(|_| barrier.wait(|| ()).is_ok()).count() as u64;
    });
    assert_eq!(served, rounds);
}
