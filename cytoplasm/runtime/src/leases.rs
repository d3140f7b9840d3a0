//! The leases of a run: opened when the agents come to life, and changed at the beginning of a
//! tick when the scenario says so.
//!
//! A change is applied by the leader while all schedulers wait, and recorded right behind its
//! tick: so it is in force for all steps of the tick and for none before, for any number of
//! schedulers, and a resumed run makes it again at the same place.

mod given;
mod line;

use std::collections::BTreeMap;
use std::sync::Arc;

use karyon_gate::{Chain, Gate, Grant, Handle, Lease, Scope, Stop};
use karyon_log::{LeaseRecord, Record, Target, Verb};
use karyon_types::{AgentId, LeaseId, Tick};

pub use self::given::Leased;
use self::line::Line;
use crate::agent::Agent;
use crate::error::RunError;
use crate::panics;
use crate::recorder::Recorder;
use crate::terms::{Limits, Population};

/// A change of somebody's authority: in force from the beginning of this tick.
pub type Change = (Tick, Verb, Target);

/// Why a list of changes cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is nothing by that name in the run.
    #[error("there is no such thing in this run")]
    Unknown,
    /// It would lift a suspension that is not there by then.
    #[error(
        "nothing is suspended there by then; suspend it at an earlier tick, or before it in the list"
    )]
    NotSuspended,
}

pub(crate) struct Leases {
    pub(crate) gate: Arc<Gate>,
    pub(crate) terms: Leased,
    /// By agent.
    pub(crate) handles: Vec<Option<Handle>>,
    chain: Chain,
    /// By tick; of one tick, in the order of the list.
    changes: Vec<Change>,
    /// How many of them took place.
    done: usize,
    grant: Grant,
    line: Line,
}

impl Leases {
    /// Opens a lease for each agent and records both.
    pub(crate) fn bring_to_life<A: Agent>(
        population: &Population<A>,
        limits: Limits,
        recorder: &mut Recorder,
    ) -> Result<Leases, RunError> {
        let changes = in_order(population, limits)?;
        let last = (population.names.len() as u64).saturating_add(limits.reach());
        let gate = Gate::default();
        let chain = gate.new_chain()?;
        let (mut terms, mut handles) = (Leased::default(), Vec::new());
        // The first end of each agent's lease.
        let mut expires = BTreeMap::new();
        for (agent, tick) in &population.expires {
            let first = expires.entry(*agent).or_insert(*tick);
            *first = (*first).min(*tick);
        }
        let mut records = Vec::new();
        for (serial, name) in (1..).zip(&population.names) {
            let agent = AgentId(serial);
            let own = expires.get(&agent).copied();
            let lease = Lease {
                id: LeaseId(serial),
                owner: agent,
                rights: population.grant.rights,
                scope: Scope { first: 1, last },
                // Whichever comes first.
                expires: [own, population.grant.expires].into_iter().flatten().min(),
            };
            let handle = gate
                .open(&population.grant, &lease, chain)
                .map_err(|rule| RunError::Lease { agent, rule })?;
            records.clear();
            let bytes = limits.log_bytes_per_lease;
            Record::Lease(LeaseRecord {
                id: lease.id,
                owner: agent,
                grant: population.grant.id,
                rights: lease.rights.0,
                scope: (lease.scope.first, lease.scope.last),
                expires: lease.expires,
                log_bytes: (bytes != u64::MAX).then_some(bytes),
                cut: None,
            })
            .encode(&mut records);
            let kind = panics::caught(|| A::kind_number(&*population.init, agent))
                .ok_or(RunError::NotStarted { agent })?;
            Record::Spawn { agent, kind, lease: lease.id, name }.encode(&mut records);
            recorder.append(&records, 2)?;
            terms.push(&lease);
            handles.push(Some(handle));
        }
        Ok(Leases {
            gate: Arc::new(gate),
            terms,
            handles,
            chain,
            changes,
            done: 0,
            grant: population.grant.clone(),
            line: Line::default(),
        })
    }

