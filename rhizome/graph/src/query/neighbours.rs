//! The edges of vertices.

use std::cmp::Ordering;

use super::Query;
use super::filter::Matter;
use super::page::{Page, PageError, Place};
use super::walk::Walk;
use crate::GraphError;
use crate::model::{Direction, EntityId, Neighbour, VertexId};

/// Which edges have these? See [`Ask::neighbours`](super::Ask::neighbours).
#[derive(Clone)]
pub struct Neighbours {
    pub(super) walk: Walk,
    of: Vec<VertexId>,
}

/// An edge of one of the vertices.
struct Found {
    of: VertexId,
    /// Whether it is told of as one that ends there.
    incoming: bool,
    neighbour: Neighbour,
}

impl Neighbours {
    pub(super) fn of(vertices: Vec<VertexId>) -> Neighbours {
        Neighbours { walk: Walk::along(Direction::Both), of: vertices }
    }
}

impl Found {
    fn place(&self) -> Place {
        Place::Neighbour(self.of, self.incoming, self.neighbour.edge.clone())
    }
}

/// The order of one vertex's edges.
fn order(a: (bool, &EntityId), b: (bool, &EntityId)) -> Ordering {
    fn key((incoming, edge): (bool, &EntityId)) -> (bool, &str, Option<VertexId>) {
        match edge {
            EntityId::Edge { from, kind, to } => {
                (incoming, kind, Some(if incoming { *from } else { *to }))
            }
            EntityId::Vertex(_) | EntityId::Fact { .. } => (incoming, "", None),
        }
    }
    key(a).cmp(&key(b))
}

impl Query<'_, Neighbours> {
    /// Answers it.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`] where the page does not name one of the
    /// vertices, and see [`GraphError`].
    pub fn fetch(&self) -> Result<Page<Neighbour>, GraphError> {
        self.ask.reader()?;
        let behind = self.behind(|place| match place {
            Place::Neighbour(of, incoming, edge) => Some((*of, *incoming, edge.clone())),
            _ => None,
        })?;
        let all = self.question.of.as_slice();
        let rest = match &behind {
            None => all,
            Some((of, ..)) => {
                let at = all.iter().position(|vertex| vertex == of);
                at.and_then(|at| all.get(at..)).ok_or(PageError::OtherQuestion)?
            }
        };
        let found = rest.iter().flat_map(|of| {
            let found = match self.found(*of) {
                Ok(found) => found,
                Err(error) => return vec![Err(error)],
            };
            let cut = behind.as_ref().filter(|(cut, ..)| cut == of);
            let is_behind = |found: &Found| {
                cut.is_none_or(|(_, incoming, edge)| {
                    let here = (found.incoming, &found.neighbour.edge);
                    order(here, (*incoming, edge)) == Ordering::Greater
                })
            };
            found.into_iter().filter(is_behind).map(Ok).collect()
        });
        let page = Page::fill(found, self.limit, |found| self.matches(found), Found::place)?;
        Ok(page.map(|found| found.neighbour))
    }

    /// How many match, whatever the limit and the page.
    ///
    /// # Errors
    /// [`GraphError::Aged`], and see [`GraphError`].
    pub fn count(&self) -> Result<u64, GraphError> {
        self.ask.reader()?;
        let mut count = 0;
        for of in &self.question.of {
            for found in self.found(*of)? {
                count += u64::from(self.matches(&found)?);
            }
        }
        Ok(count)
    }

    /// The edges of a vertex that hold, in order, whether or not they match.
    fn found(&self, of: VertexId) -> Result<Vec<Found>, GraphError> {
        let Walk { direction, kind } = &self.question.walk;
        let edges = self.ask.reader.neighbours(of, *direction, kind.as_deref(), &self.ask.view)?;
        let mut found: Vec<Found> = edges
            .into_iter()
            .map(|neighbour| {
                let begins_here =
                    matches!(&neighbour.edge, EntityId::Edge { from, .. } if *from == of);
                let incoming = *direction == Direction::In || !begins_here;
                Found { of, incoming, neighbour }
            })
            .collect();
        found.sort_unstable_by(|a, b| {
            order((a.incoming, &a.neighbour.edge), (b.incoming, &b.neighbour.edge))
        });
        Ok(found)
    }

    fn matches(&self, found: &Found) -> Result<bool, GraphError> {
        let Neighbour { other, version, .. } = &found.neighbour;
        self.holds(&Matter::towards(*other, version))
    }
}
