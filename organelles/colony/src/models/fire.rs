//! Forest fire: on a grid where trees stand with some density, the left edge is lit; a burning tree
//! lights the trees beside it.
//!
//! At a density of 59 %, the percolation threshold of the square lattice (0.592746), the fire burns
//! through about half of the time; below it almost never, above it almost always. Source: Wilensky,
//! "NetLogo Fire model", 1997; Stauffer, Aharony, "Introduction to percolation theory", 1994.
//! Schedule: simultaneous.

use karyon::{Agent, Context, Kind, Layer, Pid, Result, Run, Schedule, View, Whose};
use serde::{Deserialize, Serialize};

use super::{Model, Parameter, parameters, say, size, stream};
use crate::random::Sequence;
use crate::spaces::grid::{Grid, Neighbourhood};

/// What is measured, in this order; how far the fire came is counted in columns, from 0.
pub const MEASURES: [&str; 3] = ["trees", "burnt", "reached"];

const BURNT: u64 = 1;
const FIRE: u8 = 0;

parameters! {
    /// Cells of a row, and rows.
    space.side: u32 = 251, in 2..=4_096;
    /// Probability that a tree stands in a cell.
    population.density: f64 = 0.59, in 0.0..=1.0;
}

#[derive(Serialize)]
struct Forest {
    grid: Grid,
    /// The number of the tree in each cell, from 1; 0: none.
    trees: Vec<u32>,
    /// The cell of each tree.
    cells: Vec<u32>,
}

impl Forest {
    fn tree(&self, cell: u32) -> Option<Pid> {
        self.trees.get(cell as usize).filter(|tree| **tree > 0).map(|tree| Pid(u64::from(*tree)))
    }
}

#[derive(Serialize, Deserialize)]
struct Tree {
    is_burnt: bool,
}

impl Agent for Tree {
    /// That it is lit.
    type Message = ();
    const KIND: Kind = Kind::new("tree").keeps_its_state(8);

    fn handle(&mut self, _: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        if std::mem::replace(&mut self.is_burnt, true) {
            return Ok(());
        }
        let (me, forest) = (ctx.me().pid(), ctx.world::<Forest>()?);
        let cell = forest.cells.get(me.0 as usize - 1).copied().unwrap_or(0);
        for tree in forest.grid.neighbours(cell, 1).filter_map(|cell| forest.tree(cell)) {
            ctx.cast(tree.of::<Tree>(), ());
        }
        ctx.mark(say(FIRE, me, &[BURNT])?);
        Ok(())
    }
}

/// Trees, those that burnt, and the last column that did.
fn row(view: &View<'_>) -> Vec<f64> {
    let trees = size(view, |forest: &Forest| forest.cells.len() as u64);
    let is_burnt = |slot: &u64| view.layer(FIRE).is_some_and(|fire| fire.word(*slot) == BURNT);
    let (mut burnt, mut reached) = (0u64, 0);
    if let Some(Forest { grid, cells, .. }) = view.world() {
        for slot in (0..trees).filter(is_burnt) {
            burnt += 1;
            let cell = cells.get(slot as usize).copied().unwrap_or(0);
            reached = reached.max(grid.place(cell).0);
        }
    }
    vec![trees as f64, burnt as f64, f64::from(reached)]
}

impl Model for Parameters {
    const NAME: &'static str = "forest-fire";
    const ABOUT: &'static str = "a fire that burns through a forest, or does not";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    // Measured behind each tick.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let neighbourhood = Neighbourhood::VonNeumann;
        let grid = Grid { width: self.side, height: self.side, periodic: false, neighbourhood };
        let mut draws = Sequence::new(seed, stream::PLACES);
        let (mut trees, mut cells) = (Vec::new(), Vec::new());
        for cell in 0..grid.cells() as u32 {
            let stands = draws.unit() < self.density;
            if stands {
                cells.push(cell);
            }
            trees.push(if stands { cells.len() as u32 } else { 0 });
        }
        run.space([Layer::new(Whose::Agents, cells.len() as u64, 1)]);
        let all = run.agents("tree", cells.len() as u64, |_, _| Tree { is_burnt: false });
        for (tree, cell) in all.iter().zip(&cells) {
            if grid.place(*cell).0 == 0 {
                run.input(0, *tree, ());
            }
        }
        run.world(Forest { grid, trees, cells });
        run.schedule(Schedule::default().seeded(seed));
        run.measure(1, MEASURES, row);
        run
    }
}
