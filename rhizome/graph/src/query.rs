//! The query language: a question is put together, and then answered by one held view.
//!
//! [`Reader::ask`] begins with what is true now as known now; [`Ask::at`], [`Ask::between`] and
//! [`Ask::as_recorded`] move it in either time. An [`Ask`] is a small copy, so one can be kept
//! and asked again and again. Each question on it is either answered at once ([`Ask::get`]) or
//! is a [`Query`] that can be narrowed first: by [`filter`](Query::filter), by
//! [`limit`](Query::limit) and [`after`](Query::after), and by what the question itself knows,
//! such as [`outgoing`](Query::outgoing). `fetch` answers it.
//!
//! Whatever is asked, the answer has one order, which its question states; it depends on the log
//! alone, so pages of different views and of a memory that was built again fit together.
//!
//! Built on the questions of [`Reader`]; it knows nothing of the file's layout. What those
//! gather, it filters and cuts: a limit bounds the answer, not the edges of a hub that are read
//! for it. Only a list is read no further than its page.

mod diff;
mod entities;
mod filter;
mod held;
mod khop;
mod neighbours;
mod page;
mod paths;
mod walk;

use karyon_memory_ops::Time;
use karyon_types::Position;

pub use diff::{Change, Diff, Difference};
pub use entities::{Entities, Facts, Histories, History, List};
pub use filter::{Comparison, Filter, Property, labelled, other, property};
pub(crate) use held::Held;
pub use khop::{Hop, Hops, Khop};
pub use neighbours::Neighbours;
pub use page::{Page, PageError, PageToken};
pub use paths::{Path, Paths, PathsFound};
pub use walk::Cut;

use crate::GraphError;
use crate::model::{At, EntityId, Kind, Version, VertexId, View};
use crate::reader::Reader;
use filter::{Matter, holds_all};
use page::Place;

/// A view of the graph, and the times at which it is asked.
#[derive(Clone, Copy)]
pub struct Ask<'r> {
    reader: &'r Reader,
    view: View,
}

/// A question that can be narrowed before it is answered. `Q` says what is asked.
#[derive(Clone)]
#[must_use = "a question is answered by its `fetch`"]
pub struct Query<'r, Q> {
    ask: Ask<'r>,
    question: Q,
    filters: Vec<Filter>,
    limit: Option<usize>,
    after: Option<PageToken>,
}

impl Reader {
    /// Begins a question: what is true now, as known now. That is what holds if nothing more is
    /// written ([`At::Now`]), by all that this view knows.
    ///
    /// ```
    /// # fn near(reader: &karyon_graph::Reader, noon: karyon_memory_ops::Time) -> Result<(), karyon_graph::GraphError> {
    /// use karyon_graph::{labelled, other, property};
    ///
    /// let ask = reader.ask().at(noon);
    /// for ada in reader.vertices_named("ada")? {
    ///     let often = property("count").ge(3).and(other(labelled("person")));
    ///     let page = ask.neighbours(ada.id).outgoing().of_type("contact").filter(often).limit(20).fetch()?;
    ///     for neighbour in page.items {
    ///         println!("{:?} since {}", neighbour.other, neighbour.version.valid.from);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn ask(&self) -> Ask<'_> {
        Ask { reader: self, view: View::NOW }
    }
}

