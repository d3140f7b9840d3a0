//! What all schedulers know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use karyon_arrangements::Schedule;
use karyon_gate::Gate;
use karyon_types::AgentId;

use super::newborn::{self, Origins};
use crate::chaos::Chaos;
use crate::effects::Permit;
use crate::input::InputSource;
use crate::registry::Board;
use crate::space::Common;
use crate::subjects::{Closed, Custody};
use crate::terms::{Born, Limits};

/// What all schedulers share and none changes.
pub(crate) struct Plan<A> {
    pub(crate) gate: Arc<Gate>,
    pub(crate) inputs: Arc<dyn InputSource>,
    pub(crate) init: Arc<dyn Fn(AgentId) -> A + Send + Sync>,
    pub(crate) chaos: Chaos,
    pub(crate) limits: Limits,
    pub(crate) schedule: Schedule,
    /// Agents of the scenario are numbered from 1 to this.
    pub(crate) agents: u64,
    /// These stand in a tree: what becomes of one that ended is decided behind the tick.
    pub(crate) supervised: bool,
    pub(crate) born: Option<Born<A>>,
    /// Whether there is a memory that can be asked.
    pub(crate) recalls: bool,
    /// What agents may do outside.
    pub(crate) permits: Vec<Permit>,
    /// How many agents spawned so far; changed between two ticks only, as is the next.
    pub(crate) spawned: AtomicU64,
    /// The serial of the agent that came to life last.
    pub(crate) last: AtomicU64,
    /// Likewise, who has which name.
    pub(crate) names: Board,
    /// And what all see.
    pub(crate) space: Common,
    /// `None`: no agent belongs to a subject.
    pub(crate) custody: Option<Box<Custody>>,
}

impl<A> Plan<A> {
    pub(crate) fn set_born(&self, spawned: u64, last: u64) {
        self.spawned.store(spawned, Ordering::Relaxed);
        self.last.store(last, Ordering::Relaxed);
    }

    /// Whoever comes to life belongs to the subject of whom it comes from.
    pub(crate) fn adopt(&self, child: AgentId, from: AgentId) {
        if let Some(custody) = &self.custody {
            custody.adopt(child, from);
        }
    }

    /// The subject of an agent, if its keys are not to be had, and why.
    pub(crate) fn closed(&self, id: AgentId) -> Option<(u64, Closed)> {
        self.custody.as_ref()?.closed(id)
    }

    /// The serial of the agent that came to life last, as it was when the tick began.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Whether one more may come to life, as far as was known when the tick began.
    pub(crate) fn may_spawn(&self) -> bool {
        self.born.is_some() && self.spawned.load(Ordering::Relaxed) < self.limits.spawned
    }

    /// Whether an agent stands in a tree: all of the scenario's do, if there is one, and of the
    /// others those that were added to it.
    pub(super) fn supervises(&self, origins: &Origins, id: AgentId) -> bool {
        self.supervised && (id.0 <= self.agents || newborn::is_supervised(origins, id))
    }
}
