//! A node's life: a data directory, its safety marker, its log; from start to a clean end.
//!
//! The marker says `running` before anything runs and `clear` only after a clean end or an
//! interruption in good order; everything else that a start finds is safe mode. Under a guardian
//! it is the guardian that keeps the marker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_guard::LinkError;
use karyon_identity::SecretKey;
use karyon_log::{
    Boot, Control, DiskFolder, End, Genesis, Halt, InputFile, Interrupted, Lane, LogError,
    Recovered, Resume, Seal, SegmentHeader, Walk,
};
use karyon_log_writer::{LogFailed, Writer, WriterOptions};
use karyon_safety::{FileError, SafeMode, StopFile};
use karyon_statements::Checkpoint;
use karyon_types::{Hash, LogId, hash};
use karyon_verify::{Report, Trust, VerifyError, verify};

use crate::checkpoints::Checkpoints;
use crate::datadir::{self, DataDir, DataDirError};
use crate::keeper::{Keeper, guardian_record};
use crate::recorder::{Recorder, wall_ms};
use crate::snapshot::{Every, SnapshotFolder, Snapshots};

/// Why a node does not start, or does not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A person must look first.
    #[error("{}", mode.message(data))]
    SafeMode {
        /// Which directory.
        data: PathBuf,
        /// Why.
        mode: SafeMode,
    },
    /// STOP is there.
    #[error("{} is there: nothing starts until a person removes it{}", data.join("safety").join("STOP").display(), then(data, *halted))]
    Stop {
        /// Which directory.
        data: PathBuf,
        /// Whether a person must also end safe mode.
        halted: bool,
    },
    /// It was ended before genesis was durable.
    #[error("nothing was recorded in {}: the run was ended before its first record; remove the directory and start anew with `karyon run`", data.display())]
    NothingRecorded {
        /// Which directory.
        data: PathBuf,
    },
    /// The log does not verify.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Its run is not complete.
    #[error("the run in {} is not complete; go on with it first: `karyon resume --data {}`", data.display(), data.display())]
    Unfinished {
        /// Which directory.
        data: PathBuf,
    },
    /// Nothing ever ran there.
    #[error("{} holds no run, only authority or what was imported: there is nothing to resume or to replay", data.display())]
    NoRun {
        /// Which directory.
        data: PathBuf,
    },
    /// Another version wrote it.
    #[error(
        "the run was recorded with {what} {recorded}, and this is {here}; use the version that began it"
    )]
    Mismatch {
        /// Of what the versions differ.
        what: String,
        /// What the log says.
        recorded: String,
        /// What this program is.
        here: String,
    },
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogFailed),
    /// The safety marker cannot be written.
    #[error(transparent)]
    Marker(#[from] FileError),
    /// The guardian was not reached.
    #[error(transparent)]
    Guardian(#[from] LinkError),
    /// A person's reason cannot be brought into the log.
    #[error("{0}. Move it away, keep it, and resume again")]
    Resume(String),
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The repeated run ended in another state than the sealed one, though its records are the
    /// same.
    #[error("the repeated run ends in the state {found}, but the log was sealed with {sealed}")]
    OtherState {
        /// What the seal says.
        sealed: Hash,
        /// What came out now.
        found: Hash,
    },
    /// The checkpoint cannot be signed, or there is no randomness for a new log's identity.
    #[error("{0}")]
    Sign(String),
}

fn then(data: &Path, halted: bool) -> String {
    match halted {
        true => format!(
            ", and then runs `karyon safety resume --reason \"…\" --data {}`",
            data.display()
        ),
        false => String::new(),
    }
}

/// What a new run begins with.
pub struct Beginning {
    /// What is recorded first; the inputs are added to the genesis here.
    pub genesis: Genesis,
    /// Principal, reason and grant.
    pub authority: Vec<Control>,
    /// The inputs, to be kept as copies.
    pub inputs: Vec<(String, Vec<u8>)>,
}

/// A node that may run.
pub struct Node {
    dir: DataDir,
    header: SegmentHeader,
    keeper: Keeper,
    /// What all records pass through; taken by a run and given back.
    pub recorder: Option<Recorder>,
    /// The log's end and its seal when the node started, should it be sealed.
    sealed: Option<(End, Seal)>,
    checkpoints: Checkpoints,
}

impl Node {
    /// Starts a new run in a new data directory.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn create(
        dir: DataDir,
        key: Arc<SecretKey>,
        schedulers: usize,
        mut beginning: Beginning,
    ) -> Result<Node, NodeError> {
        let keeper = Keeper::permit_first(&dir)?;
        let log = karyon_statements::GrantTerms::random_nonce()
            .map(LogId)
            .map_err(|error| NodeError::Sign(error.to_string()))?;
        dir.furnish()?;
        keeper.begin(log)?;
        for (name, bytes) in &beginning.inputs {
            dir.write(&dir.inputs().join(name), bytes)?;
            beginning.genesis.inputs.push(InputFile {
                name: name.clone(),
                size: bytes.len() as u64,
                hash: hash(bytes).0,
            });
        }
        let header = SegmentHeader { log, node_key: key.public_key() };
        let boot = boot_record(&dir, 1, &beginning.genesis.karyon, schedulers);
        let mut records = vec![Control::Genesis(beginning.genesis)];
        records.append(&mut beginning.authority);
        let resumes = take_resumes(&dir)?;
        let pending = resumes.iter().map(|resume| resume.n).max();
        records.extend(resumes.into_iter().map(Control::Resume));
        records.push(boot);
        let recorder = open_log(&dir, &header, &key, 1, &End::of_new_log())
            .and_then(|writer| first_words(Recorder::new(writer), &records))
            .map_err(|error| keeper.halted(error))?;
        forget_resumes(&keeper, pending)?;
        tracing::info!(%log, schedulers, "a log begins");
        Node::begin(dir, header, key, keeper, recorder)
    }

    /// Starts again where a run was ended: verifies the log, cuts an uncommitted tail, and goes
    /// on behind the last commit. `known` are checkpoints that were kept elsewhere, their
    /// signatures checked: a log that does not extend each is refused.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn resume(
        dir: DataDir,
        key: Arc<SecretKey>,
        schedulers: usize,
        karyon: &str,
        kinds: &[(String, u32)],
        known: &[Checkpoint],
    ) -> Result<(Node, Report), NodeError> {
        let _resume = tracing::info_span!("resume", schedulers).entered();
        let trust = Trust { node_key: Some(key.public_key()), known: known.to_vec() };
        let report = verified_run(dir.path(), karyon, kinds, &trust)?;
        let log = dir.log_folder();
        let keeper = Keeper::permit(&dir)?;
        // Before anything is changed: a list that cannot be read leaves all as it is.
        let resumes = take_resumes(&dir)?;
        let boot = 1 + report.controls.iter().filter(|c| matches!(c, Control::Boot(_))).count();
        keeper.begin(report.log)?;
        let header = SegmentHeader { log: report.log, node_key: report.node_key };
        let end = report.end.clone();
        let walk = Walk::open(&log).map_err(VerifyError::Log)?;
        let (log, cut_bytes) = (report.log, end.tail_bytes);
        tracing::info!(%log, boot, records = end.records, sealed = end.sealed, "a log is verified");
        if cut_bytes > 0 {
            tracing::warn!(cut_bytes, "what was never committed is cut");
        }
        if end.sealed {
            let recorder = Recorder::resuming(None, walk, &end);
            let sealed = report.seal().map(|seal| (end, seal.clone()));
            let node = Node { sealed, ..Node::begin(dir, header, key, keeper, recorder)? };
            return Ok((node, report));
        }
        let mut records = Vec::new();
        if end.tail_bytes > 0 {
            records.push(Control::Recovered(Recovered { cut_bytes: end.tail_bytes }));
        }
        // A crash may have come between recording a resume and taking it off the list.
        let is_recorded = |n| {
            report.controls.iter().any(|c| matches!(c, Control::Resume(resume) if resume.n == n))
        };
        let pending = resumes.iter().map(|resume| resume.n).max();
        let new = resumes.into_iter().filter(|resume| !is_recorded(resume.n));
        records.extend(new.map(Control::Resume));
        records.push(boot_record(&dir, boot as u32, karyon, schedulers));
        let recorder = open_log(&dir, &header, &key, boot as u32, &end)
            .and_then(|writer| first_words(Recorder::resuming(Some(writer), walk, &end), &records))
            .map_err(|error| keeper.halted(error))?;
        forget_resumes(&keeper, pending)?;
        Ok((Node::begin(dir, header, key, keeper, recorder)?, report))
    }

    fn begin(
        dir: DataDir,
        header: SegmentHeader,
        key: Arc<SecretKey>,
        keeper: Keeper,
        recorder: Recorder,
    ) -> Result<Node, NodeError> {
        let checkpoints = Checkpoints::begin(header.log, key, &dir, recorder.status())?;
        let recorder = Some(recorder);
        Ok(Node { dir, header, keeper, recorder, sealed: None, checkpoints })
    }

    /// Keeps each checkpoint in this file too. Outside the reach of whoever can write the data
    /// directory, it proves that the log was not rewritten behind it.
    pub fn witnessed_by(&mut self, file: PathBuf) {
        self.checkpoints.witnessed_by(file);
    }

    /// Lets its run go on from the newest snapshot that its log, `report`, names, should there be
    /// one that is whole; it is repeated from its beginning otherwise.
    pub fn go_on_from_snapshots(&mut self, report: &Report) {
        let folder = SnapshotFolder::of(self.dir.path(), self.log());
        let starts = folder.believed(&report.controls, report.end.lane_records(Lane::Ticks));
        self.recorder = self.recorder.take().map(|recorder| recorder.starting_from(starts));
    }

    /// That its run takes snapshots, and keeps them in the data directory.
    pub fn snapshots(&self, every: Every) -> Snapshots {
        Snapshots { every, keep: Arc::new(SnapshotFolder::of(self.dir.path(), self.log())) }
    }

    /// The log that it writes.
    pub fn log(&self) -> LogId {
        self.header.log
    }

    /// Records, and waits until it is durable.
    ///
    /// # Errors
    /// When the log gave up.
    pub fn record_durably(&mut self, records: &[Control]) -> Result<(), NodeError> {
        self.record(records)?;
        let flushed = self.recorder.as_mut().map_or(Ok(()), Recorder::flush);
        flushed.map_err(|failed| self.give_up(failed))
    }

    /// The data directory.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// What looks for STOP.
    ///
    /// # Errors
    /// [`NodeError::Io`].
    pub fn stop_file(&self) -> Result<StopFile, NodeError> {
        watch_stop(self.dir.path())
    }

    /// The run is complete: seals the log, and declares the directory clear.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn complete(mut self, seal: Seal) -> Result<(DataDir, End), NodeError> {
        let end = match self.sealed.take() {
            Some((end, sealed)) if sealed == seal => end,
            Some((_, sealed)) => {
                return Err(NodeError::OtherState {
                    sealed: Hash(sealed.state_root),
                    found: Hash(seal.state_root),
                });
            }
            None => {
                self.record(&[Control::Seal(seal)])?;
                tracing::info!("the log is sealed");
                self.close()?
            }
        };
        self.checkpoint(&end)?;
        self.keeper.clear()?;
        Ok((self.dir, end))
    }

    /// A signal ended the run in good order: everything so far is kept, and it can be resumed.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn interrupt(mut self, tick: u64, signal: u32) -> Result<(DataDir, End), NodeError> {
        let end = match self.sealed.take() {
            Some((end, _)) => end,
            None => {
                tracing::info!(tick, signal, "the run is interrupted");
                self.record(&[Control::Interrupted(Interrupted { tick, signal })])?;
                self.close()?
            }
        };
        self.checkpoint(&end)?;
        self.keeper.clear()?;
        Ok((self.dir, end))
    }

    /// Ends in good order what has no ticks: it can be resumed.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn pause(self) -> Result<(DataDir, End), NodeError> {
        self.interrupt(0, 0)
    }

    /// Makes a record durable that must not be lost where the disk is full: a revocation.
    ///
    /// # Errors
    /// [`NodeError::Log`]: the node gave up.
    pub fn record_urgently(&mut self, record: Control) -> Result<(), NodeError> {
        let spoken = self.recorder.as_ref().ok_or_else(no_recorder)?.urgent(record);
        spoken.map_err(|failed| self.give_up(failed))
    }

    /// STOP was found: durably says so, and waits for nothing, the log least of all; for a
    /// guardian no longer than its heartbeat may take.
    ///
    /// # Errors
    /// [`NodeError::Marker`], [`NodeError::Guardian`]; the marker says `running` then, which is
    /// safe mode too.
    pub fn halt(self, reason: &str) -> Result<(), NodeError> {
        tracing::warn!(reason, "the node halts");
        let outcome = self.keeper.halt(reason);
        // The log's thread may still be writing what was queued: the directory stays locked until
        // the process is gone.
        std::mem::forget(self.dir);
        outcome
    }

    /// The run failed: keeps what was recorded, and says that the node was halted, and why: for
    /// this reason, or because the log failed as well.
    ///
    /// # Errors
    /// See [`NodeError`]; the marker says `running` then, or that the log failed.
    pub fn abandon(mut self, reason: &str) -> Result<(), NodeError> {
        let had_given_up = self.recorder.is_none();
        self.end_log()?;
        match had_given_up {
            // The first cause is the one that counts.
            true => Ok(()),
            false => self.keeper.halt(reason),
        }
    }

    fn record(&mut self, records: &[Control]) -> Result<(), NodeError> {
        let recorded = self.recorder.as_mut().ok_or_else(no_recorder)?.control(records);
        recorded.map_err(|failed| self.give_up(failed))
    }

    fn close(&mut self) -> Result<End, NodeError> {
        self.end_log()?.ok_or_else(|| NodeError::Sign("the log was not open".into()))
    }

    fn end_log(&mut self) -> Result<Option<End>, NodeError> {
        self.checkpoints.stop();
        if let Some(recorder) = &mut self.recorder
            && let Err(failed) = recorder.flush()
        {
            return Err(self.give_up(failed));
        }
        let closed = self.recorder.take().map_or(Ok(None), Recorder::close);
        closed.map_err(|failed| self.give_up(failed))
    }

    /// Nothing may go on: says so where that is still possible, and records nothing any more. A
    /// full disk has room for a record. Gives back what is to be told.
    pub fn give_up(&mut self, failed: impl Into<NodeError>) -> NodeError {
        let failed = failed.into();
        tracing::error!(error = %failed, "the node gives up");
        let reason = failed.to_string();
        let halt = Control::Halt(Halt { reason, at_unix_ms: wall_ms() });
        match self.recorder.take().map_or(Ok(()), |recorder| recorder.last_words(halt)) {
            Ok(()) | Err(_) => self.keeper.halted(failed),
        }
    }

    fn checkpoint(&mut self, end: &End) -> Result<(), NodeError> {
        self.checkpoints.stop();
        self.checkpoints.write(end.tree.size(), end.tree.root())
    }
}

