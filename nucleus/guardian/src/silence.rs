//! How long somebody was not heard, as counted by one that looks often.

use std::time::{Duration, Instant};

/// As how much of a silence the time between two looks counts at most. Whoever could not look for
/// longer, since the machine stood still or was busy with others, could not have heard either.
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// The time since the last word. Both sides of a link, and the first process, count it alike.
#[derive(Debug)]
pub struct Silence {
    looked: Instant,
    silent: Duration,
}

impl Silence {
    /// Begins now.
    pub fn new() -> Silence {
        Silence { looked: Instant::now(), silent: Duration::ZERO }
    }

    /// Somebody was heard: it begins anew.
    pub fn end(&mut self) {
        *self = Silence::new();
    }

    /// How long it has lasted, by what was seen of it.
    pub fn look(&mut self) -> Duration {
        let now = Instant::now();
        self.silent += (now - self.looked).min(LONGEST_LOOK);
        self.looked = now;
        self.silent
    }
}

impl Default for Silence {
    fn default() -> Silence {
        Silence::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_nobody_looked_is_no_silence() {
        let ago = |ms| Instant::now() - Duration::from_millis(ms);
        let mut silence = Silence { looked: ago(10_000), silent: Duration::ZERO };
        assert_eq!(silence.look(), LONGEST_LOOK);
        silence.looked = ago(40);
        assert!(silence.look() >= LONGEST_LOOK + Duration::from_millis(40));
        silence.end();
        assert!(silence.look() < LONGEST_LOOK);
    }
}
