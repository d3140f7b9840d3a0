//! The boundary over real sockets: who is heard, within which bounds, and what is answered.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../../cytoplasm/guard/tests/played/guardian.rs"]
mod guardian;
mod bounds;
mod callers;
mod place;
mod support;
mod transcript;
