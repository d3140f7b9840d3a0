//! The small files of the key directory: reading them, and the lock under which they are written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use karyon_identity::{PublicKey, SecretKey};
use karyon_safety::{replace_file, sync_folder};

use crate::error::{KeyError, failed};
use crate::limits::KEY_FILE_BYTES_MAX;

const SECRET: &str = "karyon-secret-key-v1";
const PUBLIC: &str = "karyon-public-key-v1";

pub(crate) const EXPECTED_SECRET: &str = "one line: karyon-secret-key-v1 and 64 hexadecimal digits";
pub(crate) const EXPECTED_PUBLIC: &str =
    "one line: karyon-public-key-v1 and 64 hexadecimal digits of a key";

/// The mode of a secret file.
const SECRET_MODE: u32 = 0o600;
/// The mode of what everybody may read.
pub(crate) const PUBLIC_MODE: u32 = 0o644;

/// Whether others may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    Secret,
    Public,
}

/// A text that is overwritten when dropped.
pub(crate) struct SecretText(Vec<u8>);

impl SecretText {
    pub(crate) fn new(text: String) -> SecretText {
        SecretText(text.into_bytes())
    }

    /// The text; empty when the bytes are none.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// What stands behind `word` and one space, in a text that is exactly one ended line.
    pub(crate) fn value(&self, word: &str) -> Option<&str> {
        let line = self.as_str().strip_suffix('\n').filter(|line| !line.contains('\n'))?;
        line.strip_prefix(word)?.strip_prefix(' ')
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// The one line of a file; `None` when there is no such file.
pub(crate) fn read_line(
    path: &Path,
    expected: &'static str,
    secrecy: Secrecy,
) -> Result<Option<SecretText>, KeyError> {
    read(path, expected, secrecy, KEY_FILE_BYTES_MAX)
}

/// The text of a file of at most `most` bytes; `None` when there is no such file.
pub(crate) fn read(
    path: &Path,
    expected: &'static str,
    secrecy: Secrecy,
    most: u64,
) -> Result<Option<SecretText>, KeyError> {
    let broken = || KeyError::Broken { path: path.to_owned(), expected };
    // Asked before opening: opening a pipe would wait for its other end.
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
        Ok(metadata) if !metadata.is_file() => return Err(broken()),
        Ok(_) => {}
    }
    let file = match File::open(path) {
        // Removed since it was asked for.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed("read", path))?,
    };
    let mode = file.metadata().map_err(failed("read", path))?.permissions().mode() & 0o777;
    if secrecy == Secrecy::Secret && mode & 0o077 != 0 {
        return Err(KeyError::ReadableByOthers { path: path.to_owned(), mode });
    }
    // Room for all of it, so that no copy is left behind by growing.
    let mut text = SecretText(Vec::with_capacity(2 * most as usize));
    file.take(most + 1).read_to_end(&mut text.0).map_err(failed("read", path))?;
    if text.0.len() as u64 > most {
        return Err(broken());
    }
    Ok(Some(text))
}

/// Refuses a directory in which others may write; one that is not there holds nothing wrong.
pub(crate) fn check_directory(path: &Path) -> Result<(), KeyError> {
    let mode = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("read", path))?.permissions().mode() & 0o777,
    };
    if mode & 0o022 != 0 {
        return Err(KeyError::WritableByOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

/// The secret key in a file; `None` when there is no such file.
pub(crate) fn read_secret(path: &Path) -> Result<Option<SecretKey>, KeyError> {
    let Some(line) = read_line(path, EXPECTED_SECRET, Secrecy::Secret)? else { return Ok(None) };
    match line.value(SECRET).and_then(SecretKey::from_seed_hex) {
        Some(key) => Ok(Some(key)),
        None => Err(KeyError::Broken { path: path.to_owned(), expected: EXPECTED_SECRET }),
    }
}

/// Puts a secret key into a file, durably, whole or not at all.
pub(crate) fn write_secret(path: &Path, key: &SecretKey, _: &Lock) -> Result<(), KeyError> {
    let line = SecretText::new(format!("{SECRET} {}\n", key.seed_hex()));
    Ok(replace_file(path, line.as_str().as_bytes(), SECRET_MODE)?)
}

/// The public key in a file; `None` when there is no such file.
pub(crate) fn read_public(path: &Path) -> Result<Option<PublicKey>, KeyError> {
    let Some(line) = read_line(path, EXPECTED_PUBLIC, Secrecy::Public)? else { return Ok(None) };
    match line.value(PUBLIC).and_then(PublicKey::from_hex).filter(PublicKey::is_valid) {
        Some(key) => Ok(Some(key)),
        None => Err(KeyError::Broken { path: path.to_owned(), expected: EXPECTED_PUBLIC }),
    }
}

/// Puts a public key into a file, durably, whole or not at all.
pub(crate) fn write_public(path: &Path, key: &PublicKey, _: &Lock) -> Result<(), KeyError> {
    Ok(replace_file(path, format!("{PUBLIC} {key}\n").as_bytes(), PUBLIC_MODE)?)
}

/// Overwrites a secret file and removes it; whether there was one.
pub(crate) fn destroy(path: &Path, _: &Lock) -> Result<bool, KeyError> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(failed("overwrite", path))?,
    };
    file.write_all(&[b'0'; KEY_FILE_BYTES_MAX as usize])
        .and_then(|()| file.sync_all())
        .map_err(failed("overwrite", path))?;
    remove(path)?;
    Ok(true)
}

/// Removes a file for good; one that is not there is none.
pub(crate) fn remove(path: &Path) -> Result<(), KeyError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
        Ok(()) => Ok(sync_folder(path.parent().unwrap_or(Path::new("")))?),
    }
}

/// Held while something is written; goes with the process, however it ends.
pub(crate) struct Lock(#[expect(dead_code, reason = "locked for as long as it is open")] File);

impl Lock {
    /// Makes the directory if there is none, and waits until nobody else writes in it.
    pub(crate) fn take(root: &Path) -> Result<Lock, KeyError> {
        create_directory(root)?;
        let path = root.join("lock");
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(SECRET_MODE)
            .open(&path)
            .map_err(failed("open", &path))?;
        open.lock().map_err(failed("lock", &path))?;
        Ok(Lock(open))
    }
}

/// Makes a directory and its parents with mode 0700, durably; what exists keeps its mode, and is
/// refused if others may write in it.
pub(crate) fn create_directory(path: &Path) -> Result<(), KeyError> {
    if !path.is_dir() {
        let make = failed("make", path);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(make)?;
        for made in path.ancestors().take_while(|path| !path.as_os_str().is_empty()) {
            match made.parent().map(File::open) {
                Some(Ok(parent)) => parent.sync_all().map_err(failed("sync", path))?,
                // A parent that we may not read was there before.
                Some(Err(_)) | None => break,
            }
        }
    }
    check_directory(path)
}

/// The names in a folder, sorted; none if there is no folder. Names that are no text are of no
/// file of ours.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, KeyError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("read", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed("read", folder))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(names)
}
