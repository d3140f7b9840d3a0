//! A memory as it is sealed under its key: version 2, and version 1, which is only opened.
//!
//! Version 2 has a synthetic nonce, so that what goes on from two copies of one keystore, which
//! give out the same key, seals two texts under it without telling either. Version 1 had a nonce of
//! zeros. Nothing in the bytes says which they are, nor does it have to: either is authenticated
//! under a cipher key and associated data of its own, so bytes that open as one of them are that one.

use karyon_types::LogId;

use crate::cipher::{self, NONCE_BYTES};
use crate::secret::Secret;
use crate::state::SubjectId;
use crate::synthetic::Synthetic;

/// What the associated data of every sealed memory begin with, and what its keys are derived by.
const V2: &[u8] = b"karyon sealed memory v2";
/// The same of version 1, and of the keys of runs, of which there is no other version.
const V1: &[u8] = b"karyon sealed memory v1";
const NONCE_OF_V1: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// Which memory it is.
#[derive(Clone, Copy)]
pub(crate) struct Which {
    pub(crate) log: LogId,
    pub(crate) subject: SubjectId,
    pub(crate) index: u32,
}

impl Which {
    /// Whose run key it is.
    pub(crate) fn of_run(self) -> Vec<u8> {
        self.with(V1, b"")
    }

    /// What is said with a sealed thing, behind what says which one it is.
    fn with(self, version: &[u8], associated: &[u8]) -> Vec<u8> {
        let Which { log, subject, index } = self;
        let parts: [&[u8]; 5] =
            [version, &log.0, &subject.0.to_le_bytes(), &index.to_le_bytes(), associated];
        parts.concat()
    }
}

/// Seals a memory under its leaf of the subject's tree; `None` for more than the cipher takes.
pub(crate) fn seal(
    leaf: &Secret,
    which: Which,
    associated: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    keys(leaf).seal(&which.with(V2, associated), plain)
}

/// What was sealed under this leaf by any version; `None`: nothing was.
pub(crate) fn open(
    leaf: &Secret,
    which: Which,
    associated: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    keys(leaf)
        .open(&which.with(V2, associated), sealed)
        .or_else(|| open_v1(leaf, which, associated, sealed))
}

fn open_v1(leaf: &Secret, which: Which, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut text = sealed.to_vec();
    cipher::unseal(leaf, &NONCE_OF_V1, &which.with(V1, associated), &mut text)?;
    Some(text)
}

/// Both keys of version 2.
fn keys(leaf: &Secret) -> Synthetic {
    let [mut seal, mut nonce] = [[0; 32]; 2];
    let mut hash = blake3::Hasher::new_keyed(leaf.bytes()).update(V2).finalize_xof();
    hash.fill(&mut seal);
    hash.fill(&mut nonce);
    Synthetic { seal: Secret::new(seal), nonce: Secret::new(nonce) }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};

    use super::*;
    use crate::limits::OVERHEAD_BYTES;

    const LEAF: Secret = Secret::new([5; 32]);
    const WHICH: Which = Which { log: LogId([1; 16]), subject: SubjectId(2), index: 3 };

    /// As `docs/formats.md` says it, step by step.
    #[test]
    fn version_2_is_what_is_written_of_it() {
        let associated = [
            b"karyon sealed memory v2".as_slice(),
            &[1; 16],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0],
            b"about",
        ]
        .concat();
        let mut keys = [0; 64];
        let mut hasher = blake3::Hasher::new_keyed(&[5; 32]);
        hasher.update(b"karyon sealed memory v2").finalize_xof().fill(&mut keys);
        let nonce_key: &[u8; 32] = keys[32..].try_into().unwrap();
        let length = (associated.len() as u64).to_le_bytes();
        let hashed = [length.as_slice(), &associated, b"text"].concat();
        let hash = blake3::keyed_hash(nonce_key, &hashed);
        let nonce = &hash.as_bytes()[..24];
        let cipher = XChaCha20Poly1305::new_from_slice(&keys[..32]).unwrap();
        let (mut text, nonce_of) = (*b"text", XNonce::try_from(nonce).unwrap());
        let tag = cipher.encrypt_inout_detached(&nonce_of, &associated, text.as_mut_slice().into());
        let expected = [nonce, &text, &tag.unwrap()].concat();
        assert_eq!(seal(&LEAF, WHICH, b"about", b"text").unwrap(), expected);
    }

    /// As version 1 sealed.
    fn seal_v1(associated: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut bytes = plain.to_vec();
        cipher::seal(&LEAF, &[0; 24], &WHICH.with(V1, associated), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn either_version_is_opened_unchanged_and_in_its_place_alone() {
        for plain in [b"".as_slice(), b"x", b"twenty-four bytes of it.", &[7; 5_000]] {
            let (one, two) =
                (seal_v1(b"about", plain), seal(&LEAF, WHICH, b"about", plain).unwrap());
            assert_eq!(two.len(), plain.len() + OVERHEAD_BYTES);
            assert_eq!(one.len(), plain.len() + 16);
            for sealed in [&one, &two] {
                assert_eq!(open(&LEAF, WHICH, b"about", sealed).as_deref(), Some(plain));
                let other = Secret::new([6; 32]);
                assert_eq!(open(&other, WHICH, b"about", sealed), None);
                for which in [
                    Which { log: LogId([2; 16]), ..WHICH },
                    Which { subject: SubjectId(3), ..WHICH },
                    Which { index: 4, ..WHICH },
                ] {
                    assert_eq!(open(&LEAF, which, b"about", sealed), None);
                }
                assert_eq!(open(&LEAF, WHICH, b"abou", sealed), None);
                for at in 0..sealed.len() {
                    let mut changed = sealed.clone();
                    changed[at] ^= 1;
                    assert_eq!(open(&LEAF, WHICH, b"about", &changed), None, "byte {at}");
                    assert_eq!(open(&LEAF, WHICH, b"about", &sealed[..at]), None, "cut at {at}");
                }
            }
            // Neither passes for the other, with or without a nonce in front.
            assert_eq!(open_v1(&LEAF, WHICH, b"about", &two), None);
            assert_eq!(open_v1(&LEAF, WHICH, b"about", &two[24..]), None);
            let with_nonce = [[0; 24].as_slice(), &one].concat();
            assert_eq!(open(&LEAF, WHICH, b"about", &with_nonce), None);
        }
    }
}
