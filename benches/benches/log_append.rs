//! Claim: the log takes records faster than agents make them; the disk is the bound.
//!
//! Workloads, each with what its number means:
//! - "16 MiB", "one block": blocks of 64 KiB with records of steps that answer one message of 8
//!   bytes with one, from one thread to the writer, in its queue of 64 blocks; "one block" waits
//!   until it is committed. Bytes and records a second; the time of one commit.
//! - "batched": 64 MiB of 256-byte records in batches of 1 MiB, each waited for, into a folder of
//!   segments; "plain" writes the same bytes in the same batches to a file whose space is
//!   reserved in the same steps, with fdatasync behind each. Their ratio is what the log costs.
//! - "waiting": 1 or 64 threads, each of which appends one record of 256 bytes and waits until it
//!   is durable, again and again. Records a second; the ratio is what sharing commits gains.
//! - "fdatasync": one sector overwritten and synced: what one commit must cost.
//! - "block hash": BLAKE3 of a block with 64-byte records, a record: what hashing costs each.
//! - "verify": a log of 1,000,000 records of some 64 bytes with its record hashes, from the page
//!   cache, every signature, hash and record read. The time of the whole.
//!
//! Durability: "memory": hashed, signed, kept in memory. All else on the disk, each commit
//! followed by fdatasync; the clock stops when the last block is on the disk.
//! Does not mean: that a run reaches it; encoding the records is not in it.

#![expect(clippy::expect_used, reason = "a bench that cannot go on must stop")]

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, SamplingMode, Throughput};
use karyon_benches::{Hop, LogAlone, LogPlace, Traffic, size};
use karyon_identity::SecretKey;
use karyon_log::{
    Cause, Control, DiskFolder, End, Lane, Message, Output, Record, SegmentHeader, StepEncoder,
};
use karyon_log_writer::limits::{ALLOCATE_BYTES, BLOCK_BYTES};
use karyon_log_writer::{Block, FileStorage, Storage as _, Writer, WriterOptions};
use karyon_types::{AgentId, LeaseId, LogId, hash};
use karyon_verify::{Trust, verify};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const BATCH_BYTES: usize = 1 << 20;
const WAITING: u64 = 64;

fn main() {
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group("log_append");
    group.sampling_mode(SamplingMode::Flat);
    in_one_queue(&mut group);
    batched(&mut group);
    waiting(&mut group);
    block_hash(&mut group);
    verification(&mut group);
}

fn in_one_queue(group: &mut BenchmarkGroup<'_, WallTime>) {
    let block = block(8);
    let blocks = size(16 << 20, BLOCK_BYTES as u64) / BLOCK_BYTES as u64;
    let memory = LogPlace::Memory(2 * blocks * BLOCK_BYTES as u64);
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

fn batched(group: &mut BenchmarkGroup<'_, WallTime>) {
    let block = block(256);
    let batches = size(64, 1);
    let blocks = BATCH_BYTES / BLOCK_BYTES;
    let bytes = batches * (blocks * block.body.len()) as u64;
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function(BenchmarkId::new("batched", "log"), |bencher| {
        bencher
            .iter_custom(|times| (0..times).map(|_| log_in_batches(&block, batches, blocks)).sum());
    });
    group.bench_function(BenchmarkId::new("batched", "plain"), |bencher| {
        let batch = block.body.repeat(blocks);
        bencher.iter_custom(|times| (0..times).map(|_| plain_in_batches(&batch, batches)).sum());
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("fdatasync", |bencher| {
        let mut file = tempfile::tempfile_in(FOLDER).expect("a file");
        let sector = [7; 4096];
        bencher.iter(|| {
            file.rewind().expect("a file has a beginning");
            file.write_all(&sector).expect("the disk has room");
            file.sync_data().expect("the disk is there");
        });
    });
}

fn log_in_batches(block: &Block, batches: u64, blocks: usize) -> Duration {
    let folder = tempfile::tempdir_in(FOLDER).expect("a folder");
    let writer = open(folder.path());
    let begun = Instant::now();
    for _ in 0..batches {
        for _ in 0..blocks {
            writer.append(block.clone()).expect("the log takes it");
        }
        writer.flush().expect("the disk is there");
    }
    let took = begun.elapsed();
    writer.close().expect("the log ends well");
    took
}

fn plain_in_batches(batch: &[u8], batches: u64) -> Duration {
    let folder = tempfile::tempdir_in(FOLDER).expect("a folder");
    let mut file = FileStorage::create(&folder.path().join("plain")).expect("a file");
    let begun = Instant::now();
    let mut at = 0;
    for _ in 0..batches {
        let end = at + batch.len() as u64;
        file.reserve(end.next_multiple_of(ALLOCATE_BYTES)).expect("the disk has room");
        file.write_at(at, batch).expect("the disk has room");
        file.sync().expect("the disk is there");
        at = end;
    }
    begun.elapsed()
}

fn waiting(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (body, count) = records(256, 256);
    let block = Block { lane: Lane::Ticks, count, body, wall_ms: 0, seals: false };
    for threads in [1, WAITING] {
        group.throughput(Throughput::Elements(threads));
        group.bench_function(BenchmarkId::new("waiting", threads), |bencher| {
            let folder = tempfile::tempdir_in(FOLDER).expect("a folder");
            let writer = open(folder.path());
            // A time is one record of each thread.
            bencher.iter_custom(|times| {
                let begun = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for _ in 0..times {
                                writer.append(block.clone()).expect("the log takes it");
                                writer.flush().expect("the disk is there");
                            }
                        });
                    }
                });
                begun.elapsed()
            });
            writer.close().expect("the log ends well");
        });
    }
}

