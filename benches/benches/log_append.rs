//! Claim: the log takes records faster than agents make them; the disk is the bound.
//!
//! Workload: blocks of 64 KiB with records of steps that answer one message of 8 bytes with one,
//! as many as fill 16 MiB, from one thread to the writer, in its queue of 64 blocks. "one block":
//! a single block, and waiting until it is committed.
//! Durability: "memory": hashed, signed, kept in memory. "durable": in a file on the disk, each
//! commit followed by fdatasync; the clock stops when the last block is on the disk.
//! Unit: bytes and records a second; for "one block" the time of one commit.
//! Means: the most that the log can take from all schedulers together.
//! Does not mean: that a run reaches it; encoding the records is not in it.

use criterion::{BatchSize, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::{Hop, LogAlone, LogPlace, Ring, size};
use karyon_log::limits::BLOCK_BYTES;
use karyon_log::{Block, Cause, Lane, Message, Output, StepEncoder};
use karyon_types::{AgentId, LeaseId};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let block = block();
    let blocks = size(16 << 20, BLOCK_BYTES as u64) / BLOCK_BYTES as u64;
    let memory = LogPlace::Memory(2 * blocks * BLOCK_BYTES as u64);
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("log_append");
    group.sampling_mode(SamplingMode::Flat);
    for (name, count) in [("16 MiB", blocks), ("one block", 1)] {
        group.throughput(Throughput::ElementsAndBytes {
            elements: count * u64::from(block.count),
            bytes: count * block.body.len() as u64,
        });
        for (place_name, place) in [("memory", memory), ("durable", LogPlace::Durable)] {
            group.bench_function(BenchmarkId::new(name, place_name), |bencher| {
                bencher.iter_batched(
                    || (LogAlone::new(place, FOLDER), vec![block.clone(); count as usize]),
                    |(log, blocks)| log.append_all(blocks),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

/// A full block of a run's records.
fn block() -> Block {
    let (mut body, mut count, mut encoder) = (Vec::new(), 0, StepEncoder::default());
    let payload = Hop::first(1, Ring { agents: 1_000, hops: 1_000 }).to_bytes();
    while body.len() < BLOCK_BYTES {
        let agent = AgentId(1 + u64::from(count) % 1_000);
        let from = AgentId(1 + u64::from(count) * 7 % 1_000);
        let cause = Cause::Message(Message { from, step: 500, output: 0 });
        encoder.begin(agent, 500, cause, 1);
        encoder.output(&Output::Sent { lease: LeaseId(agent.0), to: from, payload: &payload });
        encoder.finish(&mut body);
        count += 1;
    }
    Block { lane: Lane::Ticks, count, body, wall_ms: 0, seals: false }
}
