//! The safety marker and the STOP file: what permits a start, and what ends a run.
//!
//! Both live in the folder `safety` of a data directory. The marker says how the last run
//! ended; only [`Marker::Clear`] permits a start, and everything else, a missing or broken
//! marker included, is [`SafeMode`], which a person ends with a reason ([`resume`]). The file
//! `STOP` stops by being there, or by there being any doubt whether it is ([`StopFile`]).
//! Nothing here ever deletes it.
//!
//! # Invariants
//! 1. Only a clean finish and a person's [`resume`] write `clear`.
//! 2. The number `n` of a marker never goes back, and each `clear` has a greater one.
//! 3. What a person gave as a reason stays in `safety/resumes` until the caller says that its
//!    log holds it.
//!
//! The caller keeps two processes from using one data directory at a time: the marker of a
//! living run looks like that of a crashed one.

mod checked;
mod files;
mod marker;
mod resume;
mod start;
mod stop;

pub use checked::{hex, unhex};
pub use files::{Damage, FileError, replace_file, sync_folder};
pub use marker::{Found, Marker, MarkerError, initialise, read, replace};
pub use resume::{
    HumanResume, ResumeError, ResumeRequest, pending_resumes, resume, resumes_recorded,
};
pub use start::{SafeMode, permit_start};
pub use stop::StopFile;

/// The folder of a data directory in which everything of this crate lies.
const SAFETY: &str = "safety";
/// The longest reason, in bytes: a few sentences of a person.
const MAX_REASON_BYTES: usize = 1_000;
