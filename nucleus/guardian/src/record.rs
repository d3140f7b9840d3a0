//! What is written of a start and of its end, where the runtime cannot write.

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use karyon_safety::{Entry, EventKind, FileError, Limits, Marker, SafetyLog};
use rustix::fs::{Mode, OFlags};

/// Why everything was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Halt {
    pub(crate) event: EventKind,
    pub(crate) reason: String,
    /// The contract itself was touched.
    pub(crate) breached: bool,
}

impl Halt {
    pub(crate) fn new(event: EventKind, reason: impl Into<String>) -> Halt {
        Halt { event, reason: reason.into(), breached: false }
    }
}

/// The guardian's own files of one data directory.
pub(crate) struct Record {
    pub(crate) data: PathBuf,
    pub(crate) place: Place,
    pub(crate) config: PathBuf,
    pub(crate) entry: Entry,
}

/// The data directory itself: whoever moves it away and puts another into its place does not
/// have that one written.
pub(crate) struct Place {
    path: PathBuf,
    _handle: OwnedFd,
}

impl Place {
    pub(crate) fn of(data: &Path) -> io::Result<Place> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(data, flags, Mode::empty())?;
        Ok(Place { path: format!("/proc/self/fd/{}", handle.as_raw_fd()).into(), _handle: handle })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Record {
    /// Before anything runs.
    pub(crate) fn begin(&mut self) -> Result<(), String> {
        self.entry.last_unix_s = self.entry.last_unix_s.max(unix_s());
        self.entry.store().map_err(words)?;
        karyon_safety::replace(self.place.path(), &Marker::Running { n: self.entry.n })
            .map_err(words)
    }

    /// After an end in good order.
    pub(crate) fn clear(&mut self) -> Result<(), String> {
        self.entry.n += 1;
        self.entry.last_unix_s = self.entry.last_unix_s.max(unix_s());
        // In this order: after a crash in between the marker says `running`, which is safe mode.
        self.entry.store().map_err(words)?;
        karyon_safety::replace(self.place.path(), &Marker::Clear { n: self.entry.n }).map_err(words)
    }

    /// Nothing lives any more: says so in the marker, to a person, and in the safety log.
    pub(crate) fn halt(
        &mut self,
        halt: &Halt,
        governance: &str,
        limits: &Limits,
    ) -> Result<(), String> {
        let marker = Marker::Halted { n: self.entry.n, reason: halt.reason.clone() };
        let marked = karyon_safety::replace(self.place.path(), &marker).map_err(words);
        let notified = notify(halt, &self.data, limits);
        let logged = self.log(halt, governance, notified).map_err(words);
        marked.and(logged)
    }

    fn log(&mut self, halt: &Halt, governance: &str, notified: bool) -> Result<(), FileError> {
        let (data, unix_ms) = (self.place.path(), unix_ms());
        self.entry.log_head = SafetyLog::append(
            data,
            halt.event,
            &halt.reason,
            "halted",
            governance,
            notified,
            unix_ms,
        )?;
        self.entry.last_unix_s = self.entry.last_unix_s.max(unix_ms / 1_000);
        self.entry.store()
    }

    /// Keeps a checkpoint; one that is smaller than what is kept already is not believed.
    pub(crate) fn checkpoint(&self, log: &str, note: &str) -> Result<(), String> {
        let folder = self.config.join("checkpoints");
        let file = folder.join(log);
        let size = |note: &str| note.lines().nth(1).and_then(|line| line.parse::<u64>().ok());
        let kept = match std::fs::read_to_string(&file) {
            Ok(kept) => size(&kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        match (size(note), kept) {
            (None, _) => Err("the runtime gave a checkpoint that is none".into()),
            (Some(new), Some(kept)) if new < kept => {
                Err(format!("the log became shorter: {new} blocks, and {kept} were there"))
            }
            (Some(_), _) => {
                make_folder(&folder)?;
                karyon_safety::replace_file(&file, note.as_bytes(), 0o644).map_err(words)
            }
        }
    }
}

fn make_folder(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("{}: {error}", folder.display()))
}

/// Runs the command that tells a person; true: it said within its time that it did.
fn notify(halt: &Halt, data: &Path, limits: &Limits) -> bool {
    let Some(command) = &limits.notify_command else { return false };
    let child = Command::new(command)
        .arg(data)
        .arg(halt.event.name())
        .arg(&halt.reason)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            note(&format!("error: {} cannot be run: {error}", command.display()));
            return false;
        }
    };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(limits.notify_limit_ms) {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Ok(Some(status)) => return status.success(),
            Err(_) => return false,
        }
    }
    match child.kill().and_then(|()| child.wait()) {
        Ok(_) | Err(_) => false,
    }
}

pub(crate) fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub(crate) fn unix_s() -> u64 {
    unix_ms() / 1_000
}

/// A line for a person; if nobody reads it, nothing is lost that is not in the safety log.
pub(crate) fn note(line: &str) {
    match writeln!(io::stderr(), "{line}") {
        Ok(()) | Err(_) => {}
    }
}
