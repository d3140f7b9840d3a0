//! Why a report is not believed.

use std::io;

/// Why a report is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is no JSON, or none of this form.
    #[error("it is no report: {0}")]
    Json(serde_json::Error),
    /// It does not say that it is a report.
    #[error("the field report is missing: it is no report of `karyon bench`")]
    NoReport,
    /// It is of a form that is not known here.
    #[error("its form has the version {found}, and this program reads version 1")]
    Version {
        /// What it says.
        found: String,
    },
    /// A field is not there.
    #[error("the field {field} is missing: a result without its disclosure is refused")]
    Missing {
        /// Where it should be.
        field: String,
    },
    /// A field that no report has.
    #[error("the field {field} is none of a report")]
    Unknown {
        /// Where it is.
        field: String,
    },
    /// A field is of another type.
    #[error("the field {field} is {found}, and has to be {expected}")]
    Type {
        /// Where it is.
        field: String,
        /// What it is.
        found: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A text says nothing.
    #[error("the field {field} is empty; what nobody knows is said by \"unknown\"")]
    Empty {
        /// Where it is.
        field: String,
    },
    /// It has no result, or results without samples.
    #[error("it holds no samples")]
    Nothing,
    /// There are more or less samples than it says.
    #[error("the field {field} has {found} numbers, and by its flags it has to have {expected}")]
    Samples {
        /// Where.
        field: String,
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: u64,
    },
    /// What it says does not follow from what it rests on.
    #[error("{field} says {says}, where {is} follows from the rest")]
    Number {
        /// Where.
        field: String,
        /// What it says.
        says: String,
        /// What follows.
        is: String,
    },
    /// No command has these flags.
    #[error("its flags cannot be: {0}")]
    Flags(String),
    /// A result is there twice.
    #[error("{name} is among the results twice")]
    Twice {
        /// Which.
        name: String,
    },
    /// A result is left out.
    #[error("{name} was asked for, and is not among the results")]
    NoResult {
        /// Which.
        name: String,
    },
    /// It is not what was signed.
    #[error("it is not what {key} signed")]
    Signature {
        /// By which key it says that it is signed.
        key: String,
    },
}

impl ReportError {
    /// Whether it is a report, and what it says is refuted by what it says elsewhere.
    pub fn is_refutation(&self) -> bool {
        match self {
            ReportError::Samples { .. }
            | ReportError::Number { .. }
            | ReportError::Flags(_)
            | ReportError::Twice { .. }
            | ReportError::NoResult { .. }
            | ReportError::Signature { .. } => true,
            ReportError::Io(_)
            | ReportError::Json(_)
            | ReportError::NoReport
            | ReportError::Version { .. }
            | ReportError::Missing { .. }
            | ReportError::Unknown { .. }
            | ReportError::Type { .. }
            | ReportError::Empty { .. }
            | ReportError::Nothing => false,
        }
    }
}
