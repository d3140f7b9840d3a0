//! The guardian from outside: real processes that misbehave, and every way to stop them.
//!
//! What a machine cannot do is said by name, in lines that begin with SKIPPED.

#![allow(unreachable_pub)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot look must fail"
)]

mod attacks;
mod broken;
mod loosest;
mod lost;
mod matrix;
mod place;
mod shapes;
mod speed;
mod stops;
#[path = "../../../../nucleus/safety/src/test_release.rs"]
mod test_release;
mod tree;
mod watches;
