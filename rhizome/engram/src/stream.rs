//! Reading an engram block by block, whatever its size.

use std::collections::BTreeSet;
use std::io::Read;

use karyon_identity::PublicKey;
use karyon_memory_ops::Memory;
use karyon_types::AgentId;

use crate::car::Reader;
use crate::cid::{Cid, Codec};
use crate::engram::check_position;
use crate::envelope;
use crate::error::EngramError;
use crate::limits::{BLOCK_BYTES_MAX, ENVELOPE_BYTES_MAX};
use crate::manifest::Manifest;
use crate::memory;

/// An engram that is read block by block. Envelope, signature and manifest are checked when it is
/// opened, each block when it is read, what follows and the names of the agents behind the last.
///
/// Whoever uses a memory before `next` said that there is none left uses what may turn out to be a
/// part of something broken: read it to its end once, keeping nothing, and then again.
///
/// The source is read in small pieces: give it one with a buffer.
pub struct Stream<R> {
    reader: Reader<R>,
    manifest: Manifest,
    signer: PublicKey,
    root: Cid,
    /// The memories that the manifest names.
    cids: Vec<Cid>,
    /// How many of them were read.
    read: usize,
    mentioned: BTreeSet<AgentId>,
    /// Whether each memory is encoded again, to see that its block is in its one form.
    checks_form: bool,
}

impl<R: Read> Stream<R> {
    /// Reads header, envelope and manifest.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn open(source: R) -> Result<Stream<R>, EngramError> {
        let (mut reader, root) = Reader::open(source)?;
        if root.codec() != Codec::Raw {
            return Err(EngramError::Header { what: "names a root that is no envelope" });
        }
        let sealed = reader.block(&root, ENVELOPE_BYTES_MAX)?;
        let (payload, signer) = envelope::open(envelope::PAYLOAD_TYPE, sealed)?;
        reader.shrink();
        let (manifest, cids) = Manifest::decode(&payload)?;
        let mentioned = BTreeSet::new();
        Ok(Stream { reader, manifest, signer, root, cids, read: 0, mentioned, checks_form: true })
    }

    /// Takes it that each block is in its one form, which is a third of what reading takes: for a
    /// file that was read to its end before, and is known to be the same by its hash. All else is
    /// checked.
    #[must_use]
    pub fn known(self) -> Stream<R> {
        Stream { checks_form: false, ..self }
    }

    /// What is signed, beside the list of the memories.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The key that signed it; see [`Opened::signer`](crate::Opened::signer).
    pub fn signer(&self) -> PublicKey {
        self.signer
    }

    /// The CID of the root, which pins every byte.
    pub fn root(&self) -> Cid {
        self.root
    }

    /// How many memories the manifest names.
    pub fn memories(&self) -> usize {
        self.cids.len()
    }

    /// The next memory, in the order of the CIDs; `None`: that was all, and all of it is right.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn next_memory(&mut self) -> Result<Option<(Cid, Memory)>, EngramError> {
        let Some(cid) = self.cids.get(self.read).copied() else {
            self.reader.finish()?;
            self.manifest.check_names(&self.mentioned)?;
            return Ok(None);
        };
        let block = self.reader.block(&cid, BLOCK_BYTES_MAX)?;
        let memory = match self.checks_form {
            true => memory::decode(block),
            false => memory::decode_known(block),
        };
        let memory = memory.map_err(|what| EngramError::Memory { cid, what })?;
        check_position(&self.manifest, memory.recorded.position.0)?;
        memory::mentions(&memory, &mut self.mentioned);
        self.read += 1;
        Ok(Some((cid, memory)))
    }

    /// Reads what is left, and keeps nothing of it: whether all of it is right.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn check(&mut self) -> Result<(), EngramError> {
        while self.next_memory()?.is_some() {}
        Ok(())
    }

    /// The manifest alone.
    pub fn into_manifest(self) -> Manifest {
        self.manifest
    }
}
