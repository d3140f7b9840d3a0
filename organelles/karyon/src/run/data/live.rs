//! A node's life with a run: begun, gone on with, ended.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use karyon_boundary::{About, Grounds, Server, SocketError};
use karyon_gate::Grant;
use karyon_guard::Guard;
use karyon_log::{Control, Genesis, Seal, Walk};
use karyon_memory::{Fresh, Projection, Recollection};
use karyon_runtime::processes::Desk;
use karyon_runtime::{
    Beginning, Closed, DataDir, DataDirError, Ending, Node, NodeError, Recorder, RunConfig,
    Subjects, datadir, verified_run, wall_ms,
};
use karyon_types::{Hash, LogId, Tick};
use karyon_verify::{Report, Trust};

use super::Data;
use super::hosted::{Ended, Seen};
use crate::error::RunError;
use crate::member::Member;
use crate::outcome::Outcome;
use crate::run::Run;
use crate::run::memory::read_back;
use crate::run::orders::{Due, left_behind};
use crate::signals;

/// The version of Karyon, as recorded.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The name of the input copy.
pub(super) const INPUTS: &str = "inputs";

/// The guardian of this process, from its first run on. It is held until the process ends: whoever
/// is busy with its results has to be heard as well.
static GUARD: Mutex<Option<Arc<Guard>>> = Mutex::new(None);
/// Whether a run under that guardian has begun. It hears one last word, that of one run.
static HAS_RUN: AtomicBool = AtomicBool::new(false);

/// What whoever asks is told of a start.
pub(super) struct Told {
    /// Which of the log's starts it is, from 1.
    pub(super) boot: u32,
    pub(super) grounds: Option<Grounds>,
}

impl Run {
    /// Begins it in a new data directory, and runs it to its end. The directory is made, and must
    /// not hold anything else.
    ///
    /// A process that a guardian started (`karyon-guardian`, see `docs/guardian.md`) runs it under
    /// that guardian, and no other run behind it; any other runs it unguarded, and its log says so
    /// for good.
    ///
    /// # Errors
    /// What is wrong with the run; a grant or a key that is refused; whatever keeps a node from
    /// starting; [`RunError::GuardedTwice`]; [`RunError::Run`] if the run failed: then the directory
    /// says `halted`, and why.
    pub fn begin(&self, data: &Data) -> Result<Outcome, RunError> {
        self.check()?;
        self.settings.check_adapter()?;
        let guard = guard()?;
        let key = data.node_key()?;
        let authority = data.authority(key.public_key(), self)?;
        authority.permits(
            key.public_key(),
            self.digest(),
            &self.resource(),
            self.rights_in_all(),
        )?;
        let grant = self.grant(authority.signed.terms.expires_tick.map(Tick));
        let keys = data.keys_here()?;
        if keys.is_none() && !self.subjects.is_empty() {
            return Err(RunError::NoKeystore);
        }
        let dir = directory(guard, &data.path, DataDir::create)?;
        let mut controls = authority.records(&grant);
        let given = self.give_out_keys(dir.path(), keys.as_ref())?;
        controls.extend(given.map(Control::Subjects));
        let subjects = self.custody(dir.path(), keys.as_ref(), &controls)?;
        let beginning = self.beginning(controls, subjects.as_ref());
        let grounds = Grounds::recorded(&beginning.authority);
        let node = Node::create(dir, key, self.settings.schedulers, beginning)?;
        let (_, witness) = data.known(node.log())?;
        let told = Told { boot: 1, grounds };
        self.live(node, (grant, subjects), &self.orders, (witness, told))
    }

    /// What its log is to begin with.
    pub(super) fn beginning(&self, authority: Vec<Control>, keys: Option<&Subjects>) -> Beginning {
        Beginning {
            genesis: Genesis {
                karyon: VERSION.into(),
                created_unix_ms: wall_ms(),
                scenario_name: self.name.clone(),
                scenario: self.description(),
                kinds: self.versions(),
                inputs: Vec::new(),
            },
            authority,
            inputs: vec![(INPUTS.into(), self.inputs_file(keys))],
        }
    }

    /// Goes on with a run that was ended before it was complete: it is repeated from its newest
    /// snapshot, or from its beginning if there is none ([`Run::snapshots`]), compared with its log
    /// record by record, and goes on where the log ends. A complete run ends as it did.
    ///
    /// # Errors
    /// As [`Run::begin`]; [`RunError::OtherRun`] if this is not what the directory began with.
    pub fn resume(&self, data: &Data) -> Result<Outcome, RunError> {
        self.resumed(data, true)
    }

    /// As [`Run::resume`], repeated from its beginning whatever snapshots there are.
    ///
    /// # Errors
    /// As [`Run::resume`].
    pub fn resume_from_zero(&self, data: &Data) -> Result<Outcome, RunError> {
        self.resumed(data, false)
    }

