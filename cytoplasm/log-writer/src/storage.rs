//! Where the log's bytes go: a file, memory, or (in tests) a disk that fails.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use karyon_log::{NO_WAIT, ReadStorage, regular};

/// What the writer asks of a disk.
pub trait Storage: ReadStorage {
    /// Writes all of `bytes` at `offset`; on an error any part of it may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every write before it durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts or extends to `len` bytes, durably with the next [`sync`](Storage::sync).
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Reserves space up to `len` bytes; what was not written reads as zero.
    fn reserve(&mut self, len: u64) -> io::Result<()>;
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
}

impl ReadStorage for FileStorage {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        ReadStorage::read_at(&self.file, offset, buffer)
    }
}

impl Storage for FileStorage {
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

impl ReadStorage for MemoryStorage {
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
}

impl Storage for MemoryStorage {
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
