//! Making an engram, and opening one.

use std::collections::{BTreeMap, BTreeSet};

use karyon_identity::{PublicKey, SecretKey};
use karyon_memory_ops::Memory;
use karyon_types::AgentId;

use crate::car::{Reader, put_block, put_header};
use crate::cid::{Cid, Codec};
use crate::envelope;
use crate::error::EngramError;
use crate::limits::{BLOCK_BYTES_MAX, ENVELOPE_BYTES_MAX, FILE_BYTES_MAX};
use crate::manifest::Manifest;
use crate::memory::{self, Unwritable};

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
        let mut blocks = BTreeMap::new();
        for memory in memories {
            let block = block_of(memory)?;
            check_position(manifest, memory)?;
            blocks.insert(Cid::of(Codec::DagCbor, &block), block);
        }
        manifest.check(blocks.len())?;
        manifest.check_names(&Engram::mentioned(memories))?;
        let payload = manifest.encode(&blocks.keys().copied().collect::<Vec<_>>())?;
        let envelope = envelope::seal(&payload, key)?;
        if envelope.len() > ENVELOPE_BYTES_MAX {
            return Err(EngramError::Envelope { what: "is too long; export less at once" });
        }
        let root = Cid::of(Codec::Raw, &envelope);
        let mut file = Vec::new();
        put_header(&mut file, &root)?;
        put_block(&mut file, &root, &envelope);
        blocks.iter().for_each(|(cid, block)| put_block(&mut file, cid, block));
        if file.len() > FILE_BYTES_MAX {
            return Err(EngramError::FileTooLong { bytes: file.len() });
        }
        Ok(file)
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
        let (mut reader, root) = Reader::open(bytes)?;
        if root.codec() != Codec::Raw {
            return Err(EngramError::Header { what: "names a root that is no envelope" });
        }
        let envelope = reader.block(&root, ENVELOPE_BYTES_MAX)?;
        let (payload, signer) = envelope::open(envelope)?;
        let (manifest, cids) = Manifest::decode(&payload)?;
        let mut memories = Vec::with_capacity(cids.len());
        for cid in &cids {
            let block = reader.block(cid, BLOCK_BYTES_MAX)?;
            let memory =
                memory::decode(block).map_err(|what| EngramError::Memory { cid: *cid, what })?;
            check_position(&manifest, &memory)?;
            memories.push((*cid, memory));
        }
        reader.finish()?;
        manifest.check_names(&Engram::mentioned(memories.iter().map(|(_, memory)| memory)))?;
        Ok(Opened { engram: Engram { manifest, memories }, signer, root })
    }

    /// The agents that the memories mention, their writers included: those whose names the
    /// manifest holds.
    pub fn mentioned<'a>(memories: impl IntoIterator<Item = &'a Memory>) -> BTreeSet<AgentId> {
        let mut mentioned = BTreeSet::new();
        memories.into_iter().for_each(|memory| memory::mentions(memory, &mut mentioned));
        mentioned
    }
}

fn block_of(memory: &Memory) -> Result<Vec<u8>, EngramError> {
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
fn check_position(manifest: &Manifest, memory: &Memory) -> Result<(), EngramError> {
    let (position, records) = (memory.recorded.position.0, manifest.origin.records);
    if position >= records {
        return Err(EngramError::Position { position, records });
    }
    Ok(())
}
