//! Who is in a run, by name and by group; the same from its beginning to its end.

use std::collections::BTreeMap;

use karyon_runtime::AgentKind;

use crate::address::Pid;
use crate::run::Worlds;

/// Who is in a run.
#[derive(Default)]
pub(crate) struct Directory {
    /// With the name of the kind.
    pub(crate) names: BTreeMap<String, (Pid, &'static str)>,
    /// In the order in which they were named, each with the name of its kind.
    pub(crate) groups: BTreeMap<&'static str, (Vec<Pid>, &'static str)>,
    /// What holds for each kind, by number.
    pub(crate) kinds: Vec<&'static AgentKind>,
    /// Kinds that may be spawned, by name, with their numbers.
    pub(crate) spawns: BTreeMap<&'static str, u32>,
    /// Supervisors below which agents may be spawned, by name.
    pub(crate) supervisors: BTreeMap<String, u64>,
    /// What agents look at and do not change.
    pub(crate) worlds: Worlds,
}

impl Directory {
    pub(crate) fn whereis(&self, name: &str, kind: &str) -> Option<Pid> {
        self.names.get(name).filter(|(_, own)| *own == kind).map(|(pid, _)| *pid)
    }

    pub(crate) fn members(&self, group: &str, kind: &str) -> &[Pid] {
        match self.groups.get(group) {
            Some((members, own)) if *own == kind => members,
            Some(_) | None => &[],
        }
    }
}
