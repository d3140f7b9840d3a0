//! The rule of reading, as an algorithm over the versions of one entity.
//!
//! A version holds at a moment when the moment lies in its valid time and in that of no version
//! behind it in order (valid from, position, output). So whoever goes through the versions from
//! the last to the first needs to know only which moments are covered already.

use std::ops::Range;

use karyon_memory_ops::{Time, Valid};

const NANOS: u32 = 1_000_000_000;

/// A moment as a whole number, so that the last moment before another has a name.
fn nanos(time: Time) -> i128 {
    i128::from(time.units()) * i128::from(NANOS) + i128::from(time.nanos())
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

    /// The part of the window in which a version is valid.
    fn cut(&self, valid: &Valid) -> Range<i128> {
        let end = valid.to.map_or(self.window.1, |to| nanos(to).min(self.window.1));
        nanos(valid.from).max(self.window.0)..end
    }

    /// When the next version is in force, in order; it too begins no later than those before it.
    fn uncovered(&self, valid: &Valid) -> Vec<Range<i128>> {
        let Range { mut start, end } = self.cut(valid);
        let mut parts = Vec::new();
        // What is covered inside becomes one part with this version: nobody goes through it again.
        for (from, to) in self.covered.iter().rev().take_while(|(from, _)| *from < end) {
            parts.push(start..*from);
            start = *to;
        }
        parts.push(start..end);
        parts.retain(|part| part.start < part.end);
        parts
    }

    /// Takes the next version, which must begin no later than those before it. The last moment
    /// at which it holds; `None`: at no moment of this part of time.
    pub(crate) fn add(&mut self, valid: &Valid) -> Option<i128> {
        let Range { start, end } = self.cut(valid);
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

/// When each version of an entity is in force: parts of time in order, none over another, each
/// with the version's index. The versions are in the order of the rule.
pub(crate) fn in_force(versions: &[Valid]) -> Vec<(Range<i128>, usize)> {
    let mut timeline = Timeline::new(Time::MIN, Time::MAX);
    let mut parts = Vec::new();
    for (index, valid) in versions.iter().enumerate().rev() {
        parts.extend(timeline.uncovered(valid).into_iter().map(|part| (part, index)));
        timeline.add(valid);
    }
    parts.sort_unstable_by_key(|(part, _)| part.start);
    parts
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
            let versions: Vec<Valid> = spans.iter().map(|span| valid(*span)).collect();
            let parts = in_force(&versions);
            prop_assert!(parts.windows(2).all(|two| two[0].0.end <= two[1].0.start));
            prop_assert!(parts.iter().all(|(part, _)| part.start < part.end));
            for at in -1..20 {
                let moment = nanos(time(at));
                let found = parts.iter().find(|(part, _)| part.contains(&moment));
                prop_assert_eq!(found.map(|(_, index)| *index), holds(at));
            }
        }
    }
}
