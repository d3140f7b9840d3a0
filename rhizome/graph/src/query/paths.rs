//! Simple paths between two vertices, the shortest first.
//!
//! For each length in turn, depth first from the beginning. How near vertices are to the end is
//! found breadth first from there, half a path deep: whoever is too far away for what is left of
//! the length is not entered. So the work is that of half a length from either side, plus the
//! paths themselves, and nothing is kept but the edges that were looked at.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use karyon_memory_ops::{Content, Time};

use super::Query;
use super::filter::Matter;
use super::walk::{Cut, Walk};
use crate::GraphError;
use crate::limits::{EDGES_LOOKED_AT_MAX, PATH_EDGES_MAX, PATHS_MAX};
use crate::model::{Direction, EntityId, Neighbour, Version, VertexId};

/// How does one get from here to there? See [`Ask::paths`](super::Ask::paths).
#[derive(Clone)]
pub struct Paths {
    pub(super) walk: Walk,
    from: VertexId,
    to: VertexId,
    max_length: usize,
    max_edges: usize,
    time_respecting: bool,
}

/// A way from one vertex to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Its edges in order, each with the vertex to which it leads and the version by which it was
    /// taken.
    pub steps: Vec<Neighbour>,
}

/// Ways from one vertex to another.
#[derive(Clone, Debug, PartialEq)]
pub struct PathsFound {
    /// They, the shortest first.
    pub paths: Vec<Path>,
    /// Why there may be more; `None`: these are all up to the greatest length. What was found
    /// comes before what was not.
    pub cut: Option<Cut>,
}

impl Paths {
    pub(super) fn between(from: VertexId, to: VertexId) -> Paths {
        Paths {
            walk: Walk::along(Direction::Out),
            from,
            to,
            max_length: PATH_EDGES_MAX,
            max_edges: EDGES_LOOKED_AT_MAX,
            time_respecting: false,
        }
    }
}

impl Query<'_, Paths> {
    /// Paths of at most so many edges.
    pub fn max_length(mut self, edges: usize) -> Self {
        self.question.max_length = edges;
        self
    }

    /// Stops when so many edges were looked at; one that is looked at again on another path
    /// counts again. The edges of one vertex are read together: they can be more.
    pub fn max_edges(mut self, edges: usize) -> Self {
        self.question.max_edges = edges;
        self
    }

    /// Only paths along which something could have been passed on: each edge is taken at the
    /// beginning of one of its versions, none earlier than the one before. Of an edge's versions
    /// those count that its [history](super::Ask::history) tells of at the times asked about, that
    /// are in force when they begin, and that match; the edge itself must hold, like on any path.
    /// Each edge is taken as early as it can be.
    ///
    /// Source: Kempe, Kleinberg and Kumar, "Connectivity and inference problems for temporal
    /// networks", 2002.
    pub fn time_respecting(mut self) -> Self {
        self.question.time_respecting = true;
        self
    }

    /// Answers it: [`PATHS_MAX`] paths unless a limit says otherwise. It has no pages.
    ///
    /// # Errors
    /// [`GraphError::Aged`], [`GraphError::Page`] for any page, and see [`GraphError`].
    pub fn fetch(&self) -> Result<PathsFound, GraphError> {
        self.ask.reader()?;
        self.behind(|_| None::<()>)?;
        let Paths { from, to, max_length, .. } = &self.question;
        let mut search = Search::new(self);
        if from != to {
            for length in 1..=*max_length {
                search.approach(length / 2)?;
                search.is_longer = false;
                search.go(length)?;
                if search.cut.is_some() || !search.is_longer {
                    break;
                }
            }
        }
        Ok(PathsFound { paths: search.paths, cut: search.cut })
    }
}

/// An edge that can be followed, and when.
struct Way {
    to: VertexId,
    edge: EntityId,
    /// The beginnings of its versions, in order; empty where time does not matter.
    begins: Vec<Time>,
}

/// A vertex on the path, and what of its edges was looked at.
struct Stand {
    vertex: VertexId,
    ways: Rc<[Way]>,
    next: usize,
    /// When it was reached, and by which edge; the beginning by none.
    since: Time,
    by: Option<EntityId>,
}