fn block_hash(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (body, count) = records(64, BLOCK_BYTES);
    group.throughput(Throughput::Elements(u64::from(count)));
    group.bench_function("block hash", |bencher| bencher.iter(|| hash(&body)));
}

fn verification(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (body, count) = records(64, BLOCK_BYTES);
    let blocks = size(1_000_000, 1_000).div_ceil(u64::from(count));
    let folder = tempfile::tempdir_in(FOLDER).expect("a folder");
    let writer = open(folder.path());
    for _ in 0..blocks {
        let (lane, body) = (Lane::Ticks, body.clone());
        writer.append(Block { lane, count, body, wall_ms: 0, seals: false }).expect("it is taken");
    }
    writer.append(seal()).expect("the log takes it");
    let end = writer.close().expect("the log ends well");
    let trust = Trust { node_key: Some(key().public_key()), known: Vec::new() };
    let none = folder.path().join("none");
    group.throughput(Throughput::Elements(end.records));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| {
            let report = verify(folder.path(), &none, &none, &trust).expect("it verifies");
            assert_eq!(report.end.records, end.records);
        });
    });
}

fn key() -> Arc<SecretKey> {
    SecretKey::from_seed([7; 32]).expect("not all zeros").into()
}

/// A new log in a folder of segments.
fn open(folder: &Path) -> Writer {
    let header = SegmentHeader { log: LogId([1; 16]), node_key: key().public_key() };
    let (folder, options) = (Arc::new(DiskFolder::new(folder)), WriterOptions::default());
    Writer::open(folder, &header, key(), 1, &End::of_new_log(), options).expect("the disk is there")
}

/// A full block of records of steps that answer one message with one of so many bytes, or of
/// records of that size.
fn block(payload: usize) -> Block {
    let (body, count) = if payload == 8 { hops() } else { records(payload, BLOCK_BYTES) };
    Block { lane: Lane::Ticks, count, body, wall_ms: 0, seals: false }
}

fn seal() -> Block {
    let mut body = Vec::new();
    let seal = karyon_log::Seal { ticks: 1, state_root: [0; 32] };
    Record::Control(Box::new(Control::Seal(seal))).encode(&mut body);
    Block { lane: Lane::Control, count: 1, body, wall_ms: 0, seals: true }
}

fn hops() -> (Vec<u8>, u32) {
    let (mut body, mut count, mut encoder) = (Vec::new(), 0, StepEncoder::default());
    let payload = Hop::first(0, Traffic::random(1_000, 1_000)).to_bytes();
    while body.len() < BLOCK_BYTES {
        let agent = AgentId(1 + u64::from(count) % 1_000);
        let from = AgentId(1 + u64::from(count) * 7 % 1_000);
        let cause = Cause::Message(Message { from, step: 500, output: 0 });
        encoder.begin(agent, 500, &cause, 1);
        encoder.output(&Output::Sent { lease: LeaseId(agent.0), to: from, payload: &payload });
        encoder.finish(&mut body);
        count += 1;
    }
    (body, count)
}

/// Steps whose records take some `each` bytes, until there are `all` bytes of them.
fn records(each: usize, all: usize) -> (Vec<u8>, u32) {
    let (mut body, mut count, mut encoder) = (Vec::new(), 0, StepEncoder::default());
    let payload = vec![7; each - 18];
    while body.len() + each <= all {
        let agent = AgentId(1 + u64::from(count) % 1_000);
        let cause = Cause::Message(Message { from: agent, step: 500, output: 0 });
        encoder.begin(agent, 500, &cause, 1);
        encoder.output(&Output::Sent { lease: LeaseId(agent.0), to: agent, payload: &payload });
        encoder.finish(&mut body);
        count += 1;
    }
    (body, count)
}
