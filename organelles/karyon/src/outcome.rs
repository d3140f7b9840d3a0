//! What is left of a run.

use std::sync::Arc;
use std::time::Duration;

use karyon_runtime::{Counts, Ending, Space};
use karyon_types::Hash;

use crate::address::{AgentRef, Pid};
use crate::agent::Agent;
use crate::member::Member;
use crate::run::RefusedOrder;
use crate::series::Series;

/// What is left of a run.
pub struct Outcome {
    /// How it ended. Whatever is not [`Ending::Completed`] can be gone on with, from a data
    /// directory.
    pub ending: Ending,
    /// Ticks: the number of the last one that ran, and one.
    pub ticks: u64,
    /// What was counted, of the whole run. The start of each agent is a step.
    pub counts: Counts,
    /// The root of the final state: equal for equal runs, with any number of threads, and whether
    /// they crashed on the way or not if all kinds keep their state. On a data directory what holds
    /// in the run's memory is part of it; of a run in memory ([`Run::test`](crate::Run::test)) only
    /// the agents are, so the two are not to be compared. All zeroes for a run that is not complete.
    pub state_root: Hash,
    /// The hash of all its records, without what frames them: equal for runs that did the same,
    /// step by step, on a data directory or in memory.
    pub records_root: Hash,
    /// Behind which tick it went on from a snapshot; `None`: it ran, or was repeated, from its
    /// beginning.
    pub resumed_from: Option<u64>,
    /// How many records the log holds.
    pub records: u64,
    /// How long it took by the clock: from the making of its agents until all is recorded, and,
    /// where there is a disk, durable; on a data directory until its memory is built and its log
    /// sealed as well. Not in it: keys, grants and the directory before, and the reading of the log
    /// behind that. The only part of it that differs between equal runs.
    pub took: Duration,
    /// Orders that were not carried out ([`Run::order`](crate::Run::order)). Those that a resumed run
    /// repeated are not among them.
    pub refused: Vec<RefusedOrder>,
    /// What was measured ([`Run::measure`](crate::Run::measure)).
    pub series: Series,
    /// What all see at the end; `None`: the run has no space.
    pub space: Option<Arc<Space>>,
    pub(crate) agents: Vec<Option<Member>>,
    /// The names of the last of them, those that came to life in the run.
    pub(crate) born: Vec<String>,
}

impl Outcome {
    /// The state of an agent at the end; `None`: it ended, or is none of this run.
    pub fn state<A: Agent>(&self, agent: AgentRef<A>) -> Option<&A> {
        let at = (agent.pid().0 as usize).checked_sub(1)?;
        self.agents.get(at)?.as_ref()?.state()
    }

    /// Who came to life while the run went on, spawned or forked, with their names, in the order of
    /// their numbers; those that ended, too. The state of one that is of kind `B`:
    /// `outcome.state(pid.of::<B>())`.
    pub fn born(&self) -> impl Iterator<Item = (Pid, &str)> {
        let before = self.agents.len().saturating_sub(self.born.len()) as u64;
        (before + 1..).map(Pid).zip(self.born.iter().map(String::as_str))
    }

    /// Whether an agent is still there.
    pub fn is_alive<A: Agent>(&self, agent: AgentRef<A>) -> bool {
        self.state(agent).is_some()
    }
}
