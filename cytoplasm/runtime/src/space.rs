//! What all agents of a run see: layers of slots, and what stands in which cell.
//!
//! A step reads the space as it is when its tick begins, and changes it by outputs alone
//! ([`Context::mark`](crate::Context::mark)). Where agents act all at once the leader carries these
//! out between two ticks, in the order of (agent, step, output), and claims behind the others in an
//! order that is drawn for the tick; where they take turns, each is carried out when its step ends.
//! So a step stays a function of what is recorded, for any number of schedulers, and to look at a
//! neighbour costs a look at a list. The space follows from the steps, as names and timers do: it is
//! repeated with them, and no part of the state root.

use std::sync::{Arc, Mutex};

use karyon_arrangements::{Mark, WORDS_MAX};
use karyon_log::Message;
use karyon_types::{AgentId, Denial, Hasher};
use serde::{Deserialize, Serialize};

use crate::engine::lock;
use crate::schedule::Order;

/// The layers of a space, at most: what a mark has room for.
pub const LAYERS_MAX: usize = 256;
/// Slots and cells of a layer, at most, each. A slot takes 8 bytes a word, and 12 more if it can stand
/// in a cell; a cell takes 4.
pub const SLOTS_MAX: u64 = 1 << 28;

/// Stands for no slot and no cell.
const NONE: u32 = u32::MAX;

/// Whose the slots of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// Everybody's: any agent changes any of them.
    Everybody,
    /// Those of the agents with the same number, less one. To change another agent's takes what it
    /// takes to send to that one. What an agent has there goes when it ends or begins anew.
    Agents,
}

/// A layer of a space: slots of some words each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    whose: Whose,
    slots: u32,
    width: usize,
    /// As far as any slot was ever changed; behind that all words are 0.
    words: Vec<u64>,
    /// Of a layer whose slots stand in cells.
    cells: Option<Cells>,
}

/// Who stands where: for each cell a list, the latest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cells {
    first: Vec<u32>,
    /// By slot: its cell, and its neighbours in the list.
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    cell: u32,
    before: u32,
    behind: u32,
}

const NOWHERE: Place = Place { cell: NONE, before: NONE, behind: NONE };

impl Layer {
    /// Who may change its slots.
    pub fn whose(&self) -> Whose {
        self.whose
    }

    /// Words of a slot.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether its slots can stand in cells.
    pub fn has_cells(&self) -> bool {
        self.cells.is_some()
    }

    /// A layer of `slots` slots (at most [`SLOTS_MAX`]) of `words` words (1 to
    /// [`WORDS_MAX`](crate::WORDS_MAX)), all 0; other numbers count as the nearest of these.
    pub fn new(whose: Whose, slots: u64, words: usize) -> Layer {
        let width = words.clamp(1, WORDS_MAX);
        let slots = slots.min(SLOTS_MAX) as u32;
        Layer { whose, slots, width, words: Vec::new(), cells: None }
    }

    /// Each slot may stand in one of `cells` cells (at most [`SLOTS_MAX`]), so that it is found
    /// there.
    #[must_use]
    pub fn in_cells(mut self, cells: u64) -> Layer {
        let cells = cells.min(SLOTS_MAX) as usize;
        self.cells = Some(Cells { first: vec![NONE; cells], places: Vec::new() });
        self
    }

    /// The words of a slot, as many as the layer has; empty for a slot that it has not.
    #[inline]
    pub fn words(&self, slot: u64) -> &[u64] {
        const UNTOUCHED: [u64; WORDS_MAX] = [0; WORDS_MAX];
        if slot >= u64::from(self.slots) {
            return &[];
        }
        let begin = slot as usize * self.width;
        let blank = UNTOUCHED.get(..self.width).unwrap_or_default();
        self.words.get(begin..begin + self.width).unwrap_or(blank)
    }

    /// The first word of a slot; 0 for a slot that it has not.
    #[inline]
    pub fn word(&self, slot: u64) -> u64 {
        self.words.get(slot as usize * self.width).copied().unwrap_or(0)
    }

    /// How many slots it has.
    pub fn slots(&self) -> u64 {
        u64::from(self.slots)
    }

    /// The cell in which a slot stands; `None`: in none.
    #[inline]
    pub fn cell(&self, slot: u64) -> Option<u32> {
        let place = self.cells.as_ref()?.places.get(slot as usize)?;
        (place.cell != NONE).then_some(place.cell)
    }

