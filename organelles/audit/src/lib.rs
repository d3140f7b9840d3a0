//! What a stranger is shown of a log, and what an auditor asks of it.
//!
//! Exports that a short script verifies, proofs that a record is in a log and that a log only
//! grew, the last records as they come, and actions for which nobody answers. All of it reads
//! committed blocks only, through the log's own checking reader, and writes nothing into a data
//! directory.

mod canonical;
mod export;
mod groups;
mod growth;
mod layout;
pub mod limits;
pub mod merkle;
mod note;
mod orphans;
mod proof;
mod tail;
mod view;

pub use export::{EXPORT_FORMAT, EXPORT_VERSION, ExportError, Exported, Manner, export};
pub use groups::ReadError;
pub use growth::{GrewError, Growth, grew};
pub use note::Note;
pub use orphans::{Orphan, Orphans, Want, find_orphans};
pub use proof::{Checked, ProofError, check_proof, prove};
pub use tail::{Entry, Tail};
pub use view::{control_kind, view};
