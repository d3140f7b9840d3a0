//! What this machine knows of a data directory, kept where the runtime cannot reach it.
//!
//! `CONFIG/directories/<identity>`, where the identity is 32 hexadecimal digits in
//! `DIR/safety/identity`, drawn when the directory begins. A copy, an older state or a safety log
//! that was cut differ from it: see [`crate::admit`].

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::checked::{FORM, escape, field, seal, unescape, unseal};
use crate::files::{self, FileError, broken, failed, make_folder, replace_file, sync_folder};
use crate::marker::{self, Marker};
use crate::{SAFETY, hex, is_new, unhex};

const IDENTITY: &str = "identity";
const FOLDER: &str = "directories";
const VERSION: &str = "karyon-directory-v1\n";
/// The longest text about windows, in bytes: a few hundred counters.
const MAX_WINDOWS_BYTES: usize = 64 << 10;

/// An entry of the registry of data directories. Whoever writes a marker or an event stores the
/// entry as well; before a `clear`, so that a crash in between is safe mode and nothing worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file system of `DIR/safety`.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// The marker's last number.
    pub n: u64,
    /// Whether the marker may be clear: false while something runs, and after a halt.
    pub clear: bool,
    /// When the directory was last seen in good order, in seconds since 1970.
    pub last_unix_s: u64,
    /// The head of its safety log.
    pub log_head: [u8; 32],
    /// Those of the signed statements that were used, oldest first.
    pub nonces: Vec<[u8; 16]>,
    /// The guardian's counts, in its own words: at most 64 KiB.
    pub windows: String,
    path: PathBuf,
}

impl Entry {
    /// Begins a data directory that has neither marker nor log: makes `safety/`, an
    /// identity, the entry and, last, the marker `clear(0)`.
    ///
    /// # Errors
    /// [`FileError`], also when one of them is there.
    pub fn begin(data: &Path, config: &Path, now_unix_s: u64) -> Result<Entry, FileError> {
        if !is_new(data) {
            return Err(failed("begin", data)(io::ErrorKind::AlreadyExists.into()));
        }
        make_folder(data, SAFETY)?;
        let mut entry = Entry::draw(data, config)?;
        (entry.last_unix_s, entry.clear) = (now_unix_s, true);
        entry.store()?;
        marker::write(data, &Marker::Clear { n: 0 })?;
        Ok(entry)
    }

    /// What this machine knows of a directory; `None` if it has never seen it.
    ///
    /// # Errors
    /// The identity or the entry cannot be believed.
    pub fn load(data: &Path, config: &Path) -> Result<Option<Entry>, String> {
        let identity = identity_file(data);
        let read = |text: &str| Ok(text.strip_suffix('\n').and_then(unhex::<16>).ok_or(FORM)?);
        let Some(id) = files::read(&identity, read).map_err(broken(&identity))? else {
            return Ok(None);
        };
        let path = entry_file(config, &id);
        files::read(&path, |text| Entry::decode(text, &path)).map_err(broken(&path))
    }

    /// Durably writes the entry. One caller at a time: the one that holds the directory's lock.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn store(&self) -> Result<(), FileError> {
        if self.windows.len() > MAX_WINDOWS_BYTES {
            return Err(failed("write", &self.path)(io::ErrorKind::FileTooLarge.into()));
        }
        if let Some(folder) = self.path.parent()
            && !folder.is_dir()
        {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(failed("make", folder))?;
            folder.parent().map_or(Ok(()), sync_folder)?;
        }
        replace_file(&self.path, self.encode().as_bytes(), 0o600)
    }

    /// Gives a directory a new identity. Nothing is known of it yet but where it is.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn draw(data: &Path, config: &Path) -> Result<Entry, FileError> {
        let path = identity_file(data);
        let mut id = [0; 16];
        let drawn = getrandom(&mut id, GetRandomFlags::empty());
        if drawn.map_err(|errno| failed("draw", &path)(errno.into()))? != id.len() {
            return Err(failed("draw", &path)(io::ErrorKind::UnexpectedEof.into()));
        }
        files::replace(data, IDENTITY, &format!("{}\n", hex(&id)))?;
        let (device, inode) = place(data).map_err(failed("look at", &data.join(SAFETY)))?;
        Ok(Entry {
            device,
            inode,
            n: 0,
            clear: false,
            last_unix_s: 0,
            log_head: [0; 32],
            nonces: Vec::new(),
            windows: String::new(),
            path: entry_file(config, &id),
        })
    }

    /// Whether this is the very directory, not a copy of it.
    pub fn is_at(&self, data: &Path) -> bool {
        place(data).is_ok_and(|place| place == (self.device, self.inode))
    }

    fn encode(&self) -> String {
        let Entry { device, inode, n, clear, last_unix_s, log_head, nonces, windows, path: _ } =
            self;
        let nonces: String = nonces.iter().map(|nonce| format!(" {}", hex(nonce))).collect();
        seal(&format!(
            "{VERSION}device {device}\ninode {inode}\nn {n}\nclear {clear}\nlast {last_unix_s}\nlog {}\n\
             nonces{nonces}\nwindows {}\n",
            hex(log_head),
            escape(windows)
        ))
    }

    fn decode(text: &str, path: &Path) -> Result<Entry, String> {
        Ok(unseal(text, VERSION, |body| Entry::parse(body.lines(), path), Entry::encode)?)
    }

    fn parse<'a>(mut lines: impl Iterator<Item = &'a str>, path: &Path) -> Option<Entry> {
        let mut next = |name| field(&mut lines, name);
        Some(Entry {
            device: next("device ")?.parse().ok()?,
            inode: next("inode ")?.parse().ok()?,
            n: next("n ")?.parse().ok()?,
            clear: next("clear ")?.parse().ok()?,
            last_unix_s: next("last ")?.parse().ok()?,
            log_head: unhex(next("log ")?)?,
            nonces: next("nonces")?.split(' ').skip(1).map(unhex).collect::<Option<_>>()?,
            windows: unescape(next("windows ")?)?,
            path: path.to_owned(),
        })
    }
}

/// Where keys, limits and the registry lie: `$KARYON_CONFIG_HOME`, else
/// `$XDG_CONFIG_HOME/karyon`, else `$HOME/.config/karyon`. An empty variable counts as absent, as
/// does a relative `XDG_CONFIG_HOME`.
pub fn config_home() -> Option<PathBuf> {
    locate(|name| std::env::var_os(name))
}

fn locate(get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("KARYON_CONFIG_HOME")
        .or_else(|| set("XDG_CONFIG_HOME").filter(|p| p.is_absolute()).map(|p| p.join("karyon")))
        .or_else(|| set("HOME").map(|home| home.join(".config").join("karyon")))
}

fn identity_file(data: &Path) -> PathBuf {
    data.join(SAFETY).join(IDENTITY)
}

fn entry_file(config: &Path, id: &[u8; 16]) -> PathBuf {
    config.join(FOLDER).join(hex(id))
}

/// The device and number of the folder `safety`.
fn place(data: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(data.join(SAFETY)).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
