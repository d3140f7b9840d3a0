//! Questions to the graph: what holds, at which valid time, as recorded up to where.

use std::ops::{Bound, ControlFlow};

use karyon_memory_ops::Time;
use karyon_types::{LogId, Position};

use crate::GraphError;
use crate::heads::Heads;
use crate::keys::{self, EntityKey};
use crate::meta::{Imported, Meta};
use crate::model::{
    At, Direction, EntityId, FIRST_FOREIGN, Kind, Neighbour, Origin, Version, VertexId, View,
};
use crate::reader::{Reader, Text};
use crate::timeline::Timeline;
use crate::walk::Span;

/// A version as it is stored.
pub(crate) struct Stored {
    pub(crate) meta: Meta,
    pub(crate) content: Vec<u8>,
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
        let span = Span { first, last, as_recorded: view.as_recorded };
        self.walk(&key, &span, |meta, content| {
            if meta.from < first && timeline.is_full() {
                return ControlFlow::Break(());
            }
            let is_in_force = timeline.add(&meta.valid()).is_some();
            if meta.from >= first || is_in_force {
                versions.push(Stored { meta: *meta, content: content.to_vec() });
            }
            ControlFlow::Continue(())
        })?;
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
        self.each_entity(subject, Kind::Fact, None, |key, head| {
            if let Some(stored) = self.holding_from(head, &key, view)? {
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
        let (mut heads, mut text) = (Heads::new(&self.tables.heads), Text::default());
        let mut add = |key: &EntityKey, other: VertexId| {
            let Some(head) = heads.get(key)? else { return Ok(()) };
            if let Some(stored) = self.holding_from(head.value(), key, view)? {
                let (edge, version) = (self.named(key, &mut text)?, self.version(&stored)?);
                neighbours.push(Neighbour { edge, other, version });
            }
            Ok::<_, GraphError>(())
        };
        if matches!(direction, Direction::Out | Direction::Both) {
            for key in self.near(vertex, false, name, view)? {
                add(&key, key.other())?;
            }
        }
        if matches!(direction, Direction::In | Direction::Both) {
            for key in self.near(vertex, true, name, view)? {
                // Met among those that begin here.
                let met = direction == Direction::Both && key.subject() == vertex;
                if !met {
                    add(&key, key.subject())?;
                }
            }
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
            self.each_entity(vertex, kind, None, |key, _| {
                entities.push(self.entity_id(&key)?);
                Ok(())
            })?;
        }
        for key in self.ever_incoming(vertex)? {
            // An edge from the vertex to itself is among those that begin at it.
            if key.subject() != vertex {
                entities.push(self.entity_id(&key)?);
            }
        }
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
        let mut text = Text::default();
        self.each_holding(Whose::Own, kind, name, view, behind, |key, stored| {
            visit(self.named(key, &mut text)?, self.version(stored)?)
        })
    }

    /// What came in engrams of what [`list`](Reader::list) tells of this log.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn list_imported(
        &self,
        kind: Kind,
        name: &str,
        view: &View,
    ) -> Result<Vec<(EntityId, Version)>, GraphError> {
        let (mut list, mut text) = (Vec::new(), Text::default());
        self.each_holding(Whose::Imported, kind, name, view, None, |key, stored| {
            list.push((self.named(key, &mut text)?, self.version(stored)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(list)
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
        let mut heads = Heads::new(&self.tables.heads);
        for row in self.tables.by_name.range::<&[u8; 21]>((first.as_ref(), last.as_ref()))? {
            let key = keys::entity_of_by_name(kind, row?.0.value());
            let Some(head) = heads.get(&key)? else { continue };
            let Some(stored) = self.holding_from(head.value(), &key, view)? else { continue };
            let has_name = match kind {
                Kind::Edge | Kind::Fact => true,
                // It has had the label at some time.
                Kind::Vertex => {
                    stored.meta.content(&stored.content).labels().any(|label| label == name)
                }
            };
            if has_name && visit(&key, &stored)?.is_break() {
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
        match self.tables.heads.get(&entity.0)? {
            None => Ok(None),
            Some(head) => self.holding_from(head.value(), entity, view),
        }
    }

    /// The same for an entity whose open segment was read already.
    fn holding_from(
        &self,
        head: &[u8],
        entity: &EntityKey,
        view: &View,
    ) -> Result<Option<Stored>, GraphError> {
        let (first, last) = view.window();
        let span = Span { first, last, as_recorded: view.as_recorded };
        if first == last {
            return self.holding_at(head, entity, &span);
        }
        let mut timeline = Timeline::new(first, last);
        let mut best: Option<(i128, Stored)> = None;
        self.walk_from(head, entity, &span, |meta, content| {
            if timeline.is_full() {
                return ControlFlow::Break(());
            }
            // The last moment at which it is in force.
            let Some(moment) = timeline.add(&meta.valid()) else {
                return ControlFlow::Continue(());
            };
            if !meta.ended() && best.as_ref().is_none_or(|(best, _)| *best < moment) {
                best = Some((moment, Stored { meta: *meta, content: content.to_vec() }));
                if timeline.is_last(moment) {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(best.map(|(_, stored)| stored))
    }

    /// The same for a single moment: the first one that is met is the one.
    fn holding_at(
        &self,
        head: &[u8],
        entity: &EntityKey,
        span: &Span,
    ) -> Result<Option<Stored>, GraphError> {
        let mut found = None;
        self.walk_from(head, entity, span, |meta, content| {
            if !meta.valid().contains(span.first) {
                return ControlFlow::Continue(());
            }
            if !meta.ended() {
                found = Some(Stored { meta: *meta, content: content.to_vec() });
            }
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    pub(crate) fn version(&self, stored: &Stored) -> Result<Version, GraphError> {
        let Stored { meta, content } = stored;
        let content = meta.content(content).decode().ok_or(GraphError::damaged("a memory"))?;
        let recorded = meta.recorded_at().ok_or(GraphError::damaged("an output"))?;
        let origin = match meta.imported {
            None => None,
            Some(Imported { position, .. }) => {
                let import = self.tables.imports.get(position)?;
                let import = import.ok_or(GraphError::damaged("no such import"))?;
                let parts = import.value().split_first_chunk::<16>();
                let (log, root) = parts.ok_or(GraphError::damaged("import"))?;
                Some(Origin { log: LogId(*log), root: root.to_vec() })
            }
        };
        let position = Position(meta.recorded());
        Ok(Version { valid: meta.valid(), content, position, recorded, origin })
    }
}
