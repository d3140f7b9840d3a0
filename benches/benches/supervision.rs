//! Claim: deciding a restart is no scan: among 100,000 children it costs what memory costs that is
//! in no cache, and a wide window costs nothing.
//!
//! Workload: one supervisor over N children, in a tree of its own; pseudo-random ones of them end,
//! one after the other. Each is an exit, the decision to start it, and the word that it runs.
//! Every tick one ends, and the supervisor bears them all.
//! Durability: none; nothing is started or recorded.
//! Unit: restarts decided a second.
//! Means: what deciding adds to a restart. "wide window": of the last 1,000 ticks all restarts are
//! counted; "narrow": of the last 10.
//! Does not mean: the restart of an agent, which has a state to make and records to write.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use criterion::{BatchSize, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::{shuffled, size};
use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Event, Exit, Flags, Intensity, Restart, Shutdown, Spec,
    Strategy, Supervised, Tree,
};
use karyon_types::Tick;

const ROOT: ChildId = ChildId(u64::MAX);

fn main() {
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("supervision");
    let restarts = size(100_000, 100);
    group.throughput(Throughput::Elements(restarts)).sampling_mode(SamplingMode::Flat);
    for (name, period_ticks) in [("narrow window", 10), ("wide window", 1_000)] {
        for children in [10, size(100_000, 100)] {
            group.bench_function(BenchmarkId::new(name, children), |bencher| {
                let tree = begun(children, period_ticks);
                let order = shuffled(children as usize);
                bencher.iter_batched(
                    || tree.clone(),
                    |tree| restart(tree, &order, restarts),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

/// One supervisor whose children run.
fn begun(children: u64, period_ticks: u64) -> Tree {
    let intensity = Intensity { restarts: period_ticks, period_ticks };
    let (strategy, auto_shutdown) = (Strategy::OneForOne, AutoShutdown::Never);
    let worker = |id| {
        Spec::Worker(ChildSpec {
            id: ChildId(id),
            arguments: id,
            restart: Restart::Permanent,
            shutdown: Shutdown::Infinity,
            significant: false,
        })
    };
    let flags = Flags { strategy, intensity, auto_shutdown, max_children: None };
    let below = Supervised { flags, children: (0..children).map(worker).collect() };
    let mut tree = Tree::new(ROOT, below).expect("the tree can be");
    let mut actions = Vec::new();
    tree.decide(Tick(0), Event::Begin, &mut actions).expect("it begins once");
    for id in 0..children {
        tree.decide(Tick(0), Event::Started(ChildId(id)), &mut actions).expect("it was starting");
    }
    assert_eq!(actions.len() as u64, children + 1, "all were started, and it has begun");
    tree
}

fn restart(mut tree: Tree, order: &[usize], restarts: u64) -> Tree {
    let mut actions = Vec::new();
    let mut hear = |tick, event| {
        actions.clear();
        tree.decide(Tick(tick), event, &mut actions).expect("it is so");
        actions.len()
    };
    for (tick, child) in (0..restarts).zip(order.iter().cycle()) {
        let child = ChildId(*child as u64);
        assert_eq!(hear(tick, Event::Exited(child, Exit::Failure)), 1, "it is started again");
        assert_eq!(hear(tick, Event::Started(child)), 0);
    }
    tree
}
