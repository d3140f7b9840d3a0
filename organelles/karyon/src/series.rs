//! What is measured while a run goes on.

use karyon_runtime::{Layer, Space};
use karyon_types::Tick;
use serde::{Deserialize, Serialize};

use crate::run::Worlds;

/// What a measure is shown: all that agents see, as it is behind a tick.
pub struct View<'a> {
    pub(crate) tick: Tick,
    pub(crate) space: &'a Space,
    pub(crate) worlds: &'a Worlds,
}

impl View<'_> {
    /// Behind which tick.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// A layer of the space, by its number from 0; `None`: the run has none of that number.
    pub fn layer(&self, layer: u8) -> Option<&Layer> {
        self.space.layer(layer)
    }

    /// What agents do not change ([`Run::world`](crate::Run::world)); `None`: it is of another type, or
    /// there is none.
    pub fn world<W: 'static>(&self) -> Option<&W> {
        self.worlds.at(self.tick.0)
    }
}

/// What was measured: a row for each tick that was due, and one for the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What each number of a row is.
    pub names: Vec<String>,
    /// Behind which tick, and the numbers.
    pub rows: Vec<(u64, Vec<f64>)>,
}

impl Series {
    /// The numbers of one measure, with their ticks; empty, if there is none of this name.
    pub fn of(&self, name: &str) -> impl Iterator<Item = (u64, f64)> {
        let column = self.names.iter().position(|own| own == name);
        self.rows.iter().filter_map(move |(tick, row)| Some((*tick, *row.get(column?)?)))
    }

    /// The last number of a measure.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.of(name).last().map(|(_, number)| number)
    }
}
