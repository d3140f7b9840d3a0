//! What the library promises, beyond its examples.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adopting;
mod builder;
mod calls;
mod documents;
mod effects;
mod free;
mod lives;
mod logged;
mod naming;
mod orders;
mod recalling;
mod remembering;
mod seeing;
mod shrinking;
mod signals;
mod snapshots;
mod spawning;
mod subjects;
mod support;
mod trees;
