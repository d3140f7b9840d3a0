//! Questions about single entities and about all of a name.

use std::ops::ControlFlow;

use super::filter::Matter;
use super::page::{Page, Place, VersionPlace};
use super::{PageError, Query};
use crate::GraphError;
use crate::model::{EntityId, Kind, Version, VertexId};

/// Which versions of these hold? See [`Ask::get_all`](super::Ask::get_all).
#[derive(Clone)]
pub struct Entities(pub(super) Vec<EntityId>);

/// What versions has this? See [`Ask::history`](super::Ask::history).
#[derive(Clone)]
pub struct History(pub(super) EntityId);

/// What versions have these? See [`Ask::histories`](super::Ask::histories).
#[derive(Clone)]
pub struct Histories(pub(super) Vec<EntityId>);

/// What holds of this vertex? See [`Ask::facts`](super::Ask::facts).
#[derive(Clone)]
pub struct Facts(pub(super) VertexId);

/// What holds of this name? See [`Ask::list`](super::Ask::list).
#[derive(Clone)]
pub struct List {
    pub(super) kind: Kind,
    pub(super) name: String,
}

/// What stands behind one of them.
fn rest_of<'e>(all: &'e [EntityId], behind: &EntityId) -> Result<&'e [EntityId], GraphError> {
    let mut rest = all;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if first == behind {
            return Ok(rest);
        }
    }
    Err(PageError::OtherQuestion.into())
}

impl<Q> Query<'_, Q> {
    fn holds_of(&self, (entity, version): &(EntityId, Version)) -> Result<bool, GraphError> {
        self.holds(&Matter::of(entity, version))
    }
}

impl Query<'_, Entities> {
    /// Answers it.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`] where the page does not name one of them, and
    /// see [`GraphError`].
    pub fn fetch(&self) -> Result<Page<(EntityId, Version)>, GraphError> {
        let reader = self.ask.reader()?;
        let behind = self.behind(|place| match place {
            Place::Entity(entity) => Some(entity.clone()),
            _ => None,
        })?;
        let Entities(all) = &self.question;
        let rest = behind.map_or(Ok(all.as_slice()), |behind| rest_of(all, &behind))?;
        let found = rest.iter().filter_map(|entity| {
            let version = reader.get(entity, &self.ask.view).transpose()?;
            Some(version.map(|version| (entity.clone(), version)))
        });
        Page::fill(
            found,
            self.limit,
            |item| self.holds_of(item),
            |item| Place::Entity(item.0.clone()),
        )
    }
}

impl Query<'_, Histories> {
    /// Answers it.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`] where the page does not name one of them, and
    /// see [`GraphError`].
    pub fn fetch(&self) -> Result<Page<(EntityId, Version)>, GraphError> {
        let reader = self.ask.reader()?;
        let behind = self.behind(|place| match place {
            Place::Version(entity, version) => Some((entity.clone(), *version)),
            _ => None,
        })?;
        let Histories(all) = &self.question;
        // The one that was cut may have versions behind the cut; those in front are done.
        let rest = match &behind {
            None => all.as_slice(),
            Some((entity, _)) => {
                let behind = rest_of(all, entity)?.len();
                all.get(all.len() - behind - 1..).unwrap_or_default()
            }
        };
        let histories = rest.iter().flat_map(|entity| {
            let history = match reader.history(entity, &self.ask.view) {
                Ok(history) => history,
                Err(error) => return vec![Err(error)],
            };
            let cut = behind.as_ref().filter(|(of, _)| of == entity).map(|(_, version)| *version);
            let placed = VersionPlace::of(&history).into_iter().zip(history);
            placed
                .filter(|(place, _)| cut.is_none_or(|cut| *place > cut))
                .map(|(place, version)| Ok((place, (entity.clone(), version))))
                .collect()
        });
        let page = Page::fill(
            histories,
            self.limit,
            |(_, item)| self.holds_of(item),
            |(place, (entity, _))| Place::Version(entity.clone(), *place),
        )?;
        Ok(page.map(|(_, item)| item))
    }
}

impl Query<'_, History> {
    /// Answers it.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`] where the page is of another entity, and see
    /// [`GraphError`].
    pub fn fetch(&self) -> Result<Page<Version>, GraphError> {
        let histories = Query {
            ask: self.ask,
            question: Histories(vec![self.question.0.clone()]),
            filters: self.filters.clone(),
            limit: self.limit,
            after: self.after.clone(),
        };
        Ok(histories.fetch()?.map(|(_, version)| version))
    }
}

impl Query<'_, Facts> {
    /// Answers it.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`], and see [`GraphError`].
    pub fn fetch(&self) -> Result<Page<(EntityId, Version)>, GraphError> {
        let behind = self.behind(|place| match place {
            Place::Fact(fact) => Some(fact.clone()),
            _ => None,
        })?;
        let mut facts = self.ask.reader()?.facts(self.question.0, &self.ask.view)?;
        facts.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let rest = facts.into_iter().filter(|(fact, _)| behind.as_ref().is_none_or(|b| fact > b));
        Page::fill(
            rest.map(Ok),
            self.limit,
            |item| self.holds_of(item),
            |item| Place::Fact(item.0.clone()),
        )
    }
}

impl Query<'_, List> {
    /// Answers it. A page costs what is on it, and what lies between and does not match.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`], and see [`GraphError`].
    pub fn fetch(&self) -> Result<Page<(EntityId, Version)>, GraphError> {
        let List { kind, name } = &self.question;
        let behind = self.behind(|place| match place {
            Place::Listed(entity) => ends_if_listed(entity, *kind, name),
            _ => None,
        })?;
        let (reader, view) = (self.ask.reader()?, &self.ask.view);
        let mut page = Page::empty();
        reader.each_listed(*kind, name, view, behind, |entity, version| {
            let item = (entity, version);
            if !self.holds_of(&item)? {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(page.take(item, self.limit, |item| Place::Listed(item.0.clone())))
        })?;
        Ok(page)
    }

    /// How many match, whatever the limit and the page.
    ///
    /// # Errors
    /// [`GraphError::Aged`], and see [`GraphError`].
    pub fn count(&self) -> Result<u64, GraphError> {
        let (reader, List { kind, name }) = (self.ask.reader()?, &self.question);
        if self.filters.is_empty() {
            return reader.count(*kind, name, &self.ask.view);
        }
        let mut count = 0;
        reader.each_listed(*kind, name, &self.ask.view, None, |entity, version| {
            count += u64::from(self.holds_of(&(entity, version))?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }
}

/// Between which vertices an entity lies; `None`: it is not in the list of this name. A vertex
/// lies at itself, and may have lost its label since.
fn ends_if_listed(entity: &EntityId, kind: Kind, name: &str) -> Option<(VertexId, VertexId)> {
    const NOBODY: VertexId = VertexId(0);
    match (entity, kind) {
        (EntityId::Vertex(vertex), Kind::Vertex) => Some((*vertex, NOBODY)),
        (EntityId::Edge { from, kind, to }, Kind::Edge) => (kind == name).then_some((*from, *to)),
        (EntityId::Fact { subject, predicate }, Kind::Fact) => {
            (predicate == name).then_some((*subject, NOBODY))
        }
        (EntityId::Vertex(_) | EntityId::Edge { .. } | EntityId::Fact { .. }, _) => None,
    }
}
