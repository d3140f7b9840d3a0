//! A walk through a log that also hands out the exact bytes of commits and of blocks' headers.
//!
//! The log's own reader checks the log; the bytes are read beside it and must be the ones that it
//! checked: each block must match its hash in the commit, and the commit its signature.

use std::fs::File;
use std::path::{Path, PathBuf};

use karyon_identity::PublicKey;
use karyon_log::{
    LogError, ReadStorage as _, Record, Records, Walk, WalkedBlock, open_regular, segment_file,
};
use karyon_types::{Hasher, Position};

use crate::layout::{Commit, HEADER_BYTES, commit_len};

/// Why a log cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log is damaged or cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log's bytes changed between two reads.
    #[error("the log was changed while it was read, at record {position}; run it again")]
    Changed {
        /// The first record of the commit concerned.
        position: Position,
    },
    /// A committed record is not of this version's format.
    #[error("record {position} cannot be read by this version of Karyon; a newer one wrote it")]
    Unreadable {
        /// Which record.
        position: Position,
    },
}

/// A commit with its blocks.
pub(crate) struct Group {
    /// Its exact bytes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) commit: Commit,
    pub(crate) blocks: Vec<RawBlock>,
}

/// A block with its header's exact bytes.
pub(crate) struct RawBlock {
    pub(crate) header: [u8; HEADER_BYTES],
    pub(crate) block: WalkedBlock,
}

/// The commits of a log, in order.
pub(crate) struct Groups {
    folder: PathBuf,
    pub(crate) walk: Walk,
    key: PublicKey,
    /// The file that is read, and its number.
    file: Option<(u32, File)>,
}

impl Groups {
    pub(crate) fn open(folder: &Path) -> Result<Groups, ReadError> {
        let walk = Walk::open(folder)?;
        let key = walk.header().node_key;
        Ok(Groups { folder: folder.into(), walk, key, file: None })
    }

    pub(crate) fn next(&mut self) -> Result<Option<Group>, ReadError> {
        let position = Position(self.walk.end().records);
        let Some(blocks) = self.walk.next_group()? else { return Ok(None) };
        let changed = ReadError::Changed { position };
        let Some(first) = blocks.first() else { return Err(changed) };
        let file = match &mut self.file {
            Some((segment, file)) if *segment == first.segment => file,
            other => {
                let path = segment_file(&self.folder, first.segment);
                let file = open_regular(&path).map_err(LogError::from)?;
                &mut other.insert((first.segment, file)).1
            }
        };
        let len = commit_len(blocks.len());
        let Some(at) = first.offset.checked_sub(len as u64) else { return Err(changed) };
        let mut bytes = vec![0; len];
        file.read_at(at, &mut bytes).map_err(LogError::from)?;
        let Some(commit) = Commit::read(&bytes, &self.key) else { return Err(changed) };
        let mut raw = Vec::with_capacity(blocks.len());
        for (block, entry) in blocks.into_iter().zip(&commit.entries) {
            let mut header = [0; HEADER_BYTES];
            file.read_at(block.offset, &mut header).map_err(LogError::from)?;
            if Hasher::default().update(&header).update(&block.body).finish() != entry.hash {
                return Err(changed);
            }
            raw.push(RawBlock { header, block });
        }
        Ok(Some(Group { bytes, commit, blocks: raw }))
    }
}

/// Shows each record of a block with its position and its exact bytes, framing included.
pub(crate) fn each_record<E: From<ReadError>>(
    block: &WalkedBlock,
    mut look: impl FnMut(Position, &[u8], Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut records = Records::new(&block.body);
    let mut position = block.first_record;
    loop {
        let before = records.rest();
        let Some(record) = records.next() else { return Ok(()) };
        let record = record.ok_or(ReadError::Unreadable { position })?;
        let len = before.len() - records.rest().len();
        look(position, before.get(..len).unwrap_or_default(), record)?;
        position.0 += 1;
    }
}
