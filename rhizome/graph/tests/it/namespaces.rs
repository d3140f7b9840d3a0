//! What several engrams of several logs say: each log's memory is the same, in whatever order
//! its parts came.

use std::slice::from_ref;

use karyon_graph::{EntityId, Kind, Reader, Version, VertexId, View};
use karyon_memory_ops::{Content, Memory, Time, Valid, Value, Vertex};
use karyon_types::{AgentId, LogId, Position};
use proptest::prelude::*;

use crate::engrams::{
    agent, graph, imported, memory, mood, mood_of, open, run_with, says, seal, seal_named, since,
    value,
};
use crate::records::{name_of, time, times};

const NINE: Option<LogId> = Some(LogId([9; 16]));

fn find(reader: &Reader, log: u8, serial: u64) -> Option<VertexId> {
    reader.find_vertex(Some(LogId([log; 16])), &agent(serial)).unwrap()
}

fn mood_in(reader: &Reader, log: u8) -> EntityId {
    EntityId::Fact { subject: find(reader, log, 1).unwrap(), predicate: "mood".into() }
}

fn value_in(reader: &Reader, view: View) -> Option<i64> {
    reader.get(&mood_in(reader, 9), &view).unwrap().as_ref().map(value)
}

#[test]
fn each_memory_is_there_once() {
    let (one, two, three) = (mood(20, since(3), 1), mood(21, since(3), 2), mood(22, since(3), 3));
    let (first, second) = (seal(9, &[one, two.clone()]), seal(9, &[two, three]));
    let reader = graph(&run_with(&[&first, &second])).read().unwrap();
    let other = graph(&run_with(&[&second, &first])).read().unwrap();
    let twice = graph(&run_with(&[&first, &second, &first])).read().unwrap();
    let root = reader.memory_root().unwrap();
    assert_eq!(other.memory_root().unwrap(), root, "the order of imports");
    assert_eq!(twice.memory_root().unwrap(), root, "the same again");
    assert_eq!(twice.end(), Position(7));
    // `two` came with the first import.
    assert_eq!(value_in(&reader, View::NOW.as_recorded(Position(4))), Some(2));
    assert_eq!(value_in(&reader, View::NOW.as_recorded(Position(3))), None);
    let none = graph(&run_with(&[])).read().unwrap();
    for (cid, _) in open(&second).memories {
        assert!(reader.is_known(LogId([9; 16]), &cid.to_bytes()).unwrap());
        assert!(!none.is_known(LogId([9; 16]), &cid.to_bytes()).unwrap());
    }
}

#[test]
fn two_logs_that_remember_the_same_both_do() {
    let one = mood(20, since(3), 1);
    let (nine, eight) = (seal(9, from_ref(&one)), seal(8, from_ref(&one)));
    let cid = open(&nine).memories[0].0.to_bytes();
    assert_eq!(cid, open(&eight).memories[0].0.to_bytes());
    let mut roots = Vec::new();
    for order in [[&nine[..], &eight[..]], [&eight[..], &nine[..]]] {
        let reader = imported(&order);
        for log in [8, 9] {
            let facts = reader.facts(find(&reader, log, 1).unwrap(), &View::NOW).unwrap();
            assert_eq!(facts.iter().map(|(_, fact)| value(fact)).collect::<Vec<_>>(), [1]);
            assert_eq!(facts[0].1.origin.as_ref().map(|origin| origin.log.0), Some([log; 16]));
            assert!(reader.is_known(LogId([log; 16]), &cid).unwrap());
        }
        assert_eq!(reader.count_imported(Kind::Fact, "mood", &View::NOW).unwrap(), 2);
        roots.push(reader.memory_root().unwrap());
    }
    assert_eq!(roots[0], roots[1]);
    let reader = imported(&[&nine]);
    assert!(!reader.is_known(LogId([8; 16]), &cid).unwrap());
}

