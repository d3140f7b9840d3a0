//! What the rumour remembers, against the lines of its input.

use std::collections::{BTreeMap, BTreeSet};

use karyon_colony::direct::Arrival;
use karyon_colony::rumour::Rumour;
use karyon_graph::{Direction, EntityId, Kind, Reader, VertexId, View};
use karyon_memory::{Subject, What, explain};
use karyon_memory_ops::{Content, Entity, Properties, Time, Value, Vertex};
use karyon_types::AgentId;

use crate::support::*;

struct Line<'a> {
    from: &'a str,
    to: &'a str,
    time: i64,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines()
        .map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            Line { from: fields[0], to: fields[1], time: fields[2].parse().unwrap() }
        })
        .collect()
}

fn time(units: i64) -> Time {
    Time::new(units, 0).unwrap()
}

/// `count` moments spread over the file, some of them those of a line, some between two.
fn moments(lines: &[Line<'_>], count: usize) -> Vec<i64> {
    let (first, last) = (lines[0].time - 5, lines[lines.len() - 1].time + 5);
    (0..count)
        .map(|number| match number % 2 {
            0 => lines[number * lines.len() / count].time,
            _ => first + (last - first) * number as i64 / (count as i64 - 1),
        })
        .collect()
}

fn vertex(reader: &Reader, name: &str) -> VertexId {
    let found = reader.vertices_named(name).unwrap();
    assert_eq!(found.len(), 1, "{name}");
    found[0].id
}

fn properties(content: &Content) -> &Properties {
    match content {
        Content::Present { properties, .. } => properties,
        Content::Ended => panic!("nothing ends in a rumour"),
    }
}

#[test]
fn how_many_had_heard_at_a_thousand_moments() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let lines = lines(&text);
    let scenario = scenario("9");
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let kept = keep(&rumour, &scenario, 2);
    let reader = kept.graph.read().unwrap();
    let mut moments = moments(&lines, 1000);
    moments.sort_unstable();
    let mut heard = BTreeSet::new();
    let mut next = lines.iter().peekable();
    for moment in moments {
        if moment >= lines[0].time {
            heard.insert("9");
        }
        while let Some(line) = next.next_if(|line| line.time <= moment) {
            if heard.contains(line.from) {
                heard.insert(line.to);
            }
        }
        let count = reader.count(Kind::Fact, "heard", &View::at(time(moment))).unwrap();
        assert_eq!(count, heard.len() as u64, "at {moment}");
    }
    assert_eq!(heard.len(), 1776);
    assert_eq!(reader.count(Kind::Fact, "heard", &View::NOW).unwrap(), 1776);
    assert_eq!(reader.count(Kind::Vertex, "person", &View::NOW).unwrap(), 1899);
    assert_eq!(reader.count(Kind::Edge, "contact", &View::NOW).unwrap(), 20_296);
}

