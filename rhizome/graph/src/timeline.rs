//! The rule of reading, as an algorithm over the versions of one entity.
//!
//! A version holds at a moment when the moment lies in its valid time and in that of no version
//! behind it in order (valid from, position, output). So whoever goes through the versions from
//! the last to the first needs to know only which moments are covered already.

use karyon_memory_ops::{Time, Valid};

const NANOS: u32 = 1_000_000_000;

/// A moment as a whole number, so that the last moment before another has a name.
fn nanos(time: Time) -> i128 {
    i128::from(time.units()) * i128::from(NANOS) + i128::from(time.nanos())
}

/// The last moment of an interval.
pub(crate) fn last_moment(valid: &Valid) -> Time {
    let Some(to) = valid.to else { return Time::MAX };
    let (units, nanos) = match to.nanos().checked_sub(1) {
        Some(nanos) => (to.units(), nanos),
        None => (to.units().saturating_sub(1), NANOS - 1),
    };
    Time::new(units, nanos).unwrap_or(Time::MIN)
}

/// A part of valid time, and how much of it is covered by the versions seen so far.
pub(crate) struct Timeline {
    /// The first moment, and the first one behind.
    window: (i128, i128),
    /// Covered parts, each like `window`: disjoint, not touching, the earliest last.
    covered: Vec<(i128, i128)>,
}

impl Timeline {
    /// All moments from `first` to `last`, both included.
    pub(crate) fn new(first: Time, last: Time) -> Timeline {
        Timeline { window: (nanos(first), nanos(last) + 1), covered: Vec::new() }
    }

    /// Whether nothing that is still to come can hold at any moment.
    pub(crate) fn is_full(&self) -> bool {
        let (first, end) = self.window;
        first >= end || self.covered.last() == Some(&self.window)
    }

    /// Whether `moment` is the last of all.
    pub(crate) fn is_last(&self, moment: i128) -> bool {
        moment + 1 == self.window.1
    }

    /// Takes the next version, which must begin no later than those before it. The last moment
    /// at which it holds; `None`: at no moment of this part of time.
    pub(crate) fn add(&mut self, valid: &Valid) -> Option<i128> {
        let start = nanos(valid.from).max(self.window.0);
        let end = valid.to.map_or(self.window.1, |to| nanos(to).min(self.window.1));
        if start >= end {
            return None;
        }
        // The covered part that begins last among those that begin inside.
        let behind = self.covered.partition_point(|(from, _)| *from >= end);
        let last = match self.covered.get(behind) {
            Some((from, to)) if *to >= end => from - 1,
            Some(_) | None => end - 1,
        };
        let mut merged = end;
        while let Some((_, to)) = self.covered.pop_if(|(from, _)| *from <= end) {
            merged = merged.max(to);
        }
        self.covered.push((start, merged));
        (last >= start).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(units: i64) -> Time {
        Time::new(units, 0).unwrap()
    }

    fn valid((from, to): (i64, Option<i64>)) -> Valid {
        Valid { from: time(from), to: to.map(time) }
    }

    #[test]
    fn a_version_that_ends_lets_the_one_before_it_hold_again() {
        let mut timeline = Timeline::new(time(0), time(10));
        let last = |at: i64| Some(nanos(time(at)));
        assert_eq!(timeline.add(&valid((3, Some(5)))), last(5).map(|t| t - 1));
        assert!(!timeline.is_full());
        assert_eq!(timeline.add(&valid((3, Some(4)))), None);
        assert_eq!(timeline.add(&valid((1, None))), last(10));
        assert_eq!(timeline.add(&valid((0, None))), last(1).map(|t| t - 1));
        assert!(timeline.is_full());
    }

    #[test]
    fn no_time_at_all_is_full() {
        assert!(Timeline::new(time(1), time(0)).is_full());
        let mut all = Timeline::new(Time::MIN, Time::MAX);
        assert_eq!(all.add(&Valid::since(Time::MIN)), Some(nanos(Time::MAX)));
        assert!(all.is_full());
    }

    proptest! {
        #[test]
        fn behind_the_last_moment_comes_the_end(units: i64, nanos in 0..NANOS) {
            let to = Time::new(units, nanos).unwrap();
            prop_assume!(to > Time::MIN);
            let last = last_moment(&Valid { from: Time::MIN, to: Some(to) });
            prop_assert_eq!(super::nanos(last) + 1, super::nanos(to));
        }

        /// Against asking at every moment; in whole units, since all ends are whole.
        #[test]
        fn equals_the_rule_at_every_moment(
            spans in prop::collection::vec((0..12i64, prop::option::of(1..6i64)), 0..12),
            first in 0..12i64,
            len in 0..12i64,
        ) {
            let mut spans: Vec<(i64, Option<i64>)> =
                spans.into_iter().map(|(from, len)| (from, len.map(|len| from + len))).collect();
            spans.sort_by_key(|(from, _)| *from);
            let last = first + len;
            let holds = |at: i64| spans.iter().rposition(|span| valid(*span).contains(time(at)));
            let mut timeline = Timeline::new(time(first), time(last));
            for (index, span) in spans.iter().enumerate().rev() {
                let expected = (first..=last).rev().find(|at| holds(*at) == Some(index));
                let found = timeline.add(&valid(*span));
                let found = found.map(|nanos| (nanos / 1_000_000_000) as i64);
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(timeline.is_full(), (first..=last).all(|at| holds(at).is_some()));
        }
    }
}