#[test]
fn what_its_log_recorded_last_holds_in_whatever_order_it_came() {
    let (one, three) = (mood(20, since(3), 1), mood(22, since(3), 3));
    let (old, new) = (seal(9, from_ref(&one)), seal(9, from_ref(&three)));
    let (forth, back) = (imported(&[&old, &new]), imported(&[&new, &old]));
    assert_eq!((value_in(&forth, View::NOW), value_in(&back, View::NOW)), (Some(3), Some(3)));
    assert_eq!(forth.memory_root().unwrap(), back.memory_root().unwrap());
    let together = imported(&[&seal(9, &[three, one])]);
    assert_eq!(together.memory_root().unwrap(), forth.memory_root().unwrap());
    // As recorded here between the two imports, only the first is known.
    let between = View::NOW.as_recorded(Position(1));
    assert_eq!((value_in(&forth, between), value_in(&back, between)), (Some(1), Some(3)));
    let positions = |reader: &Reader| -> Vec<_> {
        let history = reader.history(&mood_in(reader, 9), &View::NOW).unwrap();
        history.iter().map(|v| (v.recorded.position.0, v.position.0)).collect()
    };
    assert_eq!(positions(&forth), [(20, 1), (22, 2)]);
    assert_eq!(positions(&back), [(20, 2), (22, 1)]);
}

#[test]
fn a_log_that_recorded_two_things_in_one_place_has_both() {
    // No honest log does. More than two, and in one engram too.
    let lies: Vec<Memory> = (0..6).map(|value| mood(20, since(3), value)).collect();
    let engrams: Vec<_> = lies.chunks(2).map(|lies| seal(9, lies)).collect();
    let engrams: Vec<&[u8]> = engrams.iter().map(Vec::as_slice).collect();
    let [a, b, c] = engrams[..] else { panic!("three") };
    let first = imported(&[a, b, c]);
    let history = |reader: &Reader| -> Vec<i64> {
        reader.history(&mood_in(reader, 9), &View::NOW).unwrap().iter().map(value).collect()
    };
    let mut all = history(&first);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    for order in [[a, c, b], [b, a, c], [c, b, a]] {
        let reader = imported(&order);
        assert_eq!(history(&reader), history(&first));
        assert_eq!(value_in(&reader, View::NOW), value_in(&first, View::NOW));
        assert_eq!(reader.memory_root().unwrap(), first.memory_root().unwrap());
    }
}

#[test]
fn everybody_whom_an_engram_names_has_a_name() {
    let mut mood = memory(
        20,
        mood_of(Vertex::Named("square".into())),
        since(3),
        says(Value::List(vec![Value::Vertex(agent(8))])),
    );
    mood.recorded.agent = AgentId(7);
    let reader = imported(&[&seal(9, &[mood])]);
    for serial in [7, 8] {
        let id = find(&reader, 9, serial).unwrap();
        assert_eq!(reader.vertex(id).unwrap().unwrap().name, Some(name_of(serial)));
        let named = reader.vertices_named(&name_of(serial)).unwrap();
        assert_eq!(
            named.iter().map(|info| (info.id, info.origin)).collect::<Vec<_>>(),
            [(id, NINE)]
        );
    }
    assert_eq!(find(&reader, 9, 1), None);
}

