//! The run's side of the desk: questions are answered and orders carried out between two ticks,
//! by the leader, while all schedulers wait.
//!
//! An order is in force from the beginning of the tick that comes next and recorded right behind
//! that tick's record and its changes of authority; whoever gave it hears of it once that is
//! recorded. A run that is repeated carries out what its log holds instead, at the same place.

use std::sync::Arc;

use karyon_log::{Message, OrderVerb, Record};
use karyon_types::{AgentId, Tick};
use serde_bytes::ByteBuf;

use crate::agent::Agent;
use crate::births::Births;
use crate::branches;
use crate::census::{Census, Ground};
use crate::engine::lock;
use crate::error::RunError;
use crate::leases::Leases;
use crate::processes::{Answer, Asked, Desk, Order, Position, Question, Refusal};
use crate::recorder::Recorder;
use crate::scheduler::Layout;
use crate::snapshot::SavedOrders;
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
    /// First and last of those who are lost in the tick that comes next, as it is recorded.
    pub(crate) lost: Vec<(AgentId, AgentId)>,
    /// Of a log that is repeated: what agents are told of their effects in the tick that comes next.
    pub(crate) receipts: Vec<(Message, Box<[u8]>)>,
}

impl Orders {
    pub(crate) fn new(desk: Option<Arc<Desk>>, layout: Layout) -> Orders {
        let (records, asked) = (Vec::new(), Vec::new());
        let (lost, receipts) = (Vec::new(), Vec::new());
        Orders { desk, layout, records, count: 0, asked, lost, receipts }
    }

    /// Answers what waits; whether the tick that comes next has to run, whatever else is due.
    pub(crate) fn serve<A: Agent>(
        &mut self,
        mut field: Field<'_, '_, A>,
        mut trees: Option<&mut Trees>,
        life: &mut NewLife<'_>,
        recorder: &mut Recorder,
        last: Option<Tick>,
    ) -> Result<bool, RunError> {
        let ahead = recorder.ahead()?;
        let repeats = ahead.more || !ahead.orders.is_empty();
        (self.lost, self.receipts) = (ahead.lost, ahead.receipts);
        for order in ahead.orders {
            // One that cannot be carried out is not recorded, and so found by the comparison.
            match self.carry_out(&mut field, trees.as_deref_mut(), life, order)? {
                Ok(_) | Err(_) => {}
            }
        }
        // Nobody asks, mostly: one uncontended lock a tick.
        let mut next = self.desk.as_ref().and_then(|desk| desk.take());
        if next.is_none() {
            return Ok(repeats || self.count > 0);
        }
        let at = position(recorder, last);
        let mut work = 0;
        while let Some(asked) = next.take() {
            next = match &asked.question {
                Question::Order(order) => {
                    let done = match ahead.more {
                        true => Err(Refusal::Repeating),
                        false => self.carry_out(&mut field, trees.as_deref_mut(), life, *order)?,
                    };
                    match done {
                        Ok(child) => self.asked.push((asked, child)),
                        Err(refusal) => asked.answer(Answer::Refused(refusal)),
                    }
                    work += 1;
                    self.another(work)
                }
                Question::Tree { offset, limit } => {
                    let (part, names) = ((*offset, *limit), &life.births.names);
                    let shown = branches::show(&field, trees.as_deref(), names, part, at);
                    asked.answer(Answer::Tree(shown));
                    work += 1 + names.len() as u64 / AGENTS_LOOKED_AT;
                    self.another(work)
                }
                Question::List(_) | Question::Inspect(_) => {
                    self.tell(field.ground, life, at, asked, &mut work)
                }
            };
        }
        Ok(repeats || self.count > 0)
    }

    /// What is asked next, unless `work` is enough between two ticks.
    fn another(&self, work: u64) -> Option<Asked> {
        self.desk.as_ref().filter(|_| work < WORK_PER_TICK).and_then(|desk| desk.take())
    }

