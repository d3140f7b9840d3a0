//! The metrics' port over real sockets: what a scrape says of a run, who is answered, and within
//! which bounds.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../../cytoplasm/guard/tests/played/guardian.rs"]
mod guardian;
mod http;
mod openmetrics;
mod run;
mod support;