/// A run took it and did not give it back, or the node gave up.
fn no_recorder() -> NodeError {
    NodeError::Sign("nothing is recorded any more: the node gave up before".into())
}

fn open_log(
    dir: &DataDir,
    header: &SegmentHeader,
    key: &Arc<SecretKey>,
    boot: u32,
    end: &End,
) -> Result<Writer, NodeError> {
    let (path, options) = (dir.log_folder(), WriterOptions::default());
    Writer::open(Arc::new(DiskFolder::new(&path)), header, Arc::clone(key), boot, end, options)
        .map_err(|source| NodeError::Io { path, source })
}

/// Makes the records durable before which nothing may run.
fn first_words(mut recorder: Recorder, records: &[Control]) -> Result<Recorder, NodeError> {
    recorder.control(records)?;
    recorder.flush()?;
    Ok(recorder)
}

/// What looks for STOP in a data directory.
///
/// # Errors
/// [`NodeError::Io`].
pub fn watch_stop(data: &Path) -> Result<StopFile, NodeError> {
    StopFile::watch(data).map_err(|source| NodeError::Io { path: data.join("safety"), source })
}

/// Verifies the log of `data`, and that it holds a run which this program repeats as it was: with
/// this version and these agent kinds. Only reads.
///
/// # Errors
/// See [`NodeError`].
pub fn verified_run(
    data: &Path,
    karyon: &str,
    kinds: &[(String, u32)],
    trust: &Trust,
) -> Result<Report, NodeError> {
    let owned = || data.to_path_buf();
    let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
    let report = match verify(&log, &checkpoint, &datadir::inputs(data), trust) {
        Ok(report) if report.genesis().is_some() => report,
        Err(VerifyError::Io { source, .. }) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(NodeError::Io { path: datadir::log_file(data), source });
        }
        Ok(_) | Err(VerifyError::Io { .. } | VerifyError::Log(LogError::NotALog)) => {
            return Err(NodeError::NothingRecorded { data: owned() });
        }
        Err(other) => return Err(other.into()),
    };
    // Imports have no kinds of agents, and effects one of their own, without a scenario.
    let is_run = |genesis: &Genesis| {
        !genesis.kinds.is_empty() && (genesis.kinds == kinds || !genesis.scenario.is_empty())
    };
    if !report.genesis().is_some_and(is_run) {
        return Err(NodeError::NoRun { data: owned() });
    }
    check_versions(&report, karyon, kinds)?;
    Ok(report)
}

