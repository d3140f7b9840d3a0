//! What is on its way to an agent, and its mailbox of one tick: in which order messages are
//! admitted, and what is refused.

use karyon_arrangements::{Arrangement, Lane, TimerId};
use karyon_gate::Rights;
use karyon_log::{Cause, Loss, Message, Record};
use karyon_types::{AgentId, Denial, Tick};

use super::{Arrivals, Plan, Scheduler};
use crate::agent::{Agent, Deed, Event, Payload};
use crate::error::RunError;
use crate::pressure::{self, Refused};

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) to: AgentId,
    pub(super) message: Message,
    pub(super) what: What,
    pub(super) payload: Payload,
}

/// What an envelope brings. The news of what became of a wish goes to whoever had it.
#[derive(Clone, Copy)]
pub(super) enum What {
    Message(Lane),
    Denied(Denial, Deed),
    /// By the one to whom it was sent.
    Refused(AgentId, Refused),
}

impl Envelope {
    pub(super) fn cause(&self) -> Cause {
        match self.what {
            What::Message(_) => Cause::Message(self.message),
            What::Denied(..) | What::Refused(..) => Cause::Denial(self.message),
        }
    }

    /// What its receiver handles.
    pub(super) fn event(&self) -> Event<'_> {
        match self.what {
            What::Message(_) => Event::Message { from: self.message.from, payload: &self.payload },
            What::Denied(denial, deed) => Event::Denied { deed, denial, output: self.output() },
            What::Refused(to, why) => Event::Refused { to, why, output: self.output() },
        }
    }

    /// With which output it came about.
    pub(super) fn output(&self) -> TimerId {
        TimerId { step: self.message.step, output: self.message.output }
    }

    /// In which lane it waits.
    fn lane(&self) -> Lane {
        match self.what {
            What::Message(lane) => lane,
            What::Denied(..) | What::Refused(..) => Lane::Normal,
        }
    }

    /// Its lane, if it counts against the mailbox's bound.
    pub(super) fn counted(&self) -> Option<Lane> {
        match self.what {
            What::Message(lane) => Some(lane),
            What::Denied(..) | What::Refused(..) => None,
        }
    }
}

/// A receiver; in which lane and at which place of the inbox its message lies. The lane has the
/// upper two bits, so that sorting puts safety-critical messages first: a scheduler's inbox of one
/// tick is no longer than the rest can tell (some 100 GB).
pub(super) type Letter = (AgentId, u32);

const LANE_BITS: u32 = 30;

#[inline]
pub(super) fn letter(envelope: &Envelope, place: u32) -> Letter {
    (envelope.to, (envelope.lane() as u32) << LANE_BITS | place)
}

#[inline]
pub(super) fn place(letter: &Letter) -> usize {
    (letter.1 & ((1 << LANE_BITS) - 1)) as usize
}

/// The number of its lane.
#[inline]
pub(super) fn lane(letter: &Letter) -> u32 {
    letter.1 >> LANE_BITS
}

/// All letters of an inbox, as they lie there.
pub(super) fn letters(inbox: &[Envelope]) -> impl Iterator<Item = Letter> {
    inbox.iter().zip(0..).map(|(envelope, place)| letter(envelope, place))
}

/// Sorts what arrives in a tick by receiver and lane, and each lane as it came. What is sorted is
/// 16 bytes a message rather than the message.
#[derive(Default)]
pub(super) struct Sorter {
    /// By agent: how many letters it gets, then where the next of them goes.
    places: Vec<u32>,
}

/// With fewer letters than one for so many agents, it is quicker to compare them.
const SPARSE: usize = 4;

impl Sorter {
    /// Puts the letters of `inbox` into `order`, which is empty. The receivers are mostly among
    /// the `agents` whose serials begin with `first`.
    pub(super) fn sort(
        &mut self,
        order: &mut Vec<Letter>,
        inbox: &[Envelope],
        first: u64,
        agents: usize,
    ) {
        if inbox.len() < agents / SPARSE || !self.count(inbox, first, agents) {
            order.extend(letters(inbox));
            // Equal receivers stay in the order of arrival, since no two places are equal.
            order.sort_unstable();
            return;
        }
        let mut behind = 0;
        for place in &mut self.places {
            behind += std::mem::replace(place, behind);
        }
        order.resize(inbox.len(), (AgentId(0), 0));
        for letter in letters(inbox) {
            let place = self.places.get_mut((letter.0.0 - first) as usize);
            let Some(place) = place else { continue };
            if let Some(free) = order.get_mut(*place as usize) {
                *free = letter;
            }
            *place += 1;
        }
    }

