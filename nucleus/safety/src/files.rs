//! Reading and durably replacing the small files of the safety folder.
//!
//! Why a file cannot be believed is told in words: nobody goes on differently for one reason than
//! for another.

use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::SAFETY;
use crate::checked::{UNSEALED, words};

/// More than any sealed file has, in bytes: 256 pending resumes with the longest reasons fit.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// It is a link, a directory, a pipe or a device.
pub(crate) const NOT_A_FILE: &str = "it is not a plain file";
pub(crate) const TOO_LONG: &str = "it is too long";

/// A file could not be written; the one that was there before still is.
#[derive(Debug)]
pub struct FileError {
    /// What was tried.
    pub action: &'static str,
    /// With what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Error for FileError {}
words! { FileError:
    FileError { action, path, source } => ("cannot {action} {}: {source}", path.display());
}

/// Opens a plain file; `None` when there is no such file, or no folder for it.
pub(crate) fn open(path: &Path) -> Result<Option<File>, String> {
    // Neither follows a link nor waits for the other end of a pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(NOT_A_FILE.into()),
        Err(errno) => return Err(unreadable(errno)),
    };
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    if is_file { Ok(Some(file)) } else { Err(NOT_A_FILE.into()) }
}

/// All of a file that has at most so many bytes.
pub(crate) fn read_whole(file: File, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes { Err(TOO_LONG.into()) } else { Ok(bytes) }
}

/// What `decode` makes of the text of a file; `None` when there is no such file.
pub(crate) fn read<T>(
    path: &Path,
    decode: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(file) = open(path)? else { return Ok(None) };
    let text = String::from_utf8(read_whole(file, MAX_FILE_BYTES)?).map_err(|_| UNSEALED)?;
    decode(&text).map(Some)
}

/// Names the file that cannot be believed. It is left as it is.
pub fn broken(path: &Path) -> impl FnOnce(String) -> String {
    move |why| format!("{} is broken: {why}", path.display())
}

/// Puts `text` durably in the place of `safety/<name>`.
pub(crate) fn replace(data: &Path, name: &str, text: &str) -> Result<(), FileError> {
    replace_file(&data.join(SAFETY).join(name), text.as_bytes(), 0o666)
}

/// Durably puts a file in its place, whole or not at all: temporary file `.<name>.new` with
/// `mode` (less the umask), fsync, rename, fsync of the folder. After an error the old file may
/// or may not have been replaced, whole in both cases. One caller a file at a time.
///
/// # Errors
/// [`FileError`].
pub fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed("replace", path)(io::ErrorKind::InvalidInput.into()));
    };
    let temporary = folder.join(format!(".{}.new", name.display()));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        _ => {}
    }
    write_new(&temporary, bytes, mode).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_folder(folder)
}

/// Makes a folder, durably, in one that is there.
///
/// # Errors
/// [`FileError`].
pub fn make_folder(place: &Path, name: &str) -> Result<(), FileError> {
    let folder = place.join(name);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("make", &folder)(error))
        }
        Ok(()) | Err(_) => sync_folder(place),
    }
}

/// What was tried with a file, to go with what the system said.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action, path: path.to_owned(), source }
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a folder durable. An empty path is the current directory.
///
/// # Errors
/// [`FileError`].
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

pub(crate) fn unreadable(error: impl Display) -> String {
    format!("it cannot be read ({error})")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_stays_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (path, left) = (dir.path().join("file"), dir.path().join(".file.new"));
        // What a crash left, readable by all, is not written into.
        fs::write(&left, "a part of").unwrap();
        replace_file(&path, b"one", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        replace_file(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert!(!left.exists());
        // A link is replaced, not followed.
        std::os::unix::fs::symlink("elsewhere", &left).unwrap();
        replace_file(&path, b"three", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert!(!dir.path().join("elsewhere").exists());
        assert!(replace_file(Path::new("/"), b"", 0o600).is_err());
    }
}
