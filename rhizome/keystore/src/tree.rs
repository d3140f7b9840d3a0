//! The keys of one subject: a tree from which single leaves can be cut.
//!
//! A binary tree over the indexes 0 to 2²⁴-1. A node's key is made from the one above it by a hash
//! with a key, so who has a node has all below it and nothing else; the leaf is the key under which
//! one memory is sealed. At first the root alone is kept. To erase an index, the nodes on the way
//! to it are forgotten, and those beside the way are kept in their place: the *cover* of what is
//! left. A range is cut at its two ends.
//!
//! Source: O. Goldreich, S. Goldwasser, S. Micali, *How to construct random functions*, J. ACM
//! 33(4), 1986 (the tree); D. Boneh, B. Waters, *Constrained pseudorandom functions and their
//! applications*, ASIACRYPT 2013 (its puncturing).
//!
//! # Invariants
//! 1. From a cover the key of an index follows exactly if that index was never cut.
//! 2. The nodes of a cover are in the order of their indexes, aligned, and do not overlap.

use std::ops::Range;
use std::sync::Mutex;

use crate::limits::{DEPTH, LANDING_HEIGHT, LANDINGS, MEMORIES_MAX};
use crate::secret::Secret;

/// What is hashed under a node's key to get the key of the node below it: index bit 0, and bit 1.
const LOW: &[u8] = b"karyon keystore tree v1 low";
const HIGH: &[u8] = b"karyon keystore tree v1 high";

/// The key of the lower or the higher of the two nodes below this one. The message is shorter than
/// a block of BLAKE3, so this is one compression.
fn child(parent: &Secret, is_high: bool) -> [u8; 32] {
    *blake3::keyed_hash(parent.bytes(), if is_high { HIGH } else { LOW }).as_bytes()
}

/// A node: the keys of 2^height indexes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The first of them, a multiple of their number.
    pub(crate) start: u32,
    /// 0 for a leaf, [`DEPTH`] for the root.
    pub(crate) height: u8,
    pub(crate) key: Secret,
}

impl Node {
    /// The index behind the last.
    pub(crate) fn end(&self) -> u32 {
        end(self.start, self.height)
    }

    fn below(&self, is_high: bool) -> Node {
        let height = self.height.saturating_sub(1);
        let start = self.start + (u32::from(is_high) << height);
        Node { start, height, key: Secret::new(child(&self.key, is_high)) }
    }
}

fn end(start: u32, height: u8) -> u32 {
    start + (1 << height)
}

/// The nodes from which the keys of all indexes follow that are not erased.
#[derive(Clone, Debug)]
pub(crate) struct Cover(Vec<Node>);

impl Cover {
    /// Nothing is erased.
    pub(crate) fn whole(root: Secret) -> Cover {
        Cover(vec![Node { start: 0, height: DEPTH, key: root }])
    }

    /// The cover that has these nodes; `None` if none could (invariant 2).
    pub(crate) fn of(nodes: Vec<Node>) -> Option<Cover> {
        let mut behind = 0;
        for node in &nodes {
            let is_aligned = node.height <= DEPTH
                && node.start < MEMORIES_MAX
                && node.start.trailing_zeros() >= u32::from(node.height);
            if !is_aligned || node.start < behind {
                return None;
            }
            behind = node.end();
        }
        Some(Cover(nodes))
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.0
    }

    /// The node above an index; `None`: it is erased, or none.
    pub(crate) fn above(&self, index: u32) -> Option<&Node> {
        let behind = self.0.partition_point(|node| node.start <= index);
        self.0.get(behind.checked_sub(1)?).filter(|node| index < node.end())
    }

    /// Whether any index of these ranges is not erased yet.
    pub(crate) fn holds_any(&self, ranges: &[Range<u32>]) -> bool {
        ranges.iter().any(|range| {
            let behind = self.0.partition_point(|node| node.end() <= range.start);
            self.0.get(behind).is_some_and(|node| node.start < range.end)
        })
    }

    /// The same keys below `from`, and others from there on, under nodes that are drawn: at most
    /// [`DEPTH`].
    pub(crate) fn renewed<E>(
        &self,
        from: u32,
        mut draw: impl FnMut() -> Result<Secret, E>,
    ) -> Result<Cover, E> {
        let mut cover = match from {
            MEMORIES_MAX.. => self.clone(),
            _ => self.without(std::slice::from_ref(&(from..MEMORIES_MAX))),
        };
        // A vector that grows leaves copies of keys behind.
        let mut nodes = Vec::with_capacity(cover.0.len() + usize::from(DEPTH) + 1);
        nodes.append(&mut cover.0);
        let mut start = from;
        while start < MEMORIES_MAX {
            let height = DEPTH.min(start.trailing_zeros() as u8);
            nodes.push(Node { start, height, key: draw()? });
            start = end(start, height);
        }
        Ok(Cover(nodes))
    }

    /// What is left without these ranges, which are in order and do not touch each other.
    pub(crate) fn without(&self, ranges: &[Range<u32>]) -> Cover {
        // Counted first: a vector that grows leaves copies of keys behind.
        let count = self.0.iter().map(|node| count(node.start, node.height, ranges)).sum();
        let mut kept = Vec::with_capacity(count);
        for node in &self.0 {
            cut(node, ranges, &mut kept);
        }
        Cover(kept)
    }
}

/// What becomes of a node when ranges are cut.
enum Fate {
    Kept,
    Gone,
    Split,
}

