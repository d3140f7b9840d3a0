//! A scheduler's part in the beginning of agents that come to life while a run runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use karyon_arrangements::{ExitReason, TimerId};
use karyon_gate::Handle;
use karyon_log::{Cause, CrashKind, Decision, Message};
use karyon_types::{AgentId, Denial, Tick};

use super::apart::{End, Held};
use super::life::Fall;
use super::mailbox::{self, Letter};
use super::{Due, Envelope, Plan, Scheduler, Slot};
use crate::agent::{Agent, Deed, Event, SpawnId};
use crate::births::{Piece, Refused};
use crate::bonds::Left;
use crate::codec;
use crate::panics;
use crate::processes::Refusal;
use crate::standing::Standing;

/// How the agents of a run lie with its schedulers: the scenario's in one range each, those that
/// come later in turn.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// How many serials are one scheduler's: the last has room for fewer agents than that.
    share: u64,
    schedulers: u64,
}

impl Layout {
    pub(crate) fn new(agents: u64, schedulers: usize) -> Layout {
        Layout { share: super::share(agents, schedulers), schedulers: schedulers as u64 }
    }

    /// The scheduler of an agent, whether it is there already or not.
    pub(crate) fn home(self, id: AgentId) -> Option<usize> {
        let place = id.0.checked_sub(1)?;
        let first = place / self.share;
        let home = match place.checked_sub(self.share * self.schedulers) {
            None => first,
            Some(later) => later % self.schedulers,
        };
        Some(home as usize)
    }

    /// The serials of those of a scheduler's agents that are not behind `last`.
    pub(crate) fn serials(self, number: usize, last: u64) -> impl Iterator<Item = AgentId> {
        let Layout { share, schedulers } = self;
        let first = 1 + number as u64 * share;
        let turns = 1 + share * schedulers + number as u64..=last;
        let own = first..=last.min(first + share - 1);
        own.chain(turns.step_by(schedulers as usize)).map(AgentId)
    }

    /// The same, first and last of each range.
    pub(crate) fn ranges(self, number: usize, last: u64) -> Vec<(AgentId, AgentId)> {
        let mut ranges: Vec<(AgentId, AgentId)> = Vec::new();
        for id in self.serials(number, last) {
            match ranges.last_mut() {
                Some((_, end)) if end.0 + 1 == id.0 => *end = id,
                Some(_) | None => ranges.push((id, id)),
            }
        }
        ranges
    }

    /// The place of an agent among those that the scheduler whose first agent is `first` got in
    /// turn.
    #[cold]
    fn turn(self, id: u64, first: u64) -> Option<usize> {
        let later = (id.checked_sub(1)?).checked_sub(self.share * self.schedulers)?;
        let is_its = later % self.schedulers == (first - 1) / self.share;
        is_its.then_some((later / self.schedulers) as usize)
    }
}

/// The agents of a scheduler. A place is a serial less that of the scheduler's first agent.
pub(super) struct Slab<A> {
    layout: Layout,
    first: u64,
    own: Vec<Slot<A>>,
    /// Those that came to life later, in turn with other schedulers.
    later: Vec<Slot<A>>,
}

impl<A> Slab<A> {
    pub(super) fn new(layout: Layout, first: u64) -> Slab<A> {
        Slab { layout, first, own: Vec::new(), later: Vec::new() }
    }

    /// Makes room for so many in the scheduler's own range, and no more.
    pub(super) fn make_room(&mut self, own: usize) {
        self.own.reserve_exact(own);
    }

