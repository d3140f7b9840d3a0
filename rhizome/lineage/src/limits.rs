//! Bounds of the index, each with its unit and its reason.

/// Bytes of blocks whose rows are gathered, sorted and written in one transaction, which ends
/// with a sync: what a kill can cost. Some 100 MB of rows for the smallest records.
pub const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Pages that the database keeps in memory, bytes: some millions of rows.
pub const CACHE_BYTES: usize = 128 * 1024 * 1024;
