//! Bounds of the log, each with its unit and its reason.

use std::time::Duration;

/// The unit in which storage tears, bytes: groups of blocks begin at a multiple of it, so that a
/// torn write cannot touch what an earlier commit holds.
pub const SECTOR_BYTES: u64 = 4096;

/// The number of the last segment that a log can have: its file's name has eight digits.
pub const SEGMENT_MAX: u32 = 99_999_999;

/// A block is sealed at this many bytes of records: large enough that hashing and the header
/// cost little, small enough that damage is named closely.
pub const BLOCK_BYTES: usize = 64 * 1024;

/// The largest body of a block, bytes: bounds what a reader allocates for a damaged length.
pub const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The largest single record, bytes: a step with its outputs and their payloads.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most blocks in one commit: bounds the commit's size (40 bytes a block).
pub const COMMIT_BLOCKS_MAX: usize = 1024;

/// The most bytes of blocks in one commit: bounds how long a single commit may take.
pub const COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// Sealed blocks that wait for the writer before the runtime waits for the disk.
pub const QUEUE_BLOCKS: usize = 64;

/// The longest checkpoint, bytes: some 230 are used.
pub const CHECKPOINT_BYTES_MAX: u64 = 4096;

/// Space is reserved in steps of this many bytes, so that a commit rarely changes the file's
/// size, and a full disk is met before a write.
pub const ALLOCATE_BYTES: u64 = 4 * 1024 * 1024;

/// A file of the log ends once it has this many bytes, and the log goes on in the next: small
/// enough to be moved, hashed and looked through as one, large enough that files stay few.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Room that a file always has left for the commit that ends it, bytes: one short record.
pub const TURN_BYTES: u64 = SECTOR_BYTES;

/// The size of the spare file, bytes: room for last words when the disk is full.
pub const SPARE_BYTES: u64 = 1024 * 1024;

/// The longest that blocks for which nobody waits are gathered, behind the commit before: one
/// signature costs as much as the hashes of a thousand small records.
pub const LINGER: Duration = Duration::from_millis(2);

/// Bytes of blocks that are committed without gathering more.
pub const LINGER_BYTES: usize = 256 * 1024;

/// The longest file of record hashes, bytes: 8 for each record, of which a file that takes one
/// commit more than its mark holds at most one for every 3 bytes.
pub const RECORD_HASHES_BYTES_MAX: u64 = 256 * 1024 * 1024;
