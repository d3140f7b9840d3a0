//! The boundary over real sockets: who is heard, within which bounds, and what is answered.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bounds;
mod callers;
#[path = "../../../../cytoplasm/guard/tests/played/guardian.rs"]
mod guardian;
mod place;
mod support;
mod transcript;