struct Search<'q, 'r> {
    query: &'q Query<'r, Paths>,
    limit: usize,
    back: Walk,
    ways: HashMap<VertexId, Rc<[Way]>>,
    /// How many edges vertices are away from the end, up to `near`.
    distances: HashMap<VertexId, usize>,
    near: usize,
    /// The vertices at that distance.
    frontier: Vec<VertexId>,
    looked_at: usize,
    paths: Vec<Path>,
    cut: Option<Cut>,
    /// Whether a longer path can be hoped for.
    is_longer: bool,
}

impl<'q, 'r> Search<'q, 'r> {
    fn new(query: &'q Query<'r, Paths>) -> Search<'q, 'r> {
        let to = query.question.to;
        Search {
            query,
            limit: query.limit.unwrap_or(PATHS_MAX),
            back: query.question.walk.back(),
            ways: HashMap::new(),
            distances: HashMap::from([(to, 0)]),
            near: 0,
            frontier: vec![to],
            looked_at: 0,
            paths: Vec::new(),
            cut: None,
            is_longer: false,
        }
    }

    /// Whether as much was done as is allowed; one more thing is about to be.
    fn is_spent(&mut self) -> bool {
        let max = self.query.question.max_edges;
        if self.looked_at >= max {
            self.cut = Some(Cut::Edges(max));
        }
        self.cut.is_some()
    }

    /// Finds out who is at most `near` edges away from the end.
    fn approach(&mut self, near: usize) -> Result<(), GraphError> {
        while self.near < near && !self.frontier.is_empty() {
            let mut next = Vec::new();
            for vertex in std::mem::take(&mut self.frontier) {
                if self.is_spent() {
                    return Ok(());
                }
                let (kind, view) = (self.back.kind.as_deref(), &self.query.ask.view);
                let edges =
                    self.query.ask.reader.neighbours(vertex, self.back.direction, kind, view)?;
                self.looked_at += edges.len();
                for edge in edges {
                    // An earlier version may match where the one that holds does not.
                    let follows =
                        self.query.question.time_respecting || self.query.follows(&edge, vertex)?;
                    if follows && !self.distances.contains_key(&edge.other) {
                        self.distances.insert(edge.other, self.near + 1);
                        next.push(edge.other);
                    }
                }
            }
            self.frontier = next;
            self.near += 1;
        }
        Ok(())
    }

    /// Finds the paths of one length.
    fn go(&mut self, length: usize) -> Result<(), GraphError> {
        let from = self.query.question.from;
        let mut path = vec![self.stand(from, Time::MIN, None)?];
        loop {
            if self.cut.is_some() {
                return Ok(());
            }
            let Some(stand) = path.last_mut() else { return Ok(()) };
            let (at, since) = (stand.next, stand.since);
            stand.next += 1;
            let ways = Rc::clone(&stand.ways);
            let Some(way) = ways.get(at) else {
                path.pop();
                continue;
            };
            if self.is_spent() {
                return Ok(());
            }
            self.looked_at += 1;
            let Some(then) = way.then(since) else { continue };
            if path.iter().any(|stand| stand.vertex == way.to) {
                continue;
            }
            let left = length - path.len();
            if way.to == self.query.question.to {
                if left == 0 {
                    self.found(&path, way, then)?;
                }
            } else if self.can_arrive(way.to, left) {
                path.push(self.stand(way.to, then, Some(way.edge.clone()))?);
            }
        }
    }

    /// Whether the end may be `left` edges away. Where it is not, but may be further, a longer
    /// path may lead there.
    fn can_arrive(&mut self, vertex: VertexId, left: usize) -> bool {
        let can = match self.distances.get(&vertex) {
            Some(distance) => *distance <= left,
            None if self.frontier.is_empty() => return false,
            None => left > self.near,
        };
        self.is_longer |= !can;
        can
    }

