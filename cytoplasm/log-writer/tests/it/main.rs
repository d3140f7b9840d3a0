//! The log against a disk that fails, and read from file to file.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crash;
mod golden;
mod queue;
mod sample;
mod segments;
mod support;
