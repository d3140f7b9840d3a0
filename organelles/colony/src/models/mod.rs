//! Models that many know, on the public library alone: each a file with its source.
//!
//! A model's parameters are a plain struct with defaults ([`Model`]), which makes a run of them and of a
//! seed. The seed says all that is drawn: before the run begins, and in it. Each parameter is declared
//! once, with its section, range, default and meaning ([`Parameter`]); [`Simulation`] reads them from a
//! scenario.

pub mod fire;
pub mod flocking;
pub mod gossip;
pub mod maki_thompson;
pub mod measured;
pub mod moran;
pub mod networks;
mod parameter;
pub mod plan;
mod results;
pub mod schelling;
pub(crate) mod schema;
mod simulation;
pub mod sir;
pub mod sir_events;
pub mod wealth;
pub mod wolf_sheep;

use karyon::{Layer, Mark, Result, Run, View, Words};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

pub use self::networks::Network;
use self::parameter::parameters;
pub use self::parameter::{Allowed, Parameter};
pub use self::results::{series_csv, series_svg};
pub use self::schema::schema;
pub use self::simulation::{
    Bounds, Change, Collect, Known, Later, MODELS, SWEEP_POINTS_MAX, Simulation, Sweep, builtin,
};
use crate::network::OutOfRange;

/// Ticks of a unit of time in the models whose events happen at real-valued times.
pub const TICKS_PER_UNIT: u32 = 1 << 20;

/// Whether parameters are in their ranges; the first that is not.
pub type Checked = std::result::Result<(), OutOfRange>;

/// What a model depends on, and the run that it is.
pub trait Model: Serialize + DeserializeOwned + Default {
    /// By which a scenario names it.
    const NAME: &'static str;
    /// What it shows, in a few words.
    const ABOUT: &'static str;
    /// What is measured, in this order.
    const MEASURES: &'static [&'static str];

    /// Ticks of a unit of `[collect]`: a step, or a unit of time.
    const UNIT: u64 = 1;

    /// What it depends on, key by key.
    fn parameters() -> Vec<Parameter>;

    /// Whether the parameters, each in its range, fit each other.
    ///
    /// # Errors
    /// The first that does not.
    fn agree(&self) -> Checked {
        Ok(())
    }

    /// Whether every parameter is in its range, and they fit each other.
    ///
    /// # Errors
    /// The first that does not.
    fn check(&self) -> Checked {
        let values = table(self);
        let wrong = |key: &Parameter| key.check_range(values.get(key.name)?).err();
        match Self::parameters().iter().find_map(wrong) {
            Some(wrong) => Err(wrong),
            None => self.agree(),
        }
    }

    /// The run of these parameters and a seed.
    fn build(&self, seed: u64) -> Run;
}

/// Plain parameters as a table.
fn table<T: Serialize>(plain: &T) -> Table {
    Table::try_from(plain).unwrap_or_default()
}

/// A run has 2³² activations at most, and a start for each agent beside them.
fn activations(agents: u32, steps: u32) -> Checked {
    let all = u64::from(agents) * (u64::from(steps) + 1);
    let allowed = "so many that agents times steps stay below 4,294,967,296";
    OutOfRange::unless(all < 1 << 32, "schedule.steps", steps, allowed)
}

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

/// What an agent says of itself in a layer of agents; words behind these stay as they are.
fn say(layer: u8, me: karyon::Pid, words: &[u64]) -> Result<Mark> {
    let words = Words::new(words).ok_or_else(|| karyon::failure("too many words"))?;
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