#[test]
fn of_two_names_the_lesser_stays() {
    let [one, two] = [1, 2].map(|value| mood(20 + value, since(3), value as i64));
    let engram = |memory: &Memory, name: &'static str| {
        seal_named(9, from_ref(memory), move |_| name.to_owned())
    };
    let (b, a, again) = (engram(&one, "b"), engram(&two, "a"), engram(&one, "c"));
    let first = imported(&[&b, &a, &again]);
    for order in [[&a, &b, &again], [&again, &b, &a], [&b, &again, &a]] {
        let reader = imported(&order.map(Vec::as_slice));
        assert_eq!(reader.memory_root().unwrap(), first.memory_root().unwrap());
        let counts = ["a", "b", "c"].map(|name| reader.vertices_named(name).unwrap().len());
        assert_eq!(counts, [1, 0, 0]);
        let id = find(&reader, 9, 1).unwrap();
        assert_eq!(reader.vertex(id).unwrap().unwrap().name.as_deref(), Some("a"));
        let mut names = Vec::new();
        reader.vertex_names(&mut |name| names.push(name.to_owned())).unwrap();
        assert_eq!(names, ["a"]);
    }
    // A name is part of the root.
    let named = |name| imported(&[&engram(&one, name)]).memory_root().unwrap();
    assert_ne!(named("b"), named("c"));
}

/// The rule of reading in a namespace: order is that of its own log, what counts is what was
/// imported by then.
fn holds(
    known: &[(u64, Memory)],
    cid: impl Fn(&Memory) -> Vec<u8>,
    moment: Time,
    up_to: u64,
) -> Option<&Memory> {
    let known = known
        .iter()
        .filter(|(import, memory)| *import <= up_to && memory.write.valid.contains(moment));
    let order = |memory: &Memory| {
        let Memory { write, recorded } = memory;
        (write.valid.from, recorded.position, recorded.output, cid(memory))
    };
    let last = known.map(|(_, memory)| memory).max_by_key(|memory| order(memory))?;
    (last.write.content != Content::Ended).then_some(last)
}

fn memories() -> impl Strategy<Value = Memory> {
    let content = prop_oneof![
        4 => (0..9i64).prop_map(|value| says(Value::Int(value))),
        1 => Just(Content::Ended),
    ];
    let output = prop::option::of(0..2u16);
    (0..5u64, output, times(), prop::option::of(times()), content).prop_map(
        |(position, output, from, to, content)| {
            let valid = Valid { from, to: to.filter(|to| *to > from) };
            let mut memory = memory(position, mood_of(agent(1)), valid, content);
            memory.recorded.output = output;
            memory
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_namespace_is_read_by_the_rule_of_its_own_log(
        engrams in prop::collection::vec(prop::collection::vec(memories(), 1..6), 1..5),
        questions in prop::collection::vec((times(), 0..6u64), 20),
    ) {
        let bytes: Vec<_> = engrams.iter().map(|memories| seal(9, memories)).collect();
        let forth: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        let back: Vec<&[u8]> = forth.iter().rev().copied().collect();
        let (reader, other) = (imported(&forth), imported(&back));
        prop_assert_eq!(reader.memory_root().unwrap(), other.memory_root().unwrap());
        // The import that brings a memory first is its transaction time.
        let mut known: Vec<(u64, Memory)> = Vec::new();
        for (import, memories) in (1..).zip(&engrams) {
            for memory in memories {
                if !known.iter().any(|(_, known)| known == memory) {
                    known.push((import, memory.clone()));
                }
            }
        }
        let cid = |memory: &Memory| {
            open(&seal(9, from_ref(memory))).memories[0].0.to_bytes().to_vec()
        };
        let found = |reader: &Reader, view: View| -> Option<Version> {
            reader.get(&mood_in(reader, 9), &view).unwrap()
        };
        for (moment, up_to) in questions {
            let view = View::at(moment).as_recorded(Position(up_to));
            let found = found(&reader, view);
            let found = found.map(|version| (version.valid, version.content, version.recorded));
            let expected = holds(&known, cid, moment, up_to);
            let expected = expected.map(|memory| {
                (memory.write.valid, memory.write.content.clone(), memory.recorded)
            });
            prop_assert_eq!(found, expected);
        }
        for moment in [Time::MIN, time(0), time(1), time(3), time(5), Time::MAX] {
            let said = |reader| {
                let version = found(reader, View::at(moment));
                version.map(|version| (version.valid, version.content, version.recorded))
            };
            prop_assert_eq!(said(&reader), said(&other));
        }
    }
}
