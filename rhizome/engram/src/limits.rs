//! Bounds of an engram, each with its unit and its reason.

/// The longest file, bytes: a million memories of a kilobyte. It is read block by block, so that
/// this bounds the disk and the time that a stranger's file may take, half a minute or so, and not
/// memory.
pub const FILE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The most memories in one file. The list of them is held in memory, 36 bytes each, and while the
/// envelope is checked some 200 beside: what is in memory at once for a million is a third of a
/// gigabyte.
pub const MEMORIES_MAX: usize = 1_000_000;

/// The longest block of a memory, bytes. A write has at most 64 KiB, and no value takes more than
/// four times its bytes here (a reference to an agent: 2 bytes there, 8 here), so every memory
/// fits.
pub const BLOCK_BYTES_MAX: usize = 320 * 1024;

/// The longest envelope, bytes: 41 for each memory and some 270 for each agent's name, in base64.
pub const ENVELOPE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The longest header of the file, bytes: 58 are used.
pub const HEADER_BYTES_MAX: usize = 128;

/// The longest reason for an export, bytes: a paragraph.
pub const REASON_BYTES_MAX: usize = 4096;
