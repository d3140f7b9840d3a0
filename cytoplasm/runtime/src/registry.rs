//! Names and groups that agents take while the run goes on.
//!
//! The registry is written by the leader between two ticks alone, in the order of (sender, step,
//! output), and read by all within a tick: so a wish of one tick is in force from the next one on,
//! for any number of schedulers. It follows from the steps, as timers and bonds do, and so is
//! repeated with them and no part of the state root. Where nobody takes a name, a scheduler looks
//! at one flag a tick.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use karyon_log::Message;
use karyon_types::{AgentId, Denial};

use crate::agent::Deed;
use crate::births::{Births, Refused};
use crate::bonds::Fallen;
use crate::engine::lock;
use crate::scheduler::Kind;

/// Names that agents of a run have at a time, all together; one more is denied. Bounds memory, and
/// the time that a change of them takes while all schedulers wait.
pub const NAMES_MAX: usize = 16_384;
/// Memberships in groups of a run at a time, all together; one more is denied. Likewise.
pub const MEMBERSHIPS_MAX: usize = 65_536;
/// The longest name and the longest group, bytes: as the names of agents that are spawned. A longer
/// one, and an empty one, is denied.
pub const REGISTERED_BYTES_MAX: usize = karyon_arrangements::SPAWN_NAME_BYTES_MAX;

/// An agent that is found by a name, and its kind's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Which.
    pub agent: AgentId,
    /// The name of the kind that it is of.
    pub kind: &'static str,
}

/// Who has which name, and who is in which group, as a tick begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    names: BTreeMap<Box<str>, Registered>,
    groups: BTreeMap<Box<str>, Arc<BTreeMap<AgentId, Kind>>>,
    memberships: usize,
}

impl Registry {
    pub(crate) fn whereis(&self, name: &str) -> Option<Registered> {
        self.names.get(name).copied()
    }

    /// In the order of serials.
    pub(crate) fn members(&self, group: &str) -> impl Iterator<Item = Registered> {
        let members = self.groups.get(group).into_iter().flat_map(|members| members.iter());
        members.map(|(agent, kind)| Registered { agent: *agent, kind })
    }
}

/// Where the registry lies for all schedulers.
#[derive(Default)]
pub(crate) struct Board {
    used: AtomicBool,
    registry: Mutex<Arc<Registry>>,
}

impl Board {
    /// What holds in the tick that begins; `None`: nobody ever took a name.
    #[inline]
    pub(crate) fn read(&self) -> Option<Arc<Registry>> {
        self.used.load(Ordering::Relaxed).then(|| Arc::clone(&lock(&self.registry)))
    }
}

/// What an agent wants with an output.
#[derive(Debug)]
pub(crate) struct Naming {
    pub(crate) by: Message,
    pub(crate) kind: Kind,
    pub(crate) what: Claim,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Register(Box<str>),
    Unregister(Box<str>),
    Join(Box<str>),
    Leave(Box<str>),
}

impl Claim {
    /// What is denied, if it can be; `holder`: who has the name.
    fn deed(&self, holder: AgentId) -> Option<Deed> {
        match self {
            Claim::Register(_) => Some(Deed::Register(holder)),
            Claim::Join(_) => Some(Deed::Join),
            Claim::Unregister(_) | Claim::Leave(_) => None,
        }
    }
}

/// What one agent has.
#[derive(Default)]
struct Held {
    names: BTreeSet<Box<str>>,
    groups: BTreeSet<Box<str>>,
}

/// The leader's side: what was asked for, and who has what.
#[derive(Default)]
pub(crate) struct Names {
    asked: Vec<Naming>,
    held: BTreeMap<AgentId, Held>,
    /// The scenario's agents by name, once somebody wants a name.
    scenario: Option<HashMap<String, AgentId>>,
}

impl Names {
    /// Takes what was asked for in a tick.
    pub(crate) fn ask(&mut self, asked: &mut Vec<Naming>) {
        self.asked.append(asked);
    }

    /// Whether anybody has something, or wants it.
    pub(crate) fn is_used(&self) -> bool {
        !self.asked.is_empty() || !self.held.is_empty()
    }

    /// How many are to be told, perhaps, in the tick that comes next.
    pub(crate) fn due(&self) -> u64 {
        self.asked.iter().filter(|naming| naming.what.deed(AgentId(0)).is_some()).count() as u64
    }