fn fate(start: u32, height: u8, ranges: &[Range<u32>]) -> Fate {
    let end = end(start, height);
    let behind = ranges.partition_point(|range| range.end <= start);
    match ranges.get(behind).filter(|range| range.start < end) {
        None => Fate::Kept,
        Some(range) if range.start <= start && end <= range.end => Fate::Gone,
        Some(_) => Fate::Split,
    }
}

fn cut(node: &Node, ranges: &[Range<u32>], kept: &mut Vec<Node>) {
    match fate(node.start, node.height, ranges) {
        Fate::Kept => kept.push(node.clone()),
        Fate::Gone => {}
        // Never a leaf: a range that meets a leaf holds it.
        Fate::Split => {
            cut(&node.below(false), ranges, kept);
            cut(&node.below(true), ranges, kept);
        }
    }
}

/// How many nodes `cut` keeps.
fn count(start: u32, height: u8, ranges: &[Range<u32>]) -> usize {
    match fate(start, height, ranges) {
        Fate::Kept => 1,
        Fate::Gone => 0,
        Fate::Split => {
            let height = height.saturating_sub(1);
            count(start, height, ranges) + count(end(start, height), height, ranges)
        }
    }
}

/// The way to the last key that was made, so that the next one is near: for neighbours two hashes
/// on the average, rather than one for each level.
pub(crate) struct Path {
    /// Whose; 0: nobody's.
    subject: u64,
    index: u32,
    /// The height of the cover's node.
    top: u8,
    /// The nodes above the index and its leaf, by height.
    keys: [Secret; DEPTH as usize + 1],
}

impl Path {
    pub(crate) fn new() -> Path {
        let keys = std::array::from_fn(|_| Secret::new([0; 32]));
        Path { subject: 0, index: 0, top: 0, keys }
    }

    /// Forgets all keys. To be called whenever a cover has changed.
    pub(crate) fn forget(&mut self) {
        *self = Path::new();
    }

    /// The key of an index of a subject with this cover; `None`: it is erased, or none.
    pub(crate) fn key(
        &mut self,
        landings: &Landings,
        subject: u64,
        cover: &Cover,
        index: u32,
    ) -> Option<&Secret> {
        let shared = self.shared(subject, index);
        let is_far = shared.is_none_or(|height| height > LANDING_HEIGHT);
        // Nobody's while it is neither the old way nor the new one.
        self.subject = 0;
        let landing = self.keys.get_mut(usize::from(LANDING_HEIGHT))?;
        let from = if is_far && landings.recall(subject, index, landing) {
            // What lies above is of the old way.
            self.top = LANDING_HEIGHT;
            LANDING_HEIGHT
        } else if let Some(height) = shared {
            height
        } else {
            let node = cover.above(index)?;
            self.keys.get_mut(usize::from(node.height))?.set(node.key.bytes());
            self.top = node.height;
            node.height
        };
        for height in (0..from).rev() {
            let (below, above) = self.keys.split_at_mut_checked(usize::from(height) + 1)?;
            let (key, is_high) = (below.last_mut()?, index >> height & 1 == 1);
            key.set(&child(above.first()?, is_high));
            if height == LANDING_HEIGHT {
                landings.remember(subject, index, key);
            }
        }
        (self.subject, self.index) = (subject, index);
        self.keys.first()
    }

    /// The height of the lowest node that is above both this index and the last one.
    fn shared(&self, subject: u64, index: u32) -> Option<u8> {
        let differing = index ^ self.index;
        let is_near = self.subject == subject && differing >> self.top == 0;
        is_near.then(|| (u32::BITS - differing.leading_zeros()) as u8)
    }
}

/// Nodes half way down that were passed, of any subject, so that keys far from each other do not
/// take the whole way.
pub(crate) struct Landings(Vec<Mutex<Landing>>);

/// A node of the height [`LANDING_HEIGHT`].
struct Landing {
    /// Whose; 0: nobody's.
    subject: u64,
    /// The indexes below it, without their lowest bits.
    place: u32,
    key: Secret,
}

impl Landings {
    pub(crate) fn new() -> Landings {
        let nobody = || Mutex::new(Landing { subject: 0, place: 0, key: Secret::new([0; 32]) });
        Landings((0..LANDINGS).map(|_| nobody()).collect())
    }

    /// Forgets all keys. To be called whenever a cover has changed.
    pub(crate) fn forget(&mut self) {
        *self = Landings::new();
    }

    /// Puts the node above an index into `key`; whether it is known.
    fn recall(&self, subject: u64, index: u32, key: &mut Secret) -> bool {
        let (slot, place) = self.slot(subject, index);
        // Whoever meets another reader takes the whole way rather than wait.
        let Some(landing) = slot.and_then(|slot| slot.try_lock().ok()) else { return false };
        let is_known = landing.subject == subject && landing.place == place;
        if is_known {
            key.set(landing.key.bytes());
        }
        is_known
    }

    fn remember(&self, subject: u64, index: u32, key: &Secret) {
        let (slot, place) = self.slot(subject, index);
        if let Some(mut landing) = slot.and_then(|slot| slot.try_lock().ok()) {
            (landing.subject, landing.place) = (subject, place);
            landing.key.set(key.bytes());
        }
    }

    /// Neighbours in slots of their own, subjects far from each other.
    fn slot(&self, subject: u64, index: u32) -> (Option<&Mutex<Landing>>, u32) {
        let place = index >> LANDING_HEIGHT;
        let number = subject.wrapping_mul(0x9e37_79b9).wrapping_add(place.into());
        (self.0.get((number % LANDINGS as u64) as usize), place)
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
