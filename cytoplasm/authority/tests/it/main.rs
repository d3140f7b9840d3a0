//! The ledger against models and against whoever wants more than they were given.

#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod forged;
mod model;
mod support;
