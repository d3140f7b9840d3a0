//! Supervisors and trees against the documentation, a naive model, and Erlang itself.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
