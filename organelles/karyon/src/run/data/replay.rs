//! A run repeated from what its log holds, and compared with it, record by record.

use std::fmt;
use std::path::Path;

use karyon_graph::Graph;
use karyon_log::{Lane, Records, Walk};
use karyon_memory::Recollection;
use karyon_runtime::datadir::{inputs, log_folder};
use karyon_runtime::{
    Compared, DataDir, Divergence, Ending, NodeError, Opaque, RecordError, Recorder, RunConfig,
    RunError as Failed, SnapshotFolder, Subjects, watch_stop,
};
use karyon_safety::permit_start;
use karyon_types::Hash;
use karyon_verify::Report;

use super::Data;
use crate::error::RunError;
use crate::member::Member;
use crate::run::Run;

/// What came of a replay.
#[derive(Debug)]
pub enum Replayed {
    /// All that was compared is as recorded.
    Confirmed {
        /// The records that were compared.
        compared: Compared,
        /// The root of the final state, as the seal has it; `None`: the log is not sealed, or the
        /// state of somebody is not known.
        state_root: Option<Hash>,
        /// What could not be executed, because nobody can read it: its outputs were taken from the
        /// log.
        opaque: Opaque,
    },
    /// Something is not: the agents are other ones than those that ran, or the log was changed and
    /// signed anew.
    Diverged(Box<Divergence>),
    /// All records are as recorded, but the run ends in another state than its seal says.
    OtherState {
        /// What the seal says.
        sealed: Hash,
        /// What came out now.
        found: Hash,
    },
}

/// In words; of records that differ, both.
impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replayed::Confirmed { compared, state_root, opaque } => {
                write!(f, "confirmed: {} records are as recorded", compared.records)?;
                if !opaque.is_empty() {
                    let agents = opaque.agents.len();
                    write!(f, ", {opaque}; state root not compared: {agents} opaque agents")?;
                }
                state_root.map_or(Ok(()), |root| write!(f, ", state root {root}"))
            }
            Replayed::Diverged(first) => {
                write!(f, "{first}")?;
                for (what, record) in [("recorded", &first.expected), ("repeated", &first.got)] {
                    match record.as_deref().and_then(|bytes| Records::new(bytes).next()).flatten() {
                        Some(record) => write!(f, "\n  {what}  {record:?}")?,
                        None => write!(f, "\n  {what}  nothing")?,
                    }
                }
                Ok(())
            }
            Replayed::OtherState { sealed, found } => {
                write!(f, "it ends in the state {found}, and was sealed with {sealed}")
            }
        }
    }
}

impl Replayed {
    /// Whether all is as recorded.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, Replayed::Confirmed { .. })
    }
}

impl Run {
    /// Repeats the run that a directory holds, and compares each record with its log. Nothing is
    /// written, and no guardian is needed; in safe mode and under STOP nothing is repeated, because
    /// a replay executes.
    ///
    /// # Errors
    /// A log that does not verify, or is of another run ([`RunError::OtherRun`]). That something
    /// differs is no error: see [`Replayed`].
    pub fn replay(&self, data: &Data) -> Result<Replayed, RunError> {
        self.replayed(data, false)
    }

    /// As [`Run::replay`], but what lies before the newest snapshot is not repeated
    /// ([`Compared::from`]).
    ///
    /// # Errors
    /// As [`Run::replay`].
    pub fn replay_from_snapshot(&self, data: &Data) -> Result<Replayed, RunError> {
        self.replayed(data, true)
    }

    fn replayed(&self, data: &Data, from_snapshot: bool) -> Result<Replayed, RunError> {
        self.check()?;
        // Whether anything is there at all.
        data.signer()?;
        // What is in use was permitted when it began.
        if DataDir::is_in_use(&data.path) != Some(true) {
            let permitted = permit_start(&karyon_safety::read(&data.path));
            permitted.map_err(|mode| NodeError::SafeMode { data: data.path.clone(), mode })?;
        }
        let report = self.report(data)?;
        let subjects = self.subjects_of(data, &report.controls)?;
        self.compared(&data.path, &report, subjects, from_snapshot)
    }

