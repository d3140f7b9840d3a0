//! Where the log's bytes go: a file, memory, or (in tests) a disk that fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::Path;

/// What the log asks of a disk.
pub trait Storage: Send {
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether nothing was written yet.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `buffer` from `offset` on; an error when the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; on an error any part of it may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every write before it durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts or extends to `len` bytes, durably with the next [`sync`](Storage::sync).
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Reserves space up to `len` bytes; what was not written reads as zero.
    fn reserve(&mut self, len: u64) -> io::Result<()>;
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

fn regular(file: File) -> io::Result<File> {
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

/// A file, made durable by fdatasync.
pub struct FileStorage {
    file: File,
}

impl FileStorage {
    /// Makes a new file and its name durable; an existing one is an error.
    pub fn create(path: &Path) -> io::Result<FileStorage> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(FileStorage { file })
    }

    /// Opens for reading and writing.
    pub fn open(path: &Path) -> io::Result<FileStorage> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(NO_WAIT).open(path)?;
        Ok(FileStorage { file: regular(file)? })
    }

    /// Opens for reading; every change is refused by the system.
    pub fn open_read_only(path: &Path) -> io::Result<FileStorage> {
        Ok(FileStorage { file: open_regular(path)? })
    }
}

impl Storage for FileStorage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&mut self, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        let old = self.len()?;
        if len <= old {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), old, len - old) {
            // Not every file system can reserve; there a full disk is met by the write itself.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Bytes in memory: for benches and for logs that nobody keeps.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Storage for MemoryStorage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        let part = start
            .checked_add(buffer.len())
            .and_then(|end| self.bytes.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = offset as usize;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        match self.bytes.get_mut(start..end) {
            Some(part) => part.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.bytes.resize(len as usize, 0);
        Ok(())
    }

    fn reserve(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}
