//! Memories from elsewhere: they come under vertices of their own, whoever else has their names.
//!
//! Inside its own namespace an imported memory is read as any other: of those that begin alike the
//! one that its own log recorded last holds, whichever came first. Its transaction time here is the
//! import's, and decides from which record on it counts.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;

use karyon_engram::{Cid, Stream};
use karyon_log::{ImportRecord, open_regular};
use karyon_memory_ops::{Memory, Parts, Vertex, VertexRef};
use karyon_types::{Hasher, LogId, Position};

use crate::error::{GraphError, ImportError};
use crate::keys::{identity, imported_memory};
use crate::meta::Imported;
use crate::project::Batch;
use crate::reader::Reader;

/// Bytes of a copy that are read at once: few calls, little room.
const PART_BYTES: usize = 256 * 1024;

impl Batch<'_, '_> {
    /// Adds the memories of an engram that are not here yet.
    pub(crate) fn import(
        &mut self,
        position: Position,
        record: &ImportRecord,
    ) -> Result<(), GraphError> {
        let path = self.inputs.join(&record.file.name);
        let failed = |source| GraphError::Import { position, path: path.clone(), source };
        let copy = open_copy(&path, record).map_err(failed)?;
        // By its hash it is what was recorded. That each block is in its one form is believed of
        // whoever recorded it: this machine, which had read it to its end, or, in a log that
        // `karyon import` brought, the node that signed it. All else is checked; should anything be
        // wrong, the transaction is undone.
        let mut told = stream(&copy, record).map_err(failed)?.known();
        let log = told.manifest().origin.log;
        let origin = [log.0.as_slice(), &record.root].concat();
        self.tables.imports.insert(position.0, &*origin)?;
        for (agent, name) in &told.manifest().names {
            let vertex = Vertex::Agent(*agent);
            let id = self.vertex(Some(log), VertexRef::from(&vertex))?;
            self.set_name(id, &identity(Some(log), &vertex), name)?;
            self.make_room()?;
        }
        while let Some((cid, memory)) = told.next_memory().map_err(|error| failed(error.into()))? {
            let known = imported_memory(log, &cid.to_bytes());
            if self.tables.cids.insert(&*known, ())?.is_none() {
                self.memory((log, &cid), position, &memory)?;
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

/// Opens the copy of an imported engram: it must be the file that the record names.
fn open_copy(path: &Path, record: &ImportRecord) -> Result<File, ImportError> {
    let name = &record.file.name;
    // A name that leads out of the folder is none.
    if Path::new(name).file_name() != Some(OsStr::new(name)) {
        return Err(ImportError::Name);
    }
    let mut file = open_regular(path)?;
    let mut hasher = Hasher::default();
    let mut part = vec![0; PART_BYTES];
    loop {
        let read = file.read(&mut part)?;
        let Some(read) = part.get(..read).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
    }
    if file.metadata()?.len() != record.file.size || hasher.finish().0 != record.file.hash {
        return Err(ImportError::Changed);
    }
    Ok(file)
}

/// Begins to read it: it must be the engram of which the record tells.
fn stream<'f>(
    mut copy: &'f File,
    record: &ImportRecord,
) -> Result<Stream<BufReader<&'f File>>, ImportError> {
    copy.rewind()?;
    let stream = Stream::open(BufReader::with_capacity(PART_BYTES, copy))?;
    let same = stream.root().to_bytes().as_slice() == record.root
        && stream.manifest().origin.log.0 == record.origin
        && stream.signer().0 == record.signer;
    if same { Ok(stream) } else { Err(ImportError::Other) }
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