    fn resumed(&self, data: &Data, from_snapshot: bool) -> Result<Outcome, RunError> {
        self.check()?;
        self.settings.check_adapter()?;
        // First of all: the guardian waits for a word, and to verify a long log takes its time.
        let guard = guard()?;
        let key = data.node_key_of_log()?;
        let report = self.report(data)?;
        let (known, witness) = data.known(report.log)?;
        let subjects = self.subjects_of(data, &report.controls)?;
        if let Some((subject, why)) = subjects.as_ref().and_then(first_closed) {
            return Err(karyon_runtime::RunError::Closed { subject, why }.into());
        }
        let dir = directory(guard, &data.path, DataDir::open)?;
        let walk = Walk::open(&datadir::log_folder(&data.path))?;
        let orders = left_behind(&self.orders, walk)?;
        let schedulers = self.settings.schedulers;
        let (mut node, report) =
            Node::resume(dir, key, schedulers, VERSION, &self.versions(), &known)?;
        if from_snapshot {
            node.go_on_from_snapshots(&report);
        }
        // A log that is complete is repeated, and not begun once more.
        let boot = report.boots() as u32 + u32::from(!report.end.sealed);
        let told = Told { boot, grounds: Grounds::recorded(&report.controls) };
        self.live(node, (self.granted(&report), subjects), &orders, (witness, told))
    }

    /// What the log in a directory holds, if it verifies and is of this run.
    pub(super) fn report(&self, data: &Data) -> Result<Report, RunError> {
        let signer = data.node_key_of_log()?.public_key();
        let trust = Trust { node_key: Some(signer), known: Vec::new() };
        let report = verified_run(&data.path, VERSION, &self.versions(), &trust)?;
        let (known, _) = data.known(report.log)?;
        let trust = Trust { known, ..trust };
        let report = match trust.known.is_empty() {
            true => report,
            false => verified_run(&data.path, VERSION, &self.versions(), &trust)?,
        };
        if self.is_another(report.genesis()) {
            return Err(RunError::OtherRun("population or one of its settings"));
        }
        let subjects = self.subjects_of(data, &report.controls)?;
        let copy = datadir::inputs(&data.path).join(INPUTS);
        // It was verified: it is what genesis says.
        let bytes = std::fs::read(&copy).map_err(|source| NodeError::Io { path: copy, source })?;
        match self.are_its_inputs(&bytes, subjects.as_ref()) {
            true => Ok(report),
            false => Err(RunError::OtherRun("list of inputs")),
        }
    }

    /// Who seals for the subjects of the run that a directory holds.
    pub(super) fn subjects_of(
        &self,
        data: &Data,
        controls: &[Control],
    ) -> Result<Option<Subjects>, RunError> {
        self.custody(&data.path, data.keys_here()?.as_ref(), controls)
    }

    /// The grant that a log holds.
    pub(super) fn granted(&self, report: &Report) -> Grant {
        let expires = report.controls.iter().find_map(|control| match control {
            Control::Grant(grant) => grant.expires.map(Tick),
            _ => None,
        });
        self.grant(expires)
    }

    /// Whether a log began with another run.
    pub(super) fn is_another(&self, genesis: Option<&Genesis>) -> bool {
        genesis.is_none_or(|genesis| genesis.scenario != self.description())
    }

    pub(super) fn versions(&self) -> Vec<(String, u32)> {
        self.kinds.iter().map(|known| (known.name.into(), known.version)).collect()
    }

