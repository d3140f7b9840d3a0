//! BLAKE3 hashes. Source: <https://github.com/BLAKE3-team/BLAKE3-specs>.

use std::fmt;

/// A BLAKE3 hash, 32 bytes, shown as lowercase hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash that stands where there is nothing to point to.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Reads the 64 hexadecimal digits that [`fmt::Display`] writes; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Hash> {
        blake3::Hash::from_hex(text).ok().map(|h| Hash(*h.as_bytes()))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The BLAKE3 hash of `bytes`.
pub fn hash(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

/// Hashes what comes in pieces.
#[derive(Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher whose results differ from those of every other `domain`.
    pub fn for_domain(domain: &str) -> Hasher {
        Hasher(blake3::Hasher::new_derive_key(domain))
    }

    /// Adds bytes as they are; the caller delimits them.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Hasher {
        self.0.update(bytes);
        self
    }

    /// Adds bytes behind their length, so that neighbours cannot run into each other.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Hasher {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.update(bytes)
    }

    /// The hash of everything added so far.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}
