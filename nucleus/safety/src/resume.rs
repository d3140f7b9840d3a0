//! A person ends safe mode and says why.
//!
//! `safety/resumes` is a list: a line `karyon-safety-resumes-v2`, a line for each resume with
//! number, Unix time in seconds, the key that signed it or `-`, what the marker said before, and
//! the reason, parted by tabs, and a line with the digest of all that. It is written before the
//! marker, so a resume that took effect is never without its reason. A resume that was cut off
//! between the two files stays in the list as well; the next one gets a greater number.
//!
//! The next boot puts the list into its log and, once that is durable, calls
//! [`resumes_recorded`]. After a crash in between it finds the same resumes again, and knows
//! them by their numbers.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::checked::{escape, seal, unescape, unseal, words};
use crate::files::{self, BrokenFile, Damage, FileError, failed};
use crate::marker::{self, Found, Marker};
use crate::statement::{SignatureFault, signer};
use crate::{
    Entry, EventKind, Limits, MAX_REASON_BYTES, SAFETY, SafeMode, SafetyLog, StopFile, admit, hex,
    stop, unhex,
};

const NAME: &str = "resumes";
const VERSION: &str = "karyon-safety-resumes-v2\n";
const FORMER_VERSION: &str = "karyon-safety-resumes-v1\n";
/// The most resumes that wait for a log, in resumes: that many starts have failed since then.
const MAX_PENDING: usize = 256;

/// What a person asks for.
#[derive(Clone, Copy, Debug)]
pub struct ResumeRequest<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// Where keys, limits and the registry lie.
    pub config: &'a Path,
    /// The id of the directory's log; zeros where there is none.
    pub log: [u8; 16],
    /// Why it is safe to go on: 1 to 1,000 bytes, not blank.
    pub reason: &'a str,
    /// Now, in seconds since 1970.
    pub unix_seconds: u64,
    /// A number below which `n` must not fall, for a marker that is missing or broken and so
    /// cannot tell its own: the number of boots in the log, or 0 where nothing is known.
    pub least_n: u64,
    /// A signed statement: see [`crate::resume_statement`].
    pub signature: Option<&'a str>,
    /// Who must sign, and where the host-wide STOP is.
    pub limits: &'a Limits,
}

/// A resume by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HumanResume {
    /// The number of the `clear` that it wrote.
    pub n: u64,
    /// When, in seconds since 1970, by the clock of the machine.
    pub unix_seconds: u64,
    /// The key that signed it.
    pub signed_by: Option<[u8; 32]>,
    /// What the marker said before, in words, a halt's reason included.
    pub before: String,
    /// Why it was safe to go on.
    pub reason: String,
}

/// Why safe mode goes on.
#[derive(Debug)]
pub enum ResumeError {
    /// No reason, no resume.
    NoReason,
    /// The reason does not fit: it has so many bytes.
    LongReason(usize),
    /// This STOP is there, or cannot be shown to be absent.
    Stop(PathBuf),
    /// There is no safe mode to end; the marker has this number.
    NotInSafeMode(u64),
    /// There is no such directory.
    NoData(PathBuf),
    /// The list of earlier resumes, the directory's identity, its entry or its safety log cannot
    /// be believed; it is not overwritten.
    Broken(BrokenFile),
    /// The list is full, or the numbers are at their end.
    Full(PathBuf),
    /// The signed statement is missing, or does not permit this.
    Signature(SignatureFault),
    /// The file system refused.
    File(FileError),
}

impl Error for ResumeError {}
words! { ResumeError:
    ResumeError::NoReason =>
        ("a resume needs a reason: say why it is safe to go on, with --reason \"…\"");
    ResumeError::LongReason(bytes) =>
        ("the reason has {bytes} bytes: at most {MAX_REASON_BYTES} are kept");
    ResumeError::Stop(path) => ("{} is there: remove it yourself, then resume", path.display());
    ResumeError::NotInSafeMode(n) =>
        ("nothing to resume: the safety marker is clear({n}), a start is permitted");
    ResumeError::NoData(path) => ("there is no data directory {}", path.display());
    ResumeError::Broken(broken) => ("{broken}. Move it away, keep it, and resume again");
    ResumeError::Full(path) =>
        ("{} is full: no boot has put it into a log. Move it away and keep it", path.display());
    ResumeError::Signature(fault) => ("{fault}");
    ResumeError::File(error) => ("{error}");
}