    /// Makes the changes that are due in `tick`, and appends their records; how many.
    pub(crate) fn change(&mut self, tick: Tick, records: &mut Vec<u8>) -> Result<u32, RunError> {
        let mut count = 0;
        while let Some(&(_, verb, target)) = self.changes.get(self.done).filter(|c| c.0 <= tick) {
            if !self.set(verb, target) {
                return Err(RunError::Runtime(format!("no lease to {verb:?}: {target:?}")));
            }
            Record::Change { verb, target }.encode(records);
            self.done += 1;
            count += 1;
        }
        Ok(count)
    }

    /// How many changes took place, for a snapshot.
    pub(crate) fn save(&self) -> u64 {
        let Leases {
            // What is open, and held, follows from the population, from whose lease each other one
            // was cut, and from the changes so far.
            gate: _,
            terms: _,
            handles: _,
            chain: _,
            line: _,
            changes: _,
            grant: _,
            done,
        } = self;
        *done as u64
    }

    /// From whose lease that of an agent was cut.
    pub(crate) fn above(&self, id: AgentId) -> Option<AgentId> {
        self.line.above(id.0).map(AgentId)
    }

    /// Opens leases that are cut from these agents', and makes the first `done` changes again. In
    /// which order is all the same: what holds for one holds for those cut from it.
    pub(crate) fn load(
        &mut self,
        above: impl Iterator<Item = u64>,
        done: u64,
    ) -> Result<(), RunError> {
        for above in above {
            self.cut(AgentId(above), None).ok_or(karyon_gate::Full)?;
        }
        for (_, verb, target) in
            self.changes.iter().take(done as usize).copied().collect::<Vec<_>>()
        {
            self.set(verb, target);
            self.done += 1;
        }
        Ok(())
    }

    /// Sets what the gate looks at. `false`: there is no such lease.
    fn set(&mut self, verb: Verb, target: Target) -> bool {
        let gate = Arc::clone(&self.gate);
        let stop = |stop: Stop| {
            match verb {
                Verb::Suspend => gate.suspend(stop),
                Verb::Resume => gate.resume(stop),
                Verb::Revoke => gate.revoke(stop),
            }
            true
        };
        match target {
            Target::Principal(_) => stop(self.chain.principal),
            Target::Reason(_) => stop(self.chain.reason),
            Target::Grant(_) => stop(self.chain.line),
            Target::Agent(AgentId(serial)) | Target::Lease(LeaseId(serial)) => {
                self.set_line(serial, verb, target)
            }
        }
    }
}

/// Sets what the gate looks at of one lease. An agent has one lease.
fn set_one(gate: &Gate, handle: Handle, verb: Verb, target: Target) -> bool {
    match (verb, target) {
        (Verb::Suspend, Target::Agent(_)) => gate.suspend_agent(&[handle]),
        (Verb::Resume, Target::Agent(_)) => gate.resume_agent(&[handle]),
        (Verb::Suspend, _) => gate.suspend_lease(handle),
        (Verb::Resume, _) => gate.resume_lease(handle),
        (Verb::Revoke, _) => gate.revoke_lease(handle),
    }
}

/// The changes by tick, if each of them can be made.
fn in_order<A>(population: &Population<A>, limits: Limits) -> Result<Vec<Change>, RunError> {
    let mut changes = population.changes.clone();
    changes.sort_by_key(|change| change.0);
    // Whoever may come to life has a serial that is known before.
    let later = limits.spawned.saturating_add(limits.forks);
    let serials = 1..=(population.names.len() as u64).saturating_add(later);
    let grant = &population.grant;
    let mut suspended = BTreeMap::new();
    for (tick, verb, target) in &changes {
        let known = match target {
            Target::Agent(id) => serials.contains(&id.0),
            Target::Lease(id) => serials.contains(&id.0),
            Target::Reason(id) => *id == grant.reason,
            Target::Grant(id) => *id == grant.id,
            Target::Principal(id) => *id == grant.principal,
        };
        let refused = |error| RunError::Change { tick: *tick, verb: *verb, target: *target, error };
        if !known {
            return Err(refused(ChangeError::Unknown));
        }
        let count = suspended.entry(*target).or_insert(0u64);
        match verb {
            Verb::Suspend => *count += 1,
            Verb::Resume if *count == 0 => return Err(refused(ChangeError::NotSuspended)),
            Verb::Resume => *count -= 1,
            Verb::Revoke => {}
        }
    }
    Ok(changes)
}