    /// Brings the registry up to the tick that begins: first who ended loses what it had and
    /// wanted, then each gets what it asked for. Those who do not.
    pub(crate) fn settle(
        &mut self,
        board: &Board,
        fallen: &BTreeMap<AgentId, Fallen>,
        births: &Births,
    ) -> Vec<Refused> {
        let mut asked = std::mem::take(&mut self.asked);
        if asked.is_empty() && fallen.is_empty() {
            return Vec::new();
        }
        board.used.store(true, Ordering::Relaxed);
        let mut registry = lock(&board.registry);
        // In place, unless a step that never returned still reads it.
        let registry = Arc::make_mut(&mut registry);
        for agent in fallen.keys() {
            self.release(registry, *agent);
        }
        asked.retain(|Naming { by, .. }| fallen.get(&by.from).is_none_or(|end| by.step > end.step));
        asked.sort_unstable_by_key(|naming| naming.by);
        let mut refused = Vec::new();
        for naming in asked {
            let by = naming.by;
            if let Err(deed) = self.claim(registry, births, naming) {
                refused.push(Refused { by, deed, denial: Denial::BudgetExhausted });
            }
        }
        refused
    }

    fn release(&mut self, registry: &mut Registry, agent: AgentId) {
        let Some(held) = self.held.remove(&agent) else { return };
        for name in held.names {
            registry.names.remove(&name);
        }
        for group in held.groups {
            leave(registry, agent, &group);
        }
    }

    /// Does what an agent asked for, or says what is denied.
    fn claim(
        &mut self,
        registry: &mut Registry,
        births: &Births,
        Naming { by, kind, what }: Naming,
    ) -> Result<(), Deed> {
        let agent = by.from;
        match what {
            Claim::Register(name) => {
                let holder = registry.names.get(&name).map(|registered| registered.agent);
                let holder = holder.or_else(|| self.of_scenario(births, &name));
                match holder {
                    Some(holder) if holder == agent => {}
                    Some(holder) => return Err(Deed::Register(holder)),
                    None if registry.names.len() >= NAMES_MAX => {
                        return Err(Deed::Register(AgentId(0)));
                    }
                    None => {
                        registry.names.insert(name.clone(), Registered { agent, kind });
                        self.held.entry(agent).or_default().names.insert(name);
                    }
                }
            }
            Claim::Join(group) => {
                if self.held.get(&agent).is_some_and(|held| held.groups.contains(&group)) {
                    return Ok(());
                }
                if registry.memberships >= MEMBERSHIPS_MAX {
                    return Err(Deed::Join);
                }
                registry.memberships += 1;
                let members = registry.groups.entry(group.clone()).or_default();
                Arc::make_mut(members).insert(agent, kind);
                self.held.entry(agent).or_default().groups.insert(group);
            }
            Claim::Unregister(name) => {
                if let Some(held) = self.held.get_mut(&agent)
                    && held.names.remove(&name)
                {
                    registry.names.remove(&name);
                    self.forget_empty(agent);
                }
            }
            Claim::Leave(group) => {
                if let Some(held) = self.held.get_mut(&agent)
                    && held.groups.remove(&group)
                {
                    leave(registry, agent, &group);
                    self.forget_empty(agent);
                }
            }
        }
        Ok(())
    }

    /// Whoever gave back all that it had is one of those who never had anything.
    fn forget_empty(&mut self, agent: AgentId) {
        let is_empty = |held: &Held| held.names.is_empty() && held.groups.is_empty();
        if self.held.get(&agent).is_some_and(is_empty) {
            self.held.remove(&agent);
        }
    }

    /// An agent of the scenario has its name for good.
    fn of_scenario(&mut self, births: &Births, name: &str) -> Option<AgentId> {
        let names = self.scenario.get_or_insert_with(|| {
            let named = births.of_scenario().iter().cloned();
            named.zip((1..).map(AgentId)).collect()
        });
        names.get(name).copied()
    }
}

fn leave(registry: &mut Registry, agent: AgentId, group: &str) {
    let Some(members) = registry.groups.get_mut(group) else { return };
    let left = Arc::make_mut(members).remove(&agent);
    registry.memberships -= usize::from(left.is_some());
    if members.is_empty() {
        registry.groups.remove(group);
    }
}
