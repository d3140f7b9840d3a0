//! CollegeMsg: 59,835 messages of 1,899 people, every person a source once.

use std::collections::BTreeSet;

use karyon_colony::report::arrivals_csv;
use karyon_colony::rumour::Rumour;

use crate::support::*;

/// Line-by-line processing, written once more from the file's text, in the plainest way.
fn line_by_line(text: &str, source: &str) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    let mut heard = std::collections::BTreeMap::new();
    heard.insert(source, (lines[0][2], ""));
    for line in &lines {
        if heard.contains_key(line[0]) && !heard.contains_key(line[1]) {
            heard.insert(line[1], (line[2], line[0]));
        }
    }
    let mut csv = String::from("agent,informed_at,from\n");
    for (agent, (time, from)) in heard {
        csv.push_str(&format!("{agent},{time},{from}\n"));
    }
    csv
}

#[test]
fn arrivals_equal_line_by_line_processing_person_by_person() {
    let Some(text) = dataset("college-msg.txt") else { return };
    for (source, informed) in [
        ("1", Some(1730)),
        ("9", Some(1776)),
        ("103", Some(1770)),
        ("1361", None),
        ("341", None),
        ("1074", None),
    ] {
        let scenario = scenario(source);
        let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
        let played = play(&rumour, &scenario, 2);
        assert_eq!(arrivals_csv(&rumour.contacts, &played.arrivals), line_by_line(&text, source));
        if let Some(informed) = informed {
            assert_eq!(played.arrivals.iter().flatten().count(), informed);
        }
        assert_eq!(played.outcome.counts.denied, 0);
    }
}

#[test]
fn every_one_of_the_1899_sources() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let names = contacts(&text).names().to_vec();
    assert_eq!(names.len(), 1899);
    // Two halves at once: one run takes one core.
    let roots: BTreeSet<_> = std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|half| {
                let (text, names) = (&text, &names);
                scope.spawn(move || {
                    let mut rumour = Rumour::new(&scenario("1"), contacts(text)).unwrap();
                    let mut roots = Vec::new();
                    for (source, name) in (0..).zip(names).skip(half).step_by(2) {
                        rumour.source = source;
                        let played = play(&rumour, &scenario(name), 1);
                        assert_eq!(played.arrivals, truth(&rumour), "from {name}");
                        roots.push(played.state_root);
                    }
                    roots
                })
            })
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert_eq!(roots.len(), 1899, "another source, another root");
}

#[test]
fn chaos_and_the_number_of_schedulers_change_nothing() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let mut scenario = scenario("9");
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let calm = play(&rumour, &scenario, 1);
    for (probability, seed, schedulers) in
        [(0.0, 5, 2), (0.01, 1, 4), (0.01, 2, 1), (0.1, 1, 2), (0.1, 77, 4)]
    {
        scenario.chaos.probability = probability;
        scenario.seed = seed;
        let wild = play(&rumour, &scenario, schedulers);
        assert_eq!(wild.state_root, calm.state_root, "{probability} {seed} {schedulers}");
        assert_eq!(wild.arrivals, calm.arrivals);
        let counts = wild.outcome.counts;
        assert_eq!(counts.crashes > 0, probability > 0.0);
        assert_eq!((counts.restarts, counts.dead_lettered), (counts.crashes, 0));
    }
}
