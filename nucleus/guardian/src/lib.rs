//! The guardian: a process outside the runtime that can always end it.
//!
//! The command line starts it with [`main`]; it makes a namespace, in which a first process
//! (`init`) keeps the runtime and everything that it starts. Whoever ends that first process ends
//! all of them: that is how the guardian stops, and what happens by itself when the guardian dies
//! or no longer answers. The runtime speaks with it over a [`Guard`].
//!
//! # Invariants
//! 1. The way to a stop allocates, forks and opens nothing, and waits for nobody.
//! 2. The marker says `running` before the runtime exists, and `clear` only after an end in good
//!    order.
//! 3. What the runtime can write, no decision here rests on, but the counters that are named
//!    cooperative.

mod frame;
mod guard;
pub mod inherit;
mod system;

pub use frame::{End, Event, FromGuardian, FromRuntime, MAX_FRAME_BYTES, PROTOCOL, Terms};
pub use guard::{Counters, Guard, LINK, LinkError};

/// Placeholder.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
