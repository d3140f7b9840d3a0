//! The tree of supervisors, as it is answered.

use karyon_runtime::processes::{self, Stands, Strategy, Upkeep};
use serde::{Deserialize, Serialize};

use crate::limits::NAME_BYTES_MAX;
use crate::protocol::At;
use crate::state::shortened;

/// Parameters of `process.tree`; each may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TreeOf {
    /// So many places are left out at the beginning.
    pub offset: u64,
    /// At most so many; none given: as many as an answer may hold.
    pub limit: Option<u32>,
}

/// The answer to `process.tree`: each supervisor before those below it, children in the order of
/// their starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Of when.
    pub at: At,
    /// How many places there are in all.
    pub total: u64,
    /// The offset of the next page; none: this is the last.
    pub next: Option<u64>,
    /// These.
    pub branches: Vec<Branch>,
}

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// An agent's serial, or a supervisor's number; 0: the root.
    pub id: u64,
    /// The supervisor above it; none: the root.
    pub above: Option<u64>,
    /// How many supervisors are above it.
    pub depth: u32,
    /// What it does: `running`, `paused`, `stopping`, `waiting` (to be started), `exited`.
    pub status: String,
    /// Of an agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<Child>,
    /// Of a supervisor that runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub supervisor: Option<Above>,
}

/// What is said of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its name; a very long one is cut and ends in `…`.
    pub name: String,
    /// How often it was started again.
    pub restarts: u64,
}

/// What is said of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Above {
    /// `one_for_one`, `one_for_all`, `rest_for_one`, `dynamic`.
    pub strategy: String,
    /// Restarts within the last `period_ticks`.
    pub restarts: u64,
    /// One more than this, and it gives up.
    pub intensity: u64,
    /// How long a restart counts.
    pub period_ticks: u64,
    /// How many children it has.
    pub children: u64,
}

impl From<processes::Branch> for Branch {
    fn from(branch: processes::Branch) -> Branch {
        let processes::Branch { id, above, depth, stands } = branch;
        let (status, agent, supervisor) = match stands {
            Stands::SupervisorAtRest => ("exited", None, None),
            Stands::Agent { name, upkeep, restarts } => {
                let status = match upkeep {
                    Upkeep::Running => "running",
                    Upkeep::Paused => "paused",
                    Upkeep::Stopping => "stopping",
                    Upkeep::Waiting => "waiting",
                    Upkeep::Exited => "exited",
                };
                let name = shortened(&name, NAME_BYTES_MAX).0;
                (status, Some(Child { name, restarts }), None)
            }
            Stands::Supervisor { strategy, restarts, intensity, children } => {
                let strategy = match strategy {
                    Strategy::OneForOne => "one_for_one",
                    Strategy::OneForAll => "one_for_all",
                    Strategy::RestForOne => "rest_for_one",
                    Strategy::Dynamic => "dynamic",
                };
                let above = Above {
                    strategy: strategy.into(),
                    restarts,
                    intensity: intensity.restarts,
                    period_ticks: intensity.period_ticks,
                    children,
                };
                ("running", None, Some(above))
            }
        };
        Branch { id, above, depth, status: status.into(), agent, supervisor }
    }
}
