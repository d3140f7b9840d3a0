//! A data directory: where a run's log, inputs, safety files and results lie.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_guard::Guard;
use karyon_safety::FileError;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Something is there already.
    #[error("{} already holds {found}; go on with `karyon resume --data {}`, or choose another --data", path.display(), path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// Nothing is there.
    #[error("there is no data directory {}", path.display())]
    Missing {
        /// What was given.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("{} is in use by another process; wait for it, or stop it", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data directory that no other process uses, for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked; the lock goes with the process, however it ends. Under a guardian it is the
    /// guardian that holds it.
    _lock: Option<File>,
    guard: Option<Arc<Guard>>,
}

/// What a write of a segment that was cut off leaves.
const TEMPORARY_SEGMENT: &str = "spare.log";

/// What may lie in a directory that is not used yet: a person can put STOP there beforehand, and
/// a guardian has a folder for its events, and keys (and a note of theirs) are there before a log.
const BEFOREHAND: [&str; 6] = ["safety", "lock", "logs", "memory", "keystore", "erasing"];

impl DataDir {
    /// Makes a new one, or takes an empty one.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn create(path: &Path) -> Result<DataDir, DataDirError> {
        create_durably(path)?;
        for entry in fs::read_dir(path).map_err(failed(path))? {
            let name = entry.map_err(failed(path))?.file_name();
            let name = name.to_string_lossy();
            if !BEFOREHAND.contains(&name.as_ref()) {
                let found = if name == "log" { "a run".into() } else { format!("\"{name}\"") };
                return Err(DataDirError::NotEmpty { path: path.into(), found });
            }
        }
        DataDir::lock(path)
    }

    /// Whether nothing was ever recorded here: there is nothing but what may lie there beforehand
    /// and what an import that was ended early leaves, a copy of its file.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] for a directory that is used for something else.
    pub(crate) fn is_unused(&self) -> Result<bool, DataDirError> {
        let names = |folder: &Path| -> io::Result<Vec<String>> {
            match fs::read_dir(folder) {
                Ok(entries) => entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        };
        let log = names(&self.log_folder()).map_err(failed(&self.path))?;
        if log.iter().any(|name| name != TEMPORARY_SEGMENT) {
            return Ok(false);
        }
        let inputs = names(&self.inputs()).map_err(failed(&self.path))?;
        let all = names(&self.path).map_err(failed(&self.path))?;
        let own = |name: &String| {
            BEFOREHAND.contains(&name.as_str()) || ["log", "inputs"].contains(&name.as_str())
        };
        let foreign = all.into_iter().find(|name| !own(name));
        let input = inputs.into_iter().find(|name| !name.contains(".engram"));
        match foreign.or(input.map(|name| format!("inputs/{name}"))) {
            None => Ok(true),
            Some(name) => {
                let found = format!("\"{name}\", but no log");
                Err(DataDirError::NotEmpty { path: self.path.clone(), found })
            }
        }
    }

    /// Makes the folders of a run.
    pub(crate) fn furnish(&self) -> Result<(), DataDirError> {
        for folder in [self.log_folder(), self.inputs()] {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(&folder)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        sync_folder(&self.path)
    }

    /// Takes one that is there.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        if !path.is_dir() {
            return Err(DataDirError::Missing { path: path.into() });
        }
        DataDir::lock(path)
    }

    /// Takes one that this process's guardian has locked for it.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn under(guard: Arc<Guard>, path: &Path) -> Result<DataDir, DataDirError> {
        if !path.is_dir() {
            return Err(DataDirError::Missing { path: path.into() });
        }
        Ok(DataDir { path: path.into(), _lock: None, guard: Some(guard) })
    }

    /// The guardian under which it is used; none: what is done here is unguarded.
    pub fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }

    fn lock(path: &Path) -> Result<DataDir, DataDirError> {
        let file = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(karyon_log::NO_WAIT)
            .open(&file)
            .map_err(failed(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path: path.into(), _lock: Some(lock), guard: None }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(failed(&file)(source)),
        }
    }

    /// Whether a process uses the directory now, from the system's list of locks (by inode
    /// alone, so a lock of another file system may be taken for this one): taking the
    /// lock to find out would be in the way of a start. `None`: the system does not tell.
    pub fn is_in_use(path: &Path) -> Option<bool> {
        let inode = fs::metadata(path.join("lock")).ok().map(|lock| lock.ino());
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let suffix = inode.map(|inode| format!(":{inode}"));
        let holds = |line: &str| {
            line.contains(" FLOCK ")
                && line.split_whitespace().any(|word| {
                    suffix.as_ref().is_some_and(|suffix| word.ends_with(suffix.as_str()))
                })
        };
        Some(locks.lines().any(holds))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the log's segments.
    pub fn log_folder(&self) -> PathBuf {
        log_folder(&self.path)
    }

    /// The copies of the inputs.
    pub fn inputs(&self) -> PathBuf {
        inputs(&self.path)
    }

    /// The log's first segment, which holds the run.
    pub fn log_file(&self) -> PathBuf {
        log_file(&self.path)
    }

    /// The checkpoint beside the log.
    pub fn checkpoint_file(&self) -> PathBuf {
        checkpoint_file(&self.path)
    }

    /// Durably writes a whole file: it is there complete or not at all.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn write(&self, file: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
        replace_whole(file, bytes)
    }
}

