//! Reading the one-line files of the key directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{KeyError, failed};

/// More than any of the lines has, in bytes.
const MAX_FILE_BYTES: u64 = 256;

/// Whether others may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Secret,
    Public,
}

/// A text that is overwritten when dropped.
pub(super) struct SecretText(Vec<u8>);

impl SecretText {
    pub(super) fn new(text: String) -> SecretText {
        SecretText(text.into_bytes())
    }

    /// The text; empty when the bytes are none.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// What stands behind `word` and one space, in a text that is exactly one ended line.
    pub(super) fn value(&self, word: &str) -> Option<&str> {
        let line = self.as_str().strip_suffix('\n').filter(|line| !line.contains('\n'))?;
        line.strip_prefix(word)?.strip_prefix(' ')
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// The text of a file; `None` when there is no such file.
pub(super) fn read_line(
    path: &Path,
    expected: &'static str,
    secrecy: Secrecy,
) -> Result<Option<SecretText>, KeyError> {
    let broken = || KeyError::Broken { path: path.to_owned(), expected };
    // Asked before opening: opening a pipe would wait for its other end.
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
        Ok(metadata) if !metadata.is_file() => return Err(broken()),
        Ok(_) => {}
    }
    let file = File::open(path).map_err(failed("read", path))?;
    let mode = file.metadata().map_err(failed("read", path))?.permissions().mode() & 0o777;
    if secrecy == Secrecy::Secret && mode & 0o077 != 0 {
        return Err(KeyError::ReadableByOthers { path: path.to_owned(), mode });
    }
    // Room for all of it, so that no copy is left behind by growing.
    let mut text = SecretText(Vec::with_capacity(2 * MAX_FILE_BYTES as usize));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text.0).map_err(failed("read", path))?;
    if text.0.len() as u64 > MAX_FILE_BYTES {
        return Err(broken());
    }
    Ok(Some(text))
}

/// Refuses a directory in which others may write; one that is not there holds nothing wrong.
pub(super) fn check_directory(path: &Path) -> Result<(), KeyError> {
    let mode = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("read", path))?.permissions().mode() & 0o777,
    };
    if mode & 0o022 != 0 {
        return Err(KeyError::WritableByOthers { path: path.to_owned(), mode });
    }
    Ok(())
}
