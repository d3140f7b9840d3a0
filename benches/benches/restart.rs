//! Claim: an agent that fails is started again, both recorded, faster than an actor on ractor; and
//! one step in a hundred that dies costs less than the same work again.
//!
//! Workload: "error": agents fail at each event, by saying so; "panic": by a panic, about which no
//! word is printed. Each is started again from the beginning, 10,000 times in all: 1 agent, or 100.
//! On ractor a supervisor hears of it, makes a new actor, linked to it, and tells it the next thing
//! to fail at; on Karyon an input each tick does. "chaos": 1,000 agents send to pseudo-random
//! others, 1,000,000 messages; none, or one in a hundred steps dies, and is done again from the
//! agent's last good state.
//! Durability: Karyon's log is in memory, hashed and signed. ractor keeps nothing.
//! Unit: restarts a second; of "chaos" messages a second, each handled once. Making the agents is
//! included on both.
//! Means: what fails with its agent, from the failure to the agent that takes the next event.
//! Does not mean: what a state costs that is large, or a supervisor that has to decide more than
//! that a child is started again (see `supervision`).

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use karyon_benches::{Failing, Fault, Hopper, LogPlace, Run, Traffic, size};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let mut criterion = karyon_benches::criterion();
    let restarts = size(10_000, 200);
    for (name, fault) in [("error", Fault::Error), ("panic", Fault::Panic)] {
        for agents in [1, 100] {
            let name = format!("restart_{name}_{agents}");
            measure(&mut criterion, &name, agents, restarts / agents, fault);
        }
    }
    chaos(&mut criterion, Traffic::random(1_000, size(1_000, 3)));
}

fn measure(criterion: &mut Criterion, name: &str, agents: u64, times: u64, fault: Fault) {
    let restarts = agents * times;
    let memory = LogPlace::Memory(200 * restarts);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(restarts)).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("karyon memory", threads), |bencher| {
            bencher.iter_batched(
                || Run::failing(agents, times, fault, threads, memory, FOLDER),
                Run::go,
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("ractor", threads), |bencher| {
            bencher.iter_batched(
                || Failing::new(agents, times, fault, threads),
                Failing::run,
                BatchSize::PerIteration,
            );
        });
    }
}

fn chaos(criterion: &mut Criterion, traffic: Traffic) {
    let memory = LogPlace::Memory(70 * traffic.messages());
    let mut group = criterion.benchmark_group("restart_chaos");
    group.throughput(Throughput::Elements(traffic.messages())).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        for (name, probability) in [("karyon without", 0.0), ("karyon chaos 0.01", 0.01)] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_batched(
                    || {
                        let run = Run::<Hopper<true>>::hops(traffic, threads, memory, FOLDER);
                        run.with_chaos(probability)
                    },
                    Run::go,
                    BatchSize::PerIteration,
                );
            });
        }
    }
}