impl From<FileError> for ResumeError {
    fn from(error: FileError) -> ResumeError {
        ResumeError::File(error)
    }
}

impl From<BrokenFile> for ResumeError {
    fn from(broken: BrokenFile) -> ResumeError {
        ResumeError::Broken(broken)
    }
}

/// Ends safe mode. Writes the reason to `safety/resumes` and to the safety log, registers the
/// directory as it is now, and last writes `clear` with a number greater than the marker's, than
/// every one in the list, than this machine's, and than `least_n`. A copy gets an identity of its
/// own. The caller has seen to it that nothing runs.
///
/// # Errors
/// [`ResumeError`]; then safe mode goes on.
pub fn resume(request: ResumeRequest<'_>) -> Result<HumanResume, ResumeError> {
    let ResumeRequest { data, config, unix_seconds, least_n, .. } = request;
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(ResumeError::NoReason);
    }
    if reason.len() > MAX_REASON_BYTES {
        return Err(ResumeError::LongReason(reason.len()));
    }
    if !data.is_dir() {
        return Err(ResumeError::NoData(data.to_owned()));
    }
    files::create_folder(data)?;
    refuse_stop(&request)?;
    let before = match admit(data, config) {
        Ok(entry) => return Err(ResumeError::NotInSafeMode(entry.n)),
        Err(SafeMode::Marker(found)) => found.to_string(),
        Err(mode) => mode.happened(),
    };
    let mut state = State::read(data, config)?;
    SafetyLog::check(data).map_err(|why| BrokenFile { path: SafetyLog::path(data), why })?;
    let used = state.entry.as_ref().map_or(&[][..], |entry| &entry.nonces);
    let signed = signer(&request, reason, state.halt(data, least_n)?, used);
    let signed = signed.map_err(ResumeError::Signature)?;

    let resumed = HumanResume {
        n: state.next(data, least_n)?,
        unix_seconds,
        signed_by: signed.map(|(key, _)| key),
        before,
        reason: reason.to_owned(),
    };
    if state.list.len() >= MAX_PENDING {
        return Err(ResumeError::Full(list_path(data)));
    }
    state.list.push(resumed.clone());
    files::replace(data, NAME, &encode(&state.list))?;
    let governance = if signed.is_some() { "enforced" } else { "degraded" };
    let (event, ms) = (EventKind::HumanResume, unix_seconds.saturating_mul(1_000));
    let log_head = SafetyLog::append(data, event, reason, "halted", governance, true, ms)?;
    let mut entry = register(&request, state.entry, signed.map(|(_, nonce)| nonce))?;
    (entry.n, entry.last_unix_s, entry.log_head) = (resumed.n, unix_seconds, log_head);
    entry.store()?;
    refuse_stop(&request)?;
    marker::write(data, &Marker::Clear { n: resumed.n })?;
    Ok(resumed)
}

/// The number that a signed statement must name: the marker's, or, where there is none that can
/// be read, the one that the resume will write.
///
/// # Errors
/// [`ResumeError`] as [`resume`].
pub fn halt_number(data: &Path, config: &Path, least_n: u64) -> Result<u64, ResumeError> {
    State::read(data, config)?.halt(data, least_n)
}

/// A person halts a directory in which nothing runs: the marker first, then the event
/// `manual_stop`.
///
/// # Errors
/// [`ResumeError::File`]; the marker may have been written.
pub fn halt_idle(
    data: &Path,
    config: &Path,
    reason: &str,
    unix_ms: u64,
) -> Result<(), ResumeError> {
    files::create_folder(data)?;
    // What is broken in the registry keeps nobody from halting, and a copy says nothing of the
    // original; the start finds both.
    let entry = Entry::load(data, config).ok().flatten().filter(|entry| entry.is_at(data));
    let known = entry.as_ref().map_or(0, |entry| entry.n);
    let n = match marker::read(data) {
        Found::Marker(marker) => known.max(marker.n()),
        Found::Missing | Found::Broken { .. } => known,
    };
    marker::write(data, &Marker::Halted { n, reason: reason.into() })?;
    let event = EventKind::ManualStop;
    let log_head = SafetyLog::append(data, event, reason, "halted", "enforced", true, unix_ms)?;
    if let Some(mut entry) = entry {
        (entry.n, entry.log_head) = (n, log_head);
        entry.store()?;
    }
    Ok(())
}