    fn live(
        &self,
        node: Node,
        allowed: (Grant, Option<Subjects>),
        orders: &[Due],
        (witness, told): (Option<PathBuf>, Told),
    ) -> Result<Outcome, RunError> {
        HAS_RUN.store(true, Ordering::Relaxed);
        let heard = self.settings.signals.then(signals::hear).transpose();
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => return Err(failed(node, RunError::Signals(error))),
        };
        let (_heard, interrupt) = heard.unzip();
        let seen = Seen { interrupt: interrupt.unwrap_or_default(), ..Seen::default() };
        self.live_seen(node, allowed, orders, (witness, told), seen).map(|(outcome, ..)| outcome)
    }

    /// Runs it in this node, seen by whoever hosts it.
    pub(super) fn live_seen(
        &self,
        mut node: Node,
        allowed: (Grant, Option<Subjects>),
        orders: &[Due],
        (witness, told): (Option<PathBuf>, Told),
        seen: Seen<'_>,
    ) -> Result<(Outcome, Ended), RunError> {
        if let Some(witness) = witness {
            if let Some(folder) = witness.parent() {
                let made = std::fs::create_dir_all(folder);
                made.map_err(|source| NodeError::Io { path: folder.into(), source })?;
            }
            node.witnessed_by(witness);
        }
        let Seen { interrupt, progress, desk, watch, rate, begun } = seen;
        let config = RunConfig { progress, watch, rate, ..self.config() };
        let memory = projection(&node, &config);
        let recaller = match &memory {
            Some(memory) => Recollection::following(Arc::clone(memory)),
            None => Recollection::of(node.dir().path()),
        };
        let config = RunConfig {
            interrupt,
            stop: Some(node.stop_file()?),
            guard: node.dir().guard().cloned(),
            snapshots: self.settings.snapshots.map(|every| node.snapshots(every)),
            desk: Some(desk),
            recaller: Some(Box::new(recaller)),
            ..config
        };
        let answering = self.answer(node.dir(), node.log(), told, config.desk.as_ref());
        let told = begun.and_then(|begun| begun(&node));
        let since = Instant::now();
        let ended = self.go(config, allowed, orders, &mut node.recorder);
        drop((answering, told));
        let is_complete =
            |ended: &(karyon_runtime::Outcome<Member>, _)| ended.0.ending == Ending::Completed;
        if let Some(memory) = memory.as_ref().filter(|_| !ended.as_ref().is_ok_and(is_complete)) {
            memory.discard();
        }
        let (outcome, beside) = match ended {
            Ok(ended) => ended,
            Err(error) => return Err(failed(node, error)),
        };
        let path = node.dir().path().to_path_buf();
        let mut ended = Ended { lost: outcome.lost, ..Ended::default() };
        let state_root = match outcome.ending {
            Ending::Halted => {
                node.halt("the file safety/STOP was found")?;
                Hash([0; 32])
            }
            Ending::Interrupted { signal } => {
                node.interrupt(outcome.ticks, signal)?;
                Hash([0; 32])
            }
            Ending::Completed => {
                let (memory, root) = match self.remembered(&mut node, memory.as_deref(), &outcome) {
                    Ok(remembered) => remembered,
                    Err(error) => return Err(failed(node, error)),
                };
                // Held until the memory has its place.
                let (dir, end) =
                    node.complete(Seal { ticks: outcome.ticks, state_root: root.0 })?;
                memory.install()?;
                (ended.dir, ended.end) = (Some(dir), Some(end));
                root
            }
        };
        let took = since.elapsed();
        let records = read_back(Walk::open(&datadir::log_folder(&path))?)?;
        let outcome = self.left(outcome, beside, state_root, records);
        Ok((Outcome { took, ..outcome }, ended))
    }

    /// Answers whoever asks about the run, until it is dropped. A run that cannot be asked runs all
    /// the same.
    fn answer(
        &self,
        dir: &DataDir,
        log: LogId,
        Told { boot, grounds }: Told,
        desk: Option<&Arc<Desk>>,
    ) -> Option<Server> {
        let desk = Arc::clone(desk.filter(|_| self.settings.socket)?);
        let about = About { karyon: VERSION.into(), log, boot, grounds };
        match Server::open(dir, about, desk) {
            Ok(server) => Some(server),
            Err(SocketError::NoGuardian) => None,
            Err(error) => {
                tracing::warn!(%error, "nobody can ask about this run");
                None
            }
        }
    }

    /// The memory, and the root of the final state. It is built from the committed log and nothing
    /// else, since the root is about to be signed.
    fn remembered(
        &self,
        node: &mut Node,
        memory: Option<&Projection>,
        outcome: &karyon_runtime::Outcome<Member>,
    ) -> Result<(Fresh, Hash), RunError> {
        if let Some(recorder) = &mut node.recorder {
            recorder.flush().map_err(NodeError::from)?;
        }
        let memory = match memory {
            Some(memory) => memory.finish()?,
            None => Fresh::build(node.dir().path())?,
        };
        let mut hasher = self.add_state(outcome);
        memory.read()?.add_current(&mut hasher)?;
        Ok((memory, hasher.finish()))
    }
}

/// The memory that follows the run's log; `None`: the log is sealed, and nothing is written that could
/// be followed.
fn projection(node: &Node, config: &RunConfig) -> Option<Arc<Projection>> {
    let status = node.recorder.as_ref().and_then(Recorder::status)?;
    let shown = Arc::clone(&config.progress);
    Some(Arc::new(Projection::of(node.dir().path(), status, shown)))
}

/// A subject whose keys are not to be had, and why.
fn first_closed(Subjects { of, seals }: &Subjects) -> Option<(u64, Closed)> {
    of.values().find_map(|subject| Some((*subject, seals.closed(*subject)?)))
}

/// The guardian that started this process; `None`: none did.
fn guard() -> Result<Option<Arc<Guard>>, RunError> {
    let mut held = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    if held.is_none() {
        *held = Guard::attach(VERSION).map_err(NodeError::from)?.map(Arc::new);
    }
    Ok(held.clone())
}

/// The directory: locked by the guardian, or taken here.
fn directory(
    guard: Option<Arc<Guard>>,
    path: &Path,
    take: fn(&Path) -> Result<DataDir, DataDirError>,
) -> Result<DataDir, RunError> {
    let dir = match guard {
        Some(_) if HAS_RUN.load(Ordering::Relaxed) => return Err(RunError::GuardedTwice),
        Some(guard) => DataDir::under(guard, path),
        None => take(path),
    };
    Ok(dir.map_err(NodeError::from)?)
}

/// A node that failed says why. That is the error to tell; a log that failed too says the same.
pub(super) fn failed(node: Node, error: RunError) -> RunError {
    match node.abandon(&error.to_string()) {
        Ok(()) | Err(_) => error,
    }
}
