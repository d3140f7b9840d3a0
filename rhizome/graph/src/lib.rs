//! The temporal graph: memory as a projection of the log, in redb.
//!
//! The log is the truth. A [`Graph`] holds what the memories in it say, in a form that answers
//! questions; delete its file, read the log again ([`Graph::catch_up`]), and all answers and the
//! [`memory_root`](Reader::memory_root) are the same. It is written by nobody else.
//!
//! # What is in it
//! Each write is one version of an entity: a vertex, an edge (one for each pair of vertices and
//! type), or a fact (one for each vertex and predicate). An agent's vertex begins with its spawn
//! record: valid from always, labelled with the agent's kind. A memory whose bytes cannot be read
//! is counted ([`Reader::unreadable`]) and left out. No version is ever overwritten or removed.
//!
//! # The rule of reading
//! A [`View`] says which part of valid time is asked about, and up to which record what is
//! recorded counts (transaction time, included).
//!
//! *At a moment T, as recorded up to R*: of the entity's versions whose transaction time here
//! ([`Version::position`]) is at most R and whose valid time contains T, the one with the largest
//! (valid from, position, output) is in force; position and output are those of the log that it
//! comes from ([`Version::recorded`]), which for own ones are those here. If it says that the
//! entity ended, the entity is not there. `Now` is the end of time.
//!
//! *Between T1 and T2*, both included (SQL:2011, `BETWEEN`): what held at some moment of it.
//! [`get`](Reader::get) gives the version that held last, [`neighbours`](Reader::neighbours),
//! [`facts`](Reader::facts) and [`count`](Reader::count) the entities that held at some moment. A
//! version is in force from its beginning until a version behind it begins, and again when that
//! one has an end and reaches it.
//!
//! A [`history`](Reader::history) is about versions rather than moments: of `Now` all of them, of
//! a moment those that had begun, of a part of time those that began in it or were in force.
//!
//! # Imports
//! What an engram brings lies under vertices of its own, one namespace for each log of origin,
//! and never changes an answer about own ones. Everybody whom its manifest names has a vertex with
//! that name; of several names for one agent the least stays. The same memory of the same log
//! comes once. A version's transaction time here is its import; where it was recorded in its own
//! log stays with it and orders it among its like, so the order of imports changes neither what
//! holds in the end nor the root. Should a log tell two memories of one place, both are there,
//! ordered by CID.
//!
//! [`conflicts`](Reader::conflicts) compares an engram with what other logs and this one say of the
//! same names: two versions contradict each other if at some moment both are in force, each by the
//! rule among its own, and they say different things.
//!
//! # How it is kept
//! The versions of an entity lie packed in segments (`segment.rs`), what leads from a vertex to its
//! edges in lists (`adjacency.rs`); `tables.rs` says what the rows are, decision 38 why.
//!
//! # Invariants
//! 1. A transaction holds the rows of some records and the place behind them, or nothing.
//! 2. What is projected depends on the log alone, not on how it was cut into transactions.
//! 3. A file that is not a projection of this log up to a place of it is built anew, and whoever
//!    asked hears why ([`Rebuilt`]).
//! 4. Keys of entities and versions are binary, their parts of fixed width: no name is ever
//!    mistaken for the beginning of another.
//!
//! # What it does not do
//! It does not verify the log: it reads committed blocks, whose hashes and chain are checked
//! while reading, but whether they are covered by a checkpoint is `karyon_verify::verify`'s to say.
//! Nor does the database check the bytes of its file when it reads them. A file that is damaged
//! where that shows is built anew; a changed byte inside a row may go unnoticed, and one inside a
//! page's frame may make a question panic. [`rebuild`] finds out: it compares the roots.

mod adjacency;
mod catch_up;
mod conflicts;
mod error;
mod file;
mod follow;
mod graph;
mod heads;
mod import;
mod indexes;
mod keys;
pub mod limits;
mod meta;
mod model;
mod pending;
mod project;
mod projector;
mod query;
mod questions;
mod reader;
mod root;
mod rows;
mod segment;
mod state;
mod store;
mod tables;
mod timeline;
mod walk;

pub use catch_up::{CaughtUp, Rebuild, rebuild};
pub use conflicts::Conflict;
pub use error::{GraphError, ImportError, Rebuilt};
pub use follow::Following;
pub use graph::{Graph, Views};
pub use model::{
    At, Direction, EntityId, Kind, NOBODY, Neighbour, Origin, Version, VertexId, VertexInfo, View,
};
pub use projector::{Durability, Projector};
pub use query::{
    Ask, Change, Comparison, Cut, Diff, Difference, Entities, Facts, Filter, Histories, History,
    Hop, Hops, Khop, List, Neighbours, Page, PageError, PageToken, Path, Paths, PathsFound,
    Property, Query, labelled, other, property,
};
pub use reader::Reader;
pub use tables::TableSize;
