//! Named workloads, measured, and told with all that a reader has to know to believe the result.
//!
//! - [`Workload`]: what is measured; [`WORKLOADS`] is the set, [`Level`] how much of the governance
//!   is there. Nobody can switch the gate off, so no workload runs without it.
//! - [`measure`]: warm-up runs and samples of what [`Flags`] ask for.
//! - [`Report`]: the samples with machine, build, flags and load. One from which anything is missing,
//!   or whose numbers do not follow from its samples, is refused ([`ReportError`]).
//! - [`compare`]: what differs between two reports, the conditions first.
//!
//! What each number means, and what it does not, is in `docs/bench.md`.

mod build;
mod compare;
mod error;
mod flags;
mod level;
mod machine;
mod markdown;
mod measure;
mod picture;
mod refused;
mod report;
mod shape;
mod text;
mod workload;
mod workloads;

pub use build::{Build, CommitFrom, Profile};
pub use compare::{Change, Comparison, Condition, Verdict, compare};
pub use error::{BenchError, Failed};
pub use flags::{Configuration, DEFAULT, Flags, REPEAT, REPEAT_MAX, SEED, WARM_UP};
pub use level::{LEVELS, Level};
pub use machine::{Load, Machine, UNKNOWN, load};
pub use measure::{Told, measure, runs};
pub use refused::ReportError;
pub use report::{Made, Measured, REPORT, REPORT_BYTES_MAX, Report, Signed, UNSIGNED};
pub use workload::{SET, Scale, WORKLOADS, Workload};
