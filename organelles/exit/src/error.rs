//! Why nothing was written, or nothing was taken in.

use std::io;
use std::path::{Path, PathBuf};

use karyon_graph::GraphError;
use karyon_identity::{PublicKey, RandomError};
use karyon_log::LogError;
use karyon_runtime::DataDirError;
use karyon_verify::VerifyError;

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is something already.
    #[error("{} is there already: nothing was changed; choose another file", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The log cannot be told in words.
    #[error(transparent)]
    Audit(#[from] karyon_audit::ExportError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The memory cannot be read.
    #[error(transparent)]
    Memory(#[from] GraphError),
    /// A record is of no format that is known here.
    #[error("record #{record} cannot be read by this version of Karyon; a newer one wrote it")]
    Unreadable {
        /// Which.
        record: u64,
    },
    /// The log went on meanwhile.
    #[error("the log grew while it was exported; wait until nothing runs there, and export again")]
    Grew,
    /// An input cannot be called so.
    #[error(
        "the input {name:?} has a name that an export cannot hold: at most 93 bytes without slashes \
         or control characters"
    )]
    Name {
        /// Its name.
        name: String,
    },
    /// There are more files than an export may hold.
    #[error("the log has {found} files, and an export holds {most} at most")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why an export was not taken in. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is something already.
    #[error(
        "{} is there already and not an empty folder: nothing was changed; choose another --data",
        path.display()
    )]
    NotEmpty {
        /// What is there.
        path: PathBuf,
    },
    /// No import made what lies where this one would unpack.
    #[error(
        "{} is in the way, and no import made it, or not this version's: nothing was changed; put it \
         aside, or remove it if nothing in it is needed",
        path.display()
    )]
    Stray {
        /// What is there.
        path: PathBuf,
    },
    /// No random number for a note.
    #[error("nothing was made: {0}")]
    Random(#[from] RandomError),
    /// A path that names no folder.
    #[error("{} names no folder that could be made", path.display())]
    NoName {
        /// What was given.
        path: PathBuf,
    },
    /// The file is not as it was exported.
    #[error("{place}: {what}; the export is not as it was written, get it anew")]
    Damaged {
        /// Which file of the export, or which of its bytes.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// It was written by a version to come.
    #[error(
        "the export has version {found}; this Karyon reads version 1: use the one that wrote it"
    )]
    Version {
        /// The version that it names.
        found: u32,
    },
    /// It holds more than is read.
    #[error("the export has more than {most} {what}, which is more than is read")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much is read.
        most: u64,
    },
    /// The log does not verify.
    #[error("the log in the export does not verify: {0}")]
    Verify(#[from] VerifyError),
    /// The export says something else than its log.
    #[error(
        "the export promises the {what} {promised}, and its log gives {found}: it was not made of \
         this log"
    )]
    Promise {
        /// Of what.
        what: &'static str,
        /// What the manifest says.
        promised: String,
        /// What there is.
        found: String,
    },
    /// Somebody signed it who does not sign this log.
    #[error("the export is signed by {signer}, and its log by {node_key}: do not trust it")]
    Signer {
        /// Who signed the manifest.
        signer: PublicKey,
        /// Who signed the log.
        node_key: PublicKey,
    },
    /// The memory cannot be built.
    #[error(transparent)]
    Memory(#[from] GraphError),
    /// The place cannot be used.
    #[error(transparent)]
    Place(#[from] DataDirError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ImportError {
    /// Something is wrong with a file of the export.
    pub(crate) fn in_file(name: &str, what: impl Into<String>) -> ImportError {
        ImportError::Damaged { place: name.to_owned(), what: what.into() }
    }

    /// Whether it says "this is not what was written", rather than "I could not look".
    pub fn is_refutation(&self) -> bool {
        match self {
            ImportError::Damaged { .. }
            | ImportError::Promise { .. }
            | ImportError::Signer { .. } => true,
            ImportError::Verify(error) => error.is_refutation(),
            ImportError::NotEmpty { .. }
            | ImportError::Stray { .. }
            | ImportError::Random(_)
            | ImportError::NoName { .. }
            | ImportError::Version { .. }
            | ImportError::TooMuch { .. }
            | ImportError::Memory(_)
            | ImportError::Place(_)
            | ImportError::Io { .. } => false,
        }
    }
}

/// For a file operation on `path`.
pub(crate) fn unwritten(path: &Path) -> impl Fn(io::Error) -> ExportError + '_ {
    |source| ExportError::Io { path: path.to_owned(), source }
}

/// For a file operation on `path`.
pub(crate) fn untaken(path: &Path) -> impl Fn(io::Error) -> ImportError + '_ {
    |source| ImportError::Io { path: path.to_owned(), source }
}
