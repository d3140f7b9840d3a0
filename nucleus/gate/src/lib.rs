//! The gate: the one check that every output of an agent passes.
//!
//! A principal's [`Grant`] says what may be done at all; a [`Lease`] is the part of a grant that
//! one agent holds. Agents never see a lease: the scheduler keeps a [`Handle`] for them and asks
//! [`Gate::check`] for each output. The check takes a few nanoseconds, no lock and no allocation.
//!
//! Principals, reasons, grants, and leases from which others are cut have a [`Stop`] each, one
//! word that all leases below them look at: to suspend or revoke one is one write, however many
//! leases there are.
//!
//! # Invariants
//! 1. Default deny: without a live lease that covers the request the answer is a
//!    [`Denial`](karyon_types::Denial).
//! 2. A lease is never wider than its grant: not in rights, scope or time ([`Widening`]).
//! 3. A lease answers for its owner alone.
//! 4. While the gate is halted everything is denied.
//! 5. A handle that was not given out by this gate, or whose slot was reused, is unknown; no
//!    answer mixes two leases, whatever happens at the same time.
//! 6. A check that begins when `suspend` or `revoke` has returned does not admit what they stop.
//!    Both are one atomic change of one word, with `AcqRel`, and a check loads each word anew. A
//!    thread that knows of the return knows it through something that synchronises, so it reads
//!    the changed word or a later one; no order between different words is needed, because each
//!    stops a lease by itself. That is why `Release` and `Acquire` are enough.

mod check;
mod chunks;
pub mod limits;
mod slot;
mod terms;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod thread_tests;

/// What threads share; `thread_tests` takes loom's instead.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub(super) use std::sync::{Mutex, MutexGuard};
}

pub use check::{Chain, Full, Gate, Hold, OpenError, Stop};
pub use slot::Handle;
pub use terms::{Grant, Lease, Request, Rights, Scope, Widening};
