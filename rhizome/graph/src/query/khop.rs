//! Vertices at most so many edges away, breadth first.

use std::collections::{BTreeMap, HashSet};

use super::Query;
use super::page::{Page, Place};
use super::walk::{Cut, Walk};
use crate::GraphError;
use crate::limits::{EDGES_LOOKED_AT_MAX, HOP_VERTICES_MAX};
use crate::model::{Direction, EntityId, Neighbour, Version, VertexId};

/// Who is near? See [`Ask::khop`](super::Ask::khop).
#[derive(Clone)]
pub struct Khop {
    pub(super) walk: Walk,
    from: Vec<VertexId>,
    hops: u32,
    max_vertices: usize,
    max_edges: usize,
}

/// A vertex that is near another.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The vertex.
    pub vertex: VertexId,
    /// How many edges away it is, at least 1.
    pub distance: u32,
    /// The edge by which it was met first: of those that lead to it from the distance before, the
    /// one from the vertex with the least number. These edges of all vertices are a tree.
    pub edge: EntityId,
    /// That edge's version that holds.
    pub version: Version,
}

/// Vertices that are near another.
#[derive(Clone, Debug, PartialEq)]
pub struct Hops {
    /// They, by distance and number.
    pub page: Page<Hop>,
    /// Why there may be more that were not looked for; `None`: all were found. What was found is
    /// nearer than what was not, or as near.
    pub cut: Option<Cut>,
}

impl Khop {
    pub(super) fn from(from: Vec<VertexId>, hops: u32) -> Khop {
        Khop {
            walk: Walk::along(Direction::Both),
            from,
            hops,
            max_vertices: HOP_VERTICES_MAX,
            max_edges: EDGES_LOOKED_AT_MAX,
        }
    }
}

impl Query<'_, Khop> {
    /// Stops looking when so many vertices are found, however the answer is cut into pages.
    pub fn max_vertices(mut self, vertices: usize) -> Self {
        self.question.max_vertices = vertices;
        self
    }

    /// Stops looking when so many edges were looked at. The edges of one vertex are looked at
    /// together: they can be more.
    pub fn max_edges(mut self, edges: usize) -> Self {
        self.question.max_edges = edges;
        self
    }

    /// Answers it. Each page is looked for from the beginning.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`], and see [`GraphError`].
    pub fn fetch(&self) -> Result<Hops, GraphError> {
        self.ask.reader()?;
        let behind = self.behind(|place| match place {
            Place::Hop(distance, vertex) => Some((*distance, *vertex)),
            _ => None,
        })?;
        let (hops, cut) = self.look()?;
        let rest =
            hops.into_iter().filter(|hop| behind.is_none_or(|b| (hop.distance, hop.vertex) > b));
        let place = |hop: &Hop| Place::Hop(hop.distance, hop.vertex);
        Ok(Hops { page: Page::fill(rest.map(Ok), self.limit, |_| Ok(true), place)?, cut })
    }

    /// All of them, as far as it is allowed.
    fn look(&self) -> Result<(Vec<Hop>, Option<Cut>), GraphError> {
        let Khop { walk, from, hops, max_vertices, max_edges } = &self.question;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let mut frontier = from.clone();
        frontier.sort_unstable();
        let mut met: HashSet<VertexId> = frontier.iter().copied().collect();
        for distance in 1..=*hops {
            let mut here = BTreeMap::new();
            let mut cut = None;
            'level: for vertex in &frontier {
                if looked_at >= *max_edges {
                    cut = Some(Cut::Edges(*max_edges));
                    break;
                }
                let (edges, looked) = self.edges(walk, *vertex)?;
                looked_at += looked;
                for Neighbour { edge, other, version } in edges {
                    if met.contains(&other) {
                        continue;
                    }
                    if found.len() + here.len() >= *max_vertices {
                        cut = Some(Cut::Vertices(*max_vertices));
                        break 'level;
                    }
                    met.insert(other);
                    here.insert(other, Hop { vertex: other, distance, edge, version });
                }
            }
            frontier = here.keys().copied().collect();
            found.extend(here.into_values());
            if cut.is_some() || frontier.is_empty() {
                return Ok((found, cut));
            }
        }
        Ok((found, None))
    }
}