    /// The slots that stand in a cell, whoever came last first.
    #[inline]
    pub fn standing(&self, cell: u32) -> impl Iterator<Item = u64> {
        let cells = self.cells.as_ref();
        let first = cells.and_then(|cells| cells.first.get(cell as usize)).copied();
        let behind = move |slot: &u32| {
            let place = cells.and_then(|cells| cells.places.get(*slot as usize));
            place.map(|place| place.behind).filter(|slot| *slot != NONE)
        };
        std::iter::successors(first.filter(|slot| *slot != NONE), behind).map(u64::from)
    }

    /// How many slots stand in a cell.
    #[inline]
    pub fn crowd(&self, cell: u32) -> usize {
        self.standing(cell).count()
    }

    fn set(&mut self, slot: u64, cell: Option<u32>, words: &[u64]) {
        let begin = slot as usize * self.width;
        if slot >= u64::from(self.slots) {
            return;
        }
        if self.words.len() < begin + self.width {
            self.words.resize(begin + self.width, 0);
        }
        for (old, new) in self.words.iter_mut().skip(begin).take(self.width).zip(words) {
            *old = *new;
        }
        if let (Some(cells), Some(cell)) = (&mut self.cells, cell) {
            cells.stand(slot as usize, cell);
        }
    }

    fn clear(&mut self, slot: u64) {
        let begin = slot as usize * self.width;
        self.words.iter_mut().skip(begin).take(self.width).for_each(|word| *word = 0);
        if let Some(cells) = &mut self.cells {
            cells.leave(slot as usize);
        }
    }
}

impl Cells {
    fn stand(&mut self, slot: usize, cell: u32) {
        if self.places.get(slot).is_some_and(|place| place.cell == cell) {
            return;
        }
        self.leave(slot);
        let Some(first) = self.first.get_mut(cell as usize) else { return };
        let behind = std::mem::replace(first, slot as u32);
        if self.places.len() <= slot {
            self.places.resize(slot + 1, NOWHERE);
        }
        if let Some(place) = self.places.get_mut(slot) {
            *place = Place { cell, before: NONE, behind };
        }
        if let Some(place) = self.places.get_mut(behind as usize) {
            place.before = slot as u32;
        }
    }

    fn leave(&mut self, slot: usize) {
        let Some(place) = self.places.get_mut(slot) else { return };
        let Place { cell, before, behind } = std::mem::replace(place, NOWHERE);
        match self.places.get_mut(before as usize) {
            Some(place) => place.behind = behind,
            None => {
                if let Some(first) = self.first.get_mut(cell as usize) {
                    *first = behind;
                }
            }
        }
        if let Some(place) = self.places.get_mut(behind as usize) {
            place.before = before;
        }
    }
}

/// What all agents of a run see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    layers: Vec<Layer>,
}

impl Space {
    /// A space of these layers, at most [`LAYERS_MAX`]: those behind are left out.
    pub fn new(layers: impl IntoIterator<Item = Layer>) -> Space {
        Space { layers: layers.into_iter().take(LAYERS_MAX).collect() }
    }

    /// A layer, by its number from 0.
    #[inline]
    pub fn layer(&self, layer: u8) -> Option<&Layer> {
        self.layers.get(usize::from(layer))
    }

    /// Does to it what an agent would do by a mark: before the run begins.
    pub fn apply(&mut self, mark: &Mark) {
        if !self.permits(mark) {
            return;
        }
        let Some(layer) = self.layers.get_mut(usize::from(mark.layer())) else { return };
        match mark {
            Mark::Set { slot, cell, words, .. } => layer.set(*slot, *cell, words.as_slice()),
            Mark::Clear { slot, .. } => layer.clear(*slot),
            Mark::Claim { slot, word, leave, .. } => {
                if layer.word(*slot) == 0 {
                    leave.iter().for_each(|leave| layer.clear(*leave));
                    layer.set(*slot, None, &[*word]);
                }
            }
        }
    }

    /// A digest of it, for whoever says what a run is.
    pub fn add_to(&self, hasher: &mut Hasher) {
        let mut bytes = Vec::new();
        crate::codec::encode(self, &mut bytes);
        hasher.field(&bytes);
    }

    /// Whether it has the layer, the slots and the cell that a mark is about.
    fn permits(&self, mark: &Mark) -> bool {
        let Some(layer) = self.layer(mark.layer()) else { return false };
        let has = |slot: u64| slot < u64::from(layer.slots);
        has(mark.slot())
            && match mark {
                Mark::Set { cell, words, .. } => {
                    let cells = layer.cells.as_ref().map_or(0, |cells| cells.first.len());
                    cell.is_none_or(|cell| (cell as usize) < cells)
                        && words.as_slice().len() <= layer.width
                }
                Mark::Clear { .. } => true,
                Mark::Claim { leave, .. } => leave.is_none_or(has),
            }
    }

