//! A person ends safe mode and says why, or halts what does not run.

use std::path::{Path, PathBuf};

use karyon_safety::{
    Entry, EventKind, FileError, Found, HumanResume, Limits, MAX_REASON_BYTES, Marker, SAFETY,
    SafetyLog, StopFile, admit, broken, failed, is_present, make_folder, pending_resumes,
    permit_start, read, replace_resumes, resumes_file, write,
};

use crate::statement::{SignatureFault, signer};

/// The most resumes that wait for a log, in resumes: that many starts have failed since then.
const MAX_PENDING: usize = 256;
/// The most nonces that are remembered. A statement names its halt as well, so one whose nonce
/// has been forgotten is of an earlier halt.
const MAX_NONCES: usize = 256;

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
    /// Now, in milliseconds since 1970.
    pub unix_ms: u64,
    /// A number below which `n` must not fall, for a marker that is missing or broken and so
    /// cannot tell its own: the number of boots in the log, or 0 where nothing is known.
    pub least_n: u64,
    /// A signed statement: see [`crate::resume_statement`].
    pub signature: Option<&'a str>,
    /// Who must sign, and where the host-wide STOP is.
    pub limits: &'a Limits,
}

/// Why safe mode goes on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// No reason, no resume.
    #[error("a resume needs a reason: say why it is safe to go on, with --reason \"…\"")]
    NoReason,
    /// The reason does not fit: it has so many bytes.
    #[error("the reason has {0} bytes: at most {MAX_REASON_BYTES} are kept")]
    LongReason(usize),
    /// This STOP is there, or cannot be shown to be absent.
    #[error("{} is there: remove it yourself, then resume", .0.display())]
    Stop(PathBuf),
    /// There is no safe mode to end; the marker has this number.
    #[error("nothing to resume: the safety marker is clear({0}), a start is permitted")]
    NotInSafeMode(u64),
    /// Its folder `safety` is gone.
    #[error(
        "{} is not there, and what stood in it, STOP perhaps, is gone with it: bring it back; if you know that nobody stopped it, make an empty one", _0.display()
    )]
    NoFolder(PathBuf),
    /// There is no such directory.
    #[error("there is no data directory {}", .0.display())]
    NoData(PathBuf),
    /// The list of earlier resumes, the directory's identity, its entry or its safety log cannot
    /// be believed; it is not overwritten.
    #[error("{0}. Move it away, keep it, and resume again")]
    Broken(String),
    /// The list is full, or the numbers are at their end.
    #[error("{} is full: no boot has put it into a log. Move it away and keep it", .0.display())]
    Full(PathBuf),
    /// The signed statement is missing, or does not permit this.
    #[error("{0}")]
    Signature(SignatureFault),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Ends safe mode. Writes the reason to `safety/resumes` and to the safety log, registers the
/// directory as it is now, and last writes `clear` with a number greater than the marker's, than
/// every one in the list, than this machine's, and than `least_n`. A copy gets an identity of its
/// own. The caller has seen to it that nothing runs.
///
/// # Errors
/// [`ResumeError`]; then safe mode goes on.
pub fn resume(request: ResumeRequest<'_>) -> Result<HumanResume, ResumeError> {
    let ResumeRequest { data, config, unix_ms, least_n, .. } = request;
    let unix_seconds = unix_ms / 1_000;
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
    let recorded = || std::fs::read_dir(data.join("log")).is_ok_and(|mut log| log.next().is_some());
    if !data.join(SAFETY).exists() && recorded() {
        return Err(ResumeError::NoFolder(data.join(SAFETY)));
    }
    make_folder(data, SAFETY)?;
    refuse_stop(&request)?;
    let mut state = State::read(data, config)?;
    let before = match admit(data, config) {
        Ok(entry) => return Err(ResumeError::NotInSafeMode(entry.n)),
        Err(mode) if permit_start(&state.found).is_ok() => mode.why().to_owned(),
        Err(_) => state.found.to_string(),
    };
    let log = SafetyLog::check(data).map_err(broken(&SafetyLog::path(data)));
    log.map_err(ResumeError::Broken)?;
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
        return Err(ResumeError::Full(resumes_file(data)));
    }
    state.list.push(resumed.clone());
    replace_resumes(data, &state.list)?;
    let governance = if signed.is_some() { "enforced" } else { "degraded" };
    let event = EventKind::HumanResume;
    let log_head = SafetyLog::append(data, event, reason, governance, true, unix_ms)?;
    let mut entry = register(&request, state.entry, signed.map(|(_, nonce)| nonce))?;
    (entry.n, entry.last_unix_s, entry.log_head) = (resumed.n, unix_seconds, log_head);
    entry.clear = true;
    entry.store()?;
    refuse_stop(&request)?;
    write(data, &Marker::Clear { n: resumed.n })?;
    Ok(resumed)
}

