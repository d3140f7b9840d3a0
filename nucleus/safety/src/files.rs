//! Reading and durably replacing the small files of the safety folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::SAFETY;

/// More than any file here has, in bytes: 256 pending resumes with the longest reasons fit.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Why a file cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The system does not let us read it.
    #[error("it cannot be read ({0})")]
    Unreadable(Errno),
    /// It is a link, a directory, a pipe or a device.
    #[error("it is not a plain file")]
    NotAFile,
    /// It is longer than any such file gets.
    #[error("it is too long")]
    TooLong,
    /// The hash in its last line is not that of the lines before.
    #[error("its check does not fit its text")]
    Check,
    /// The check fits, but the text says nothing that is known here.
    #[error("its text is in no known form")]
    Form,
}

/// A file could not be written; the one that was there before still is.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried.
    pub action: &'static str,
    /// With what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The text of `safety/<name>`; `None` when there is no such file, or no folder for it.
pub(crate) fn read(data: &Path, name: &str) -> Result<Option<String>, Damage> {
    let path = data.join(SAFETY).join(name);
    // Neither follows a link nor waits for the other end of a pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(Damage::NotAFile),
        Err(errno) => return Err(Damage::Unreadable(errno)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Damage::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Damage::TooLong);
    }
    String::from_utf8(bytes).map(Some).map_err(|_| Damage::Check)
}

/// Puts `text` durably in the place of `safety/<name>`: temporary file, fsync, rename, fsync of
/// the folder. After an error the old file may or may not have been replaced, whole in both
/// cases.
pub(crate) fn replace(data: &Path, name: &str, text: &str) -> Result<(), FileError> {
    let folder = data.join(SAFETY);
    let (path, temporary) = (folder.join(name), folder.join(format!(".{name}.new")));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        _ => {}
    }
    write_new(&temporary, text).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, &path).map_err(failed("replace", &path))?;
    sync_directory(&folder)
}

/// Makes the folder `safety`, durably, in a data directory that exists.
pub(crate) fn create_folder(data: &Path) -> Result<(), FileError> {
    let folder = data.join(SAFETY);
    match fs::create_dir(&folder) {
        Ok(()) => sync_directory(data),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("make", &folder)(error)),
    }
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action, path: path.to_owned(), source }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("sync", path))
}

fn unreadable(error: io::Error) -> Damage {
    Damage::Unreadable(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