    /// Whom an agent has to be allowed to send to, if it is to change this.
    ///
    /// # Errors
    /// [`Denial::MalformedArguments`]: there is no such layer, slot or cell.
    pub(crate) fn asks(&self, by: AgentId, mark: &Mark) -> Result<AgentId, Denial> {
        match self.layer(mark.layer()) {
            Some(layer) if self.permits(mark) => Ok(match layer.whose {
                Whose::Everybody => by,
                Whose::Agents => AgentId(mark.slot() + 1),
            }),
            Some(_) | None => Err(Denial::MalformedArguments),
        }
    }

    /// What an agent has in the layers of agents is there no more.
    fn remove(&mut self, agent: AgentId) {
        for layer in self.layers.iter_mut().filter(|layer| layer.whose == Whose::Agents) {
            layer.clear(agent.0.wrapping_sub(1));
        }
    }

    fn carry_out(&mut self, change: &Change) {
        match change.what {
            What::Mark(mark) => self.apply(&mark),
            What::End => self.remove(change.by.from),
        }
    }
}

/// What an agent did to the space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) by: Message,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Mark(Mark),
    /// It ended, or begins anew.
    End,
}

impl Change {
    fn is_claim(&self) -> bool {
        matches!(self.what, What::Mark(Mark::Claim { .. }))
    }

    /// What a step did comes in front of the end that it led to.
    fn place(&self) -> (Message, bool) {
        let mut by = self.by;
        let ends = matches!(self.what, What::End);
        by.output = if ends { u16::MAX } else { by.output };
        (by, ends)
    }
}

/// Where the space lies for all schedulers. It is changed between two ticks, or by the one scheduler
/// that runs turns.
#[derive(Default)]
pub(crate) struct Common {
    space: Option<Mutex<Arc<Space>>>,
}

impl Common {
    pub(crate) fn new(space: Option<Space>) -> Common {
        Common { space: space.map(|space| Mutex::new(Arc::new(space))) }
    }

    /// The space as it is now; `None`: the run has none.
    #[inline]
    pub(crate) fn read(&self) -> Option<Arc<Space>> {
        self.space.as_ref().map(|space| Arc::clone(&lock(space)))
    }

    /// Carries out what was done in a tick, all of it at once.
    pub(crate) fn settle(&self, changes: &mut Vec<Change>, order: Order) {
        let Some(space) = self.space.as_ref().filter(|_| !changes.is_empty()) else { return };
        let mut space = lock(space);
        // In place, unless a step that never returned still reads it.
        let space = Arc::make_mut(&mut space);
        // Mostly they lie so.
        changes.sort_by_key(Change::place);
        let mut claims = Vec::new();
        for change in changes.drain(..) {
            match change.is_claim() {
                true => claims.push((order.rank(change.by.from), change)),
                false => space.carry_out(&change),
            }
        }
        // Claims of one agent stay in the order in which it made them.
        claims.sort_by_key(|(rank, _)| *rank);
        claims.iter().for_each(|(_, claim)| space.carry_out(claim));
    }

    pub(crate) fn is_there(&self) -> bool {
        self.space.is_some()
    }

    /// These agents are gone between two ticks.
    pub(crate) fn remove(&self, agents: impl IntoIterator<Item = AgentId>) {
        if let Some(space) = &self.space {
            let mut space = lock(space);
            let space = Arc::make_mut(&mut space);
            agents.into_iter().for_each(|agent| space.remove(agent));
        }
    }

    /// Takes the space from all others, for the one who runs turns; it comes back by
    /// [`Common::put`].
    pub(crate) fn take(&self) -> Option<Arc<Space>> {
        self.space.as_ref().map(|space| std::mem::take(&mut *lock(space)))
    }

    pub(crate) fn put(&self, taken: Option<Arc<Space>>) {
        if let (Some(space), Some(taken)) = (&self.space, taken) {
            *lock(space) = taken;
        }
    }
}

/// Carries out what was done in a turn.
pub(crate) fn take_effect(space: &mut Option<Arc<Space>>, changes: &mut Vec<Change>) {
    if let Some(space) = space.as_mut().filter(|_| !changes.is_empty()) {
        let space = Arc::make_mut(space);
        changes.drain(..).for_each(|change| space.carry_out(&change));
    }
    changes.clear();
}

