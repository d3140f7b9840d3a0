//! The colony against the direct algorithm: who heard, when, and from whom.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod college;
mod consequences;
mod documents;
mod forks;
mod memory;
mod models;
mod networks;
mod replay;
mod support;
