//! Bounds, with unit and reason.

/// Slots in the first chunk, and stop words; each further chunk is twice the one before. A power
/// of two; 64 slots are a page.
pub(crate) const FIRST_CHUNK: u32 = 64;

/// Leases open at one time, and closed slots that ran out of generations: 16 GiB of slots.
pub const LEASES_MAX: u32 = 1 << 28;

/// Stop words ever made: 2 GiB of them.
pub const STOPS_MAX: u32 = 1 << 28;

/// The last generation of a slot that holds a lease (they are odd): a slot is used two thousand
/// million times.
pub(crate) const GENERATION_LAST: u32 = u32::MAX - 2;
