//! Looking things up in a hand-made log, and what follows from what.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adopted;
mod consequences;
mod effects;
mod governed;
mod journal;
mod keeping;
mod lineage;
mod support;
