//! Questions to the graph.

use std::ops::ControlFlow;

use karyon_memory_ops::{Content, Entity, Time, Valid, Vertex};
use karyon_types::{AgentId, LogId, Position};
use redb::{ReadTransaction, ReadableTable as _};

use crate::GraphError;
use crate::file::{read_place, read_state};
use crate::keys::{self, EntityKey, VersionKey};
use crate::model::{
    At, Direction, EntityId, FIRST_FOREIGN, FIRST_NAMED, Kind, Neighbour, Origin, Version,
    VertexId, VertexInfo, View,
};
use crate::rows::{Row, read_vertex};
use crate::state::State;
use crate::tables::ReadTables;
use crate::timeline::Timeline;

/// A held view of the graph: all answers are of the same state, whatever is projected meanwhile.
pub struct Reader {
    pub(crate) tables: ReadTables,
    state: State,
    pub(crate) log: Option<LogId>,
}

/// A version as it is stored.
pub(crate) struct Stored {
    pub(crate) key: VersionKey,
    pub(crate) row: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(transaction: &ReadTransaction) -> Result<Reader, GraphError> {
        let tables = ReadTables::open(transaction)?;
        let state = read_state(&tables)?;
        let log = read_place(&tables)?.map(|place| place.log);
        Ok(Reader { tables, state, log })
    }

    /// The next record that will be read: everything before it is in here.
    pub fn position(&self) -> Position {
        Position(self.state.position)
    }

    /// How many memories in the log could not be read. They are left out.
    pub fn unreadable(&self) -> u64 {
        self.state.unreadable
    }