fn check_versions(report: &Report, karyon: &str, kinds: &[(String, u32)]) -> Result<(), NodeError> {
    let Some(genesis) = report.genesis() else { return Ok(()) };
    let mismatch = |what: &str, recorded: &dyn std::fmt::Debug, here: &dyn std::fmt::Debug| {
        Err(NodeError::Mismatch {
            what: what.into(),
            recorded: format!("{recorded:?}"),
            here: format!("{here:?}"),
        })
    };
    if genesis.karyon != karyon {
        return mismatch("Karyon", &genesis.karyon, &karyon);
    }
    if genesis.kinds != kinds {
        return mismatch("the agent kinds", &genesis.kinds, &kinds);
    }
    Ok(())
}

pub(crate) fn boot_record(dir: &DataDir, boot: u32, karyon: &str, schedulers: usize) -> Control {
    Control::Boot(Boot {
        boot,
        karyon: karyon.into(),
        schedulers: schedulers as u32,
        at_unix_ms: wall_ms(),
        guardian: guardian_record(dir),
    })
}

fn take_resumes(dir: &DataDir) -> Result<Vec<Resume>, NodeError> {
    let pending = karyon_safety::pending_resumes(dir.path()).map_err(NodeError::Resume)?;
    Ok(pending
        .into_iter()
        .map(|resume| Resume {
            n: resume.n,
            before: resume.before,
            reason: resume.reason,
            at_unix_s: resume.unix_seconds,
        })
        .collect())
}

/// The log holds the reasons up to the last one durably now.
fn forget_resumes(keeper: &Keeper, last: Option<u64>) -> Result<(), NodeError> {
    last.map_or(Ok(()), |n| keeper.resumes_recorded(n))
}
