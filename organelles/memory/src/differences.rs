//! How two engrams differ: by what is said, and by where it was recorded.
//!
//! Serials mean nothing in another log, so entities are compared by their names.

use std::collections::{BTreeMap, BTreeSet};

use karyon_engram::{Cid, Opened};

use crate::item::{Item, Thing};

/// What differs between two engrams.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differences {
    /// Of who signed them and of their manifests; what the memories are is not among these.
    pub manifest: Vec<Field>,
    /// How many memories are the same: said of the same log, at the same place in it.
    pub same: usize,
    /// The others, by what they are about and when that begins.
    pub memories: Vec<Difference>,
}

/// A part of a manifest of which two engrams say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which.
    pub name: &'static str,
    /// What the first says.
    pub first: String,
    /// What the second says.
    pub second: String,
}

/// How two engrams differ in a memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Only the first holds it.
    First(Item),
    /// Only the second holds it.
    Second(Item),
    /// Both tell of the same entity, and differently.
    Content {
        /// What the first says.
        first: Item,
        /// What the second says.
        second: Item,
    },
    /// Both say the same, and it was recorded in different logs, or at different places of one.
    Recorded {
        /// As it is in the first.
        first: Item,
        /// As it is in the second.
        second: Item,
    },
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.manifest.is_empty() && self.memories.is_empty()
    }
}

impl Difference {
    fn first(&self) -> Option<&Item> {
        match self {
            Difference::First(first)
            | Difference::Content { first, .. }
            | Difference::Recorded { first, .. } => Some(first),
            Difference::Second(_) => None,
        }
    }

    fn second(&self) -> Option<&Item> {
        match self {
            Difference::Second(second)
            | Difference::Content { second, .. }
            | Difference::Recorded { second, .. } => Some(second),
            Difference::First(_) => None,
        }
    }

    /// What each of the two says; at least one says something.
    pub fn sides(&self) -> (Option<&Item>, Option<&Item>) {
        (self.first(), self.second())
    }
}

/// How the second engram differs from the first.
pub fn differences(first: &Opened, second: &Opened) -> Differences {
    let is_one_log = first.engram.manifest.origin.log == second.engram.manifest.origin.log;
    let cids = |opened: &Opened| -> BTreeSet<Cid> {
        opened.engram.memories.iter().map(|(cid, _)| *cid).collect()
    };
    // Of different logs, the same bytes speak of different agents.
    let both = match is_one_log {
        true => cids(first).intersection(&cids(second)).copied().collect(),
        false => BTreeSet::new(),
    };
    let mut entities: BTreeMap<Thing, [Vec<Item>; 2]> = BTreeMap::new();
    for (side, opened) in [first, second].into_iter().enumerate() {
        for (cid, memory) in &opened.engram.memories {
            if both.contains(cid) {
                continue;
            }
            let item = Item::told(memory, &opened.engram.manifest.names);
            let sides = entities.entry(item.thing.clone()).or_default();
            if let Some(items) = sides.get_mut(side) {
                items.push(item);
            }
        }
    }
    let memories = entities.into_values().flat_map(|[first, second]| paired(first, second));
    Differences { manifest: fields(first, second), same: both.len(), memories: memories.collect() }
}

/// Pairs the versions of one entity: those that say the same, then those that begin alike, then
/// the rest in order.
fn paired(first: Vec<Item>, second: Vec<Item>) -> Vec<Difference> {
    let mut found = Vec::new();
    let what = |item: &Item| format!("{:?}", (item.valid, &item.content));
    let (first, second) = take_pairs(first, second, what, |first, second| {
        found.push(Difference::Recorded { first, second });
    });
    let mut content = |first, second| found.push(Difference::Content { first, second });
    let (first, second) = take_pairs(first, second, |item| item.valid.from, &mut content);
    let (first, second) = take_pairs(first, second, |_| (), &mut content);
    found.extend(first.into_iter().map(Difference::First));
    found.extend(second.into_iter().map(Difference::Second));
    found.sort_by_key(|difference| {
        let (first, second) = difference.sides();
        first.or(second).map(|item| (item.valid.from, item.recorded))
    });
    found
}

/// Pairs what has the same key, in order; what is left over.
fn take_pairs<K: Ord>(
    mut first: Vec<Item>,
    mut second: Vec<Item>,
    key: impl Fn(&Item) -> K,
    mut pair: impl FnMut(Item, Item),
) -> (Vec<Item>, Vec<Item>) {
    let place = |item: &Item| (item.valid.from, item.recorded);
    second.sort_by_key(place);
    let mut of_key: BTreeMap<K, Vec<Item>> = BTreeMap::new();
    // The earliest are taken first, from the end.
    for item in second.into_iter().rev() {
        of_key.entry(key(&item)).or_default().push(item);
    }
    first.sort_by_key(place);
    let mut left = Vec::new();
    for item in first {
        match of_key.get_mut(&key(&item)).and_then(Vec::pop) {
            Some(other) => pair(item, other),
            None => left.push(item),
        }
    }
    (left, of_key.into_values().flatten().collect())
}

fn fields(first: &Opened, second: &Opened) -> Vec<Field> {
    let (ours, theirs) = (said(first), said(second));
    let pairs = ours.into_iter().zip(theirs).filter(|((_, first), (_, second))| first != second);
    pairs.map(|((name, first), (_, second))| Field { name, first, second }).collect()
}

/// What an engram says of itself, beside its memories.
fn said(opened: &Opened) -> [(&'static str, String); 12] {
    let manifest = &opened.engram.manifest;
    let origin = &manifest.origin;
    let list = |names: &BTreeMap<_, String>| {
        let names: Vec<_> = names.iter().map(|(agent, name)| format!("{name} ({agent})")).collect();
        names.join(", ")
    };
    let root: String = origin.tree_root.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        ("signer", opened.signer.to_string()),
        ("log", origin.log.to_string()),
        ("node_key", origin.node_key.to_string()),
        ("tree_size", origin.tree_size.to_string()),
        ("tree_root", root),
        ("records", origin.records.to_string()),
        ("principal", format!("{} ({})", manifest.principal.name, manifest.principal.public_key)),
        ("reason", manifest.reason.clone()),
        ("created_unix_ms", manifest.created_unix_ms.to_string()),
        ("at", manifest.at.map_or("the end".into(), |at| at.to_string())),
        ("agents", list(&manifest.agents)),
        ("names", list(&manifest.names)),
    ]
}
