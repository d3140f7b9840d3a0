//! Models that many know, on the public library alone: each a file with its source.
//!
//! A model's parameters are a plain struct with defaults; `build` makes a run of them and of a seed,
//! which says all that is drawn: before the run begins, and in it.

pub mod fire;
pub mod flocking;
pub mod gossip;
pub mod maki_thompson;
pub mod moran;
pub mod schelling;
pub mod sir;
pub mod sir_events;
pub mod wealth;
pub mod wolf_sheep;

use karyon::{Layer, Mark, Result, Run, View, Words};

/// Ticks of a unit of time in the models whose events happen at real-valued times.
pub const TICKS_PER_UNIT: u32 = 1 << 20;

/// What is drawn before a run begins, by what it is for.
mod stream {
    pub(super) const NETWORK: u64 = 1;
    pub(super) const PLACES: u64 = 2;
    pub(super) const STATES: u64 = 3;
}

/// Says a word of a slot, before the run begins.
fn put(run: &mut Run, layer: u8, slot: u64, cell: Option<u32>, words: &[u64]) {
    if let Some(words) = Words::new(words) {
        run.mark(Mark::Set { layer, slot, cell, words });
    }
}

/// What an agent says of itself in a layer of agents.
fn say(layer: u8, me: karyon::Pid, word: u64) -> Result<Mark> {
    let words = Words::new(&[word]).ok_or_else(|| karyon::failure("too many words"))?;
    Ok(Mark::Set { layer, slot: me.0 - 1, cell: None, words })
}

/// How many slots of a layer say each of the words from 0 on, as numbers of a row.
fn tally<const N: usize>(layer: Option<&Layer>, slots: u64) -> Vec<f64> {
    let mut counts = [0u64; N];
    for slot in 0..slots {
        let word = layer.map_or(0, |layer| layer.word(slot)) as usize;
        if let Some(count) = counts.get_mut(word) {
            *count += 1;
        }
    }
    counts.iter().map(|count| *count as f64).collect()
}

/// The number of agents of a model, out of its world.
fn size<W: 'static>(view: &View<'_>, of: impl Fn(&W) -> u64) -> u64 {
    view.world::<W>().map_or(0, of)
}
