//! A person halts what runs in a data directory, with a reason: `karyon halt`.
//!
//! It asks the guardian first. One that is frozen or deaf is ended together with what it guards:
//! nothing here rests on its help.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use karyon_guardian::held::{lock, requests};
use karyon_safety::{FileError, Found, MAX_REASON_BYTES, Marker};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{Held, halt_idle};

/// How long a guardian has to end what it guards, before it is ended with it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the kernel has to bury the processes of a namespace.
const PROOF: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// How it was halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halted {
    /// The guardian did it.
    ByGuardian,
    /// The guardian did not answer, and was ended too.
    ByForce,
    /// Nothing ran; nothing will start.
    Idle,
}

/// Why it is not halted.
#[derive(Debug, thiserror::Error)]
pub enum HaltError {
    /// No words, or too many.
    #[error("a halt needs a reason of 1 to {MAX_REASON_BYTES} bytes")]
    Reason,
    /// There is no such data directory.
    #[error("there is no data directory {}", .0.display())]
    NoData(PathBuf),
    /// Somebody uses it whom nobody guards, or whom this user may not end.
    #[error("{0}")]
    OutOfReach(String),
    /// It was ended, and something still lives after 10 seconds.
    #[error("everything was killed, but is not proved dead")]
    NotProved,
    /// It is ended, and the marker or the safety log could not be written.
    #[error("everything is ended, but the safety files cannot be written: {0}")]
    NotWritten(#[from] FileError),
}

/// Halts what runs in `data`, or latches it where nothing does.
///
/// # Errors
/// [`HaltError`].
pub fn halt(data: &Path, config: &Path, reason: &str) -> Result<Halted, HaltError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(HaltError::Reason);
    }
    if !data.is_dir() {
        return Err(HaltError::NoData(data.into()));
    }
    if let Some(lock) = lock(data) {
        return latch(data, config, reason, lock).map(|()| Halted::Idle);
    }
    let halted = || lock(data).filter(|_| is_halted(data));
    if ask(data, reason) && wait(PATIENCE, halted).is_some() {
        return Ok(Halted::ByGuardian);
    }
    let held = Held::read(data).ok_or_else(|| {
        HaltError::OutOfReach(
            "it is in use, but nobody guards it: stop the process that uses it".into(),
        )
    })?;
    // The guardian first: it could not tell the end of the other from an accident.
    for process in [held.guardian, held.init] {
        kill(&held, process).map_err(HaltError::OutOfReach)?;
    }
    let lock = wait(PROOF, || lock(data)).ok_or(HaltError::NotProved)?;
    latch(data, config, reason, lock).map(|()| Halted::ByForce)
}

fn wait<T>(patience: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = look();
        if found.is_some() || begun.elapsed() > patience {
            return found;
        }
        std::thread::sleep(LOOK);
    }
}

fn is_halted(data: &Path) -> bool {
    matches!(karyon_safety::read(data), Found::Marker(Marker::Halted { .. }))
}

/// Whether the reason is in the guardian's pipe. Never waits: without a reader there is none.
fn ask(data: &Path, reason: &str) -> bool {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(requests(data));
    opened.is_ok_and(|mut pipe| {
        use std::os::unix::fs::FileTypeExt as _;
        pipe.metadata().is_ok_and(|found| found.file_type().is_fifo())
            && pipe.write_all(format!("{reason}\n").as_bytes()).is_ok()
    })
}

fn kill(held: &Held, process: (i32, u64)) -> Result<(), String> {
    let Some(pid) = Pid::from_raw(process.0) else { return Ok(()) };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // Looked at after it was opened: the handle is of this very process then.
    if !held.is_alive(process) {
        return Ok(());
    }
    let sent = pidfd_send_signal(&handle, Signal::KILL);
    sent.map_err(|errno| format!("process {} cannot be ended: {errno}; ask its user", process.0))
}

fn latch(data: &Path, config: &Path, reason: &str, _lock: File) -> Result<(), HaltError> {
    let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    Ok(halt_idle(data, config, reason, unix_ms as u64)?)
}
