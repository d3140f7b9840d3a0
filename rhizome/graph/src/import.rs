//! Memories from elsewhere: they come under vertices of their own, whoever else has their names.
//!
//! Inside its own namespace an imported memory is read as any other: of those that begin alike the
//! one that its own log recorded last holds, whichever came first. Its transaction time here is the
//! import's, and decides from which record on it counts.

use std::ffi::OsStr;
use std::path::Path;

use karyon_engram::{Cid, Engram, Opened};
use karyon_log::{ImportRecord, read_regular};
use karyon_memory_ops::{Memory, Parts, Vertex, VertexRef};
use karyon_types::{LogId, Position, hash};

use crate::error::{GraphError, ImportError};
use crate::keys::{identity, imported_memory};
use crate::meta::Imported;
use crate::project::Batch;
use crate::reader::Reader;

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
            let id = self.vertex(Some(log), VertexRef::from(&vertex))?;
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
        (log, cid): (LogId, &Cid),
        import: Position,
        memory: &Memory,
    ) -> Result<(), GraphError> {
        let Memory { write, recorded } = memory;
        let mut bytes = Vec::new();
        let encoded = write.encode(&mut bytes).is_ok();
        let Some(parts) = Parts::read(&bytes).filter(|_| encoded) else {
            self.state.unreadable += 1;
            return Ok(());
        };
        let imported = Imported { position: import.0, cid: cid.to_bytes() };
        self.version(Some((log, imported)), &parts, recorded)
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
