//! The safety log: `DIR/logs/safety_events.jsonl`, written by the guardian and by a person's
//! resume, never by the runtime.
//!
//! One JSON object a line. Its `reason` ends with the first 16 hexadecimal digits of the digest
//! of the link before: a line, and whatever a crash left of a write behind it, without the last
//! line break; zeros before the first. Changes, cuts at the front and another order break the
//! chain; a cut at the end is found by whoever keeps the head.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use ed25519_compact::sha512;
use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use crate::checked::{cut, first_half};
use crate::files::{self, Damage, FileError, failed, unreadable};
use crate::{MAX_REASON_BYTES, hex};

const FOLDER: &str = "logs";
const NAME: &str = "safety_events.jsonl";
/// Longer than any line that is written here, in bytes; what is longer is read in pieces.
const MAX_LINE_BYTES: u64 = 16 << 10;
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
    pub(crate) fn path(data: &Path) -> PathBuf {
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
        autonomy: &str,
        governance: &str,
        human_notified: bool,
        unix_ms: u64,
    ) -> Result<[u8; 32], FileError> {
        let (folder, path) = (data.join(FOLDER), SafetyLog::path(data));
        match fs::create_dir(&folder) {
            Ok(()) => crate::sync_folder(data)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &folder)(error)),
        }
        let mut file = open_to_append(&folder).map_err(failed("open", &path))?;
        let scan = Scan::of(&file).map_err(failed("read", &path))?;
        let (after, _) = scan.head.split_at(LINK_BYTES);
        let line = format!(
            "{{\"timestamp\":\"{}\",\"event\":\"{}\",\"reason\":\"{}{AFTER}{}{BEHIND_REASON}{}\",\
             \"governance_state\":\"{}\",\"human_notified\":{human_notified}}}",
            rfc3339(unix_ms),
            event.name(),
            json(cut(reason, MAX_REASON_BYTES)),
            hex(after),
            json(autonomy),
            json(governance),
        );
        let text = format!("{}{line}\n", if scan.is_torn { "\n" } else { "" });
        let written = file.write(text.as_bytes()).and_then(|written| match written {
            all if all == text.len() => file.sync_data(),
            _ => Err(io::ErrorKind::WriteZero.into()),
        });
        written.map_err(failed("write", &path))?;
        make_append_only(&file);
        crate::sync_folder(&folder)?;
        Ok(crate::digest(line.as_bytes()))
    }

    /// Checks the chain. The head, zeros where there is no event, and the number of events.
    ///
    /// # Errors
    /// [`Damage`]: the file cannot be read, or a line does not follow the one before it.
    pub fn check(data: &Path) -> Result<([u8; 32], u64), Damage> {
        let Some(file) = files::open(&SafetyLog::path(data))? else {
            return Ok(([0; 32], 0));
        };
        let scan = Scan::of(&file).map_err(unreadable)?;
        match scan.broken_line {
            Some(line) => Err(Damage::Chain { line }),
            None => Ok((scan.head, scan.events)),
        }
    }

    /// Whether the file system lets nobody do anything but append; `None` where there is no log
    /// or the file system does not tell.
    pub fn is_append_only(data: &Path) -> Option<bool> {
        let file = files::open(&SafetyLog::path(data)).ok()??;
        ioctl_getflags(&file).ok().map(|flags| flags.contains(IFlags::APPEND))
    }
}

/// So much of a digest goes into the next line, in bytes.
const LINK_BYTES: usize = 8;

#[derive(Default)]
struct Scan {
    head: [u8; 32],
    events: u64,
    /// The last line has no line break.
    is_torn: bool,
    broken_line: Option<u64>,
}

impl Scan {
    fn of(file: &File) -> io::Result<Scan> {
        let (mut reader, mut piece) = (BufReader::new(file), Vec::new());
        let (mut scan, mut link, mut number) = (Scan::default(), None, 0);
        while reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut piece)? > 0 {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece.as_slice(), false),
            };
            let begins = !scan.is_torn;
            number += u64::from(begins);
            if let (true, Some(after)) = (begins, link_of(text)) {
                let before = link.take().map_or([0; 32], digest_of);
                if hex(before.split_at(LINK_BYTES).0).as_bytes() != after {
                    scan.broken_line = scan.broken_line.or(Some(number));
                }
                scan.events += 1;
            } else if let (true, Some(link)) = (begins, &mut link) {
                sha512::Hash::update(link, b"\n");
            }
            link.get_or_insert_with(sha512::Hash::new).update(text);
            scan.is_torn = !ended;
            piece.clear();
        }
        scan.head = link.map_or([0; 32], digest_of);
        Ok(scan)
    }
}

fn digest_of(link: sha512::Hash) -> [u8; 32] {
    first_half(link.finalize())
}

/// What an event says of the link before it; `None` for a line that is none.
fn link_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"{\"timestamp\":\"")?.strip_suffix(b"}")?;
    let behind = line.windows(BEHIND_REASON.len()).position(|w| w == BEHIND_REASON.as_bytes())?;
    let start = behind.checked_sub(LINK_BYTES * 2)?;
    let (before, after) = line.get(..behind)?.split_at_checked(start)?;
    before.ends_with(AFTER.as_bytes()).then_some(after)
}

fn open_to_append(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, NAME, flags, Mode::from_raw_mode(0o644))?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::INVAL.into()) }
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
fn json(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Writing into a string does not fail.
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
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
