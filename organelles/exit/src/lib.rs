//! Exit: all that a data directory holds, as one file that others can read, and back.
//!
//! [`export`] writes a POSIX tar: the log's own files, the inputs, and the same in words: who
//! answers, why, what was allowed, every record, every memory. [`Place`] takes such a file in, on
//! this machine or another, as a data directory of its own with the same roots. The bytes are in
//! `docs/exit.md`, the reasons in decision 42.
//!
//! Only what the log's signatures cover is taken in: its files, its checkpoint, the inputs that it
//! names by hash. The words beside them are for readers, and are checked against the manifest alone.
//! Secrets are in neither.
//!
//! # Invariants
//! 1. The same data directory gives the same bytes, for the same node key or for none.
//! 2. Each export has one form: a byte that is changed, added, moved or missing is found.
//! 3. Nothing leaves the folder that is made for an import, whatever the file names.
//! 4. An import is in its place as a whole, verified and with the promised roots, or not at all.
//! 5. What is held in memory does not grow with the log, but for its control records and the names
//!    of its files.

mod archive;
mod content;
mod error;
mod export;
mod import;
pub mod limits;
mod manifest;
mod names;
mod tar;
mod told;

pub use error::{ExportError, ImportError};
pub use export::{Export, Exported, export};
pub use import::{Place, Staged, is_export, manifest};
pub use manifest::{FileEntry, Manifest};
