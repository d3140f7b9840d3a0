//! Tests of the tree: each index has one key, and what is cut has none.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn root() -> Secret {
    Secret::new([7; 32])
}

/// The key of an index, by nothing but the definition.
fn by_definition(index: u32) -> [u8; 32] {
    let mut key = [7; 32];
    for height in (0..DEPTH).rev() {
        let side = if index >> height & 1 == 1 { HIGH } else { LOW };
        key = *blake3::keyed_hash(&key, side).as_bytes();
    }
    key
}

fn key(cover: &Cover, index: u32) -> Option<[u8; 32]> {
    Path::new().key(&Landings::new(), 1, cover, index).map(|key| *key.bytes())
}

#[test]
fn keys_are_those_of_the_definition() {
    let cover = Cover::whole(root());
    for index in [0, 1, 2, 3, 1 << 23, MEMORIES_MAX - 1, 0x00a5_5a3c] {
        assert_eq!(key(&cover, index), Some(by_definition(index)), "{index}");
    }
    assert_eq!(key(&cover, MEMORIES_MAX), None);
    assert_eq!(key(&cover, u32::MAX), None);
    let some: BTreeSet<_> = (0..1_000).map(|index| key(&cover, index)).collect();
    assert_eq!(some.len(), 1_000);
}

#[test]
fn a_path_serves_any_order_and_any_subject() {
    let (one, two) = (Cover::whole(root()), Cover::whole(Secret::new([8; 32])));
    let (mut path, mut landings) = (Path::new(), Landings::new());
    let mut index = 1u32;
    for turn in 0..2_000u32 {
        index = match turn % 4 {
            0 => index + 1,
            1 => index.wrapping_mul(0x9e37_79b1) % MEMORIES_MAX,
            2 => index,
            _ => index ^ 1 << (turn % 24),
        };
        let (subject, cover) = if turn % 7 < 4 { (1, &one) } else { (2, &two) };
        let found = path.key(&landings, subject, cover, index).map(|key| *key.bytes());
        assert_eq!(found, key(cover, index), "{turn}");
    }
    let nothing = Cover(Vec::new());
    path.key(&landings, 1, &one, 5).unwrap();
    path.forget();
    landings.forget();
    assert!(path.key(&landings, 1, &nothing, 5).is_none());
}

#[test]
fn what_erasing_costs() {
    let whole = Cover::whole(root());
    let single = |index: u32| (index, index + 1);
    let ranges = |pairs: &[(u32, u32)]| -> Vec<Range<u32>> {
        pairs.iter().map(|(start, end)| *start..*end).collect()
    };
    for (pairs, nodes) in [
        (&[single(0)][..], 24),
        (&[single(5_000_000)], 24),
        (&[single(0), single(MEMORIES_MAX - 1)], 46),
        (&[(0, MEMORIES_MAX)], 0),
        (&[(0, 1 << 23)], 1),
        (&[(0, 1_000_000)], 12),
        (&[(1, MEMORIES_MAX - 1)], 2),
    ] {
        let cover = whole.without(&ranges(pairs));
        assert_eq!(cover.nodes().len(), nodes, "{pairs:?}");
        assert_eq!(cover.0.capacity(), nodes, "{pairs:?}");
    }
    // A thousand that lie alone: below 24 nodes each, since they share the way from the root.
    let thousand: Vec<_> = (0..1_000).map(|k| single(k * 16_000 + 77)).collect();
    let cover = whole.without(&ranges(&thousand));
    assert!(cover.nodes().len() < 1_000 * 16, "{}", cover.nodes().len());
}

#[test]
fn nodes_that_cannot_be_a_cover() {
    let node = |start, height| Node { start, height, key: root() };
    for (nodes, expected) in [
        (vec![], true),
        (vec![node(0, 24)], true),
        (vec![node(0, 0), node(1, 0), node(2, 1)], true),
        (vec![node(0, 25)], false),
        (vec![node(0, 255)], false),
        (vec![node(1, 1)], false),
        (vec![node(MEMORIES_MAX, 0)], false),
        (vec![node(0, 1), node(1, 0)], false),
        (vec![node(2, 0), node(1, 0)], false),
        (vec![node(2, 0), node(2, 0)], false),
    ] {
        assert_eq!(Cover::of(nodes.clone()).is_some(), expected, "{nodes:?}");
    }
}

/// Ranges in order that do not touch each other.
fn merged(ranges: &[(u32, u32)]) -> Vec<Range<u32>> {
    let all: BTreeSet<u32> =
        ranges.iter().flat_map(|(start, length)| *start..start + length).collect();
    let mut merged: Vec<Range<u32>> = Vec::new();
    for index in all {
        match merged.last_mut() {
            Some(last) if last.end == index => last.end += 1,
            Some(_) | None => merged.push(index..index + 1),
        }
    }
    merged
}

proptest! {
    /// Cut after cut, beside a set of what is erased.
    #[test]
    fn what_is_cut_has_no_key_and_all_else_has_its_own(
        cuts in proptest::collection::vec(
            proptest::collection::vec((0u32..400, 1u32..40), 1..4), 1..6),
        base in prop::sample::select(vec![0, 1 << 20, MEMORIES_MAX - 440]),
    ) {
        let mut cover = Cover::whole(root());
        let mut erased = BTreeSet::new();
        for cut in cuts {
            let cut: Vec<_> = cut.iter().map(|(start, length)| (base + start, *length)).collect();
            let ranges = merged(&cut);
            let new: Vec<u32> = ranges.iter().cloned().flatten().collect();
            let is_news = new.iter().any(|index| !erased.contains(index));
            prop_assert_eq!(cover.holds_any(&ranges), is_news);
            cover = cover.without(&ranges);
            erased.extend(new);
            prop_assert!(Cover::of(cover.nodes().to_vec()).is_some());
            let (mut path, landings) = (Path::new(), Landings::new());
            for index in base..base + 440 {
                let found = path.key(&landings, 1, &cover, index).map(|key| *key.bytes());
                let expected = (!erased.contains(&index)).then(|| by_definition(index));
                prop_assert_eq!(found, expected, "index {}", index);
            }
        }
    }
}
