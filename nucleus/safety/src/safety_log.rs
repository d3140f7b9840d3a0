//! The safety log: `DIR/logs/safety_events.jsonl`, written by the guardian and by a person's
//! resume, never by the runtime.
//!
//! One JSON object a line. Its `reason` ends with the first 16 hexadecimal digits of the digest
//! of the link before: a line, and whatever a crash left of a write behind it, without the last
//! line break; zeros before the first. Changes, cuts at the front and another order break the
//! chain; a cut at the end is found by whoever keeps the head.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags};

use crate::MAX_REASON_BYTES;
use crate::checked::{cut, digest, hex};
use crate::files::{self, FileError, failed, make_folder, sync_folder};

const FOLDER: &str = "logs";
const NAME: &str = "safety_events.jsonl";
/// Longer than the log gets, in bytes: a hundred thousand events.
const MAX_LOG_BYTES: u64 = 64 << 20;
/// So many digits of a digest go into the next line.
const LINK_DIGITS: usize = 16;
const AFTER: &str = " [after ";
const BEHIND_REASON: &str = "]\",\"autonomy_state\":\"";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Resources, heartbeat, contract or environment: the guardian halted.
    SafetyHalt,
    /// A rate or a sequence went over its limit.
    RunawayDetected,
    /// A person stopped it.
    ManualStop,
    /// A person ended safe mode.
    HumanResume,
}

impl EventKind {
    /// The word for it in the log.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::SafetyHalt => "safety_halt",
            EventKind::RunawayDetected => "runaway_detected",
            EventKind::ManualStop => "manual_stop",
            EventKind::HumanResume => "human_resume",
        }
    }
}

/// The safety log of a data directory.
#[derive(Clone, Copy, Debug)]
pub struct SafetyLog;

impl SafetyLog {
    /// Where it lies.
    pub fn path(data: &Path) -> PathBuf {
        data.join(FOLDER).join(NAME)
    }

    /// Durably appends an event in one write, and returns the new head. What a crash left of an
    /// earlier write is ended by a line break first. As root the file gets the append-only
    /// attribute, where the file system knows it: see [`SafetyLog::is_append_only`].
    ///
    /// # Errors
    /// [`FileError`].
    pub fn append(
        data: &Path,
        event: EventKind,
        reason: &str,
        governance: &str,
        human_notified: bool,
        unix_ms: u64,
    ) -> Result<[u8; 32], FileError> {
        make_folder(data, FOLDER)?;
        let path = SafetyLog::path(data);
        let (mut file, bytes) = open_to_append(&path).map_err(failed("read", &path))?;
        let line = format!(
            "{{\"timestamp\":\"{}\",\"event\":\"{}\",\"reason\":\"{}{AFTER}{}{BEHIND_REASON}\
             halted\",\"governance_state\":\"{governance}\",\"human_notified\":{human_notified}}}",
            rfc3339(unix_ms),
            event.name(),
            json(cut(reason, MAX_REASON_BYTES)),
            link_to(&scan(&bytes).0),
        );
        let torn = !bytes.is_empty() && !bytes.ends_with(b"\n");
        let text = format!("{}{line}\n", if torn { "\n" } else { "" });
        let written = file.write(text.as_bytes()).and_then(|written| match written == text.len() {
            true => file.sync_data(),
            false => Err(io::ErrorKind::WriteZero.into()),
        });
        written.map_err(failed("write", &path))?;
        make_append_only(&file);
        sync_folder(&data.join(FOLDER))?;
        Ok(digest(line.as_bytes()))
    }

    /// Checks the chain. The head, zeros where there is no event, and the number of events.
    ///
    /// # Errors
    /// The file cannot be read, or a line does not follow the one before it.
    pub fn check(data: &Path) -> Result<([u8; 32], u64), String> {
        let Some(file) = files::open(&SafetyLog::path(data))? else {
            return Ok(([0; 32], 0));
        };
        match scan(&files::read_whole(file, MAX_LOG_BYTES)?) {
            (head, events, None) => Ok((head, events)),
            (.., Some(line)) => Err(format!("line {line} does not follow the one before it")),
        }
    }

    /// Whether the file system lets nobody do anything but append; `None` where there is no log
    /// or the file system does not tell.
    pub fn is_append_only(data: &Path) -> Option<bool> {
        let file = files::open(&SafetyLog::path(data)).ok()??;
        ioctl_getflags(&file).ok().map(|flags| flags.contains(IFlags::APPEND))
    }
}

/// The head, the number of events, and the first line, from 1, that does not follow.
fn scan(bytes: &[u8]) -> ([u8; 32], u64, Option<u64>) {
    let (mut events, mut broken) = (0, None);
    // The link that has begun, and where the line begins.
    let (mut link, mut start) = (0, 0);
    let head = |link, end| match bytes.get(link..end) {
        None | Some([]) => [0; 32],
        Some(link) => digest(link),
    };
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        if let Some(after) = link_of(line) {
            if after != link_to(&head(link, start.max(1) - 1)).as_bytes() {
                broken = broken.or(Some(number));
            }
            events += 1;
            link = start;
        }
        start += line.len() + 1;
    }
    (head(link, bytes.len() - usize::from(bytes.ends_with(b"\n"))), events, broken)
}

/// What the next line says of this one.
fn link_to(head: &[u8; 32]) -> String {
    hex(head.split_at(LINK_DIGITS / 2).0)
}

/// What an event says of the link before it; `None` for a line that is none.
fn link_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"{\"timestamp\":\"")?.strip_suffix(b"}")?;
    let behind = line.windows(BEHIND_REASON.len()).position(|w| w == BEHIND_REASON.as_bytes())?;
    let (before, after) = line.get(..behind)?.split_at_checked(behind.checked_sub(LINK_DIGITS)?)?;
    before.ends_with(AFTER.as_bytes()).then_some(after)
}

fn open_to_append(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?);
    let whole = files::read_whole(file.try_clone()?, MAX_LOG_BYTES);
    Ok((file, whole.map_err(io::Error::other)?))
}

/// Root only. Where it does not work `is_append_only` says so.
fn make_append_only(file: &File) {
    if let Ok(flags) = ioctl_getflags(file)
        && !flags.contains(IFlags::APPEND)
        && rustix::process::geteuid().is_root()
    {
        let _ = ioctl_setflags(file, flags | IFlags::APPEND);
    }
}

/// The words as they stand between the quotes of a JSON string.
pub fn json(words: &str) -> String {
    let one = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.into(),
    };
    words.chars().map(one).collect()
}

/// Coordinated universal time.
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn rfc3339(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1_000, unix_ms % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01; an era has 400 years.
    let (era, day_of_era) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{ms:03}Z", second % 60)
}

#[cfg(test)]
#[path = "safety_log_tests.rs"]
mod tests;
