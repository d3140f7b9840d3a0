//! `karyon engram`: memories taken out, looked at, compared, brought in.

mod adopt;
mod diff;
mod export;
mod import;
mod inspect;
mod report;
mod verify;

use std::fs::File;
use std::path::Path;

use karyon_engram::{Engram, EngramError, Opened, limits::FILE_BYTES_MAX};
use karyon_exit::is_export;
use karyon_log::{open_regular, read_regular};
use karyon_memory::Carried;
use karyon_memory_ops::Memory;

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

/// Checks all of a file, and keeps no memory of it.
fn check(path: &Path, inputs: &mut Inputs) -> Result<Carried, CliError> {
    check_each(path, inputs, |_| ())
}

/// The same; `tell` hears of each memory.
fn check_each(
    path: &Path,
    inputs: &mut Inputs,
    tell: impl FnMut(&Memory),
) -> Result<Carried, CliError> {
    let file = inputs.file(Input::Engram, path).and_then(File::try_clone);
    let file = file.map_err(|error| unreadable(path, &error))?;
    Carried::check_each(file, tell).map_err(|error| refused(path, &error))
}

/// Reads a file as a whole, memories and all, and checks it.
fn open(path: &Path) -> Result<Opened, CliError> {
    let read = read_regular(path, FILE_BYTES_MAX as u64);
    let bytes = read.map_err(|error| unreadable(path, &error))?;
    Engram::open(&bytes).map_err(|error| refused(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::failure(format!("the engram {} cannot be read: {error}", path.display()))
}

fn refused(path: &Path, error: &EngramError) -> CliError {
    if open_regular(path).is_ok_and(is_export) {
        let path = path.display();
        let message = format!("{path} is an export of a whole data directory, and no engram");
        let hint = format!(
            "`karyon import {path} --data DIR` takes it in, as a data directory of its own"
        );
        return CliError { code: Code::VerificationFailed, message, hint: Some(hint) };
    }
    let code = match error {
        EngramError::Unreadable { .. } => Code::Failure,
        _ => Code::VerificationFailed,
    };
    CliError { code, message: format!("{}: {}", path.display(), words(error)), hint: None }
}
