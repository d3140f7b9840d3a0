//! Bytes that nobody else may know.

use std::fmt;

use zeroize::Zeroize as _;

/// A key of 32 bytes. Shows nothing of itself, and is overwritten when dropped. Copies that the
/// compiler leaves in registers and on the stack, and the system in swap, are out of reach.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) const fn new(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// The bytes, for ciphers and files. Secret.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Another key in the place of this one.
    pub(crate) fn set(&mut self, bytes: &[u8; 32]) {
        self.0.copy_from_slice(bytes);
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
