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
    pub(crate) fn new(event: EventKind, reason: impl ToString) -> Halt {
        Halt { event, reason: reason.to_string(), breached: false }
    }

    /// Resources, heartbeat, environment.
    pub(crate) fn safety(reason: impl ToString) -> Halt {
        Halt::new(EventKind::SafetyHalt, reason)
    }

    /// A rate or a sequence.
    pub(crate) fn runaway(reason: impl ToString) -> Halt {
        Halt::new(EventKind::RunawayDetected, reason)
    }

    pub(crate) fn manual(reason: impl ToString) -> Halt {
        Halt::new(EventKind::ManualStop, reason)
    }

    pub(crate) fn breach(reason: impl ToString) -> Halt {
        Halt { breached: true, ..Halt::safety(reason) }
    }

    /// The guardian itself cannot go on: then nothing goes on.
    pub(crate) fn internal(error: impl ToString) -> Halt {
        Halt::safety(format!("the guardian: {}", error.to_string()))
    }
}

/// The guardian's own files of one data directory.
pub(crate) struct Record {
    /// Its name, for people.
    pub(crate) data: PathBuf,
    /// The directory itself: whoever moves it away and puts another into its place does not have
    /// that one written.
    pub(crate) place: PathBuf,
    _handle: OwnedFd,
    pub(crate) config: PathBuf,
    pub(crate) entry: Entry,
}

impl Record {
    pub(crate) fn of(data: &Path, config: &Path, entry: Entry) -> io::Result<Record> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(data, flags, Mode::empty())?;
        let place = format!("/proc/self/fd/{}", handle.as_raw_fd()).into();
        let (data, config) = (data.to_owned(), config.to_owned());
        Ok(Record { data, place, _handle: handle, config, entry })
    }

    /// Before anything runs.
    pub(crate) fn begin(&mut self) -> Result<(), FileError> {
        self.write(&Marker::Running { n: self.entry.n })
    }

    /// After an end in good order.
    pub(crate) fn clear(&mut self) -> Result<(), FileError> {
        self.entry.n += 1;
        self.write(&Marker::Clear { n: self.entry.n })
    }

    /// The entry first: after a crash in between the marker says `running`, which is safe mode.
    fn write(&mut self, marker: &Marker) -> Result<(), FileError> {
        self.entry.last_unix_s = self.entry.last_unix_s.max(unix_s());
        self.entry.clear = matches!(marker, Marker::Clear { .. });
        self.entry.store()?;
        karyon_safety::replace(&self.place, marker)
    }

    /// Nothing lives any more: says so in the marker, to a person, and in the safety log.
    pub(crate) fn halt(
        &mut self,
        halt: &Halt,
        governance: &str,
        limits: &Limits,
    ) -> Result<(), FileError> {
        let marker = Marker::Halted { n: self.entry.n, reason: halt.reason.clone() };
        let marked = karyon_safety::replace(&self.place, &marker);
        let told = notify(halt, &self.data, limits);
        let Halt { event, reason, .. } = halt;
        let logged = SafetyLog::append(&self.place, *event, reason, governance, told, unix_ms());
        let logged = logged.and_then(|head| {
            (self.entry.log_head, self.entry.clear) = (head, false);
            self.entry.last_unix_s = self.entry.last_unix_s.max(unix_s());
            self.entry.store()
        });
        marked.and(logged)
    }

    /// Keeps a checkpoint; one that is smaller than what is kept already is not believed.
    pub(crate) fn checkpoint(&self, log: &str, note: &str) -> Result<(), String> {
        let words = |error: FileError| error.to_string();
        let size = |note: &str| note.lines().nth(1).and_then(|line| line.parse::<u64>().ok());
        let file = self.config.join("checkpoints").join(log);
        let kept = match std::fs::read_to_string(&file) {
            Ok(kept) => size(&kept).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        let new = size(note).ok_or("the runtime gave a checkpoint that is none")?;
        if new < kept {
            return Err(format!("the log became shorter: {new} blocks, and {kept} were there"));
        }
        karyon_safety::make_folder(&self.config, "checkpoints").map_err(words)?;
        karyon_safety::replace_file(&file, note.as_bytes(), 0o644).map_err(words)
    }
}

/// Runs the command that tells a person; true: it said within its time that it did.
fn notify(halt: &Halt, data: &Path, limits: &Limits) -> bool {
    let Some(program) = &limits.notify_command else { return false };
    let mut command = Command::new(program);
    command.arg(data).arg(halt.event.name()).arg(&halt.reason);
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) => {
            note(&format!("error: {} cannot be run: {error}", program.display()));
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
    // It did not say so, whatever becomes of it.
    let _ = child.kill().and_then(|()| child.wait());
    false
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub(crate) fn unix_s() -> u64 {
    unix_ms() / 1_000
}

/// A line for a person; if nobody reads it, nothing is lost that is not in the safety log.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
