//! Writes one sealed commit as the next segment of a log: whole, or not at all.
//!
//! The segment is written and made durable as the spare and then renamed, so that no crash
//! leaves a part of it under its own name.

use std::io;
use std::path::Path;
use std::sync::Arc;

use karyon_identity::SecretKey;
use karyon_log::limits::SEGMENT_MAX;
use karyon_log::{DiskFolder, End, LogError, Place, SegmentHeader, Walk};

use crate::block::Block;
use crate::committer::{Committer, make_spare, name_spare};
use crate::folder::Folder;
use crate::record_hashes;

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
    write_segment_in(&(Arc::new(DiskFolder::new(folder)) as _), header, key, boot, end, block)
}

/// The same, in a folder of any kind.
///
/// # Errors
/// See [`write_segment`].
pub fn write_segment_in(
    folder: &Arc<dyn Folder>,
    header: &SegmentHeader,
    key: Arc<SecretKey>,
    boot: u32,
    end: &End,
    block: Block,
) -> io::Result<End> {
    let begin = begin_behind(end, &block)?;
    check_end(folder, header, end)?;
    let segment = begin.segment;
    let mut spare = make_spare(&**folder, 0)?;
    spare.write_at(0, &header.encode())?;
    spare.sync()?;
    let mut committer = Committer::single(spare, header, Arc::clone(&key), boot, &begin);
    committer.commit(vec![block])?;
    committer.finish()?;
    name_spare(&**folder, segment)?;
    // Without its record hashes the segment is as good; the next one makes them too.
    match record_hashes::complete(&**folder, header, &key, segment) {
        Ok(()) | Err(_) => Ok(committer.end().clone()),
    }
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
fn check_end(folder: &Arc<dyn Folder>, header: &SegmentHeader, end: &End) -> io::Result<()> {
    let unreadable = |error: LogError| match error {
        LogError::Io(error) => error,
        other => io::Error::other(other),
    };
    let place = Place { log: header.log, end: end.without_tail() };
    let walk = match end.commits {
        0 => match Walk::open_in(Arc::clone(folder) as _) {
            // Not begun, or killed before its first sector was whole.
            Err(LogError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(LogError::NotALog) => return Ok(()),
            other => Some(other.map_err(unreadable)?),
        },
        _ => Walk::resume_in(Arc::clone(folder) as _, &place).map_err(unreadable)?,
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
