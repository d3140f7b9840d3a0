//! Files that somebody made to do harm: cut anywhere, lying about lengths, pointing at themselves.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use karyon_engram::{Engram, EngramError};
use karyon_memory_ops::{Entity, Memory, Vertex};
use karyon_types::{AgentId, varint};

use crate::support::*;

/// An engram of some hundred kilobytes.
fn large() -> Vec<u8> {
    let contact = &sample()[1];
    let memories: Vec<Memory> = (0..500)
        .map(|number| {
            let mut memory = contact.clone();
            memory.recorded.position.0 = number;
            let other = Vertex::Agent(AgentId(1 + number % 50));
            let from = Vertex::Agent(AgentId(9));
            memory.write.entity = Entity::Edge { from, kind: "contact".into(), to: other };
            memory
        })
        .collect();
    sealed(&memories)
}

#[test]
fn a_cut_at_every_thousandth_byte_is_found() {
    let file = large();
    assert!(file.len() > 100_000, "{}", file.len());
    for len in (0..file.len()).step_by(1000) {
        let error = refused(&file[..len]);
        let cut = matches!(error, EngramError::Framing { .. } | EngramError::Missing { .. });
        assert!(cut, "cut to {len}: {error}");
    }
    Engram::open(&file).unwrap();
}

/// A length, and what is said to be so long.
fn claims(len: u64, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(&mut out, len);
    out.extend_from_slice(data);
    out
}

#[test]
fn lengths_that_lie_are_found_before_anything_is_made_for_them() {
    let good = sealed(&sample());
    let sections = sections(&good);
    for len in [1 << 20, 1 << 32, 1 << 40, 1 << 62, u64::MAX] {
        for (place, section) in sections.iter().enumerate() {
            let mut rest = &section[..];
            varint::read(&mut rest).unwrap();
            let mut parts = sections.clone();
            parts[place] = claims(len, rest);
            let error = refused(&parts.concat());
            let found =
                matches!(error, EngramError::Framing { .. } | EngramError::BlockTooLong { .. });
            assert!(found, "{len} at {place}: {error}");
        }
    }
    // The same inside: a byte string, a text, a list and a map of more than there is.
    for major in [0x40, 0x60, 0x80, 0xa0] {
        for count in [1u64 << 31, 1 << 40, u64::MAX] {
            let bomb = [&[major | 0x1b][..], &count.to_be_bytes()].concat();
            let error = refused(&file(envelope(&bomb).as_bytes(), &[]));
            assert!(matches!(error, EngramError::Manifest { .. }), "{major} {count}: {error}");
            let mut parts = Parts::of(&sample()[1..2]);
            parts.blocks = vec![bomb];
            let error = refused(&parts.listed_and_signed());
            assert!(matches!(error, EngramError::Memory { .. }), "{major} {count}: {error}");
        }
    }
    // A length that never ends.
    let endless = [&good[..sections[0].len()], &[0xff; 64]].concat();
    assert!(matches!(refused(&endless), EngramError::Framing { .. }));
}

fn link(cid: &[u8]) -> Ipld {
    Ipld::Link(ipld_core::cid::Cid::try_from(cid).unwrap())
}

#[test]
fn nothing_points_anywhere_but_the_manifest_at_its_memories() {
    let parts = Parts::of(&sample()[1..2]);
    let payload = serde_ipld_dagcbor::to_vec(&Ipld::Map(parts.manifest.clone())).unwrap();
    let root = cid(RAW, envelope(&payload).as_bytes());
    // The manifest lists the envelope in which it lies, as far as that can be: its own hash it
    // cannot know.
    let mut itself = Parts { manifest: parts.manifest.clone(), blocks: parts.blocks.clone() };
    itself.manifest.insert("memories".into(), Ipld::List(vec![link(&root)]));
    assert!(matches!(refused(&itself.signed()), EngramError::Manifest { .. }));
    // A manifest as a memory of another one.
    let mut nested = Parts { manifest: parts.manifest.clone(), blocks: vec![payload] };
    nested.manifest.insert("reason".into(), Ipld::String("outer".into()));
    assert!(matches!(refused(&nested.listed_and_signed()), EngramError::Memory { .. }));
    // Memories that point at each other, at the root, at themselves by another codec.
    let block = &parts.blocks[0];
    for target in [cid(DAG_CBOR, block), cid(RAW, block), root] {
        for place in ["entity", "content", "recorded"] {
            let Ipld::Map(mut map) = serde_ipld_dagcbor::from_slice(block).unwrap() else {
                panic!("a memory is a map")
            };
            map.insert(place.into(), link(&target));
            let changed = serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap();
            let blocks = vec![block.clone(), changed];
            let pointing = Parts { manifest: parts.manifest.clone(), blocks };
            let error = refused(&pointing.listed_and_signed());
            assert!(matches!(error, EngramError::Memory { .. }), "{place}: {error}");
        }
        let value = BTreeMap::from([("x".to_owned(), link(&target))]);
        let Ipld::Map(mut map) = serde_ipld_dagcbor::from_slice(block).unwrap() else {
            panic!("a memory is a map")
        };
        let Some(Ipld::Map(content)) = map.get_mut("content") else { panic!("content") };
        let Some(Ipld::Map(present)) = content.get_mut("present") else { panic!("present") };
        present.insert("properties".into(), Ipld::Map(value));
        let changed = serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap();
        let pointing = Parts { manifest: parts.manifest.clone(), blocks: vec![changed] };
        assert!(matches!(refused(&pointing.listed_and_signed()), EngramError::Memory { .. }));
    }
}