    /// How many lie in the scheduler's own range.
    pub(super) fn len(&self) -> usize {
        self.own.len()
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&Slot<A>> {
        match self.own.get(place) {
            Some(slot) => Some(slot),
            None => self.later.get(self.layout.turn(self.first + place as u64, self.first)?),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Slot<A>> {
        match self.own.get_mut(place) {
            Some(slot) => Some(slot),
            None => self.later.get_mut(self.layout.turn(self.first + place as u64, self.first)?),
        }
    }

    /// All of them with their serials.
    pub(super) fn all(&self) -> impl Iterator<Item = (AgentId, &Slot<A>)> {
        self.serials().map(AgentId).zip(self.own.iter().chain(&self.later))
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = (AgentId, Slot<A>)> {
        self.serials().map(AgentId).zip(self.own.into_iter().chain(self.later))
    }

    fn serials(&self) -> impl Iterator<Item = u64> + use<A> {
        let Layout { share, schedulers } = self.layout;
        let (first, own) = (self.first, self.own.len() as u64);
        let number = (first - 1) / share;
        let turns = (0..).map(move |turn| 1 + share * schedulers + turn * schedulers + number);
        (first..first + own).chain(turns)
    }

    /// Serials are given one after the other, so each lies behind those that are there.
    pub(super) fn push(&mut self, id: AgentId, slot: Slot<A>) {
        match self.layout.turn(id.0, self.first) {
            None => self.own.push(slot),
            Some(_) => self.later.push(slot),
        }
    }
}

/// What an agent that came to life later begins with, again and again.
pub(super) struct Origin {
    pub(super) kind: Kind,
    pub(super) seed: Seed,
    /// It stands below a supervisor of the tree, which may start it again when it ended.
    pub(super) supervised: bool,
}

/// A kind's name.
pub(crate) type Kind = &'static str;

pub(super) enum Seed {
    /// What its state is made from.
    How(Box<[u8]>),
    /// Its state, as another's was.
    State(Box<[u8]>),
    /// Nobody can read what it began with: the number of its kind.
    Unknown(u32),
    /// It does not begin again.
    Spent,
}

/// By serial. Serials are given one after the other, so that a new one comes last.
#[derive(Default)]
pub(super) struct Origins(Vec<(AgentId, Origin)>);

impl Origins {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, id: AgentId) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last < id => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&id, |(own, _)| *own),
        }
    }

    pub(super) fn get(&self, id: AgentId) -> Option<&Origin> {
        self.0.get(self.place(id).ok()?).map(|(_, origin)| origin)
    }

    pub(super) fn get_mut(&mut self, id: AgentId) -> Option<&mut Origin> {
        let place = self.place(id).ok()?;
        self.0.get_mut(place).map(|(_, origin)| origin)
    }

    pub(super) fn insert(&mut self, id: AgentId, origin: Origin) {
        match self.place(id) {
            Ok(place) => self.0.splice(place..=place, [(id, origin)]).for_each(drop),
            Err(place) => self.0.insert(place, (id, origin)),
        }
    }
}

/// An agent at its beginning.
pub(crate) struct Newborn<A> {
    /// Or how it failed to begin.
    agent: Result<A, CrashKind>,
    seed: Seed,
}

impl<A: Agent> Newborn<A> {
    pub(crate) fn from_bytes(plan: &Plan<A>, id: AgentId, how: Box<[u8]>) -> Newborn<A> {
        if let Some(custody) = plan.custody.as_ref().filter(|known| known.closed(id).is_some()) {
            let born = custody.birth(id).unwrap_or(Err(CrashKind::Error));
            let agent = born.and_then(|kind| stand_in(plan, kind).ok_or(CrashKind::Error));
            return Newborn { agent, seed: born.map_or(Seed::Spent, Seed::Unknown) };
        }
        Newborn { agent: bear(plan, id, &how), seed: Seed::How(how) }
    }

    /// Whether there is a state to begin with.
    pub(crate) fn begins(&self) -> bool {
        self.agent.is_ok()
    }

    /// Its kind's name; the first's, should it have failed to begin.
    pub(crate) fn kind(&self) -> Kind {
        self.agent.as_ref().map_or(&A::KIND, Agent::kind).name
    }

    /// Its kind's number in genesis; the first, should it have failed to begin.
    pub(crate) fn kind_number(&self) -> u32 {
        self.agent.as_ref().map_or(0, Agent::number)
    }
}

/// Makes a state; what comes from an agent's bytes may fail, and harms nobody else.
pub(super) fn bear<A: Agent>(plan: &Plan<A>, id: AgentId, how: &[u8]) -> Result<A, CrashKind> {
    let born = plan.born.as_ref().ok_or(CrashKind::Error)?;
    let quiet = panics::quiet();
    let outcome = catch_unwind(AssertUnwindSafe(|| born(id, how)));
    drop(quiet);
    match outcome {
        Ok(agent) => agent.ok_or(CrashKind::Error),
        Err(_) => Err(CrashKind::Panic),
    }
}

/// Somebody of a kind in the place of an agent of whom nothing else is known.
fn stand_in<A: Agent>(plan: &Plan<A>, kind: u32) -> Option<A> {
    A::stand_in(plan.begin(AgentId(1))?, kind)
}

