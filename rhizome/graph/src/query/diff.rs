//! What is different between two views.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::Query;
use super::filter::Matter;
use super::page::{Page, Place};
use crate::GraphError;
use crate::model::{EntityId, Kind, Version, VertexId, View};

/// What is different? See [`Ask::diff`](super::Ask::diff).
#[derive(Clone)]
pub struct Diff {
    before: View,
    after: View,
    of: Vec<VertexId>,
    named: Option<(Kind, String)>,
}

/// An entity that is different.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The entity.
    pub entity: EntityId,
    /// What happened to it.
    pub change: Change,
}

/// What happened to an entity. What was written again, and says the same, is no change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It was not there.
    Appeared(Version),
    /// It is no longer there; this is what it was like.
    Ended(Version),
    /// Its labels or properties are others.
    Changed {
        /// What it was like.
        before: Version,
        /// What it is like.
        after: Version,
    },
}

impl Diff {
    pub(super) fn between(before: View, after: View) -> Diff {
        Diff { before, after, of: Vec::new(), named: None }
    }
}

impl Change {
    /// The version before and the one after.
    pub fn versions(&self) -> (Option<&Version>, Option<&Version>) {
        match self {
            Change::Appeared(after) => (None, Some(after)),
            Change::Ended(before) => (Some(before), None),
            Change::Changed { before, after } => (Some(before), Some(after)),
        }
    }
}

/// An entity with what holds of it before and after.
type Both = (EntityId, Option<Version>, Option<Version>);

/// The order of differences: kind, name, number.
fn key(entity: &EntityId) -> (Kind, &str, &EntityId) {
    let (kind, name) = group(entity);
    (kind, name, entity)
}

fn group(entity: &EntityId) -> (Kind, &str) {
    match entity {
        EntityId::Vertex(_) => (Kind::Vertex, ""),
        EntityId::Edge { kind, .. } => (Kind::Edge, kind),
        EntityId::Fact { predicate, .. } => (Kind::Fact, predicate),
    }
}

