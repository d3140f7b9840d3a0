//! What is told otherwise here, by name and by time.

use std::collections::BTreeSet;
use std::slice::from_ref;

use karyon_graph::Reader;
use karyon_memory_ops::{Content, Memory, Time, Valid, Value, Vertex, Write};
use proptest::prelude::*;

use crate::engrams::{
    agent, graph, memory, mood, mood_of, open, own, run_with, says, seal, since, until, value,
};
use crate::records::time;

fn values(reader: &Reader, log: u8, memories: &[Memory]) -> Vec<i64> {
    let conflicts = reader.conflicts(&open(&seal(log, memories))).unwrap();
    conflicts.iter().map(|conflict| value(&conflict.version)).collect()
}

#[test]
fn contradictions_are_told_by_name_and_time() {
    // Own: agent 1 has mood 7 from 5 on. Log 8 said: mood 2 from 0 to 6.
    let eight = seal(8, &[mood(1, until(0, 6), 2)]);
    let reader = graph(&run_with(&[&eight])).read().unwrap();
    for (valid, value, expected) in [
        (since(5), 7, &[2][..]),
        (since(6), 7, &[]),
        (since(6), 1, &[7]),
        (since(0), 1, &[7, 2]),
        (until(0, 5), 1, &[2]),
        (until(0, 5), 2, &[]),
        (until(5, 6), 1, &[7, 2]),
    ] {
        assert_eq!(values(&reader, 9, &[mood(1, valid, value)]), expected, "{valid:?} {value}");
    }
    // A log does not contradict itself.
    assert_eq!(values(&reader, 8, &[mood(9, since(0), 3)]), [7]);
    assert_eq!(values(&reader, 1, &[mood(9, since(0), 3)]), [2]);
}

#[test]
fn the_same_history_is_no_contradiction() {
    let history = [mood(1, since(1), 1), mood(2, since(5), 2)];
    let reader = own(&history);
    assert!(values(&reader, 9, &history).is_empty());
    // A part of it: the engram knows nothing of what came later.
    assert_eq!(values(&reader, 9, &history[..1]), [2]);
    assert!(values(&reader, 9, &[mood(1, until(1, 5), 1)]).is_empty());
}

#[test]
fn what_was_never_in_force_contradicts_nothing() {
    // Corrected here, corrected there, corrected by what comes between the bounds of another.
    let corrected = [mood(1, since(5), 1), mood(2, since(5), 2)];
    assert!(values(&own(&corrected), 9, &[mood(2, since(5), 2)]).is_empty());
    assert!(values(&own(&[mood(1, since(5), 2)]), 9, &corrected).is_empty());
    let around = [mood(1, since(0), 1), mood(2, until(3, 5), 2)];
    assert!(values(&own(&around), 9, &[mood(1, until(3, 5), 2)]).is_empty());
    assert_eq!(values(&own(&around), 9, &[mood(1, until(3, 6), 2)]), [1]);
}

#[test]
fn what_is_said_of_somebody_is_compared_by_name() {
    let heard = |from: Vertex| memory(1, mood_of(agent(1)), since(0), says(Value::Vertex(from)));
    let count = |here: &Memory, there: &Memory| {
        own(from_ref(here)).conflicts(&open(&seal(9, from_ref(there)))).unwrap().len()
    };
    let named = Vertex::Named("agent 1".into());
    assert_eq!(count(&heard(agent(1)), &heard(named)), 0);
    assert_eq!(count(&heard(agent(1)), &heard(agent(1))), 0);
    assert_eq!(count(&heard(agent(1)), &heard(agent(2))), 1);
}

/// Versions of the mood, in the order of recording.
fn histories() -> impl Strategy<Value = Vec<Memory>> {
    let content = prop_oneof![
        3 => (0..2i64).prop_map(|value| says(Value::Int(value))),
        1 => Just(Content::Ended),
    ];
    let version = (0..6i64, prop::option::of(1..4i64), content);
    prop::collection::vec(version, 1..6).prop_map(|versions| {
        let versions = (1..).zip(versions).map(|(position, (from, len, content))| {
            let valid = Valid { from: time(from), to: len.map(|len| time(from + len)) };
            memory(position, mood_of(agent(1)), valid, content)
        });
        versions.collect()
    })
}

fn in_force(memories: &[Memory], moment: Time) -> Option<usize> {
    let all = memories.iter().enumerate();
    let all = all.filter(|(_, memory)| memory.write.valid.contains(moment));
    all.max_by_key(|(index, memory)| (memory.write.valid.from, *index)).map(|(index, _)| index)
}

proptest! {
    #[test]
    fn contradictions_are_those_of_every_moment(here in histories(), there in histories()) {
        let mut expected = BTreeSet::new();
        // All bounds are whole and below 9: behind them nothing changes.
        for moment in (0..=10).map(time) {
            let pair = (in_force(&here, moment), in_force(&there, moment));
            if let (Some(one), Some(other)) = pair
                && here[one].write.content != there[other].write.content
            {
                expected.insert((one, other));
            }
        }
        let engram = open(&seal(9, &there));
        let conflicts = own(&here).conflicts(&engram).unwrap();
        let found: Vec<_> = conflicts
            .iter()
            .map(|conflict| {
                let told = engram.memories.iter().find(|(cid, _)| *cid == conflict.memory).unwrap();
                let version = &conflict.version;
                let (valid, content) = (version.valid, version.content.clone());
                let write = Write { entity: mood_of(agent(1)), valid, content };
                let index = usize::from(version.recorded.output.unwrap());
                assert_eq!(here[index].write, write);
                (index, there.iter().position(|memory| *memory == told.1).unwrap())
            })
            .collect();
        prop_assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), expected.clone());
        prop_assert_eq!(found.len(), expected.len(), "each once");
    }
}
