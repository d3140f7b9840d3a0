//! The log alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use karyon_identity::SecretKey;
use karyon_log::{Cause, DiskFolder, End, Lane, Message, Output, SegmentHeader, StepEncoder};
use karyon_log_writer::limits::BLOCK_BYTES;
use karyon_log_writer::{Block, MemoryStorage, Storage as _, Writer, WriterOptions};
use karyon_types::{AgentId, LeaseId, LogId};

use crate::error::Failed;
use crate::level::Level;
use crate::text::thousands;
use crate::workload::{Sample, Setting, Trial, Workload};

/// Blocks of some 64 KiB.
const BLOCKS: u64 = 2_048;
/// Agents whose steps are recorded.
const AGENTS: u64 = 1_000;

pub(crate) const APPEND: Workload = Workload {
    name: "log-append",
    about: "records that were encoded before, in full blocks: hashed, chained, signed, written. \
            No agent and no gate",
    unit: "records",
    levels: &[Level::Gate, Level::GateLog],
    size: |scale| {
        let blocks = scale.of(BLOCKS);
        let kib = blocks * (BLOCK_BYTES as u64 >> 10);
        format!(
            "{} blocks of steps of {} agents, some {} KiB",
            thousands(blocks),
            AGENTS,
            thousands(kib)
        )
    },
    prepare: append,
};

fn append(setting: &Setting<'_>) -> Result<Trial, Failed> {
    let (level, blocks, block) = (setting.level, setting.scale.of(BLOCKS), block(setting.seed));
    Ok(Box::new(move |place| {
        let writer = writer(level, place)?;
        // Copied before the clock runs.
        let all = vec![block.clone(); blocks as usize];
        let begun = Instant::now();
        for block in all {
            writer.append(block)?;
        }
        writer.flush()?;
        let took = begun.elapsed();
        let end = writer.close()?;
        Ok(Sample { work: end.records, took })
    }))
}

fn writer(level: Level, place: &Path) -> Result<Writer, Failed> {
    let key = SecretKey::from_seed([7; 32]).ok_or(Failed::Constant("a constant seed is no key"))?;
    let header = SegmentHeader { log: LogId([1; 16]), node_key: key.public_key() };
    let (key, end) = (Arc::new(key), End::of_new_log());
    Ok(match level {
        Level::Gate => {
            let mut storage = MemoryStorage::default();
            storage.write_at(0, &header.encode())?;
            Writer::start(Box::new(storage), &header, key, 1, end)?
        }
        Level::GateLog | Level::GateLogMemory => {
            let folder = Arc::new(DiskFolder::new(place));
            Writer::open(folder, &header, key, 1, &end, WriterOptions::default())?
        }
    })
}

/// A full block of records of steps that answer one message of 8 bytes with one.
fn block(seed: u64) -> Block {
    let (mut body, mut count, mut encoder) = (Vec::new(), 0, StepEncoder::default());
    let payload = seed.to_le_bytes();
    while body.len() < BLOCK_BYTES {
        let agent = AgentId(1 + u64::from(count) % AGENTS);
        let from = AgentId(1 + u64::from(count) * 7 % AGENTS);
        let cause = Cause::Message(Message { from, step: 500, output: 0 });
        encoder.begin(agent, 500, &cause, 1);
        encoder.output(&Output::Sent { lease: LeaseId(agent.0), to: from, payload: &payload });
        encoder.finish(&mut body);
        count += 1;
    }
    Block { lane: Lane::Ticks, count, body, wall_ms: 0, seals: false }
}
