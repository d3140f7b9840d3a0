//! Ed25519 keys and signatures. Source: RFC 8032.

use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_compact::{KeyPair, Seed};

/// The system gave no random bytes; nothing was made.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes: {0}")]
pub struct RandomError(#[from] getrandom::Error);

/// Bytes from the system's random number generator.
///
/// # Errors
/// [`RandomError`] when the system has no random bytes to give.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A secret key: 32 random bytes and what follows from them.
///
/// Not `Clone`, shows nothing of itself in `Debug`, and is overwritten when dropped (copies
/// that the operating system made, as in swap, are out of reach).
pub struct SecretKey(KeyPair);

impl SecretKey {
    /// A new key from the system's random number generator.
    ///
    /// # Errors
    /// [`RandomError`] when the system has no random bytes to give.
    pub fn generate() -> Result<SecretKey, RandomError> {
        loop {
            // The all-zero seed, which no working generator ever draws, is refused.
            if let Some(key) = SecretKey::from_seed(random_bytes()?) {
                return Ok(key);
            }
        }
    }

    /// The key that follows from a seed; `None` for 32 zeros, which nobody drew at random.
    pub fn from_seed(seed: [u8; 32]) -> Option<SecretKey> {
        KeyPair::try_from_seed(Seed::new(seed)).ok().map(SecretKey)
    }

    /// The key of the 64 lowercase hexadecimal digits that [`seed_hex`](Self::seed_hex) gives.
    pub fn from_seed_hex(text: &str) -> Option<SecretKey> {
        decode_hex(text).and_then(SecretKey::from_seed)
    }

    /// The seed, for where the key is kept and nowhere else. Secret.
    pub fn seed_hex(&self) -> String {
        HEXLOWER.encode(self.0.sk.seed().as_ref())
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.0.pk)
    }

    /// Signs `bytes`. The same bytes give the same signature.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(*self.0.sk.sign(bytes, None))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public_key())
    }
}

/// A public key, 32 bytes, shown as lowercase hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Reads the 64 lowercase hexadecimal digits that [`fmt::Display`] writes; `None` for
    /// anything else.
    pub fn from_hex(text: &str) -> Option<PublicKey> {
        decode_hex(text).map(PublicKey)
    }

    /// Whether `signature` is this key's over exactly `bytes`. False for a key or a signature
    /// that is no valid point, of small order, or not in its canonical form.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> bool {
        ed25519_compact::PublicKey::new(self.0)
            .verify(bytes, &ed25519_compact::Signature::new(signature.0))
            .is_ok()
    }

    /// Whether the bytes are a key that can verify anything at all.
    pub fn is_valid(&self) -> bool {
        ed25519_compact::PublicKey::new(self.0).validate().is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Exactly 64 lowercase hexadecimal digits.
pub(crate) fn decode_hex(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Computed with another library (pyca/cryptography) from the seed 00 01 … 1f.
    const PUBLIC: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
    const SIGNATURE: &str = "0adc9e273b9177b5f03e5113a94690789233e8267b4554780d7b3e62ba6a017c\
                             4e6ca8fc9d2570c99a2fe0169b19fead73358236c05da35a8d098f2925fd5105";

    fn golden() -> SecretKey {
        SecretKey::from_seed(std::array::from_fn(|i| i as u8)).unwrap()
    }

    #[test]
    fn agrees_with_another_implementation() {
        let key = golden();
        assert_eq!(key.public_key().to_string(), PUBLIC);
        assert_eq!(format!("{:?}", key.sign(b"karyon")), SIGNATURE);
        assert!(key.public_key().verify(b"karyon", &key.sign(b"karyon")));
    }

    #[test]
    fn hex_has_one_form() {
        let key = golden().public_key();
        assert_eq!(PublicKey::from_hex(PUBLIC), Some(key));
        for text in
            ["", "03", &PUBLIC.to_uppercase(), &format!("{PUBLIC} "), &format!("{PUBLIC}00")]
        {
            assert_eq!(PublicKey::from_hex(text), None, "{text:?}");
        }
    }

    #[test]
    fn debug_tells_nothing_secret() {
        let shown = format!("{:?}", golden());
        assert_eq!(shown, format!("SecretKey(of {PUBLIC})"));
        assert!(!shown.contains(&golden().seed_hex()));
    }

    #[test]
    fn two_generated_keys_differ() {
        let (one, two) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        assert_ne!(one.public_key(), two.public_key());
        assert!(!two.public_key().verify(b"x", &one.sign(b"x")));
    }

    #[test]
    fn weak_keys_are_none() {
        assert!(SecretKey::from_seed([0; 32]).is_none());
        let mut small_order = [0; 32];
        small_order[0] = 1;
        for key in [PublicKey(small_order), PublicKey([0; 32]), PublicKey([255; 32])] {
            assert!(!key.is_valid());
            // A zero scalar and a point of small order satisfy the bare equation.
            let mut forged = [0; 64];
            forged[0] = 1;
            assert!(!key.verify(b"anything", &Signature(forged)));
        }
        assert!(golden().public_key().is_valid());
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_seen(bytes: Vec<u8>, bit in 0usize..512) {
            let (key, mut signature) = (golden(), golden().sign(&bytes));
            prop_assert!(key.public_key().verify(&bytes, &signature));
            signature.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!key.public_key().verify(&bytes, &signature));
        }
    }
}
