//! A held view: what there is, and how it is called. What holds when is asked in
//! [`questions`](crate::questions).

use karyon_memory_ops::{Entity, Time, Vertex};
use karyon_types::{AgentId, LogId, Position};
use redb::{Range, ReadTransaction, ReadableTable as _};

use crate::GraphError;
use crate::file::{read_place, read_state};
use crate::graph::Open;
use crate::keys::{self, EntityKey, VersionKey};
use crate::model::{EntityId, FIRST_NAMED, Kind, VertexId, VertexInfo};
use crate::query::Held;
use crate::rows::{Row, read_vertex};
use crate::state::State;
use crate::tables::ReadTables;

/// A held view of the graph: all answers are of the same state, whatever is projected meanwhile.
pub struct Reader {
    pub(crate) tables: ReadTables,
    state: State,
    pub(crate) log: Option<LogId>,
    pub(crate) held: Held,
    /// Behind the tables, so that it is dropped after them.
    _database: Open,
}

impl Reader {
    pub(crate) fn new(transaction: &ReadTransaction, database: Open) -> Result<Reader, GraphError> {
        let tables = ReadTables::open(transaction)?;
        let state = read_state(&tables)?;
        let log = read_place(&tables)?.map(|place| place.log);
        Ok(Reader { tables, state, log, held: Held::begin(), _database: database })
    }

    /// The next record that will be read: everything before it is in here.
    pub fn end(&self) -> Position {
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

    /// The edges that end at a vertex and ever had a version, of one type or all.
    pub(crate) fn each_incoming(
        &self,
        to: VertexId,
        name: Option<u32>,
        mut visit: impl FnMut(EntityKey) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let (least, most) = name.map_or((0, u32::MAX), |name| (name, name));
        let (first, last) = (keys::incoming(to.0, least, 0), keys::incoming(to.0, most, u64::MAX));
        for row in self.tables.incoming.range::<&[u8; 20]>(&first..=&last)? {
            visit(keys::edge_of_incoming(row?.0.value()))?;
        }
        Ok(())
    }

    /// The first entity at or behind a key.
    pub(crate) fn first_entity(&self, at: &EntityKey) -> Result<Option<EntityKey>, GraphError> {
        let from = VersionKey::first(at);
        let Some(first) = self.tables.versions.range::<&[u8]>(from.0.as_slice()..)?.next() else {
            return Ok(None);
        };
        Ok(Some(version_key(first?.0.value())?.entity()))
    }

    /// The versions of an entity that begin no later than `last`, in order.
    pub(crate) fn versions(
        &self,
        entity: &EntityKey,
        last: Time,
    ) -> Result<Range<'_, &'static [u8], &'static [u8]>, GraphError> {
        let (first, last) = (VersionKey::first(entity), VersionKey::last(entity, last));
        Ok(self.tables.versions.range::<&[u8]>(first.0.as_slice()..=last.0.as_slice())?)
    }

    /// `None` when a name is not known, so that there is no such entity.
    pub(crate) fn key(&self, entity: &EntityId) -> Result<Option<EntityKey>, GraphError> {
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

    pub(crate) fn entity_id(&self, key: &EntityKey) -> Result<EntityId, GraphError> {
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

    pub(crate) fn name(&self, text: &str) -> Result<Option<u32>, GraphError> {
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

pub(crate) fn version_key(row: &[u8]) -> Result<VersionKey, GraphError> {
    VersionKey::read(row).ok_or(GraphError::damaged("a version's key"))
}
