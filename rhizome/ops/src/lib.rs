//! The memory operations and their encoding: what an agent writes when it remembers.
//!
//! Memory is a graph of *entities*: vertices, edges and facts. A [`Write`] says what an entity is
//! like from a moment of *valid time* on: its labels and properties, or that it is no more. Nothing
//! is overwritten: each write is one version, and the versions of an entity are its history. When
//! a write was recorded is its *transaction time*; the log knows it, a write does not say it.
//!
//! This crate holds no storage, so that agents can speak of memory without it.
//!
//! # Invariants
//! 1. Every write has exactly one encoding; what decodes, encodes to the same bytes.
//! 2. What is beyond a bound in [`limits`] is refused when it is encoded and when it is decoded.

mod codec;
pub mod limits;
mod memo;
mod parts;
mod recall;
mod time;
mod value;
mod write;

pub use codec::{WriteError, is_name};
pub use memo::{Memo, MemoKind, Origin, Sealed};
pub use parts::{ContentRef, EntityRef, Parts, VertexRef};
pub use recall::{Memories, Query, Remembered, Wanted};
pub use time::{Time, TimeError};
pub use value::{Properties, Value, rename_all};
pub use write::{Content, Entity, Memory, Recorded, Valid, Vertex, Write};