impl Query<'_, Diff> {
    /// Only of what is about a vertex: itself, its facts, the edges that begin or end at it; said
    /// of several, what is about any of them. This can be an imported one.
    pub fn of(mut self, vertex: VertexId) -> Self {
        self.question.of.push(vertex);
        self
    }

    /// Only of a name: vertices that have the label before or after, edges of the type, facts with
    /// the predicate.
    pub fn named(mut self, kind: Kind, name: &str) -> Self {
        self.question.named = Some((kind, name.to_owned()));
        self
    }

    /// Answers it.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`], and see [`GraphError`].
    pub fn fetch(&self) -> Result<Page<Difference>, GraphError> {
        self.ask.reader()?;
        let behind = self.behind(|place| match place {
            Place::Changed(entity) => Some(entity.clone()),
            _ => None,
        })?;
        let is_left = |entity: &EntityId| behind.as_ref().is_none_or(|b| key(entity) > key(b));
        let mut groups = self.groups()?;
        groups.retain(|group| behind.as_ref().is_none_or(|b| !group.is_before(b)));
        let found = groups.into_iter().flat_map(|group| {
            let both = match self.both(&group) {
                Ok(both) => both,
                Err(error) => return vec![Err(error)],
            };
            both.into_iter()
                .filter(|(entity, ..)| is_left(entity))
                .filter_map(|both| Some(Ok(differs(both)?)))
                .collect()
        });
        Page::fill(
            found,
            self.limit,
            |found| self.matches(found),
            |found| Place::Changed(found.entity.clone()),
        )
    }

    /// What is compared, in order, so that a page needs no more than what it shows.
    fn groups(&self) -> Result<Vec<Group>, GraphError> {
        let Diff { of, named, .. } = &self.question;
        if !of.is_empty() {
            return Ok(vec![Group::Of(of.clone())]);
        }
        if let Some((kind, name)) = named {
            return Ok(vec![Group::Named(*kind, name.clone())]);
        }
        let mut groups = vec![Group::Vertices];
        for kind in [Kind::Edge, Kind::Fact] {
            let names = self.ask.reader.names(kind)?;
            groups.extend(names.into_iter().map(|name| Group::Named(kind, name)));
        }
        Ok(groups)
    }

    /// The entities of a group that are there before or after, in order.
    fn both(&self, group: &Group) -> Result<Vec<Both>, GraphError> {
        let (reader, Diff { before, after, named, .. }) = (self.ask.reader, &self.question);
        let both_of = |entity: EntityId| {
            let versions = (reader.get(&entity, before)?, reader.get(&entity, after)?);
            Ok((entity, versions.0, versions.1))
        };
        match group {
            Group::Vertices => {
                let mut vertices = Vec::new();
                reader.each_own(|id| {
                    vertices.push(id);
                    Ok(())
                })?;
                vertices.sort_unstable();
                vertices.into_iter().map(|id| both_of(EntityId::Vertex(id))).collect()
            }
            Group::Named(kind, name) => {
                let before = reader.list(*kind, name, before)?;
                let after = reader.list(*kind, name, after)?;
                let both = Merge {
                    before: before.into_iter().peekable(),
                    after: after.into_iter().peekable(),
                };
                match kind {
                    Kind::Edge | Kind::Fact => Ok(both.collect()),
                    // One that is not listed may be there without the label.
                    Kind::Vertex => both.map(|(entity, ..)| both_of(entity)).collect(),
                }
            }
            Group::Of(vertices) => {
                let mut entities = Vec::new();
                for vertex in vertices {
                    entities.append(&mut reader.entities_of(*vertex)?);
                }
                entities.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
                entities.dedup();
                let mut both = entities.into_iter().map(both_of).collect::<Result<Vec<_>, _>>()?;
                both.retain(|both| {
                    named.as_ref().is_none_or(|(kind, name)| has_name(both, *kind, name))
                });
                Ok(both)
            }
        }
    }

    fn matches(&self, Difference { entity, change }: &Difference) -> Result<bool, GraphError> {
        let (before, after) = change.versions();
        for version in [before, after].into_iter().flatten() {
            if self.holds(&Matter::of(entity, version))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Entities that are compared together.
enum Group {
    /// All own vertices.
    Vertices,
    /// The own entities of a name.
    Named(Kind, String),
    /// All that is about any of these.
    Of(Vec<VertexId>),
}

impl Group {
    /// Whether all of it comes before an entity in order.
    fn is_before(&self, entity: &EntityId) -> bool {
        match self {
            Group::Vertices => group(entity).0 > Kind::Vertex,
            Group::Named(Kind::Vertex, _) | Group::Of(_) => false,
            Group::Named(kind, name) => (*kind, name.as_str()) < group(entity),
        }
    }
}

/// Whether an entity is of a name before or after.
fn has_name((entity, before, after): &Both, kind: Kind, name: &str) -> bool {
    use karyon_memory_ops::Content;
    match kind {
        Kind::Edge | Kind::Fact => group(entity) == (kind, name),
        Kind::Vertex => {
            let has_label = |version: &Version| match &version.content {
                Content::Present { labels, .. } => labels.contains(name),
                Content::Ended => false,
            };
            matches!(entity, EntityId::Vertex(_))
                && [before, after].into_iter().flatten().any(has_label)
        }
    }
}

fn differs((entity, before, after): Both) -> Option<Difference> {
    let change = match (before, after) {
        (None, None) => return None,
        (None, Some(after)) => Change::Appeared(after),
        (Some(before), None) => Change::Ended(before),
        (Some(before), Some(after)) if before.content == after.content => return None,
        (Some(before), Some(after)) => Change::Changed { before, after },
    };
    Some(Difference { entity, change })
}

/// Two lists in order as one.
struct Merge {
    before: Peekable<IntoIter<(EntityId, Version)>>,
    after: Peekable<IntoIter<(EntityId, Version)>>,
}

impl Iterator for Merge {
    type Item = Both;

    fn next(&mut self) -> Option<Both> {
        let order = match (self.before.peek(), self.after.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((before, _)), Some((after, _))) => before.cmp(after),
        };
        let before = if order.is_le() { self.before.next() } else { None };
        let after = if order.is_ge() { self.after.next() } else { None };
        let (before, after) = (before.unzip(), after.unzip());
        Some((before.0.or(after.0)?, before.1, after.1))
    }
}
