//! The log against flipped bytes, against its own past, and whole lives of it on a disk that
//! fails.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod flips;
#[path = "../../../log-writer/tests/it/sample.rs"]
mod sample;
mod simulated_disk;
mod simulation;
mod turns;