    /// As [`Run::replay`], of a directory whose log was verified by `report`, for a program that has
    /// its own keys. `from_snapshot`: what lies before the newest is not repeated.
    ///
    /// # Errors
    /// As [`Run::replay`].
    pub fn replay_hosted(
        &self,
        data: &Path,
        report: &Report,
        from_snapshot: bool,
    ) -> Result<Replayed, RunError> {
        self.check()?;
        if self.is_another(report.genesis()) {
            return Err(RunError::OtherRun("population or one of its settings"));
        }
        self.compared(data, report, None, from_snapshot)
    }

    fn compared(
        &self,
        data: &Path,
        report: &Report,
        subjects: Option<Subjects>,
        from_snapshot: bool,
    ) -> Result<Replayed, RunError> {
        let records = report.end.lane_records(Lane::Ticks);
        if records == 0 {
            let compared = Compared::default();
            let opaque = Opaque::default();
            return Ok(Replayed::Confirmed { compared, state_root: None, opaque });
        }
        let walk = Walk::open(&log_folder(data))?;
        let folder = SnapshotFolder::of(data, report.log);
        let starts = match from_snapshot {
            true => folder.believed(&report.controls, records),
            false => Vec::new(),
        };
        let recorder = match report.seal() {
            // It has to end where the log does.
            Some(_) => Recorder::resuming(None, walk, &report.end),
            None => Recorder::comparing(walk, records),
        };
        let mut recorder = Some(recorder.starting_from(starts));
        let config = RunConfig {
            stop: Some(watch_stop(data)?),
            recaller: Some(Box::new(Recollection::of(data))),
            ..self.config()
        };
        let allowed = (self.granted(report), subjects);
        let outcome = self.go(config, allowed, &[], &mut recorder);
        let compared = recorder.as_ref().map(Recorder::compared).unwrap_or_default();
        let opaque = recorder.as_ref().map(Recorder::opaque).cloned().unwrap_or_default();
        match outcome {
            Ok((outcome, _)) => self.ended(data, report, &outcome, compared),
            Err(RunError::Run(Failed::Record(RecordError::Reached))) => {
                Ok(Replayed::Confirmed { compared, state_root: None, opaque })
            }
            Err(RunError::Run(Failed::Record(RecordError::Diverged(first)))) => {
                Ok(Replayed::Diverged(first))
            }
            // A run that fails before its log ends departs from it there.
            Err(error) => match recorder.map(|mut recorder| recorder.check_complete()) {
                Some(Err(RecordError::Diverged(first))) => Ok(Replayed::Diverged(first)),
                Some(Ok(()) | Err(_)) | None => Err(error),
            },
        }
    }

    fn ended(
        &self,
        data: &Path,
        report: &Report,
        outcome: &karyon_runtime::Outcome<Member>,
        compared: Compared,
    ) -> Result<Replayed, RunError> {
        if outcome.ending != Ending::Completed {
            return Err(NodeError::Stop { data: data.to_path_buf(), halted: false }.into());
        }
        let opaque = outcome.opaque.clone();
        if !opaque.is_empty() {
            return Ok(Replayed::Confirmed { compared, state_root: None, opaque });
        }
        let mut graph = Graph::in_memory()?;
        graph.catch_up(&log_folder(data), &inputs(data), &mut |_| ())?;
        let mut hasher = self.add_state(outcome);
        graph.read()?.add_current(&mut hasher)?;
        let found = hasher.finish();
        match report.seal().map(|seal| Hash(seal.state_root)) {
            Some(sealed) if sealed != found => Ok(Replayed::OtherState { sealed, found }),
            Some(_) | None => Ok(Replayed::Confirmed { compared, state_root: Some(found), opaque }),
        }
    }
}
