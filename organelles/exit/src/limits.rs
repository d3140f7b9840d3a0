//! Bounds of an export, each with its unit and its reason.

/// The most files in one export. A log has two for each of its segments, and each import and each
/// change of governed memory is a segment: a hundred a day for more than three years. Their names
/// and hashes are held in memory, some 200 bytes each.
pub const FILES_MAX: usize = 250_000;

/// The longest manifest, bytes: 220 for each file.
pub const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The longest signed manifest, bytes: the same in base64.
pub const ENVELOPE_BYTES_MAX: u64 = 90 * 1024 * 1024;

/// The longest file in an export, bytes: sums of as many as there may be stay far from 2⁶⁴.
/// Nothing is compressed, so what is unpacked is never longer than the export itself.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// The longest name of a file, bytes: what a tar header holds.
pub const NAME_BYTES_MAX: usize = 100;
