//! The file STOP: whoever can write it stops everything.
//!
//! There is no cache and no benefit of the doubt: STOP counts as absent only when the folder
//! that was opened at the start says so and still is the folder `safety` of the data directory.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
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

    /// Whether it was found; else it is only not known to be absent.
    fn is_seen(&self) -> bool {
        statat(&self.folder, c"STOP", AtFlags::SYMLINK_NOFOLLOW).is_ok()
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

const STOP: &str = "safety/STOP was found";
const HOST_STOP: &str = "the host-wide STOP was found";
const DOUBT: &str =
    "nobody can tell whether STOP is there: its folder was removed, replaced, moved or closed";
/// For inotify's events, in bytes: fourteen with the longest names.
const EVENT_BYTES: usize = 4_096;
/// The most events that one question reads; whoever makes more does not keep it from the poll.
const MAX_EVENTS: usize = 4_096;

/// The guardian's watch: both STOP files, each asked for and listened for.
///
/// What was seen once stays, also a STOP that was removed again at once: the system reports
/// every name that was made in the folder. Where the host's folder appears only later, and on
/// file systems that other machines write to, only what stays until a question is seen.
#[derive(Debug)]
pub struct StopWatch {
    stop: StopFile,
    /// The host-wide STOP, its folder and its name.
    host: [CString; 3],
    events: OwnedFd,
    safety_watch: i32,
    host_watch: Option<i32>,
    latched: Option<&'static str>,
}

impl StopWatch {
    /// Watches `<data>/safety`, and the folder of `host_stop` if it is there. A STOP that is
    /// there already is found by the first [`StopWatch::check`].
    ///
    /// # Errors
    /// What the system says when there is no such folder, or it cannot be listened to.
    pub fn watch(data: &Path, host_stop: &Path) -> io::Result<StopWatch> {
        let stop = StopFile::watch(data)?;
        let (Some(folder), Some(name)) = (host_stop.parent(), host_stop.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let text = |path: &OsStr| CString::new(path.as_bytes());
        let host = [text(host_stop.as_os_str())?, text(folder.as_os_str())?, text(name)?];
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let safety_watch = inotify::add_watch(&events, stop.path.as_c_str(), names())?;
        let mut watch =
            StopWatch { stop, host, events, safety_watch, host_watch: None, latched: None };
        watch.listen_to_host();
        Ok(watch)
    }

    /// Readable when there may be news for [`StopWatch::check`].
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Which STOP was seen since the start. Costs four system calls and allocates nothing.
    pub fn check(&mut self) -> Option<&'static str> {
        if self.latched.is_none() {
            self.listen_to_host();
            self.latched = self.heard();
        }
        if self.latched.is_none() && self.stop.is_present() {
            self.latched = Some(if self.stop.is_seen() { STOP } else { DOUBT });
        }
        if self.latched.is_none() && is_present(self.host[0].as_c_str()) {
            self.latched = Some(HOST_STOP);
        }
        self.latched
    }

    /// Where the host's folder is not there, or may not be listened to, the poll remains.
    fn listen_to_host(&mut self) {
        let [_, folder, _] = &self.host;
        if self.host_watch.is_none() {
            self.host_watch = inotify::add_watch(&self.events, folder.as_c_str(), names()).ok();
        }
    }

    fn heard(&self) -> Option<&'static str> {
        let [_, _, host_name] = &self.host;
        let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        let mut left = MAX_EVENTS;
        // What was taken from the system is read to its end: it would be lost.
        while left > 0 || !reader.is_buffer_empty() {
            left = left.saturating_sub(1);
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => continue,
                Err(_) => return Some(DOUBT),
            };
            if event.events().intersects(lost()) {
                return Some(DOUBT);
            }
            if event.wd() == self.safety_watch && event.file_name() == Some(c"STOP") {
                return Some(STOP);
            }
            if Some(event.wd()) == self.host_watch && event.file_name() == Some(host_name) {
                return Some(HOST_STOP);
            }
        }
        None
    }
}

/// Whatever happens to a name in a folder, and to the folder itself.
fn names() -> WatchFlags {
    use WatchFlags as W;
    let own = W::DELETE_SELF | W::MOVE_SELF | W::ONLYDIR | W::DONT_FOLLOW;
    W::CREATE | W::DELETE | W::MOVE | W::ATTRIB | W::MODIFY | own
}

/// Something may have been missed.
fn lost() -> ReadFlags {
    use ReadFlags as R;
    R::QUEUE_OVERFLOW | R::IGNORED | R::UNMOUNT | R::DELETE_SELF | R::MOVE_SELF
}

/// Whether the host-wide STOP, or any file, is there: unless it is certainly absent. A folder that
/// is not there has none.
pub fn is_present(path: impl rustix::path::Arg) -> bool {
    let found = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    !matches!(found, Err(Errno::NOENT | Errno::NOTDIR))
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
#[path = "stop_tests.rs"]
mod tests;
