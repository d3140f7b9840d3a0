//! The limits in force in a data directory, and whence each comes.

use std::path::Path;

use karyon_safety::Limits;

use crate::command::model::guardian_limits;
use crate::guarded;
use crate::limits::{Row, table};

/// Whence a limit comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whence {
    /// Nobody set it, or to what it is anyhow.
    Default,
    /// `guardian.conf`.
    Machine,
    /// `[guardian]` of the scenario that the directory's run has.
    Scenario,
}

impl Whence {
    pub(super) fn word(self) -> &'static str {
        match self {
            Whence::Default => "default",
            Whence::Machine => "guardian.conf",
            Whence::Scenario => "scenario",
        }
    }
}

/// The limits in force.
pub(super) struct InForce {
    pub(super) all: Vec<(Row, Whence)>,
    /// What the scenario wants and this machine does not permit any more: then its run is not
    /// resumed.
    pub(super) refused: Vec<String>,
}

impl InForce {
    /// Those of the machine, tightened by the scenario of the run in `data`, if it holds one.
    pub(super) fn of(data: &Path, machine: &Limits) -> InForce {
        let (mut limits, mut refused) = (machine.clone(), Vec::new());
        for limit in guarded::tighter(&guardian_limits(data)) {
            refused.extend(limits.tighten(&limit).err());
        }
        let default = Limits::default();
        let rows = table(&limits).into_iter().zip(table(machine)).zip(table(&default));
        let all = rows.map(|((row, of_machine), by_default)| {
            let whence = match (row.value == of_machine.value, of_machine.value == by_default.value)
            {
                (false, _) => Whence::Scenario,
                (true, false) => Whence::Machine,
                (true, true) => Whence::Default,
            };
            (row, whence)
        });
        InForce { all: all.collect(), refused }
    }
}
