//! `karyon audit`: what the log says, and whether it can be believed.

mod export;
mod failed;
mod grew;
mod orphans;
mod prove;
mod tail;
mod verify;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use karyon_audit::limits::CHECKPOINT_BYTES_MAX;
use karyon_identity::{PublicKey, SecretKey};
use karyon_keys::{KeyDirectory, KeyError};
use karyon_log::{Walk, read_regular};
use karyon_runtime::datadir;

use crate::args::Audit;
use crate::error::{CliError, Code};
use crate::output::safe_json;

/// Does what was asked for.
pub(crate) fn execute(args: &Audit) -> Result<Code, CliError> {
    match args {
        Audit::Verify(args) => verify::execute(args),
        Audit::Export(args) => export::execute(args),
        Audit::Tail(args) => tail::execute(args),
        Audit::Prove(args) => prove::execute(args),
        Audit::Grew(args) => grew::execute(args),
        Audit::Orphans(args) => orphans::execute(args),
    }
}

/// A log that something is asked of.
struct Log {
    folder: PathBuf,
    node_key: PublicKey,
    /// The checkpoint beside it.
    kept: Option<String>,
}

impl Log {
    fn in_data(data: &Path) -> Result<Log, CliError> {
        if !data.is_dir() {
            let what = format!("there is no data directory {}", data.display());
            return Err(CliError::failure(what));
        }
        let folder = datadir::log_folder(data);
        let walk = match Walk::open(&folder) {
            Err(karyon_log::LogError::Io(error)) if error.kind() == ErrorKind::NotFound => {
                return Err(CliError::unrecorded(data));
            }
            other => other?,
        };
        let node_key = walk.header().node_key;
        let kept = match read_text(&datadir::checkpoint_file(data), CHECKPOINT_BYTES_MAX) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(CliError::failure(format!("the log's checkpoint: {error}"))),
        };
        Ok(Log { folder, node_key, kept })
    }

    /// The key that signed it, if this machine has it.
    fn own_key(&self) -> Result<Option<SecretKey>, CliError> {
        let keys = match KeyDirectory::from_environment() {
            Err(KeyError::NoDirectory) => return Ok(None),
            other => other?,
        };
        match keys.node_key_for(&self.node_key) {
            Ok(key) => Ok(Some(key)),
            Err(KeyError::NotHere { .. } | KeyError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a text file of at most `most` bytes.
fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let bytes = read_regular(path, most)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not text"))
}

/// The text of a file that was named by a person.
fn named_text(option: &str, path: &Path, most: u64) -> Result<String, CliError> {
    read_text(path, most)
        .map_err(|error| CliError::failure(format!("{option} {}: {error}", path.display())))
}

/// A file that was not there.
fn create_new(path: &Path) -> Result<File, CliError> {
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let failed = CliError::failure(format!("{}: {error}", path.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => failed.with_hint("choose another file"),
            _ => failed,
        }
    })
}

/// Writes a file that was not there.
fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let mut file = create_new(path)?;
    let written = io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| half_written(path, &error.to_string()))
}

/// Removes what could not be written to its end.
fn half_written(path: &Path, words: &str) -> CliError {
    let failed = CliError::failure(format!("{}: {words}", path.display()));
    match std::fs::remove_file(path) {
        Ok(()) => failed,
        Err(_) => failed.with_hint("what is there is not whole; remove it"),
    }
}
