//! The graph against a naive model, and its healing.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod against_model;
mod conflicts;
mod engrams;
mod healing;
mod imports;
mod model;
mod namespaces;
mod queries;
mod records;
mod rules;
mod support;
