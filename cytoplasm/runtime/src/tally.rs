//! What a run has counted, for whoever looks from outside while it goes on.
//!
//! The leader writes it once a tick, and only if somebody wants it: all that is read at once is
//! true of the same moment, the end of a tick.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::terms::Counts;

/// What was counted up to the end of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Since the run began.
    pub counts: Counts,
    /// Messages, and news of denials, that the next tick delivers.
    pub on_the_way: u64,
    /// What waits for paused agents.
    pub held: u64,
    /// The most messages that one agent was handed in the tick.
    pub deepest: u64,
    /// The same, of all ticks so far.
    pub deepest_ever: u64,
}

/// Where the leader writes and others read.
#[derive(Debug, Default)]
pub struct Tally {
    wanted: AtomicBool,
    last: Mutex<Tallied>,
}

impl Tally {
    /// From now on it is written. To be called before the run begins, or it lags by a tick.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// What was counted up to the end of the last tick; all zero if nobody wanted to know.
    pub fn read(&self) -> Tallied {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn write(&self, mut now: Tallied) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        now.deepest_ever = last.deepest_ever.max(now.deepest);
        *last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_of_all_is_kept() {
        let tally = Tally::default();
        for deepest in [1, 7, 3] {
            tally.write(Tallied { deepest, ..Tallied::default() });
        }
        assert_eq!((tally.read().deepest, tally.read().deepest_ever), (3, 7));
    }
}
