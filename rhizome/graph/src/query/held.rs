//! How long a view has been held.

use std::time::{Duration, Instant};

use crate::GraphError;
use crate::reader::Reader;

/// Since when a view is held, by a clock that never goes back, and for how long it is good.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    since: Instant,
    max_age: Duration,
}

impl Held {
    /// From now on, for as long as anybody likes.
    pub(crate) fn begin() -> Held {
        Held { since: Instant::now(), max_age: Duration::MAX }
    }

    /// Refuses what is too old. One reading of the clock, some 25 ns.
    ///
    /// # Errors
    /// [`GraphError::Aged`].
    pub(super) fn check(&self) -> Result<(), GraphError> {
        let (age, max_age) = (self.since.elapsed(), self.max_age);
        if age > max_age { Err(GraphError::Aged { age, max_age }) } else { Ok(()) }
    }
}

impl Reader {
    /// How long ago this view was opened.
    pub fn age(&self) -> Duration {
        self.held.since.elapsed()
    }

    pub(crate) fn good_for(mut self, max_age: Duration) -> Reader {
        self.held.max_age = max_age;
        self
    }
}
