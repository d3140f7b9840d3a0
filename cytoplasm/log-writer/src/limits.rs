//! Bounds of writing, each with its unit and its reason.

use std::time::Duration;

use karyon_log::limits::SECTOR_BYTES;

/// A block is sealed at this many bytes of records: large enough that hashing and the header
/// cost little, small enough that damage is named closely.
pub const BLOCK_BYTES: usize = 64 * 1024;

/// Sealed blocks that wait for the writer before the runtime waits for the disk.
pub const QUEUE_BLOCKS: usize = 64;

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
