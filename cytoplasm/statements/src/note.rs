//! A checkpoint of a log as a signed note, readable by existing transparency tools.
//!
//! Source: <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>. The key's name is
//! the log's origin. One form only: three lines, an empty line, one signature line. Extension
//! lines and further signatures, which the specifications allow, are refused.

use data_encoding::BASE64;
use karyon_identity::{PublicKey, SecretKey, Signature};
use sha2::{Digest, Sha256};

/// The longest origin, in bytes.
const MAX_ORIGIN_BYTES: usize = 255;
/// The signature type of Ed25519 in a key id.
const ED25519: u8 = 1;
/// What a signature line starts with: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// What a note gets wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The origin cannot be a key's name.
    #[error(
        "log origin {origin:?} cannot name a key: expected 1 to 255 bytes without spaces, \
         control characters and '+'"
    )]
    Origin {
        /// What was found.
        origin: String,
    },
    /// The text is not a checkpoint in the one form that is accepted.
    #[error("line {line} of the checkpoint: expected {expected}")]
    Form {
        /// Counted from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The note is signed with another key than the one it was checked against.
    #[error("the checkpoint of {origin} carries another key's id than that of {key}")]
    OtherKey {
        /// The log that the note speaks of.
        origin: String,
        /// The key it was checked against.
        key: PublicKey,
    },
    /// The text was changed after it was signed, or the signature is forged.
    #[error("the signature on the checkpoint of {origin} does not belong to its text")]
    Signature {
        /// The log that the note speaks of.
        origin: String,
    },
}

/// How large a log was, and the root of its tree: what a signature over it binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, also the name of the key that signs.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root hash over these entries.
    pub root: [u8; 32],
}

impl Checkpoint {
    /// The signed note. The same checkpoint and key give the same text.
    ///
    /// # Errors
    /// [`NoteError::Origin`] when the origin cannot name a key.
    pub fn to_note(&self, key: &SecretKey) -> Result<String, NoteError> {
        if !is_origin(&self.origin) {
            return Err(NoteError::Origin { origin: self.origin.clone() });
        }
        let body = self.body();
        let mut signed = key_id(&self.origin, &key.public_key()).to_vec();
        signed.extend(key.sign(body.as_bytes()).0);
        Ok(format!("{body}\n{SIGNATURE_MARK}{} {}\n", self.origin, BASE64.encode(&signed)))
    }

    /// Reads a note and checks its signature against `key`.
    ///
    /// # Errors
    /// [`NoteError::Form`] or [`NoteError::Origin`] for any other text than `to_note` writes,
    /// [`NoteError::OtherKey`], [`NoteError::Signature`].
    pub fn parse_and_verify(text: &str, key: &PublicKey) -> Result<Checkpoint, NoteError> {
        let (checkpoint, id, signature) = parse(text)?;
        let origin = checkpoint.origin.clone();
        if id != key_id(&origin, key) {
            return Err(NoteError::OtherKey { origin, key: *key });
        }
        if !key.verify(checkpoint.body().as_bytes(), &signature) {
            return Err(NoteError::Signature { origin });
        }
        Ok(checkpoint)
    }

    /// Reads a note without checking who signed it: the form only, proof of nothing.
    ///
    /// # Errors
    /// [`NoteError::Form`] or [`NoteError::Origin`] for any other text than `to_note` writes.
    pub fn parse_unverified(text: &str) -> Result<Checkpoint, NoteError> {
        parse(text).map(|(checkpoint, _, _)| checkpoint)
    }

    /// The text that is signed.
    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }
}

/// The id of a key under a name: the first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
pub fn key_id(name: &str, key: &PublicKey) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.0)
        .finalize()
        .into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

fn is_origin(text: &str) -> bool {
    (1..=MAX_ORIGIN_BYTES).contains(&text.len())
        && !text.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control())
}

fn parse(text: &str) -> Result<(Checkpoint, [u8; 4], Signature), NoteError> {
    let form = |line, expected| NoteError::Form { line, expected };
    let mut lines = text.split('\n');
    let mut next = |line, expected| lines.next().ok_or(form(line, expected));

    let origin = next(1, "the log's origin")?.to_owned();
    if !is_origin(&origin) {
        return Err(NoteError::Origin { origin });
    }
    let wanted = "the log's size in decimal, without sign or leading zeros";
    let size_text = next(2, wanted)?;
    let size: u64 = size_text.parse().map_err(|_| form(2, wanted))?;
    if size.to_string() != size_text {
        return Err(form(2, wanted));
    }
    let wanted = "the root hash, 32 bytes in base64";
    let root = decode(next(3, wanted)?).ok_or(form(3, wanted))?;
    let wanted = "an empty line before the signature";
    if !next(4, wanted)?.is_empty() {
        return Err(form(4, wanted));
    }
    let wanted = "one signature line: an em dash, the log's origin, 68 bytes in base64";
    let signed: [u8; 68] = next(5, wanted)?
        .strip_prefix(SIGNATURE_MARK)
        .and_then(|rest| rest.strip_prefix(origin.as_str()))
        .and_then(|rest| rest.strip_prefix(' '))
        .and_then(decode)
        .ok_or(form(5, wanted))?;
    let wanted = "the end of the text after one line break";
    if !next(6, wanted)?.is_empty() || lines.next().is_some() {
        return Err(form(6, wanted));
    }
    let (Some((id, _)), Some((_, signature))) =
        (signed.split_first_chunk::<4>(), signed.split_last_chunk::<64>())
    else {
        return Err(form(5, wanted));
    };
    Ok((Checkpoint { origin, size, root }, *id, Signature(*signature)))
}

