//! What came of what somebody knew is exactly their branch of the tree of arrivals.

use std::collections::{BTreeMap, BTreeSet};

use karyon_colony::rumour::Rumour;
use karyon_memory::{Bounds, LeftOut, Subject, What, consequences};
use karyon_types::AgentId;

use crate::support::*;

const EVERYTHING: Bounds = Bounds { depth: usize::MAX, links: usize::MAX };

/// Everybody below a person in the tree of arrivals, and the person.
fn branch(children: &BTreeMap<u32, Vec<u32>>, person: u32) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::new(), vec![person]);
    while let Some(next) = open.pop() {
        found.insert(next);
        open.extend(children.get(&next).into_iter().flatten());
    }
    found
}

/// Compares the branches of those for whom `is_asked` holds.
fn branches(text: &str, source: &str, is_asked: impl Fn(u32) -> bool) -> usize {
    let scenario = scenario(source);
    let rumour = Rumour::new(&scenario, contacts(text)).unwrap();
    let kept = keep(&rumour, &scenario, 2);
    let reader = kept.graph.read().unwrap();
    let mut journal = kept.journal();
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (person, arrival) in (0..).zip(&kept.arrivals) {
        if let Some(from) = arrival.and_then(|arrival| arrival.from) {
            children.entry(from).or_default().push(person);
        }
    }
    let mut compared = 0;
    for (person, arrival) in (0..).zip(&kept.arrivals) {
        if person != rumour.source && !is_asked(person) {
            continue;
        }
        let subject = Subject::Agent(AgentId(u64::from(person) + 1));
        let tree = consequences(subject, EVERYTHING, &mut journal, &reader).unwrap();
        assert_eq!(tree.left_out, LeftOut::default());
        let mut found = BTreeSet::new();
        for (number, link) in tree.links.iter().enumerate() {
            let What::Fact { .. } = link.link.what else { continue };
            let who = link.link.agent.unwrap().0 as u32 - 1;
            assert!(found.insert(who), "nobody hears twice");
            // The fact came of a message from whoever it names.
            let sender = link.parent.map(|parent| tree.links[parent].link.agent.unwrap().0 as u32);
            let from = kept.arrivals[who as usize].unwrap().from.map(|from| from + 1);
            assert_eq!(sender, if number == 0 { None } else { from });
        }
        let expected = match arrival {
            Some(_) => branch(&children, person),
            None => BTreeSet::new(),
        };
        assert_eq!(found, expected, "{:?}", rumour.contacts.name(person));
        compared += 1;
    }
    compared
}

#[test]
fn the_branch_below_everybody_in_a_small_rumour() {
    let text = "a b 1\nc a 2\nb c 3\nb d 4\nd c 5\nd e 6\nx y 7\nc f 7\nf a 8\n";
    assert_eq!(branches(text, "a", |_| true), 8);
}

#[test]
fn the_branch_below_the_source_and_every_twentieth_person() {
    let Some(text) = dataset("college-msg.txt") else { return };
    assert!(branches(&text, "103", |person| person % 20 == 0) > 90);
}
