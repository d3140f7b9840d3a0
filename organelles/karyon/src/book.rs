//! What the library remembers for an agent: part of its encoded state, so that it comes back with
//! it, and of the state root.

use std::collections::{BTreeMap, BTreeSet};

use karyon_runtime::TimerId;
use serde::{Deserialize, Serialize};

use crate::address::Pid;

/// Outputs of a call, in this order: its timer, which names it, the question, the monitor.
pub(crate) const CALL_OUTPUTS: u16 = 3;

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Book {
    /// Whether its init was called.
    pub(crate) begun: bool,
    /// Calls under way, and whom they ask.
    waits: BTreeMap<TimerId, Pid>,
    /// Whom the agent itself monitors; the library monitors whom it calls.
    watched: BTreeSet<Pid>,
    /// The call that was denied last: the denials of its other outputs may follow, right behind.
    denied: Option<TimerId>,
}

/// What a denial is about.
pub(crate) enum Denied {
    /// It ends this call, and the call asked this agent.
    Call(TimerId, Pid),
    /// It belongs to a call that is ended already.
    Echo,
    /// Something else that the agent wanted.
    Own,
}

impl Book {
    pub(crate) fn wait(&mut self, call: TimerId, to: Pid) {
        self.waits.insert(call, to);
    }

    /// Ends a call; whom it asked, if it was under way.
    pub(crate) fn end(&mut self, call: TimerId) -> Option<Pid> {
        self.waits.remove(&call)
    }

    /// Ends all calls that asked this agent.
    pub(crate) fn end_all(&mut self, to: Pid) -> Vec<TimerId> {
        let ended: Vec<_> =
            self.waits.iter().filter(|(_, asked)| **asked == to).map(|(call, _)| *call).collect();
        for call in &ended {
            self.waits.remove(call);
        }
        ended
    }

    /// What was denied as this output.
    pub(crate) fn denial_of(&mut self, output: TimerId) -> Denied {
        let is_its = |call: &TimerId| {
            call.step == output.step
                && output.output.checked_sub(call.output).is_some_and(|n| n < CALL_OUTPUTS)
        };
        if self.denied.as_ref().is_some_and(is_its) {
            return Denied::Echo;
        }
        let last = self.waits.range(..=output).next_back().map(|(call, to)| (*call, *to));
        match last.filter(|(call, _)| is_its(call)) {
            Some((call, to)) => {
                self.waits.remove(&call);
                self.denied = Some(call);
                Denied::Call(call, to)
            }
            None => Denied::Own,
        }
    }

    /// No more denials of that call will follow.
    pub(crate) fn something_else_came(&mut self) {
        self.denied = None;
    }

    pub(crate) fn watch(&mut self, agent: Pid) {
        self.watched.insert(agent);
    }

    /// Whether the agent itself did monitor it.
    pub(crate) fn unwatch(&mut self, agent: Pid) -> bool {
        self.watched.remove(&agent)
    }

    /// Whether anybody still needs the monitor of this agent.
    pub(crate) fn needs(&self, agent: Pid) -> bool {
        self.watched.contains(&agent) || self.waits.values().any(|asked| *asked == agent)
    }
}