impl<'r> Ask<'r> {
    /// What is true at a moment.
    #[must_use]
    pub fn at(self, moment: Time) -> Ask<'r> {
        self.over(At::Moment(moment))
    }

    /// What is true at some moment from `first` to `last`, both included.
    #[must_use]
    pub fn between(self, first: Time, last: Time) -> Ask<'r> {
        self.over(At::Between(first, last))
    }

    /// The same as it was recorded up to `position`, that record included.
    #[must_use]
    pub fn as_recorded(self, position: Position) -> Ask<'r> {
        Ask { view: self.view.as_recorded(position), ..self }
    }

    /// The same at the times that `view` says.
    #[must_use]
    pub fn with(self, view: View) -> Ask<'r> {
        Ask { view, ..self }
    }

    /// When it is asked about, and as recorded up to where.
    pub fn view(self) -> View {
        self.view
    }

    /// The version of an entity that holds; over a part of time the last one that held. `None`:
    /// it is not there.
    ///
    /// # Errors
    /// [`GraphError::Aged`], and see [`GraphError`].
    pub fn get(self, entity: &EntityId) -> Result<Option<Version>, GraphError> {
        self.reader()?.get(entity, &self.view)
    }

    /// The versions of several entities that hold, in the order in which the entities are given.
    pub fn get_all(self, entities: &[EntityId]) -> Query<'r, Entities> {
        self.query(Entities(entities.to_vec()))
    }

    /// The versions of an entity, in the order in which they begin: see [`Reader::history`] for
    /// which ones.
    pub fn history(self, entity: &EntityId) -> Query<'r, History> {
        self.query(History(entity.clone()))
    }

    /// The [histories](Ask::history) of several entities, one after the other.
    pub fn histories(self, entities: &[EntityId]) -> Query<'r, Histories> {
        self.query(Histories(entities.to_vec()))
    }

    /// The facts about a vertex that hold, by predicate.
    pub fn facts(self, subject: VertexId) -> Query<'r, Facts> {
        self.query(Facts(subject))
    }

    /// The own entities of a name that hold, by number: vertices with a label, edges of a type,
    /// facts with a predicate.
    pub fn list(self, kind: Kind, name: &str) -> Query<'r, List> {
        self.query(List { kind, name: name.to_owned() })
    }

    /// The edges of a vertex that hold, in either direction unless told otherwise: first those
    /// that begin at it, then those that end at it, each by type and by the number of the other
    /// end.
    pub fn neighbours(self, vertex: VertexId) -> Query<'r, Neighbours> {
        self.neighbours_of(&[vertex])
    }

    /// The [neighbours](Ask::neighbours) of several vertices, one after the other. An edge between
    /// two of them is told of twice.
    pub fn neighbours_of(self, vertices: &[VertexId]) -> Query<'r, Neighbours> {
        self.query(Neighbours::of(vertices.to_vec()))
    }

    /// The vertices that are at most `hops` edges away, each once with its distance: breadth
    /// first, at each distance by number. Along edges in either direction unless told otherwise.
    pub fn khop(self, vertex: VertexId, hops: u32) -> Query<'r, Khop> {
        self.khop_of(&[vertex], hops)
    }

    /// Like [`khop`](Ask::khop), with the distances from the nearest of several vertices.
    pub fn khop_of(self, vertices: &[VertexId], hops: u32) -> Query<'r, Khop> {
        self.query(Khop::from(vertices.to_vec(), hops))
    }

    /// The simple paths from one vertex to another: along edges that begin where the one before
    /// ended unless told otherwise, no vertex twice. The shortest first; of equal length by the
    /// numbers of their vertices, then by the types of their edges. None from a vertex to itself.
    pub fn paths(self, from: VertexId, to: VertexId) -> Query<'r, Paths> {
        self.query(Paths::between(from, to))
    }

    /// How what holds at `after` differs from what holds at `before`, as recorded up to where
    /// this asks: what appeared, what ended, what changed. Of all own entities unless told
    /// otherwise; vertices first, then edges, then facts, each by name and by number.
    pub fn diff(self, before: Time, after: Time) -> Query<'r, Diff> {
        self.query(Diff::between(self.at(before).view, self.at(after).view))
    }

    /// Like [`diff`](Ask::diff), from this one's times to those of `after`: with two different
    /// records, what was learned in between.
    pub fn diff_to(self, after: View) -> Query<'r, Diff> {
        self.query(Diff::between(self.view, after))
    }

    fn over(self, at: At) -> Ask<'r> {
        Ask { view: View { at, ..self.view }, ..self }
    }

    /// The view, unless it is too old.
    fn reader(self) -> Result<&'r Reader, GraphError> {
        self.reader.held.check()?;
        Ok(self.reader)
    }

    fn query<Q>(self, question: Q) -> Query<'r, Q> {
        Query { ask: self, question, filters: Vec::new(), limit: None, after: None }
    }
}

impl<Q> Query<'_, Q> {
    /// Only what matches; of several filters all. Edges that do not match are not followed
    /// either. A difference matches if what was or what is now does.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// At most so many in one answer; none is one, since a page that holds nothing leads nowhere.
    pub fn limit(mut self, items: usize) -> Self {
        self.limit = Some(items.max(1));
        self
    }

    /// Only what comes behind a page: its [`next`](Page::next). On a newer view this may tell of
    /// what was not there when the page was made; nothing comes twice.
    pub fn after(mut self, page: &PageToken) -> Self {
        self.after = Some(page.clone());
        self
    }

    /// Whether something matches.
    fn holds(&self, matter: &Matter<'_>) -> Result<bool, GraphError> {
        holds_all(&self.filters, self.ask, matter)
    }

    /// The place behind which the answer goes on, as `read` understands it.
    fn behind<T>(&self, read: impl Fn(&Place) -> Option<T>) -> Result<Option<T>, GraphError> {
        let Some(PageToken(place)) = &self.after else { return Ok(None) };
        Ok(Some(read(place).ok_or(PageError::OtherQuestion)?))
    }
}

/// Which edges are followed, for the questions that follow edges.
macro_rules! along_edges {
    ($($question:ident),*) => {
        $(impl Query<'_, $question> {
            /// Along edges that begin here.
            pub fn outgoing(mut self) -> Self {
                self.question.walk.direction = crate::model::Direction::Out;
                self
            }

            /// Along edges that end here.
            pub fn incoming(mut self) -> Self {
                self.question.walk.direction = crate::model::Direction::In;
                self
            }

            /// Along edges in either direction.
            pub fn both(mut self) -> Self {
                self.question.walk.direction = crate::model::Direction::Both;
                self
            }

            /// Along edges of one type only.
            pub fn of_type(mut self, kind: &str) -> Self {
                self.question.walk.kind = Some(kind.to_owned());
                self
            }
        })*
    };
}

along_edges!(Neighbours, Khop, Paths);
