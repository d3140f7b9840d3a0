//! `[authority]`: whose lease ends, and whose authority is suspended or revoked, and when.

use karyon::{Pid, Run};
use karyon_log::Verb;
use serde::Deserialize;

use super::Simulation;
use super::places::Places;
use crate::models::parameter::Wrong;
use crate::scenario::{Authority, Change, Expiry, Place, ScenarioError};

/// That section of a scenario.
#[derive(Deserialize)]
struct Section {
    #[serde(default)]
    authority: Authority,
}

/// Whether every entry is one, and in its range. Whether there are such agents is known when the run
/// is built.
pub(super) fn check(text: &str, places: &Places<'_>) -> Result<(), ScenarioError> {
    let read = toml::from_str::<Section>(text).map_err(|error| ScenarioError::WrongType {
        place: Place::of(text, error.span().map_or(0, |span| span.start)),
        key: "authority".into(),
        message: error.message().trim().into(),
    })?;
    read.authority.check().map_err(|wrong| places.out_of_range(Wrong::Range(wrong)))
}

impl Simulation {
    /// Lets leases end and changes of authority come, as the scenario says.
    pub(super) fn govern(&self, run: &mut Run) {
        // A run is refused that names somebody who is not there.
        let agent = |run: &Run, name: &str| run.agent_of(name).unwrap_or(Pid(u64::MAX));
        for Expiry { agent: name, tick } in &self.authority.expires {
            run.lease_ends(agent(run, name), *tick);
        }
        for Change { tick, verb, whose } in &self.authority.change {
            let agent = agent(run, whose);
            match verb {
                Verb::Suspend => run.suspend(agent, *tick),
                Verb::Resume => run.unsuspend(agent, *tick),
                Verb::Revoke => run.revoke(agent, *tick),
            };
        }
    }

    /// The first name in `[authority]` that no agent of its run has.
    pub fn stranger(&self, run: &Run) -> Option<&str> {
        let Authority { expires, change } = &self.authority;
        let names = expires.iter().map(|expiry| expiry.agent.as_str());
        let mut names = names.chain(change.iter().map(|change| change.whose.as_str()));
        names.find(|name| run.agent_of(name).is_none())
    }
}