/// An agent as it began; `failed` is what is left of it. None: it cannot begin again.
pub(super) fn anew<A: Agent>(
    plan: &Plan<A>,
    origins: &Origins,
    id: AgentId,
    failed: &A,
) -> Option<A> {
    if id.0 <= plan.agents {
        return Some((plan.init)(id));
    }
    match &origins.get(id)?.seed {
        Seed::How(how) => bear(plan, id, how).ok(),
        Seed::State(state) => failed.restore(state),
        Seed::Unknown(kind) => stand_in(plan, *kind),
        Seed::Spent => None,
    }
}

/// An agent as it began, once more. None: it cannot begin again.
pub(super) fn again<A: Agent>(plan: &Plan<A>, origins: &Origins, id: AgentId) -> Option<A> {
    if id.0 <= plan.agents {
        return plan.begin(id);
    }
    match &origins.get(id)?.seed {
        Seed::How(how) => bear(plan, id, how).ok(),
        Seed::Unknown(kind) => stand_in(plan, *kind),
        // Forks stand in no tree.
        Seed::State(_) | Seed::Spent => None,
    }
}

/// Whether an agent that came to life in the run stands below a supervisor of the tree.
#[cold]
pub(super) fn is_supervised(origins: &Origins, id: AgentId) -> bool {
    origins.get(id).is_some_and(|origin| origin.supervised)
}

/// Puts what arrives into `order`, which is empty: by receiver, then by lane, then by sender. The
/// mail of the scenario's agents is by sender already; what others sent lies behind that of the
/// scheduler that they are with.
pub(super) fn by_receiver_and_sender(order: &mut Vec<Letter>, inbox: &[Envelope], agents: u64) {
    order.extend(mailbox::letters(inbox));
    order.sort_unstable_by_key(|letter| {
        let from = inbox.get(mailbox::place(letter)).map_or(0, |envelope| envelope.actor().0);
        (letter.0, mailbox::lane(letter), if from > agents { from } else { 0 }, letter.1)
    });
}

impl<A: Agent> Scheduler<A> {
    /// An agent behind the scenario's begins its part of a tick.
    #[cold]
    pub(super) fn begin_piece(&mut self, agent: AgentId) {
        let outcome = &mut self.outcome;
        let (records, bonds) = (outcome.records.len(), outcome.bonds.len());
        outcome.pieces.push(Piece { agent, records, count: outcome.count, bonds });
    }

    #[cold]
    pub(super) fn home_of_later(&self, id: AgentId) -> usize {
        self.layout.home(id).unwrap_or(usize::MAX)
    }

    /// Begins an agent that used `log_bytes` of what it may take of the log.
    pub(crate) fn be_born(
        &mut self,
        id: AgentId,
        newborn: Newborn<A>,
        (lease, log_bytes): (Handle, u64),
        supervised: bool,
    ) {
        let kind = newborn.kind();
        let (agent, seed) = match newborn.agent {
            Ok(agent) => (Some(agent), newborn.seed),
            Err(crash) => {
                // It ends as it begins: whoever monitors it then finds nobody.
                let fall = Fall { decision: Decision::Stopped, left: Left::Nothing };
                let reason = ExitReason::failure("no state to begin with");
                self.apart.entry(id).or_default().end(End { crash, fall, reason });
                (None, Seed::Spent)
            }
        };
        self.origins.insert(id, Origin { kind, seed, supervised });
        let standing = Standing::having_used(log_bytes);
        let lease = Some(lease);
        self.slots.push(id, Slot::new(agent, lease, standing));
    }

    /// A second agent with the state of one.
    pub(crate) fn copy(&self, id: AgentId) -> Result<Newborn<A>, Refusal> {
        let slot = self.slot(id).ok_or(Refusal::Unknown)?;
        let agent = slot.agent.as_ref().ok_or(Refusal::Exited)?;
        let mut state = Vec::new();
        codec::encode(agent, &mut state);
        let agent = agent.restore(&state).ok_or(CrashKind::Error);
        Ok(Newborn { agent, seed: Seed::State(state.into()) })
    }

    /// What an agent asked for with `by` was done, or was one too many: it hears of it in the tick
    /// that comes next, in front of all else.
    pub(crate) fn hear_of_birth(&mut self, by: Message, child: Result<AgentId, Denial>) {
        self.apart.entry(by.from).or_default().hold(Held::Birth(by, child));
    }

