//! The run's side of the desk: questions are answered and orders carried out between two ticks,
//! by the leader, while all schedulers wait.
//!
//! An order is in force from the beginning of the tick that comes next and recorded right behind
//! that tick's record and its changes of authority; whoever gave it hears of it once that is
//! recorded. A run that is repeated carries out what its log holds instead, at the same place.

use std::sync::Arc;

use karyon_gate::Lease;
use karyon_log::Record;
use karyon_types::Tick;

use crate::agent::Agent;
use crate::branches;
use crate::census::{Census, Ground};
use crate::engine::lock;
use crate::error::RunError;
use crate::processes::{Answer, Asked, Desk, Order, OrderVerb, Position, Question, Refusal};
use crate::recorder::Recorder;
use crate::scheduler::share;
use crate::trace;
use crate::trees::{Field, Trees};

/// Work that is done between two ticks for those who ask: bounds how long agents wait for them,
/// by no clock. An order is 1, and so is a look at one agent; what is beyond waits for the next
/// tick.
const WORK_PER_TICK: u64 = 64;
/// So many agents that a list looks at are work of 1.
const AGENTS_LOOKED_AT: u64 = 8_192;
/// So many bytes of a state that is shown are work of 1.
const BYTES_SHOWN: u64 = 4_096;

/// A desk that is open while this lives, however the run ends.
pub(crate) struct Open(Option<Arc<Desk>>);

impl Open {
    pub(crate) fn new(desk: Option<Arc<Desk>>) -> Open {
        desk.iter().for_each(|desk| desk.open());
        Open(desk)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.iter().for_each(|desk| desk.close());
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
}

impl Orders {
    pub(crate) fn new(desk: Option<Arc<Desk>>, names: Vec<String>) -> Orders {
        Orders { desk, names, records: Vec::new(), count: 0, asked: Vec::new() }
    }

    /// Answers what waits; whether the tick that comes next has to run, whatever else is due.
    pub(crate) fn serve<A: Agent>(
        &mut self,
        mut field: Field<'_, '_, A>,
        mut trees: Option<&mut Trees>,
        leases: &[Lease],
        recorder: &mut Recorder,
        last: Option<Tick>,
    ) -> Result<bool, RunError> {
        let ahead = recorder.ahead()?;
        let ground = field.ground;
        let repeats = ahead.more || !ahead.orders.is_empty();
        for order in ahead.orders {
            // One that cannot be carried out is not recorded, and so found by the comparison.
            if carry_out(&mut field, trees.as_deref_mut(), order)?.is_ok() {
                self.note(order, trees.as_deref_mut());
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
        let mut work = 0;
        while let Some(asked) = next.take() {
            work += 1;
            match &asked.question {
                Question::Order(order) => {
                    // The census holds all slabs.
                    census = None;
                    let order = *order;
                    let done = match ahead.more {
                        true => Err(Refusal::Repeating),
                        false => carry_out(&mut field, trees.as_deref_mut(), order)?,
                    };
                    match done {
                        Ok(()) => {
                            self.note(order, trees.as_deref_mut());
                            self.asked.push(asked);
                        }
                        Err(refusal) => asked.answer(Answer::Refused(refusal)),
                    }
                }
                Question::List(selection) => {
                    let census = census.get_or_insert_with(|| Census::new(ground, &names));
                    let listed = census.list(selection, at);
                    work += ground.plan.agents / AGENTS_LOOKED_AT;
                    asked.answer(Answer::Listed(listed));
                }
                Question::Tree { offset, limit } => {
                    census = None;
                    let part = (*offset, *limit);
                    let shown = branches::show(&field, trees.as_deref(), &names, part, at);
                    work += field.ground.plan.agents / AGENTS_LOOKED_AT;
                    asked.answer(Answer::Tree(shown));
                }
                Question::Inspect(id) => {
                    let census = census.get_or_insert_with(|| Census::new(ground, &names));
                    let answer = match census.inspect(*id, leases, at) {
                        Ok(inspected) => {
                            work +=
                                inspected.state.as_ref().map_or(0, Vec::len) as u64 / BYTES_SHOWN;
                            Answer::Inspected(Box::new(inspected))
                        }
                        Err(refusal) => Answer::Refused(refusal),
                    };
                    asked.answer(answer);
                }
            }
            if work < WORK_PER_TICK {
                next = self.desk.as_ref().and_then(|desk| desk.take());
            }
        }
        drop(census);
        self.names = names;
        Ok(repeats || self.count > 0)
    }

    /// What was ordered, and behind it what supervisors did about it.
    fn note(&mut self, order: Order, trees: Option<&mut Trees>) {
        let Order { verb, agent, uid } = order;
        trace::ordered(verb, agent, uid);
        Record::Order { verb, agent, uid }.encode(&mut self.records);
        self.count += 1;
        if let Some(trees) = trees {
            self.done_before(trees);
        }
    }

    /// What supervisors did stands in front of what is ordered from now on.
    pub(crate) fn done_before(&mut self, trees: &mut Trees) {
        self.count += trees.take_records(&mut self.records);
    }

    /// Whether something was done that is recorded in the tick that comes next.
    pub(crate) fn has_records(&self) -> bool {
        self.count > 0
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

fn carry_out<A: Agent>(
    field: &mut Field<'_, '_, A>,
    trees: Option<&mut Trees>,
    order: Order,
) -> Result<Result<(), Refusal>, RunError> {
    match trees {
        Some(trees) if order.verb == OrderVerb::Restart => trees.restart(field, order.agent),
        Some(_) | None => Ok(give(field.ground, order)),
    }
}

fn give<A: Agent>(ground: &Ground<'_, A>, order: Order) -> Result<(), Refusal> {
    let place = order.agent.0.checked_sub(1).ok_or(Refusal::Unknown)?;
    let slab = place / share(ground.plan.agents, ground.slabs.len());
    let slab = usize::try_from(slab).ok().and_then(|slab| ground.slabs.get(slab));
    lock(slab.ok_or(Refusal::Unknown)?).order(ground.plan, order.verb, order.agent)
}
