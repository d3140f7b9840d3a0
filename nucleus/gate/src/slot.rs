//! One lease in one cache line, and the words that stop it.
//!
//! A slot is written while others read it. Its generation is odd while it holds a lease, and a
//! handle is that of one generation. The reader takes the generation, the fields, and the
//! generation again: if both are the handle's, no field came from another lease. The fences order
//! what is between (a sequence lock over atomics; H.-J. Boehm, "Can seqlocks get along with
//! programming language memory models?", MSPC 2012).

use super::sync::{AtomicU32, AtomicU64, Ordering};

/// In a stop word and in a slot's word: for ever.
pub(super) const REVOKED: u64 = 1 << 31;
/// In a slot's word: how often its agent is suspended.
pub(super) const AGENT: u64 = 0x7fff_0000;
/// In a slot's word: how often the lease is.
pub(super) const LEASE: u64 = 0xffff;
/// In a stop word: how often it is suspended.
pub(super) const STOP: u64 = 0x7fff_ffff;

/// Where a lease lies in the slab. Never recorded, never given to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl Handle {
    /// Whether a slot with this word still holds the handle's lease.
    #[inline]
    pub(super) fn names(self, word: u64) -> bool {
        self.generation % 2 == 1 && self.generation == generation(word)
    }
}

/// See the [module](self).
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Slot {
    /// The generation in the upper half, what holds the lease up in the lower.
    pub(super) word: AtomicU64,
    pub(super) owner: AtomicU64,
    pub(super) lease: AtomicU64,
    pub(super) first: AtomicU64,
    pub(super) last: AtomicU64,
    /// The first tick at which it no longer holds; `u64::MAX`: no end.
    pub(super) expires: AtomicU64,
    pub(super) rights: AtomicU32,
    pub(super) principal: AtomicU32,
    pub(super) reason: AtomicU32,
    pub(super) line: AtomicU32,
}

#[inline]
pub(super) fn generation(word: u64) -> u32 {
    (word >> 32) as u32
}

/// One suspension more or fewer in the bits `mask`. A count at its most stays there: it can no
/// longer say how many there were, and a suspension that is forgotten would be worse.
pub(super) fn counted(word: u64, mask: u64, more: bool) -> u64 {
    let one = mask & mask.wrapping_neg();
    match (word & mask, more) {
        (0, false) => word,
        (count, _) if count == mask => word,
        (_, true) => word + one,
        (_, false) => word - one,
    }
}

/// Changes a word if `change` wants to. What is read from it afterwards, by anyone to whom the
/// return of this became known, is the new word or a later one.
pub(super) fn update(word: &AtomicU64, change: impl FnMut(u64) -> Option<u64>) -> bool {
    word.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).is_ok()
}
