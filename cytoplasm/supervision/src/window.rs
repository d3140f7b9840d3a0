//! The restart intensity: how many restarts within how many ticks.

use std::collections::VecDeque;

use karyon_types::Tick;
use serde::{Deserialize, Serialize};

use crate::saved;

/// How many restarts a supervisor bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intensity {
    /// More restarts than this …
    pub restarts: u64,
    /// … within this many ticks, and it gives up.
    pub period_ticks: u64,
}

/// The restarts that still matter.
///
/// Exact: a restart counts for as long as it is less than a period old. Of all restarts only the
/// last `intensity + 1` can matter, since the oldest of these alone decides. So a restart costs
/// constant time, not only on average, and what is kept is at most one entry for each tick of the
/// period, and at most `intensity + 1`, however long the supervisor lives. (The ring doubles
/// until it is that long.)
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestartWindow {
    intensity: Intensity,
    /// Ticks and their restarts, the oldest first. Without the first there are at most
    /// `intensity` restarts.
    #[serde(with = "saved::ring")]
    ring: VecDeque<(Tick, u64)>,
    /// Restarts in the ring.
    sum: u64,
}

impl RestartWindow {
    /// An empty window.
    pub fn new(intensity: Intensity) -> RestartWindow {
        RestartWindow { intensity, ring: VecDeque::new(), sum: 0 }
    }

    /// What the supervisor bears.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// The restarts that still count at `now`; of those that were too many, some.
    pub fn recent(&self, now: Tick) -> u64 {
        self.ring.iter().filter(|(at, _)| self.is_recent(now, *at)).map(|(_, count)| count).sum()
    }

    /// Counts `restarts` at `now`, which never goes back; `false` when that is more than the
    /// supervisor bears.
    pub fn record(&mut self, now: Tick, restarts: u64) -> bool {
        if restarts > 0 {
            match self.ring.back_mut() {
                Some((at, count)) if *at == now => *count += restarts,
                Some(_) | None => self.ring.push_back((now, restarts)),
            }
            self.sum += restarts;
        }
        // As many turns as restarts came, at most.
        while let Some((_, count)) = self.ring.front().copied()
            && self.sum - count > self.intensity.restarts
        {
            self.drop_oldest(count);
        }
        // One comes, two go: so what is old is gone before the ring is longer than the period.
        for _ in 0..2 {
            if let Some((at, count)) = self.ring.front().copied()
                && !self.is_recent(now, at)
            {
                self.drop_oldest(count);
            }
        }
        // Were there more, the oldest would be recent: without it there are not.
        self.sum <= self.intensity.restarts
    }

    fn is_recent(&self, now: Tick, at: Tick) -> bool {
        now.0.saturating_sub(at.0) < self.intensity.period_ticks
    }

    fn drop_oldest(&mut self, count: u64) {
        self.ring.pop_front();
        self.sum -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_intensity_of_zero_bears_no_restart() {
        let mut window = RestartWindow::new(Intensity { restarts: 0, period_ticks: 1 });
        assert!(window.record(Tick(0), 0));
        assert!(!window.record(Tick(0), 1));
    }

    #[test]
    fn a_restart_is_forgotten_when_it_is_a_period_old() {
        let mut window = RestartWindow::new(Intensity { restarts: 1, period_ticks: 5 });
        assert!(window.record(Tick(10), 1));
        assert!(window.record(Tick(15), 1));
        assert!(!window.record(Tick(19), 1));
    }

    proptest! {
        #[test]
        fn agrees_with_counting_them_all(
            restarts in 0u64..10,
            period_ticks in 1u64..8,
            events in prop::collection::vec((0u64..4, 0u64..5), 1..60),
        ) {
            let mut window = RestartWindow::new(Intensity { restarts, period_ticks });
            let mut all = Vec::new();
            let mut now = 0;
            for (later, count) in events {
                now += later;
                all.push((now, count));
                let recent: u64 =
                    all.iter().filter(|(at, _)| now - at < period_ticks).map(|(_, n)| n).sum();
                prop_assert_eq!(window.record(Tick(now), count), recent <= restarts);
                prop_assert!(window.ring.len() as u64 <= period_ticks.min(restarts + 1));
            }
        }
    }
}
