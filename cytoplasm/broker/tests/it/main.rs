//! The broker against agents, approvers, clocks and crashes that want more than they may.

#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adversary;
mod approvals;
mod crash;
mod life;
mod support;
