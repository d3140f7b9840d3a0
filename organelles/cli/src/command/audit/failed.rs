//! What goes wrong when a log is shown, at the edge.

use karyon_audit::{ExportError, GrewError, ProofError, ReadError};

use crate::error::{self, CliError, Code};
use crate::output;

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> CliError {
        match error {
            ReadError::Log(error) => error.into(),
            ReadError::Changed { .. } | ReadError::Unreadable { .. } => {
                CliError::failure(words(&error))
            }
        }
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> CliError {
        match error {
            ExportError::Read(error) => error.into(),
            ExportError::Write(_)
            | ExportError::OtherNode { .. }
            | ExportError::Note(_)
            | ExportError::Changed => CliError::failure(words(&error)),
        }
    }
}

impl From<ProofError> for CliError {
    fn from(error: ProofError) -> CliError {
        match error {
            ProofError::Read(error) => error.into(),
            other if other.is_refutation() => refuted(words(&other)),
            other => CliError::failure(words(&other)),
        }
    }
}

impl From<GrewError> for CliError {
    fn from(error: GrewError) -> CliError {
        match error {
            GrewError::Read(error) => error.into(),
            other if other.is_refutation() => refuted(words(&other)),
            other => CliError::failure(words(&other)),
        }
    }
}

fn refuted(message: String) -> CliError {
    CliError { code: Code::VerificationFailed, message, hint: None }
}

/// What a checkpoint or a proof names is somebody else's text.
fn words(error: &dyn std::error::Error) -> String {
    output::plain(&error::words(error))
}
