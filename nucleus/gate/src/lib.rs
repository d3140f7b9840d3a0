//! The gate: the one check that every output of an agent passes.
//!
//! A principal's [`Grant`] says what may be done at all; a [`Lease`] is the part of a grant that
//! one agent holds. Agents never see a lease: the scheduler keeps a [`Handle`] for them and asks
//! [`Gate::check`] for each output. The check takes a few nanoseconds, no lock and no allocation.
//!
//! # Invariants
//! 1. Default deny: without a live lease that covers the request the answer is a
//!    [`Denial`](karyon_types::Denial).
//! 2. A lease is never wider than its grant: not in rights, scope or time ([`Widening`]).
//! 3. A lease answers for its owner alone.
//! 4. While the gate is halted everything is denied.
//! 5. A handle that was not given out by this gate, or whose slot was reused, is unknown.

mod check;
mod terms;

pub use check::{Gate, Handle, Request};
pub use terms::{Grant, Lease, Rights, Scope, Widening};
