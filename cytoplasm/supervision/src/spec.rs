//! What a supervisor is told about its children and about itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::window::Intensity;

/// A child of a supervisor; unique in its tree. What it is to the outside, such as an agent's
/// serial, is the outside's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChildId(pub u64);

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "child {}", self.0)
    }
}

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only after a failure.
    Transient,
    /// Never, and its spec is forgotten when it ends.
    Temporary,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By its own will.
    Normal,
    /// Because it was asked to, or as a supervisor that gave up.
    Shutdown,
    /// It was killed.
    Killed,
    /// By a panic or an error.
    Failure,
}

impl Restart {
    /// Whether a child that ended so is started again.
    pub fn restarts_after(self, exit: Exit) -> bool {
        match (self, exit) {
            (Restart::Permanent, Exit::Normal | Exit::Shutdown | Exit::Killed | Exit::Failure)
            | (Restart::Transient, Exit::Killed | Exit::Failure) => true,
            (Restart::Transient, Exit::Normal | Exit::Shutdown)
            | (Restart::Temporary, Exit::Normal | Exit::Shutdown | Exit::Killed | Exit::Failure) => {
                false
            }
        }
    }
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shutdown {
    /// It is killed.
    BrutalKill,
    /// It is asked to end, and killed when it did not within this many ticks.
    Timeout {
        /// The time that it has.
        ticks: u64,
    },
    /// It is asked to end, and waited for.
    Infinity,
}

/// What a supervisor knows of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildSpec {
    /// Which child.
    pub id: ChildId,
    /// A key to what it is started with; the outside knows what it means.
    pub arguments: u64,
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether its end ends the supervisor; see [`AutoShutdown`].
    pub significant: bool,
}

/// Whom a restart concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// The child alone.
    OneForOne,
    /// All children: they are stopped, and all are started.
    OneForAll,
    /// The child and those behind it: they are stopped, and started.
    RestForOne,
    /// The child alone, among children without an order that come and go; all are stopped at
    /// once. OTP's `simple_one_for_one`, where each child has a spec of its own.
    Dynamic,
}

/// Whether a supervisor ends when significant children ended and are not started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoShutdown {
    /// No; then no child may be significant.
    Never,
    /// When one of them did.
    AnySignificant,
    /// When all of them did.
    AllSignificant,
}

/// What a supervisor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Whom a restart concerns.
    pub strategy: Strategy,
    /// How many restarts it bears.
    pub intensity: Intensity,
    /// When it ends by itself.
    pub auto_shutdown: AutoShutdown,
    /// Children that it has at most, those about to be restarted included: one more is not added.
    /// `None`: any number. Elixir's `max_children`.
    pub max_children: Option<u64>,
}

/// Why a spec is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// Two children have one id.
    Duplicate(ChildId),
    /// A child is significant and permanent: it never ends for good.
    SignificantPermanent(ChildId),
    /// A child is significant, and its supervisor's `auto_shutdown` is `Never`.
    SignificantForNothing(ChildId),
    /// The period is 0 ticks.
    NoPeriod,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::Duplicate(id) => write!(f, "{id} is named twice: give each child its id"),
            SpecError::SignificantPermanent(id) => {
                write!(f, "{id} is significant and permanent: make it transient or temporary")
            }
            SpecError::SignificantForNothing(id) => {
                write!(f, "{id} is significant: set its supervisor's auto_shutdown, or it is not")
            }
            SpecError::NoPeriod => write!(f, "the period of an intensity is at least 1 tick"),
        }
    }
}

impl std::error::Error for SpecError {}

impl Flags {
    /// Whether a supervisor can be so.
    pub(crate) fn check(self) -> Result<(), SpecError> {
        if self.intensity.period_ticks == 0 { Err(SpecError::NoPeriod) } else { Ok(()) }
    }

    /// Whether a child can be so under this supervisor.
    pub(crate) fn check_child(self, child: &ChildSpec) -> Result<(), SpecError> {
        match (child.significant, self.auto_shutdown, child.restart) {
            (true, AutoShutdown::Never, _) => Err(SpecError::SignificantForNothing(child.id)),
            (true, _, Restart::Permanent) => Err(SpecError::SignificantPermanent(child.id)),
            (true, _, Restart::Transient | Restart::Temporary) | (false, _, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_restarted() {
        for (restart, exit, expected) in [
            (Restart::Permanent, Exit::Normal, true),
            (Restart::Permanent, Exit::Shutdown, true),
            (Restart::Permanent, Exit::Killed, true),
            (Restart::Permanent, Exit::Failure, true),
            (Restart::Transient, Exit::Normal, false),
            (Restart::Transient, Exit::Shutdown, false),
            (Restart::Transient, Exit::Killed, true),
            (Restart::Transient, Exit::Failure, true),
            (Restart::Temporary, Exit::Normal, false),
            (Restart::Temporary, Exit::Shutdown, false),
            (Restart::Temporary, Exit::Killed, false),
            (Restart::Temporary, Exit::Failure, false),
        ] {
            assert_eq!(restart.restarts_after(exit), expected, "{restart:?} {exit:?}");
        }
    }
}
