//! Agents that come to life while a run runs: another agent spawned them, or an order from outside
//! forked one.
//!
//! All that was asked for in a tick is made between two ticks, by the leader, in the order of
//! (parent, parent's step, output); forks come before, in the order of their orders. The serials
//! continue behind the scenario's, so they are the same for any number of schedulers. What agents
//! behind the scenario's do in a tick is put in the order of serials here, and nobody pays for
//! that where there are none.

use std::collections::VecDeque;

use karyon_arrangements::ChildTerms;
use karyon_log::{Message, Record};
use karyon_supervision::{ChildId, REQUESTS_MAX};
use karyon_types::{AgentId, Denial};
use serde_bytes::ByteBuf;

use crate::agent::{Agent, Deed};
use crate::bonds::BondChange;
use crate::census::Ground;
use crate::engine::lock;
use crate::error::RunError;
use crate::leases::Leases;
use crate::processes::Refusal;
use crate::scheduler::{Kind, Layout, Newborn, TickOutcome};
use crate::snapshot::{SavedBirths, SavedLater, SavedSeed, by_of, message_of};
use crate::terms::Limits;
use crate::trees::{Admitted, Field, Trees};

/// What a step asked for.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The output with which it did.
    pub(crate) by: Message,
    pub(crate) name: String,
    pub(crate) how: Box<[u8]>,
    /// Where it is to stand in the tree; `None`: nowhere.
    pub(crate) under: Option<Place>,
}

/// Where an agent is to stand in the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) supervisor: ChildId,
    pub(crate) child: ChildTerms,
}

/// What an agent wished for with an output, and was denied behind that tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) by: Message,
    pub(crate) deed: Deed,
    pub(crate) denial: Denial,
}

/// Wishes to spawn below supervisors that are busy which wait in a run at a time; one more is
/// denied. As many as one supervisor keeps itself.
const WAITING_MAX: usize = REQUESTS_MAX;

/// Who came to life in the course of a run, and who is to.
pub(crate) struct Births {
    limits: Limits,
    layout: Layout,
    spawned: u64,
    forks: u64,
    /// For the tick that comes next.
    asked: Vec<Birth>,
    /// Those whose supervisors were busy, in their order.
    waiting: Vec<Birth>,
    /// The names of all agents of the run, by serial.
    pub(crate) names: Vec<String>,
    /// The kinds of those behind the scenario's, likewise.
    kinds: Vec<Kind>,
}

impl Births {
    pub(crate) fn new(limits: Limits, layout: Layout, names: Vec<String>) -> Births {
        let (asked, waiting, kinds) = (Vec::new(), Vec::new(), Vec::new());
        Births { limits, layout, spawned: 0, forks: 0, asked, waiting, names, kinds }
    }

    /// The names of the scenario's agents, by serial.
    pub(crate) fn of_scenario(&self) -> &[String] {
        self.names.get(..self.names.len() - self.kinds.len()).unwrap_or_default()
    }

    /// For a snapshot: what is asked for, and how many came; of each that came, what is not with
    /// its scheduler. `None`: somebody asked for a place in the tree, which is settled soon.
    pub(crate) fn save(
        &self,
        leases: &Leases,
        seed: impl Fn(AgentId) -> (SavedSeed, bool),
    ) -> Option<(SavedBirths, Vec<SavedLater>)> {
        let Births { limits: _, layout: _, spawned, forks, asked, waiting, names, kinds } = self;
        if !waiting.is_empty() || asked.iter().any(|birth| birth.under.is_some()) {
            return None;
        }
        let mut asked: Vec<_> = asked.iter().collect();
        asked.sort_unstable_by_key(|birth| birth.by);
        let asked = asked
            .into_iter()
            .map(|birth| (by_of(birth.by), birth.name.clone(), ByteBuf::from(birth.how.to_vec())));
        let births = SavedBirths { spawned: *spawned, forks: *forks, asked: asked.collect() };
        let scenarios = names.len() - kinds.len();
        let later = (1..).zip(names).skip(scenarios).zip(kinds).map(|((serial, name), kind)| {
            let above = leases.above(AgentId(serial)).map_or(0, |above| above.0);
            let (name, kind) = (name.clone(), (*kind).to_owned());
            let (seed, supervised) = seed(AgentId(serial));
            SavedLater { name, kind, above, seed, supervised }
        });
        Some((births, later.collect()))
    }

    /// Whoever came to life, as saved; `kinds` are theirs.
    pub(crate) fn load(&mut self, births: SavedBirths, later: &[SavedLater], kinds: Vec<Kind>) {
        let SavedBirths { spawned, forks, asked } = births;
        (self.spawned, self.forks, self.kinds) = (spawned, forks, kinds);
        self.names.extend(later.iter().map(|later| later.name.clone()));
        self.asked = asked
            .into_iter()
            .map(|(by, name, how)| {
                let how = how.into_vec().into();
                Birth { by: message_of(by), name, how, under: None }
            })
            .collect();
    }

