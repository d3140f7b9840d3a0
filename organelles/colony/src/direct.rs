//! The direct algorithm: who hears the rumour, when and from whom, contact after contact.
//!
//! This is the truth that every other way of running the rumour has to equal: time-respecting
//! reachability, ties in file order. It uses no agents, levels or ticks.

use crate::contacts::Contacts;

/// How the rumour first came to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The contact that brought it; `None` for the source.
    pub contact: Option<u32>,
    /// The person who passed it on; `None` for the source.
    pub from: Option<u32>,
    /// When, at the file's scale; for the source, the time of the first contact of the file.
    pub time: i64,
}

/// Passes the rumour along every contact in time order, except those that `blocked` holds back.
///
/// `blocked` takes the index of a contact. The answer has one entry a person; a `source` that is
/// no person of the network leaves everybody without the rumour.
pub fn reach(
    contacts: &Contacts,
    source: u32,
    blocked: impl Fn(u32) -> bool,
) -> Vec<Option<Arrival>> {
    let mut arrivals = vec![None; contacts.names().len()];
    let first = contacts.list().first();
    if let (Some(known), Some(first)) = (arrivals.get_mut(source as usize), first) {
        *known = Some(Arrival { contact: None, from: None, time: first.time });
    }
    for (index, contact) in (0u32..).zip(contacts.list()) {
        let knows = matches!(arrivals.get(contact.source as usize), Some(Some(_)));
        if let Some(hears @ None) = arrivals.get_mut(contact.target as usize)
            && knows
            && !blocked(index)
        {
            *hears = Some(Arrival {
                contact: Some(index),
                from: Some(contact.source),
                time: contact.time,
            });
        }
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contacts::tests::{college_msg, contacts};

    fn informed(arrivals: &[Option<Arrival>]) -> usize {
        arrivals.iter().flatten().count()
    }

    #[test]
    fn hand_made() {
        // Text, source, blocked contact, and who hears it: (name, from, time).
        type Heard = (&'static str, &'static str, i64);
        let cases: &[(&str, &str, Option<u32>, &[Heard])] = &[
            ("a b 1\nb c 2", "a", None, &[("b", "a", 1), ("c", "b", 2)]),
            ("b c 1\na b 2", "a", None, &[("b", "a", 2)]),
            // Ties in file order.
            ("a b 5\nb c 5", "a", None, &[("b", "a", 5), ("c", "b", 5)]),
            ("b c 5\na b 5", "a", None, &[("b", "a", 5)]),
            // The first arrival counts, and nobody hears it from themselves.
            ("a b 1\na b 2\nb b 3\na a 4", "a", None, &[("b", "a", 1)]),
            ("a a 1", "a", None, &[]),
            // Time order, not line order.
            ("b c 9\na b 2", "a", None, &[("b", "a", 2), ("c", "b", 9)]),
            // A blocked contact passes nothing on; the next one does.
            ("a b 1\na b 2\nb c 3", "a", Some(0), &[("b", "a", 2), ("c", "b", 3)]),
        ];
        for (text, source, blocked, expected) in cases {
            let contacts = contacts(text);
            let source = contacts.find(source).unwrap();
            let arrivals = reach(&contacts, source, |index| Some(index) == *blocked);
            let mut heard: Vec<Heard> = Vec::new();
            for (person, arrival) in (0..).zip(&arrivals) {
                if let Some(Arrival { from: Some(from), time, .. }) = arrival {
                    let (name, from) = (contacts.name(person), contacts.name(*from));
                    heard.push((find(expected, name), find_from(expected, from), *time));
                }
            }
            heard.sort_unstable();
            assert_eq!(heard, *expected, "{text}");
            let start = contacts.list()[0].time;
            let known = Arrival { contact: None, from: None, time: start };
            assert_eq!(arrivals[source as usize], Some(known), "{text}");
        }

        fn find(expected: &[Heard], name: Option<&str>) -> &'static str {
            let hit = expected.iter().find(|(who, ..)| Some(*who) == name);
            hit.map_or("unexpected person", |(who, ..)| *who)
        }
        fn find_from(expected: &[Heard], name: Option<&str>) -> &'static str {
            let hit = expected.iter().find(|(_, from, _)| Some(*from) == name);
            hit.map_or("unexpected sender", |(_, from, _)| *from)
        }
    }

    #[test]
    fn a_source_outside_the_network_reaches_nobody() {
        let contacts = contacts("a b 1");
        assert_eq!(informed(&reach(&contacts, 2, |_| false)), 0);
        assert_eq!(informed(&reach(&contacts, u32::MAX, |_| false)), 0);
    }

    #[test]
    fn college_msg_truths() {
        let Some(contacts) = college_msg() else {
            return;
        };
        for (source, expected) in [("1", 1730), ("9", 1776), ("103", 1770)] {
            let person = contacts.find(source).unwrap();
            let arrivals = reach(&contacts, person, |_| false);
            assert_eq!(informed(&arrivals), expected, "source {source}");
        }
    }
}
