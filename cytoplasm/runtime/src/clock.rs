//! Real-valued time on ticks, for models of events: what happens next decides how far time goes.
//!
//! No schedule is needed for it: a run passes over ticks in which nothing is due. An agent keeps
//! the exact times in its state and in what it sends, and arms its timers by this clock.

use karyon_types::Tick;

/// How many ticks a unit of the model's time has.
///
/// A time becomes the tick that it lies in, rounded down; no error adds up as long as an agent
/// keeps the time itself. Events of one tick come in the order of the run's schedule, whatever
/// part of the tick they lie in, and what follows from an event at once comes a tick later: a
/// clock is fine enough when a tick in which two events fall that matter to each other is rare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    ticks: f64,
}

impl Clock {
    /// A clock with so many ticks a unit of time (at least one). 2²⁰, say: a resolution of a
    /// millionth, and times up to 2²⁸ for timers of at most 2⁴⁸ ticks.
    pub fn new(ticks_per_unit: u32) -> Clock {
        Clock { ticks: f64::from(ticks_per_unit.max(1)) }
    }

    /// The tick that `time` lies in; the first for a negative one, the last for one that is too
    /// far or no number.
    pub fn tick(&self, time: f64) -> Tick {
        let tick = (time * self.ticks).floor();
        Tick(if tick.is_nan() { u64::MAX } else { tick as u64 })
    }

    /// When `tick` begins.
    pub fn time(&self, tick: Tick) -> f64 {
        tick.0 as f64 / self.ticks
    }

    /// How many ticks behind `now` a timer fires that is to fire at `time`: at least one, as
    /// [`crate::Context::after`] takes it.
    pub fn until(&self, now: Tick, time: f64) -> u64 {
        self.tick(time).0.saturating_sub(now.0).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_lies_in_its_tick(time in 0.0f64..1e8, ticks_per_unit in 1u32..1 << 20) {
            let clock = Clock::new(ticks_per_unit);
            let tick = clock.tick(time);
            prop_assert!(clock.time(tick) <= time * (1.0 + f64::EPSILON));
            prop_assert!(time * (1.0 - f64::EPSILON) < clock.time(Tick(tick.0 + 1)));
        }
    }

    #[test]
    fn odd_times_have_a_tick() {
        let clock = Clock::new(10);
        assert_eq!(
            (clock.tick(-3.0), clock.tick(0.0), clock.tick(1.25)),
            (Tick(0), Tick(0), Tick(12))
        );
        assert_eq!(
            (clock.tick(f64::NAN), clock.tick(f64::INFINITY)),
            (Tick(u64::MAX), Tick(u64::MAX))
        );
        assert_eq!((clock.until(Tick(12), 1.25), clock.until(Tick(3), 1.25)), (1, 9));
    }
}
