//! Writes one sealed commit as the next segment of a log: whole, or not at all.
//!
//! The segment is written and made durable under a temporary name and then renamed, so that no
//! crash leaves a part of it under its own name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_identity::SecretKey;

use crate::block::Block;
use crate::end::{End, Place};
use crate::folder::segment_file;
use crate::limits::SEGMENT_MAX;
use crate::segment::SegmentHeader;
use crate::storage::{FileStorage, Storage};
use crate::walk::{LogError, Walk};
use crate::writer::Writer;

/// The name under which a segment is written. There is one, so that the next attempt clears what
/// the last one left.
const TEMPORARY: &str = "segment.new";

/// Writes `block`, which must seal the log, as a segment of its own behind `end`; where the log
/// ends now. For a new log ([`End::of_new_log`]) that is its first file. When this returns well
/// the segment is durable; after a crash or an error it is there as a whole or not at all, and the
/// same call can be made again, unless a walk finds the block there.
///
/// The caller sees to it that nobody else writes to the log.
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when `end` is not sealed or `block` does not
/// seal; [`AlreadyExists`](io::ErrorKind::AlreadyExists) when the log does not end at `end`;
/// otherwise the system's.
pub fn write_segment(
    folder: &Path,
    header: &SegmentHeader,
    key: Arc<SecretKey>,
    boot: u32,
    end: &End,
    block: Block,
) -> io::Result<End> {
    let begin = begin_behind(end, &block)?;
    check_end(folder, header, end)?;
    append(&mut LogFolder(folder), header, key, boot, begin, block)
}

/// What the steps of [`append`] ask of a folder; tests put one in its place that fails.
trait Folder {
    /// A new file of the temporary name, instead of one that is there.
    fn create_temporary(&mut self) -> io::Result<Box<dyn Storage>>;

    /// Gives the temporary file the name of a segment, instead of one that is there.
    fn rename_temporary(&mut self, segment: u32) -> io::Result<()>;

    /// Makes the names durable.
    fn sync(&mut self) -> io::Result<()>;
}

struct LogFolder<'a>(&'a Path);

impl LogFolder<'_> {
    fn temporary(&self) -> PathBuf {
        self.0.join(TEMPORARY)
    }
}

impl Folder for LogFolder<'_> {
    fn create_temporary(&mut self) -> io::Result<Box<dyn Storage>> {
        match fs::remove_file(self.temporary()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Box::new(FileStorage::create(&self.temporary())?))
    }

    fn rename_temporary(&mut self, segment: u32) -> io::Result<()> {
        fs::rename(self.temporary(), segment_file(self.0, segment))
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(self.0)?.sync_all()
    }
}

fn append(
    folder: &mut dyn Folder,
    header: &SegmentHeader,
    key: Arc<SecretKey>,
    boot: u32,
    begin: End,
    block: Block,
) -> io::Result<End> {
    let segment = begin.segment;
    let mut storage = folder.create_temporary()?;
    storage.write_at(0, &header.encode())?;
    storage.sync()?;
    let writer = Writer::start(storage, header, key, boot, begin)?;
    // The first failure says why; closing only repeats it.
    let appended = writer.append(block);
    let end = writer.close().and_then(|end| appended.map(|()| end));
    let end = end.map_err(|failed| io::Error::new(failed.kind, failed))?;
    folder.rename_temporary(segment)?;
    folder.sync()?;
    Ok(end)
}

/// Where the segment's only commit goes.
fn begin_behind(end: &End, block: &Block) -> io::Result<End> {
    let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    if !block.seals {
        return invalid("a segment is written as a whole only with a block that seals it");
    }
    match (end.commits, end.sealed) {
        (0, _) => Ok(End::of_new_log()),
        (_, false) => invalid("the log is not sealed, so no segment can follow"),
        (_, true) if end.segment >= SEGMENT_MAX => invalid("the log has no number left"),
        (_, true) => Ok(end.of_next_segment()),
    }
}

/// Whether the log ends at `end`: nothing that was committed may be replaced.
fn check_end(folder: &Path, header: &SegmentHeader, end: &End) -> io::Result<()> {
    let unreadable = |error: LogError| match error {
        LogError::Io(error) => error,
        other => io::Error::other(other),
    };
    let place = Place { log: header.log, end: end.without_tail() };
    let walk = match end.commits {
        0 => match Walk::open(folder) {
            // Not begun, or killed before its first sector was whole.
            Err(LogError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(LogError::NotALog) => return Ok(()),
            other => Some(other.map_err(unreadable)?),
        },
        _ => Walk::resume(folder, &place).map_err(unreadable)?,
    };
    let ends_here = match walk {
        Some(mut walk) => walk.next_group().map_err(unreadable)?.is_none(),
        None => false,
    };
    if !ends_here {
        let what = "the log does not end where the new segment was to follow; read it again";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    Ok(())
}

#[cfg(test)]
#[path = "append_tests.rs"]
mod tests;
