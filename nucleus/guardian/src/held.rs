//! What of a guardian lies in its data directory, for those who ask or who have to end it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Who guards: in lines `name = value`.
pub fn file(data: &Path) -> PathBuf {
    data.join("safety").join("guardian")
}

/// The pipe through which a person's reason to halt reaches the guardian.
pub fn requests(data: &Path) -> PathBuf {
    data.join("safety").join("requests")
}

/// The directory's lock, if nobody has it.
pub fn lock(data: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits() as i32;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).custom_flags(flags);
    options.open(data.join("lock")).ok().filter(|file| file.try_lock().is_ok())
}

/// What is written of a guardian and of the first process of its namespace; `None`: that one has
/// ended.
pub(crate) fn text(init: i32, mechanisms: &str) -> Option<String> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    Some(format!(
        "guardian = {own} {}\ninit = {init} {}\nboot = {}\nheld = {mechanisms}\n",
        began(own)?,
        began(init)?,
        boot()
    ))
}

/// Removes what may be there.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The boot of the machine.
pub fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim().to_owned()
}

/// When a process began, in the system's clock ticks since boot.
pub fn began(number: i32) -> Option<u64> {
    stat(number)?(22)
}

/// What the system tells of a process, by the number of the field in proc(5): 4 and more.
pub(crate) fn stat(number: i32) -> Option<impl Fn(usize) -> Option<u64>> {
    let mut text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name before the last bracket may hold anything; behind it comes field 3.
    let fields = text.split_off(text.rfind(')')? + 2);
    Some(move |field: usize| fields.split(' ').nth(field - 3)?.trim().parse().ok())
}