    /// Something else that an agent wished for was denied behind its tick.
    pub(crate) fn hear_refused(&mut self, refused: Refused) {
        self.apart.entry(refused.by.from).or_default().hold(Held::Denied(refused));
    }

    /// Tells an agent so.
    pub(super) fn tell_refused(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        refused: Refused,
        emptied: bool,
    ) -> bool {
        let (by, event) = (refused.by, refused_event(&refused));
        self.handle(plan, tick, by.from, &Due { cause: Cause::Denial(by), event }, emptied)
    }

    /// Tells an agent what came of its wish.
    pub(super) fn tell_of_birth(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        (by, child): (Message, Result<AgentId, Denial>),
        emptied: bool,
    ) -> bool {
        let due = Due { cause: birth_cause(by, child.ok()), event: birth_event(by, child) };
        self.handle(plan, tick, by.from, &due, emptied)
    }

    /// The kind of an agent that came to life later, should it have ended.
    pub(super) fn kind_of_later(&self, id: AgentId) -> Option<Kind> {
        self.origins.get(id).map(|origin| origin.kind)
    }

    /// It was of this kind, and does not begin again.
    pub(super) fn remember_kind(&mut self, id: AgentId, kind: Kind) {
        self.origins.insert(id, Origin { kind, seed: Seed::Spent, supervised: false });
    }

    /// It ended, and nobody starts it again but a supervisor of the tree.
    pub(super) fn ended_for_good(&mut self, id: AgentId) {
        if !is_supervised(&self.origins, id) {
            self.forget_origin(id);
        }
    }

    /// It does not begin again.
    pub(super) fn forget_origin(&mut self, id: AgentId) {
        if let Some(origin) = self.origins.get_mut(id) {
            origin.seed = Seed::Spent;
        }
    }
}

pub(super) fn birth_event(by: Message, child: Result<AgentId, Denial>) -> Event<'static> {
    let (step, output) = (by.step, by.output);
    match child {
        Ok(child) => Event::Spawned { spawn: SpawnId { step, output }, child },
        Err(denial) => {
            Event::Denied { output: TimerId { step, output }, deed: Deed::Spawn, denial }
        }
    }
}

pub(super) fn refused_event(Refused { by, deed, denial }: &Refused) -> Event<'static> {
    let output = TimerId { step: by.step, output: by.output };
    Event::Denied { output, deed: *deed, denial: *denial }
}

pub(super) fn birth_cause(by: Message, child: Option<AgentId>) -> Cause {
    Cause::Spawn(Message { from: child.unwrap_or(AgentId(0)), ..by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_serial_has_one_place_with_one_scheduler() {
        for (agents, schedulers) in [(1u64, 1usize), (3, 2), (5, 4), (6, 4), (7, 3), (2, 16)] {
            let layout = Layout::new(agents, schedulers);
            let share = super::super::share(agents, schedulers);
            let mut slabs: Vec<Slab<u64>> = (0..schedulers as u64)
                .map(|number| Slab::new(layout, 1 + number * share))
                .collect();
            let slot = |serial| Slot::new(Some(serial), None, Standing::default());
            for serial in 1..100 {
                slabs[layout.home(AgentId(serial)).unwrap()].push(AgentId(serial), slot(serial));
            }
            let mut met = Vec::new();
            for (number, slab) in slabs.iter().enumerate() {
                let ids: Vec<_> = slab.all().map(|(id, _)| id).collect();
                assert_eq!(layout.serials(number, 99).collect::<Vec<_>>(), ids);
                let ranges = layout.ranges(number, 99).into_iter();
                let all = ranges.flat_map(|(first, last)| (first.0..=last.0).map(AgentId));
                assert_eq!(all.collect::<Vec<_>>(), ids);
                for (id, slot) in slab.all() {
                    assert_eq!((slot.agent, layout.home(id)), (Some(id.0), Some(number)));
                    let place = (id.0 - slab.first) as usize;
                    assert_eq!(slab.get(place).and_then(|slot| slot.agent), Some(id.0));
                    let others = slabs.iter().filter(|other| other.first != slab.first);
                    let elsewhere = others
                        .filter_map(|other| other.get((id.0.checked_sub(other.first)?) as usize));
                    assert_eq!(elsewhere.count(), 0, "{id} has one place");
                    met.push(id.0);
                }
            }
            met.sort_unstable();
            assert_eq!(met, (1..100).collect::<Vec<_>>());
        }
    }
}