/// The entry of a directory that a person vouches for. One that was copied keeps what is known of
/// the original, and the original learns of the nonce: a statement ends one safe mode.
fn register(
    request: &ResumeRequest<'_>,
    known: Option<Entry>,
    nonce: Option<[u8; 16]>,
) -> Result<Entry, FileError> {
    let (data, config) = (request.data, request.config);
    let mut entry = match known {
        Some(entry) if entry.is_at(data) => entry,
        Some(mut original) => {
            let mut copy = Entry::draw(data, config)?;
            (copy.nonces, copy.windows) = (original.nonces.clone(), original.windows.clone());
            if let Some(nonce) = nonce {
                original.use_nonce(nonce);
                original.store()?;
            }
            copy
        }
        None => Entry::draw(data, config)?,
    };
    if let Some(nonce) = nonce {
        entry.use_nonce(nonce);
    }
    Ok(entry)
}

/// What is known before a resume.
struct State {
    found: Found,
    list: Vec<HumanResume>,
    entry: Option<Entry>,
}

impl State {
    fn read(data: &Path, config: &Path) -> Result<State, ResumeError> {
        Ok(State {
            found: marker::read(data),
            list: pending_resumes(data)?,
            entry: Entry::load(data, config)?,
        })
    }

    /// The number of the marker that a resume writes.
    fn next(&self, data: &Path, least_n: u64) -> Result<u64, ResumeError> {
        let marker_n = match &self.found {
            Found::Marker(marker) => Some(marker.n()),
            Found::Missing | Found::Broken { .. } => None,
        };
        let listed_n = self.list.iter().map(|resume| resume.n);
        let known_n = self.entry.iter().map(|entry| entry.n);
        let greatest = listed_n.chain(known_n).chain(marker_n).fold(least_n, u64::max);
        greatest.checked_add(1).ok_or_else(|| ResumeError::Full(list_path(data)))
    }

    fn halt(&self, data: &Path, least_n: u64) -> Result<u64, ResumeError> {
        match &self.found {
            Found::Marker(marker) => Ok(marker.n()),
            Found::Missing | Found::Broken { .. } => self.next(data, least_n),
        }
    }
}

fn refuse_stop(request: &ResumeRequest<'_>) -> Result<(), ResumeError> {
    let path = request.data.join(SAFETY);
    let stop = StopFile::watch(request.data).map_err(failed("watch", &path))?;
    match (stop.is_present(), stop::is_present(&request.limits.host_stop)) {
        (true, _) => Err(ResumeError::Stop(path.join("STOP"))),
        (false, true) => Err(ResumeError::Stop(request.limits.host_stop.clone())),
        (false, false) => Ok(()),
    }
}

/// The resumes that no boot has reported as recorded yet, oldest first.
///
/// # Errors
/// [`ResumeError::Broken`].
pub fn pending_resumes(data: &Path) -> Result<Vec<HumanResume>, ResumeError> {
    let path = list_path(data);
    match files::read(&path, decode) {
        Ok(list) => Ok(list.unwrap_or_default()),
        Err(why) => Err(BrokenFile { path, why }.into()),
    }
}

/// Takes the resumes with numbers up to `n` off the list: a log holds them durably.
///
/// # Errors
/// [`ResumeError::Broken`], [`ResumeError::File`]; then they stay.
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
        let HumanResume { n, unix_seconds, signed_by, before, reason } = resume;
        let key = signed_by.map_or("-".into(), |key| hex(&key));
        format!("{n}\t{unix_seconds}\t{key}\t{}\t{}\n", escape(before), escape(reason))
    });
    seal(&(VERSION.to_owned() + &lines.collect::<String>()))
}

fn decode(text: &str) -> Result<Vec<HumanResume>, Damage> {
    if text.starts_with(FORMER_VERSION) {
        return Err(Damage::OldVersion);
    }
    let lines = unseal(text)?.strip_prefix(VERSION).ok_or(Damage::Form)?;
    let list: Vec<HumanResume> =
        lines.lines().map(decode_line).collect::<Option<_>>().ok_or(Damage::Form)?;
    if encode(&list) == text { Ok(list) } else { Err(Damage::Form) }
}

fn decode_line(line: &str) -> Option<HumanResume> {
    let mut fields = line.splitn(5, '\t');
    Some(HumanResume {
        n: fields.next()?.parse().ok()?,
        unix_seconds: fields.next()?.parse().ok()?,
        signed_by: match fields.next()? {
            "-" => None,
            key => Some(unhex(key)?),
        },
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
