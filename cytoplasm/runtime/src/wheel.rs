//! Timers on a hierarchical wheel: armed, taken back and fired in constant time, however many.
//!
//! Eleven levels of 64 slots: each level stands for six more bits of the tick. A timer lies on the
//! level of the highest bits in which its tick differs from the present, and comes down as the
//! present comes nearer: at most ten times. Source: Varghese and Lauck, "Hashed and hierarchical
//! timing wheels", SOSP 1987, scheme 7.

/// Bits of a tick that a level stands for; a level's 64 slots fit one word of the map.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Enough for every bit of a tick.
const LEVELS: usize = 64_usize.div_ceil(BITS as usize);
/// Stands for "no node".
const NONE: u32 = u32::MAX;

/// Where a timer lies; void as soon as it fired or was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u32);

struct Node<T> {
    due: u64,
    /// Its neighbours in the slot.
    before: u32,
    behind: u32,
    /// `None`: the node is free.
    item: Option<T>,
}

pub(crate) struct Wheel<T> {
    now: u64,
    armed: u64,
    /// The first node of each slot, level by level. Empty until the first timer is armed.
    heads: Vec<u32>,
    /// For each level, the slots that hold something.
    held: [u64; LEVELS],
    nodes: Vec<Node<T>>,
    free: u32,
    /// The first tick at which a timer is due, where that is known.
    soonest: Option<u64>,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Wheel {
            now: 0,
            armed: 0,
            heads: Vec::new(),
            held: [0; LEVELS],
            nodes: Vec::new(),
            free: NONE,
            soonest: None,
        }
    }
}

impl<T> Wheel<T> {
    /// An empty one at tick `now`.
    pub(crate) fn at(now: u64) -> Wheel<T> {
        Wheel { now, ..Wheel::default() }
    }

    /// The tick in which a timer fires; `None`: it fired or was taken back.
    pub(crate) fn due(&self, key: Key) -> Option<u64> {
        let node = self.nodes.get(key.0 as usize).filter(|node| node.item.is_some())?;
        Some(node.due)
    }

