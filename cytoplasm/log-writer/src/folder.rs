//! The folder of a log, as it is written: segments, hashes of their records, and a spare.

use std::fs::{self, File};
use std::io;

use karyon_log::{DiskFolder, ReadFolder};

use crate::storage::{FileStorage, Storage};

/// The file that becomes the next segment. There is one name, so that the next attempt clears
/// what the last one left.
pub(crate) const SPARE: &str = "spare.log";

/// What the writer asks of the folder that holds a log's files; tests put one in its place that
/// fails.
pub trait Folder: ReadFolder {
    /// Opens a file for reading and writing.
    fn edit(&self, name: &str) -> io::Result<Box<dyn Storage>>;

    /// Makes a new file, instead of one that is there, and its name durable: what is renamed
    /// later must not be the one before.
    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>>;

    /// Gives a file another name, instead of the file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, should it be there.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
}

impl Folder for DiskFolder {
    fn edit(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(FileStorage::open(&self.path().join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        self.remove(name)?;
        Ok(Box::new(FileStorage::create(&self.path().join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path().join(from), self.path().join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path().join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(self.path())?.sync_all()
    }
}
