//! A held view: what there is, and how it is called. What holds when is asked in
//! [`questions`](crate::questions).

use karyon_memory_ops::{Entity, Vertex};
use karyon_types::{AgentId, LogId, Position};
use redb::{ReadTransaction, ReadableTable as _};

use crate::GraphError;
use crate::adjacency::{Lists, Window};
use crate::file::{read_place, read_state};
use crate::graph::Open;
use crate::keys::{self, EntityKey, ListKey};
use crate::model::{EntityId, FIRST_NAMED, Kind, VertexId, VertexInfo, View};
use crate::query::Held;
use crate::rows::read_vertex;
use crate::state::State;
use crate::tables::{ReadTables, TableSize};

/// A held view of the graph: all answers are of the same state, whatever is projected meanwhile.
pub struct Reader {
    pub(crate) tables: ReadTables,
    state: State,
    pub(crate) log: Option<LogId>,
    pub(crate) held: Held,
    /// Behind the tables, so that it is dropped after them.
    _database: Open,
}

/// The name that was read last.
#[derive(Default)]
pub(crate) struct Text {
    /// 0: none.
    number: u32,
    text: String,
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

    /// What the tables of the file take. All rows are counted.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn sizes(&self) -> Result<Vec<TableSize>, GraphError> {
        self.tables.sizes()
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

    /// The entities that begin at a vertex and ever had a version, with their open segments: its
    /// edges or facts, of one name or all.
    pub(crate) fn each_entity(
        &self,
        subject: VertexId,
        kind: Kind,
        name: Option<u32>,
        mut visit: impl FnMut(EntityKey, &[u8]) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let (least, most) = name.map_or((0, u32::MAX), |name| (name, name));
        let first = EntityKey::new(subject.0, kind, least, 0);
        let last = EntityKey::new(subject.0, kind, most, u64::MAX);
        for row in self.tables.heads.range::<&[u8; 21]>(&first.0..=&last.0)? {
            let (key, row) = row?;
            visit(EntityKey(*key.value()), row.value())?;
        }
        Ok(())
    }

    /// The edges of a vertex, in one direction, that may hold at some moment of a view: those that
    /// do, and perhaps others.
    pub(crate) fn near(
        &self,
        vertex: VertexId,
        is_incoming: bool,
        name: Option<u32>,
        view: &View,
    ) -> Result<Vec<EntityKey>, GraphError> {
        let list = ListKey::new(vertex.0, is_incoming);
        let (first, last) = view.window();
        let as_recorded = view.as_recorded.map(|position| position.0);
        let near = self.lists().near(&list, &Window { first, last, as_recorded }, name)?;
        Ok(near.into_iter().map(|(name, other)| list.edge(name, other)).collect())
    }

    /// The edges that end at a vertex and ever had a version.
    pub(crate) fn ever_incoming(&self, vertex: VertexId) -> Result<Vec<EntityKey>, GraphError> {
        let list = ListKey::new(vertex.0, true);
        let ever = self.lists().ever(&list)?;
        Ok(ever.into_iter().map(|(name, other)| list.edge(name, other)).collect())
    }

    fn lists(&self) -> Lists<'_> {
        let ReadTables { near, near_sealed, near_late, .. } = &self.tables;
        Lists { tails: near, sealed: near_sealed, late: near_late }
    }

    /// The first entity at or behind a key.
    pub(crate) fn first_entity(&self, at: &EntityKey) -> Result<Option<EntityKey>, GraphError> {
        let first = self.tables.heads.range::<&[u8; 21]>(&at.0..)?.next();
        Ok(first.transpose()?.map(|(key, _)| EntityKey(*key.value())))
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
        self.named(key, &mut Text::default())
    }

    /// The same for one of many, which mostly have the same name.
    pub(crate) fn named(&self, key: &EntityKey, text: &mut Text) -> Result<EntityId, GraphError> {
        let kind = key.kind().ok_or(GraphError::damaged("kind of entity"))?;
        if kind != Kind::Vertex && text.number != key.name() {
            *text = Text { number: key.name(), text: self.text(key.name())? };
        }
        let text = || text.text.clone();
        Ok(match kind {
            Kind::Vertex => EntityId::Vertex(key.subject()),
            Kind::Edge => EntityId::Edge { from: key.subject(), kind: text(), to: key.other() },
            Kind::Fact => EntityId::Fact { subject: key.subject(), predicate: text() },
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
