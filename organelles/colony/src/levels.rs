//! The schedule of the feeder: contacts in levels that may be processed at once.
//!
//! The level of a contact is one more than the highest level of its two people so far, counted
//! from 0. So two contacts with a person in common never share a level, and keep their order;
//! contacts of one level touch different people and commute. Processing level by level is
//! therefore the same as processing line by line.
//!
//! # Invariants
//! 1. `order` holds every contact index once.
//! 2. A person takes part in at most one contact of a level (twice only in a self-contact).
//! 3. Contacts of one person stand in ascending levels in the order of the list.
//! 4. No level is empty; inside a level the source persons ascend.

use crate::contacts::Contacts;

/// Contact indices grouped by level; inside a level ordered by source person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    order: Vec<u32>,
    /// Where each level begins in `order`, and at last the length of `order`.
    starts: Vec<u32>,
}

impl Levels {
    /// Schedules all contacts, in time linear in their number but for the sort inside a level.
    pub fn new(contacts: &Contacts) -> Self {
        let levels = contact_levels(contacts);
        let list = contacts.list();
        let mut keyed: Vec<(u32, u32, u32)> = (0u32..)
            .zip(levels.iter().zip(list))
            .map(|(index, (level, contact))| (*level, contact.source, index))
            .collect();
        keyed.sort_unstable();
        let mut starts = Vec::new();
        let mut open = None;
        for (position, (level, _, _)) in (0u32..).zip(&keyed) {
            if open != Some(*level) {
                open = Some(*level);
                starts.push(position);
            }
        }
        starts.push(keyed.len() as u32);
        let order = keyed.into_iter().map(|(_, _, index)| index).collect();
        Self { order, starts }
    }

    /// How many levels there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no level; never so for parsed contacts, which are at least one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The contact indices of level `n`; none past the last level.
    pub fn level(&self, n: usize) -> &[u32] {
        let range = self
            .starts
            .get(n)
            .zip(self.starts.get(n.saturating_add(1)))
            .map(|(start, end)| *start as usize..*end as usize);
        range.and_then(|range| self.order.get(range)).unwrap_or_default()
    }
}

/// The level of every contact, from 0, in the order of the list.
pub fn contact_levels(contacts: &Contacts) -> Vec<u32> {
    // For each person, the first level that is still free.
    let mut free = vec![0u32; contacts.names().len()];
    let mut levels = Vec::with_capacity(contacts.list().len());
    for contact in contacts.list() {
        let people = [contact.source as usize, contact.target as usize];
        let level = people.iter().filter_map(|person| free.get(*person).copied()).fold(0, u32::max);
        for person in people {
            if let Some(next) = free.get_mut(person) {
                *next = level.saturating_add(1);
            }
        }
        levels.push(level);
    }
    levels
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contacts::tests::{college_msg, contacts};
    use crate::direct::{Arrival, reach};

    #[test]
    fn hand_made() {
        let cases: &[(&str, &[&[u32]])] = &[
            ("a b 1", &[&[0]]),
            ("a b 1\nc d 1", &[&[0, 1]]),
            ("a b 1\nb c 1", &[&[0], &[1]]),
            ("a a 1\na a 1\nb b 1", &[&[0, 2], &[1]]),
            ("a b 1\nc c 2\nc a 3\nd b 4", &[&[0, 1], &[2, 3]]),
            ("x a 1\nx b 2\nc d 3", &[&[0, 2], &[1]]),
        ];
        for (text, expected) in cases {
            let levels = Levels::new(&contacts(text));
            let found: Vec<&[u32]> = (0..levels.len()).map(|n| levels.level(n)).collect();
            assert_eq!(found, *expected, "{text}");
            assert!(!levels.is_empty(), "{text}");
            for past in [levels.len(), usize::MAX] {
                assert_eq!(levels.level(past), &[] as &[u32], "{text}");
            }
        }
    }

    #[test]
    fn inside_a_level_source_persons_ascend() {
        // People by first appearance: a 0, b 1, c 2, d 3, e 4.
        let levels = Levels::new(&contacts("a b 1\nc d 1\ne c 1\nb d 1\nc e 2"));
        assert_eq!(levels.level(0), &[0, 1]);
        assert_eq!(levels.level(1), &[3, 2]);
        assert_eq!(levels.level(2), &[4]);
    }

    #[test]
    fn college_msg_has_11961_levels() {
        let Some(contacts) = college_msg() else {
            return;
        };
        assert_eq!(Levels::new(&contacts).len(), 11_961);
    }

    /// Feeds level by level; people learn only after the whole level was sent.
    fn by_levels(contacts: &Contacts, source: u32) -> Vec<Option<Arrival>> {
        let levels = Levels::new(contacts);
        let mut known = reach(contacts, source, |_| true);
        for n in 0..levels.len() {
            let before = known.clone();
            for &index in levels.level(n) {
                let contact = contacts.list()[index as usize];
                let target = contact.target as usize;
                if before[contact.source as usize].is_some() && before[target].is_none() {
                    known[target] = Some(Arrival {
                        contact: Some(index),
                        from: Some(contact.source),
                        time: contact.time,
                    });
                }
            }
        }
        known
    }

    proptest! {
        #[test]
        fn level_by_level_equals_line_by_line(
            list in prop::collection::vec((0u32..8, 0u32..8, 0i64..20), 1..120),
            source in 0u32..8,
        ) {
            let text: String = list
                .iter()
                .map(|(source, target, time)| format!("{source} {target} {time}\n"))
                .collect();
            let contacts = contacts(&text);
            let levels = Levels::new(&contacts);
            let mut seen = Vec::new();
            for n in 0..levels.len() {
                let level = levels.level(n);
                prop_assert!(!level.is_empty());
                let mut people = Vec::new();
                for &index in level {
                    let contact = contacts.list()[index as usize];
                    people.push(contact.source);
                    if contact.target != contact.source {
                        people.push(contact.target);
                    }
                    seen.push(index);
                }
                let sources: Vec<u32> =
                    level.iter().map(|&i| contacts.list()[i as usize].source).collect();
                prop_assert!(sources.is_sorted());
                let all = people.len();
                people.sort_unstable();
                people.dedup();
                prop_assert_eq!(people.len(), all, "a person twice in a level");
            }
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..contacts.list().len() as u32));
            prop_assert_eq!(by_levels(&contacts, source), reach(&contacts, source, |_| false));
        }
    }
}
