//! The graph against a naive model, and its healing.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod against_model;
mod conflicts;
mod engrams;
mod following;
mod healing;
mod imports;
mod model;
mod namespaces;
mod records;
mod rules;
mod support;
