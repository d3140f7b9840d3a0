//! The writer of the audit log: blocks go in, and are durable when it says so.
//!
//! Its format and its readers are `karyon-log`. All blocks that wait are made durable by one
//! signed commit: one write, one fdatasync. When a file is long enough the log goes on in the
//! next; and when the disk is full, last words still fit.
//!
//! # Invariants
//! 1. Every committed prefix is causally closed: blocks are committed in the order in which they
//!    were appended.
//! 2. No write touches a sector that an earlier commit used.
//! 3. After a failed write or fdatasync nothing is written again ([`Writer`] stays failed). Only
//!    where the disk is full, last words are ([`Writer::last_words`]): their room is kept.
//! 4. A segment that follows a seal is there as a whole or not at all ([`write_segment`]).
//!
//! It trusts its caller with three things: that nobody else writes to the log, that a block holds
//! as many records as it says, and that it seals only where its last record does.

mod append;
mod block;
mod commit_times;
mod committer;
mod folder;
pub mod limits;
mod record_hashes;
mod status;
mod storage;
mod writer;

pub use append::{write_segment, write_segment_in};
pub use block::Block;
pub use commit_times::CommitTimes;
pub use folder::Folder;
pub use status::{LogFailed, WriterStatus};
pub use storage::{FileStorage, MemoryStorage, Storage};
pub use writer::{Writer, WriterOptions};