/// The number that a signed statement must name: the marker's and how many events the safety log
/// holds, so that it grows with each halt; or, where there is no marker that can be read, the
/// number that the resume will write.
///
/// # Errors
/// [`ResumeError`] as [`resume`]; [`ResumeError::NotInSafeMode`] where there is nothing to end.
pub fn halt_number(data: &Path, config: &Path, least_n: u64) -> Result<u64, ResumeError> {
    // Nobody signs away a halt that has not been.
    if let Ok(entry) = admit(data, config) {
        return Err(ResumeError::NotInSafeMode(entry.n));
    }
    State::read(data, config)?.halt(data, least_n)
}

/// A person halts a directory in which nothing runs: the marker first, then the event
/// `manual_stop`.
///
/// # Errors
/// [`FileError`]; the marker may have been written.
pub fn halt_idle(data: &Path, config: &Path, reason: &str, unix_ms: u64) -> Result<(), FileError> {
    make_folder(data, SAFETY)?;
    // What is broken in the registry keeps nobody from halting, and a copy says nothing of the
    // original; the start finds both.
    let entry = Entry::load(data, config).ok().flatten().filter(|entry| entry.is_at(data));
    let known = entry.as_ref().map_or(0, |entry| entry.n);
    let n = match read(data) {
        Found::Marker(marker) => known.max(marker.n()),
        Found::Missing | Found::Broken { .. } => known,
    };
    write(data, &Marker::Halted { n, reason: reason.into() })?;
    let event = EventKind::ManualStop;
    let log_head = SafetyLog::append(data, event, reason, "enforced", true, unix_ms)?;
    if let Some(mut entry) = entry {
        (entry.n, entry.log_head, entry.clear) = (n, log_head, false);
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
                use_nonce(&mut original, nonce);
                original.store()?;
            }
            copy
        }
        None => Entry::draw(data, config)?,
    };
    if let Some(nonce) = nonce {
        use_nonce(&mut entry, nonce);
    }
    Ok(entry)
}

fn use_nonce(entry: &mut Entry, nonce: [u8; 16]) {
    if entry.nonces.len() >= MAX_NONCES {
        entry.nonces.remove(0);
    }
    entry.nonces.push(nonce);
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
            found: read(data),
            list: pending_resumes(data).map_err(ResumeError::Broken)?,
            entry: Entry::load(data, config).map_err(ResumeError::Broken)?,
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
        greatest.checked_add(1).ok_or_else(|| ResumeError::Full(resumes_file(data)))
    }

    fn halt(&self, data: &Path, least_n: u64) -> Result<u64, ResumeError> {
        match &self.found {
            Found::Marker(marker) => {
                let events = SafetyLog::check(data).map_err(broken(&SafetyLog::path(data)));
                Ok(marker.n().saturating_add(events.map_err(ResumeError::Broken)?.1))
            }
            Found::Missing | Found::Broken { .. } => self.next(data, least_n),
        }
    }
}

fn refuse_stop(request: &ResumeRequest<'_>) -> Result<(), ResumeError> {
    let path = request.data.join(SAFETY);
    let stop = StopFile::watch(request.data).map_err(failed("watch", &path))?;
    match (stop.is_present(), is_present(&request.limits.host_stop)) {
        (true, _) => Err(match path.join("STOP").symlink_metadata() {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                failed("look into", &path)(error).into()
            }
            Ok(_) | Err(_) => ResumeError::Stop(path.join("STOP")),
        }),
        (false, true) => Err(ResumeError::Stop(request.limits.host_stop.clone())),
        (false, false) => Ok(()),
    }
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
