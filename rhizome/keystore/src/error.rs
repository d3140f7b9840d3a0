//! What can go wrong.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use karyon_identity::RandomError;
use karyon_types::LogId;

use crate::limits::{FILE_BYTES_MAX, MEMORIES_MAX, NAME_BYTES_MAX, PLAINTEXT_BYTES_MAX};
use crate::state::SubjectId;

/// Which of the two files a message speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The master key, which lies outside of the data directory.
    Master,
    /// The keys of the subjects, sealed under it.
    Keys,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Which::Master => "master key",
            Which::Keys => "keystore",
        })
    }
}

/// Why the keystore does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// No keystore was made for this log yet.
    #[error("there is no keystore in {}, and no master key at {}: make them first", folder.display(), master.display())]
    NotMade {
        /// Where the keystore would be.
        folder: PathBuf,
        /// Where the master key would be.
        master: PathBuf,
    },
    /// There is a keystore, or a master key, already; both stay as they are.
    #[error("{} is there already: nothing was changed; open it, or name another file", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The keystore is there, its master key is not.
    #[error(
        "no master key at {}, which {} was sealed under: bring it back from where it is kept; \
         without it all that was sealed is erased",
        path.display(), keys.display()
    )]
    MasterMissing {
        /// Where it should be.
        path: PathBuf,
        /// What cannot be opened without it.
        keys: PathBuf,
    },
    /// The master key is there, the keystore is not.
    #[error(
        "no keystore at {}, which {} belongs to: bring it back from where it is kept; without it \
         all that was sealed is erased",
        path.display(), master.display()
    )]
    KeysMissing {
        /// Where it should be.
        path: PathBuf,
        /// The master key of it.
        master: PathBuf,
    },
    /// Master key and keystore are of different generations: one of them is from before an erasure.
    #[error(
        "{} is of generation {generation}, and {} is of another: one of them is from before an \
         erasure; bring back the other's newest state, an older one knows what was erased since",
        master.display(), keys.display()
    )]
    Generation {
        /// The master key.
        master: PathBuf,
        /// Its generation.
        generation: u64,
        /// A keystore file that is there.
        keys: PathBuf,
    },
    /// The master key is whole, and another one than the keystore was sealed under.
    #[error(
        "{} is not the master key that {} was sealed under: name the right one, or bring it back \
         from where it is kept",
        master.display(), keys.display()
    )]
    WrongMaster {
        /// The master key.
        master: PathBuf,
        /// The keystore file.
        keys: PathBuf,
    },
    /// A file belongs to another log.
    #[error("{}: this {which} belongs to log {found}, not to {expected}: name the one of this log", path.display())]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// What it is.
        which: Which,
        /// Whose it is.
        found: LogId,
        /// Whose it should be.
        expected: LogId,
    },
    /// A file was written by a version to come.
    #[error(
        "{}: this {which} is of version {found}, and this Karyon reads version 1: use the Karyon \
         that wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it is.
        which: Which,
        /// Its version.
        found: u64,
    },
    /// A file of carried keys that does not say whose they are.
    #[error(
        "{}: these keys do not say of which log they are, an earlier Karyon wrote them: write them \
         anew, or use the Karyon that wrote them",
        path.display()
    )]
    Unbound {
        /// The file.
        path: PathBuf,
    },
    /// What was written of a file that failed is there still, and holds keys.
    #[error(
        "{error}; and what was written of it holds keys, and is there still ({left}): overwrite and \
         remove {}",
        path.display()
    )]
    Left {
        /// The file.
        path: PathBuf,
        /// Why it is not whole.
        #[source]
        error: Box<KeystoreError>,
        /// Why it is there.
        left: Box<KeystoreError>,
    },
    /// A file is not as it was written.
    #[error("{}: this {which} is damaged ({what}): bring it back from where a copy is kept", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        which: Which,
        /// What was found.
        what: &'static str,
    },
    /// A master key that others can read is none.
    #[error("{} has mode {mode:03o}, others may read the master key: chmod 600 {}", path.display(), path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Whoever copies the data directory would have the master key with it.
    #[error(
        "the master key cannot be kept at {}, inside of the data directory {}: name a file that is \
         not copied together with it",
        master.display(), data.display()
    )]
    MasterInside {
        /// Where it was to be.
        master: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// The text cannot name a subject.
    #[error("a subject's name has 1 to {NAME_BYTES_MAX} bytes, and this one has {bytes}")]
    Name {
        /// Its length, bytes.
        bytes: usize,
    },
    /// The subject was erased, and nothing is to be recorded about it again.
    #[error("{subject} was erased for ever: nothing can be recorded about it again")]
    SubjectErased {
        /// Which.
        subject: SubjectId,
    },
    /// Nothing was ever recorded about a subject with this name.
    #[error(
        "there is no subject {name:?}: nothing was ever sealed under that name; look at its spelling"
    )]
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// No subject has this serial.
    #[error(
        "there is no {subject}: the last is {last}; if a log names it, this keystore is older than \
         the log: bring back its newest state, with the master key of that time"
    )]
    UnknownSubject {
        /// What was asked for.
        subject: SubjectId,
        /// The last that there is; subject 0 if there is none.
        last: SubjectId,
    },
    /// A subject has as many memories as it can have.
    #[error(
        "{subject} has {MEMORIES_MAX} memories, as many as a subject can have: use another subject for what is to come"
    )]
    Full {
        /// Which.
        subject: SubjectId,
    },
    /// A range of memories that cannot be erased.
    #[error(
        "memories {} to {} of {subject} (the last not included) cannot be erased: give a range that \
         is not empty and ends at {end} at most, behind all that were sealed",
        range.start, range.end
    )]
    Range {
        /// Whose.
        subject: SubjectId,
        /// What was asked for.
        range: Range<u32>,
        /// The index behind those that were given out.
        end: u32,
    },
    /// More than can be sealed at once.
    #[error("{bytes} bytes cannot be sealed at once: {PLAINTEXT_BYTES_MAX} at most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The file would become longer than it may.
    #[error(
        "{} would have more than {FILE_BYTES_MAX} bytes: erase whole subjects, or ranges \
         of memories rather than single ones",
        path.display()
    )]
    FileTooLong {
        /// The file.
        path: PathBuf,
    },
    /// It was opened for reading only.
    #[error("the keystore in {} was opened for reading only", folder.display())]
    ReadOnly {
        /// Where it is.
        folder: PathBuf,
    },
    /// Another process has erased since this one opened the keystore, or took the master key away.
    #[error(
        "the master key {} is not the one that was read: another process wrote the keystore \
         meanwhile; nothing was changed, open it again, and hold the data directory's lock",
        master.display()
    )]
    Replaced {
        /// The master key.
        master: PathBuf,
    },
    /// A write failed, so nobody knows what is on the disk; nothing is written on top of that.
    #[error("an earlier write of the keystore in {} failed: open it again", folder.display())]
    Unsettled {
        /// Where it is.
        folder: PathBuf,
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
    #[error("no key was made: {0}")]
    Random(#[from] RandomError),
}

/// Why what was sealed is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// Its key was destroyed, alone or with all of its subject's.
    #[error("memory {index} of {subject} was erased")]
    Erased {
        /// Whose it was.
        subject: SubjectId,
        /// Which it was.
        index: u32,
    },
    /// There never was such a subject, or no subject has so many memories.
    #[error(
        "there is no memory {index} of {subject} in this keystore: it is another log's, or newer than the keystore"
    )]
    Unknown {
        /// Which subject.
        subject: SubjectId,
        /// Which of its memories.
        index: u32,
    },
    /// These are not the bytes that were sealed, or not what was said with them.
    #[error(
        "memory {index} of {subject} is damaged: its bytes, or what belongs to them, are not those that were sealed"
    )]
    Damaged {
        /// Whose it is.
        subject: SubjectId,
        /// Which it is.
        index: u32,
    },
}

/// The system's refusal, with what was tried.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeystoreError {
    move |source| KeystoreError::Io { action, path: path.to_owned(), source }
}
