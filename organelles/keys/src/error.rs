//! Why a key could not be found, read or written.

use std::io;
use std::path::PathBuf;

use karyon_identity::{NAME_RULE, PublicKey, RandomError};

/// Which key a message speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// The key of this machine's nodes.
    Node,
    /// The key of the principal with this name.
    Principal(String),
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyKind::Node => f.write_str("the node key"),
            KeyKind::Principal(name) => write!(f, "the key of principal {name}"),
        }
    }
}

/// Why a key could not be found, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The environment names no place for keys.
    #[error(
        "no place for keys: set KARYON_CONFIG_HOME to a directory (or XDG_CONFIG_HOME or HOME)"
    )]
    NoDirectory,
    /// The name cannot name a principal.
    #[error("{name:?} cannot name a principal: expected {NAME_RULE}")]
    Name {
        /// What was given.
        name: String,
    },
    /// There is such a key already, and it stays as it is.
    #[error("{kind} exists already in {}: nothing was changed", path.display())]
    Exists {
        /// Which key.
        kind: KeyKind,
        /// The file that is there.
        path: PathBuf,
    },
    /// There is no such key.
    #[error("{kind} is missing: there is no file {}", path.display())]
    Missing {
        /// Which key.
        kind: KeyKind,
        /// The file that is not there.
        path: PathBuf,
    },
    /// The public half is here and the secret one is not: it is not made anew over it.
    #[error(
        "{kind} has lost its secret: {} is there, {} is not; bring it back from a backup, or move \
         the public file to {} to keep what it signed verifiable, and a new key is made",
        public.display(), secret.display(), retired.display()
    )]
    Lost {
        /// Which key.
        kind: KeyKind,
        /// The file that is not there.
        secret: PathBuf,
        /// The file that is.
        public: PathBuf,
        /// Where it belongs if the secret is gone for good.
        retired: PathBuf,
    },
    /// The secret of a former node key, or of another machine's, is not here.
    #[error(
        "the secret of the node key {public} is not here: it is neither this machine's node key \
         nor {}; a log goes on only with the key that began it",
        path.display()
    )]
    NotHere {
        /// The key.
        public: PublicKey,
        /// Where it would lie if it were a former one.
        path: PathBuf,
    },
    /// Another process rotated the key in between.
    #[error(
        "{kind} was rotated by another process meanwhile: it is {now} now, no longer {from}; nothing was changed"
    )]
    Rotated {
        /// Which key.
        kind: KeyKind,
        /// What it was to be.
        from: PublicKey,
        /// What it is.
        now: PublicKey,
    },
    /// The current key is not to be destroyed.
    #[error("{kind} {public} is the current one: rotate it first")]
    Current {
        /// Which key.
        kind: KeyKind,
        /// The key.
        public: PublicKey,
    },
    /// A file holds something else than it should.
    #[error("{} is broken: expected {expected}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A secret file that others can read is no secret.
    #[error("{} has mode {mode:03o}, others may read it: chmod 600 {}", path.display(), path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Whoever may write in the directory can exchange the keys.
    #[error("{} has mode {mode:03o}, others may exchange keys: chmod go-w {}", path.display(), path.display())]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The public file does not belong to the secret one.
    #[error(
        "{} does not belong to {}: move it away, and it will be written anew",
        public.display(), secret.display()
    )]
    Mismatch {
        /// The secret file.
        secret: PathBuf,
        /// The public file.
        public: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes for a new key.
    #[error("no key was made")]
    Random(#[from] RandomError),
}

impl From<karyon_safety::FileError> for KeyError {
    fn from(error: karyon_safety::FileError) -> KeyError {
        let karyon_safety::FileError { action, path, source } = error;
        KeyError::Io { action, path, source }
    }
}

/// The system's refusal, with what was tried.
pub(crate) fn failed(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(io::Error) -> KeyError {
    move |source| KeyError::Io { action, path: path.to_owned(), source }
}
