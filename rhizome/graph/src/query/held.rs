//! How long a view has been held.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::GraphError;
use crate::reader::Reader;

/// Since when a view is held, and for how long it is good.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    /// By [`now`].
    since: Duration,
    max_age: Duration,
}

impl Held {
    /// From now on, for as long as anybody likes.
    pub(crate) fn begin() -> Held {
        Held { since: now(), max_age: Duration::MAX }
    }

    /// Refuses what is too old.
    ///
    /// # Errors
    /// [`GraphError::Aged`].
    pub(super) fn check(&self) -> Result<(), GraphError> {
        let (age, max_age) = (self.age(), self.max_age);
        if age > max_age { Err(GraphError::Aged { age, max_age }) } else { Ok(()) }
    }

    fn age(&self) -> Duration {
        now().saturating_sub(self.since)
    }
}

/// A clock that never goes back, exact to a few milliseconds: looked at with every question, it must
/// cost next to nothing beside one (10 ns where the exact one takes 40).
fn now() -> Duration {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

impl Reader {
    /// How long ago this view was opened, to a few milliseconds.
    pub fn age(&self) -> Duration {
        self.held.age()
    }

    pub(crate) fn good_for(mut self, max_age: Duration) -> Reader {
        self.held.max_age = max_age;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_clock_goes_as_time_does() {
        let (exact, held) = (Instant::now(), Held::begin());
        std::thread::sleep(Duration::from_millis(50));
        let age = held.age();
        // A tick of the coarse clock at either end: 10 ms where it is slowest.
        assert!(age >= Duration::from_millis(30), "{age:?}");
        assert!(age <= exact.elapsed() + Duration::from_millis(10), "{age:?}");
    }

    /// `cargo test --release -p karyon-graph --lib -- --ignored --nocapture what_a_look_costs`
    #[test]
    #[ignore = "a measurement"]
    fn what_a_look_costs() {
        let (held, begin, looks) = (Held::begin(), Instant::now(), 10_000_000u32);
        for _ in 0..looks {
            std::hint::black_box(&held).check().unwrap();
        }
        println!("{:.1} ns", begin.elapsed().as_secs_f64() * 1e9 / f64::from(looks));
    }
}
