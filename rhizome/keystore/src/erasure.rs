//! What is to be erased together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::state::SubjectId;

/// Subjects and memories that are erased by one commit: all of them or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    pub(crate) subjects: BTreeSet<String>,
    pub(crate) memories: BTreeMap<SubjectId, Vec<Range<u32>>>,
}

impl Erasure {
    /// Nothing yet.
    pub fn new() -> Erasure {
        Erasure::default()
    }

    /// A subject for ever, with all that was sealed for it.
    pub fn erase_subject(&mut self, name: &str) -> &mut Erasure {
        self.subjects.insert(name.to_owned());
        self
    }

    /// The memories of a subject with these indexes, the last not included.
    pub fn erase(&mut self, subject: SubjectId, memories: Range<u32>) -> &mut Erasure {
        self.memories.entry(subject).or_default().push(memories);
        self
    }
}

/// The same indexes in ranges that are in order and do not touch each other.
pub(crate) fn merged(ranges: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u32>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged() {
        let ranges = |pairs: &[(u32, u32)]| -> Vec<Range<u32>> {
            pairs.iter().map(|(start, end)| *start..*end).collect()
        };
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[(3, 5)], &[(3, 5)]),
            (&[(5, 6), (3, 5)], &[(3, 6)]),
            (&[(1, 9), (2, 3)], &[(1, 9)]),
            (&[(7, 9), (1, 3), (2, 6)], &[(1, 6), (7, 9)]),
        ] {
            assert_eq!(merged(&ranges(given)), ranges(expected), "{given:?}");
        }
    }
}
