//! What is on its way to an agent, and its mailbox of one tick: in which order messages are
//! admitted, and what is refused.

use karyon_arrangements::{Arrangement, Lane, TimerId};
use karyon_gate::Rights;
use karyon_log::{Cause, Loss, Message};
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

    /// Refuses a message, and tells its sender in the next tick.
    pub(super) fn refuse(&mut self, id: AgentId, message: Message, why: Refused) {
        self.lose(id, Cause::Message(message), Loss::Refused);
        self.counts.refused += 1;
        self.counts.refused_speculative += u64::from(why == Refused::LaneClosed);
        self.outcome.refused += 1;
        let to = message.from;
        let home = self.home(to);
        if let Some(outbox) = self.outbox.get_mut(home) {
            outbox.push(Envelope {
                to,
                message,
                what: What::Refused(id, why),
                payload: Payload::new(),
            });
            self.outcome.sent += 1;
        }
    }
}
