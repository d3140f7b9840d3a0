//! The files of a log: `00000000.log`, and behind its seal `00000001.log` and so on.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::SEGMENT_MAX;

const DIGITS: usize = 8;
const SUFFIX: &str = ".log";

/// The file of a segment in a log's folder.
pub fn segment_file(folder: &Path, segment: u32) -> PathBuf {
    folder.join(segment_name(segment))
}

pub(crate) fn segment_name(segment: u32) -> String {
    format!("{segment:0DIGITS$}{SUFFIX}")
}

/// The numbers of the segments that lie in a folder. Whatever has another name is none.
pub(crate) fn list_segments(folder: &Path) -> io::Result<BTreeSet<u32>> {
    let mut segments = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        segments.extend(entry?.file_name().to_str().and_then(segment_number));
    }
    Ok(segments)
}

fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().filter(|number| *number <= SEGMENT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for number in [0, 1, 12_345_678, SEGMENT_MAX] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        assert_eq!(segment_name(7), "00000007.log");
        for name in ["7.log", "00000007", "00000007.log.new", "+0000007.log", "checkpoint", ".log"]
        {
            assert_eq!(segment_number(name), None, "{name}");
        }
        assert_eq!(segment_number("000000007.log"), None);
    }
}
