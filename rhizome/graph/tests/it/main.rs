//! The graph against a naive model, and its healing.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod against_model;
mod conflicts;
mod crashes;
mod disk;
mod engrams;
mod following;
mod golden;
mod healing;
mod histories;
mod imports;
mod long;
mod model;
mod namespaces;
mod queries;
mod real;
mod records;
mod rules;
mod support;
