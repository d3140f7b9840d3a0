//! A run's pace: so many events a second, and no more.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// A run that falls behind its pace makes up for this much of it and no more.
const CATCHES_UP: Duration = Duration::from_secs(1);

/// When the next tick may begin. It changes when things happen and nothing of what happens.
pub(crate) struct Pace {
    per_second: Option<NonZeroU64>,
    /// The moment at which all events so far are paid for.
    due: Instant,
}

impl Pace {
    /// At most so many events a second; `None`: as fast as can be.
    pub(crate) fn new(per_second: Option<NonZeroU64>) -> Pace {
        Pace { per_second, due: Instant::now() }
    }

    /// So many events are to run at `now`.
    pub(crate) fn passed(&mut self, events: u64, now: Instant) {
        if let Some(per_second) = self.per_second {
            let nanos = u128::from(events) * 1_000_000_000 / u128::from(per_second.get());
            let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            let from = now.checked_sub(CATCHES_UP).map_or(self.due, |oldest| self.due.max(oldest));
            // Beyond what a clock can hold: as good as never.
            self.due = from.checked_add(cost).unwrap_or(from);
        }
    }

    /// How long the next tick still has to wait at `now`.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        self.per_second?;
        let rest = self.due.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_waited_for_and_at_most_a_second_is_made_up_for() {
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        let begin = pace.due;
        let after = |ms| begin + Duration::from_millis(ms);
        assert_eq!(pace.rest(begin), None);
        pace.passed(500, begin);
        assert_eq!(pace.rest(begin), Some(Duration::from_millis(500)));
        assert_eq!(pace.rest(after(500)), None);
        // A tick that took long: the next may come at once.
        pace.passed(500, after(800));
        assert_eq!(pace.rest(after(900)), Some(Duration::from_millis(100)));
        // Ten seconds later one second's worth is free, and not ten.
        pace.passed(1_500, after(11_000));
        assert_eq!(pace.rest(after(11_000)), Some(Duration::from_millis(500)));
        let mut free = Pace::new(None);
        free.passed(u64::MAX, begin);
        assert_eq!(free.rest(begin), None);
    }
}
