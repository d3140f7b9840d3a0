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

    /// Whether `tick` activates all agents, beside what it releases: each that lives and is not
    /// paused gets an input of its own behind the others. The number of the first agent's; those
    /// of the others follow in the order of their serials, and none may be given twice in a run.
    fn everybody(&self, _tick: Tick) -> Option<u32> {
        None
    }
}

/// Activates all agents every tick, or every so many: each gets an input that says nothing. A
/// paused agent misses what comes meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EveryTick {
    agents: u64,
    times: u64,
    each: u64,
}

impl EveryTick {
    /// Activates each of `agents` agents `times` times, at tick 0 and every tick that follows.
    /// `None`: that would be more than the 2³² inputs that a run can have; have agents arm
    /// intervals instead ([`crate::Context::interval`]).
    pub fn new(agents: u64, times: u64) -> Option<EveryTick> {
        let inputs = agents.checked_mul(times)?;
        (inputs <= 1 << 32).then_some(EveryTick { agents, times, each: 1 })
    }

    /// At tick 0 and every `ticks`th that follows (at least one): the stages of a step, say.
    pub fn each(self, ticks: u64) -> EveryTick {
        EveryTick { each: ticks.max(1), ..self }
    }
}

impl InputSource for EveryTick {
    fn released(&self, _: Tick) -> Batch<'_> {
        Batch::default()
    }

    fn payload(&self, _: u32, _: &mut Vec<u8>) {}

    fn ends(&self) -> Tick {
        Tick(self.times.checked_sub(1).map_or(0, |last| last * self.each + 1))
    }

    fn everybody(&self, tick: Tick) -> Option<u32> {
        let time = tick.0 / self.each;
        let is_now = tick.0.is_multiple_of(self.each) && time < self.times;
        is_now.then_some((time * self.agents) as u32)
    }
}
