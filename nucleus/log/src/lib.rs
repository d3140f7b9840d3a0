//! The audit log: what happened, in an order that a cause precedes its effects, unchangeable
//! without being found out.
//!
//! Records are gathered in blocks; a block is the unit of hashing. Blocks are made durable in
//! groups by one signed commit: one write, one fdatasync. The block hashes are the entries of an
//! RFC 6962 tree, so that a signed checkpoint of 150 bytes pins everything before it. A log is a
//! folder of segment files; the next one begins where the one before it was sealed, or where it
//! was long enough and says so. The bytes are in `docs/formats.md`.
//!
//! # Invariants
//! 1. Every committed prefix is causally closed: blocks are committed in the order in which they
//!    were appended.
//! 2. A group of blocks is there as a whole or not at all: its commit names each of its hashes.
//! 3. No write touches a sector that an earlier commit used.
//! 4. After a failed write or fdatasync nothing is written again ([`Writer`] stays failed). Only
//!    where the disk is full, last words are ([`Writer::last_words`]): their room is kept.
//! 5. A segment that follows a seal is there as a whole or not at all ([`write_segment`]).
//! 6. In a log that is covered by a checkpoint every changed byte can be found; `cytoplasm/verify`
//!    finds it, by reading only.

mod append;
mod block;
mod commit;
mod committer;
mod control;
mod damage;
mod end;
mod folder;
mod group;
pub mod limits;
mod record;
mod record_hashes;
mod segment;
mod status;
mod storage;
mod tree;
mod walk;
mod writer;

pub use append::{write_segment, write_segment_in};
pub use block::{Block, BlockHeader, Lane};
pub use control::{
    AgentRecord, Approval, Boot, ClockBack, Control, EffectStatus, Genesis, GrantRecord,
    GuardianRecord, Halt, ImportRecord, InputFile, Intent, Interrupted, Order, OutcomeUnknown,
    PrincipalRecord, Proposal, ReasonRecord, Receipt, Recovered, Refused, Resume, Seal,
    TermsRecord, Turn,
};
pub use damage::Damage;
pub use end::{End, Place};
pub use folder::{DiskFolder, Folder, list_records, segment_file};
pub use record::{
    Cause, CrashKind, Decision, LeaseRecord, Loss, Message, Output, Record, Records, StepEncoder,
    Target, Verb,
};
pub use record_hashes::{RecordHash, RecordHashes, frames, record_hash};
pub use segment::{SegmentHeader, origin};
pub use status::{LogFailed, WriterStatus};
pub use storage::{
    FileStorage, MemoryStorage, NO_WAIT, Storage, open_regular, read_open, read_regular,
};
pub use tree::Tree;
pub use walk::{LogError, Walk, WalkedBlock};
pub use writer::{Writer, WriterOptions};

/// The version of the log's byte format.
pub const FORMAT_VERSION: u16 = 1;
