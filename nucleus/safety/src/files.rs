//! Reading and durably replacing the small files of the safety folder.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::SAFETY;
use crate::checked::words;

/// More than any sealed file has, in bytes: 256 pending resumes with the longest reasons fit.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Why a file cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The system does not let us read it.
    Unreadable(Errno),
    /// It is a link, a directory, a pipe or a device.
    NotAFile,
    /// It is longer than any such file gets.
    TooLong,
    /// The digest in its last line is not that of the lines before.
    Check,
    /// The check fits, but the text says nothing that is known here.
    Form,
    /// It was written by an earlier version.
    OldVersion,
    /// Safety log: this line, from 1, does not follow the one before it.
    Chain(u64),
    /// Safety log: it does not end where this machine saw it end.
    Head,
}

impl Error for Damage {}
words! { Damage:
    Damage::Unreadable(errno) => ("it cannot be read ({errno})");
    Damage::NotAFile => ("it is not a plain file");
    Damage::TooLong => ("it is too long");
    Damage::Check => ("its check does not fit its text");
    Damage::Form => ("its text is in no known form");
    Damage::OldVersion => ("it is of an earlier version");
    Damage::Chain(line) => ("line {line} does not follow the one before it");
    Damage::Head => ("it does not end where this machine saw it end");
}

/// A file that cannot be believed; it is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenFile {
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: Damage,
}

impl Error for BrokenFile {}
words! { BrokenFile: BrokenFile { path, why } => ("{} is broken: {why}", path.display()); }

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
pub(crate) fn open(path: &Path) -> Result<Option<File>, Damage> {
    // Neither follows a link nor waits for the other end of a pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(Damage::NotAFile),
        Err(errno) => return Err(Damage::Unreadable(errno)),
    };
    match file.metadata().map_err(unreadable)?.is_file() {
        true => Ok(Some(file)),
        false => Err(Damage::NotAFile),
    }
}

/// All of a file that has at most so many bytes.
pub(crate) fn read_whole(file: File, limit_bytes: u64) -> Result<Vec<u8>, Damage> {
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes { Err(Damage::TooLong) } else { Ok(bytes) }
}

/// What `decode` makes of the text of a file; `None` when there is no such file.
pub(crate) fn read<T>(
    path: &Path,
    decode: impl FnOnce(&str) -> Result<T, Damage>,
) -> Result<Option<T>, Damage> {
    let Some(file) = open(path)? else { return Ok(None) };
    let text = String::from_utf8(read_whole(file, MAX_FILE_BYTES)?).map_err(|_| Damage::Check)?;
    decode(&text).map(Some)
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

/// Makes the folder `safety`, durably, in a data directory that exists.
pub(crate) fn create_folder(data: &Path) -> Result<(), FileError> {
    let folder = data.join(SAFETY);
    match fs::create_dir(&folder) {
        Ok(()) => sync_folder(data),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("make", &folder)(error)),
    }
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
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

pub(crate) fn unreadable(error: io::Error) -> Damage {
    Damage::Unreadable(Errno::from_io_error(&error).unwrap_or(Errno::IO))
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
