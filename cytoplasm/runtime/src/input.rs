//! External inputs: what the world outside tells the agents, by tick.

use karyon_types::{AgentId, Tick};

/// One input on its way to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputItem {
    /// Who gets it.
    pub receiver: AgentId,
    /// Its place in the inputs that genesis holds.
    pub index: u32,
}

/// What is released at one tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// Counted from 0; means nothing when there are no items.
    pub number: u64,
    /// Ordered by receiver.
    pub items: &'a [InputItem],
}

/// Where a run's external inputs come from. Agents do no I/O, so this is part of the runtime,
/// and a function of the tick alone.
pub trait InputSource: Send + Sync {
    /// What is released at `tick`.
    fn released(&self, tick: Tick) -> Batch<'_>;

    /// Writes what the input says to the end of `out`.
    fn payload(&self, index: u32, out: &mut Vec<u8>);

    /// The first tick from which on nothing is released any more.
    fn ends(&self) -> Tick;
}