    /// Answers questions of one moment about agents; what follows them, if there is something.
    fn tell<A: Agent>(
        &self,
        ground: &Ground<'_, A>,
        life: &NewLife<'_>,
        at: Position,
        first: Asked,
        work: &mut u64,
    ) -> Option<Asked> {
        let mut census = Census::new(ground, &life.births.names);
        let mut next = Some(first);
        while let Some(asked) = next {
            match &asked.question {
                Question::Order(_) | Question::Tree { .. } => return Some(asked),
                Question::List(selection) => {
                    let listed = census.list(selection, at);
                    *work += life.births.names.len() as u64 / AGENTS_LOOKED_AT;
                    asked.answer(Answer::Listed(listed));
                }
                Question::Inspect(id) => {
                    let answer = match census.inspect(*id, &life.leases.terms, at) {
                        Ok(inspected) => {
                            let shown = inspected.state.as_ref().map_or(0, Vec::len) as u64;
                            *work += shown / BYTES_SHOWN;
                            Answer::Inspected(Box::new(inspected))
                        }
                        Err(refusal) => Answer::Refused(refusal),
                    };
                    asked.answer(answer);
                }
            }
            *work += 1;
            next = self.another(*work);
        }
        None
    }

    /// Carries out an order and records it, and behind it what supervisors did about it; who came
    /// to life by it.
    fn carry_out<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        mut trees: Option<&mut Trees>,
        life: &mut NewLife<'_>,
        order: Order,
    ) -> Result<Result<Option<AgentId>, Refusal>, RunError> {
        let (ground, Order { verb, agent, uid }) = (field.ground, order);
        let mut born = Vec::new();
        let done = match (verb, trees.as_deref_mut()) {
            (OrderVerb::Fork, _) => {
                life.births.fork(ground, life.leases, agent, &mut born).map(Some)
            }
            (OrderVerb::Restart, Some(trees)) if trees.supervises(agent) => {
                trees.restart(field, agent)?.map(|()| None)
            }
            (OrderVerb::Pause | OrderVerb::Resume | OrderVerb::Kill | OrderVerb::Restart, _) => {
                self.give(ground, order).map(|()| None)
            }
        };
        if let Ok(child) = done {
            trace::ordered(verb, agent, uid);
            Record::Order { verb, agent, uid }.encode(&mut self.records);
            self.records.append(&mut born);
            // A fork's lease and its beginning are a record each.
            self.count += 1 + 2 * u32::from(child.is_some());
            if let Some(trees) = trees {
                self.done_before(trees);
            }
        }
        Ok(done)
    }

    fn give<A: Agent>(&self, ground: &Ground<'_, A>, order: Order) -> Result<(), Refusal> {
        let slab = self.layout.home(order.agent).and_then(|home| ground.slabs.get(home));
        lock(slab.ok_or(Refusal::Unknown)?).order(ground.plan, order.verb, order.agent)
    }

    /// Whether nobody ordered anything since the tick that was recorded last.
    pub(crate) fn is_untouched(&self) -> bool {
        self.asked.is_empty()
    }

    /// What supervisors did, for a snapshot.
    pub(crate) fn save(&self) -> SavedOrders {
        let Orders {
            // Whoever asks from outside asks again.
            desk: _,
            layout: _,
            asked: _,
            // Read ahead of each tick.
            lost: _,
            receipts: _,
            records,
            count,
        } = self;
        SavedOrders { records: ByteBuf::from(records.clone()), count: *count }
    }

    pub(crate) fn load(&mut self, saved: SavedOrders) {
        let SavedOrders { records, count } = saved;
        (self.records, self.count) = (records.into_vec(), count);
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
            for (asked, child) in self.asked.drain(..) {
                asked.answer(child.map_or(Answer::Done(at), |child| Answer::Forked(at, child)));
            }
        }
    }
}

fn position(recorder: &Recorder, tick: Option<Tick>) -> Position {
    Position { tick, records: recorder.recorded(), provisional: !recorder.is_durable() }
}
