//! Engrams against their own past, against flipped bytes, and against whoever makes them up.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacks;
mod flips;
mod forged;
mod golden;
mod round_trip;
mod stranger;
mod streams;
mod support;
