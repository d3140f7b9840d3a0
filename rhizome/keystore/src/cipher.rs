//! XChaCha20-Poly1305: bytes that only who has the key can read, and nobody can change unseen.
//!
//! Source: RFC 8439; draft-irtf-cfrg-xchacha-03 for the longer nonce.

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroize as _;

use crate::secret::Secret;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 24;
/// Bytes of a tag, Poly1305's.
pub(crate) const TAG_BYTES: usize = 16;

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    let mut key = Key::from(*key.bytes());
    let cipher = XChaCha20Poly1305::new(&key);
    key.zeroize();
    cipher
}

/// Seals `bytes` in their place and puts the tag behind them; `None` for more bytes than the cipher
/// takes, 256 GiB. A key is used with a nonce once.
pub(crate) fn seal(
    key: &Secret,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    bytes: &mut Vec<u8>,
) -> Option<()> {
    let tag = seal_in_place(key, nonce, associated, bytes)?;
    bytes.extend_from_slice(&tag);
    Some(())
}

/// The same; the tag is given back.
pub(crate) fn seal_in_place(
    key: &Secret,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
) -> Option<[u8; TAG_BYTES]> {
    let nonce = XNonce::from(*nonce);
    let tag = cipher(key).encrypt_inout_detached(&nonce, associated, text.into()).ok()?;
    Some(tag.into())
}

/// What was sealed, in the place of `bytes`; `None`, and nothing of it, if it was not sealed so.
pub(crate) fn unseal(
    key: &Secret,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    bytes: &mut Vec<u8>,
) -> Option<()> {
    let length = bytes.len().checked_sub(TAG_BYTES)?;
    let (text, tag) = bytes.split_at_mut_checked(length)?;
    let tag = Tag::from(<[u8; TAG_BYTES]>::try_from(&*tag).ok()?);
    let nonce = XNonce::from(*nonce);
    cipher(key).decrypt_inout_detached(&nonce, associated, text.into(), &tag).ok()?;
    bytes.truncate(length);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of draft-irtf-cfrg-xchacha-03, A.3.1.
    #[test]
    fn agrees_with_the_draft() {
        let plaintext = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
            tip for the future, sunscreen would be it.";
        let associated = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let key = Secret::new(std::array::from_fn(|i| 0x80 + i as u8));
        let nonce = std::array::from_fn(|i| 0x40 + i as u8);
        let mut bytes = plaintext.to_vec();
        seal(&key, &nonce, &associated, &mut bytes).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&bytes[..16]), "bd6d179d3e83d43b9576579493c0e939");
        assert_eq!(hex(&bytes[plaintext.len()..]), "c0875924c1c7987947deafd8780acf49");
        unseal(&key, &nonce, &associated, &mut bytes).unwrap();
        assert_eq!(bytes, plaintext);
    }

    #[test]
    fn nothing_else_is_unsealed() {
        let (key, nonce) = (Secret::new([1; 32]), [2; NONCE_BYTES]);
        let mut sealed = b"what nobody else may read".to_vec();
        seal(&key, &nonce, b"about", &mut sealed).unwrap();
        let refused = |key: &Secret, nonce: &[u8; NONCE_BYTES], about: &[u8], bytes: &[u8]| {
            unseal(key, nonce, about, &mut bytes.to_vec()).is_none()
        };
        assert!(!refused(&key, &nonce, b"about", &sealed));
        assert!(refused(&Secret::new([3; 32]), &nonce, b"about", &sealed));
        assert!(refused(&key, &[3; NONCE_BYTES], b"about", &sealed));
        assert!(refused(&key, &nonce, b"abou", &sealed));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(refused(&key, &nonce, b"about", &changed), "byte {at}");
            assert!(refused(&key, &nonce, b"about", &sealed[..at]), "cut at {at}");
        }
    }
}
