//! The run's side of the desk: questions are answered and orders carried out between two ticks,
//! by the leader, while all schedulers wait.
//!
//! An order is in force from the beginning of the tick that comes next and recorded right behind
//! that tick's record and its changes of authority; whoever gave it hears of it once that is
//! recorded. A run that is repeated carries out what its log holds instead, at the same place.

use std::sync::Arc;

use karyon_log::{OrderVerb, Record};
use karyon_types::{AgentId, Tick};

use crate::agent::Agent;
use crate::births::Births;
use crate::census::{Census, Ground};
use crate::engine::lock;
use crate::error::RunError;
use crate::leases::Leases;
use crate::processes::{Answer, Asked, Desk, Order, Position, Question, Refusal};
use crate::recorder::Recorder;
use crate::scheduler::Layout;

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

/// What an order needs that brings an agent to life.
pub(crate) struct NewLife<'a> {
    pub(crate) births: &'a mut Births,
    pub(crate) leases: &'a mut Leases,
}

/// Answers questions and carries out orders.
pub(crate) struct Orders {
    desk: Option<Arc<Desk>>,
    layout: Layout,
    /// The records of what was ordered for the tick that comes next.
    records: Vec<u8>,
    count: u32,
    /// Who ordered it, and who came to life by that.
    asked: Vec<(Asked, Option<AgentId>)>,
}

impl Orders {
    pub(crate) fn new(desk: Option<Arc<Desk>>, layout: Layout) -> Orders {
        Orders { desk, layout, records: Vec::new(), count: 0, asked: Vec::new() }
    }

    /// Answers what waits; whether the tick that comes next has to run, whatever else is due.
    pub(crate) fn serve<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        life: &mut NewLife<'_>,
        recorder: &mut Recorder,
        last: Option<Tick>,
    ) -> Result<bool, RunError> {
        let ahead = recorder.ahead()?;
        let repeats = ahead.more || !ahead.orders.is_empty();
        for order in ahead.orders {
            // One that cannot be carried out is not recorded, and so found by the comparison.
            match self.carry_out(ground, life, order) {
                Ok(_) | Err(_) => {}
            }
        }
        // Nobody asks, mostly: one uncontended lock a tick.
        let mut next = self.desk.as_ref().and_then(|desk| desk.take());
        if next.is_none() {
            return Ok(repeats || self.count > 0);
        }
        let at = position(recorder, last);
        let mut answered = 0;
        while let Some(asked) = next.take() {
            next = match &asked.question {
                Question::Order(order) => {
                    let done = match ahead.more {
                        true => Err(Refusal::Repeating),
                        false => self.carry_out(ground, life, *order),
                    };
                    match done {
                        Ok(child) => self.asked.push((asked, child)),
                        Err(refusal) => asked.answer(Answer::Refused(refusal)),
                    }
                    self.another(&mut answered)
                }
                Question::List(_) | Question::Inspect(_) => {
                    self.tell(ground, life, at, asked, &mut answered)
                }
            };
        }
        Ok(repeats || self.count > 0)
    }

    fn another(&self, answered: &mut usize) -> Option<Asked> {
        *answered += 1;
        let more = *answered < ANSWERS_PER_TICK;
        self.desk.as_ref().filter(|_| more).and_then(|desk| desk.take())
    }

    /// Answers questions of one moment; the order that follows them, if there is one.
    fn tell<A: Agent>(
        &self,
        ground: &Ground<'_, A>,
        life: &NewLife<'_>,
        at: Position,
        first: Asked,
        answered: &mut usize,
    ) -> Option<Asked> {
        let mut census = Census::new(ground, &life.births.names);
        let mut next = Some(first);
        while let Some(asked) = next {
            match &asked.question {
                Question::Order(_) => return Some(asked),
                Question::List(selection) => {
                    let listed = census.list(selection, at);
                    asked.answer(Answer::Listed(listed));
                }
                Question::Inspect(id) => {
                    let answer = match census.inspect(*id, &life.leases.terms, at) {
                        Ok(inspected) => Answer::Inspected(Box::new(inspected)),
                        Err(refusal) => Answer::Refused(refusal),
                    };
                    asked.answer(answer);
                }
            }
            next = self.another(answered);
        }
        None
    }

    /// Carries out an order and records it; who came to life by it.
    fn carry_out<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        life: &mut NewLife<'_>,
        order: Order,
    ) -> Result<Option<AgentId>, Refusal> {
        let Order { verb, agent, uid } = order;
        let mut born = Vec::new();
        let child = match verb {
            OrderVerb::Fork => Some(life.births.fork(ground, life.leases, agent, &mut born)?),
            OrderVerb::Pause | OrderVerb::Resume | OrderVerb::Kill | OrderVerb::Restart => {
                let slab = self.layout.home(agent).and_then(|home| ground.slabs.get(home));
                lock(slab.ok_or(Refusal::Unknown)?).order(ground.plan, verb, agent)?;
                None
            }
        };
        Record::Order { verb, agent, uid }.encode(&mut self.records);
        self.records.append(&mut born);
        // A fork's lease and its beginning are a record each.
        self.count += 1 + 2 * u32::from(child.is_some());
        Ok(child)
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
            for (asked, child) in self.asked.drain(..) {
                asked.answer(child.map_or(Answer::Done(at), |child| Answer::Forked(at, child)));
            }
        }
    }
}

fn position(recorder: &Recorder, tick: Option<Tick>) -> Position {
    Position { tick, records: recorder.recorded(), provisional: !recorder.is_durable() }
}
