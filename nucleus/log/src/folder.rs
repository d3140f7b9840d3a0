//! The files of a log: `00000000.log`, behind its end `00000001.log` and so on, the hashes of
//! their records, and a spare.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::SEGMENT_MAX;
use crate::storage::{FileStorage, Storage};

const DIGITS: usize = 8;
const LOG: &str = ".log";
const RECORDS: &str = ".records";

/// The file that becomes the next segment. There is one name, so that the next attempt clears
/// what the last one left.
pub(crate) const SPARE: &str = "spare.log";

/// What the log asks of the folder that holds its files; tests put one in its place that fails.
pub trait Folder: Send + Sync {
    /// The names of the files in it.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Box<dyn Storage>>;

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

/// A folder of the file system.
pub struct DiskFolder(PathBuf);

impl DiskFolder {
    /// The folder of that path.
    pub fn new(path: &Path) -> DiskFolder {
        DiskFolder(path.into())
    }
}

impl Folder for DiskFolder {
    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        fs::read_dir(&self.0)?.map(name).collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(FileStorage::open_read_only(&self.0.join(name))?))
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(FileStorage::open(&self.0.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        self.remove(name)?;
        Ok(Box::new(FileStorage::create(&self.0.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// The file of a segment in a log's folder.
pub fn segment_file(folder: &Path, segment: u32) -> PathBuf {
    folder.join(segment_name(segment))
}

pub(crate) fn segment_name(segment: u32) -> String {
    format!("{segment:0DIGITS$}{LOG}")
}

/// The file of the hashes of a segment's records.
pub(crate) fn records_name(segment: u32) -> String {
    format!("{segment:0DIGITS$}{RECORDS}")
}

/// The numbers of the segments that lie in a folder. Whatever has another name is none.
pub(crate) fn list_segments(folder: &dyn Folder) -> io::Result<BTreeSet<u32>> {
    Ok(folder.names()?.iter().filter_map(|name| number(name, LOG)).collect())
}

/// The numbers of the segments with hashes of their records.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_records(folder: &dyn Folder) -> io::Result<BTreeSet<u32>> {
    Ok(folder.names()?.iter().filter_map(|name| number(name, RECORDS)).collect())
}

fn number(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().filter(|number| *number <= SEGMENT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for segment in [0, 1, 12_345_678, SEGMENT_MAX] {
            assert_eq!(number(&segment_name(segment), LOG), Some(segment));
            assert_eq!(number(&records_name(segment), RECORDS), Some(segment));
        }
        assert_eq!(segment_name(7), "00000007.log");
        assert_eq!(records_name(7), "00000007.records");
        for name in [
            "7.log",
            "00000007",
            "00000007.log.new",
            "+0000007.log",
            "checkpoint",
            ".log",
            "000000007.log",
            SPARE,
            "00000007.records",
        ] {
            assert_eq!(number(name, LOG), None, "{name}");
        }
    }
}
