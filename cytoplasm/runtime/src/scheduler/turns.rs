//! Ticks in which the agents act one after the other, in an order that is drawn for each.
//!
//! Serial by nature: there is one scheduler then, however many the run may have. An agent has one
//! turn a tick. What it is sent by those before it lies in its mailbox when its turn comes, in the
//! order in which it was sent; what it is sent later waits for its turn in the next tick.

mod saved;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;

use karyon_types::{AgentId, Tick};

use super::{Arrivals, Envelope, Plan, Scheduler, mailbox, split_front};
use crate::agent::Agent;
use crate::bonds::Bonds;
use crate::input::InputItem;
use crate::schedule::Order;
use crate::space::take_effect;
use crate::trees::Trees;

/// Stands for "no letter".
const NONE: u32 = u32::MAX;

struct Letter {
    envelope: Option<Envelope>,
    behind: u32,
}

/// An agent's mailbox: its first and its last letter.
#[derive(Clone, Copy)]
struct Mailbox {
    first: u32,
    last: u32,
    count: u32,
    /// Whether its turn in this tick is still to come, or it has one in the next.
    called: bool,
}

const EMPTY: Mailbox = Mailbox { first: NONE, last: NONE, count: 0, called: false };

/// Whose turn it is, and what lies in their mailboxes.
#[derive(Default)]
pub(super) struct Turns {
    order: Option<Order>,
    /// The rank of the turn that is being taken; `None`: the tick did not begin.
    now: Option<u64>,
    /// Those who had something to do when the tick began, the last turn first.
    known: Vec<(u64, AgentId)>,
    /// Those who were sent something since.
    added: BinaryHeap<Reverse<(u64, AgentId)>>,
    /// Those who have something to do in the next tick.
    later: Vec<AgentId>,
    boxes: Vec<Mailbox>,
    letters: Vec<Letter>,
    free: u32,
    /// Letters in mailboxes.
    waiting: u64,
    /// What was taken out for the turn.
    inbox: Vec<Envelope>,
    places: Vec<mailbox::Letter>,
}

impl Turns {
    /// How many letters lie in an agent's mailbox.
    pub(super) fn letters(&self, agent: AgentId) -> u64 {
        let place = agent.0.wrapping_sub(1) as usize;
        self.boxes.get(place).map_or(0, |mailbox| u64::from(mailbox.count))
    }

    fn begin(&mut self, order: Order, agents: usize) {
        if self.boxes.len() < agents {
            self.boxes.resize(agents, EMPTY);
        }
        if self.letters.is_empty() {
            self.free = NONE;
        }
        (self.order, self.now) = (Some(order), None);
        self.known.clear();
        self.known.extend(self.later.drain(..).map(|agent| (order.rank(agent), agent)));
    }

    /// Gives an agent a turn: in this tick, if it is still to come.
    fn call(&mut self, agent: AgentId) {
        let place = agent.0.wrapping_sub(1) as usize;
        let (Some(mailbox), Some(order)) = (self.boxes.get_mut(place), self.order) else { return };
        if std::mem::replace(&mut mailbox.called, true) {
            return;
        }
        let rank = order.rank(agent);
        match self.now {
            None => self.known.push((rank, agent)),
            Some(now) if now < rank => self.added.push(Reverse((rank, agent))),
            Some(_) => self.later.push(agent),
        }
    }

    fn all_called(&mut self) {
        self.known.sort_unstable_by(|a, b| b.cmp(a));
        self.now = Some(0);
    }

    /// Whose turn is next.
    fn next(&mut self) -> Option<AgentId> {
        let added = self.added.peek().map(|Reverse(turn)| *turn);
        let (rank, agent) = match (self.known.last().copied(), added) {
            (Some(known), Some(added)) if added < known => {
                self.added.pop();
                added
            }
            (Some(known), _) => {
                self.known.pop();
                known
            }
            (None, added) => {
                self.added.pop();
                added?
            }
        };
        self.now = Some(rank);
        self.open(agent);
        Some(agent)
    }

    /// Takes out what lies in an agent's mailbox.
    fn open(&mut self, agent: AgentId) {
        self.inbox.clear();
        self.places.clear();
        let Some(mailbox) = self.boxes.get_mut(agent.0 as usize - 1) else { return };
        let mut next = std::mem::replace(mailbox, EMPTY).first;
        while let Some(letter) = self.letters.get_mut(next as usize) {
            if let Some(envelope) = letter.envelope.take() {
                self.places.push(mailbox::letter(&envelope, self.inbox.len() as u32));
                self.inbox.push(envelope);
            }
            (self.free, next) = (next, std::mem::replace(&mut letter.behind, self.free));
            self.waiting -= 1;
        }
        // By lane, those of one lane as they came: mostly they lie so.
        self.places.sort_unstable();
    }

