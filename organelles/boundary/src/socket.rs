//! Where a node is found: a socket of its data directory.
//!
//! The directory is held open and its socket reached through that, so that a path of any length
//! does, and so that what is bound, looked at and removed lies in one and the same directory.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, fchmod, open, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::limits::BACKLOG;

/// Its name in the data directory.
pub const SOCKET: &str = "node.sock";
/// Only its owner connects, and root.
const MODE: u32 = 0o600;

/// Why nobody can be heard.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody could end what would be reached through it.
    #[error("no socket is opened without a live guardian")]
    NoGuardian,
    /// Something else has its name.
    #[error("{} is there and is no socket: move it away", .0.display())]
    NotASocket(PathBuf),
    /// Others could reach it.
    #[error("{} has the mode {mode:o} and not 600: this file system keeps no rights of sockets", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What it has.
        mode: u32,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What bears the socket's name.
struct Found {
    /// Which file: its disk and its number there.
    file: (u64, u64),
    mode: RawMode,
}

/// A data directory that is held open.
#[derive(Debug)]
struct Folder(OwnedFd);

impl Folder {
    fn open(data: &Path) -> Result<Folder, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(data, flags, Mode::empty()).map(Folder)
    }

    fn address(&self) -> Result<SocketAddrUnix, Errno> {
        SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", self.0.as_raw_fd()))
    }

    fn found(&self) -> Result<Option<Found>, Errno> {
        match statat(&self.0, SOCKET, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => {
                Ok(Some(Found { file: (found.st_dev, found.st_ino), mode: found.st_mode }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn remove(&self) -> Result<(), Errno> {
        unlinkat(&self.0, SOCKET, AtFlags::empty())
    }
}

fn unix_stream_socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// The name of a socket that is listened to; taken away with this.
#[derive(Debug)]
pub(crate) struct Bound {
    folder: Folder,
    file: (u64, u64),
}

/// Listens in `data`, of which the caller has the lock: a socket that is there is of a node that
/// was killed.
pub(crate) fn bind_in(data: &Path) -> Result<(UnixListener, Bound), SocketError> {
    let path = || data.join(SOCKET);
    let failed = |errno: Errno| SocketError::Io { path: path(), source: errno.into() };
    let folder = Folder::open(data).map_err(failed)?;
    match folder.found().map_err(failed)? {
        None => {}
        Some(found) if FileType::from_raw_mode(found.mode) == FileType::Socket => {
            folder.remove().map_err(failed)?;
        }
        Some(_) => return Err(SocketError::NotASocket(path())),
    }
    let listener = unix_stream_socket().map_err(failed)?;
    // The name takes its mode from the socket: there is no moment in which it is wider, and no
    // umask is touched, which all threads have in common.
    fchmod(&listener, Mode::from_raw_mode(MODE)).map_err(failed)?;
    let address = folder.address().map_err(failed)?;
    bind(&listener, &address).map_err(failed)?;
    let found = folder.found().map_err(failed)?;
    let Found { file, mode } = found.ok_or_else(|| failed(Errno::NOENT))?;
    let bound = Bound { folder, file };
    match mode & 0o7777 {
        MODE => {}
        mode => return Err(SocketError::Open { path: path(), mode }),
    }
    listen(&listener, BACKLOG).map_err(failed)?;
    Ok((UnixListener::from(listener), bound))
}

impl Drop for Bound {
    fn drop(&mut self) {
        // One of somebody who came later is not ours.
        let is_ours = |found: &Found| found.file == self.file;
        if self.folder.found().is_ok_and(|found| found.as_ref().is_some_and(is_ours)) {
            match self.folder.remove() {
                // What stays refuses whoever connects, and is replaced by the next node.
                Ok(()) | Err(_) => {}
            }
        }
    }
}

/// Connects to the node in `data`, waiting at most so long for it to accept.
pub(crate) fn connect_in(data: &Path, patience: Duration) -> Result<UnixStream, Errno> {
    let folder = Folder::open(data)?;
    let stream = unix_stream_socket()?;
    set_socket_timeout(&stream, Timeout::Send, Some(patience))?;
    connect(&stream, &folder.address()?)?;
    Ok(UnixStream::from(stream))
}
