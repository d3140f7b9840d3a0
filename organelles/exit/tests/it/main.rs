//! Exports on a real file system, and everything that somebody might make of one.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod forged;
mod round;
mod support;
mod torn;
