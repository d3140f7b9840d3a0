//! Sealing with a *synthetic* nonce: a keyed hash of the text and of what is said with it.
//!
//! A nonce repeats only where text and associated data are the same, and then so are the sealed
//! bytes. So a key that is used for two texts, by mistake or because both come from a copy of one
//! file, shows whether they are the same, and nothing else.
//!
//! Source: Rogaway and Shrimpton, A Provable-Security Treatment of the Key-Wrap Problem (2006), for
//! nonces that follow from what is sealed.

use crate::cipher::{self, NONCE_BYTES};
use crate::limits::OVERHEAD_BYTES;
use crate::secret::Secret;

/// Two keys: one seals, the other makes nonces.
#[derive(Clone)]
pub(crate) struct Synthetic {
    pub(crate) seal: Secret,
    pub(crate) nonce: Secret,
}

impl Synthetic {
    /// The nonce, what is sealed, its tag; `None` for more than the cipher takes, 256 GiB.
    pub(crate) fn seal(&self, associated: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut hasher = blake3::Hasher::new_keyed(self.nonce.bytes());
        hasher.update(&(associated.len() as u64).to_le_bytes()).update(associated).update(plain);
        let mut nonce = [0; NONCE_BYTES];
        hasher.finalize_xof().fill(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let (_, text) = sealed.split_first_chunk_mut::<NONCE_BYTES>()?;
        let tag = cipher::seal_in_place(&self.seal, &nonce, associated, text)?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// What was sealed with these associated data; `None`: it was not.
    pub(crate) fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let mut text = text.to_vec();
        cipher::unseal(&self.seal, nonce, associated, &mut text)?;
        Some(text)
    }
}
