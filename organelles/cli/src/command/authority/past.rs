//! What the log of a data directory says, without opening it: for who signs, and who looks.

use std::path::Path;
use std::sync::Arc;

use karyon_authority::Ledger;
use karyon_gate::Gate;
use karyon_log::{Control, Target, TermsRecord};
use karyon_runtime::wall_ms;
use karyon_types::{AgentId, GrantId, LeaseId, PrincipalId, ReasonId, Terms};
use karyon_verify::Report;

use super::refused;
use crate::error::CliError;
use crate::guarded::Arrived;
use crate::keys::{self, Trusted};

/// A verified log, and the ledger that follows from it.
pub(super) struct Past {
    pub(super) report: Report,
    pub(super) ledger: Ledger,
}

impl Past {
    /// Reads and verifies the log, against the keys of this machine.
    pub(super) fn read(data: &Path) -> Result<Past, CliError> {
        Past::signed_by(None, data)
    }

    /// The same, against the key that is given, if there is one.
    pub(super) fn signed_by(given: Option<&str>, data: &Path) -> Result<Past, CliError> {
        Past::checked(data, || keys::trusted(given, data))
    }

    /// As [`Past::read`], in a node.
    pub(super) fn of(node: &Arrived) -> Result<Past, CliError> {
        Past::checked(&node.data, || Ok(node.trusted()))
    }

    fn checked(
        data: &Path,
        trusted: impl FnOnce() -> Result<Trusted, CliError>,
    ) -> Result<Past, CliError> {
        if !data.is_dir() {
            return Err(CliError::failure(format!(
                "there is no data directory {}",
                data.display()
            ))
            .with_hint(format!("`karyon authority new --data {}` makes one", data.display())));
        }
        let trusted = trusted()?;
        let report = trusted.verify(data)?;
        let kind = report.genesis().map(|genesis| genesis.scenario_name.as_str());
        if kind != Some(karyon_broker::KIND.0) {
            // What was remembered or imported began with no scenario.
            let holds = if kind.is_none_or(str::is_empty) { "memories" } else { "a run" };
            return Err(CliError::failure(format!(
                "{} is no authority directory: it holds {holds}, not grants for agents that act \
                 from outside",
                data.display()
            ))
            .with_hint(
                "who allowed what is in it is in its log: `karyon why '#N' --data DIR` says so of \
                 a record, `karyon audit export --data DIR --out FILE` tells every grant; `karyon \
                 authority new --data DIR` begins one for agents that act from outside, and both \
                 go on side by side",
            ));
        }
        let mut ledger =
            Ledger::new(report.log, Arc::new(Gate::default()), report.node_key, Vec::new());
        for record in &report.controls {
            ledger.apply(record).map_err(|error| refused::error(error.into()))?;
        }
        ledger.advance(report.last_wall_ms.max(wall_ms()));
        Ok(Past { report, ledger })
    }

    /// All agents: number and name.
    pub(super) fn agents(&self) -> impl Iterator<Item = (u64, &str)> {
        self.report.controls.iter().filter_map(|control| match control {
            Control::Agent(agent) => Some((agent.id, agent.name.as_str())),
            _ => None,
        })
    }

    /// All principals: number and name.
    pub(super) fn principals(&self) -> impl Iterator<Item = (u64, &str)> {
        self.report.controls.iter().filter_map(|control| match control {
            Control::Principal(principal) => Some((principal.id, principal.name.as_str())),
            _ => None,
        })
    }

    /// The agent with this number, or this name.
    pub(super) fn agent(&self, given: &str) -> Result<AgentId, CliError> {
        named("agent", given, self.agents()).map(AgentId)
    }

    /// What the record of a lease says.
    pub(super) fn lease(&self, id: u64) -> Result<&TermsRecord, CliError> {
        let mut records = self.report.controls.iter().filter_map(|control| match control {
            Control::Terms(terms) if terms.lease == id => Some(terms),
            _ => None,
        });
        records.next().ok_or_else(|| unknown("lease", id))
    }

    /// The terms of a grant.
    pub(super) fn grant_terms(&self, id: u64) -> Result<Terms, CliError> {
        let mut records = self.report.controls.iter().filter_map(|control| match control {
            Control::Grant(grant) if grant.id == id => Some(grant),
            _ => None,
        });
        let grant = records.next().ok_or_else(|| unknown("grant", id))?;
        Ok(grant.terms.clone().unwrap_or_default())
    }

    /// The target of an order, such as `agent:payer` or `lease:2`.
    pub(super) fn target(&self, given: &str) -> Result<Target, CliError> {
        let wrong = || {
            CliError::failure(format!(
                "{given:?} is no target; expected agent:NAME, principal:NAME, or agent, lease, \
                 grant, reason or principal and a number, such as lease:2"
            ))
        };
        let (kind, rest) = given.split_once(':').ok_or_else(wrong)?;
        let number = || rest.parse::<u64>().map_err(|_| wrong());
        Ok(match kind {
            "agent" => Target::Agent(self.agent(rest)?),
            "principal" => {
                Target::Principal(named("principal", rest, self.principals()).map(PrincipalId)?)
            }
            "lease" => Target::Lease(LeaseId(number()?)),
            "grant" => Target::Grant(GrantId(number()?)),
            "reason" => Target::Reason(ReasonId(number()?)),
            _ => return Err(wrong()),
        })
    }
}

/// What stands by this number, or is called by this name, and by no other's.
fn named<'a>(
    what: &str,
    given: &str,
    all: impl Iterator<Item = (u64, &'a str)>,
) -> Result<u64, CliError> {
    if let Ok(number) = given.parse::<u64>() {
        return Ok(number);
    }
    let all: Vec<_> = all.collect();
    let found: Vec<_> = all.iter().filter(|(_, name)| *name == given).collect();
    match found[..] {
        [(number, _)] => Ok(*number),
        [] => {
            let names: Vec<_> = all.iter().map(|(id, name)| format!("{name} ({id})")).collect();
            let names = if names.is_empty() { "none".into() } else { names.join(", ") };
            Err(refused::refused(format_args!(
                "there is no {what} called {given:?} (unknown_target)"
            ))
            .with_hint(format!("there are: {names}")))
        }
        [..] => Err(CliError::failure(format!(
            "several are called {given:?}; give the number: {found:?}"
        ))),
    }
}

fn unknown(what: &str, id: u64) -> CliError {
    refused::refused(format_args!("there is no {what} {id} (unknown_target)"))
}
