//! Claim: one check at the gate costs nanoseconds, however many leases are live.
//!
//! Workload: each of N agents, with one lease each, asks once to send to itself, in the order of
//! the slab or in a pseudo-random order; all are allowed. One thread.
//! Durability: none, nothing is recorded.
//! Unit: checks a second; its inverse is the time of one check.
//! Means: what the check adds to an output when the slots are as warm as a loop over N of them
//! leaves them (64 bytes a slot: 1,000 fit the first caches, 100,000 do not).
//! Does not mean: latency. Checks that follow each other overlap in the processor, in the
//! runtime too, but less so between other work; and denials are not measured.

use std::hint::black_box;

use criterion::{BenchmarkId, Throughput};
use karyon_benches::{grant, shuffled, size};
use karyon_gate::{Gate, Handle, Lease, Request, Rights};
use karyon_types::{AgentId, LeaseId, Tick};

/// A gate with `count` leases, and who holds them.
fn gate(count: u64) -> (Gate, Vec<(Handle, AgentId)>) {
    let (mut gate, grant) = (Gate::default(), grant(count));
    let holders = (1..=count).filter_map(|serial| {
        let lease = Lease {
            id: LeaseId(serial),
            owner: AgentId(serial),
            rights: Rights::SEND,
            scope: grant.scope,
            expires: Some(Tick(1_000)),
        };
        Some((gate.open(&grant, &lease).ok()?, lease.owner))
    });
    let holders = holders.collect();
    (gate, holders)
}

fn main() {
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("gate_check");
    for count in [1_000, size(100_000, 2_000)] {
        let (gate, in_order) = gate(count);
        let random = shuffled(in_order.len()).into_iter().filter_map(|i| in_order.get(i).copied());
        let random = random.collect();
        group.throughput(Throughput::Elements(count));
        for (order, holders) in [("in order", &in_order), ("random", &random)] {
            group.bench_function(BenchmarkId::new(order, count), |bencher| {
                bencher.iter(|| check_all(&gate, holders));
            });
        }
    }
}

fn check_all(gate: &Gate, holders: &[(Handle, AgentId)]) {
    for &(handle, agent) in holders {
        let request = Request { agent, right: Rights::SEND, target: agent.0, now: Tick(1) };
        black_box(gate.check(Some(handle), black_box(&request)).is_ok());
    }
}
