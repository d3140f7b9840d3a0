//! Roots: the graph's content as one hash, in an order that every run shares.
//!
//! Vertices are ordered by identity (agents by serial, then the others by name); with each come
//! its own versions, its edges by type and end, its facts by predicate. Numbers of this file
//! (names, vertices) and positions of the log are not in it: positions differ between a run
//! with crashes and one without.

use karyon_memory_ops::{Entity, Parts, Vertex};
use karyon_types::{AgentId, Hash, Hasher};

use crate::GraphError;
use crate::keys::{self, EntityKey};
use crate::meta::Meta;
use crate::model::{EntityId, FIRST_NAMED, Kind, NOBODY, Version, VertexId, VertexInfo, View};
use crate::questions::Stored;
use crate::reader::Reader;

/// What each part of the stream begins with.
mod tag {
    pub(super) const NAME: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const CURRENT: u8 = 3;
    pub(super) const VERTEX: u8 = 4;
}

impl Reader {
    /// The root of the whole memory: all versions of all entities with their transaction times,
    /// then all that was imported. Transaction time is (tick, agent, step, output) here, so the
    /// root is the same for every way of running the same scenario.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn memory_root(&self) -> Result<Hash, GraphError> {
        let mut hasher = Hasher::for_domain("karyon memory root v1");
        self.each_own(|id| self.add_subject(&mut hasher, id))?;
        self.each_imported(|id| self.add_subject(&mut hasher, id))?;
        Ok(hasher.finish())
    }

    /// Tells every version of everything, in the order of the root: own things before imported
    /// ones, each version behind those that begin before it. What is held is what begins at one
    /// vertex.
    ///
    /// # Errors
    /// See [`GraphError`]; what `tell` answers.
    pub fn each_recorded<E: From<GraphError>>(
        &self,
        mut tell: impl FnMut(&EntityId, Version) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        let mut subject = |id| {
            if failed.is_some() {
                return Ok(());
            }
            let info = self.expect_vertex(id)?;
            for (_, key) in self.entities(id, &info.vertex)? {
                let entity = self.entity_id(&key)?;
                self.each_version(&key, |meta, content| {
                    if failed.is_none() {
                        let stored = Stored { meta: *meta, content: content.to_vec() };
                        let version = self.version(&stored).map_err(E::from);
                        failed = version.and_then(|version| tell(&entity, version)).err();
                    }
                })?;
            }
            Ok(())
        };
        self.each_own(&mut subject)?;
        self.each_imported(&mut subject)?;
        failed.map_or(Ok(()), Err)
    }

    /// Adds what holds at the end of time, without when it was recorded: the memory's part of
    /// the root of a final state. What was imported, or recorded by a principal, is not part of it.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn add_current(&self, hasher: &mut Hasher) -> Result<(), GraphError> {
        self.each_own(|id| {
            let info = self.expect_vertex(id)?;
            let mut write = Vec::new();
            for (entity, key) in self.entities(id, &info.vertex)? {
                if let Some(Stored { meta, content }) = self.holding(&key, &View::NOW)?
                    && meta.agent != NOBODY.0
                {
                    put_write(&mut write, &entity, &meta, &content);
                    hasher.update(&[tag::CURRENT]).field(&write);
                }
            }
            Ok(())
        })
    }

    /// Adds a vertex with everything that begins at it. Where an imported version was recorded is
    /// its place in its own log, so the order of imports makes no difference.
    fn add_subject(&self, hasher: &mut Hasher, id: VertexId) -> Result<(), GraphError> {
        let VertexInfo { name, vertex, origin, .. } = self.expect_vertex(id)?;
        hasher.update(&[tag::VERTEX]).field(&keys::identity(origin, &vertex));
        if let Some(name) = name {
            hasher.update(&[tag::NAME]).field(name.as_bytes());
        }
        let mut write = Vec::new();
        for (entity, key) in self.entities(id, &vertex)? {
            self.each_version(&key, |meta, content| {
                put_write(&mut write, &entity, meta, content);
                add_version(hasher, &write, meta);
            })?;
        }
        Ok(())
    }

    /// Own vertices that have entities, by identity.
    pub(crate) fn each_own(
        &self,
        mut visit: impl FnMut(VertexId) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let mut next = 0;
        loop {
            let at = EntityKey::new(next, Kind::Vertex, keys::NO_NAME, 0);
            let Some(entity) = self.first_entity(&at)? else { break };
            let serial = entity.subject().0;
            if serial >= FIRST_NAMED {
                break;
            }
            visit(entity.subject())?;
            next = serial + 1;
        }
        for row in self.tables.identities.range::<&[u8]>(..keys::FOREIGN_IDENTITIES)? {
            visit(VertexId(row?.1.value()))?;
        }
        Ok(())
    }

    /// Imported vertices by the log that they come from, then by identity.
    fn each_imported(
        &self,
        mut visit: impl FnMut(VertexId) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        for row in self.tables.identities.range::<&[u8]>(keys::FOREIGN_IDENTITIES..)? {
            visit(VertexId(row?.1.value()))?;
        }
        Ok(())
    }

    /// Everything that begins at a vertex, in order: itself, edges, facts.
    fn entities(
        &self,
        id: VertexId,
        vertex: &Vertex,
    ) -> Result<Vec<(Entity, EntityKey)>, GraphError> {
        let mut entities = Vec::new();
        let own = EntityKey::vertex(id);
        if self.first_entity(&own)? == Some(own) {
            entities.push((Kind::Vertex, String::new(), Vec::new(), own));
        }
        self.each_entity(id, Kind::Edge, None, |key, _| {
            entities.push((Kind::Edge, self.text(key.name())?, self.identity(key.other())?, key));
            Ok(())
        })?;
        self.each_entity(id, Kind::Fact, None, |key, _| {
            entities.push((Kind::Fact, self.text(key.name())?, Vec::new(), key));
            Ok(())
        })?;
        entities.sort_unstable();
        let named = entities.into_iter().map(|(kind, name, other, key)| {
            let subject = vertex.clone();
            let entity = match kind {
                Kind::Vertex => Entity::Vertex(subject),
                Kind::Fact => Entity::Fact { subject, predicate: name },
                Kind::Edge => {
                    let other = keys::read_identity(&other);
                    let (_, to) = other.ok_or(GraphError::damaged("identity"))?;
                    Entity::Edge { from: subject, kind: name, to }
                }
            };
            Ok((entity, key))
        });
        named.collect()
    }

    fn identity(&self, id: VertexId) -> Result<Vec<u8>, GraphError> {
        if id.0 < FIRST_NAMED {
            return Ok(keys::identity(None, &Vertex::Agent(AgentId(id.0))));
        }
        let info = self.expect_vertex(id)?;
        Ok(keys::identity(info.origin, &info.vertex))
    }
}

/// A version's write, as the log holds it.
fn put_write(out: &mut Vec<u8>, entity: &Entity, meta: &Meta, content: &[u8]) {
    out.clear();
    let content = meta.content(content);
    Parts { entity: entity.into(), valid: meta.valid(), content }.write(out);
}

fn add_version(hasher: &mut Hasher, write: &[u8], meta: &Meta) {
    hasher.update(&[tag::VERSION]).field(write);
    for number in [meta.tick, meta.agent, meta.step, u64::from(meta.seq)] {
        hasher.update(&number.to_le_bytes());
    }
}
