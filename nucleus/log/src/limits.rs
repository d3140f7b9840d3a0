//! Bounds of the log, each with its unit and its reason.

/// The unit in which storage tears, bytes: groups of blocks begin at a multiple of it, so that a
/// torn write cannot touch what an earlier commit holds.
pub const SECTOR_BYTES: u64 = 4096;

/// The number of the last segment that a log can have: its file's name has eight digits.
pub const SEGMENT_MAX: u32 = 99_999_999;

/// The largest body of a block, bytes: bounds what a reader allocates for a damaged length.
pub const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The largest single record, bytes: a step with its outputs and their payloads.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most blocks in one commit: bounds the commit's size (40 bytes a block).
pub const COMMIT_BLOCKS_MAX: usize = 1024;

/// The most bytes of blocks in one commit: bounds how long a single commit may take.
pub const COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// The longest checkpoint, bytes: some 230 are used.
pub const CHECKPOINT_BYTES_MAX: u64 = 4096;
