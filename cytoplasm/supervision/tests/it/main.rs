//! Supervisors and trees against OTP's documentation, against a naive model, and against OTP.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod agrees;
mod documentation;
mod erlang;
mod interleaved;
mod naive;
mod scenario;
mod support;