    /// How many are asked for.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.len() as u64
    }

    /// How many agents spawned, and the serial of the one that came last.
    pub(crate) fn born(&self) -> (u64, u64) {
        (self.spawned, self.names.len() as u64)
    }

    /// The kind of an agent that came to life in the run.
    pub(crate) fn kind_of(&self, id: AgentId) -> Option<Kind> {
        let scenarios = self.names.len() - self.kinds.len();
        self.kinds.get((id.0 as usize).checked_sub(1 + scenarios)?).copied()
    }

    /// Takes what was asked for in a tick.
    pub(crate) fn ask(&mut self, births: &mut Vec<Birth>) {
        self.asked.append(births);
    }

    /// How many are to come to life, or to be denied, in the tick that comes next.
    pub(crate) fn due(&self, trees: Option<&Trees>) -> u64 {
        let is_busy = |place: &Place| trees.is_some_and(|trees| trees.is_busy(place.supervisor));
        let due = self.waiting.iter().filter(|birth| !birth.under.as_ref().is_some_and(is_busy));
        (self.asked.len() + due.count()) as u64
    }

    /// Brings to life whom agents asked for in the tick before, and has them told in the one that
    /// begins. Appends their records; how many.
    pub(crate) fn begin<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        mut trees: Option<&mut Trees>,
        leases: &mut Leases,
        records: &mut Vec<u8>,
    ) -> Result<u32, RunError> {
        let ground = field.ground;
        let mut asked = std::mem::take(&mut self.asked);
        asked.sort_unstable_by_key(|birth| birth.by);
        let waited = std::mem::take(&mut self.waiting);
        let mut count = 0;
        for birth in waited.into_iter().chain(asked) {
            let by = birth.by;
            let child = match (birth.under, trees.as_deref_mut()) {
                (None, _) => self.bear(field.ground, leases, birth, records),
                (Some(place), Some(trees)) => {
                    match self.admit(field, trees, leases, (birth, place), records)? {
                        Some(child) => child,
                        None => continue,
                    }
                }
                (Some(_), None) => Err(Denial::ExceedsCapabilityScope),
            };
            count += 2 * u32::from(child.is_ok());
            if let Some(slab) = self.layout.home(by.from).and_then(|home| ground.slabs.get(home)) {
                lock(slab).hear_of_birth(by, child);
            }
        }
        ground.plan.set_born(self.spawned, self.names.len() as u64);
        Ok(count)
    }

    /// Brings an agent to life that stands in no tree.
    fn bear<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        leases: &mut Leases,
        Birth { by, name, how, .. }: Birth,
        records: &mut Vec<u8>,
    ) -> Result<AgentId, Denial> {
        if self.spawned >= self.limits.spawned {
            return Err(Denial::BudgetExhausted);
        }
        let newborn = |id| Newborn::from_bytes(ground.plan, id, how);
        let child = self.open(ground, leases, (by.from, Some(by)), (name, false), newborn, records);
        self.spawned += u64::from(child.is_some());
        child.ok_or(Denial::BudgetExhausted)
    }

    /// Brings an agent to life below a supervisor; `None`: it waits for that.
    fn admit<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        trees: &mut Trees,
        leases: &mut Leases,
        (birth, place): (Birth, Place),
        records: &mut Vec<u8>,
    ) -> Result<Option<Result<AgentId, Denial>>, RunError> {
        if self.spawned >= self.limits.spawned {
            return Ok(Some(Err(Denial::BudgetExhausted)));
        }
        let id = AgentId(self.names.len() as u64 + 1);
        match trees.admit(field.now, id, &place) {
            Admitted::Starts => {}
            Admitted::Waits if self.waiting.len() < WAITING_MAX => {
                self.waiting.push(birth);
                return Ok(None);
            }
            Admitted::Waits => return Ok(Some(Err(Denial::BudgetExhausted))),
            Admitted::Refused(denial) => return Ok(Some(Err(denial))),
        }
        let Birth { by, name, how, .. } = birth;
        field.ground.plan.adopt(id, by.from);
        let newborn = Newborn::from_bytes(field.ground.plan, id, how);
        let began = newborn.begins();
        let mut child = None;
        if began {
            let asks = (by.from, Some(by));
            child = self.open(field.ground, leases, asks, (name, true), |_| newborn, records);
        }
        // As with OTP: what does not start is not added, and counts nowhere.
        trees.started(field, id, child.is_some())?;
        self.spawned += u64::from(child.is_some());
        let why = if began { Denial::BudgetExhausted } else { Denial::MalformedArguments };
        Ok(Some(child.ok_or(why)))
    }

    /// A second agent begins with the state of one.
    pub(crate) fn fork<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        leases: &mut Leases,
        of: AgentId,
        records: &mut Vec<u8>,
    ) -> Result<AgentId, Refusal> {
        let home = self.layout.home(of).and_then(|home| ground.slabs.get(home));
        let copy = lock(home.ok_or(Refusal::Unknown)?).copy(of)?;
        if self.forks >= self.limits.forks {
            return Err(Refusal::TooMany);
        }
        let serial = self.names.len() as u64 + 1;
        let name = self.names.get(of.0 as usize - 1).map_or("", String::as_str);
        let name = format!("{}/fork-{serial}", karyon_arrangements::bounded_name(name));
        let child = self.open(ground, leases, (of, None), (name, false), |_| copy, records);
        let slab = |id| self.layout.home(id).and_then(|home| ground.slabs.get(home));
        if let Some(why) = slab(of).and_then(|slab| lock(slab).opaque_as(of))
            && let Some((child, slab)) = child.and_then(|child| Some((child, slab(child)?)))
        {
            lock(slab).be_opaque(child, why);
        }
        self.forks += u64::from(child.is_some());
        ground.plan.set_born(self.spawned, self.names.len() as u64);
        child.ok_or(Refusal::TooMany)
    }

    /// Begins an agent under a lease that is cut from that of `from`, who asked for it with `by` or
    /// was forked; none if the gate is full.
    fn open<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        leases: &mut Leases,
        (from, by): (AgentId, Option<Message>),
        (name, supervised): (String, bool),
        newborn: impl FnOnce(AgentId) -> Newborn<A>,
        records: &mut Vec<u8>,
    ) -> Option<AgentId> {
        let slab = |id| self.layout.home(id).and_then(|home| ground.slabs.get(home));
        // It has left of the log what the other has left, and its lease is no wider in that, too.
        let used = lock(slab(from)?).facts_of(from)?.log_bytes;
        let (mut record, handle) = leases.cut(from, by)?;
        let budget = Some(self.limits.log_bytes_per_lease).filter(|bytes| *bytes != u64::MAX);
        record.log_bytes = budget.map(|bytes| bytes.saturating_sub(used));
        let (id, lease) = (record.owner, record.id);
        ground.plan.adopt(id, from);
        Record::Lease(record).encode(records);
        let newborn = newborn(id);
        let kind = newborn.kind_number();
        Record::Spawn { agent: id, kind, lease, name: &name }.encode(records);
        self.names.push(name);
        self.kinds.push(newborn.kind());
        let mut slab = lock(slab(id)?);
        slab.be_born(id, newborn, (handle, used), supervised);
        if let Some(why) = ground.plan.closed(id) {
            slab.be_opaque(id, Some(why));
        }
        Some(id)
    }
}

