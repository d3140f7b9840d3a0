//! A run repeated from what its log holds, and compared with it: each record, and of a sealed log
//! the root. Nothing is written, and nothing that was done is done again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_graph::Graph;
use karyon_log::{Control, Lane, Record, Records, Seal, Walk};
use karyon_runtime::datadir::{inputs, log_folder};
use karyon_runtime::{
    Compared, Divergence, Ending, NodeError, Outcome, RecordError, Recorder, RunConfig, RunError,
    run, run_records_up_to, verified_run, watch_stop,
};
use karyon_types::{AgentId, Hash, Position};
use karyon_verify::{Report, Trust, VerifyError};

use super::{LifeError, Settings, VERSION, config, granted, kinds, staged};
use crate::contacts::Note;
use crate::person::Person;
use crate::rumour::Rumour;
use crate::scenario::Scenario;

/// A run whose log verified, ready to be repeated with [`Replay::run`].
pub struct Replay {
    /// The people and their contacts.
    pub rumour: Rumour,
    /// What was remarkable about the contacts.
    pub notes: Vec<Note>,
    /// What the log holds.
    pub report: Report,
    data: PathBuf,
    scenario: Scenario,
    until: Option<Position>,
}

/// What came of it.
pub enum Verdict {
    /// All that was compared is as recorded.
    Confirmed(Confirmed),
    /// Something is not.
    Diverged(Box<Diverged>),
}

/// What is as recorded.
#[derive(Clone, Copy, Debug)]
pub struct Confirmed {
    /// Its records.
    pub compared: Compared,
    /// The root of the final state, compared with the seal's; `None`: the log is not sealed, or
    /// was not compared to its end.
    pub state_root: Option<Hash>,
}

/// Where the run departs from its log.
#[derive(Debug)]
pub struct Diverged {
    /// The first record that differs: of the run, or the seal.
    pub first: Divergence,
    /// Whose record it is, with the name.
    pub agent: Option<(AgentId, String)>,
    /// Why the run ended there, should that be the difference.
    pub failure: Option<RunError>,
}

/// Verifies the log in `data`, to repeat its run: all of it, or up to the record `until`.
///
/// # Errors
/// See [`LifeError`].
pub fn open(data: &Path, trust: &Trust, until: Option<Position>) -> Result<Replay, LifeError> {
    let report = verified_run(data, VERSION, &kinds(), trust)?;
    let last = Position(report.end.records.saturating_sub(1));
    if let Some(asked) = until.filter(|asked| *asked > last) {
        return Err(LifeError::Beyond { asked, last });
    }
    let (_, scenario, rumour, notes) = staged(data, &report)?;
    Ok(Replay { rumour, notes, report, data: data.into(), scenario, until })
}

impl Replay {
    /// Repeats it. Nothing is looked for meanwhile but STOP.
    ///
    /// # Errors
    /// See [`LifeError`]; [`NodeError::Stop`] when STOP was found.
    pub fn run(self, settings: &Settings) -> Result<Verdict, LifeError> {
        let Some(recorder) = self.recorder()? else {
            // Nothing of the run lies there yet.
            let compared = Compared::default();
            return Ok(Verdict::Confirmed(Confirmed { compared, state_root: None }));
        };
        // What it was ordered is in the log: nobody asks.
        let stop = Some(watch_stop(&self.data)?);
        let config = RunConfig { stop, ..config(&self.scenario, settings) };
        let population = self.rumour.population(granted(&self.report, &self.rumour));
        let feeder = Arc::new(self.rumour.feeder());
        let mut recorder = Some(recorder);
        let outcome = run(config, population, feeder, &mut recorder);
        let compared = recorder.as_ref().map(Recorder::compared).unwrap_or_default();
        match outcome {
            Ok(outcome) => self.ended(&outcome, compared),
            Err(RunError::Record(RecordError::Reached)) => {
                Ok(Verdict::Confirmed(Confirmed { compared, state_root: None }))
            }
            Err(RunError::Record(RecordError::Diverged(first))) => Ok(self.differs(*first, None)),
            Err(RunError::Record(RecordError::Committed(error))) => Err(log_error(error)),
            Err(failure) => self.failed(failure, recorder),
        }
    }

    /// What compares; `None`: there is nothing to compare.
    fn recorder(&self) -> Result<Option<Recorder>, LifeError> {
        let (log, end) = (log_folder(&self.data), &self.report.end);
        let records = match self.until {
            Some(last) => run_records_up_to(&log, last).map_err(log_error)?,
            None => end.lane_records(Lane::Ticks),
        };
        if records == 0 {
            return Ok(None);
        }
        let walk = Walk::open(&log).map_err(log_error)?;
        Ok(Some(match (self.until, self.report.seal()) {
            // It has to end where the log does, and as the seal says.
            (None, Some(_)) => Recorder::resuming(None, walk, end),
            (Some(_), _) | (None, None) => Recorder::comparing(walk, records),
        }))
    }

