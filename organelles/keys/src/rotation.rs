//! What a key says when another takes its place: signed, so that who trusted it can follow.

use karyon_identity::{PublicKey, SecretKey, Signature, is_principal_name};

use crate::error::KeyKind;

const FIRST_LINE: &str = "karyon-key-rotation-v1";

/// Why a statement says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// The text is not in the one form.
    #[error("line {line} of the rotation: expected {expected}")]
    Form {
        /// Counted from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The text was changed after it was signed, or the signature is forged.
    #[error("the rotation of {old} is not signed by that key")]
    Signature {
        /// The key that was to sign.
        old: PublicKey,
    },
    /// One key has named two successors: somebody else has it as well.
    #[error(
        "the key {old} has named two successors, {one} and {other}: believe neither, and ask the person"
    )]
    Fork {
        /// The key.
        old: PublicKey,
        /// One successor.
        one: PublicKey,
        /// The other.
        other: PublicKey,
    },
}

/// That a key is followed by another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Whose key.
    pub kind: KeyKind,
    /// The key that was, and that signs.
    pub old: PublicKey,
    /// The key that is.
    pub new: PublicKey,
    /// When, milliseconds since 1970, by the clock of the machine.
    pub at_unix_ms: u64,
    signature: Signature,
}

impl Rotation {
    pub(crate) fn sign(
        kind: KeyKind,
        old: &SecretKey,
        new: PublicKey,
        at_unix_ms: u64,
    ) -> Rotation {
        let body = body(&kind, &old.public_key(), &new, at_unix_ms);
        let signature = old.sign(body.as_bytes());
        Rotation { kind, old: old.public_key(), new, at_unix_ms, signature }
    }

    /// The statement as text: the same rotation gives the same text.
    pub fn to_text(&self) -> String {
        let body = body(&self.kind, &self.old, &self.new, self.at_unix_ms);
        format!("{body}signature {:?}\n", self.signature)
    }

    /// Reads a statement and checks that its old key signed it. Whether that key is to be trusted
    /// is for the caller to know.
    ///
    /// # Errors
    /// [`RotationError::Form`] for any other text than [`Rotation::to_text`] writes,
    /// [`RotationError::Signature`].
    pub fn parse_and_verify(text: &str) -> Result<Rotation, RotationError> {
        let rotation = parse(text)?;
        let Rotation { kind, old, new, at_unix_ms, signature } = &rotation;
        if !old.verify(body(kind, old, new, *at_unix_ms).as_bytes(), signature) {
            return Err(RotationError::Signature { old: *old });
        }
        Ok(rotation)
    }
}

/// The key that is trusted now by who trusted `from`, and the number of steps to it.
///
/// # Errors
/// [`RotationError::Fork`].
pub fn follow(
    from: PublicKey,
    rotations: &[Rotation],
) -> Result<(PublicKey, usize), RotationError> {
    let (mut key, mut steps) = (from, 0);
    // Each step uses a statement up, so a circle ends as well.
    while steps < rotations.len() {
        let mut successors = rotations.iter().filter(|r| r.old == key).map(|r| r.new);
        let Some(next) = successors.next() else { break };
        if let Some(other) = successors.find(|other| *other != next) {
            return Err(RotationError::Fork { old: key, one: next, other });
        }
        (key, steps) = (next, steps + 1);
    }
    Ok((key, steps))
}

fn body(kind: &KeyKind, old: &PublicKey, new: &PublicKey, at_unix_ms: u64) -> String {
    let whose = match kind {
        KeyKind::Node => "node".to_owned(),
        KeyKind::Principal(name) => format!("principal {name}"),
    };
    format!("{FIRST_LINE}\n{whose}\nold {old}\nnew {new}\nat {at_unix_ms}\n")
}

fn parse(text: &str) -> Result<Rotation, RotationError> {
    let mut lines = text.split('\n');
    let mut number = 0;
    let mut next = |word: &str, expected| {
        number += 1;
        let form = RotationError::Form { line: number, expected };
        lines.next().and_then(|line| line.strip_prefix(word)).ok_or(form)
    };
    let form = |line, expected| RotationError::Form { line, expected };
    let wanted = "karyon-key-rotation-v1";
    if !next(FIRST_LINE, wanted)?.is_empty() {
        return Err(form(1, wanted));
    }
    let wanted = "node, or principal and a name";
    let kind = match next("", wanted)? {
        "node" => Some(KeyKind::Node),
        whose => whose
            .strip_prefix("principal ")
            .filter(|name| is_principal_name(name))
            .map(|name| KeyKind::Principal(name.to_owned())),
    };
    let kind = kind.ok_or(form(2, wanted))?;
    let wanted = "old and 64 hexadecimal digits of a key";
    let old = key(next("old ", wanted)?).ok_or(form(3, wanted))?;
    let wanted = "new and 64 hexadecimal digits of a key";
    let new = key(next("new ", wanted)?).ok_or(form(4, wanted))?;
    let wanted = "at and milliseconds since 1970, without sign or leading zeros";
    let at = next("at ", wanted)?;
    let at_unix_ms: u64 = at.parse().map_err(|_| form(5, wanted))?;
    if at_unix_ms.to_string() != at {
        return Err(form(5, wanted));
    }
    let wanted = "signature and 128 hexadecimal digits";
    let signature = signature(next("signature ", wanted)?).ok_or(form(6, wanted))?;
    let wanted = "the end of the text after one line break";
    if !next("", wanted)?.is_empty() || lines.next().is_some() {
        return Err(form(7, wanted));
    }
    Ok(Rotation { kind, old, new, at_unix_ms, signature })
}

fn key(hex: &str) -> Option<PublicKey> {
    PublicKey::from_hex(hex).filter(PublicKey::is_valid)
}

/// 128 lowercase hexadecimal digits.
fn signature(hex: &str) -> Option<Signature> {
    let (first, second) = hex.split_at_checked(64)?;
    // Both halves are 32 bytes of the one hexadecimal form that keys have.
    let halves = [PublicKey::from_hex(first)?.0, PublicKey::from_hex(second)?.0];
    halves.concat().try_into().ok().map(Signature)
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
