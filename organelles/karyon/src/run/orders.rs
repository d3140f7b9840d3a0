//! Orders as somebody outside gives them, at ticks that are known before.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use karyon_log::{Lane, LogError, Record, Records, Walk};
use karyon_runtime::processes::{Answer, Desk, Order, OrderVerb, Question, Refusal};
use karyon_runtime::{Batch, InputSource};
use karyon_types::{AgentId, Tick};

use super::Run;
use crate::address::Pid;
use crate::error::RunError;
use crate::inputs::Inputs;

/// Who gives them, as recorded: no user did, they are part of the run. The kernel, too, names a
/// user so whom it does not know.
const NO_USER: u32 = 65_534;

/// An order of a run: when, to whom, what.
pub(super) type Due = (u64, Pid, OrderVerb);

/// One that was put, and where its answer will be.
type Put = (Due, Result<Receiver<Answer>, Refusal>);

/// An order that was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedOrder {
    /// For which tick it was given.
    pub tick: u64,
    /// To whom.
    pub agent: Pid,
    /// What.
    pub order: OrderVerb,
    /// Why not.
    pub why: Refusal,
}

impl Run {
    /// Orders something about an agent, as `karyon pause|resume|kill|restart|fork` does while a run
    /// runs: in force from the beginning of this tick, and recorded. Orders of one tick are carried
    /// out in the order in which they are given here. An agent that is not there yet is named by
    /// its number; what is refused stands in [`Outcome::refused`](crate::Outcome::refused).
    ///
    /// `Order::Fork` makes a second agent that begins with the state of this one, under the name
    /// `NAME/fork-NUMBER` ([`Agent::forked`](crate::Agent::forked)). The number is the next, in
    /// front of whoever is spawned in that tick. Where nobody may spawn, leases reach nobody but
    /// those who were there when the run began: a fork is sent nothing then, not even by itself.
    /// Its lease is cut from that of the other.
    ///
    /// Whoever is paused has to be resumed, killed or restarted by a later order: a run waits for
    /// ever for who is not.
    pub fn order(&mut self, tick: u64, agent: impl Into<Pid>, order: OrderVerb) -> &mut Run {
        let agent = agent.into();
        if agent == Pid::OUTSIDE {
            self.wrong(|| RunError::NoAgent(0));
        }
        self.orders.push((tick, agent, order));
        self
    }

    /// How many agents are forked by them.
    pub(super) fn forks(&self) -> u64 {
        self.orders.iter().filter(|(_, _, order)| *order == OrderVerb::Fork).count() as u64
    }

    /// Whether whoever is paused is let go again.
    pub(super) fn check_orders(&self) -> Result<(), RunError> {
        let mut paused = BTreeMap::new();
        let mut orders = self.orders.clone();
        orders.sort_by_key(|(tick, _, _)| *tick);
        for (_, agent, order) in orders {
            match order {
                OrderVerb::Pause => _ = paused.insert(agent, ()),
                OrderVerb::Resume | OrderVerb::Kill | OrderVerb::Restart => {
                    paused.remove(&agent);
                }
                OrderVerb::Fork => {}
            }
        }
        match paused.first_key_value() {
            Some((agent, ())) => Err(RunError::PausedForGood(agent.0)),
            None => Ok(()),
        }
    }
}

/// The orders that are left to give behind what a log holds.
pub(super) fn left_behind(orders: &[Due], mut walk: Walk) -> Result<Vec<Due>, LogError> {
    let mut last = Last::default();
    while let Some(blocks) = walk.next_group()? {
        let ticks = blocks.iter().filter(|block| block.header.lane == Lane::Ticks);
        ticks.for_each(|block| last.pass(&block.body));
    }
    Ok(last.left_of(orders))
}

/// The last tick of a log, and which orders of a run are recorded in it.
#[derive(Default)]
struct Last {
    tick: Option<u64>,
    /// The one before it. Free-running, what lies between was passed over, and the orders of those
    /// ticks are recorded in the last.
    before: Option<u64>,
    recorded: Vec<(Pid, OrderVerb)>,
}

impl Last {
    fn pass(&mut self, records: &[u8]) {
        for record in Records::new(records) {
            match record {
                Some(Record::Tick(begun)) => {
                    // In a free-running run one may come again.
                    if self.tick != Some(begun.0) {
                        self.recorded.clear();
                        self.before = self.tick.replace(begun.0);
                    }
                }
                Some(Record::Order { verb, agent, uid: NO_USER }) => {
                    self.recorded.push((agent.into(), verb));
                }
                // What is no record is found where the run is repeated.
                Some(_) | None => {}
            }
        }
    }

    /// Where an order of this tick lies, beside those that the last one holds.
    fn place(&self, tick: u64) -> Ordering {
        match (Some(tick) > self.tick, Some(tick) > self.before) {
            (true, _) => Ordering::Greater,
            (false, true) => Ordering::Equal,
            (false, false) => Ordering::Less,
        }
    }

