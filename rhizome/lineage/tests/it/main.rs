//! The index against a scan of the log, and its healing.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod against_scan;
mod healing;
mod support;
