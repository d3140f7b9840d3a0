//! What was sealed opens to the same, whatever it is.

use karyon_engram::limits::BLOCK_BYTES_MAX;
use karyon_engram::{Engram, EngramError};
use karyon_memory_ops::{Content, Entity, Memory, Value, Vertex, WriteError};
use karyon_types::AgentId;
use proptest::prelude::*;

use crate::support::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn comes_back(mut memories in prop::collection::vec(memories(), 0..8)) {
        let manifest = manifest(&memories);
        let file = Engram::seal(&manifest, &memories, &key()).unwrap();
        let opened = Engram::open(&file).unwrap();
        prop_assert_eq!(&opened.engram.manifest, &manifest);
        prop_assert_eq!(opened.signer, signer());
        let found = &opened.engram.memories;
        prop_assert!(found.is_sorted_by(|(a, _), (b, _)| a < b));
        prop_assert!(found.iter().all(|(_, memory)| memories.contains(memory)));
        prop_assert!(memories.iter().all(|m| found.iter().any(|(_, memory)| memory == m)));
        for ((cid, _), section) in found.iter().zip(sections(&file).iter().skip(2)) {
            prop_assert_eq!(cid.to_bytes(), crate::support::cid(DAG_CBOR, data(section)));
        }
        // In another order, and one of them twice.
        memories.reverse();
        memories.extend(memories.first().cloned());
        prop_assert_eq!(Engram::seal(&manifest, &memories, &key()).unwrap(), file);
    }

    /// Whatever opens is what would be made again: there is one form.
    #[test]
    fn a_changed_block_is_refused_or_in_its_one_form(
        memory in memories(), at: prop::sample::Index, to: u8,
    ) {
        let mut parts = Parts::of(std::slice::from_ref(&memory));
        let at = at.index(parts.blocks[0].len());
        parts.blocks[0][at] = to;
        let file = parts.listed_and_signed();
        if let Ok(opened) = Engram::open(&file) {
            let memories: Vec<_> = opened.engram.memories.into_iter().map(|(_, m)| m).collect();
            let again = Engram::seal(&opened.engram.manifest, &memories, &key());
            prop_assert_eq!(again, Ok(file));
        }
    }

    #[test]
    fn noise_is_no_trouble(bytes: Vec<u8>) {
        prop_assert!(Engram::open(&bytes).is_err());
    }
}

#[test]
fn types_are_kept() {
    let memories = sample();
    let opened = Engram::open(&sealed(&memories)).unwrap();
    for memory in &memories {
        assert!(opened.engram.memories.iter().any(|(_, found)| found == memory), "{memory:?}");
    }
    let zero = |number| {
        let mut memory = memories[1].clone();
        memory.write.content = Content::with([("x", Value::Float(number))]);
        sealed(&[memory])
    };
    assert_eq!(zero(-0.0), zero(0.0));
}

/// A memory whose write is as long as any, made of the values that grow most.
fn longest(value: Value, bytes_each: usize) -> Memory {
    let mut memory = sample()[1].clone();
    let count = (karyon_memory_ops::limits::WRITE_BYTES_MAX - 64) / bytes_each;
    memory.write.content = Content::with([("x", Value::List(vec![value; count]))]);
    memory
}

#[test]
fn the_longest_memories_travel() {
    for (value, bytes_each) in [
        (Value::Vertex(Vertex::Agent(AgentId(1))), 2),
        (Value::Null, 1),
        (Value::Int(0), 2),
        (Value::List(vec![]), 2),
        (Value::Map([].into()), 2),
        (Value::Text(String::new()), 2),
        (Value::Time(time(0)), 3),
        (Value::Vertex(Vertex::Named("x".into())), 3),
        (Value::Map([("x".to_owned(), Value::Vertex(Vertex::Agent(AgentId(1))))].into()), 6),
    ] {
        let memory = longest(value.clone(), bytes_each);
        let file = sealed(std::slice::from_ref(&memory));
        assert!(data(&sections(&file)[2]).len() <= BLOCK_BYTES_MAX);
        let opened = Engram::open(&file).unwrap();
        assert_eq!(opened.engram.memories[0].1, memory, "{value:?}");
    }
}

#[test]
fn what_would_not_open_is_not_made() {
    let memories = sample();
    let seal = |change: &dyn Fn(&mut karyon_engram::Manifest, &mut Vec<Memory>)| {
        let (mut manifest, mut memories) = (manifest(&memories), memories.clone());
        change(&mut manifest, &mut memories);
        Engram::seal(&manifest, &memories, &key()).unwrap_err()
    };
    let error =
        seal(&|_, memories| memories[0].write.valid.to = Some(karyon_memory_ops::Time::MIN));
    assert_eq!(error, EngramError::Write { position: 0, source: WriteError::Interval });
    let error = seal(&|_, memories| memories[1].recorded.position.0 = 1_000);
    assert_eq!(error, EngramError::Position { position: 1_000, records: 1_000 });
    let error = seal(&|manifest, _| drop(manifest.names.remove(&AgentId(400))));
    assert_eq!(error, EngramError::Unnamed { agent: AgentId(400) });
    let error = seal(&|manifest, _| drop(manifest.names.insert(AgentId(5), "eve".into())));
    assert_eq!(error, EngramError::Unmentioned { agent: AgentId(5) });
    type Change = fn(&mut karyon_engram::Manifest);
    let changes: [Change; 6] = [
        |manifest| manifest.principal.name = "a/b".into(),
        |manifest| manifest.reason = "x".repeat(5_000),
        |manifest| drop(manifest.names.insert(AgentId(9), String::new())),
        |manifest| drop(manifest.names.insert(AgentId(9), "x".repeat(257))),
        |manifest| drop(manifest.names.insert(AgentId(9), "another".into())),
        |manifest| drop(manifest.agents.insert(AgentId(0), "nobody".into())),
    ];
    for change in changes {
        let error = seal(&|manifest, _| change(manifest));
        assert!(matches!(error, EngramError::Manifest { .. }), "{error}");
    }
}

#[test]
fn agents_are_found_wherever_they_are_mentioned() {
    let agent = |serial| Vertex::Agent(AgentId(serial));
    let value = |serial| Value::Vertex(agent(serial));
    let mut memory = sample()[1].clone();
    memory.recorded.agent = AgentId(1);
    let (from, to) = (agent(2), agent(3));
    memory.write.entity = Entity::Edge { from, kind: "contact".into(), to };
    let map = Value::Map([("y".to_owned(), value(6))].into());
    let list = Value::List(vec![value(5), Value::List(vec![map])]);
    memory.write.content = Content::with([("x", list), ("z", value(4))]);
    let mentioned = |memory: &Memory| {
        Engram::mentioned([memory]).into_iter().map(|agent| agent.0).collect::<Vec<_>>()
    };
    assert_eq!(mentioned(&memory), [1, 2, 3, 4, 5, 6]);
    memory.write.content = Content::Ended;
    memory.write.entity = Entity::Fact { subject: agent(7), predicate: "p".into() };
    assert_eq!(mentioned(&memory), [1, 7]);
    memory.write.entity = Entity::Vertex(agent(8));
    assert_eq!(mentioned(&memory), [1, 8]);
    memory.write.entity = Entity::Vertex(Vertex::Named("moon".into()));
    assert_eq!(mentioned(&memory), [1]);
}
