//! The colony "rumour": people, contacts, and what came of them.

use std::sync::Arc;

use karyon_gate::Grant;
use karyon_log::{Target, Verb};
use karyon_runtime::{Chaos, Intensity, Limits, Outcome, Population};
use karyon_types::{Hasher, Tick};

use crate::contacts::Contacts;
use crate::direct::Arrival;
use crate::feeder::{Feeder, TICKS_PER_LEVEL, agent_of};
use crate::levels::{Levels, contact_levels};
use crate::names::nearest;
use crate::person::{Heard, Person};
use crate::scenario::{Change, Expiry, Scenario};

/// Agents that may be forked in a run. Whoever watches one forks a few; a thousand small states are
/// nothing beside the network.
const FORKS_MAX: u64 = 1_000;
/// Names that are suggested for one that is not there.
const SUGGESTIONS: usize = 3;

/// A name in the scenario that the network does not hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is \"{name}\", but nobody in the network is called that; {}", hint(suggestions))]
pub struct UnknownPerson {
    /// Where the name stands.
    pub key: &'static str,
    /// The name.
    pub name: String,
    /// Names that are close to it.
    pub suggestions: Vec<String>,
}

fn hint(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return "the contacts name who is there".into();
    }
    let quoted: Vec<_> = suggestions.iter().map(|name| format!("\"{name}\"")).collect();
    format!("nearest names: {}", quoted.join(", "))
}

/// Whose authority changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This person's.
    Person(u32),
    /// Everybody's, with the run's grant.
    Grant,
    /// With its principal.
    Principal,
    /// With its reason.
    Reason,
}

impl Whose {
    fn target(self, grant: &Grant) -> Target {
        match self {
            Whose::Person(person) => Target::Agent(agent_of(person)),
            Whose::Grant => Target::Grant(grant.id),
            Whose::Principal => Target::Principal(grant.principal),
            Whose::Reason => Target::Reason(grant.reason),
        }
    }

    /// Whether it takes this person's authority with it.
    fn covers(self, person: u32) -> bool {
        match self {
            Whose::Person(one) => one == person,
            Whose::Grant | Whose::Principal | Whose::Reason => true,
        }
    }
}

/// A rumour that is ready to run.
pub struct Rumour {
    /// The contacts.
    pub contacts: Contacts,
    /// The person who knows from the beginning.
    pub source: u32,
    /// People whose lease ends before the run does, and when.
    pub expires: Vec<(u32, Tick)>,
    /// What happens to somebody's authority, and when: by tick, those of one tick as they are
    /// listed.
    pub changes: Vec<(Tick, Verb, Whose)>,
    levels: Levels,
}

impl Rumour {
    /// Brings a scenario and its contacts together.
    ///
    /// # Errors
    /// [`UnknownPerson`] when a name in the scenario is not in the network.
    pub fn new(scenario: &Scenario, contacts: Contacts) -> Result<Rumour, UnknownPerson> {
        let find = |key, name: &str| {
            contacts.find(name).ok_or_else(|| UnknownPerson {
                key,
                name: name.into(),
                suggestions: nearest(
                    name,
                    contacts.names().iter().map(String::as_str),
                    SUGGESTIONS,
                )
                .into_iter()
                .map(str::to_owned)
                .collect(),
            })
        };
        let source = match &scenario.model.source {
            Some(name) if name == Expiry::BUSIEST => contacts.busiest(),
            Some(name) => find("the source", name)?,
            // The first sender: people are numbered in the order of their first appearance.
            None => 0,
        };
        let mut expires = Vec::new();
        for expiry in &scenario.authority.expires {
            let person = match expiry.agent.as_str() {
                Expiry::BUSIEST => contacts.busiest(),
                name => find("authority.expires.agent", name)?,
            };
            expires.push((person, Tick(expiry.tick)));
        }
        let mut changes = Vec::new();
        for Change { tick, verb, whose } in &scenario.authority.change {
            let whose = match whose.as_str() {
                Change::GRANT => Whose::Grant,
                Change::PRINCIPAL => Whose::Principal,
                Change::REASON => Whose::Reason,
                Expiry::BUSIEST => Whose::Person(contacts.busiest()),
                name => Whose::Person(find("a name in authority.change", name)?),
            };
            changes.push((Tick(*tick), *verb, whose));
        }
        changes.sort_by_key(|change| change.0);
        let levels = Levels::new(&contacts);
        Ok(Rumour { contacts, source, expires, changes, levels })
    }

