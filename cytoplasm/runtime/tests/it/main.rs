//! The runtime as a whole: agents that do as they are told, on any number of schedulers.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adopted;
mod asker;
mod asking;
mod authority;
mod births;
mod bounds;
mod bypass;
mod changes;
mod crashes;
mod determinism;
mod effects;
mod ends;
mod following;
mod forest;
mod free;
mod guarded;
mod guardian;
mod keeping_up;
mod naive;
mod naming;
mod next_event;
mod node;
mod orders;
mod pressure;
mod quarantine;
mod recalls;
mod repeating;
mod schedules;
mod sealed;
mod snapshot_files;
mod snapshots;
mod spaces;
mod standing;
mod support;
mod timers;
mod trees;
mod watchdog;
