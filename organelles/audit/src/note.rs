//! The checkpoint that an export or a proof rests on: signed now, or kept beside the log.

use std::borrow::Cow;

use data_encoding::BASE64;
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{SegmentHeader, origin};
use karyon_statements::{Checkpoint, NoteError, key_id};

use crate::merkle::Node;

/// A note without the signatures of others, such as witnesses: C2SP allows them, and whoever reads
/// a note ignores those of unknown keys. What is no signature line stays, and is refused later; so
/// does everything where `key` did not sign.
pub(crate) fn own_signature_only<'a>(text: &'a str, key: &PublicKey) -> Cow<'a, str> {
    let Some((body, lines)) = text.split_once("\n\n") else { return text.into() };
    let name = body.lines().next().unwrap_or_default();
    let id = key_id(name, key);
    // Whose signature a line is: ours or not; `None`: it is none.
    let ours = |line: &str| {
        let (signer, signed) =
            line.strip_prefix("\u{2014} ")?.strip_suffix('\n')?.split_once(' ')?;
        let signed = BASE64.decode(signed.as_bytes()).ok()?;
        let (found, rest) = signed.split_first_chunk::<4>()?;
        (!signer.is_empty() && !rest.is_empty()).then_some(signer == name && *found == id)
    };
    if !lines.split_inclusive('\n').any(|line| ours(line) == Some(true)) {
        return text.into();
    }
    let kept = lines.split_inclusive('\n').filter(|line| ours(line) != Some(false));
    format!("{body}\n\n{}", kept.collect::<String>()).into()
}

/// Where the checkpoint comes from.
#[derive(Debug)]
pub enum Note<'a> {
    /// The node signs one over all that is committed now.
    Sign(&'a SecretKey),
    /// One that was signed before.
    Kept(&'a str),
}

impl Note<'_> {
    /// How many blocks it covers of a log that has `blocks`.
    pub(crate) fn covers(&self, key: &PublicKey, blocks: u64) -> Result<u64, NoteError> {
        match self {
            Note::Sign(_) => Ok(blocks),
            Note::Kept(text) => Ok(Checkpoint::parse_and_verify(text, key)?.size),
        }
    }

    /// The checkpoint's text, over a tree with this root; `None`: it was signed over another one.
    pub(crate) fn text(
        &self,
        log: &SegmentHeader,
        size: u64,
        root: Node,
    ) -> Result<Option<String>, NoteError> {
        let checkpoint = Checkpoint { origin: origin(log.log), size, root };
        match self {
            Note::Sign(key) => checkpoint.to_note(key).map(Some),
            Note::Kept(text) => {
                let kept = Checkpoint::parse_and_verify(text, &log.node_key)?;
                Ok((kept == checkpoint).then(|| (*text).to_owned()))
            }
        }
    }
}
