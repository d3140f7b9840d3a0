//! What can go wrong, and why a projection is made anew.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use karyon_engram::EngramError;
use karyon_log::LogError;
use karyon_types::Position;

use crate::query::PageError;

/// Why the graph gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// There is no such file.
    #[error("there is no memory at {}: it is built from the log when the log is read", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another process, or another handle of this one, holds the file.
    #[error("{} is in use by another process; wait for it, or stop it", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Whoever wrote it was killed. Opened for writing it is put in order, without loss.
    #[error("{} was not closed by whoever wrote it; opened for writing it is put in order", path.display())]
    Unclosed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read as it is. Opened for writing it is made anew.
    #[error("{}: {why}; it has to be built again from the log", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: Rebuilt,
    },
    /// A row is not as it was written. Catching up again builds the file anew.
    #[error("the memory's file is damaged ({what}); it has to be built again from the log")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The file system refused.
    #[error("{}: {source}", shown(path.as_deref()))]
    Io {
        /// Which file, where that is known.
        path: Option<PathBuf>,
        /// Why.
        source: io::Error,
    },
    /// The database refused for a reason of its own.
    #[error("the memory's database failed: {0}")]
    Database(Box<dyn std::error::Error + Send + Sync>),
    /// The graph was opened for reading only.
    #[error("the memory was opened for reading only")]
    ReadOnly,
    /// A question was put to a view that has become too old. Only
    /// [`Reader::ask`](crate::Reader::ask) looks at the age.
    #[error(
        "this view of the memory was opened {age:.1?} ago, and is good for {max_age:?}: a held view \
         keeps the file from using its space again; open a new one, or allow a greater age"
    )]
    Aged {
        /// How long ago it was opened.
        age: Duration,
        /// How old it may become.
        max_age: Duration,
    },
    /// An answer cannot be continued where it was said.
    #[error(transparent)]
    Page(#[from] PageError),
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
    /// The copy of an imported engram is not what the log says.
    #[error(
        "record {position} imported {}: {source}; put back the copy that the log names",
        path.display()
    )]
    Import {
        /// The record that imported it.
        position: Position,
        /// The copy.
        path: PathBuf,
        /// What is wrong.
        source: ImportError,
    },
}

/// What is wrong with the copy of an imported engram.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Its name is none of a file in the folder.
    #[error("this is no name of a file")]
    Name,
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its size or hash differs from what the record says.
    #[error("it is not the file that was imported")]
    Changed,
    /// It is no engram.
    #[error(transparent)]
    Engram(#[from] EngramError),
    /// Its root, origin or signer differs from what the record says.
    #[error("it is another engram than the record tells of")]
    Other,
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "the memory's file".into(), |path| path.display().to_string())
}

/// Why a projection was made anew from the beginning of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// The file was damaged, or no such file at all.
    Damaged {
        /// What was found.
        what: String,
    },
    /// It was written with another layout.
    Schema {
        /// The layout's number.
        found: u32,
    },
    /// It is the memory of another log.
    OtherLog,
    /// The log does not hold the place up to which it was projected: the log was cut, or has
    /// another past.
    NotInLog,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rebuilt::Damaged { what } => write!(f, "the file is damaged ({what})"),
            Rebuilt::Schema { found } => write!(f, "the file has layout {found}"),
            Rebuilt::OtherLog => f.write_str("it is the memory of another log"),
            Rebuilt::NotInLog => f.write_str("it tells of records that the log does not hold"),
        }
    }
}

impl GraphError {
    pub(crate) fn damaged(what: &str) -> GraphError {
        GraphError::Damaged { what: what.to_owned() }
    }

    /// Says which file it was.
    pub(crate) fn in_file(self, path: Option<&Path>) -> GraphError {
        match (self, path) {
            (GraphError::Io { path: None, source }, Some(path)) => {
                GraphError::Io { path: Some(path.to_owned()), source }
            }
            (other, _) => other,
        }
    }
}

/// Runs what opens or changes the database. It checks no bytes when it reads them, so a damaged
/// file can make it panic: that is damage, and nothing that should end a process.
pub(crate) fn guarded<T>(
    operation: impl FnOnce() -> Result<T, GraphError>,
) -> Result<T, GraphError> {
    // Whoever calls replaces the database when this fails, so nobody sees it half changed.
    catch_unwind(AssertUnwindSafe(operation))
        .unwrap_or_else(|_| Err(GraphError::damaged("the database gave up on it")))
}

/// For a file operation on `path`.
pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> GraphError + '_ {
    |source| GraphError::Io { path: Some(path.to_owned()), source }
}

impl From<redb::Error> for GraphError {
    fn from(error: redb::Error) -> GraphError {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            redb::Error::Io(source) if !matches!(source.kind(), InvalidData | UnexpectedEof) => {
                GraphError::Io { path: None, source }
            }
            redb::Error::DatabaseAlreadyOpen => GraphError::InUse { path: PathBuf::new() },
            redb::Error::Io(_)
            | redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_) => GraphError::Damaged { what: error.to_string() },
            other => GraphError::Database(Box::new(other)),
        }
    }
}

/// Each operation of redb has an error type of its own; all of them are parts of `redb::Error`.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for GraphError {
            fn from(error: redb::$error) -> GraphError {
                redb::Error::from(error).into()
            }
        })*
    };
}

from_redb!(StorageError, TableError, TransactionError, CommitError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_panics_is_damaged() {
        let outcome = guarded::<()>(|| panic!("a page that makes no sense"));
        assert!(matches!(outcome, Err(GraphError::Damaged { .. })));
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