    /// The people as agents.
    pub fn population(&self, grant: Grant) -> Population<Person> {
        let source = agent_of(self.source);
        let began = self.contacts.list().first().map_or(0, |contact| contact.time);
        let decimals = self.contacts.scale();
        Population {
            names: self.contacts.names().to_vec(),
            born: None,
            init: Arc::new(move |agent| Person {
                heard: (agent == source).then_some(Heard { time: began, from: None }),
                decimals,
                ..Person::default()
            }),
            changes: self
                .changes
                .iter()
                .map(|(tick, verb, whose)| (*tick, *verb, whose.target(&grant)))
                .collect(),
            grant,
            expires: self.expires.iter().map(|(who, tick)| (agent_of(*who), *tick)).collect(),
            tree: None,
            subjects: None,
        }
    }

    /// What feeds them.
    pub fn feeder(&self) -> Feeder {
        Feeder::new(&self.contacts, &self.levels)
    }

    /// Whether a contact cannot pass the gate, because its sender's lease is over or held up by
    /// then. What the direct algorithm has to leave out. (The bound of what a lease may take of
    /// the log is not looked at.)
    pub fn blocked(&self) -> impl Fn(u32) -> bool + use<'_> {
        let level = contact_levels(&self.contacts);
        move |index| {
            let place = index as usize;
            let (Some(contact), Some(level)) = (self.contacts.list().get(place), level.get(place))
            else {
                return false;
            };
            let (who, now) = (contact.source, Tick(u64::from(*level) * TICKS_PER_LEVEL));
            let mut suspended = 0u64;
            let due = self.changes.iter().take_while(|(tick, _, _)| *tick <= now);
            for (_, verb, _) in due.filter(|(_, _, whose)| whose.covers(who)) {
                match verb {
                    Verb::Suspend => suspended += 1,
                    Verb::Resume => suspended = suspended.saturating_sub(1),
                    Verb::Revoke => return true,
                }
            }
            suspended > 0 || self.expires.iter().any(|(agent, end)| *agent == who && now >= *end)
        }
    }

    /// Who heard, when and from whom, as the people themselves hold it.
    pub fn arrivals(&self, outcome: &Outcome<Person>) -> Vec<Option<Arrival>> {
        outcome
            .agents
            .iter()
            // Those that were forked are nobody in the network.
            .take(self.contacts.names().len())
            .map(|person| {
                let heard = person.as_ref()?.heard?;
                Some(Arrival {
                    contact: heard.from.map(|(_, contact)| contact),
                    from: heard.from.map(|(agent, _)| agent as u32 - 1),
                    time: heard.time,
                })
            })
            .collect()
    }

    /// The root of the final state: of the agents, and of what `memory` adds.
    ///
    /// # Errors
    /// Those of `memory`.
    pub fn state_root<E>(
        &self,
        outcome: &Outcome<Person>,
        memory: impl FnOnce(&mut Hasher) -> Result<(), E>,
    ) -> Result<[u8; 32], E> {
        let mut hasher = Hasher::for_domain("karyon state root v2");
        karyon_runtime::add_state(outcome, self.contacts.names(), &mut hasher);
        memory(&mut hasher)?;
        Ok(hasher.finish().0)
    }
}

/// What the runtime needs to know from the scenario.
pub fn runtime_settings(scenario: &Scenario) -> (Chaos, Intensity, Limits) {
    (
        Chaos::new(scenario.seed, scenario.chaos.probability),
        Intensity {
            restarts: scenario.supervision.intensity.into(),
            period_ticks: scenario.supervision.period_ticks.into(),
        },
        Limits {
            outputs_per_step: scenario.limits.outputs_per_step.into(),
            messages_per_tick: scenario.limits.messages_per_tick.into(),
            log_bytes_per_lease: scenario.limits.log_bytes_per_lease,
            shed: None,
            // Nobody in a rumour spawns.
            spawned: 0,
            forks: FORKS_MAX,
        },
    )
}