    /// Up to the last one that is recorded all were given, whether they were carried out or not.
    fn left_of(&self, orders: &[Due]) -> Vec<Due> {
        let mut recorded = self.recorded.iter().peekable();
        let mut given = 0;
        let of_the_last = orders.iter().filter(|(tick, ..)| self.place(*tick).is_eq());
        for (number, (_, agent, order)) in (1..).zip(of_the_last) {
            if recorded.next_if_eq(&&(*agent, *order)).is_some() {
                given = number;
            }
        }
        let is_left = |(tick, ..): &&Due| match self.place(*tick) {
            Ordering::Less => false,
            Ordering::Equal if given > 0 => {
                given -= 1;
                false
            }
            Ordering::Equal | Ordering::Greater => true,
        };
        orders.iter().filter(is_left).copied().collect()
    }
}

/// The inputs of a run, and beside them its orders: put on the desk when the run looks for the
/// inputs of a tick, they are carried out before that tick begins.
pub(super) struct Ordered {
    inputs: Inputs,
    desk: Arc<Desk>,
    ends: u64,
    orders: Mutex<BTreeMap<u64, Vec<(Pid, OrderVerb)>>>,
    put: Mutex<Vec<Put>>,
}

impl Ordered {
    /// Gives `orders`, those of `all` that no log holds yet.
    pub(super) fn new(inputs: Inputs, desk: Arc<Desk>, all: &[Due], orders: &[Due]) -> Ordered {
        let mut by_tick = BTreeMap::<u64, Vec<_>>::new();
        for (tick, agent, order) in orders {
            by_tick.entry(*tick).or_default().push((*agent, *order));
        }
        // What was given before keeps a run from its end likewise, when it is repeated.
        let ends = all.iter().map(|(tick, ..)| tick + 1).max().unwrap_or(0);
        Ordered { inputs, desk, ends, orders: Mutex::new(by_tick), put: Mutex::default() }
    }

    /// What was not carried out; a run that is repeated takes what it repeats from its log.
    pub(super) fn refused(&self) -> Vec<RefusedOrder> {
        let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = put.drain(..).filter_map(|((tick, agent, order), answer)| {
            let answer = answer.map(|answer| answer.try_recv());
            let why = match answer {
                Err(Refusal::Repeating) | Ok(Ok(Answer::Refused(Refusal::Repeating))) => {
                    return None;
                }
                Err(why) | Ok(Ok(Answer::Refused(why))) => why,
                Ok(Ok(_)) => return None,
                Ok(Err(_)) => Refusal::NotRunning,
            };
            Some(RefusedOrder { tick, agent, order, why })
        });
        refused.collect()
    }
}

impl InputSource for Ordered {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let due = self.orders.lock().unwrap_or_else(PoisonError::into_inner).remove(&tick.0);
        for (agent, verb) in due.into_iter().flatten() {
            let order = Order { verb, agent: AgentId(agent.0), uid: NO_USER };
            let answer = self.desk.put(Question::Order(order));
            let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
            put.push(((tick.0, agent, verb), answer));
        }
        self.inputs.released(tick)
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        self.inputs.payload(index, out);
    }

    fn ends(&self) -> Tick {
        self.inputs.ends().max(Tick(self.ends))
    }

    fn everybody(&self, tick: Tick) -> Option<u32> {
        self.inputs.everybody(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OrderVerb::{Fork, Kill, Pause, Resume};

    #[test]
    fn behind_a_log_that_was_cut_no_order_is_given_twice() {
        let orders = [(3, Fork), (5, Resume), (5, Pause), (5, Fork), (5, Fork), (7, Kill)];
        let orders = orders.map(|(tick, order)| (tick, Pid(1), order));
        let left = |recorded: &[Record<'_>]| {
            let mut bytes = Vec::new();
            recorded.iter().for_each(|record| record.encode(&mut bytes));
            let mut last = Last::default();
            last.pass(&bytes);
            last.left_of(&orders)
        };
        let tick = |tick| Record::Tick(Tick(tick));
        let order = |verb, uid| Record::Order { verb, agent: AgentId(1), uid };
        assert_eq!(left(&[]), orders);
        assert_eq!(left(&[tick(3)]), orders, "what was given is not recorded yet");
        assert_eq!(left(&[tick(3), order(Fork, 0)]), orders, "a user's");
        assert_eq!(left(&[tick(3), order(Fork, NO_USER)]), orders[1..]);
        assert_eq!(left(&[tick(3), order(Fork, NO_USER), tick(4)]), orders[1..]);
        // The first of tick 5 was refused.
        assert_eq!(left(&[tick(5), order(Pause, NO_USER)]), orders[3..]);
        let (pause, fork) = (order(Pause, NO_USER), order(Fork, NO_USER));
        assert_eq!(left(&[tick(5), pause.clone(), fork.clone()]), orders[4..]);
        assert_eq!(left(&[tick(5), pause, fork.clone(), fork]), orders[5..]);
        assert_eq!(left(&[tick(7), tick(8)]), []);
        // Free-running, ticks are passed over: what was due meanwhile is recorded in the next.
        let both = [tick(4), tick(7), order(Pause, NO_USER), order(Kill, NO_USER)];
        assert_eq!(left(&both), []);
        assert_eq!(left(&both[..3]), orders[3..]);
    }
}
