//! How long somebody was not heard, as counted by one that looks often.

use std::time::{Duration, Instant};

/// The time between two looks counts as at most this part of what is borne. Whoever could not look
/// for longer, since the machine stood still or was busy with others, could not have heard either.
const LONGEST_LOOK: u32 = 4;

/// The time since the last word. Both sides of a link, and the first process, count it alike.
#[derive(Debug)]
pub struct Silence {
    limit: Duration,
    looked: Instant,
    silent: Duration,
}

impl Silence {
    /// Begins now; more than `limit` is too long.
    pub fn new(limit: Duration) -> Silence {
        Silence { limit, looked: Instant::now(), silent: Duration::ZERO }
    }

    /// Somebody was heard: it begins anew.
    pub fn end(&mut self) {
        *self = Silence::new(self.limit);
    }

    /// Whether it has lasted too long, by what was seen of it.
    pub fn is_too_long(&mut self) -> bool {
        let now = Instant::now();
        self.silent += (now - self.looked).min(self.limit / LONGEST_LOOK);
        self.looked = now;
        self.silent > self.limit
    }

    /// Whether half of that has passed, by the clock: somebody who looked more often may have heard
    /// nothing for too long.
    pub fn is_long(&self) -> bool {
        self.silent + self.looked.elapsed() > self.limit / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_nobody_looked_is_no_silence() {
        let second = Duration::from_secs(1);
        let mut silence = Silence::new(4 * second);
        let ago = |duration| Instant::now() - duration;
        for _ in 0..3 {
            silence.looked = ago(1_000 * second);
            assert!(!silence.is_too_long());
        }
        silence.looked = ago(second / 2);
        assert!(!silence.is_too_long());
        silence.looked = ago(second / 2);
        assert!(silence.is_too_long());
        silence.end();
        assert!(!silence.is_too_long() && !silence.is_long());
    }

    #[test]
    fn half_of_it_is_counted_by_the_clock() {
        let second = Duration::from_secs(1);
        let mut silence = Silence::new(4 * second);
        silence.looked = Instant::now() - 3 * second;
        assert!(silence.is_long());
        assert!(!silence.is_too_long());
        assert!(!silence.is_long(), "the look counts as a second");
    }
}
