//! Segregation: agents of two groups move until enough of those around them are of their own.
//!
//! Each step each agent, in an order drawn anew, looks around; if fewer than `need` of its neighbours
//! are of its group, it moves to an empty cell, drawn from all. Source: Schelling, "Dynamic models of
//! segregation", J. Math. Sociol. 1, 1971; parameters as in the public comparison of frameworks
//! (JuliaDynamics/ABMFrameworksComparison): bounded grid, Moore neighbourhood. Schedule:
//! sequential-random, each agent activated once a tick.

use karyon::{Agent, Context, Kind, Layer, Mark, Result, Run, Schedule, View, Whose, below};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, Parameter, activations, parameters, put, stream};
use crate::network::OutOfRange;
use crate::random::Sequence;
use crate::spaces::graph::shuffle;
use crate::spaces::grid::{Grid, Neighbourhood};

/// What is measured, in this order: the share of happy agents, and the mean share of an agent's
/// neighbours that are of its group.
pub const MEASURES: [&str; 2] = ["happy", "alike"];

/// In each cell: twice the number of the agent there, and 1 more for the second group; 0: nobody.
const CELLS: u8 = 0;

parameters! {
    /// Cells of a row, and rows.
    space.side: u32 = 40, in 2..=4_096;
    /// Agents, half of them of each group.
    population.agents: u32 = 1_000, in 1..=16_777_215;
    /// How far an agent looks.
    model.radius: u32 = 1, in 1..=64;
    /// How many neighbours of its group an agent needs to be happy.
    model.need: u32 = 3, in 0..=16_640;
    /// Steps.
    schedule.steps: u32 = 20, in 1..=100_000;
}

#[derive(Serialize)]
struct Town {
    grid: Grid,
    radius: u32,
    need: u32,
}

impl Town {
    /// How many neighbours of a cell there are, and of this group.
    fn around(&self, cells: &Layer, cell: u32, group: u64) -> (u32, u32) {
        let words = self.grid.neighbours(cell, self.radius).map(|cell| cells.word(cell.into()));
        words
            .filter(|word| *word > 0)
            .fold((0, 0), |(all, own), word| (all + 1, own + u32::from(word % 2 == group)))
    }
}

#[derive(Serialize, Deserialize)]
struct Resident {
    cell: u32,
    group: u64,
}

impl Agent for Resident {
    type Message = ();
    const KIND: Kind = Kind::new("resident").keeps_its_state(8);

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let (town, cells) = (ctx.world::<Town>()?, ctx.layer(CELLS)?);
        let (_, own) = town.around(cells, self.cell, self.group);
        let count = town.grid.cells();
        if own >= town.need {
            return Ok(());
        }
        // A full town has nowhere to go.
        for _ in 0..count * 64 {
            let to = below(ctx.random(), count);
            if cells.word(to) == 0 {
                let word = 2 * ctx.me().pid().0 + self.group;
                let leave = Some(u64::from(self.cell));
                ctx.mark(Mark::Claim { layer: CELLS, slot: to, word, leave });
                self.cell = to as u32;
                break;
            }
        }
        Ok(())
    }
}

fn row(view: &View<'_>) -> Vec<f64> {
    let (Some(town), Some(cells)) = (view.world::<Town>(), view.layer(CELLS)) else {
        return vec![0.0; MEASURES.len()];
    };
    let (mut agents, mut happy, mut alike) = (0u32, 0u32, 0.0);
    for cell in 0..town.grid.cells() as u32 {
        let word = cells.word(cell.into());
        if word > 0 {
            let (all, own) = town.around(cells, cell, word % 2);
            agents += 1;
            happy += u32::from(own >= town.need);
            alike += if all == 0 { 0.0 } else { f64::from(own) / f64::from(all) };
        }
    }
    let agents = f64::from(agents.max(1));
    vec![f64::from(happy) / agents, alike / agents]
}

impl Model for Parameters {
    const NAME: &'static str = "schelling";
    const ABOUT: &'static str = "two groups that part, though nobody wants that";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        let (fits, allowed) =
            (self.agents < self.side * self.side, "1 to one less than there are cells");
        OutOfRange::unless(fits, "population.agents", self.agents, allowed)?;
        activations(self.agents, self.steps)
    }

    // Measured behind each step.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let neighbourhood = Neighbourhood::Moore;
        let grid = Grid { width: self.side, height: self.side, periodic: false, neighbourhood };
        run.space([Layer::new(Whose::Everybody, grid.cells(), 1)]);
        let mut cells: Vec<u32> = (0..grid.cells() as u32).collect();
        shuffle(&mut cells, &mut Sequence::new(seed, stream::PLACES));
        for (number, cell) in (0..u64::from(self.agents)).zip(cells) {
            let group = number % 2;
            run.agent(format!("resident {}", number + 1), Resident { cell, group });
            put(&mut run, CELLS, cell.into(), None, &[2 * (number + 1) + group]);
        }
        run.world(Town { grid, radius: self.radius, need: self.need });
        run.schedule(Schedule::sequential_random(seed));
        run.every_tick(u64::from(self.steps));
        run.measure(1, MEASURES, row);
        run
    }
}