/// Looks at the space whenever a tick has ended, and says whether the run has come to its end by
/// that. What it says has to follow from what it was shown alone: a run that is repeated asks again.
pub trait Observer: Send {
    /// The space as it is behind `tick`; `true`: the run is complete.
    fn behind(&mut self, tick: karyon_types::Tick, space: &Space) -> bool;

    /// What it keeps of what it was shown, for a snapshot.
    fn save(&self) -> Vec<u8>;

    /// Goes on from that; `false`: it cannot be read.
    fn load(&mut self, saved: &[u8]) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_arrangements::Words;
    use proptest::prelude::*;

    fn set(layer: u8, slot: u64, cell: Option<u32>, words: &[u64]) -> Mark {
        Mark::Set { layer, slot, cell, words: Words::new(words).unwrap() }
    }

    proptest! {
        /// Who stands where is what a plain map says, the latest first.
        #[test]
        fn cells_hold_who_stands_there(
            acts in prop::collection::vec((0u64..12, prop::option::of(0u32..5), any::<bool>()), 0..80),
        ) {
            let mut space = Space::new([Layer::new(Whose::Agents, 12, 1).in_cells(5)]);
            let mut cells: Vec<Vec<u64>> = vec![Vec::new(); 5];
            for (slot, cell, clears) in acts {
                let stood = cells.iter().position(|cell| cell.contains(&slot));
                if clears {
                    space.apply(&Mark::Clear { layer: 0, slot });
                    cells.iter_mut().for_each(|cell| cell.retain(|other| *other != slot));
                } else {
                    space.apply(&set(0, slot, cell, &[slot + 1]));
                    if let Some(cell) = cell.filter(|cell| stood != Some(*cell as usize)) {
                        cells.iter_mut().for_each(|cell| cell.retain(|other| *other != slot));
                        cells[cell as usize].insert(0, slot);
                    }
                }
                let layer = space.layer(0).unwrap();
                for (cell, expected) in (0..).zip(&cells) {
                    prop_assert_eq!(&layer.standing(cell).collect::<Vec<_>>(), expected);
                    prop_assert_eq!(layer.crowd(cell), expected.len());
                    for slot in expected {
                        prop_assert_eq!(layer.cell(*slot), Some(cell));
                        prop_assert_eq!(layer.word(*slot), slot + 1);
                    }
                }
                let nowhere = (0..12).filter(|slot| !cells.iter().any(|c| c.contains(slot)));
                prop_assert!(nowhere.into_iter().all(|slot| layer.cell(slot).is_none()));
            }
        }
    }

    #[test]
    fn a_claim_takes_what_is_free_and_leaves_what_it_had() {
        let mut space = Space::new([Layer::new(Whose::Everybody, 4, 1)]);
        space.apply(&set(0, 0, None, &[7]));
        let claim = |slot, leave| Mark::Claim { layer: 0, slot, word: 7, leave };
        space.apply(&claim(2, Some(0)));
        let words = |space: &Space| [0, 1, 2, 3].map(|slot| space.layer(0).unwrap().word(slot));
        assert_eq!(words(&space), [0, 0, 7, 0]);
        space.apply(&set(0, 3, None, &[8]));
        space.apply(&claim(3, Some(2)));
        assert_eq!(words(&space), [0, 0, 7, 8], "it is taken: nothing happens");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let mut space = Space::new([
            Layer::new(Whose::Everybody, 4, 2),
            Layer::new(Whose::Agents, 4, 1).in_cells(3),
        ]);
        let before = space.clone();
        let refused = [
            set(2, 0, None, &[]),
            set(0, 4, None, &[]),
            set(0, 0, Some(0), &[]),
            set(0, 0, None, &[1, 2, 3]),
            set(1, 0, Some(3), &[]),
            Mark::Clear { layer: 0, slot: 4 },
            Mark::Claim { layer: 0, slot: 4, word: 1, leave: None },
            Mark::Claim { layer: 0, slot: 0, word: 1, leave: Some(4) },
        ];
        for mark in refused {
            assert_eq!(space.asks(AgentId(9), &mark), Err(Denial::MalformedArguments), "{mark:?}");
            space.apply(&mark);
        }
        assert_eq!(space, before);
        assert_eq!(space.asks(AgentId(9), &set(0, 1, None, &[])), Ok(AgentId(9)));
        assert_eq!(space.asks(AgentId(9), &set(1, 1, Some(2), &[])), Ok(AgentId(2)));
    }
}
