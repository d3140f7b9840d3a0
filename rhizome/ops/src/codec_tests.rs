use proptest::prelude::*;

use super::*;
use crate::Valid;

fn edge(count: i64) -> Write {
    Write {
        entity: Entity::Edge {
            from: Vertex::Agent(AgentId(9)),
            kind: "contact".into(),
            to: Vertex::Agent(AgentId(300)),
        },
        valid: Valid::since(Time::new(1_082_040_961, 0).unwrap()),
        content: Content::with([("count", Value::Int(count))]),
    }
}

fn encoded(write: &Write) -> Vec<u8> {
    let mut out = Vec::new();
    write.encode(&mut out).unwrap();
    out
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let mut expected = vec![1, 9, 7];
    expected.extend_from_slice(b"contact");
    // 300; the time in zigzag, no billionths; one property; 2 in zigzag.
    expected.extend_from_slice(&[0xac, 2, 0x82, 0x8a, 0xf5, 0x87, 8, 0, 1, 5]);
    expected.extend_from_slice(b"count");
    expected.extend_from_slice(&[3, 4]);
    assert_eq!(encoded(&edge(2)), expected);
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    type Change = fn(&mut Write);
    let cases: [(WriteError, Change); 7] = [
        (WriteError::TooLong, |w| {
            w.content = Content::with([("x", Value::Bytes(vec![0; WRITE_BYTES_MAX]))]);
        }),
        (WriteError::Name, |w| w.entity = Entity::Vertex(Vertex::Named(String::new()))),
        (WriteError::Name, |w| w.entity = Entity::Vertex(Vertex::Named("a\u{1b}[2J".into()))),
        (WriteError::NoAgent, |w| w.entity = Entity::Vertex(Vertex::Agent(AgentId(0)))),
        (WriteError::NotFinite, |w| w.content = Content::with([("x", Value::Float(f64::NAN))])),
        (WriteError::Interval, |w| w.valid.to = Some(w.valid.from)),
        (WriteError::Depth, |w| {
            let deep = (0..=DEPTH_MAX).fold(Value::Null, |value, _| Value::List(vec![value]));
            w.content = Content::with([("x", deep)]);
        }),
    ];
    for (error, change) in cases {
        let mut write = edge(1);
        change(&mut write);
        assert_eq!(write.encode(&mut Vec::new()), Err(error));
    }
}

#[test]
fn another_form_of_the_same_is_refused() {
    // Labels announced but none; an end that is labelled; names out of order; a length that lies.
    for bytes in [
        &[16, 9, 0, 0, 0, 0][..],
        &[20, 9, 0, 0, 1, 1, b'a'],
        &[0, 9, 0, 0, 2, 1, b'b', 0, 1, b'a', 0],
        &[0, 9, 0, 0, 2, 1, b'a', 0, 1, b'a', 0],
        &[0, 9, 0, 0, 200, 200, 200, 200, 8],
        &[3, 9, 0, 0, 0],
        &[32, 9, 0, 0, 0],
        &[0, 9, 0, 0, 0, 0],
    ] {
        assert_eq!(Write::decode(bytes), None, "{bytes:?}");
    }
}

fn names() -> impl Strategy<Value = String> {
    "[a-zäß]{1,6}"
}

fn vertices() -> impl Strategy<Value = Vertex> {
    prop_oneof![(1u64..).prop_map(|n| Vertex::Agent(AgentId(n))), names().prop_map(Vertex::Named)]
}

fn times() -> impl Strategy<Value = Time> {
    (any::<i64>(), 0u32..1_000_000_000).prop_map(|(units, nanos)| Time::new(units, nanos).unwrap())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        Just(Value::Float(-0.0)),
        ".{0,9}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        times().prop_map(Value::Time),
        vertices().prop_map(Value::Vertex),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(names(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn writes() -> impl Strategy<Value = Write> {
    let entity = prop_oneof![
        vertices().prop_map(Entity::Vertex),
        (vertices(), names(), vertices()).prop_map(|(from, kind, to)| Entity::Edge {
            from,
            kind,
            to
        }),
        (vertices(), names()).prop_map(|(subject, predicate)| Entity::Fact { subject, predicate }),
    ];
    let content = prop_oneof![
        (
            prop::collection::btree_set(names(), 0..3),
            prop::collection::btree_map(names(), values(), 0..4)
        )
            .prop_map(|(labels, properties)| Content::Present { labels, properties }),
        Just(Content::Ended),
    ];
    (entity, times(), prop::option::of(times()), content).prop_map(|(entity, from, to, content)| {
        let to = to.filter(|to| *to > from);
        Write { entity, valid: Valid { from, to }, content }
    })
}

proptest! {
    #[test]
    fn every_write_comes_back(write in writes()) {
        let bytes = encoded(&write);
        taken_apart_and_put_together(&bytes);
        prop_assert_eq!(Write::decode(&bytes), Some(write));
        for cut in 0..bytes.len() {
            prop_assert_eq!(Write::decode(&bytes[..cut]), None);
        }
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(write in writes(), at: prop::sample::Index, to: u8) {
        let mut bytes = encoded(&write);
        let at = at.index(bytes.len());
        bytes[at] = to;
        taken_apart_and_put_together(&bytes);
    }

    #[test]
    fn noise_is_no_trouble(bytes: Vec<u8>) {
        taken_apart_and_put_together(&bytes);
    }
}

/// What is taken apart without being read is read as well, and nothing else.
fn taken_apart_and_put_together(bytes: &[u8]) {
    let (parts, write) = (Parts::read(bytes), Write::decode(bytes));
    assert_eq!(parts.is_some(), write.is_some());
    let (Some(parts), Some(write)) = (parts, write) else { return };
    assert_eq!(encoded(&write), bytes);
    let mut again = Vec::new();
    parts.write(&mut again);
    assert_eq!(again, bytes);
    let labels: Vec<&str> = parts.content.labels().collect();
    match &write.content {
        Content::Present { labels: read, .. } => assert!(read.iter().eq(&labels)),
        Content::Ended => assert!(labels.is_empty()),
    }
}
