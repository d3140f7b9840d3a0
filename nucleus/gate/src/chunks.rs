//! Arrays that grow while others read them.

use std::sync::OnceLock;

use super::limits::FIRST_CHUNK;

/// Enough for every `u32`.
const CHUNKS: usize = 33 - FIRST_CHUNK.ilog2() as usize;

/// Chunks of doubling size: what lies in one never moves, so it can be read without a lock.
pub(super) struct Chunks<T>([OnceLock<Box<[T]>>; CHUNKS]);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks([const { OnceLock::new() }; CHUNKS])
    }
}

impl<T: Default> Chunks<T> {
    /// The chunk of an element, and its place there.
    #[inline]
    fn place(index: u32) -> (usize, usize) {
        let index = u64::from(index) + u64::from(FIRST_CHUNK);
        let size = index.ilog2();
        ((size - FIRST_CHUNK.ilog2()) as usize, (index - (1 << size)) as usize)
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (chunk, place) = Self::place(index);
        self.0.get(chunk)?.get()?.get(place)
    }

    /// The element, in a chunk that is made if it is not there.
    pub(super) fn grow(&self, index: u32) -> Option<&T> {
        let (chunk, place) = Self::place(index);
        let make = || (0..(FIRST_CHUNK as usize) << chunk).map(|_| T::default()).collect();
        self.0.get(chunk)?.get_or_init(make).get(place)
    }
}
