//! Claim: one check at the gate costs nanoseconds, however many leases are live; and stopping all
//! of them at once costs as little as stopping one.
//!
//! Workload: each of N agents, with one lease each, asks once to send to itself, in the order of
//! the slab or in a pseudo-random order; all are allowed. "guessed": as often, with handles of a
//! slot that is not in use, drawn in advance. "open" and "close": one lease more, and one less,
//! in a gate that has N; with slots that are used again. "revoke": all N leases stand under one
//! reason, which is revoked, over and over (the first time and every other are the same write); that
//! all N are denied then is checked. One thread.
//! Durability: none, nothing is recorded.
//! Unit: checks (or handles, leases, revocations) a second; the inverse is the time of one.
//! Means: what the check adds to an output when the slots are as warm as a loop over N of them
//! leaves them (64 bytes a slot: 1,000 fit the first caches, 100,000 do not, 1,000,000 fit none).
//! Does not mean: latency. Checks that follow each other overlap in the processor, in the
//! runtime too, but less so between other work. A revocation takes effect at once, but is durable
//! only when it is in the log.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Throughput};
use karyon_benches::{grant, shuffled, size};
use karyon_gate::{Chain, Gate, Grant, Handle, Lease, Request, Rights};
use karyon_types::{AgentId, Denial, LeaseId, Tick};

fn lease(grant: &Grant, serial: u64) -> Lease {
    Lease {
        id: LeaseId(serial),
        owner: AgentId(serial),
        rights: Rights::SEND,
        scope: grant.scope,
        expires: Some(Tick(1_000)),
    }
}

/// A gate with `count` leases under one chain, and who holds them.
fn gate(count: u64) -> (Gate, Chain, Vec<(Handle, AgentId)>) {
    let (gate, grant) = (Gate::default(), grant(count));
    let chain = gate.new_chain().expect("the gate is empty");
    let holders = (1..=count)
        .map(|serial| (gate.open(&grant, &lease(&grant, serial), chain), AgentId(serial)))
        .map(|(handle, agent)| (handle.expect("there is room"), agent))
        .collect();
    (gate, chain, holders)
}

fn main() {
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("gate_check");
    for count in [1_000, size(100_000, 2_000), size(1_000_000, 3_000)] {
        let (gate, chain, in_order) = gate(count);
        let random = shuffled(in_order.len()).into_iter().filter_map(|i| in_order.get(i).copied());
        let random: Vec<_> = random.collect();
        group.throughput(Throughput::Elements(count));
        for (order, holders) in [("in order", &in_order), ("random", &random)] {
            group.bench_function(BenchmarkId::new(order, count), |bencher| {
                bencher.iter(|| check_all(&gate, holders));
            });
        }
        guessed(&mut group, &gate, &random);
        open_and_close(&mut group, &gate, chain, count);
        revoke(&mut group, &gate, chain, &in_order);
    }
}

fn check_all(gate: &Gate, holders: &[(Handle, AgentId)]) {
    for &(handle, agent) in holders {
        let request = Request { agent, right: Rights::SEND, target: agent.0, now: Tick(1) };
        black_box(gate.check(Some(handle), black_box(&request)).is_ok());
    }
}

/// Handles of this gate's slots, but of generations that are over: nobody can make up others.
fn guessed(group: &mut BenchmarkGroup<'_, WallTime>, gate: &Gate, random: &[(Handle, AgentId)]) {
    let (other, chain, _) = self::gate(1);
    let grant = grant(1);
    // A slot that is used again and again, in a gate of its own: its handles are of later
    // generations than any in `gate`, and all of one slot of it.
    let later: Vec<_> = (0..random.len() as u64)
        .map(|serial| {
            let handle = other.open(&grant, &lease(&grant, serial), chain).expect("there is room");
            assert!(other.close(handle));
            (handle, AgentId(serial))
        })
        .collect();
    let guesses = later.get(1..).unwrap_or_default();
    assert!(guesses.iter().all(|(handle, agent)| {
        gate.check_holder(Some(*handle), *agent, 0) == Err(Denial::UnknownLease)
    }));
    group.bench_function(BenchmarkId::new("guessed", random.len()), |bencher| {
        bencher.iter(|| check_all(gate, guesses));
    });
}

/// Opens as many as there are, in slots that were used before, and closes them again.
fn open_and_close(group: &mut BenchmarkGroup<'_, WallTime>, gate: &Gate, chain: Chain, count: u64) {
    let grant = grant(count);
    let open = || -> Vec<Handle> {
        let open = |serial| gate.open(&grant, &lease(&grant, serial), chain);
        (1..=count).map(|serial| open(serial).expect("there is room")).collect()
    };
    let close = |handles: Vec<Handle>| {
        handles.into_iter().for_each(|handle| assert!(gate.close(handle)));
    };
    // The first time the slots are made.
    close(open());
    let opened = std::cell::RefCell::new(Vec::new());
    group.bench_function(BenchmarkId::new("open", count), |bencher| {
        bencher.iter_batched(
            || close(opened.take()),
            |()| opened.replace(open()),
            BatchSize::PerIteration,
        );
    });
    close(opened.take());
    group.bench_function(BenchmarkId::new("close", count), |bencher| {
        bencher.iter_batched(open, close, BatchSize::PerIteration);
    });
}

/// Revokes a reason that `holders` stand under.
fn revoke(
    group: &mut BenchmarkGroup<'_, WallTime>,
    gate: &Gate,
    chain: Chain,
    holders: &[(Handle, AgentId)],
) {
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("revoke", holders.len()), |bencher| {
        bencher.iter(|| gate.revoke(black_box(chain.reason)));
    });
    assert!(holders.iter().all(|(handle, agent)| {
        gate.check_holder(Some(*handle), *agent, 0) == Err(Denial::LeaseRevoked)
    }));
}
