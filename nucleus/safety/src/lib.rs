//! The guardian's files and rules: what permits a start, what ends a run, and what is remembered
//! of it.
//!
//! In a data directory: the safety marker says how the last run ended, and only
//! [`Marker::Clear`] permits a start; the file `STOP` stops by being there, or by there being any
//! doubt whether it is ([`StopFile`], [`StopWatch`]), and nothing here ever deletes it; the
//! [`SafetyLog`] tells what happened. Beside the keys, out of a run's reach: the [`Limits`], and
//! an [`Entry`] for each directory that this machine knows. Everything but a clear marker in a
//! known directory is [`SafeMode`], which a person ends with a reason.
//!
//! # Invariants
//! 1. Only a clean finish and a person's resume write `clear`.
//! 2. The number `n` of a marker never goes back, and each `clear` has a greater one.
//! 3. What a person gave as a reason stays in `safety/resumes` until the caller says that its
//!    log holds it.
//! 4. What cannot be read or understood permits nothing.
//!
//! The caller keeps two processes from using one data directory at a time: the marker of a
//! living run looks like that of a crashed one.

mod checked;
mod files;
mod limits;
mod marker;
mod registry;
mod resumes;
mod safety_log;
mod start;
mod stop;
#[cfg(test)]
mod test_place;
#[cfg(test)]
mod test_release;

pub use checked::{digest, escape, field, hex, unescape, unhex};
pub use files::{FileError, broken, failed, make_folder, replace_file, sync_folder};
pub use limits::Limits;
pub use marker::{Found, Marker, initialise, read, replace, write};
pub use registry::{Entry, config_home};
pub use resumes::{HumanResume, pending_resumes, replace_resumes, resumes_file, resumes_recorded};
pub use safety_log::{EventKind, SafetyLog, json};
pub use start::{SafeMode, admit, is_new, permit_start};
pub use stop::{StopFile, StopWatch, is_present};

/// The folder of a data directory in which marker, STOP, resumes and identity lie.
pub const SAFETY: &str = "safety";
/// The longest reason, in bytes: a few sentences of a person, and little enough that a pipe takes it
/// whole.
pub const MAX_REASON_BYTES: usize = 1_000;