    /// Counts the letters of each agent. `false`: they cannot be sorted by that, because some are
    /// for others, or not of the usual lane.
    fn count(&mut self, inbox: &[Envelope], first: u64, agents: usize) -> bool {
        self.places.clear();
        self.places.resize(agents, 0);
        inbox.iter().all(|envelope| {
            let place = envelope.to.0.wrapping_sub(first) as usize;
            let count = self.places.get_mut(place).filter(|_| envelope.lane() == Lane::Normal);
            count.map(|count| *count += 1).is_some()
        })
    }
}

/// What is needed to send in a lane: so that nobody escapes pressure by claiming importance.
#[inline]
pub(super) fn right(lane: Lane) -> Rights {
    match lane {
        Lane::Critical => Rights::SEND.and(Rights::CRITICAL),
        Lane::Normal | Lane::Speculative => Rights::SEND,
    }
}

impl<A: Agent> Scheduler<A> {
    /// Records the lane of the message that is the next output.
    pub(super) fn enter_lane(&mut self, id: AgentId, lane: Lane) {
        let mut what = Vec::new();
        Arrangement::Lane(lane).encode(&mut what);
        if let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) {
            slot.standing.record_free(&mut self.encoder, &what);
        }
    }

    /// Admits what the mailbox has room for, beside the `held` messages that wait in it because its
    /// agent is paused, and refuses the rest. `None`: that ends the run, to which a pause alone
    /// never leads.
    pub(super) fn admit_mail(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        held: u64,
        arrivals: &Arrivals<'_>,
    ) -> Option<Vec<Letter>> {
        let mut came = 0;
        let mut kept = Vec::with_capacity(arrivals.letters.len());
        for letter in arrivals.letters {
            let Some(envelope) = arrivals.inbox.get(place(letter)) else { continue };
            let admitted = match envelope.counted() {
                Some(lane @ Lane::Critical) => pressure::admits(&plan.limits, lane, came),
                Some(lane @ (Lane::Normal | Lane::Speculative)) => {
                    pressure::admits(&plan.limits, lane, held + came)
                }
                None => {
                    kept.push(*letter);
                    continue;
                }
            };
            match admitted {
                Ok(()) => {
                    came += 1;
                    kept.push(*letter);
                }
                Err(Some(why)) => self.refuse(id, envelope.message, why),
                Err(None) => {
                    let bound = plan.limits.messages_per_tick;
                    self.outcome.error = Some(RunError::MailboxBound { agent: id, tick, bound });
                    return None;
                }
            }
        }
        Some(kept)
    }

    /// Records that nobody handles something.
    pub(super) fn lose(&mut self, agent: AgentId, cause: Cause, loss: Loss) {
        Record::DeadLetter { agent, cause, loss }.encode(&mut self.outcome.records);
        self.outcome.count += 1;
        match cause {
            Cause::Message(_) if loss == Loss::Refused => {}
            Cause::Message(_) => self.counts.dead_lettered += 1,
            Cause::Input(_) => self.counts.inputs_lost += 1,
            // News of other kinds, and a timer; whence they come is counted.
            Cause::Denial(_)
            | Cause::Timer(_)
            | Cause::Down(_)
            | Cause::Exit(_)
            | Cause::Spawn(_)
            | Cause::Told(_) => {}
        }
    }

    /// Refuses a message, and tells its sender in the next tick.
    pub(super) fn refuse(&mut self, id: AgentId, message: Message, why: Refused) {
        self.lose(id, Cause::Message(message), Loss::Refused);
        self.counts.refused += 1;
        self.counts.refused_speculative += u64::from(why == Refused::LaneClosed);
        self.outcome.refused += 1;
        let (to, what) = (message.from, What::Refused(id, why));
        self.post(Envelope { to, message, what, payload: Payload::new() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn envelope(to: u64, lane: Lane) -> Envelope {
        let message = Message { from: AgentId(1), step: 0, output: 0 };
        Envelope { to: AgentId(to), message, what: What::Message(lane), payload: Payload::new() }
    }

    fn lane() -> impl Strategy<Value = Lane> {
        prop_oneof![40 => Just(Lane::Normal), 1 => Just(Lane::Critical), 1 => Just(Lane::Speculative)]
    }

    proptest! {
        #[test]
        fn counted_or_compared_the_order_is_the_same(
            inbox in prop::collection::vec((95u64..112, lane()), 0..60),
            agents in 0usize..300,
        ) {
            let inbox: Vec<_> = inbox.into_iter().map(|(to, lane)| envelope(to, lane)).collect();
            let mut expected: Vec<_> = letters(&inbox).collect();
            expected.sort_unstable();
            let (mut sorter, mut order) = (Sorter::default(), Vec::new());
            for _ in 0..2 {
                order.clear();
                sorter.sort(&mut order, &inbox, 100, agents);
                prop_assert_eq!(&order, &expected);
            }
        }
    }
}
