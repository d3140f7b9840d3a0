//! Questions to the graph: what holds, at which valid time, as recorded up to where.

use std::ops::{Bound, ControlFlow};

use karyon_memory_ops::{Content, Time, Valid};
use karyon_types::LogId;

use crate::GraphError;
use crate::keys::{self, EntityKey, VersionKey};
use crate::model::{
    At, Direction, EntityId, FIRST_FOREIGN, Kind, Neighbour, Origin, Version, VertexId, View,
};
use crate::reader::{Reader, decode, version_key};
use crate::rows::Row;
use crate::timeline::Timeline;

/// A version as it is stored.
pub(crate) struct Stored {
    key: VersionKey,
    pub(crate) row: Vec<u8>,
}

/// Whose entities a question is about.
#[derive(Clone, Copy)]
enum Whose {
    Own,
    Imported,
}

impl Reader {
    /// The version that holds; over a part of time the last one that held. `None`: the entity is
    /// not there.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn get(&self, entity: &EntityId, view: &View) -> Result<Option<Version>, GraphError> {
        let Some(key) = self.key(entity)? else { return Ok(None) };
        self.holding(&key, view)?.map(|stored| self.version(&stored)).transpose()
    }

    /// The versions of an entity in the order in which they begin, those that end it included.
    /// [`At::Now`]: all of them. [`At::Moment`]: all that begin no later. [`At::Between`]: all
    /// that begin in that part of time, and those before it that are in force at some moment of
    /// it. A version is in force from its beginning until a later one begins, and again when that
    /// ends; one that was corrected at once is in force at no moment, and a version all the same.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn history(&self, entity: &EntityId, view: &View) -> Result<Vec<Version>, GraphError> {
        let (first, last) = match view.at {
            At::Now => (Time::MIN, Time::MAX),
            At::Moment(moment) => (Time::MIN, moment),
            At::Between(first, last) => (first, last),
        };
        let Some(key) = self.key(entity)?.filter(|_| first <= last) else { return Ok(Vec::new()) };
        let mut timeline = Timeline::new(first, last);
        let mut versions = Vec::new();
        for version in self.versions(&key, last)?.rev() {
            let (key, value) = version?;
            let (key, row) = (version_key(key.value())?, decode(value.value())?);
            if !counts(view, &key, &row) {
                continue;
            }
            let from = key.from().ok_or(GraphError::damaged("valid time"))?;
            if from < first && timeline.is_full() {
                break;
            }
            let is_in_force = timeline.add(&Valid { from, to: row.to }).is_some();
            if from >= first || is_in_force {
                versions.push(Stored { key, row: value.value().to_vec() });
            }
        }
        versions.iter().rev().map(|stored| self.version(stored)).collect()
    }

    /// The facts about a vertex that hold.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn facts(
        &self,
        subject: VertexId,
        view: &View,
    ) -> Result<Vec<(EntityId, Version)>, GraphError> {
        let mut facts = Vec::new();
        self.each_entity(subject, Kind::Fact, None, |key| {
            if let Some(stored) = self.holding(&key, view)? {
                facts.push((self.entity_id(&key)?, self.version(&stored)?));
            }
            Ok(())
        })?;
        Ok(facts)
    }

    /// The edges of a vertex that hold, of one type or of all.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn neighbours(
        &self,
        vertex: VertexId,
        direction: Direction,
        kind: Option<&str>,
        view: &View,
    ) -> Result<Vec<Neighbour>, GraphError> {
        let name = match kind.map(|kind| self.name(kind)).transpose()? {
            Some(None) => return Ok(Vec::new()),
            Some(Some(name)) => Some(name),
            None => None,
        };
        let mut neighbours = Vec::new();
        let mut add = |key: EntityKey, other: VertexId| {
            if let Some(stored) = self.holding(&key, view)? {
                let (edge, version) = (self.entity_id(&key)?, self.version(&stored)?);
                neighbours.push(Neighbour { edge, other, version });
            }
            Ok(())
        };
        if matches!(direction, Direction::Out | Direction::Both) {
            self.each_entity(vertex, Kind::Edge, name, |key| add(key, key.other()))?;
        }
        if matches!(direction, Direction::In | Direction::Both) {
            self.each_incoming(vertex, name, |key| {
                // Met among those that begin here.
                let met = direction == Direction::Both && key.subject() == vertex;
                if met { Ok(()) } else { add(key, key.subject()) }
            })?;
        }
        Ok(neighbours)
    }

    /// Everything about a vertex that ever had a version, whether or not it holds, in order: the
    /// vertex itself, the edges that begin or end at it, its facts.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn entities_of(&self, vertex: VertexId) -> Result<Vec<EntityId>, GraphError> {
        let mut entities = Vec::new();
        let own = EntityKey::vertex(vertex);
        if self.first_entity(&own)? == Some(own) {
            entities.push(EntityId::Vertex(vertex));
        }
        for kind in [Kind::Edge, Kind::Fact] {
            self.each_entity(vertex, kind, None, |key| {
                entities.push(self.entity_id(&key)?);
                Ok(())
            })?;
        }
        self.each_incoming(vertex, None, |key| {
            // An edge from the vertex to itself is among those that begin at it.
            if key.subject() != vertex {
                entities.push(self.entity_id(&key)?);
            }
            Ok(())
        })?;
        entities.sort_unstable();
        Ok(entities)
    }

    /// The own entities of a name that hold, with the version by which each does: vertices with a
    /// label, edges of a type, facts with a predicate. Imported ones are not listed.
    ///
    /// They are in the order of their vertices' numbers.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn list(
        &self,
        kind: Kind,
        name: &str,
        view: &View,
    ) -> Result<Vec<(EntityId, Version)>, GraphError> {
        let mut list = Vec::new();
        self.each_listed(kind, name, view, None, |entity, version| {
            list.push((entity, version));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(list)
    }

    /// Goes through what [`list`](Reader::list) tells, behind the entity between these vertices if
    /// they are given, for as long as it is visited.
    pub(crate) fn each_listed(
        &self,
        kind: Kind,
        name: &str,
        view: &View,
        behind: Option<(VertexId, VertexId)>,
        mut visit: impl FnMut(EntityId, Version) -> Result<ControlFlow<()>, GraphError>,
    ) -> Result<(), GraphError> {
        self.each_holding(Whose::Own, kind, name, view, behind, |key, stored| {
            visit(self.entity_id(key)?, self.version(stored)?)
        })
    }

    /// How many own entities of a name hold: as many as [`list`](Reader::list) tells.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn count(&self, kind: Kind, name: &str, view: &View) -> Result<u64, GraphError> {
        self.count_of(Whose::Own, kind, name, view)
    }

    /// How many imported entities of a name hold, of all logs together.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn count_imported(&self, kind: Kind, name: &str, view: &View) -> Result<u64, GraphError> {
        self.count_of(Whose::Imported, kind, name, view)
    }

    fn count_of(
        &self,
        whose: Whose,
        kind: Kind,
        name: &str,
        view: &View,
    ) -> Result<u64, GraphError> {
        let mut count = 0;
        self.each_holding(whose, kind, name, view, None, |_, _| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// Goes through the entities of a name that hold, in the order of their keys; not through
    /// those up to the one between `behind`, subject and other.
    fn each_holding(
        &self,
        whose: Whose,
        kind: Kind,
        name: &str,
        view: &View,
        behind: Option<(VertexId, VertexId)>,
        mut visit: impl FnMut(&EntityKey, &Stored) -> Result<ControlFlow<()>, GraphError>,
    ) -> Result<(), GraphError> {
        let Some(number) = self.name(name)? else { return Ok(()) };
        let (first, last) = match whose {
            Whose::Own => (0, FIRST_FOREIGN - 1),
            Whose::Imported => (FIRST_FOREIGN, u64::MAX),
        };
        let first = match behind {
            Some((subject, other)) => {
                Bound::Excluded(keys::by_name(kind, number, subject.0, other.0))
            }
            None => Bound::Included(keys::by_name(kind, number, first, 0)),
        };
        let last = Bound::Included(keys::by_name(kind, number, last, u64::MAX));
        for row in self.tables.by_name.range::<&[u8; 21]>((first.as_ref(), last.as_ref()))? {
            let key = keys::entity_of_by_name(kind, row?.0.value());
            let Some(stored) = self.holding(&key, view)? else { continue };
            let has_name = match kind {
                Kind::Edge | Kind::Fact => true,
                // It has had the label at some time.
                Kind::Vertex => match self.version(&stored)?.content {
                    Content::Present { labels, .. } => labels.contains(name),
                    Content::Ended => false,
                },
            };
            if has_name && visit(&key, &stored)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Goes through the versions of an entity that are in force at some moment of the view, the
    /// last one first; with each the last moment at which it is, and whether that is the view's
    /// last.
    fn scan(
        &self,
        entity: &EntityKey,
        view: &View,
        mut visit: impl FnMut(&VersionKey, &[u8], &Row<'_>, (i128, bool)) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        let (first, last) = view.window();
        let mut timeline = Timeline::new(first, last);
        for version in self.versions(entity, last)?.rev() {
            if timeline.is_full() {
                break;
            }
            let (key, value) = version?;
            let (key, row) = (version_key(key.value())?, decode(value.value())?);
            if !counts(view, &key, &row) {
                continue;
            }
            let from = key.from().ok_or(GraphError::damaged("valid time"))?;
            let Some(moment) = timeline.add(&Valid { from, to: row.to }) else { continue };
            let is_last = timeline.is_last(moment);
            if visit(&key, value.value(), &row, (moment, is_last)).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The last version by which the entity is there.
    pub(crate) fn holding(
        &self,
        entity: &EntityKey,
        view: &View,
    ) -> Result<Option<Stored>, GraphError> {
        let mut best: Option<(i128, Stored)> = None;
        self.scan(entity, view, |key, bytes, row, (moment, is_last)| {
            if !row.ended && best.as_ref().is_none_or(|(best, _)| *best < moment) {
                best = Some((moment, Stored { key: *key, row: bytes.to_vec() }));
                if is_last {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(best.map(|(_, stored)| stored))
    }

    fn version(&self, stored: &Stored) -> Result<Version, GraphError> {
        let row = decode(&stored.row)?;
        let write = row.write().ok_or(GraphError::damaged("a memory"))?;
        let recorded = row.recorded(&stored.key).ok_or(GraphError::damaged("an output"))?;
        let position = row.position(&stored.key);
        let origin = match row.import {
            None => None,
            Some(import) => {
                let import = self.tables.imports.get(import.0)?;
                let import = import.ok_or(GraphError::damaged("no such import"))?;
                let parts = import.value().split_first_chunk::<16>();
                let (log, root) = parts.ok_or(GraphError::damaged("import"))?;
                Some(Origin { log: LogId(*log), root: root.to_vec() })
            }
        };
        let (valid, content) = (write.valid, write.content);
        Ok(Version { valid, content, position, recorded, origin })
    }
}

/// Whether a version was recorded early enough.
fn counts(view: &View, key: &VersionKey, row: &Row<'_>) -> bool {
    view.as_recorded.is_none_or(|last| row.position(key) <= last)
}
