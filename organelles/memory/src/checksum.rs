//! The checksum beside the memory's file: what it was when nobody was writing to it any more.
//!
//! BLAKE3 over the whole file, some 3 GB/s, each time the memory is opened. There is none while
//! somebody writes, and none after a kill: the database itself sees to that nothing is half done.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use karyon_graph::GraphError;
use karyon_log::{open_regular, read_regular};
use karyon_types::{Hash, Hasher};

/// The longest checksum file, bytes: 64 digits and a newline.
const BYTES_MAX: u64 = 65;

/// How much of the file is hashed at once, bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// What the checksum says of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is as it was.
    Same,
    /// It is not.
    Differs,
    /// There is no checksum.
    Unknown,
}

fn beside(file: &Path) -> PathBuf {
    file.with_extension("blake3")
}

/// For a file operation on `path`.
pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> GraphError + '_ {
    |source| GraphError::Io { path: Some(path.to_owned()), source }
}

/// Compares the file with its checksum. The caller sees to it that nobody writes.
pub(crate) fn check(file: &Path) -> Result<Checked, GraphError> {
    let beside = beside(file);
    let text = match read_regular(&beside, BYTES_MAX) {
        Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Checked::Unknown),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(Checked::Differs),
        Err(error) => return Err(failed(&beside)(error)),
    };
    // What is no checksum says that somebody changed something.
    let Some(expected) = Hash::from_hex(text.trim()) else { return Ok(Checked::Differs) };
    Ok(if hash(file)? == expected { Checked::Same } else { Checked::Differs })
}

/// Notes what the file is now. The caller sees to it that nobody writes.
pub(crate) fn remember(file: &Path) -> Result<(), GraphError> {
    let beside = beside(file);
    std::fs::write(&beside, format!("{}\n", hash(file)?)).map_err(failed(&beside))
}

/// Forgets what the file was, before it is written to.
pub(crate) fn forget(file: &Path) -> Result<(), GraphError> {
    let beside = beside(file);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&beside)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn hash(file: &Path) -> Result<Hash, GraphError> {
    let read = || -> io::Result<Hash> {
        let mut open = open_regular(file)?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = open.read(&mut buffer)?;
            if read == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
    };
    read().map_err(failed(file))
}
