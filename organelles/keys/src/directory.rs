//! The key directory: loading keys, and making them.
//!
//! The secret is written first; a public file that is missing after a crash is written again when
//! the secret is next loaded.

use std::path::{Path, PathBuf};

use karyon_identity::{PublicKey, SecretKey, is_principal_name};
use karyon_safety::replace_file;

use crate::checkpoints::KnownCheckpoints;
use crate::error::{KeyError, KeyKind};
use crate::file::{self, Lock};

const DEFAULT_PRINCIPAL: &str = "karyon-default-principal-v1";
const EXPECTED_NAME: &str = "one line: karyon-default-principal-v1 and a principal's name";

/// Whether a key was there or has just been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// Made now; a person wants to hear of it.
    Now,
    /// It was there.
    Before,
}

/// The directory that holds the keys of one person on one machine.
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    root: PathBuf,
}

impl KeyDirectory {
    /// `$KARYON_CONFIG_HOME`, else `$XDG_CONFIG_HOME/karyon`, else `$HOME/.config/karyon`.
    /// An empty variable counts as absent, as does a relative `XDG_CONFIG_HOME` (so does the
    /// XDG base directory specification). Nothing is created yet.
    ///
    /// # Errors
    /// [`KeyError::NoDirectory`] when none of them is set.
    pub fn from_environment() -> Result<KeyDirectory, KeyError> {
        karyon_safety::config_home().map(KeyDirectory::at).ok_or(KeyError::NoDirectory)
    }

