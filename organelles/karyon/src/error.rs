//! Why a run cannot be run, or failed.

use std::fmt;
use std::path::PathBuf;

use karyon_graph::GraphError;
use karyon_identity::RandomError;
use karyon_keys::KeyError;
use karyon_keystore::KeystoreError;
use karyon_log::LogError;
use karyon_log_writer::LogFailed;
use karyon_memory::TransplantError;
use karyon_runtime::{KINDS_MAX, NodeError};
use karyon_statements::GrantError;

/// Why a run cannot be run, or failed. Its `Debug` is its words, so that a `main` which returns it
/// ends with them.
#[derive(thiserror::Error)]
pub enum RunError {
    /// Two agents have one name.
    #[error("two agents are called {0:?}; give each a name of its own")]
    TwoAgents(String),
    /// A name is too long, or empty.
    #[error("an agent's name has 1 to 256 bytes, and {0:?} has not")]
    Name(String),
    /// Two types of agents have one name.
    #[error("two kinds of agents are called {0:?}; give each a `Kind` with a name of its own")]
    TwoKinds(&'static str),
    /// Two groups have one name.
    #[error("two groups are called {0:?}; name all members at once")]
    TwoGroups(&'static str),
    /// Too many kinds.
    #[error("a run holds at most {KINDS_MAX} kinds of agents")]
    TooManyKinds,
    /// A name was reserved, and nobody came.
    #[error("{0:?} was reserved, but no agent was put there; call `Run::put`")]
    NobodyThere(String),
    /// Somebody is there already.
    #[error("{0:?} has its agent already")]
    SomebodyThere(String),
    /// A permit that nothing could meet.
    #[error(
        "{0:?} on {1:?} is no permit: an action has 1 to 256 bytes, a resource is a path as \
         \"mail/team\", of at most 1,024 bytes, without empty names, `.` and `..`, \
         and neither is about what governs agents (`karyon.…`, `karyon/…`)"
    )]
    Permit(String, String),
    /// Effects are permitted, and nobody does them.
    #[error("the run permits effects, but nobody does them; say who by `Run::performs`")]
    NobodyPerforms,
    /// There is no such agent.
    #[error("there is no agent {0} in this run; agents are of one run only")]
    NoAgent(u64),
    /// Two trees.
    #[error("the run has a tree of supervisors already; name all in one `Run::supervise`")]
    TwoTrees,
    /// Two supervisors have one name.
    #[error("two supervisors are called {0:?}; give each a name of its own")]
    TwoSupervisors(String),
    /// An agent stands in the tree twice.
    #[error("{0:?} stands in the tree of supervisors twice; give it one place")]
    SupervisedTwice(String),
    /// A subject's name is too long, or empty.
    #[error("a subject's name has 1 to 256 bytes, and {0:?} has not")]
    Subject(String),
    /// An agent belongs to two subjects.
    #[error("agent {0} belongs to two subjects; it can be forgotten with one")]
    TwoSubjects(u64),
    /// Something is to be measured, and there is nothing that all see.
    #[error("the run measures what all see, but has no space; say what there is by `Run::space`")]
    NothingToMeasure,
    /// More activations than a run has room for.
    #[error(
        "{0} agents cannot be activated {1} times: a run has 2^32 activations at most; have agents arm intervals instead"
    )]
    TooManySteps(u64, u64),
    /// What is to change at a tick is not what agents look at.
    #[error(
        "what is to be different from tick {0} on is how the run begins: only what agents look at (`Run::world`) and how often they are activated can change later"
    )]
    OtherBeginning(u64),
    /// What is to change at a tick lies behind the end.
    #[error("nothing can be different from tick {0} on: the run has {1} ticks at most")]
    OverBefore(u64, u64),
    /// Agents belong to subjects, and free-running runs have none.
    #[error("agents of a free-running run cannot belong to a subject; run it in ticks")]
    FreeSubjects,
    /// There is no place for the keys of subjects.
    #[error(
        "agents that belong to a subject need the keys of this machine, and this process was handed a grant only; use `Data::new`"
    )]
    NoKeystore,
    /// The keystore cannot be read.
    #[error("the keys of subjects cannot be read: {0}")]
    Keys(std::io::Error),
    /// The keystore cannot be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// A period without ticks.
    #[error("{0} has an intensity within 0 ticks; a period has 1 at least")]
    NoPeriod(String),
    /// A significant child that never ends for good.
    #[error("{0} is significant and permanent; make it transient or temporary")]
    SignificantPermanent(String),
    /// A significant child whose supervisor does not mind.
    #[error("{0} is significant, and its supervisor's `auto_shutdown` is `Never`; set that, too")]
    InsignificantEnd(String),
    /// An order to pause, and none that ends it.
    #[error("agent {0} is paused and never resumed; order that, too, or the run waits for ever")]
    PausedForGood(u64),
    /// A state does not come back from its own encoding: a mistake in its type.
    #[error(
        "the state of {0:?} cannot be read back from its own encoding: look at its serde attributes"
    )]
    State(String),
    /// The probability of chaos.
    #[error("the probability that a step crashes lies in [0, 1), and {0} does not")]
    Chaos(f64),
    /// The run failed: a bound was passed, or the supervisor gave up.
    #[error("{}{}", .0, first_crash(.0))]
    Run(#[from] karyon_runtime::RunError),
    /// Signals cannot be listened to.
    #[error("Ctrl-C and SIGTERM cannot be listened to: {0}")]
    Signals(std::io::Error),
    /// The node did not start, or did not end as it should.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A second run under the guardian of the first.
    #[error("a guardian guards one run; start the next in a process of its own, under its own")]
    GuardedTwice,
    /// The grant does not allow the run.
    #[error("refused: {0}")]
    Grant(#[from] GrantError),
    /// A key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no randomness for a grant.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogFailed),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] LogError),
    /// The memory cannot be built from what was recorded.
    #[error("the run is recorded, but its memory cannot be built: {0}")]
    Memory(#[from] GraphError),
    /// Nothing was taken out, or brought in.
    #[error(transparent)]
    Transplant(Box<TransplantError>),
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    File(PathBuf, std::io::Error),
    /// From a snapshot it does something else: see [`Run::test_snapshots`](crate::Run::test_snapshots).
    #[error(
        "the run does not go on from its snapshot of tick {tick} as it did: {what}. Look at the \
         serde attributes of its agents' states: all of a state has to come back"
    )]
    Snapshot {
        /// The snapshot's tick.
        tick: u64,
        /// What is different.
        what: String,
    },
    /// The data directory holds another run.
    #[error(
        "the directory holds another run: its {0} differs; resume and replay take the same agents, inputs and settings as the run that began it"
    )]
    OtherRun(&'static str),
}

impl From<TransplantError> for RunError {
    fn from(error: TransplantError) -> RunError {
        RunError::Transplant(Box::new(error))
    }
}

/// Why the first agent of this process panicked, where crashes ended the run.
fn first_crash(error: &karyon_runtime::RunError) -> String {
    use karyon_runtime::RunError::{IntensityExceeded, RootGaveUp};
    match (error, karyon_runtime::first_crash()) {
        (IntensityExceeded { .. } | RootGaveUp { .. }, Some(words)) => {
            format!("; the first crash of this process: {words}")
        }
        _ => String::new(),
    }
}

impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