    /// Whether nothing is armed.
    pub(crate) fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Arms a timer for a tick behind the present.
    pub(crate) fn insert(&mut self, due: u64, item: T) -> Key {
        if self.heads.is_empty() {
            self.heads = vec![NONE; LEVELS * SLOTS];
        }
        if self.armed == 0 || self.soonest.is_some_and(|soonest| due < soonest) {
            self.soonest = Some(due);
        }
        self.armed += 1;
        let node = Node { due, before: NONE, behind: NONE, item: Some(item) };
        let key = match self.nodes.get_mut(self.free as usize) {
            Some(free) => {
                let key = self.free;
                self.free = free.behind;
                *free = node;
                key
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.hang(key, due);
        Key(key)
    }

    /// Takes a timer back; the tick in which it would have fired.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<u64> {
        let node = self.nodes.get(key.0 as usize).filter(|node| node.item.is_some())?;
        let (due, before, behind) = (node.due, node.before, node.behind);
        let (level, slot) = place(self.now, due);
        match self.nodes.get_mut(before as usize) {
            Some(before) => before.behind = behind,
            None => {
                if let Some(head) = self.heads.get_mut(level * SLOTS + slot) {
                    *head = behind;
                }
                if let Some(held) = self.held.get_mut(level).filter(|_| behind == NONE) {
                    *held &= !(1 << slot);
                }
            }
        }
        if let Some(behind) = self.nodes.get_mut(behind as usize) {
            behind.before = before;
        }
        self.release(key.0);
        Some(due)
    }

    /// Goes on to tick `now`, which is not behind the first one due; what is due then goes to
    /// `fired`, in no order.
    pub(crate) fn advance(&mut self, now: u64, fired: &mut Vec<T>) {
        self.now = now;
        if self.armed == 0 {
            return;
        }
        for level in (0..LEVELS).rev() {
            let slot = (now >> (level as u32 * BITS)) as usize % SLOTS;
            let bit = 1 << slot;
            let Some(held) = self.held.get_mut(level).filter(|held| **held & bit != 0) else {
                continue;
            };
            *held &= !bit;
            let Some(head) = self.heads.get_mut(level * SLOTS + slot) else { continue };
            let mut key = std::mem::replace(head, NONE);
            while let Some(node) = self.nodes.get(key as usize) {
                let (due, behind) = (node.due, node.behind);
                if due == now {
                    fired.extend(self.release(key));
                } else {
                    self.hang(key, due);
                }
                key = behind;
            }
        }
    }

    /// The first tick at which a timer is due; if it need not be `exact`, perhaps an earlier one.
    pub(crate) fn soonest(&mut self, exact: bool) -> Option<u64> {
        match (self.is_empty(), exact) {
            (true, _) => None,
            (false, true) => self.next_due(),
            (false, false) => Some(self.now + 1),
        }
    }

    fn next_due(&mut self) -> Option<u64> {
        if self.soonest.is_none() {
            // The first slot that holds something on the lowest such level comes first.
            let level = self.held.iter().position(|held| *held != 0)?;
            let slot = self.held.get(level)?.trailing_zeros() as usize;
            let mut key = *self.heads.get(level * SLOTS + slot)?;
            while let Some(node) = self.nodes.get(key as usize) {
                self.soonest = Some(self.soonest.map_or(node.due, |first| first.min(node.due)));
                key = node.behind;
            }
        }
        self.soonest
    }

    /// Puts a node into the slot of its tick, in front.
    fn hang(&mut self, key: u32, due: u64) {
        let (level, slot) = place(self.now, due);
        if let Some(held) = self.held.get_mut(level) {
            *held |= 1 << slot;
        }
        let Some(head) = self.heads.get_mut(level * SLOTS + slot) else { return };
        let first = std::mem::replace(head, key);
        if let Some(first) = self.nodes.get_mut(first as usize) {
            first.before = key;
        }
        if let Some(node) = self.nodes.get_mut(key as usize) {
            (node.before, node.behind) = (NONE, first);
        }
    }

    fn release(&mut self, key: u32) -> Option<T> {
        let node = self.nodes.get_mut(key as usize)?;
        node.behind = std::mem::replace(&mut self.free, key);
        self.armed -= 1;
        if self.armed == 0 || self.soonest == Some(node.due) {
            self.soonest = None;
        }
        node.item.take()
    }
}

/// Level and slot of a tick behind `now`.
fn place(now: u64, due: u64) -> (usize, usize) {
    let level = ((now ^ due) | 1).ilog2() / BITS;
    (level as usize, (due >> (level * BITS)) as usize % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Op {
        Arm(u64),
        /// Of those armed, this one.
        Cancel(prop::sample::Index),
        /// So many ticks, but never past one that is due.
        Pass(u64),
        ToNext,
    }

    fn op() -> impl Strategy<Value = Op> {
        let ticks = prop_oneof![1u64..5, 1u64..200, 1u64..1 << 20, 1u64..1 << 48];
        prop_oneof![
            4 => ticks.clone().prop_map(Op::Arm),
            2 => any::<prop::sample::Index>().prop_map(Op::Cancel),
            2 => ticks.prop_map(Op::Pass),
            2 => Just(Op::ToNext),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn agrees_with_a_sorted_map(
            start in prop_oneof![Just(0u64), 0u64..1 << 40],
            ops in prop::collection::vec(op(), 1..200),
        ) {
            let mut wheel = Wheel::default();
            wheel.advance(start, &mut Vec::new());
            // By tick and number; the keys.
            let mut model = BTreeMap::new();
            let (mut now, mut number) = (start, 0u64);
            for op in ops {
                let next = model.keys().next().map(|(due, _)| *due);
                let to = match op {
                    Op::Arm(ticks) => {
                        model.insert((now + ticks, number), wheel.insert(now + ticks, number));
                        number += 1;
                        None
                    }
                    Op::Cancel(which) => {
                        let all: Vec<_> = model.keys().copied().collect();
                        if !all.is_empty() {
                            wheel.cancel(model.remove(which.get(&all)).unwrap());
                        }
                        None
                    }
                    Op::Pass(ticks) => Some((now + ticks).min(next.unwrap_or(u64::MAX))),
                    Op::ToNext => next,
                };
                if let Some(to) = to.filter(|to| *to > now) {
                    now = to;
                    let mut fired = Vec::new();
                    wheel.advance(now, &mut fired);
                    fired.sort_unstable();
                    let later = model.split_off(&(now + 1, 0));
                    let due: Vec<_> = std::mem::replace(&mut model, later).into_keys().collect();
                    prop_assert_eq!(fired, due.iter().map(|(_, n)| *n).collect::<Vec<_>>());
                }
                prop_assert_eq!(wheel.is_empty(), model.is_empty());
                prop_assert_eq!(wheel.next_due(), model.keys().next().map(|(due, _)| *due));
            }
        }
    }

    #[test]
    fn what_was_taken_back_leaves_its_place_to_others() {
        let mut wheel = Wheel::default();
        for round in 0..10_000 {
            let key = wheel.insert(1 + round % 5_000, round);
            wheel.cancel(key);
            wheel.cancel(key);
        }
        assert_eq!((wheel.nodes.len(), wheel.is_empty()), (1, true));
    }
}
