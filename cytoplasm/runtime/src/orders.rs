//! The run's side of the desk: questions are answered and orders carried out between two ticks,
//! by the leader, while all schedulers wait.
//!
//! An order is in force from the beginning of the tick that comes next and recorded right behind
//! that tick's record and its changes of authority; whoever gave it hears of it once that is
//! recorded. A run that is repeated carries out what its log holds instead, at the same place.

use std::sync::Arc;

use karyon_gate::Lease;
use karyon_log::Record;
use karyon_types::{AgentId, Tick};

use crate::agent::Agent;
use crate::census::{Census, Ground};
use crate::engine::lock;
use crate::error::RunError;
use crate::processes::{Answer, Asked, Desk, Order, Position, Question, Refusal};
use crate::recorder::Recorder;
use crate::scheduler::share;

/// Questions that are answered between two ticks: bounds how long agents wait for those who ask.
/// The others wait for the next tick.
const ANSWERS_PER_TICK: usize = 8;

/// A desk that is open while this lives, however the run ends.
pub(crate) struct Open(Option<Arc<Desk>>);

impl Open {
    pub(crate) fn new(desk: Option<Arc<Desk>>) -> Open {
        if let Some(desk) = &desk {
            desk.open();
        }
        Open(desk)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            desk.close();
        }
    }
}

/// Answers questions and carries out orders.
pub(crate) struct Orders {
    desk: Option<Arc<Desk>>,
    /// The agents' names, by serial.
    names: Vec<String>,
    /// The records of what was ordered for the tick that comes next.
    records: Vec<u8>,
    count: u32,
    /// Who ordered it.
    asked: Vec<Asked>,
    /// First and last of those who are lost in the tick that comes next, as it is recorded.
    pub(crate) lost: Vec<(AgentId, AgentId)>,
}

impl Orders {
    pub(crate) fn new(desk: Option<Arc<Desk>>, names: Vec<String>) -> Orders {
        Orders { desk, names, records: Vec::new(), count: 0, asked: Vec::new(), lost: Vec::new() }
    }

    /// Answers what waits; whether the tick that comes next has to run, whatever else is due.
    pub(crate) fn serve<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        leases: &[Lease],
        recorder: &mut Recorder,
        last: Option<Tick>,
    ) -> Result<bool, RunError> {
        let ahead = recorder.ahead()?;
        let repeats = ahead.more || !ahead.orders.is_empty();
        self.lost = ahead.lost;
        for order in ahead.orders {
            // One that cannot be carried out is not recorded, and so found by the comparison.
            if carry_out(ground, order).is_ok() {
                self.note(order);
            }
        }
        // Nobody asks, mostly: one uncontended lock a tick.
        let mut next = self.desk.as_ref().and_then(|desk| desk.take());
        if next.is_none() {
            return Ok(repeats || self.count > 0);
        }
        let at = position(recorder, last);
        let names = std::mem::take(&mut self.names);
        let mut census = None;
        let mut answered = 0;
        while let Some(asked) = next.take() {
            match &asked.question {
                Question::Order(order) => {
                    // The census holds all slabs.
                    census = None;
                    let order = *order;
                    let done = match ahead.more {
                        true => Err(Refusal::Repeating),
                        false => carry_out(ground, order),
                    };
                    match done {
                        Ok(()) => {
                            self.note(order);
                            self.asked.push(asked);
                        }
                        Err(refusal) => asked.answer(Answer::Refused(refusal)),
                    }
                }
                Question::List(selection) => {
                    let census = census.get_or_insert_with(|| Census::new(ground, &names));
                    let listed = census.list(selection, at);
                    asked.answer(Answer::Listed(listed));
                }
                Question::Inspect(id) => {
                    let census = census.get_or_insert_with(|| Census::new(ground, &names));
                    let answer = match census.inspect(*id, leases, at) {
                        Ok(inspected) => Answer::Inspected(Box::new(inspected)),
                        Err(refusal) => Answer::Refused(refusal),
                    };
                    asked.answer(answer);
                }
            }
            answered += 1;
            if answered < ANSWERS_PER_TICK {
                next = self.desk.as_ref().and_then(|desk| desk.take());
            }
        }
        drop(census);
        self.names = names;
        Ok(repeats || self.count > 0)
    }

    fn note(&mut self, order: Order) {
        let Order { verb, agent, uid } = order;
        Record::Order { verb, agent, uid }.encode(&mut self.records);
        self.count += 1;
    }

    /// Moves the records of the tick that begins behind `framing`; how many.
    pub(crate) fn frame(&mut self, framing: &mut Vec<u8>) -> u32 {
        framing.append(&mut self.records);
        std::mem::take(&mut self.count)
    }

    /// The tick is recorded, and with it what was ordered for it.
    pub(crate) fn recorded(&mut self, recorder: &Recorder, tick: Tick) {
        if !self.asked.is_empty() {
            let at = position(recorder, Some(tick));
            self.asked.drain(..).for_each(|asked| asked.answer(Answer::Done(at)));
        }
    }
}

fn position(recorder: &Recorder, tick: Option<Tick>) -> Position {
    Position { tick, records: recorder.recorded(), provisional: !recorder.is_durable() }
}

fn carry_out<A: Agent>(ground: &Ground<'_, A>, order: Order) -> Result<(), Refusal> {
    let place = order.agent.0.checked_sub(1).ok_or(Refusal::Unknown)?;
    let slab = place / share(ground.plan.agents, ground.slabs.len());
    let slab = usize::try_from(slab).ok().and_then(|slab| ground.slabs.get(slab));
    lock(slab.ok_or(Refusal::Unknown)?).order(ground.plan, order.verb, order.agent)
}
