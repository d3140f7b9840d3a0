//! The checkpoint that an export or a proof rests on: signed now, or kept beside the log.

use karyon_identity::{Checkpoint, NoteError, PublicKey, SecretKey};
use karyon_log::{SegmentHeader, origin};

use crate::merkle::Node;

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
