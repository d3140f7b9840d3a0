//! What an agent asks the memory: what it keeps, and is told.

use karyon_memory_ops::{Memories, Vertex};
use karyon_runtime::TimerId;
use serde::{Deserialize, Serialize};

use crate::address::{AgentRef, Pid};

/// A question to the memory that is under way, which an agent keeps in its state until
/// [`Agent::recalled`](crate::Agent::recalled) brings the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recall(pub(crate) TimerId);

/// What the memory answers. To which question is found out by the [`Recall`] that the agent kept.
#[derive(Clone, Debug)]
pub struct Recalled {
    pub(crate) recall: TimerId,
    pub(crate) memories: Memories,
}

impl Recalled {
    /// The answer to this question; `None`: it is the answer to another one.
    pub fn to(&self, recall: Recall) -> Option<&Memories> {
        (self.recall == recall.0).then_some(&self.memories)
    }

    /// The same for one that may be under way, which it is not any more afterwards.
    pub fn take(&self, recall: &mut Option<Recall>) -> Option<&Memories> {
        let memories = self.to((*recall)?)?;
        *recall = None;
        Some(memories)
    }
}

impl From<Pid> for Vertex {
    fn from(agent: Pid) -> Vertex {
        Vertex::Agent(agent.id())
    }
}

impl<A> From<AgentRef<A>> for Vertex {
    fn from(agent: AgentRef<A>) -> Vertex {
        agent.pid().into()
    }
}