    /// The keys in this directory, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> KeyDirectory {
        KeyDirectory { root: root.into() }
    }

    /// Where the keys are.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The node's key.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::Missing`] when there is none.
    pub fn load_node_key(&self) -> Result<SecretKey, KeyError> {
        self.load_secret(KeyKind::Node)
    }

    /// The node's public key. The secret one is touched only when a crash has left the public
    /// file out.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::Missing`] when there is none.
    pub fn load_node_public_key(&self) -> Result<PublicKey, KeyError> {
        self.public(&KeyKind::Node)
    }

    /// The node key with this public half: the current one, or a former one. A log goes on with
    /// the key that began it.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::NotHere`] when this machine does not have its secret.
    pub fn node_key_for(&self, public: &PublicKey) -> Result<SecretKey, KeyError> {
        match self.load_node_key() {
            Ok(key) if key.public_key() == *public => return Ok(key),
            Ok(_) | Err(KeyError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        let path = self.retired_file(&KeyKind::Node, public, "key");
        file::check_directory(&self.retired(&KeyKind::Node))?;
        match file::read_secret(&path)? {
            Some(key) if key.public_key() == *public => Ok(key),
            Some(_) => {
                let public = self.retired_file(&KeyKind::Node, public, "pub");
                Err(KeyError::Mismatch { secret: path, public })
            }
            None => Err(KeyError::NotHere { public: *public, path }),
        }
    }

    /// The node's key, made now if there is none. Of two processes that make it at the same
    /// time one wins, and both get the same key.
    ///
    /// # Errors
    /// [`KeyError`]; a broken key is reported, never replaced.
    pub fn load_or_create_node_key(&self) -> Result<(SecretKey, Created), KeyError> {
        match self.load_node_key() {
            Err(KeyError::Missing { .. }) => {}
            loaded => return Ok((loaded?, Created::Before)),
        }
        match self.create(KeyKind::Node) {
            Err(KeyError::Exists { .. }) => Ok((self.load_node_key()?, Created::Before)),
            created => Ok((created?, Created::Now)),
        }
    }

    /// Makes a principal with a new key.
    ///
    /// # Errors
    /// [`KeyError::Name`], [`KeyError::Exists`] (nothing is overwritten), or what the file
    /// system says.
    pub fn create_principal(&self, name: &str) -> Result<PublicKey, KeyError> {
        self.create(principal(name)?).map(|key| key.public_key())
    }

    /// A principal's secret key. Not for a running node.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::Missing`] when there is no such principal.
    pub fn load_principal_key(&self, name: &str) -> Result<SecretKey, KeyError> {
        self.load_secret(principal(name)?)
    }

    /// A principal's public key, without touching the secret one.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::Missing`] when there is no such principal.
    pub fn load_principal_public_key(&self, name: &str) -> Result<PublicKey, KeyError> {
        self.load_public(principal(name)?)
    }

    /// The principal who answers when no other is named; `None` when none was chosen.
    ///
    /// # Errors
    /// [`KeyError::Broken`] or what the file system says.
    pub fn default_principal(&self) -> Result<Option<String>, KeyError> {
        let path = self.default_path();
        let broken = || KeyError::Broken { path: path.clone(), expected: EXPECTED_NAME };
        match file::read_line(&path, EXPECTED_NAME, file::Secrecy::Public)? {
            None => Ok(None),
            Some(line) => match line.value(DEFAULT_PRINCIPAL) {
                Some(name) if is_principal_name(name) => Ok(Some(name.to_owned())),
                _ => Err(broken()),
            },
        }
    }

    /// Chooses the principal who answers when no other is named.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such principal, or what the file system says.
    pub fn set_default_principal(&self, name: &str) -> Result<(), KeyError> {
        self.load_principal_public_key(name)?;
        let line = format!("{DEFAULT_PRINCIPAL} {name}\n");
        let _lock = Lock::take(&self.root)?;
        Ok(replace_file(&self.default_path(), line.as_bytes(), file::PUBLIC_MODE)?)
    }

    /// The folder with the master keys of keystores; made, if it is not there.
    ///
    /// # Errors
    /// [`KeyError::WritableByOthers`], or what the file system says.
    pub fn keystores(&self) -> Result<PathBuf, KeyError> {
        let folder = self.root.join("keystores");
        file::create_directory(&folder)?;
        Ok(folder)
    }

    /// The newest checkpoints that are kept here of logs.
    pub fn checkpoints(&self) -> KnownCheckpoints {
        KnownCheckpoints::at(self.root.join("checkpoints"))
    }

    /// Loads a pair. What does not fit may be a rotation under way or one that was cut off, so it
    /// is looked at again when nobody else writes.
    fn load_secret(&self, kind: KeyKind) -> Result<SecretKey, KeyError> {
        file::check_directory(&self.root)?;
        if let KeyKind::Principal(_) = kind {
            file::check_directory(&self.principals())?;
        }
        let key = self.secret(&kind)?;
        match file::read_public(&self.file(&kind, "pub"))? {
            Some(public) if public == key.public_key() => Ok(key),
            Some(_) | None => self.settled(&kind, &Lock::take(&self.root)?),
        }
    }

    /// The secret key, with its public file beside it.
    pub(crate) fn settled(&self, kind: &KeyKind, lock: &Lock) -> Result<SecretKey, KeyError> {
        let key = self.secret(kind)?;
        let path = self.file(kind, "pub");
        match file::read_public(&path)? {
            Some(public) if public == key.public_key() => {}
            Some(_) => {
                return Err(KeyError::Mismatch { secret: self.file(kind, "key"), public: path });
            }
            None => file::write_public(&path, &key.public_key(), lock)?,
        }
        Ok(key)
    }

    fn secret(&self, kind: &KeyKind) -> Result<SecretKey, KeyError> {
        let path = self.file(kind, "key");
        file::read_secret(&path)?.ok_or_else(|| KeyError::Missing { kind: kind.clone(), path })
    }

    fn load_public(&self, kind: KeyKind) -> Result<PublicKey, KeyError> {
        let path = self.file(&kind, "pub");
        file::read_public(&path)?.ok_or(KeyError::Missing { kind, path })
    }

    /// The public key, of which a crash may have left the file out.
    pub(crate) fn public(&self, kind: &KeyKind) -> Result<PublicKey, KeyError> {
        match self.load_public(kind.clone()) {
            Err(missing @ KeyError::Missing { .. }) => match self.load_secret(kind.clone()) {
                Ok(key) => Ok(key.public_key()),
                Err(KeyError::Missing { .. }) => Err(missing),
                Err(error) => Err(error),
            },
            found => found,
        }
    }

    fn create(&self, kind: KeyKind) -> Result<SecretKey, KeyError> {
        let lock = Lock::take(&self.root)?;
        let path = self.file(&kind, "key");
        file::create_directory(path.parent().unwrap_or(&self.root))?;
        // A dangling link is something present as well.
        if path.symlink_metadata().is_ok() {
            return Err(KeyError::Exists { kind, path });
        }
        let public = self.file(&kind, "pub");
        if let Some(key) = file::read_public(&public)? {
            let retired = self.retired_file(&kind, &key, "pub");
            return Err(KeyError::Lost { kind, secret: path, public, retired });
        }
        let key = SecretKey::generate()?;
        file::write_secret(&path, &key, &lock)?;
        file::write_public(&public, &key.public_key(), &lock)?;
        Ok(key)
    }

    pub(crate) fn file(&self, kind: &KeyKind, extension: &str) -> PathBuf {
        match kind {
            KeyKind::Node => self.root.join(format!("node.{extension}")),
            KeyKind::Principal(name) => self.principals().join(format!("{name}.{extension}")),
        }
    }

    /// Where former keys lie: the node's apart from those of principals, so that a node that
    /// looks for one of its own never comes near the others.
    pub(crate) fn retired(&self, kind: &KeyKind) -> PathBuf {
        match kind {
            KeyKind::Node => self.root.join("retired"),
            KeyKind::Principal(_) => self.principals().join("retired"),
        }
    }

    pub(crate) fn retired_file(
        &self,
        kind: &KeyKind,
        public: &PublicKey,
        extension: &str,
    ) -> PathBuf {
        self.retired(kind).join(format!("{public}.{extension}"))
    }

    pub(crate) fn principals(&self) -> PathBuf {
        self.root.join("principals")
    }

    fn default_path(&self) -> PathBuf {
        self.root.join("default-principal")
    }
}

pub(crate) fn principal(name: &str) -> Result<KeyKind, KeyError> {
    if is_principal_name(name) {
        Ok(KeyKind::Principal(name.to_owned()))
    } else {
        Err(KeyError::Name { name: name.to_owned() })
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
