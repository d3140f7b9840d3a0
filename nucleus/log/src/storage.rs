//! What is read of a log's files: bytes of a disk, of memory, or (in tests) of a disk that fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::Path;

/// What a reader asks of a disk. Nothing that changes it: that is the log writer's.
pub trait ReadStorage: Send {
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether nothing was written yet.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `buffer` from `offset` on; an error when the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadStorage for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// Keeps an open from waiting: for the other end of a pipe, say.
pub const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// Opens a regular file for reading; a pipe, a device or a directory in its place is an error,
/// and at once.
///
/// # Errors
/// The system's, or [`io::ErrorKind::InvalidInput`].
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true).custom_flags(NO_WAIT).open(path)?)
}

/// The file, should it be a regular one.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for anything else; otherwise the system's.
pub fn regular(file: File) -> io::Result<File> {
    let kind = file.metadata()?.file_type();
    let message = match (kind.is_file(), kind.is_dir()) {
        (true, _) => return Ok(file),
        (false, true) => "it is a directory, not a regular file",
        (false, false) => "it is not a regular file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// The system's, [`io::ErrorKind::InvalidInput`] for anything but a regular file, or
/// [`io::ErrorKind::FileTooLarge`].
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_open(&open_regular(path)?, most)
}

/// Reads a file that is open, from its beginning.
///
/// # Errors
/// As [`read_regular`].
pub fn read_open(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("it is longer than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