#[test]
fn partners_of_every_person_at_a_hundred_moments() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let lines = lines(&text);
    let scenario = scenario("1");
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let kept = keep(&rumour, &scenario, 1);
    let mut moments = moments(&lines, 100);
    moments.sort_unstable();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (kept, rumour, lines, moments) = (&kept, &rumour, &lines, &moments);
            scope.spawn(move || {
                let reader = kept.graph.read().unwrap();
                let ids: BTreeMap<&str, VertexId> = rumour
                    .contacts
                    .names()
                    .iter()
                    .map(|name| (name.as_str(), vertex(&reader, name)))
                    .collect();
                for moment in moments.iter().skip(half).step_by(2) {
                    let (mut out, mut into) = (BTreeMap::new(), BTreeMap::new());
                    for line in lines.iter().filter(|line| line.time <= *moment) {
                        let (from, to) = (ids[line.from], ids[line.to]);
                        out.entry(from).or_insert_with(BTreeSet::new).insert((from, to));
                        into.entry(to).or_insert_with(BTreeSet::new).insert((from, to));
                    }
                    let view = View::at(time(*moment));
                    for id in ids.values() {
                        let (out, into) = (
                            out.remove(id).unwrap_or_default(),
                            into.remove(id).unwrap_or_default(),
                        );
                        let both: BTreeSet<_> = out.union(&into).copied().collect();
                        for (direction, expected) in [
                            (Direction::Out, &out),
                            (Direction::In, &into),
                            (Direction::Both, &both),
                        ] {
                            let found = reader.neighbours(*id, direction, None, &view).unwrap();
                            assert_eq!(found.len(), expected.len());
                            let found: BTreeSet<_> = found
                                .into_iter()
                                .map(|neighbour| match neighbour.edge {
                                    EntityId::Edge { from, to, .. } => (from, to),
                                    other => panic!("{other:?}"),
                                })
                                .collect();
                            assert_eq!(&found, expected, "{id:?} {direction:?} at {moment}");
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn the_history_of_a_pair_is_its_lines() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let lines = lines(&text);
    let scenario = scenario("1");
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let kept = keep(&rumour, &scenario, 2);
    let reader = kept.graph.read().unwrap();
    let mut pairs: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for line in &lines {
        pairs.entry((line.from, line.to)).or_default().push(line.time);
    }
    let history = |from, to| {
        let (from, to) = (vertex(&reader, from), vertex(&reader, to));
        let edge = EntityId::Edge { from, kind: "contact".into(), to };
        reader.history(&edge, &View::NOW).unwrap()
    };
    // The ten busiest pairs first, then every pair with lines that are equal.
    let mut busiest: Vec<_> = pairs.iter().collect();
    busiest.sort_by_key(|(_, times)| std::cmp::Reverse(times.len()));
    let repeated = |times: &[i64]| times.windows(2).filter(|two| two[0] == two[1]).count();
    let doubled = pairs.iter().filter(|(_, times)| repeated(times) > 0);
    let mut versions_of_equal_lines = 0;
    for ((from, to), times) in busiest.iter().copied().take(10).chain(doubled.clone()) {
        let history = history(from, to);
        assert_eq!(history.len(), times.len(), "{from} {to}");
        for (number, (version, at)) in (1..).zip(history.iter().zip(times)) {
            assert_eq!(version.valid.from, time(*at));
            let properties = properties(&version.content);
            assert_eq!(properties["count"], Value::Int(number));
            assert_eq!(properties["last"], Value::Time(time(*at)));
        }
    }
    for ((from, to), _) in doubled {
        let times: Vec<_> = history(from, to).iter().map(|v| v.valid.from.units()).collect();
        versions_of_equal_lines += repeated(&times);
    }
    assert_eq!(versions_of_equal_lines, 37);
}

#[test]
fn every_why_is_the_branch_of_the_tree_of_arrivals() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let scenario = scenario("103");
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let kept = keep(&rumour, &scenario, 2);
    let reader = kept.graph.read().unwrap();
    let mut journal = kept.journal();
    let mut informed = 0;
    for (person, arrival) in (0u32..).zip(&kept.arrivals) {
        let agent = |person: u32| AgentId(u64::from(person) + 1);
        let lineage = explain(Subject::Agent(agent(person)), &mut journal, &reader).unwrap();
        let facts: Vec<_> = lineage
            .links
            .iter()
            .filter_map(|link| match &link.what {
                What::Fact { predicate, valid, .. } => {
                    assert_eq!(predicate, "heard");
                    Some((link.agent.unwrap(), valid.from))
                }
                _ => None,
            })
            .collect();
        let mut expected = Vec::new();
        let mut next = arrival.as_ref().map(|arrival| (person, *arrival));
        while let Some((who, Arrival { from, time: at, .. })) = next {
            expected.push((agent(who), time(at)));
            next = from.map(|from| (from, kept.arrivals[from as usize].unwrap()));
        }
        assert_eq!(facts, expected, "{:?}", rumour.contacts.name(person));
        let authority = lineage.authority.unwrap();
        assert_eq!(authority.principal.name, "ada");
        assert_eq!(authority.reasons, ["to see"]);
        if arrival.is_some() {
            informed += 1;
            let last = lineage.links.last().unwrap();
            assert_eq!(last.agent, Some(agent(rumour.source)), "the chain ends at the source");
            // Between two facts stands the message that carried it.
            let sent = lineage.links.iter().filter(|l| matches!(l.what, What::Sent { .. })).count();
            assert_eq!(sent, facts.len() - 1);
        } else {
            assert!(!lineage.links.is_empty(), "its last step is explained");
        }
    }
    assert_eq!(informed, 1770);
}

#[test]
fn chaos_and_the_number_of_schedulers_change_no_root() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let mut scenario = scenario("9");
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let calm = keep(&rumour, &scenario, 1);
    let root = calm.graph.read().unwrap().memory_root().unwrap();
    for (probability, seed, schedulers) in [(0.0, 1, 2), (0.0, 1, 4), (0.1, 1, 2), (0.1, 77, 4)] {
        scenario.chaos.probability = probability;
        scenario.seed = seed;
        let wild = keep(&rumour, &scenario, schedulers);
        let wild_root = wild.graph.read().unwrap().memory_root().unwrap();
        assert_eq!(wild_root, root, "{probability} {seed} {schedulers}");
        assert_eq!(wild.state_root, calm.state_root);
    }
}

#[test]
fn the_source_says_so_even_if_it_is_written_to_first_and_never_writes() {
    for (text, source, facts) in [
        ("a b 3\nb c 4", "b", vec![("b", 3, None), ("c", 4, Some("b"))]),
        ("a b 3\na b 4", "b", vec![("b", 3, None)]),
        ("a b 3.5\nb a 4", "a", vec![("a", 3, None), ("b", 3, Some("a"))]),
    ] {
        let scenario = scenario(source);
        let rumour = Rumour::new(&scenario, contacts(text)).unwrap();
        let kept = keep(&rumour, &scenario, 2);
        let reader = kept.graph.read().unwrap();
        let mut found = Vec::new();
        for (person, name) in (1..).zip(rumour.contacts.names()) {
            let subject = Vertex::Agent(AgentId(person));
            let fact = Entity::Fact { subject, predicate: "heard".into() };
            let Some(fact) = reader.find(&fact).unwrap() else { continue };
            let Some(version) = reader.get(&fact, &View::NOW).unwrap() else { continue };
            let from = match &properties(&version.content)["from"] {
                Value::Null => None,
                Value::Vertex(Vertex::Agent(from)) => rumour.contacts.name(from.0 as u32 - 1),
                other => panic!("{other:?}"),
            };
            found.push((name.as_str(), version.valid.from.units(), from));
        }
        found.sort_unstable();
        assert_eq!(found, facts, "{text}");
    }
}
