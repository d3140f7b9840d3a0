//! Snapshots of a run: that they are taken, and that nothing is lost by going on from them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use karyon_log::Walk;
use karyon_runtime::{Ending, Every, Keep, Recorder, RunConfig, Snapshot, Snapshots, Start};

use super::Run;
use super::memory::{Disk, recorder};
use crate::error::RunError;
use crate::outcome::Outcome;

/// Snapshots in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Snapshot>>>);

impl Keep for Kept {
    fn keep(&self, snapshot: &Snapshot) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(snapshot.clone());
        Ok(())
    }
}

impl Run {
    /// Takes snapshots on a data directory so often, and one when it is interrupted: a resume goes
    /// on from the newest ([`Run::resume`]). None, if it is not said; what comes out is the same.
    /// None either in a run that is free-running, and none while agents have names or groups that
    /// they took ([`Context::register`](crate::Context::register)): such a run is repeated from its
    /// beginning, or from its last snapshot before that.
    ///
    /// An agent comes back from a snapshot as serde reads what it wrote: a state that leaves
    /// something out (`#[serde(skip)]`) is another one then. [`Run::test_snapshots`] finds that.
    pub fn snapshots(&mut self, every: Every) -> &mut Run {
        self.settings.snapshots = Some(every);
        self
    }

    /// As [`Run::test`], and once more from a snapshot of each tick, with 1, 2 and 4 threads in
    /// turn. That takes as long as the square of its ticks: for short runs.
    ///
    /// # Errors
    /// As [`Run::test`]; [`RunError::Snapshot`] if the run does something else from there, or takes
    /// no snapshot at all.
    pub fn test_snapshots(&self) -> Result<Outcome, RunError> {
        self.check()?;
        self.settings.check_adapter()?;
        let allowed = || (self.grant(None), self.subjects_in_memory());
        let (disk, kept) = (Disk::default(), Kept::default());
        let mut writes = Some(recorder(&disk)?);
        let snapshots = Snapshots { every: Every::Ticks(1), keep: Arc::new(kept.clone()) };
        let config = RunConfig {
            snapshots: Some(snapshots),
            ..self.config_in_memory(Arc::new(disk.clone()))
        };
        let since = Instant::now();
        let (outcome, beside) = self.go(config, allowed(), &self.orders, &mut writes)?;
        if let Some(recorder) = writes.take() {
            recorder.close()?;
        }
        let took = since.elapsed();
        let whole = (self.add_state(&outcome).finish(), outcome.counts);
        let kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if kept.is_empty() && outcome.ticks > 0 {
            let what = "none can be taken of it; see `Run::snapshots`".into();
            return Err(RunError::Snapshot { tick: 0, what });
        }
        for (schedulers, snapshot) in [1, 2, 4].into_iter().cycle().zip(kept) {
            let tick = snapshot.tick;
            let differs = |what: String| RunError::Snapshot { tick: tick.0, what };
            let start: Start = Box::new(move || Some(snapshot));
            let mut walk = Walk::new(Box::new(disk.clone()))?;
            while walk.next_group()?.is_some() {}
            let end = walk.into_end();
            let walk = Walk::new(Box::new(disk.clone()))?;
            let compares = Recorder::resuming(None, walk, &end).starting_from(vec![start]);
            let config = RunConfig { schedulers, ..self.config_in_memory(Arc::new(disk.clone())) };
            let again = self.go(config, allowed(), &[], &mut Some(compares));
            let (again, also) = again.map_err(|error| differs(error.to_string()))?;
            if again.resumed_from != Some(tick) {
                return Err(differs("its agents cannot be made from it".into()));
            }
            if (self.add_state(&again).finish(), again.counts) != whole {
                return Err(differs("it ends in another state".into()));
            }
            if also.series != beside.series || again.space != outcome.space {
                return Err(differs(
                    "what all see at its end, or what was measured, is another".into(),
                ));
            }
            if again.ending != Ending::Completed {
                return Err(differs("it does not end".into()));
            }
        }
        let records = super::memory::read_back(Walk::new(Box::new(disk))?)?;
        Ok(Outcome { took, ..self.left(outcome, beside, whole.0, records) })
    }
}
