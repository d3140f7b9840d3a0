//! Opening the index of a data directory: brought up to its log, whatever it was before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use karyon_graph::GraphError;
use karyon_lineage::{Index, IndexError, Rebuilt, catch_up};
use karyon_runtime::datadir::{log_folder, memory_file};

use crate::JournalError;
use crate::checksum::{self, Checked};
use crate::keeping::{Unkept, is_read_only, safe_mode};

/// How long to wait for another process that is bringing the index up to the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it is done.
const EVERY: Duration = Duration::from_millis(20);

/// An index that was brought up to its log.
pub(crate) struct Opened {
    pub(crate) index: Index,
    /// Why it was made anew though there was one.
    pub(crate) rebuilt: Option<Rebuilt>,
    /// Why it was built in memory and is not kept.
    pub(crate) unkept: Option<Unkept>,
}

/// The index of a data directory: a projection of the log, which can be deleted.
fn index_file(data: &Path) -> PathBuf {
    memory_file(data).with_file_name("lineage.redb")
}

/// Opens the index of `data`; see [`Journal::of`](crate::Journal::of).
pub(crate) fn open(data: &Path, progress: &mut dyn FnMut(u64)) -> Result<Opened, JournalError> {
    let (file, log) = (index_file(data), log_folder(data));
    if safe_mode(data).is_some() {
        return match look(&file, &log) {
            Ok(Stored::Current(index)) => Ok(kept(*index, None)),
            // Whatever is wrong with the file, it is not for now to mend; what is wrong with the
            // log is met again.
            Ok(Stored::Behind | Stored::Damaged) | Err(_) => {
                in_memory(Unkept::SafeMode, &log, progress)
            }
        };
    }
    match wait(|| attempt(&file, &log, progress)) {
        Err(error) if is_refused(&error) => in_memory(Unkept::ReadOnly, &log, progress),
        other => other,
    }
}

fn kept(index: Index, rebuilt: Option<Rebuilt>) -> Opened {
    Opened { index, rebuilt, unkept: None }
}

/// An index that lies nowhere, of the whole log.
fn in_memory(
    why: Unkept,
    log: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Opened, JournalError> {
    let index = Index::in_memory(log, progress)?;
    Ok(Opened { index, rebuilt: None, unkept: Some(why) })
}

/// Tries again while another process has the index.
fn wait<T>(mut attempt: impl FnMut() -> Result<T, JournalError>) -> Result<T, JournalError> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(JournalError::Index(error)) if is_in_use(&error, begun) => {
                std::thread::sleep(EVERY);
            }
            outcome => return outcome,
        }
    }
}

/// Whether another process has the index, and there is patience left.
fn is_in_use(error: &IndexError, begun: Instant) -> bool {
    matches!(error, IndexError::InUse { .. }) && begun.elapsed() < PATIENCE
}

/// Whether the index, or the checksum beside it, cannot be written.
fn is_refused(error: &JournalError) -> bool {
    match error {
        JournalError::Index(error) => {
            matches!(&**error, IndexError::Io { source, .. } if is_read_only(source))
        }
        JournalError::File(error) => {
            matches!(&**error, GraphError::Io { source, .. } if is_read_only(source))
        }
        JournalError::Log(_) | JournalError::Changed { .. } | JournalError::Unreadable { .. } => {
            false
        }
    }
}

/// What lies in the index's place.
enum Stored {
    /// The index of the log as it is now, undamaged. While it is open nobody writes to it.
    Current(Box<Index>),
    /// None, or one that has to be read on, as far as can be told.
    Behind,
    /// One that is not as it was written.
    Damaged,
}

/// Looks at the file; writes nothing.
fn look(file: &Path, log: &Path) -> Result<Stored, JournalError> {
    let Some(index) = Index::open(file)? else { return Ok(Stored::Behind) };
    Ok(match checksum::check(file)? {
        Checked::Same if index.is_current(log)? => Stored::Current(Box::new(index)),
        Checked::Same | Checked::Unknown => Stored::Behind,
        Checked::Differs => Stored::Damaged,
    })
}

/// The index, if nobody else works on it now.
fn attempt(file: &Path, log: &Path, progress: &mut dyn FnMut(u64)) -> Result<Opened, JournalError> {
    let mut rebuilt = None;
    match look(file, log)? {
        Stored::Current(index) => return Ok(kept(*index, None)),
        Stored::Behind => {}
        Stored::Damaged => {
            std::fs::remove_file(file).map_err(checksum::failed(file))?;
            let what = "it is not as it was written".into();
            rebuilt = Some(Rebuilt::Damaged { what });
        }
    }
    // From here on the file changes; should this be killed, the next one knows no checksum.
    checksum::forget(file)?;
    let caught_up = catch_up(file, log, progress)?;
    let index = Index::open(file)?;
    let gone = IndexError::Damaged { what: "it cannot be opened again".into() };
    let index = index.ok_or(gone)?;
    checksum::remember(file)?;
    Ok(kept(index, rebuilt.or(caught_up.rebuilt)))
}
