//! Open files that a process passes on to the program that it becomes or starts.
//!
//! Each is named by an environment variable that holds the number of its descriptor. They reach a
//! runtime that has no right to open the file itself, and survive `exec`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};

/// Makes a descriptor survive `exec`; the environment variable that names it.
///
/// # Errors
/// What the system says.
pub fn offer(name: &str, file: impl AsFd) -> io::Result<(String, OsString)> {
    let file = file.as_fd();
    fcntl_setfd(file, FdFlags::empty())?;
    Ok((name.to_owned(), file.as_raw_fd().to_string().into()))
}

/// A file in memory with these bytes, to be offered: nobody else can open it by a name.
///
/// # Errors
/// What the system says.
pub fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("karyon", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Takes what was offered under this name; `None` when nothing was. Once a name and process.
/// From then on it does not survive `exec` any more.
///
/// # Errors
/// When the variable names no open descriptor, or a standard stream.
pub fn take(name: &str) -> io::Result<Option<OwnedFd>> {
    let Some(text) = std::env::var_os(name) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse::<i32>().ok()).filter(|fd| *fd > 2);
    let wrong = || io::Error::other(format!("{name} names no descriptor that was passed on"));
    let descriptor = karyon_guardian::adopt(number.ok_or_else(wrong)?).ok_or_else(wrong)?;
    fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
    Ok(Some(descriptor))
}
