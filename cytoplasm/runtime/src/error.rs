//! Why a run fails.

use karyon_arrangements::Schedule;
use karyon_gate::{Full, OpenError};
use karyon_log::limits::RECORD_BYTES_MAX;
use karyon_log::{Target, Verb};
use karyon_log_writer::LogFailed;
use karyon_supervision::Intensity;
use karyon_types::{AgentId, Tick};

use crate::leases::ChangeError;
use crate::recorder::RecordError;
use crate::subjects::Closed;
use crate::trees::TreeError;
use crate::watchdog::Stuck;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An agent wanted more than a step may.
    #[error(
        "{agent} made more than {bound} outputs in one step ({tick}); raise limits.outputs_per_step if that is meant"
    )]
    OutputBound {
        /// Which agent.
        agent: AgentId,
        /// When.
        tick: Tick,
        /// The bound.
        bound: u64,
    },
    /// An agent was sent more than its mailbox holds.
    #[error(
        "{agent} got more than {bound} messages in one tick ({tick}); raise limits.messages_per_tick if that is meant"
    )]
    MailboxBound {
        /// Which agent.
        agent: AgentId,
        /// When.
        tick: Tick,
        /// The bound.
        bound: u64,
    },
    /// A step's outputs are longer than a record may be.
    #[error("{agent} made outputs of more than {RECORD_BYTES_MAX} bytes in one step ({tick})")]
    RecordBound {
        /// Which agent.
        agent: AgentId,
        /// When.
        tick: Tick,
    },
    /// An agent's state does not come back from its own encoding: a mistake in its type.
    #[error("the last good state of {agent} cannot be read back ({tick})")]
    State {
        /// Which agent.
        agent: AgentId,
        /// When.
        tick: Tick,
    },
    /// The supervisor gave up.
    #[error("the supervisor gave up at {tick}: more than {} restarts within {} ticks; see [supervision] in the scenario", intensity.restarts, intensity.period_ticks)]
    IntensityExceeded {
        /// When.
        tick: Tick,
        /// What it would have borne.
        intensity: Intensity,
    },
    /// The log is of a run whose agents take turns in another way.
    #[error(
        "the log is of a run with another schedule ({recorded}) than this one ({here}); go on with the one that is recorded"
    )]
    Schedule {
        /// What is recorded.
        recorded: Schedule,
        /// What the run was to have.
        here: Schedule,
    },
    /// The tree of supervisors cannot be, or does not fit the run's agents.
    #[error("the tree of supervisors: {0}")]
    Tree(#[from] TreeError),
    /// An agent could not be started, before the first tick.
    #[error(
        "{agent} could not be started: making it panicked; its supervisor did not begin, nor did those above it"
    )]
    NotStarted {
        /// Which agent.
        agent: AgentId,
    },
    /// The supervisor above all others gave up, and has stopped all agents.
    #[error("the root supervisor gave up at {tick}: more than {} restarts within {} ticks{}", intensity.restarts, intensity.period_ticks, last_failed(*agent))]
    RootGaveUp {
        /// When all were stopped.
        tick: Tick,
        /// What it would have borne.
        intensity: Intensity,
        /// The agent that failed last.
        agent: Option<AgentId>,
    },
    /// A record could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A lease would have been wider than its grant.
    #[error("{agent}: {rule}")]
    Lease {
        /// Whose lease.
        agent: AgentId,
        /// The rule.
        rule: OpenError,
    },
    /// There is no room for the run's principal, reason and grant.
    #[error(transparent)]
    Full(#[from] Full),
    /// A change of authority that cannot be made.
    #[error("{verb:?} {target:?} at {tick}: {error}")]
    Change {
        /// When it is due.
        tick: Tick,
        /// What it does.
        verb: Verb,
        /// To whom.
        target: Target,
        /// Why not.
        error: ChangeError,
    },
    /// A step did not return, and no agent is left that could go on.
    #[error("{0}: nobody is left; what was recorded before {tick} is kept, and the run can be resumed", tick = .0.tick)]
    Stuck(Box<Stuck>),
    /// Something that a free-running run has not.
    #[error("a free-running run has no {0}")]
    NotFree(&'static str),
    /// What all see cannot be forgotten.
    #[error("a run whose agents belong to subjects has no space that all see")]
    SpaceOfSubjects,
    /// A run cannot go on without what its agents know.
    #[error(
        "the run cannot go on: what its agents of subject ~{subject} know is {why}; it can be replayed"
    )]
    Closed {
        /// Whose agents.
        subject: u64,
        /// Why.
        why: Closed,
    },
    /// The memory could not be asked.
    #[error(
        "{agent} asked the memory in {tick}, and it cannot be asked: {why}; what is recorded is kept, and the run can be resumed"
    )]
    Recall {
        /// Who asked.
        agent: AgentId,
        /// When.
        tick: Tick,
        /// Why not.
        why: String,
    },
    /// The memory does not follow the log.
    #[error(
        "the memory cannot follow the log ({tick}): {why}; what is recorded is kept, and the run can be resumed"
    )]
    Memory {
        /// In front of which tick that was found.
        tick: Tick,
        /// Why not.
        why: String,
    },
    /// The runtime itself failed: the node halts, and is resumed from its log.
    #[error("the runtime failed: {0}")]
    Runtime(String),
}

fn last_failed(agent: Option<AgentId>) -> String {
    agent.map_or_else(String::new, |agent| format!("; the last that failed below it was {agent}"))
}

impl From<LogFailed> for RunError {
    fn from(failed: LogFailed) -> RunError {
        RunError::Record(RecordError::Log(failed))
    }
}