    /// The run came to an end of its own.
    fn ended(&self, outcome: &Outcome<Person>, compared: Compared) -> Result<Verdict, LifeError> {
        match outcome.ending {
            Ending::Completed => {}
            Ending::Halted => {
                return Err(NodeError::Stop { data: self.data.clone(), halted: false }.into());
            }
            Ending::Interrupted { signal } => {
                return Err(RunError::Runtime(format!("signal {signal} ended the replay")).into());
            }
        }
        let state_root = self.state_root(outcome)?;
        let found = Seal { ticks: outcome.ticks, state_root };
        match self.report.seal() {
            Some(sealed) if *sealed != found => {
                let first = self.other_seal(&found, compared)?;
                Ok(self.differs(first, None))
            }
            Some(_) | None => {
                let state_root = Some(Hash(state_root));
                Ok(Verdict::Confirmed(Confirmed { compared, state_root }))
            }
        }
    }

    /// The root of the final state, with a memory that is built from the log and kept nowhere.
    fn state_root(&self, outcome: &Outcome<Person>) -> Result<[u8; 32], LifeError> {
        let mut graph = Graph::in_memory()?;
        graph.catch_up(&log_folder(&self.data), &inputs(&self.data), &mut |_| ())?;
        let memory = graph.read()?;
        Ok(self.rumour.state_root(outcome, |hasher| memory.add_current(hasher))?)
    }

    /// All records are as recorded, but the run ends in another state.
    fn other_seal(&self, found: &Seal, compared: Compared) -> Result<Divergence, LifeError> {
        let encoded = |seal: &Seal| {
            let mut bytes = Vec::new();
            Record::Control(Box::new(Control::Seal(seal.clone()))).encode(&mut bytes);
            bytes
        };
        let position = seal_position(&log_folder(&self.data)).map_err(log_error)?;
        Ok(Divergence {
            position: position.unwrap_or(Position(self.report.end.records)),
            tick: compared.tick,
            expected: self.report.seal().map(encoded),
            got: Some(encoded(found)),
        })
    }

    /// The run failed: a divergence, where its log goes on.
    fn failed(&self, failure: RunError, recorder: Option<Recorder>) -> Result<Verdict, LifeError> {
        match recorder.map(|mut recorder| recorder.check_complete()) {
            Some(Err(RecordError::Diverged(first))) => Ok(self.differs(*first, Some(failure))),
            Some(Err(error)) => Err(RunError::Record(error).into()),
            Some(Ok(())) | None => Err(failure.into()),
        }
    }

    fn differs(&self, first: Divergence, failure: Option<RunError>) -> Verdict {
        let records = [&first.expected, &first.got];
        let agent = records.into_iter().flatten().find_map(|bytes| agent_of(bytes));
        let agent = agent.map(|agent| {
            // A record that was changed may name nobody: serials begin at 1.
            let place = agent.0.checked_sub(1).and_then(|place| usize::try_from(place).ok());
            let name = place.and_then(|place| self.rumour.contacts.names().get(place));
            (agent, name.cloned().unwrap_or_default())
        });
        Verdict::Diverged(Box::new(Diverged { first, agent, failure }))
    }
}

/// Whose record it is.
fn agent_of(record: &[u8]) -> Option<AgentId> {
    match Records::new(record).next()?? {
        Record::Lease(lease) => Some(lease.owner),
        Record::Spawn { agent, .. }
        | Record::Step { agent, .. }
        | Record::Crash { agent, .. }
        | Record::DeadLetter { agent, .. } => Some(agent),
        Record::Order { agent, .. } | Record::Supervised { agent, .. } => Some(agent),
        Record::Lost { first, .. } => Some(first),
        Record::Told { by, .. } => Some(by.from),
        Record::Control(_)
        | Record::Schedule(_)
        | Record::Tick(_)
        | Record::Input { .. }
        | Record::Change { .. } => None,
    }
}

/// Where the run's seal is: the first in the log, which is the last record of its block.
fn seal_position(log: &Path) -> Result<Option<Position>, karyon_log::LogError> {
    let mut walk = Walk::open(log)?;
    while let Some(blocks) = walk.next_group()? {
        if let Some(block) = blocks.iter().find(|block| block.header.seals) {
            let behind = block.first_record.0 + u64::from(block.header.count);
            return Ok(Some(Position(behind.saturating_sub(1))));
        }
    }
    Ok(None)
}

fn log_error(error: karyon_log::LogError) -> LifeError {
    NodeError::Verify(VerifyError::Log(error)).into()
}
