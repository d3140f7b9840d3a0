//! What the benches share. Each claim has a file of its own in `benches/`, with its workload,
//! its durability and what its number means; the medians are in `docs/benchmarks.md`.
//!
//! Nothing here asserts a time. What is asserted is that the work was done: so many messages
//! handled, so many records in the log.
//!
//! Every bench, rivals included, allocates with mimalloc, as the `karyon` binary does. SQLite, which
//! is C, allocates with the system's allocator.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

pub mod aeong;
pub mod audience;
pub mod datasets;
pub mod disk;
mod governed;
pub mod history;
mod hop;
pub mod idle;
pub mod load;
pub mod logged;
pub mod lsm;
pub mod projected;
pub mod remember;
mod restarts;
mod rivals;
pub mod rows;
pub mod sampling;
mod skynet;
mod spawner;
pub mod sqlite;
mod stepper;
pub mod steps;
pub mod versioned;

use std::time::Duration;

use criterion::Criterion;

pub use governed::{Done, Hopper, LogAlone, LogPlace, Quiet, Run, grant};
pub use hop::{Hop, Pattern, Traffic, shuffled, workloads};
pub use karyon_runtime::Schedule;
pub use restarts::{Failing, Fault, Fragile};
pub use rivals::{Actix, Channels, Engine, Kameo, Ractor, Rival, skynet};
pub use skynet::nodes;
pub use spawner::Parent;
pub use stepper::Stepper;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Criterion with few samples, so that all benches together take minutes, not an hour.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(12)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
        .nresamples(10_000)
        .without_plots()
        .configure_from_args()
}

/// A workload's size: `full`, or `tiny` when the benches are only tried (`--test`).
pub fn size(full: u64, tiny: u64) -> u64 {
    if std::env::args().any(|argument| argument == "--test") { tiny } else { full }
}
