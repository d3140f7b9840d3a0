//! One key for many things: what the agents of a subject hear and remember in a run.
//!
//! A run says the same again when it is repeated, and must come to the same sealed bytes; and a
//! crash may make it say something else at the same place. So the nonce is synthetic, of the thing's
//! name and of what is sealed.

use std::fmt;

use crate::limits::OVERHEAD_BYTES;
use crate::secret::Secret;
use crate::synthetic::Synthetic;

/// Seals many things under one key of a subject, each under its own name.
#[derive(Clone)]
pub struct RunKey {
    /// Whose, and which: stands in front of each name.
    place: Vec<u8>,
    keys: Synthetic,
    name: Secret,
}

impl RunKey {
    /// Bytes that what is sealed is longer than it was: its nonce in front, its tag behind.
    pub const SEAL_BYTES: usize = OVERHEAD_BYTES;

    pub(crate) fn of(leaf: &Secret, place: &[u8]) -> RunKey {
        let derived =
            |use_of: &[u8]| Secret::new(*blake3::keyed_hash(leaf.bytes(), use_of).as_bytes());
        RunKey {
            place: [b"karyon run key v1".as_slice(), place].concat(),
            keys: Synthetic {
                seal: derived(b"karyon run key v1 seal"),
                nonce: derived(b"karyon run key v1 nonce"),
            },
            name: derived(b"karyon run key v1 name"),
        }
    }

    /// A key that is no secret, for what is gone with the process.
    pub fn known_to_all(subject: u64) -> RunKey {
        RunKey::of(&Secret::new([7; 32]), &subject.to_le_bytes())
    }

    /// The key that nobody has who lacks any of these: for what tells of several subjects.
    pub fn of_all<'k>(keys: impl IntoIterator<Item = &'k RunKey>) -> RunKey {
        let mut hasher = blake3::Hasher::new_derive_key("karyon run key of several subjects v1");
        for key in keys {
            hasher.update(&(key.place.len() as u64).to_le_bytes());
            hasher.update(&key.place).update(key.keys.seal.bytes());
        }
        RunKey::of(&Secret::new(*hasher.finalize().as_bytes()), b"all")
    }

    /// The sealed form of what is said under a name: the same for the same.
    pub fn seal(&self, name: &[u8], plain: &[u8]) -> Vec<u8> {
        // Of more than 256 GiB nothing is left; nobody holds so much.
        self.keys.seal(&self.associated(name), plain).unwrap_or_default()
    }

    /// What was sealed under this name; `None`: it was not.
    pub fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.keys.open(&self.associated(name), sealed)
    }

    /// A name for something that only who has the key can tell from others: 32 hexadecimal digits.
    pub fn pseudonym(&self, thing: &[u8]) -> String {
        let digest = blake3::keyed_hash(self.name.bytes(), thing);
        digest.to_hex().as_str().get(..32).unwrap_or_default().to_owned()
    }

    fn associated(&self, name: &[u8]) -> Vec<u8> {
        [self.place.as_slice(), name].concat()
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::NONCE_BYTES;

    fn key(leaf: u8, place: &[u8]) -> RunKey {
        RunKey::of(&Secret::new([leaf; 32]), place)
    }

    #[test]
    fn the_same_is_sealed_to_the_same_and_nothing_else_is() {
        let sealed = key(1, b"here").seal(b"one", b"what it says");
        assert_eq!(sealed.len(), b"what it says".len() + RunKey::SEAL_BYTES);
        assert_eq!(key(1, b"here").seal(b"one", b"what it says"), sealed);
        // Neither the nonce nor the text is that of anything else.
        for other in [
            key(2, b"here").seal(b"one", b"what it says"),
            key(1, b"else").seal(b"one", b"what it says"),
            key(1, b"here").seal(b"two", b"what it says"),
            key(1, b"here").seal(b"one", b"what it said"),
            RunKey::of_all([&key(1, b"here")]).seal(b"one", b"what it says"),
        ] {
            assert_ne!(other[..NONCE_BYTES], sealed[..NONCE_BYTES]);
            assert_ne!(other[NONCE_BYTES..], sealed[NONCE_BYTES..]);
        }
    }

    #[test]
    fn it_is_opened_under_its_name_with_its_key_and_unchanged_alone() {
        let (one, two) = (key(1, b"here"), key(2, b"there"));
        for plain in [b"".as_slice(), b"x", &[7; 5_000]] {
            let sealed = one.seal(b"one", plain);
            assert_eq!(one.open(b"one", &sealed).as_deref(), Some(plain));
            assert_eq!(one.open(b"two", &sealed), None);
            assert_eq!(two.open(b"one", &sealed), None);
            for at in (0..sealed.len()).step_by(1 + sealed.len() / 99) {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(one.open(b"one", &changed), None, "byte {at}");
                assert_eq!(one.open(b"one", &sealed[..at]), None, "cut at {at}");
            }
        }
        let all = RunKey::of_all([&one, &two]).seal(b"one", b"both");
        assert_eq!(RunKey::of_all([&one, &two]).open(b"one", &all).as_deref(), Some(&b"both"[..]));
        assert_eq!(RunKey::of_all([&one]).open(b"one", &all), None);
        assert_eq!(RunKey::of_all([&one, &one]).open(b"one", &all), None);
    }

    #[test]
    fn a_pseudonym_is_the_same_for_the_same_and_says_nothing() {
        let name = key(1, b"here").pseudonym(b"phone");
        assert_eq!((name.len(), &key(1, b"here").pseudonym(b"phone")), (32, &name));
        assert_ne!(key(1, b"here").pseudonym(b"fax"), name);
        assert_ne!(key(2, b"here").pseudonym(b"phone"), name);
    }

    /// `cargo test --release -p karyon-keystore figures -- --ignored --nocapture`
    #[test]
    #[ignore = "takes figures"]
    fn figures() {
        let key =
            key(1, b"a place that is as long as those of a keystore, which have 68 bytes ...");
        for bytes in [16, 64, 256, 4_096] {
            let plain = vec![7; bytes];
            let times = 100_000_u64;
            let begun = std::time::Instant::now();
            for name in 0..times {
                std::hint::black_box(key.seal(&name.to_le_bytes(), &plain));
            }
            let sealing = begun.elapsed() / times as u32;
            let sealed = key.seal(b"one", &plain);
            let begun = std::time::Instant::now();
            for _ in 0..times {
                std::hint::black_box(key.open(b"one", &sealed));
            }
            println!(
                "{bytes} bytes: sealed in {sealing:?}, opened in {:?}",
                begun.elapsed() / times as u32
            );
        }
    }
}
