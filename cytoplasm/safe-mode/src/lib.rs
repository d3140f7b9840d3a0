//! What a person does, and no runtime and no guardian: halt a data directory, sign that its safe
//! mode may end, and end it with a reason.
//!
//! # Invariants
//! 1. A halt asks the guardian and does not rest on its answer.
//! 2. Safe mode ends with a reason, and where `guardian.conf` names keys, with one statement that
//!    one of them signed for this halt and that was not used before.

mod halt;
mod held;
mod resume;
mod statement;
#[cfg(test)]
mod test_place;
#[cfg(test)]
#[path = "../../../nucleus/safety/src/test_release.rs"]
mod test_release;

pub use halt::{HaltError, Halted, halt};
pub use held::Held;
pub use resume::{ResumeError, ResumeRequest, halt_idle, halt_number, resume};
pub use statement::{SignatureFault, resume_statement};

// What is asked for and given here is the list of the nucleus.
pub use karyon_safety::HumanResume;
