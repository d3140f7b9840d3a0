//! The newest checkpoint of each log, kept outside its data directory.
//!
//! A data directory that is rolled back as a whole, or whose log was written anew by whoever
//! holds the node key, verifies by itself. It does not extend the checkpoint that lies here.

use std::path::{Path, PathBuf};

use karyon_identity::PublicKey;
use karyon_statements::Checkpoint;
use karyon_types::LogId;

use crate::error::KeyError;
use crate::file::{self, Secrecy};
use crate::limits::CHECKPOINT_BYTES_MAX;

const EXPECTED: &str = "the signed checkpoint of the log that the file is named after, by the \
    key that began the log; find out who changed it before you remove it";

/// A checkpoint that is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note itself.
    pub text: String,
}

/// A folder with one file a log, `<log id>`, which holds a C2SP signed note.
#[derive(Clone, Debug)]
pub struct KnownCheckpoints {
    folder: PathBuf,
}

impl KnownCheckpoints {
    pub(crate) fn at(folder: PathBuf) -> KnownCheckpoints {
        KnownCheckpoints { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder, so that a node can write in it.
    ///
    /// # Errors
    /// [`KeyError::WritableByOthers`], or what the file system says.
    pub fn create(&self) -> Result<(), KeyError> {
        file::create_directory(&self.folder)
    }

    /// The file of a log.
    pub fn path(&self, log: LogId) -> PathBuf {
        self.folder.join(log.to_string())
    }

    /// What is known of a log; `None` when nothing is. It is signed by one of `keys`, and of no
    /// other log.
    ///
    /// # Errors
    /// [`KeyError::Broken`] for any other text: what was kept as evidence is not passed over.
    /// [`KeyError::WritableByOthers`], or what the file system says.
    pub fn load(&self, log: LogId, keys: &[PublicKey]) -> Result<Option<Known>, KeyError> {
        file::check_directory(&self.folder)?;
        let path = self.path(log);
        let text = file::read(&path, EXPECTED, Secrecy::Public, CHECKPOINT_BYTES_MAX)?;
        let Some(text) = text.map(|text| text.as_str().to_owned()) else { return Ok(None) };
        let read = keys.iter().find_map(|key| Checkpoint::parse_and_verify(&text, key).ok());
        match read.filter(|checkpoint| checkpoint.origin == origin(log)) {
            Some(checkpoint) => Ok(Some(Known { checkpoint, text })),
            None => Err(KeyError::Broken { path, expected: EXPECTED }),
        }
    }

    /// Keeps a checkpoint of a log, unless a larger one is kept already; whether it is kept now.
    /// That one extends the other is for the caller to see: it takes the log.
    ///
    /// # Errors
    /// [`KeyError::Broken`] when what is given or kept is no checkpoint of this log by this key,
    /// or what the file system says.
    pub fn keep(&self, log: LogId, key: &PublicKey, text: &str) -> Result<bool, KeyError> {
        let new = Checkpoint::parse_and_verify(text, key).ok();
        let Some(new) = new.filter(|new| new.origin == origin(log)) else {
            return Err(KeyError::Broken { path: self.path(log), expected: EXPECTED });
        };
        self.create()?;
        let known = self.load(log, &[*key])?.map(|known| known.checkpoint);
        match known {
            Some(known) if known.size > new.size => Ok(false),
            // Two roots for one size are a fork; the first stays as evidence.
            Some(known) if known.size == new.size => Ok(known.root == new.root),
            Some(_) | None => {
                let path = self.path(log);
                karyon_safety::replace_file(&path, text.as_bytes(), file::PUBLIC_MODE)?;
                Ok(true)
            }
        }
    }

    /// The logs of which a checkpoint by this key is kept, in the order of their names.
    ///
    /// # Errors
    /// What the file system says.
    pub fn logs_of(&self, key: &PublicKey) -> Result<Vec<LogId>, KeyError> {
        let mut logs = Vec::new();
        for name in file::names(&self.folder)? {
            let Some(log) = log_id(&name) else { continue };
            match self.load(log, &[*key]) {
                Ok(known) => logs.extend(known.map(|_| log)),
                // Of another key; what is broken is told when that log is opened.
                Err(KeyError::Broken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(logs)
    }
}

impl KeyError {
    /// Whether a checkpoint that was kept is no longer what it was.
    pub fn is_broken_checkpoint(&self) -> bool {
        matches!(self, KeyError::Broken { expected, .. } if *expected == EXPECTED)
    }
}

/// The name of a log's origin, as the log writes it.
fn origin(log: LogId) -> String {
    format!("karyon/{log}")
}

/// A log's id from its 32 hexadecimal digits.
fn log_id(name: &str) -> Option<LogId> {
    let bytes = u128::from_str_radix(name, 16).ok()?.to_be_bytes();
    Some(LogId(bytes)).filter(|log| log.to_string() == name)
}

#[cfg(test)]
#[path = "checkpoints_tests.rs"]
mod tests;
