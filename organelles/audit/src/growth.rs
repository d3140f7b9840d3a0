//! Whether a log is what a checkpoint said, and more: it only grew.

use std::path::Path;

use data_encoding::BASE64;
use karyon_identity::PublicKey;
use karyon_log::{SegmentHeader, origin};
use karyon_statements::{Checkpoint, NoteError};
use karyon_types::LogId;

use crate::groups::{Groups, ReadError};
use crate::merkle::{self, Node, leaf};
use crate::note::{Note, own_signature_only};

/// Why a log does not extend a checkpoint, or why that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum GrewError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint is not signed by the key that is trusted.
    #[error("the checkpoint is not valid")]
    Note(#[from] NoteError),
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another log, {origin}; this one is {}", self::origin(*log))]
    OtherLog {
        /// What the checkpoint names.
        origin: String,
        /// The log that was looked at.
        log: LogId,
    },
    /// The log has fewer blocks than the checkpoint covers.
    #[error(
        "the log is shorter than its checkpoint: {blocks} blocks with {records} records are left \
         of {size} blocks; record #{records} and all behind it are gone"
    )]
    Shorter {
        /// The checkpoint's size.
        size: u64,
        /// What the log has.
        blocks: u64,
        /// Its records.
        records: u64,
    },
    /// The log has another past than the checkpoint.
    #[error(
        "the log was rewritten: its first {size} blocks, records #0 to #{last}, are not those \
         that the checkpoint covers"
    )]
    Forked {
        /// The checkpoint's size.
        size: u64,
        /// The last record that it covers.
        last: u64,
    },
    /// There is nothing to write a proof to.
    #[error(
        "the log's own checkpoint covers {size} blocks, less than the {since} of the given one"
    )]
    NoNote {
        /// What the log's own covers.
        size: u64,
        /// What the given one covers.
        since: u64,
    },
}

impl GrewError {
    /// Whether the answer is "this is not so", rather than "I could not look".
    pub fn is_refutation(&self) -> bool {
        match self {
            GrewError::Read(_) | GrewError::NoNote { .. } => false,
            GrewError::Note(_)
            | GrewError::OtherLog { .. }
            | GrewError::Shorter { .. }
            | GrewError::Forked { .. } => true,
        }
    }
}

/// How a log grew.
#[derive(Clone, Debug)]
pub struct Growth {
    /// Which log, and whose.
    pub header: SegmentHeader,
    /// What the checkpoint covers, and what the log has now, in blocks.
    pub blocks: (u64, u64),
    /// The same in records.
    pub records: (u64, u64),
    /// The root of the tree now.
    pub root: Node,
    leaves: Vec<Node>,
}

/// Checks that the log in `folder` begins with what a checkpoint covers. Signatures of others on
/// the checkpoint, such as witnesses, are not looked at.
///
/// # Errors
/// See [`GrewError`].
pub fn grew(folder: &Path, since: &str, key: &PublicKey) -> Result<Growth, GrewError> {
    let since = Checkpoint::parse_and_verify(&own_signature_only(since, key), key)?;
    let mut groups = Groups::open(folder)?;
    let header = groups.walk.header().clone();
    if since.origin != origin(header.log) {
        return Err(GrewError::OtherLog { origin: since.origin, log: header.log });
    }
    let (mut leaves, mut before) = (Vec::new(), 0);
    while let Some(group) = groups.next()? {
        for entry in &group.commit.entries {
            if (leaves.len() as u64) < since.size {
                before += u64::from(entry.count);
            }
            leaves.push(leaf(&entry.hash));
        }
    }
    let end = groups.walk.end();
    let (size, records) = (since.size, end.records);
    let first = usize::try_from(size).ok().and_then(|size| leaves.get(..size));
    match first.map(merkle::root) {
        Some(root) if root == since.root => {}
        Some(_) => return Err(GrewError::Forked { size, last: before.saturating_sub(1) }),
        None => return Err(GrewError::Shorter { size, blocks: end.tree.size(), records }),
    }
    Ok(Growth {
        header,
        blocks: (size, end.tree.size()),
        records: (before, records),
        root: end.tree.root(),
        leaves,
    })
}

impl Growth {
    /// The proof, in the form in which witnesses take it
    /// (<https://c2sp.org/tlog-witness>): `old SIZE`, the RFC 6962 consistency proof, an empty
    /// line, the checkpoint.
    ///
    /// # Errors
    /// [`GrewError::Note`], [`GrewError::NoNote`].
    pub fn proof(&self, note: &Note<'_>) -> Result<String, GrewError> {
        let (since, blocks) = self.blocks;
        let size = note.covers(&self.header.node_key, blocks)?;
        let covered = usize::try_from(size).ok().and_then(|size| self.leaves.get(..size));
        let path = covered.and_then(|covered| merkle::consistency(covered, since as usize));
        let (Some(covered), Some(path)) = (covered, path) else {
            return Err(GrewError::NoNote { size, since });
        };
        let checkpoint = note.text(&self.header, size, merkle::root(covered))?;
        let last = self.records.1.saturating_sub(1);
        let checkpoint = checkpoint.ok_or(GrewError::Forked { size, last })?;
        let mut text = format!("old {since}\n");
        path.iter().for_each(|node| text.push_str(&format!("{}\n", BASE64.encode(node))));
        Ok(format!("{text}\n{}", checkpoint))
    }
}
