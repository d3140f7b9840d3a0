//! Bounds, each with its unit and its reason.

use crate::cipher::{NONCE_BYTES, TAG_BYTES};

/// How deep the tree of a subject's keys is, levels: an erased memory that lies alone costs at
/// most so many nodes of 34 to 36 bytes, and a key at most so many hashes.
pub(crate) const DEPTH: u8 = 24;

/// Memories of one subject, over its whole life: the leaves of its tree. At one a second that is
/// half a year; each level more costs every key a hash.
pub const MEMORIES_MAX: u32 = 1 << DEPTH;

/// Indexes that are reserved at once for whom nothing was sealed yet, memories: a sealed memory
/// costs a write of the file once in so many. What is reserved and not used when a process dies is
/// never used: a subject can bear some 16,000 such deaths.
pub const RESERVED: u32 = 1024;

/// The same for whom many were sealed since the file was read, as many as that: so a death wastes
/// no more than was used, and a write of some milliseconds is shared by more.
pub const RESERVED_MAX: u32 = 16 * 1024;

/// The longest name of a subject, bytes: as other names in the memory.
pub const NAME_BYTES_MAX: usize = 256;

/// The longest plaintext, bytes: a memory has at most 64 KiB, and nothing else is much longer.
pub const PLAINTEXT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that a sealed thing is longer than its plaintext: a nonce of 24, Poly1305's tag of 16.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The longest keystore file, bytes: what a damaged one may make its reader reserve. 10,000
/// subjects take some 550 KB; a subject of whom every second or third memory was erased, which is
/// the worst that there is, 310 MB.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The longest master key file, bytes: its lines are shorter.
pub(crate) const MASTER_BYTES_MAX: u64 = 1024;

/// Subjects whose last keys are remembered, with the nodes above them: 850 bytes each.
pub(crate) const PATHS: usize = 64;

/// The height of nodes that are remembered wherever they lie, levels: from one of them a key takes
/// 12 hashes rather than up to 24.
pub(crate) const LANDING_HEIGHT: u8 = 12;

/// How many of them: 56 bytes each, and 4,096 memories below each.
pub(crate) const LANDINGS: usize = 1024;
