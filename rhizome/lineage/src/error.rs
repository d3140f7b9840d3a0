//! What can go wrong, and why an index is made anew.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use karyon_log::LogError;
use karyon_types::Position;

/// Why the index gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another process, or another handle of this one, holds the file.
    #[error("{} is in use by another process; wait for it, or stop it", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A row is not as it was written. Catching up builds the file anew.
    #[error("the index of causes is damaged ({what}); delete it, and it is built from the log")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database refused for a reason of its own.
    #[error("the database of the index of causes failed: {0}")]
    Database(Box<dyn std::error::Error + Send + Sync>),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A committed record is not of this version's format.
    #[error(
        "record {position} of the log cannot be read by this version of Karyon; \
         verify the log, or use the version that wrote it"
    )]
    Record {
        /// The first position that cannot be read.
        position: Position,
    },
}

/// Why an index was made anew from the beginning of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// The file was damaged, or no such file at all.
    Damaged {
        /// What was found.
        what: String,
    },
    /// It was written with another layout.
    Layout {
        /// The layout's number.
        found: u32,
    },
    /// It tells of another log, or of records that the log does not hold.
    NotInLog,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rebuilt::Damaged { what } => write!(f, "the file is damaged ({what})"),
            Rebuilt::Layout { found } => write!(f, "the file has layout {found}"),
            Rebuilt::NotInLog => f.write_str("it tells of records that the log does not hold"),
        }
    }
}

impl IndexError {
    pub(crate) fn damaged(what: &str) -> IndexError {
        IndexError::Damaged { what: what.to_owned() }
    }

    /// Says which file it was.
    pub(crate) fn in_file(self, file: &Path) -> IndexError {
        match self {
            IndexError::InUse { .. } => IndexError::InUse { path: file.to_owned() },
            IndexError::Io { source, .. } => IndexError::Io { path: file.to_owned(), source },
            other => other,
        }
    }
}

/// Runs what uses the database. It checks no bytes when it reads them, so a damaged file can make
/// it panic: that is damage, and nothing that should end a process.
pub(crate) fn guarded<T>(
    operation: impl FnOnce() -> Result<T, IndexError>,
) -> Result<T, IndexError> {
    // Whoever calls replaces the file when this fails, so nobody sees it half changed.
    catch_unwind(AssertUnwindSafe(operation))
        .unwrap_or_else(|_| Err(IndexError::damaged("the database gave up on it")))
}

impl From<redb::Error> for IndexError {
    fn from(error: redb::Error) -> IndexError {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            redb::Error::Io(source) if !matches!(source.kind(), InvalidData | UnexpectedEof) => {
                IndexError::Io { path: PathBuf::new(), source }
            }
            redb::Error::DatabaseAlreadyOpen => IndexError::InUse { path: PathBuf::new() },
            redb::Error::Io(_)
            | redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_) => IndexError::Damaged { what: error.to_string() },
            other => IndexError::Database(Box::new(other)),
        }
    }
}

/// Each operation of redb has an error type of its own; all of them are parts of `redb::Error`.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for IndexError {
            fn from(error: redb::$error) -> IndexError {
                redb::Error::from(error).into()
            }
        })*
    };
}

from_redb!(DatabaseError, StorageError, TableError, TransactionError, CommitError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_panics_is_damaged() {
        let outcome = guarded::<()>(|| panic!("a page that makes no sense"));
        assert!(matches!(outcome, Err(IndexError::Damaged { .. })));
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