/// Strict base64 with padding, of exactly `N` bytes.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Computed with another implementation (Python's hashlib, pyca/cryptography).
    const GOLDEN: &str = "karyon.example/log/0123\n20852163\n\
        SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n\
        \u{2014} karyon.example/log/0123 llC/UIfB+Q498khKaM+kWrW6GAgt26IM3NYnu0A0tiK0lROJ+4PF00\
        JPDKd3DKEXGhdSDZS827VtOjKzRcLbwT6ceAg=\n";

    fn key() -> SecretKey {
        SecretKey::from_seed(std::array::from_fn(|i| i as u8)).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        let root = Sha256::digest(b"root").into();
        Checkpoint { origin: "karyon.example/log/0123".into(), size: 20_852_163, root }
    }

    #[test]
    fn agrees_with_another_implementation() {
        assert_eq!(checkpoint().to_note(&key()).unwrap(), GOLDEN);
        let read = Checkpoint::parse_and_verify(GOLDEN, &key().public_key());
        assert_eq!(read.unwrap(), checkpoint());
    }

    #[test]
    fn agrees_with_the_note_of_the_go_project() {
        // Source: golang.org/x/mod/sumdb/note, the key and signature of its example.
        let name = "PeterNeumann";
        let encoded = BASE64.decode(b"ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        assert_eq!(encoded[0], ED25519);
        let key = PublicKey(encoded[1..].try_into().unwrap());
        assert_eq!(key_id(name, &key), [0xc7, 0x4f, 0x20, 0xa3]);

        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = b"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp\
                     RZb6KE6RyyBwJnAM=";
        let signed = BASE64.decode(line).unwrap();
        let signature = Signature(signed[4..].try_into().unwrap());
        assert!(key.verify(text.as_bytes(), &signature));
    }

    #[test]
    fn one_form_only() {
        let form = |line| move |error: &NoteError| matches!(error, NoteError::Form { line: l, .. } if *l == line);
        let origin = |error: &NoteError| matches!(error, NoteError::Origin { .. });
        let lines: Vec<&str> = GOLDEN.split('\n').collect();
        let with = |line: usize, text: &str| {
            let mut lines = lines.clone();
            lines[line - 1] = text;
            lines.join("\n")
        };
        type Check<'a> = &'a dyn Fn(&NoteError) -> bool;
        let cases: &[(String, Check<'_>)] = &[
            (String::new(), &origin),
            (with(1, "a+b"), &origin),
            (with(1, "a b"), &origin),
            (with(1, "a\r"), &origin),
            (with(2, "+1"), &form(2)),
            (with(2, "01"), &form(2)),
            (with(2, ""), &form(2)),
            (with(2, "18446744073709551616"), &form(2)),
            (with(3, "AAAA"), &form(3)),
            (with(3, lines[2].trim_end_matches('=')), &form(3)),
            (with(3, &lines[2].replace("7I=", "7J=")), &form(3)),
            (with(4, "an extension line"), &form(4)),
            (with(5, &lines[4].replace("0123", "0124")), &form(5)),
            (with(5, &lines[4].replace('\u{2014}', "-")), &form(5)),
            (with(5, &format!("{} ", lines[4])), &form(5)),
            (GOLDEN.trim_end().to_owned(), &form(6)),
            (format!("{GOLDEN}\n"), &form(6)),
            (format!("{GOLDEN}x"), &form(6)),
            (GOLDEN.replace('\n', "\r\n"), &origin),
        ];
        for (text, expected) in cases {
            let error = Checkpoint::parse_unverified(text).unwrap_err();
            assert!(expected(&error), "{text:?}: {error:?}");
        }
        let bad = Checkpoint { origin: "a\nb".into(), ..checkpoint() };
        assert!(matches!(bad.to_note(&key()), Err(NoteError::Origin { .. })));
    }

    #[test]
    fn another_key_and_changed_text_are_told_apart() {
        let other = SecretKey::from_seed([7; 32]).unwrap().public_key();
        let error = Checkpoint::parse_and_verify(GOLDEN, &other).unwrap_err();
        assert!(matches!(error, NoteError::OtherKey { .. }));
        let changed = GOLDEN.replace("20852163", "20852164");
        assert_eq!(Checkpoint::parse_unverified(&changed).unwrap().size, 20_852_164);
        let error = Checkpoint::parse_and_verify(&changed, &key().public_key()).unwrap_err();
        assert!(matches!(error, NoteError::Signature { .. }));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        for bit in 0..GOLDEN.len() * 8 {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert!(Checkpoint::parse_and_verify(text, &key().public_key()).is_err(), "{bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn comes_back(origin in "[a-z/.é-]{1,40}", size: u64, root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root };
            let note = checkpoint.to_note(&key()).unwrap();
            prop_assert_eq!(Checkpoint::parse_and_verify(&note, &key().public_key()), Ok(checkpoint));
        }
    }
}
