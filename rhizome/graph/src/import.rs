//! Memories from elsewhere: they come under vertices of their own, whoever else has their names.
//!
//! Inside its own namespace an imported memory is read as any other. Its transaction time here is
//! the import's; memories of one import that begin alike follow each other as they were recorded
//! in the log that they come from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use karyon_engram::{Cid, Engram, Opened};
use karyon_log::{ImportRecord, read_regular};
use karyon_memory_ops::{Content, Entity, Memory, Vertex};
use karyon_types::{AgentId, LogId, Position, hash};

use crate::error::{GraphError, ImportError};
use crate::keys::identity;
use crate::model::{EntityId, Version, VertexInfo, View};
use crate::project::Batch;
use crate::reader::Reader;
use crate::rows::{Row, seq};
use crate::timeline::last_moment;

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
        for agent in subjects(memories.iter().map(|(_, memory)| memory)) {
            let vertex = Vertex::Agent(agent);
            let id = self.vertex(Some(log), &vertex)?;
            if let Some(name) = manifest.names.get(&agent) {
                self.set_name(id, &identity(Some(log), &vertex), name)?;
            }
        }
        let mut memories = memories;
        memories
            .sort_by_key(|(cid, memory)| (memory.recorded.position, memory.recorded.output, *cid));
        for (rank, (cid, memory)) in (0u32..).zip(&memories) {
            if self.tables.cids.insert(cid.to_bytes().as_slice(), ())?.is_none() {
                self.memory(log, (position, rank), memory)?;
                self.make_room()?;
            }
        }
        Ok(())
    }

    fn memory(
        &mut self,
        log: LogId,
        (position, rank): (Position, u32),
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
            origin: Some((recorded.position.0, seq(recorded.output))),
            write: &bytes,
        };
        self.version(Some(log), write, position, rank, &row)
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

/// The agents that entities consist of.
fn subjects<'a>(memories: impl Iterator<Item = &'a Memory>) -> BTreeSet<AgentId> {
    let mut agents = BTreeSet::new();
    for memory in memories {
        let (one, other) = match &memory.write.entity {
            Entity::Vertex(vertex) => (vertex, None),
            Entity::Edge { from, kind: _, to } => (from, Some(to)),
            Entity::Fact { subject, predicate: _ } => (subject, None),
        };
        for vertex in std::iter::once(one).chain(other) {
            match vertex {
                Vertex::Agent(agent) => agents.insert(*agent),
                Vertex::Named(_) => false,
            };
        }
    }
    agents
}

/// A fact that is told otherwise here.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The engram's memory.
    pub memory: Cid,
    /// The fact about a vertex of the same name, in another namespace.
    pub entity: EntityId,
    /// A version of it that is in force at a moment for which the engram says something else.
    pub version: Version,
}

impl Reader {
    /// Whether a memory of this CID, as bytes, was imported.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn is_known(&self, cid: &[u8]) -> Result<bool, GraphError> {
        Ok(self.tables.cids.get(cid)?.is_some())
    }

    /// The facts of an engram that are told otherwise here: about a vertex of the same name, own
    /// or of another log, for a moment that both speak of. Both stay; a person judges.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn conflicts(&self, engram: &Engram) -> Result<Vec<Conflict>, GraphError> {
        let log = engram.manifest.origin.log;
        let elsewhere = |info: &VertexInfo| match info.origin {
            Some(origin) => origin != log,
            None => self.log != Some(log),
        };
        let mut conflicts = Vec::new();
        for (cid, memory) in &engram.memories {
            let Entity::Fact { subject, predicate } = &memory.write.entity else { continue };
            let name = match subject {
                Vertex::Named(name) => Some(name),
                Vertex::Agent(agent) => engram.manifest.names.get(agent),
            };
            let Some(name) = name else { continue };
            let told = memory.write.content.clone().rename(&mut |vertex| {
                let name = match &vertex {
                    Vertex::Agent(agent) => engram.manifest.names.get(agent).cloned(),
                    Vertex::Named(_) => None,
                };
                Ok::<_, GraphError>(name.map_or(vertex, Vertex::Named))
            })?;
            let valid = &memory.write.valid;
            let view = View::between(valid.from, last_moment(valid));
            for info in self.vertices_named(name)?.iter().filter(|info| elsewhere(info)) {
                let entity = EntityId::Fact { subject: info.id, predicate: predicate.clone() };
                let history = self.history(&entity, &view)?;
                for version in history {
                    // Serials mean nothing elsewhere: what a value refers to is compared by name.
                    let here = version.content.clone();
                    let here = here.rename(&mut |vertex| self.by_name(info.origin, vertex))?;
                    if here != told {
                        let entity = entity.clone();
                        conflicts.push(Conflict { memory: *cid, entity, version });
                    }
                }
            }
        }
        Ok(conflicts)
    }

    /// A vertex by its name, should it have one.
    fn by_name(&self, origin: Option<LogId>, vertex: Vertex) -> Result<Vertex, GraphError> {
        let Some(id) = self.find_vertex(origin, &vertex)? else { return Ok(vertex) };
        let name = self.vertex(id)?.and_then(|info| info.name);
        Ok(name.map_or(vertex, Vertex::Named))
    }
}