/// Durably writes a whole file: it is there complete or not at all.
pub(crate) fn replace_whole(file: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    karyon_safety::replace_file(file, bytes, 0o666)
        .map_err(|FileError { path, source, .. }| DataDirError::Io { path, source })
}

/// The copies of a data directory's inputs.
pub fn inputs(data: &Path) -> PathBuf {
    data.join("inputs")
}

/// The folder of a data directory's log: its segments, and the checkpoint beside them.
pub fn log_folder(data: &Path) -> PathBuf {
    data.join("log")
}

/// The memory: a projection of the log, which can be deleted and built again.
pub fn memory_file(data: &Path) -> PathBuf {
    data.join("memory").join("graph.redb")
}

/// The log's first segment, which holds the run.
pub fn log_file(data: &Path) -> PathBuf {
    karyon_log::segment_file(&log_folder(data), 0)
}

/// The checkpoint beside it.
pub fn checkpoint_file(data: &Path) -> PathBuf {
    log_folder(data).join("checkpoint")
}

fn failed(path: &Path) -> impl Fn(io::Error) -> DataDirError + '_ {
    |source| DataDirError::Io { path: path.into(), source }
}

/// Makes a directory with all above it, each with a durable name.
fn create_durably(path: &Path) -> Result<(), DataDirError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new(""));
    create_durably(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    sync_folder(if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

/// Makes the first directory of `names` that is not there yet, below `folder`.
///
/// # Errors
/// [`DataDirError::Io`].
pub fn create_first_free(
    folder: &Path,
    names: impl Iterator<Item = String>,
) -> Result<Option<PathBuf>, DataDirError> {
    create_durably(folder)?;
    for name in names {
        let path = folder.join(name);
        match fs::create_dir(&path) {
            Ok(()) => return sync_folder(folder).map(|()| Some(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    Ok(None)
}

fn sync_folder(folder: &Path) -> Result<(), DataDirError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(failed(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_at_a_time_and_no_second_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("b");
        fs::create_dir_all(path.join("safety")).unwrap();
        let dir = DataDir::create(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { .. })));
        assert_ne!(DataDir::is_in_use(&path), Some(false));
        dir.furnish().unwrap();
        drop(dir);
        assert_ne!(DataDir::is_in_use(&path), Some(true));
        assert!(matches!(DataDir::create(&path), Err(DataDirError::NotEmpty { .. })));
        let dir = DataDir::open(&path).unwrap();
        dir.write(&path.join("x"), b"1").unwrap();
        dir.write(&path.join("x"), b"22").unwrap();
        assert_eq!(fs::read(path.join("x")).unwrap(), b"22");
        let missing = folder.path().join("c");
        assert!(matches!(DataDir::open(&missing), Err(DataDirError::Missing { .. })));
    }
}
