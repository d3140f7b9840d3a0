//! A person ends safe mode and says why.
//!
//! `safety/resumes` is a list: a line `karyon-safety-resumes-v1`, a line for each resume with
//! number, Unix time in seconds, what the marker said before, and the reason, parted by tabs,
//! and a line with the BLAKE3 hash of all that. It is written before the marker, so a resume
//! that took effect is never without its reason. A resume that was cut off between the two
//! files stays in the list as well; the next one gets a greater number.
//!
//! The next boot puts the list into its log and, once that is durable, calls
//! [`resumes_recorded`]. After a crash in between it finds the same resumes again, and knows
//! them by their numbers.

use std::path::{Path, PathBuf};

use crate::checked::{escape, seal, unescape, unseal};
use crate::files::{self, Damage, FileError, failed};
use crate::marker::{self, Found, Marker};
use crate::{MAX_REASON_BYTES, SAFETY, StopFile};

const NAME: &str = "resumes";
const VERSION: &str = "karyon-safety-resumes-v1\n";
/// The most resumes that wait for a log, in resumes: that many starts have failed since then.
const MAX_PENDING: usize = 256;

/// What a person asks for.
#[derive(Clone, Copy, Debug)]
pub struct ResumeRequest<'a> {
    /// Why it is safe to go on: 1 to 1,000 bytes, not blank.
    pub reason: &'a str,
    /// Now, in seconds since 1970.
    pub unix_seconds: u64,
    /// A number below which `n` must not fall, for a marker that is missing or broken and so
    /// cannot tell its own: the number of boots in the log, or 0 where nothing is known.
    pub least_n: u64,
}

/// A resume by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HumanResume {
    /// The number of the `clear` that it wrote.
    pub n: u64,
    /// When, in seconds since 1970, by the clock of the machine.
    pub unix_seconds: u64,
    /// What the marker said before, in words, a halt's reason included.
    pub before: String,
    /// Why it was safe to go on.
    pub reason: String,
}

/// Why safe mode goes on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// No reason, no resume.
    #[error("a resume needs a reason: say why it is safe to go on, with --reason \"…\"")]
    NoReason,
    /// The reason does not fit.
    #[error("the reason has {length_bytes} bytes: at most {MAX_REASON_BYTES} are kept")]
    LongReason {
        /// Its length.
        length_bytes: usize,
    },
    /// STOP is there, or cannot be shown to be absent.
    #[error("{} is there: remove it yourself, then resume", path.display())]
    Stop {
        /// Where.
        path: PathBuf,
    },
    /// There is no safe mode to end.
    #[error("nothing to resume: the safety marker is clear({n}), a start is permitted")]
    NotInSafeMode {
        /// The number of the marker.
        n: u64,
    },
    /// There is no such directory.
    #[error("there is no data directory {}", path.display())]
    NoData {
        /// What was given.
        path: PathBuf,
    },
    /// The list of earlier resumes cannot be believed; it is not overwritten.
    #[error("{} is broken: {why}. Move it away, keep it, and resume again", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        why: Damage,
    },
    /// The list is full, or the numbers are at their end.
    #[error("{} is full: no boot has put it into a log. Move it away and keep it", path.display())]
    Full {
        /// The list.
        path: PathBuf,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Ends safe mode: writes the reason to `safety/resumes`, then `clear` with a number greater
/// than the marker's, than every one in the list, and than `least_n`. The caller has seen to it
/// that nothing runs.
///
/// # Errors
/// [`ResumeError`]; then safe mode goes on.
pub fn resume(data: &Path, request: ResumeRequest<'_>) -> Result<HumanResume, ResumeError> {
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(ResumeError::NoReason);
    }
    if reason.len() > MAX_REASON_BYTES {
        return Err(ResumeError::LongReason { length_bytes: reason.len() });
    }
    if !data.is_dir() {
        return Err(ResumeError::NoData { path: data.to_owned() });
    }
    files::create_folder(data)?;
    let stop = StopFile::watch(data).map_err(failed("watch", &data.join(SAFETY)))?;
    let refuse_stop = || match stop.is_present() {
        true => Err(ResumeError::Stop { path: data.join(SAFETY).join("STOP") }),
        false => Ok(()),
    };
    refuse_stop()?;
    let before = marker::read(data);
    let marker_n = match &before {
        Found::Marker(Marker::Clear { n }) => return Err(ResumeError::NotInSafeMode { n: *n }),
        Found::Marker(marker) => marker.n(),
        Found::Missing | Found::Broken { .. } => 0,
    };

    let mut list = pending_resumes(data)?;
    let listed_n = list.iter().map(|resume| resume.n).max();
    let full = || ResumeError::Full { path: list_path(data) };
    let n = marker_n.max(request.least_n).max(listed_n.unwrap_or(0));
    let resumed = HumanResume {
        n: n.checked_add(1).ok_or_else(full)?,
        unix_seconds: request.unix_seconds,
        before: before.to_string(),
        reason: reason.to_owned(),
    };
    if list.len() >= MAX_PENDING {
        return Err(full());
    }
    list.push(resumed.clone());
    files::replace(data, NAME, &encode(&list))?;
    refuse_stop()?;
    marker::write_resumed(data, &resumed)?;
    Ok(resumed)
}

/// The resumes that no boot has reported as recorded yet, oldest first.
///
/// # Errors
/// [`ResumeError::List`].
pub fn pending_resumes(data: &Path) -> Result<Vec<HumanResume>, ResumeError> {
    files::read(data, NAME)
        .and_then(|text| text.map_or(Ok(Vec::new()), |text| decode(&text)))
        .map_err(|why| ResumeError::List { path: list_path(data), why })
}

/// Takes the resumes with numbers up to `n` off the list: a log holds them durably.
///
/// # Errors
/// [`ResumeError::List`], [`ResumeError::File`]; then they stay.
pub fn resumes_recorded(data: &Path, n: u64) -> Result<(), ResumeError> {
    let mut list = pending_resumes(data)?;
    let before = list.len();
    list.retain(|resume| resume.n > n);
    if list.len() < before {
        files::replace(data, NAME, &encode(&list))?;
    }
    Ok(())
}

fn encode(list: &[HumanResume]) -> String {
    let lines = list.iter().map(|resume| {
        let HumanResume { n, unix_seconds, before, reason } = resume;
        format!("{n}\t{unix_seconds}\t{}\t{}\n", escape(before), escape(reason))
    });
    seal(&(VERSION.to_owned() + &lines.collect::<String>()))
}

fn decode(text: &str) -> Result<Vec<HumanResume>, Damage> {
    let lines = unseal(text)?.strip_prefix(VERSION).ok_or(Damage::Form)?;
    let list: Vec<HumanResume> =
        lines.lines().map(decode_line).collect::<Option<_>>().ok_or(Damage::Form)?;
    if encode(&list) == text { Ok(list) } else { Err(Damage::Form) }
}

fn decode_line(line: &str) -> Option<HumanResume> {
    let mut fields = line.splitn(4, '\t');
    Some(HumanResume {
        n: fields.next()?.parse().ok()?,
        unix_seconds: fields.next()?.parse().ok()?,
        before: unescape(fields.next()?)?,
        reason: unescape(fields.next()?)?,
    })
}

fn list_path(data: &Path) -> PathBuf {
    data.join(SAFETY).join(NAME)
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
