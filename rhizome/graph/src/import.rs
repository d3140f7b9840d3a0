//! Memories from elsewhere: they come under vertices of their own, whoever else has their names.
//!
//! Inside its own namespace an imported memory is read as any other: of those that begin alike the
//! one that its own log recorded last holds, whichever came first. Its transaction time here is the
//! import's, and decides from which record on it counts.

use std::ffi::OsStr;
use std::path::Path;

use karyon_engram::{Cid, Engram, Opened};
use karyon_log::{ImportRecord, read_regular};
use karyon_memory_ops::{Content, Memory, Vertex};
use karyon_types::{LogId, Position, hash};

use crate::error::{GraphError, ImportError};
use crate::keys::{identity, imported_memory};
use crate::project::Batch;
use crate::reader::Reader;
use crate::rows::{Row, seq};

impl Batch<'_, '_> {
    /// Adds the memories of an engram that are not here yet.
    pub(crate) fn import(
        &mut self,
        position: Position,
        record: &ImportRecord,
    ) -> Result<(), GraphError> {
        let path = self.inputs.join(&record.file.name);
        let opened = open_copy(&path, record).map_err(|source| GraphError::Import {
            position,
            path: path.clone(),
            source,
        })?;
        let Engram { manifest, memories } = opened.engram;
        let log = manifest.origin.log;
        let origin = [log.0.as_slice(), &record.root].concat();
        self.tables.imports.insert(position.0, &*origin)?;
        for (agent, name) in &manifest.names {
            let vertex = Vertex::Agent(*agent);
            let id = self.vertex(Some(log), &vertex)?;
            self.set_name(id, &identity(Some(log), &vertex), name)?;
            self.make_room()?;
        }
        for (cid, memory) in &memories {
            let known = imported_memory(log, &cid.to_bytes());
            if self.tables.cids.insert(&*known, ())?.is_none() {
                self.memory((log, cid), position, memory)?;
                self.make_room()?;
            }
        }
        Ok(())
    }

    fn memory(
        &mut self,
        imported: (LogId, &Cid),
        import: Position,
        memory: &Memory,
    ) -> Result<(), GraphError> {
        let Memory { write, recorded } = memory;
        let mut bytes = Vec::new();
        if write.encode(&mut bytes).is_err() {
            self.state.unreadable += 1;
            return Ok(());
        }
        let row = Row {
            to: write.valid.to,
            ended: write.content == Content::Ended,
            tick: recorded.tick.0,
            agent: recorded.agent.0,
            step: recorded.step,
            lease: recorded.lease.0,
            import: Some(import),
            write: &bytes,
        };
        self.version(Some(imported), write, recorded.position, seq(recorded.output), &row)
    }
}

/// Opens the copy of an imported engram: it must be what the record says.
fn open_copy(path: &Path, record: &ImportRecord) -> Result<Opened, ImportError> {
    let name = &record.file.name;
    // A name that leads out of the folder is none.
    if Path::new(name).file_name() != Some(OsStr::new(name)) {
        return Err(ImportError::Name);
    }
    let bytes = read_regular(path, karyon_engram::limits::FILE_BYTES_MAX as u64)?;
    if bytes.len() as u64 != record.file.size || hash(&bytes).0 != record.file.hash {
        return Err(ImportError::Changed);
    }
    let opened = Engram::open(&bytes)?;
    let origin = opened.engram.manifest.origin.log;
    let same = opened.root.to_bytes().as_slice() == record.root
        && origin.0 == record.origin
        && opened.signer.0 == record.signer;
    if same { Ok(opened) } else { Err(ImportError::Other) }
}

impl Reader {
    /// Whether a memory of this CID, as bytes, was imported from that log.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn is_known(&self, origin: LogId, cid: &[u8]) -> Result<bool, GraphError> {
        Ok(self.tables.cids.get(&*imported_memory(origin, cid))?.is_some())
    }
}
