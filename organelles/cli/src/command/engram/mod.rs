//! `karyon engram`: memories taken out, looked at, compared, brought in.

mod diff;
mod export;
mod import;
mod inspect;
mod report;
mod verify;

use std::path::Path;

use karyon_engram::{Engram, Opened, limits::FILE_BYTES_MAX};

pub(crate) use import::data_directory;

use crate::args;
use crate::error::{CliError, Code, words};
use crate::handover::{Input, Inputs};

/// Does what was asked for.
pub(crate) fn execute(args: &args::Engram) -> Result<Code, CliError> {
    match args {
        args::Engram::Export(args) => super::guarded(|| export::execute(args)),
        args::Engram::Inspect(args) => inspect::execute(args),
        args::Engram::Verify(args) => verify::execute(args),
        args::Engram::Diff(args) => diff::execute(args),
        args::Engram::Import(args) => import::execute(args),
    }
}

/// Reads a file, and checks all of it.
fn open(file: &Path, inputs: &mut Inputs) -> Result<(Vec<u8>, Opened), CliError> {
    let bytes = inputs.read(Input::Engram, file, FILE_BYTES_MAX as u64).map_err(|error| {
        CliError::failure(format!("the engram {} cannot be read: {error}", file.display()))
    })?;
    match Engram::open(&bytes) {
        Ok(opened) => Ok((bytes, opened)),
        Err(error) => Err(CliError {
            code: Code::VerificationFailed,
            message: format!("{}: {}", file.display(), words(&error)),
            hint: None,
        }),
    }
}
