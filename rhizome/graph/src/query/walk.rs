//! The edges that a question follows.

use super::Query;
use super::filter::Matter;
use crate::GraphError;
use crate::model::{Direction, Neighbour, VertexId};

/// Why an answer about many vertices is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// As many vertices were found as were allowed.
    Vertices(usize),
    /// As many edges were looked at as were allowed.
    Edges(usize),
    /// As many paths were found as were allowed, and there is one more.
    Paths(usize),
}

/// Which edges of a vertex are followed.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) direction: Direction,
    pub(super) kind: Option<String>,
}

impl Walk {
    pub(super) fn along(direction: Direction) -> Walk {
        Walk { direction, kind: None }
    }

    /// The same the other way.
    pub(super) fn back(&self) -> Walk {
        let direction = match self.direction {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
            Direction::Both => Direction::Both,
        };
        Walk { direction, kind: self.kind.clone() }
    }
}

impl<Q> Query<'_, Q> {
    /// The edges of a vertex that hold and are followed, by the number of the other end and by
    /// type; and how many were looked at for it.
    pub(super) fn edges(
        &self,
        walk: &Walk,
        of: VertexId,
    ) -> Result<(Vec<Neighbour>, usize), GraphError> {
        let (reader, kind) = (self.ask.reader, walk.kind.as_deref());
        let mut edges = reader.neighbours(of, walk.direction, kind, &self.ask.view)?;
        let looked_at = edges.len();
        if !self.filters.is_empty() {
            let all = std::mem::take(&mut edges);
            for edge in all {
                if self.follows(&edge, edge.other)? {
                    edges.push(edge);
                }
            }
        }
        edges.sort_unstable_by(|a, b| (a.other, &a.edge).cmp(&(b.other, &b.edge)));
        Ok((edges, looked_at))
    }

    /// Whether an edge is followed to `end`.
    pub(super) fn follows(&self, edge: &Neighbour, end: VertexId) -> Result<bool, GraphError> {
        self.holds(&Matter::towards(end, &edge.version))
    }
}
