//! Claim: an agent with a lease, both recorded, is made faster than an actor on ractor.
//!
//! Workload: 10,000 agents are made, and handle nothing.
//! Durability: Karyon's log is in memory, hashed and signed. ractor keeps nothing.
//! Unit: agents a second, from nothing to the point where all could handle a message. For Karyon
//! this includes the schedulers' threads, one empty tick, and waiting until the log holds every
//! record; for ractor its runtime is there already.
//! Means: the cost of an agent in a population that is made at once.
//! Does not mean: the cost of one more agent in a running population. ractor makes an actor at any
//! time, from anywhere, and supervises it alone; the like of that is "karyon in a run".
//!
//! "karyon in a run": one agent brings 10,000 others to life in one step and hears of each. Counted
//! is all of that: the step with its 10,000 outputs through the gate, a lease and a birth in the
//! log, 10,000 steps in which the parent hears of them. The states are empty.

use criterion::{BatchSize, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::{LogPlace, Ractor, Ring, Run, size};
use karyon_runtime::SMALL_TICK;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let agents = size(10_000, 100);
    let memory = LogPlace::Memory(100 * agents);
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("spawn");
    group.throughput(Throughput::Elements(agents)).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("karyon memory", threads), |bencher| {
            bencher.iter_batched(
                || Run::idle(agents, 1, threads, SMALL_TICK, memory, FOLDER),
                Run::go,
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("karyon in a run", threads), |bencher| {
            bencher.iter_batched(
                || Run::spawning(agents, threads, memory, FOLDER),
                Run::go,
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("ractor", threads), |bencher| {
            bencher.iter_batched(
                || Ractor::new(Ring { agents, hops: 0 }, threads),
                Ractor::spawn,
                BatchSize::PerIteration,
            );
        });
    }
}
