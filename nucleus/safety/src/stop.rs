//! The file STOP: whoever can write it stops everything.
//!
//! There is no cache and no benefit of the doubt: STOP counts as absent only when the folder
//! that was opened at the start says so and still is the folder `safety` of the data directory.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, open, statat};
use rustix::io::Errno;

use crate::SAFETY;

/// A watch on the file STOP of one data directory, asked in every loop.
///
/// A question costs two system calls, about a microsecond, and allocates nothing. A STOP that
/// is removed again between two questions goes unseen.
#[derive(Debug)]
pub struct StopFile {
    /// Opened for its place only, so that not even the right to read it is needed.
    folder: OwnedFd,
    device: u64,
    inode: u64,
    /// `<data>/safety`, absolute.
    path: CString,
}

impl StopFile {
    /// Opens the folder `safety` of a data directory, which must not be a link.
    ///
    /// # Errors
    /// What the system says when there is no such folder.
    pub fn watch(data: &Path) -> io::Result<StopFile> {
        let path = std::path::absolute(data.join(SAFETY))?;
        let path = CString::new(path.into_os_string().into_vec())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = open(path.as_c_str(), flags, Mode::empty())?;
        let (device, inode) = identity(&fstat(&folder)?);
        Ok(StopFile { folder, device, inode, path })
    }

    /// Whether to stop: true unless STOP is certainly absent. Anything named STOP counts, a
    /// dangling link or a directory too, and so does any error, and a folder `safety` that was
    /// removed, replaced or mounted over.
    pub fn is_present(&self) -> bool {
        !self.is_certainly_absent()
    }

    fn is_certainly_absent(&self) -> bool {
        let stop = statat(&self.folder, c"STOP", AtFlags::SYMLINK_NOFOLLOW);
        if stop.err() != Some(Errno::NOENT) {
            return false;
        }
        match statat(CWD, self.path.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => {
                FileType::from_raw_mode(found.st_mode) == FileType::Directory
                    && identity(&found) == (self.device, self.inode)
            }
            Err(_) => false,
        }
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
#[path = "stop_tests.rs"]
mod tests;
