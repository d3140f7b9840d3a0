//! The files of a log: `00000000.log`, behind its end `00000001.log` and so on, the hashes of
//! their records, and what a writer keeps beside them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::SEGMENT_MAX;
use crate::storage::{ReadStorage, open_regular};

const DIGITS: usize = 8;
const LOG: &str = ".log";
const RECORDS: &str = ".records";

/// What a reader asks of the folder that holds a log's files; tests put one in its place that
/// fails.
pub trait ReadFolder: Send + Sync {
    /// The names of the files in it.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadStorage>>;
}

/// A folder of the file system.
pub struct DiskFolder(PathBuf);

impl DiskFolder {
    /// The folder of that path.
    pub fn new(path: &Path) -> DiskFolder {
        DiskFolder(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl ReadFolder for DiskFolder {
    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        fs::read_dir(&self.0)?.map(name).collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn ReadStorage>> {
        Ok(Box::new(open_regular(&self.0.join(name))?))
    }
}

/// The file of a segment in a log's folder.
pub fn segment_file(folder: &Path, segment: u32) -> PathBuf {
    folder.join(segment_name(segment))
}

/// The name of a segment's file.
pub fn segment_name(segment: u32) -> String {
    format!("{segment:0DIGITS$}{LOG}")
}

/// The file of the hashes of a segment's records.
pub fn records_name(segment: u32) -> String {
    format!("{segment:0DIGITS$}{RECORDS}")
}

/// The numbers of the segments that lie in a folder. Whatever has another name is none.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_segments(folder: &dyn ReadFolder) -> io::Result<BTreeSet<u32>> {
    Ok(folder.names()?.iter().filter_map(|name| number(name, LOG)).collect())
}

/// The numbers of the segments with hashes of their records.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_records(folder: &dyn ReadFolder) -> io::Result<BTreeSet<u32>> {
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
            "spare.log",
            "00000007.records",
        ] {
            assert_eq!(number(name, LOG), None, "{name}");
        }
    }
}
