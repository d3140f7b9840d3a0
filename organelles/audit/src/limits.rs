//! Bounds of what is shown, each with its unit and its reason.

/// Records that one signed list of an export covers: bounds what the exporter holds, 8 bytes each,
/// and keeps signatures rare, one in some 8,000 lines.
pub const LIST_RECORDS: usize = 8192;

/// The longest payload that a view shows as a whole, bytes; of a longer one it shows size and
/// hash, since the record's bytes stand beside it anyway.
pub const VIEW_PAYLOAD_BYTES: usize = 256;

/// Orphans that are listed; the others are counted.
pub const LISTED_ORPHANS: usize = 20;

/// The longest proof that is read, bytes: a block of at most 16 MiB and its commit, in base64.
pub const PROOF_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The longest checkpoint that is read, bytes: some 230 are used, and one that was kept may carry
/// the signatures of a dozen witnesses, 3.3 KiB each with the largest algorithm that they use.
pub const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024;