    fn stand(
        &mut self,
        vertex: VertexId,
        since: Time,
        by: Option<EntityId>,
    ) -> Result<Stand, GraphError> {
        let ways = match self.ways.entry(vertex) {
            Entry::Occupied(known) => Rc::clone(known.get()),
            Entry::Vacant(unknown) => {
                let (ways, looked_at) = self.query.ways(vertex)?;
                self.looked_at += looked_at;
                Rc::clone(unknown.insert(ways.into()))
            }
        };
        Ok(Stand { vertex, ways, next: 0, since, by })
    }

    fn found(&mut self, path: &[Stand], last: &Way, then: Time) -> Result<(), GraphError> {
        if self.paths.len() >= self.limit {
            self.cut = Some(Cut::Paths(self.limit));
            return Ok(());
        }
        let entered =
            path.iter().filter_map(|stand| Some((stand.by.as_ref()?, stand.vertex, stand.since)));
        let mut steps = Vec::with_capacity(path.len());
        for (edge, other, then) in entered.chain([(&last.edge, last.to, then)]) {
            let version = self.query.taken(edge, other, then)?;
            steps.push(Neighbour { edge: edge.clone(), other, version });
        }
        self.paths.push(Path { steps });
        Ok(())
    }
}

impl Way {
    /// When it can be taken first by who is here since then; `None`: no more.
    fn then(&self, since: Time) -> Option<Time> {
        if self.begins.is_empty() {
            return Some(since);
        }
        let next = self.begins.partition_point(|begin| *begin < since);
        self.begins.get(next).copied()
    }
}

impl Query<'_, Paths> {
    /// The edges of a vertex that can be followed, and how many were looked at for it.
    fn ways(&self, of: VertexId) -> Result<(Vec<Way>, usize), GraphError> {
        let Paths { walk, time_respecting, .. } = &self.question;
        if !time_respecting {
            let (edges, looked_at) = self.edges(walk, of)?;
            let way = |edge: Neighbour| Way { to: edge.other, edge: edge.edge, begins: Vec::new() };
            return Ok((edges.into_iter().map(way).collect(), looked_at));
        }
        let (reader, kind) = (self.ask.reader, walk.kind.as_deref());
        let (mut ways, mut looked_at) = (Vec::new(), 0);
        for edge in reader.neighbours(of, walk.direction, kind, &self.ask.view)? {
            let (versions, seen) = self.beginnings(&edge.edge, edge.other)?;
            looked_at += seen;
            let begins: Vec<Time> = versions.iter().map(|version| version.valid.from).collect();
            if !begins.is_empty() {
                ways.push(Way { to: edge.other, edge: edge.edge, begins });
            }
        }
        ways.sort_unstable_by(|a, b| (a.to, &a.edge).cmp(&(b.to, &b.edge)));
        Ok((ways, looked_at))
    }

    /// The versions of an edge to `end` that match and are in force when they begin, in order,
    /// and how many were looked at.
    fn beginnings(
        &self,
        edge: &EntityId,
        end: VertexId,
    ) -> Result<(Vec<Version>, usize), GraphError> {
        let history = self.ask.reader.history(edge, &self.ask.view)?;
        let looked_at = history.len();
        let mut beginnings: Vec<Version> = Vec::with_capacity(looked_at);
        for version in history {
            // Of those that begin at once the last one is in force.
            beginnings.pop_if(|last| last.valid.from == version.valid.from);
            beginnings.push(version);
        }
        let mut matching = Vec::with_capacity(beginnings.len());
        for version in beginnings {
            let is_there = version.content != Content::Ended;
            if is_there && self.holds(&Matter::towards(end, &version))? {
                matching.push(version);
            }
        }
        Ok((matching, looked_at))
    }

    /// The version by which an edge to `end` is taken then.
    fn taken(&self, edge: &EntityId, end: VertexId, then: Time) -> Result<Version, GraphError> {
        let version = if self.question.time_respecting {
            let (versions, _) = self.beginnings(edge, end)?;
            versions.into_iter().find(|version| version.valid.from == then)
        } else {
            self.ask.reader.get(edge, &self.ask.view)?
        };
        version.ok_or(GraphError::damaged("an edge that was followed"))
    }
}