    /// Puts a letter into its receiver's mailbox.
    fn deliver(&mut self, envelope: Envelope) {
        let to = envelope.to;
        let Some(mailbox) = self.boxes.get_mut(to.0 as usize - 1) else { return };
        let letter = Letter { envelope: Some(envelope), behind: NONE };
        let key = match self.letters.get_mut(self.free as usize) {
            Some(free) => {
                let key = self.free;
                self.free = free.behind;
                *free = letter;
                key
            }
            None => {
                self.letters.push(letter);
                self.letters.len() as u32 - 1
            }
        };
        match self.letters.get_mut(mailbox.last as usize) {
            Some(last) => last.behind = key,
            None => mailbox.first = key,
        }
        mailbox.last = key;
        mailbox.count += 1;
        self.waiting += 1;
        self.call(to);
    }
}

impl<A: Agent> Scheduler<A> {
    /// Runs a tick turn by turn. Its agents are all that there are.
    pub(crate) fn run_turns(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        bonds: &mut Bonds,
        mut trees: Option<&mut Trees>,
    ) {
        let mut turns = std::mem::take(&mut self.turns);
        self.names = plan.names.read();
        self.space = plan.space.take();
        let agents = plan.last.load(Ordering::Relaxed) as usize;
        turns.begin(Order::of(&plan.schedule, tick), agents);
        let timers = self.timers_due(tick);
        let inputs = plan.inputs.released(tick).items;
        timers.iter().for_each(|(agent, _)| turns.call(*agent));
        inputs.iter().for_each(|item| turns.call(item.receiver));
        // Whoever was told something between the ticks is among them.
        drop(bonds.fresh());
        bonds.due().for_each(|agent| turns.call(agent));
        self.called_upon().into_iter().for_each(|agent| turns.call(agent));
        let everybody = plan.inputs.everybody(tick);
        let mut living = everybody.and_then(|_| self.next_living(self.first));
        while let Some(agent) = living {
            turns.call(agent);
            living = self.next_living(agent.0 + 1);
        }
        turns.all_called();
        while self.outcome.error.is_none()
            && let Some(id) = turns.next()
        {
            let signals = bonds.take_due_of(id).unwrap_or_default();
            let arrivals = Arrivals {
                signals: &signals,
                timers: its(&timers, id, |timer| timer.0),
                inputs: its(inputs, id, |item| item.receiver),
                activation: self.activation(everybody, id),
                letters: &turns.places,
                inbox: &turns.inbox,
            };
            self.run_one(plan, tick, id, &arrivals);
            take_effect(&mut self.space, &mut self.outcome.changes);
            if let Some(outbox) = self.outbox.first_mut() {
                outbox.drain(..).for_each(|envelope| turns.deliver(envelope));
            }
            if !self.outcome.bonds.is_empty() {
                for change in self.outcome.bonds.drain(..) {
                    if let Some(trees) = &mut trees {
                        trees.note(&change);
                    }
                    bonds.apply(change);
                }
                bonds.fresh().for_each(|agent| turns.call(agent));
            }
        }
        self.due = timers;
        self.due.clear();
        self.outcome.timer = self.wheel.soonest(turns.waiting == 0).map(Tick);
        // All that waited when the tick began was taken out.
        self.outcome.passed = self.outcome.sent - turns.waiting;
        self.outcome.sent = turns.waiting;
        self.outcome.held = self.held();
        self.names = None;
        plan.space.put(self.space.take());
        self.turns = turns;
    }

    /// The first of its agents from `serial` on that did not exit, of the scenario's.
    pub(super) fn next_living(&self, serial: u64) -> Option<AgentId> {
        let lives =
            |place: &u64| self.slots.get(*place as usize).is_some_and(|slot| slot.agent.is_some());
        let place = (serial - self.first..self.slots.len() as u64).find(lives)?;
        Some(AgentId(self.first + place))
    }

    /// What activates an agent when all of the scenario's are, unless it exited or is paused.
    pub(super) fn activation(&mut self, everybody: Option<u32>, id: AgentId) -> Option<InputItem> {
        let (first, place) = (everybody?, (id.0 - self.first) as usize);
        let slot = self.slots.get(place).filter(|_| place < self.slots.len())?;
        let is_active = slot.agent.is_some() && (self.apart.is_empty() || !self.is_paused(id));
        self.outcome.activated += u64::from(is_active);
        is_active.then(|| InputItem { receiver: id, index: first.wrapping_add(id.0 as u32 - 1) })
    }
}

/// Of what is sorted by agent, what is one agent's.
fn its<T>(items: &[T], agent: AgentId, whose: impl Fn(&T) -> AgentId) -> &[T] {
    let begin = items.partition_point(|item| whose(item) < agent);
    let mut rest = items.get(begin..).unwrap_or_default();
    split_front(&mut rest, |item| whose(item) == agent)
}
