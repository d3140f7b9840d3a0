//! `karyon engram`: memories taken out, looked at, brought in.

mod export;
mod import;
mod inspect;

use std::path::Path;

use karyon_engram::{Engram, Opened, limits::FILE_BYTES_MAX};
use karyon_log::read_regular;

use crate::args;
use crate::error::{CliError, Code, words};

/// Does what was asked for.
pub(crate) fn execute(args: &args::Engram) -> Result<Code, CliError> {
    match args {
        args::Engram::Export(args) => super::guarded(|| export::execute(args)),
        args::Engram::Inspect(args) => inspect::execute(args),
        args::Engram::Import(args) => import::execute(args),
    }
}

/// Reads a file, and checks all of it.
fn open(file: &Path) -> Result<(Vec<u8>, Opened), CliError> {
    let bytes = read_regular(file, FILE_BYTES_MAX as u64).map_err(|error| {
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
