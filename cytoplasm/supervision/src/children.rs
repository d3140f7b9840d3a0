//! A supervisor's children: by id, and in the order of their starts.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::event::Refusal;
use crate::saved::SavedChildren;
use crate::spec::{ChildId, ChildSpec, Exit};

/// What a child does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChildState {
    /// Nothing; only its spec is there.
    Stopped,
    /// Its start was decided.
    Starting,
    /// It runs.
    Running,
    /// Its stop was decided.
    Stopping,
    /// It ended, and the supervisor has not come to it yet.
    Ended(Exit),
    /// It could not be started, and the supervisor will try again.
    Restarting,
}

impl ChildState {
    /// Why a child with the same id cannot be added.
    pub(crate) fn in_the_way(self) -> Refusal {
        match self {
            ChildState::Stopped | ChildState::Restarting => Refusal::AlreadyPresent,
            ChildState::Starting
            | ChildState::Running
            | ChildState::Stopping
            | ChildState::Ended(_) => Refusal::Running,
        }
    }
}

/// A map by id. Ids are the runtime's own, so nobody can choose them to collide, and the few
/// look-ups that a decision takes are most of its cost.
pub(crate) type ById<T> = HashMap<ChildId, T, BuildHasherDefault<IdHasher>>;

/// Fibonacci hashing. Source: Knuth, The Art of Computer Programming 3, 6.4.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let product = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The map takes its bucket from the low bits, which depend on the low bits alone.
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A place in the order of starts.
pub(crate) type Place = u64;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) spec: ChildSpec,
    pub(crate) place: Place,
    pub(crate) state: ChildState,
    /// Counts its starts, so that old news of it is told from new.
    pub(crate) run: u64,
}

impl Child {
    fn counts(&self) -> usize {
        usize::from(self.spec.significant && self.state != ChildState::Stopped)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "SavedChildren", into = "SavedChildren")]
pub(crate) struct Children {
    /// Never walked through, since its order is not the same twice.
    by_id: ById<Child>,
    order: BTreeMap<Place, ChildId>,
    next: Place,
    /// Significant children that are not stopped.
    significant: usize,
}

impl From<Children> for SavedChildren {
    fn from(all: Children) -> SavedChildren {
        let Children { mut by_id, order, next, significant: _ } = all;
        let children = order.values().filter_map(|id| by_id.remove(id)).collect();
        SavedChildren { children, next }
    }
}

impl From<SavedChildren> for Children {
    fn from(saved: SavedChildren) -> Children {
        let mut all = Children { next: saved.next, ..Children::default() };
        for child in saved.children {
            all.significant += child.counts();
            all.order.insert(child.place, child.spec.id);
            all.by_id.insert(child.spec.id, child);
        }
        all
    }
}

impl Children {
    /// Adds a child behind all others; it must not be there.
    pub(crate) fn add(&mut self, spec: ChildSpec) {
        let place = self.next;
        self.next += 1;
        self.order.insert(place, spec.id);
        self.by_id.insert(spec.id, Child { spec, place, state: ChildState::Stopped, run: 0 });
    }

    pub(crate) fn get(&self, id: ChildId) -> Option<&Child> {
        self.by_id.get(&id)
    }

    pub(crate) fn set(&mut self, id: ChildId, state: ChildState) {
        if let Some(child) = self.by_id.get_mut(&id) {
            self.significant -= child.counts();
            child.state = state;
            child.run += u64::from(state == ChildState::Starting);
            self.significant += child.counts();
        }
    }

    pub(crate) fn remove(&mut self, id: ChildId) {
        if let Some(child) = self.by_id.remove(&id) {
            self.significant -= child.counts();
            self.order.remove(&child.place);
        }
    }

    pub(crate) fn has_significant(&self) -> bool {
        self.significant > 0
    }

    /// The last child in these places.
    pub(crate) fn last_in(&self, places: Range<Place>) -> Option<&Child> {
        self.order.range(places).next_back().and_then(|(_, id)| self.by_id.get(id))
    }

    /// The first child at a place or behind it.
    pub(crate) fn first_from(&self, place: Place) -> Option<&Child> {
        self.order.range(place..).next().and_then(|(_, id)| self.by_id.get(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// In the order of their starts.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Child> {
        self.order.values().filter_map(|id| self.by_id.get(id))
    }
}
