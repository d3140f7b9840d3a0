//! A schedule's place in the log, and the order of turns that it draws.

use std::sync::Mutex;

use karyon_arrangements::{Schedule, Turns};
use karyon_log::{Record, Records};
use karyon_types::{AgentId, Tick};

use crate::draws::mix;
use crate::engine::lock;
use crate::error::RunError;
use crate::recorder::{RecordError, Recorder};
use crate::scheduler::{Plan, TickOutcome};

/// Keeps what is drawn for turns apart from what agents draw.
const TURNS: u64 = 0x7475_726e_735f_3031;

/// The order in which agents take their turns in one tick: that of their ranks. No two have the
/// same. It is an order of all agents, and costs only those who have something to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    key: u64,
}

impl Order {
    pub(crate) fn of(schedule: &Schedule, tick: Tick) -> Order {
        let drawn_at = match schedule.turns() {
            Turns::Simultaneous | Turns::Random | Turns::Free => tick.0,
            Turns::RandomByStep => schedule.round(tick),
        };
        Order { key: mix(mix(schedule.seed() ^ TURNS) ^ mix(drawn_at)) }
    }

    #[inline]
    pub(crate) fn rank(self, agent: AgentId) -> u64 {
        mix(self.key ^ mix(agent.0))
    }
}

/// Records how the agents of the run that begins take turns. The usual way is not recorded, so
/// that logs stay what they were.
pub(crate) fn record(schedule: &Schedule, recorder: &mut Recorder) -> Result<(), RunError> {
    if *schedule == Schedule::default() {
        return Ok(());
    }
    let (mut bytes, mut record) = (Vec::new(), Vec::new());
    schedule.encode(&mut bytes);
    Record::Schedule(&bytes).encode(&mut record);
    Ok(recorder.append(&record, 1)?)
}

/// What began differently from the log, which was of a run with another schedule, is told as that.
pub(crate) fn named(error: RunError, here: &Schedule) -> RunError {
    let RunError::Record(RecordError::Diverged(first)) = &error else { return error };
    let said = |record: &Option<Vec<u8>>| {
        let record = Records::new(record.as_ref()?).next()?;
        match record {
            Some(Record::Schedule(bytes)) => Schedule::decode(bytes),
            Some(_) | None => None,
        }
    };
    match (said(&first.expected), said(&first.got)) {
        (None, None) => error,
        (recorded, _) => RunError::Schedule { recorded: recorded.unwrap_or_default(), here: *here },
    }
}

/// Records how many agents a tick activated because it activates all; `None`: it does not.
pub(crate) fn activated<A>(
    plan: &Plan<A>,
    tick: Tick,
    outcomes: &[Mutex<TickOutcome>],
    framing: &mut Vec<u8>,
) -> Option<u64> {
    plan.inputs.everybody(tick)?;
    let activated = |outcome: &Mutex<TickOutcome>| std::mem::take(&mut lock(outcome).activated);
    let count = outcomes.iter().map(activated).sum();
    Record::Input { batch: tick.0, count }.encode(framing);
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each agent comes first as often as any other, and before any other as often as after it:
    /// chi-square with 19 degrees of freedom, p = 0.001; five standard errors.
    #[test]
    fn the_order_is_fair() {
        let schedule = Schedule::sequential_random(20_261_121);
        let (agents, ticks) = (20u64, 20_000u64);
        let (mut first, mut before) = (vec![0u64; 20], 0u64);
        for tick in 0..ticks {
            let order = Order::of(&schedule, Tick(tick));
            let earliest = (1..=agents).min_by_key(|agent| order.rank(AgentId(*agent))).unwrap();
            first[earliest as usize - 1] += 1;
            before += u64::from(order.rank(AgentId(3)) < order.rank(AgentId(4)));
        }
        let expected = (ticks / agents) as f64;
        let chi: f64 = first.iter().map(|n| (*n as f64 - expected).powi(2) / expected).sum();
        assert!(chi < 43.82, "{chi}: {first:?}");
        assert!((before as f64 - 10_000.0).abs() < 5.0 * 5_000f64.sqrt(), "{before}");
    }

    #[test]
    fn the_order_is_drawn_for_a_tick_or_for_a_step() {
        let ranks = |schedule: &Schedule, tick| {
            let order = Order::of(schedule, Tick(tick));
            [1, 2, 3].map(|agent| order.rank(AgentId(agent)))
        };
        let each = Schedule::staged(2).shuffled(5);
        assert_ne!(ranks(&each, 0), ranks(&each, 1));
        let by_step = Schedule::staged(2).shuffled_by_step(5);
        assert_eq!(ranks(&by_step, 2), ranks(&by_step, 3));
        assert_ne!(ranks(&by_step, 1), ranks(&by_step, 2));
        assert_ne!(ranks(&by_step, 0), ranks(&by_step.seeded(6), 0));
    }
}
