//! Where keys are kept: small text files in a directory of the person, outside all data.
//!
//! ```text
//! node.key  node.pub                              the node's
//! principals/<name>.key  principals/<name>.pub    one pair a principal
//! default-principal                               a name
//! ```
//!
//! Each file is one line, `karyon-<what>-v1 <value>`. A secret file has mode 0600 and is refused
//! when others may read it, a directory is refused when others may write in it. An existing key
//! is never overwritten. The secret is written first; a public file that is missing after a
//! crash is written again when the secret is next loaded.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{self, IfPresent};
use crate::keys::decode_hex;
use crate::name::{NAME_RULE, is_principal_name};
use crate::{PublicKey, RandomError, SecretKey};

mod file;

const SECRET: &str = "karyon-secret-key-v1";
const PUBLIC: &str = "karyon-public-key-v1";
const DEFAULT_PRINCIPAL: &str = "karyon-default-principal-v1";

const EXPECTED_SECRET: &str = "one line: karyon-secret-key-v1 and 64 hexadecimal digits";
const EXPECTED_PUBLIC: &str = "one line: karyon-public-key-v1 and 64 hexadecimal digits of a key";
const EXPECTED_NAME: &str = "one line: karyon-default-principal-v1 and a principal's name";

/// Which key a message speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        locate(|name| std::env::var_os(name)).map(KeyDirectory::at)
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

    /// The node's public key, without touching the secret one.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::Missing`] when there is none.
    pub fn load_node_public_key(&self) -> Result<PublicKey, KeyError> {
        self.load_public(KeyKind::Node)
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
        let path = self.default_path();
        let line = format!("{DEFAULT_PRINCIPAL} {name}\n");
        durable::write(&path, &line, 0o644, IfPresent::Replace).map_err(failed("write", &path))
    }

    fn load_secret(&self, kind: KeyKind) -> Result<SecretKey, KeyError> {
        let path = self.file(&kind, "key");
        file::check_directory(&self.root)?;
        if let KeyKind::Principal(_) = kind {
            file::check_directory(&self.principals())?;
        }
        let Some(line) = file::read_line(&path, EXPECTED_SECRET, file::Secrecy::Secret)? else {
            return Err(KeyError::Missing { kind, path });
        };
        let key = line.value(SECRET).and_then(decode_hex).and_then(SecretKey::from_seed);
        let key = key.ok_or(KeyError::Broken { path, expected: EXPECTED_SECRET })?;
        match self.load_public(kind.clone()) {
            Ok(public) if public == key.public_key() => Ok(key),
            Ok(_) => Err(KeyError::Mismatch {
                secret: self.file(&kind, "key"),
                public: self.file(&kind, "pub"),
            }),
            Err(KeyError::Missing { .. }) => self.write_public(&kind, &key).map(|()| key),
            Err(error) => Err(error),
        }
    }

    fn load_public(&self, kind: KeyKind) -> Result<PublicKey, KeyError> {
        let path = self.file(&kind, "pub");
        let Some(line) = file::read_line(&path, EXPECTED_PUBLIC, file::Secrecy::Public)? else {
            return Err(KeyError::Missing { kind, path });
        };
        line.value(PUBLIC)
            .and_then(PublicKey::from_hex)
            .filter(PublicKey::is_valid)
            .ok_or(KeyError::Broken { path, expected: EXPECTED_PUBLIC })
    }

    fn create(&self, kind: KeyKind) -> Result<SecretKey, KeyError> {
        let path = self.file(&kind, "key");
        let directory = match kind {
            KeyKind::Node => self.root.clone(),
            KeyKind::Principal(_) => self.principals(),
        };
        durable::create_directory(&directory).map_err(failed("make", &directory))?;
        file::check_directory(&self.root)?;
        file::check_directory(&directory)?;
        let key = SecretKey::generate()?;
        let line = file::SecretText::new(format!("{SECRET} {}\n", key.seed_hex()));
        match durable::write(&path, line.as_str(), 0o600, IfPresent::Refuse) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeyError::Exists { kind, path })
            }
            Err(source) => Err(failed("write", &path)(source)),
            Ok(()) => self.write_public(&kind, &key).map(|()| key),
        }
    }

    fn write_public(&self, kind: &KeyKind, key: &SecretKey) -> Result<(), KeyError> {
        let path = self.file(kind, "pub");
        let line = format!("{PUBLIC} {}\n", key.public_key());
        match durable::write(&path, &line, 0o644, IfPresent::Refuse) {
            // Another process loaded the same key at the same time; the next load compares.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result.map_err(failed("write", &path)),
        }
    }

    fn file(&self, kind: &KeyKind, extension: &str) -> PathBuf {
        match kind {
            KeyKind::Node => self.root.join(format!("node.{extension}")),
            KeyKind::Principal(name) => self.principals().join(format!("{name}.{extension}")),
        }
    }

    fn principals(&self) -> PathBuf {
        self.root.join("principals")
    }

    fn default_path(&self) -> PathBuf {
        self.root.join("default-principal")
    }
}

fn principal(name: &str) -> Result<KeyKind, KeyError> {
    if is_principal_name(name) {
        Ok(KeyKind::Principal(name.to_owned()))
    } else {
        Err(KeyError::Name { name: name.to_owned() })
    }
}

fn locate(get: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, KeyError> {
    let set = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("KARYON_CONFIG_HOME")
        .or_else(|| set("XDG_CONFIG_HOME").filter(|p| p.is_absolute()).map(|p| p.join("karyon")))
        .or_else(|| set("HOME").map(|home| home.join(".config").join("karyon")))
        .ok_or(KeyError::NoDirectory)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    move |source| KeyError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
#[path = "keystore_tests.rs"]
mod tests;