/// Where what an agent behind the scenario's did in a tick begins, in its scheduler's outcome.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) agent: AgentId,
    pub(crate) records: usize,
    pub(crate) count: u32,
    pub(crate) bonds: usize,
}

/// What a scheduler's agents behind the scenario's did in a tick.
pub(crate) struct Later {
    pieces: VecDeque<Piece>,
    /// How much lay in front of the first piece.
    base: usize,
    records: Vec<u8>,
    bonds: VecDeque<BondChange>,
    count: u32,
}

impl Later {
    /// Takes out of `outcome` what agents behind the scenario's did.
    pub(crate) fn take(outcome: &mut TickOutcome) -> Option<Later> {
        let first = outcome.pieces.first()?;
        let (base, bonds) = (first.records, first.bonds);
        let count = outcome.count.saturating_sub(first.count);
        outcome.count = first.count;
        Some(Later {
            records: outcome.records.split_off(base.min(outcome.records.len())),
            bonds: outcome.bonds.split_off(bonds.min(outcome.bonds.len())).into(),
            pieces: std::mem::take(&mut outcome.pieces).into(),
            base,
            count,
        })
    }

    /// All of it in the order of serials: the records, and what became of bonds.
    pub(crate) fn in_order(mut all: Vec<Later>) -> (Vec<u8>, u32, Vec<BondChange>) {
        let count = all.iter().map(|later| later.count).sum();
        if let [only] = &mut all[..] {
            return (std::mem::take(&mut only.records), count, only.bonds.drain(..).collect());
        }
        let (mut records, mut bonds) = (Vec::new(), Vec::new());
        let mut order: Vec<_> = (0..)
            .zip(&all)
            .flat_map(|(from, later)| later.pieces.iter().map(move |piece| (piece.agent, from)))
            .collect();
        order.sort_unstable();
        for (_, from) in order {
            let Some(later) = all.get_mut::<usize>(from) else { continue };
            let Some(piece) = later.pieces.pop_front() else { continue };
            let next = later.pieces.front();
            let begin = piece.records - later.base;
            let end = next.map_or(later.records.len(), |next| next.records - later.base);
            records.extend_from_slice(later.records.get(begin..end).unwrap_or_default());
            let many = next.map_or(later.bonds.len(), |next| next.bonds - piece.bonds);
            bonds.extend(later.bonds.drain(..many.min(later.bonds.len())));
        }
        (records, count, bonds)
    }
}
