//! What a good step wants: asked of the gate, recorded, and sent on its way.

use karyon_arrangements::{Arrangement, ExitReason, Lane};
use karyon_gate::{Handle, Request, Rights};
use karyon_log::limits::RECORD_BYTES_MAX;
use karyon_log::{Cause, Message, Output};
use karyon_types::{AgentId, Denial, Tick};

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
        cause: Cause,
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
            let (right, target) = match &wish {
                Wish::Send(to, _) => (mailbox::right(lane), to.0),
                Wish::Lane(next) => {
                    lane = *next;
                    self.enter_lane(id, lane);
                    continue;
                }
                // An agent remembers under its own name.
                Wish::Remember { .. } => (Rights::REMEMBER, id.0),
                Wish::Arrange { end } => {
                    let what = memory.get(begin..*end).unwrap_or_default();
                    self.arrange(plan, tick, message, lease, what);
                    begin = *end;
                    continue;
                }
            };
            let request = Request { agent: id, right, target, now: tick };
            let decision = plan.gate.check(lease, &request);
            let Some(slot) = self.slots.get_mut((id.0 - self.first) as usize) else { break };
            let mut record = |wanted: Wanted<'_>| {
                slot.standing.record(
                    &mut self.encoder,
                    decision,
                    limits.log_bytes_per_lease,
                    wanted,
                )
            };
            match wish {
                Wish::Send(to, payload) => {
                    let deed = Deed::Send(to);
                    let decision = record(Wanted { deed, bytes: &payload });
                    self.counts.sent += 1;
                    match decision {
                        Ok(_) => self.send(to, message, std::mem::take(&mut lane), payload),
                        Err(denial) => {
                            self.counts.denied += 1;
                            lane = Lane::Normal;
                            self.tell(message, denial, deed);
                        }
                    }
                }
                Wish::Remember { end } => {
                    let deed = Deed::Remember;
                    let bytes = memory.get(begin..end).unwrap_or_default();
                    begin = end;
                    match record(Wanted { deed, bytes }) {
                        Ok(_) => self.counts.remembered += 1,
                        Err(denial) => {
                            self.counts.forgone += 1;
                            self.tell(message, denial, deed);
                        }
                    }
                }
                Wish::Arrange { .. } | Wish::Lane(_) => {}
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
                let mut what = Vec::new();
                Arrangement::Exit(reason.clone()).encode(&mut what);
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

    /// The scheduler of an agent. The gate's scope ends with the last that may come to life.
    #[inline]
    pub(super) fn home(&self, id: AgentId) -> usize {
        let scheduler = ((id.0 - 1) / self.share) as usize;
        if scheduler < self.outbox.len() { scheduler } else { self.home_of_later(id) }
    }

    #[inline]
    pub(super) fn send(&mut self, to: AgentId, message: Message, lane: Lane, payload: Payload) {
        let scheduler = self.home(to);
        if let Some(outbox) = self.outbox.get_mut(scheduler) {
            outbox.push(Envelope { to, message, what: What::Message(lane), payload });
            self.outcome.sent += 1;
        }
    }

    /// Tells the agent in the next tick what it was denied.
    pub(super) fn tell(&mut self, message: Message, denial: Denial, deed: Deed) {
        let mine = self.home(message.from);
        if let Some(outbox) = self.outbox.get_mut(mine) {
            let (to, what) = (message.from, What::Denied(denial, deed));
            outbox.push(Envelope { to, message, what, payload: Payload::new() });
            self.outcome.sent += 1;
        }
    }
}
