//! Bounds of the projection, each with its unit and its reason. What a single memory may hold is
//! bounded by `karyon_memory_ops::limits`.

/// Bytes of blocks that are projected in one transaction, which ends with a sync: what a kill can
/// cost. Large enough that rows are inserted in long sorted runs: a batch of 32 MiB is a quarter
/// faster than one of 8.
pub const BATCH_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of rows that wait to be sorted and inserted: bounds the memory of an import, which is
/// longer than a batch of blocks.
pub const ROWS_BYTES: usize = 64 * 1024 * 1024;

/// Pages that the database keeps in memory, bytes: a node has more to do than to remember.
pub const CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Entities that are remembered as known, so that their index rows are not written again.
/// 21 bytes each and the set's own: some 16 MB.
pub const KNOWN_ENTITIES: usize = 256 * 1024;

/// Names that are remembered with their numbers. At most 256 bytes each, usually 10 to 20.
pub const KNOWN_NAMES: usize = 64 * 1024;
