//! Making an engram, and opening one.

use std::collections::BTreeSet;
use std::io::Cursor;

use karyon_identity::{PublicKey, SecretKey};
use karyon_memory_ops::Memory;
use karyon_types::AgentId;

use crate::car;
use crate::cid::Cid;
use crate::error::EngramError;
use crate::limits::{BLOCK_BYTES_MAX, FILE_BYTES_MAX};
use crate::manifest::Manifest;
use crate::memory::{self, Unwritable};
use crate::sealer::Sealer;
use crate::stream::Stream;

/// A piece of memory that travels.
#[derive(Clone, Debug, PartialEq)]
pub struct Engram {
    /// Where it comes from, and who answers for that.
    pub manifest: Manifest,
    /// The memories, in the order of their CIDs.
    pub memories: Vec<(Cid, Memory)>,
}

/// An engram that was checked, and the key that signed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// What it holds.
    pub engram: Engram,
    /// The key that signed it. That the signature is right proves nothing about whose key it is:
    /// compare it with a key that is trusted already.
    pub signer: PublicKey,
    /// The CID of the root, which pins every byte.
    pub root: Cid,
}

impl Engram {
    /// Makes the file. The same manifest, memories (in any order, each counted once) and key give
    /// the same bytes.
    ///
    /// # Errors
    /// See [`EngramError`]: what [`open`](Engram::open) would refuse is not made.
    pub fn seal(
        manifest: &Manifest,
        memories: &[Memory],
        key: &SecretKey,
    ) -> Result<Vec<u8>, EngramError> {
        let mut sealer = Sealer::new(Cursor::new(Vec::new()));
        for memory in memories {
            sealer.add(memory)?;
        }
        let mut file = Vec::new();
        sealer.seal(manifest, key, &mut file)?;
        Ok(file)
    }

    /// Whether a file that begins with these bytes may be one: nothing of it is checked. For whoever
    /// was given another file and says which.
    pub fn may_begin(bytes: &[u8]) -> bool {
        car::begins(bytes)
    }

    /// Checks a whole file and hands out what it holds. In this order: the file's length; its
    /// header; the envelope against the root, its form, its signature; the manifest; each memory's
    /// block, in the manifest's order; that nothing follows; the names of the agents.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn open(bytes: &[u8]) -> Result<Opened, EngramError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(EngramError::FileTooLong { bytes: bytes.len() });
        }
        let mut stream = Stream::open(bytes)?;
        let mut memories = Vec::new();
        while let Some(told) = stream.next_memory()? {
            memories.push(told);
        }
        let (signer, root) = (stream.signer(), stream.root());
        Ok(Opened { engram: Engram { manifest: stream.into_manifest(), memories }, signer, root })
    }

    /// The agents that the memories mention, their writers included: those whose names the
    /// manifest holds.
    pub fn mentioned<'a>(memories: impl IntoIterator<Item = &'a Memory>) -> BTreeSet<AgentId> {
        let mut mentioned = BTreeSet::new();
        memories.into_iter().for_each(|memory| memory::mentions(memory, &mut mentioned));
        mentioned
    }
}

pub(crate) fn block_of(memory: &Memory) -> Result<Vec<u8>, EngramError> {
    let position = memory.recorded.position.0;
    let block = memory::encode(memory).map_err(|error| match error {
        Unwritable::Bounds(source) => EngramError::Write { position, source },
        Unwritable::Encoder => {
            EngramError::Manifest { what: "has a memory that cannot be written" }
        }
    })?;
    if block.len() > BLOCK_BYTES_MAX {
        let (offset, bytes, most) = (0, block.len(), BLOCK_BYTES_MAX);
        return Err(EngramError::BlockTooLong { offset, bytes, most });
    }
    Ok(block)
}

/// What was recorded lies in the part of the log that the manifest pins.
pub(crate) fn check_position(manifest: &Manifest, position: u64) -> Result<(), EngramError> {
    let records = manifest.origin.records;
    if position >= records {
        return Err(EngramError::Position { position, records });
    }
    Ok(())
}
