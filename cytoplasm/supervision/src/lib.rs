//! Supervision as Erlang/OTP defines it: who is started, stopped and restarted, in which order,
//! and when a supervisor gives up.
//!
//! Pure: events come in, decisions go out. Nothing is started or stopped here, and the time is an
//! argument; so the same decisions serve agents, services and tests. [`Supervisor`] is one
//! supervisor, [`Tree`] is supervisors above each other, [`RestartWindow`] is how many restarts
//! are borne.
//!
//! # Invariants
//! 1. No child is started twice without an end between.
//! 2. But under [`Strategy::Dynamic`], children are started and stopped one at a time, started in
//!    the order of their specs and stopped in the reverse of it.
//! 3. A supervisor ends when none of its children runs.
//!
//! Source: `supervisor` in Erlang/OTP's stdlib, manual page and code. What differs is listed in
//! `docs/semantics.md`.

mod children;
mod event;
mod saved;
mod spec;
mod supervisor;
mod tree;
mod window;

pub use children::ChildState;
pub use event::{Action, End, Event, Refusal, Request, Unexpected};
pub use saved::SavedTree;
pub use spec::{
    AutoShutdown, ChildId, ChildSpec, Exit, Flags, Restart, Shutdown, SpecError, Strategy,
};
pub use supervisor::{REQUESTS_MAX, Supervisor};
pub use tree::{Spec, Supervised, Tree};
pub use window::{Intensity, RestartWindow};
