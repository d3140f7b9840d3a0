//! Blocks on their way to the disk.

use karyon_log::Lane;

/// Records that wait to be committed.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its lane.
    pub lane: Lane,
    /// How many records the body holds.
    pub count: u32,
    /// The records.
    pub body: Vec<u8>,
    /// Milliseconds since 1970 (UTC) when it was sealed.
    pub wall_ms: u64,
    /// Whether its last record seals the log.
    pub seals: bool,
}
