//! Claim: an agent with a lease, both recorded, is made faster than an actor on other engines.
//!
//! Workload: 10,000 or 1,000,000 agents are made, and handle nothing. "skynet": a tree of 1,000,000
//! agents and those above them, ten below each, each made by the one above it; those at the bottom
//! report their numbers, the others the sum of what they hear.
//! Durability: Karyon's log is in memory, hashed and signed. The others keep nothing.
//! Unit: agents a second, from nothing to the point where all have begun; of "skynet" to the point
//! where the root has the sum. For Karyon this includes the schedulers' threads, one empty tick, and
//! waiting until the log holds every record; for the others the runtime is there already.
//! Means: the cost of an agent in a population that is made at once, or by agents.
//! Does not mean: the cost of one more agent in a running population. The others make an actor at
//! any time, from anywhere, and ractor supervises it alone; the like of that is "karyon in a run".
//! A task or an actor of a tree may end when nobody needs it; Karyon's and ractor's do not. A node
//! on Karyon needs one message more: it learns to whom it reports by being told to begin.
//!
//! "karyon in a run": one agent brings 10,000 others to life in one step and hears of each. Counted
//! is all of that: the step with its 10,000 outputs through the gate, a lease and a birth in the
//! log, 10,000 steps in which the parent hears of them. The states are empty.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use karyon_benches::{
    Actix, Channels, Engine, Kameo, LogPlace, Ractor, Rival, Run, Traffic, nodes, size, skynet,
};
use karyon_runtime::SMALL_TICK;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let mut criterion = karyon_benches::criterion();
    at_once(&mut criterion, "spawn", size(10_000, 100), true);
    at_once(&mut criterion, "spawn_1000000", size(1_000_000, 1_000), false);
    tree(&mut criterion, size(1_000_000, 100));
}

fn at_once(criterion: &mut Criterion, name: &str, agents: u64, in_a_run: bool) {
    let memory = LogPlace::Memory(100 * agents);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(agents)).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("karyon memory", threads), |bencher| {
            bencher.iter_batched(
                || Run::idle(agents, 1, threads, SMALL_TICK, memory, FOLDER),
                Run::go,
                BatchSize::PerIteration,
            );
        });
        if in_a_run {
            group.bench_function(BenchmarkId::new("karyon in a run", threads), |bencher| {
                bencher.iter_batched(
                    || Run::spawning(agents, threads, memory, FOLDER),
                    Run::go,
                    BatchSize::PerIteration,
                );
            });
        }
        made_by::<Ractor>(&mut group, agents, threads);
        made_by::<Kameo>(&mut group, agents, threads);
        made_by::<Actix>(&mut group, agents, threads);
        made_by::<Channels>(&mut group, agents, threads);
    }
}

fn made_by<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, agents: u64, threads: usize) {
    group.bench_function(BenchmarkId::new(E::NAME, threads), |bencher| {
        bencher.iter_batched(
            || Rival::<E>::new(Traffic::random(agents, 0), threads),
            Rival::spawn,
            BatchSize::PerIteration,
        );
    });
}

fn tree(criterion: &mut Criterion, leaves: u64) {
    // Three steps and a birth a node.
    let memory = LogPlace::Memory(250 * nodes(leaves));
    let mut group = criterion.benchmark_group("spawn_skynet");
    group.throughput(Throughput::Elements(nodes(leaves))).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("karyon memory", threads), |bencher| {
            bencher.iter_batched(
                || Run::skynet(leaves, threads, memory, FOLDER),
                Run::go,
                BatchSize::PerIteration,
            );
        });
        grown_by::<Ractor>(&mut group, leaves, threads);
        grown_by::<Kameo>(&mut group, leaves, threads);
        grown_by::<Actix>(&mut group, leaves, threads);
        grown_by::<Channels>(&mut group, leaves, threads);
    }
}

fn grown_by<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, leaves: u64, threads: usize) {
    group.bench_function(BenchmarkId::new(E::NAME, threads), |bencher| {
        bencher.iter_batched(
            || E::new(threads),
            |engine| skynet(engine, leaves),
            BatchSize::PerIteration,
        );
    });
}
