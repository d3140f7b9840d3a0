//! `karyon safety`: whether a start is permitted, and a person's word that it is again.

mod limits;
mod resume;
mod sign;
mod status;

use std::path::Path;

use karyon_log::Control;
use karyon_runtime::datadir;
use karyon_safe_mode::ResumeError;
use karyon_safety::Found;
use karyon_verify::{Trust, verify};

use crate::args::Safety;
use crate::error::{CliError, Code, words};

pub(crate) use resume::end_safe_mode;

/// Does what was asked for.
pub(crate) fn execute(args: &Safety) -> Result<Code, CliError> {
    match args {
        Safety::Status(args) => status::execute(args),
        Safety::Resume(args) => resume::execute(args),
        Safety::Sign(args) => sign::execute(args),
    }
}

/// Why safe mode goes on.
fn refused(error: &ResumeError) -> CliError {
    let code = match error {
        ResumeError::Stop { .. } => Code::Halted,
        ResumeError::Signature(_) => Code::Refused,
        ResumeError::NoReason
        | ResumeError::LongReason { .. }
        | ResumeError::NotInSafeMode { .. }
        | ResumeError::NoData { .. }
        | ResumeError::NoFolder(_)
        | ResumeError::Broken(_)
        | ResumeError::Full { .. }
        | ResumeError::File(_) => Code::Failure,
    };
    CliError { code, message: words(error), hint: None }
}

/// Below what the number of the next marker must not fall. A marker that can be read knows its
/// own; for one that is gone the log tells, if it verifies.
fn least_n(data: &Path) -> u64 {
    match karyon_safety::read(data) {
        Found::Marker(_) => 0,
        Found::Missing | Found::Broken { .. } => {
            let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
            verify(&log, &checkpoint, &datadir::inputs(data), &Trust::default()).map_or(
                0,
                |report| {
                    let numbers = report.controls.iter().map(|control| match control {
                        Control::Resume(resume) => resume.n,
                        Control::Boot(boot) => u64::from(boot.boot),
                        _ => 0,
                    });
                    numbers.max().unwrap_or(0)
                },
            )
        }
    }
}
