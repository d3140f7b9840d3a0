//! What people ask of a memory: what was so at a moment, why, and how to carry it elsewhere.
//!
//! The graph answers what (`karyon-graph`), the log answers why; this crate brings them together.

mod carried;
mod checksum;
mod comparison;
mod deed;
mod differences;
mod governed;
mod index;
mod item;
mod journal;
mod json;
mod keeping;
pub mod limits;
mod lineage;
mod moment;
mod open;
mod projection;
mod recall;
mod selection;
mod stretches;
mod transplant;

pub use carried::Carried;
pub use comparison::{Contradiction, foretell, foretell_governed};
pub use deed::DeedError;
pub use differences::{Difference, Differences, Field, differences};
pub use governed::{
    ADOPTED_MAX, Adopted, Briefing, CHANGE_BYTES_MAX, Change, ChangeError, Disagreement,
    ErasedError, Erasure, Exported, Filter, FoundMemories, GOVERNED, GovernedSelection,
    KEY_BYTES_MAX, Kept, NewMemo, Opening, Owed, RecallError, Recalled, Refused, RunSeals, Said,
    Settled, Terms, Told, WAY_BYTES, Which, Words, adopted, brief, carry_keys, contradictions, due,
    erased_by, erasures, export_governed, find_all, forgotten_in, history, is_gone, known, opening,
    owed, recall, record_change, recorded_in, replacement, settle, whole_erasure,
};
pub use item::{Item, Thing, name_of, named_all, spoken_of};
pub use journal::{Found, Journal, JournalError};
pub use json::{item_json, moment_json, value_json, value_map};
pub use keeping::Unkept;
pub use lineage::{
    Answerable, Approved, Bounds, Consequence, Consequences, FROM, LeftOut, Lineage, LineageError,
    Link, Subject, What, consequences, explain,
};
pub use moment::{Date, Moment, NoMoment, Readable};
pub use open::{Fresh, Opened, RebuildError, is_without_log, open, open_unwritten, rebuild};
pub use projection::{Projection, ProjectionError};
pub use recall::Recollection;
pub use selection::Selection;
pub use transplant::{
    Import, Imported, RESOURCE, TransplantError, Trusted, export, import, import_digest, spool,
    trust,
};
