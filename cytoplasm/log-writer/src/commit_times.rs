//! How long commits took: counted by length, so that it takes the same room for any number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest that a commit of each bucket takes, microseconds; one more bucket is behind them.
/// From memory that is written through to a disk that hangs.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// How long commits took, as counted up to a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitTimes {
    /// How many took at most so long, and longer than the bucket before; `None`: any longer.
    pub buckets: Vec<(Option<Duration>, u64)>,
    /// What all of them took together.
    pub sum: Duration,
}

/// Counts while commits are made.
#[derive(Default)]
pub(crate) struct Stopwatch {
    within: [AtomicU64; BOUNDS_US.len()],
    longer: AtomicU64,
    sum_us: AtomicU64,
}

impl Stopwatch {
    pub(crate) fn took(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.within.get(BOUNDS_US.partition_point(|bound| *bound < us));
        bucket.unwrap_or(&self.longer).fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> CommitTimes {
        let within = BOUNDS_US.iter().zip(&self.within).map(|(bound, count)| {
            (Some(Duration::from_micros(*bound)), count.load(Ordering::Relaxed))
        });
        let longer = (None, self.longer.load(Ordering::Relaxed));
        CommitTimes {
            buckets: within.chain([longer]).collect(),
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_holds_it() {
        let watch = Stopwatch::default();
        for us in [0, 100, 101, 5_000_000, 5_000_001, u64::MAX / 2] {
            watch.took(Duration::from_micros(us));
        }
        let read = watch.read();
        let counts: Vec<_> = read.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(read.buckets.first().unwrap().0, Some(Duration::from_micros(100)));
        assert_eq!(read.buckets.last().unwrap().0, None);
        assert!(BOUNDS_US.is_sorted());
    }
}
