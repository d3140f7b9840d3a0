//! The log against a disk that fails, against flipped bytes, and against its own past.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crash;
mod flips;
mod golden;
mod segments;
mod support;
mod turns;
