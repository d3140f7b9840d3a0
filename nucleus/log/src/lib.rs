//! The audit log: what happened, in an order that a cause precedes its effects, unchangeable
//! without being found out.
//!
//! Records are gathered in blocks; a block is the unit of hashing. Blocks are made durable in
//! groups by one signed commit: one write, one fdatasync. The block hashes are the entries of an
//! RFC 6962 tree, so that a signed checkpoint of 150 bytes pins everything before it. A log is a
//! folder of segment files; the next one begins where the one before it was sealed, or where it
//! was long enough and says so. The bytes are in `docs/formats.md`.
//!
//! This crate is the log's format and its readers, which change nothing. The writer is
//! `cytoplasm/log-writer`.
//!
//! # Invariants
//! 1. Whatever is read was committed as it is: a signed commit names the hash of its block.
//! 2. A group of blocks is there as a whole or not at all: its commit names each of its hashes.
//! 3. Each record has one encoding, and bytes of any other are refused.
//! 4. What a reader allocates is bounded, whatever a damaged length says ([`limits`]).
//! 5. In a log that is covered by a checkpoint every changed byte can be found; `cytoplasm/verify`
//!    finds it, by reading only.

mod block;
mod commit;
mod control;
mod damage;
mod end;
mod folder;
mod group;
pub mod limits;
mod record;
mod segment;
mod storage;
mod tree;
mod walk;

pub use block::{BlockHeader, Lane, LaneState};
pub use commit::{Commit, Entry};
pub use control::{
    AgentRecord, Approval, Boot, ClockBack, Control, EffectStatus, Genesis, GrantRecord,
    GuardianRecord, Halt, ImportRecord, InputFile, Intent, Interrupted, MemoryRecord, Order,
    OutcomeUnknown, PrincipalRecord, Proposal, ReasonRecord, Receipt, Recovered, Refused, Resume,
    Seal, SnapshotRecord, SubjectsRecord, TermsRecord, Turn,
};
pub use damage::Damage;
pub use end::{End, Place};
pub use folder::{
    DiskFolder, ReadFolder, list_records, list_segments, records_name, segment_file, segment_name,
};
pub use group::SegmentReader;
pub use record::{
    Cause, CrashKind, Cut, Decision, LOST_STEP, LeaseRecord, Loss, Measure, Message, OrderVerb,
    Output, Record, Records, StepEncoder, Target, Verb,
};
pub use segment::{SegmentHeader, origin};
pub use storage::{NO_WAIT, ReadStorage, open_regular, read_open, read_regular, regular};
pub use tree::Tree;
pub use walk::{LogError, Walk, WalkedBlock};

/// The version of the log's byte format.
pub const FORMAT_VERSION: u16 = 1;
