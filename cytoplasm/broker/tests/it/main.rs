//! The broker against agents, approvers, clocks and crashes that want more than they may.

#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adversary;
mod approvals;
mod crash;
mod guarded;
#[path = "../../../runtime/tests/it/guardian.rs"]
#[expect(dead_code, reason = "the runtime's tests use all of it")]
mod guardian;
mod life;
mod support;
