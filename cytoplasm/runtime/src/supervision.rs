//! Supervision, as OTP defines it: who is restarted, and when a supervisor gives up.
//!
//! Pure: time comes in as an argument, and nothing is restarted here. Used for agents and for
//! services alike. Source: Erlang/OTP, `supervisor` in stdlib.

use std::collections::VecDeque;

use karyon_types::Tick;

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only after a failure.
    Transient,
    /// Never.
    Temporary,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By its own will.
    Normal,
    /// By a panic or an error.
    Failure,
}

impl Restart {
    /// Whether a child that ended so is started again (`one_for_one`: the child alone).
    pub fn restarts_after(self, exit: Exit) -> bool {
        match (self, exit) {
            (Restart::Permanent, Exit::Normal | Exit::Failure)
            | (Restart::Transient, Exit::Failure) => true,
            (Restart::Transient, Exit::Normal)
            | (Restart::Temporary, Exit::Normal | Exit::Failure) => false,
        }
    }
}

/// How many restarts a supervisor bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// More restarts than this …
    pub restarts: u64,
    /// … within this many ticks, and it gives up.
    pub period_ticks: u64,
}

/// The restarts of the last period.
#[derive(Clone, Debug)]
pub struct RestartWindow {
    intensity: Intensity,
    recent: VecDeque<(Tick, u64)>,
    sum: u64,
}

impl RestartWindow {
    /// An empty window.
    pub fn new(intensity: Intensity) -> RestartWindow {
        RestartWindow { intensity, recent: VecDeque::new(), sum: 0 }
    }

    /// Counts `restarts` at `now`; `false` when that is more than the supervisor bears.
    ///
    /// A restart counts for as long as it is less than a period old. Constant time a call,
    /// amortised.
    pub fn record(&mut self, now: Tick, restarts: u64) -> bool {
        if restarts > 0 {
            self.recent.push_back((now, restarts));
            self.sum += restarts;
        }
        while let Some((at, count)) = self.recent.front().copied() {
            if now.0 - at.0 < self.intensity.period_ticks {
                break;
            }
            self.recent.pop_front();
            self.sum -= count;
        }
        self.sum <= self.intensity.restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_is_restarted() {
        for (restart, exit, expected) in [
            (Restart::Permanent, Exit::Normal, true),
            (Restart::Permanent, Exit::Failure, true),
            (Restart::Transient, Exit::Normal, false),
            (Restart::Transient, Exit::Failure, true),
            (Restart::Temporary, Exit::Normal, false),
            (Restart::Temporary, Exit::Failure, false),
        ] {
            assert_eq!(restart.restarts_after(exit), expected, "{restart:?} {exit:?}");
        }
    }

    #[test]
    fn an_intensity_of_zero_bears_no_restart() {
        let mut window = RestartWindow::new(Intensity { restarts: 0, period_ticks: 1 });
        assert!(window.record(Tick(0), 0));
        assert!(!window.record(Tick(0), 1));
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
            }
        }
    }
}
