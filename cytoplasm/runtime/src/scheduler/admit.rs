//! What a good step wants: asked of the gate, recorded, and sent on its way.

use karyon_arrangements::{Arrangement, ExitReason, Lane};
use karyon_gate::{Handle, Request, Rights};
use karyon_log::limits::RECORD_BYTES_MAX;
use karyon_log::{Cause, Message, Output};
use karyon_types::{AgentId, Denial, LeaseId, Tick};

use super::{Envelope, Plan, Scheduler, What, mailbox};
use crate::agent::{Agent, Deed, Payload, Wish};
use crate::error::RunError;
use crate::standing::Wanted;

impl<A: Agent> Scheduler<A> {
    /// Admits what a good step wants, and records the step. Returns whether the mailbox is gone.
    pub(super) fn admit(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        step: u64,
        cause: &Cause,
        lease: Option<Handle>,
    ) -> bool {
        let limits = plan.limits;
        let wished = self.wishes.count;
        if wished > limits.outputs_per_step {
            let bound = limits.outputs_per_step;
            self.outcome.error = Some(RunError::OutputBound { agent: id, tick, bound });
            return false;
        }
        self.encoder.begin(id, step, cause, wished as usize);
        let mut outputs = std::mem::take(&mut self.wishes.outputs);
        let mut memory = std::mem::take(&mut self.wishes.memory);
        let mut begin = 0;
        let mut lane = Lane::Normal;
        for (index, wish) in outputs.drain(..).enumerate() {
            let message = Message { from: id, step, output: index as u16 };
            match wish {
                Wish::Send(to, payload) => {
                    let lane = std::mem::take(&mut lane);
                    self.admit_message(plan, tick, message, lease, (lane, to), payload);
                }
                Wish::Lane(next) => {
                    lane = next;
                    self.enter_lane(id, lane);
                }
                Wish::Remember { end } => {
                    let write = memory.get(begin..end).unwrap_or_default();
                    self.admit_memory(plan, tick, message, lease, write);
                    begin = end;
                }
                Wish::Arrange { end } => {
                    let what = memory.get(begin..end).unwrap_or_default();
                    self.arrange(plan, tick, message, lease, what);
                    begin = end;
                }
                Wish::DeniedAgain(denial) => {
                    lane = Lane::Normal;
                    self.deny_again(plan, message, denial);
                }
            }
        }
        // Their space is used again by the next step.
        memory.clear();
        self.wishes.outputs = outputs;
        self.wishes.memory = memory;
        let exit = self.wishes.exit.take();
        match &exit {
            None => {}
            Some(ExitReason::Normal) => self.encoder.output(&Output::Exit),
            Some(reason) => {
                let by = Message { from: id, step, output: wished.saturating_sub(1) as u16 };
                let mut what = Vec::new();
                match plan.custody.as_ref().and_then(|custody| custody.exit(by, reason)) {
                    Some(sealed) => what = sealed,
                    None => Arrangement::Exit(reason.clone()).encode(&mut what),
                }
                self.encoder.output(&Output::Arranged { lease: None, what: &what });
            }
        }
        if self.encoder.len() > RECORD_BYTES_MAX {
            self.outcome.error = Some(RunError::RecordBound { agent: id, tick });
            return false;
        }
        self.encoder.finish(&mut self.outcome.records);
        self.outcome.count += 1;
        self.counts.steps += 1;
        if let Cause::Message(_) = cause {
            self.counts.delivered += 1;
        }
        exit.is_some_and(|reason| {
            let by = Message { from: id, step, output: wished.saturating_sub(1) as u16 };
            self.exit(plan, by, reason)
        })
    }

    #[inline]
    fn admit_message(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        message: Message,
        lease: Option<Handle>,
        (lane, to): (Lane, AgentId),
        payload: Payload,
    ) {
        self.counts.sent += 1;
        let deed = Deed::Send(to);
        let sealed = match &plan.custody {
            None => None,
            Some(custody) => custody.message(message, to, &payload),
        };
        let wanted = Wanted { deed, bytes: sealed.as_deref().unwrap_or(&payload) };
        match self.ask(plan, tick, message.from, lease, (mailbox::right(lane), to), wanted) {
            Ok(_) => self.send(to, message, lane, payload),
            Err(denial) => {
                self.counts.denied += 1;
                self.tell(message, denial, deed);
            }
        }
    }

    fn admit_memory(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        message: Message,
        lease: Option<Handle>,
        write: &[u8],
    ) {
        let custody = plan.custody.as_ref().filter(|_| self.opaque_as(message.from).is_none());
        let sealed = custody.and_then(|custody| custody.memory(message, write));
        let write = sealed.as_deref().unwrap_or(write);
        let wanted = Wanted { deed: Deed::Remember, bytes: write };
        // An agent remembers under its own name.
        let target = (Rights::REMEMBER, message.from);
        match self.ask(plan, tick, message.from, lease, target, wanted) {
            Ok(_) => {
                self.counts.remembered += 1;
                self.outcome.remembered = true;
            }
            Err(denial) => {
                self.counts.forgone += 1;
                self.tell(message, denial, Deed::Remember);
            }
        }
    }

    /// Asks the gate, and records what comes of the wish.
    #[inline]
    fn ask(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        id: AgentId,
        lease: Option<Handle>,
        (right, target): (Rights, AgentId),
        wanted: Wanted<'_>,
    ) -> Result<LeaseId, Denial> {
        let request = Request { agent: id, right, target: target.0, now: tick };
        let decision = plan.gate.check(lease, &request);
        let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else {
            // Whoever does a step has a place; nothing happens that is not recorded.
            return Err(Denial::UnknownLease);
        };
        let budget = plan.limits.log_bytes_per_lease;
        slot.standing.record(&mut self.encoder, decision, budget, wanted)
    }

    /// The scheduler of an agent. The gate's scope ends with the last that may come to life.
    #[inline]
    pub(super) fn home(&self, id: AgentId) -> usize {
        if id.0.wrapping_sub(self.first) < self.share {
            return self.number;
        }
        let scheduler = ((id.0 - 1) / self.share) as usize;
        if scheduler < self.outbox.len() { scheduler } else { self.home_of_later(id) }
    }

    #[inline]
    pub(super) fn send(&mut self, to: AgentId, message: Message, lane: Lane, payload: Payload) {
        self.post(Envelope { to, message, what: What::Message(lane), payload });
    }

    /// Tells the agent in the next tick what it was denied.
    pub(super) fn tell(&mut self, message: Message, denial: Denial, deed: Deed) {
        let (to, what) = (message.from, What::Denied(denial, deed));
        self.post(Envelope { to, message, what, payload: Payload::new() });
    }

    /// Puts an envelope where its receiver's scheduler finds it.
    #[inline]
    pub(super) fn post(&mut self, envelope: Envelope) {
        let scheduler = self.home(envelope.to);
        let Some(outbox) = self.outbox.get_mut(scheduler) else { return };
        self.outcome.sent += 1;
        match &mut self.boxes {
            Some(boxes) if scheduler == self.number && !boxes.follows => boxes.post(envelope),
            Some(_) | None => outbox.push(envelope),
        }
    }
}
