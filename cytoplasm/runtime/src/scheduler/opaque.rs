//! Agents whose steps nobody can execute: in a run that is repeated without the keys of a subject.

use karyon_arrangements::ExitReason;
use karyon_log::{Cause, CrashKind, Message};
use karyon_types::{AgentId, Denial};

use super::attempt::Fault;
use super::{Plan, Scheduler};
use crate::agent::{Agent, Context, Deed};
use crate::standing::Wanted;
use crate::subjects::{Closed, Custody, Opaque};

/// A step as it is recorded: what the agent wished for, or how it failed.
#[cold]
pub(super) fn recorded_step(
    custody: Option<&Custody>,
    context: &mut Context<'_>,
    attempt: u32,
    chaos: bool,
) -> Option<Fault> {
    let (custody, (me, step)) = (custody?, (context.me, context.step));
    let crash = custody.crash(me, step, attempt);
    match crash {
        // Chaos strikes whatever the step did, but one that failed by itself.
        Some(crash) if chaos || crash != CrashKind::Chaos => {
            let words = if crash == CrashKind::Chaos { "chaos" } else { "panic" };
            Some(Box::new((crash, ExitReason::failure(words))))
        }
        // What cannot be is no step at all, and the comparison says so.
        Some(_) => None,
        None if chaos => None,
        None => {
            custody.wishes(me, step, context.wishes);
            None
        }
    }
}

impl<A: Agent> Scheduler<A> {
    /// Whether an agent that handles this is opaque, or becomes so.
    #[cold]
    pub(super) fn is_opaque(&mut self, plan: &Plan<A>, id: AgentId, cause: &Cause) -> bool {
        let Some(custody) = plan.custody.as_deref() else { return false };
        if custody.first_closed().is_none() || self.outcome.error.is_some() {
            return false;
        }
        if self.opaque.agents.contains_key(&id) {
            return true;
        }
        let is_there = self.slot(id).is_some_and(|slot| slot.agent.is_some());
        let why = match (custody.closed(id), cause) {
            _ if !is_there => return false,
            (Some(closed), _) => Some(closed),
            (None, Cause::Down(by) | Cause::Exit(by)) if custody.is_wordless(by) => None,
            (None, _) => return false,
        };
        self.be_opaque(id, why);
        true
    }

    /// From now on nobody knows what an agent knows.
    pub(crate) fn be_opaque(&mut self, id: AgentId, why: Option<(u64, Closed)>) {
        self.opaque.agents.insert(id, why);
    }

    /// Why an agent is opaque, if it is.
    pub(crate) fn opaque_as(&self, id: AgentId) -> Option<Option<(u64, Closed)>> {
        self.opaque.agents.get(&id).copied()
    }

    /// What was not executed here.
    pub(crate) fn opaque(&self) -> &Opaque {
        &self.opaque
    }

    /// A step failed that was not executed: its words are not recorded.
    #[cold]
    pub(super) fn fail_opaquely(&self, plan: &Plan<A>, by: Message, crash: CrashKind) {
        if let (Some(custody), CrashKind::Error) = (&plan.custody, crash) {
            custody.end_wordless(by);
        }
    }

    /// An agent ends because another one did, in the same words.
    pub(super) fn end_likewise(&self, plan: &Plan<A>, id: AgentId, cause: &Cause) {
        if let (Some(custody), Cause::Exit(by)) = (&plan.custody, cause)
            && custody.is_wordless(by)
            && let Some(slot) = self.slot(id)
        {
            let step = slot.steps.saturating_sub(1);
            custody.end_wordless(Message { from: id, step, output: 0 });
        }
    }

    /// Records one more of a row of denials, of which the log does not say what was wanted.
    #[cold]
    pub(super) fn deny_again(&mut self, plan: &Plan<A>, message: Message, denial: Denial) {
        let Some(slot) = self.slots.get_mut((message.from.0 - self.first) as usize) else { return };
        let (deed, budget) = (Deed::Remember, plan.limits.log_bytes_per_lease);
        let wanted = Wanted { deed, bytes: &[] };
        let denied = slot.standing.record(&mut self.encoder, Err(denial), budget, wanted);
        self.tell(message, denied.err().unwrap_or(denial), deed);
    }
}