    /// The vertices of a name: own ones first.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn vertices_named(&self, name: &str) -> Result<Vec<VertexInfo>, GraphError> {
        let (first, last) = (keys::named(name, 0), keys::named(name, u64::MAX));
        let mut found = Vec::new();
        for row in self.tables.named.range::<&[u8]>(&*first..=&*last)? {
            let row = row?.0;
            let (_, id) = keys::read_named(row.value()).ok_or(GraphError::damaged("name"))?;
            found.push(self.expect_vertex(id)?);
        }
        Ok(found)
    }

    /// Tells the names of all vertices, the shorter ones first; one that several have, several
    /// times.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn vertex_names(&self, tell: &mut dyn FnMut(&str)) -> Result<(), GraphError> {
        for row in self.tables.named.iter()? {
            let row = row?.0;
            tell(keys::read_named(row.value()).ok_or(GraphError::damaged("name"))?.0);
        }
        Ok(())
    }

    /// What is known of a vertex. Any serial may be an agent's; `None` is the answer for the
    /// number of another vertex that is not there.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn vertex(&self, id: VertexId) -> Result<Option<VertexInfo>, GraphError> {
        let Some(row) = self.tables.vertices.get(id.0)? else {
            let agent = Vertex::Agent(AgentId(id.0));
            let info = VertexInfo { id, name: None, vertex: agent, origin: None };
            return Ok((id.0 < FIRST_NAMED).then_some(info));
        };
        let (identity, name) = read_vertex(row.value()).ok_or(GraphError::damaged("vertex"))?;
        let (origin, vertex) =
            keys::read_identity(identity).ok_or(GraphError::damaged("identity"))?;
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Some(VertexInfo { id, name, vertex, origin }))
    }

    pub(crate) fn expect_vertex(&self, id: VertexId) -> Result<VertexInfo, GraphError> {
        self.vertex(id)?.ok_or(GraphError::damaged("a vertex without a row"))
    }

    /// The vertex of which a log speaks so: this log, or one from which something was imported.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn find_vertex(
        &self,
        origin: Option<LogId>,
        vertex: &Vertex,
    ) -> Result<Option<VertexId>, GraphError> {
        match (origin, vertex) {
            (None, Vertex::Agent(AgentId(serial))) if *serial < FIRST_NAMED => {
                Ok(Some(VertexId(*serial)))
            }
            (_, Vertex::Agent(_) | Vertex::Named(_)) => {
                let identity = keys::identity(origin, vertex);
                Ok(self.tables.identities.get(&*identity)?.map(|id| VertexId(id.value())))
            }
        }
    }

    /// The entity of which this log speaks so; `None` if it never did.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn find(&self, entity: &Entity) -> Result<Option<EntityId>, GraphError> {
        let own = |vertex| self.find_vertex(None, vertex);
        Ok(match entity {
            Entity::Vertex(vertex) => own(vertex)?.map(EntityId::Vertex),
            Entity::Edge { from, kind, to } => match (own(from)?, own(to)?) {
                (Some(from), Some(to)) => Some(EntityId::Edge { from, kind: kind.clone(), to }),
                (Some(_) | None, Some(_) | None) => None,
            },
            Entity::Fact { subject, predicate } => own(subject)?
                .map(|subject| EntityId::Fact { subject, predicate: predicate.clone() }),
        })
    }

    /// How the log that it comes from speaks of an entity.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn entity(&self, entity: &EntityId) -> Result<Entity, GraphError> {
        let vertex = |id: &VertexId| Ok::<_, GraphError>(self.expect_vertex(*id)?.vertex);
        Ok(match entity {
            EntityId::Vertex(id) => Entity::Vertex(vertex(id)?),
            EntityId::Edge { from, kind, to } => {
                Entity::Edge { from: vertex(from)?, kind: kind.clone(), to: vertex(to)? }
            }
            EntityId::Fact { subject, predicate } => {
                Entity::Fact { subject: vertex(subject)?, predicate: predicate.clone() }
            }
        })
    }

    /// The labels, types or predicates that there are, in order.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn names(&self, kind: Kind) -> Result<Vec<String>, GraphError> {
        let (mut names, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let (first, last) = (
                keys::by_name(kind, from, 0, 0),
                keys::by_name(kind, u32::MAX, u64::MAX, u64::MAX),
            );
            let Some(row) = self.tables.by_name.range::<&[u8; 21]>(&first..=&last)?.next() else {
                break;
            };
            let name = keys::name_of_by_name(row?.0.value());
            names.push(self.text(name)?);
            next = name.checked_add(1);
        }
        names.sort_unstable();
        Ok(names)
    }

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
        let range = (VersionKey::first(&key), VersionKey::last(&key, last));
        for version in self.tables.versions.range::<&[u8; 45]>(&range.0.0..=&range.1.0)?.rev() {
            let (key, value) = version?;
            let key = VersionKey(*key.value());
            if view.as_recorded.is_some_and(|recorded| key.position() > recorded) {
                continue;
            }
            let from = key.from().ok_or(GraphError::damaged("valid time"))?;
            if from < first && timeline.is_full() {
                break;
            }
            let valid = Valid { from, to: decode(value.value())?.to };
            let is_in_force = timeline.add(&valid).is_some();
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
            let (least, most) = name.map_or((0, u32::MAX), |name| (name, name));
            let first = keys::incoming(vertex.0, least, 0);
            let last = keys::incoming(vertex.0, most, u64::MAX);
            for row in self.tables.incoming.range::<&[u8; 20]>(&first..=&last)? {
                let key = keys::edge_of_incoming(row?.0.value());
                // Met among those that begin here.
                let met = direction == Direction::Both && key.subject() == vertex;
                if !met {
                    add(key, key.subject())?;
                }
            }
        }
        Ok(neighbours)
    }

    /// How many own entities hold: vertices with a label, edges of a type, facts with a
    /// predicate. Imported ones are not counted.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn count(&self, kind: Kind, name: &str, view: &View) -> Result<u64, GraphError> {
        let Some(number) = self.name(name)? else { return Ok(0) };
        let first = keys::by_name(kind, number, 0, 0);
        let behind = keys::by_name(kind, number, FIRST_FOREIGN, 0);
        let mut count = 0;
        for row in self.tables.by_name.range::<&[u8; 21]>(&first..&behind)? {
            let key = keys::entity_of_by_name(kind, row?.0.value());
            let holds = match (self.holding(&key, view)?, kind) {
                (None, _) => false,
                (Some(_), Kind::Edge | Kind::Fact) => true,
                (Some(stored), Kind::Vertex) => match self.version(&stored)?.content {
                    Content::Present { labels, .. } => labels.contains(name),
                    Content::Ended => false,
                },
            };
            count += u64::from(holds);
        }
        Ok(count)
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
        let range = (VersionKey::first(entity), VersionKey::last(entity, last));
        let versions = self.tables.versions.range::<&[u8; 45]>(&range.0.0..=&range.1.0)?;
        for version in versions.rev() {
            if timeline.is_full() {
                break;
            }
            let (key, value) = version?;
            let key = VersionKey(*key.value());
            if view.as_recorded.is_some_and(|recorded| key.position() > recorded) {
                continue;
            }
            let row = decode(value.value())?;
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
        let position = stored.key.position();
        let origin = match row.origin {
            None => None,
            Some(_) => {
                let import = self.tables.imports.get(position.0)?;
                let import = import.ok_or(GraphError::damaged("no such import"))?;
                let parts = import.value().split_first_chunk::<16>();
                let (log, root) = parts.ok_or(GraphError::damaged("import"))?;
                Some(Origin { log: LogId(*log), import: position, root: root.to_vec() })
            }
        };
        let (valid, content) = (write.valid, write.content);
        Ok(Version { valid, content, position, recorded, origin })
    }

    /// The entities of a vertex that ever had a version: its edges or facts, of one name or all.
    pub(crate) fn each_entity(
        &self,
        subject: VertexId,
        kind: Kind,
        name: Option<u32>,
        mut visit: impl FnMut(EntityKey) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let (least, most) = name.map_or((0, u32::MAX), |name| (name, name));
        let mut next = Some(EntityKey::new(subject.0, kind, least, 0));
        let last = EntityKey::new(subject.0, kind, most, u64::MAX);
        while let Some(at) = next {
            let Some(entity) = self.first_entity(&at)?.filter(|entity| *entity <= last) else {
                break;
            };
            visit(entity)?;
            next = entity.next();
        }
        Ok(())
    }

    /// The first entity at or behind a key.
    pub(crate) fn first_entity(&self, at: &EntityKey) -> Result<Option<EntityKey>, GraphError> {
        let from = VersionKey::first(at);
        let first = self.tables.versions.range::<&[u8; 45]>(&from.0..)?.next();
        Ok(first.transpose()?.map(|(key, _)| VersionKey(*key.value()).entity()))
    }

    /// `None` when a name is not known, so that there is no such entity.
    fn key(&self, entity: &EntityId) -> Result<Option<EntityKey>, GraphError> {
        Ok(match entity {
            EntityId::Vertex(id) => Some(EntityKey::vertex(*id)),
            EntityId::Edge { from, kind, to } => {
                self.name(kind)?.map(|name| EntityKey::edge(*from, name, *to))
            }
            EntityId::Fact { subject, predicate } => {
                self.name(predicate)?.map(|name| EntityKey::fact(*subject, name))
            }
        })
    }

    fn entity_id(&self, key: &EntityKey) -> Result<EntityId, GraphError> {
        Ok(match key.kind().ok_or(GraphError::damaged("kind of entity"))? {
            Kind::Vertex => EntityId::Vertex(key.subject()),
            Kind::Edge => EntityId::Edge {
                from: key.subject(),
                kind: self.text(key.name())?,
                to: key.other(),
            },
            Kind::Fact => {
                EntityId::Fact { subject: key.subject(), predicate: self.text(key.name())? }
            }
        })
    }

    fn name(&self, text: &str) -> Result<Option<u32>, GraphError> {
        Ok(self.tables.names.get(text.as_bytes())?.map(|number| number.value()))
    }

    pub(crate) fn text(&self, name: u32) -> Result<String, GraphError> {
        let row = self.tables.texts.get(name)?.ok_or(GraphError::damaged("name"))?;
        let text = std::str::from_utf8(row.value()).map_err(|_| GraphError::damaged("name"))?;
        Ok(text.to_owned())
    }
}

pub(crate) fn decode(row: &[u8]) -> Result<Row<'_>, GraphError> {
    Row::decode(row).ok_or(GraphError::damaged("a version"))
}
