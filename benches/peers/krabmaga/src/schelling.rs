//! Segregation. The town is a grid of numbers, of which only the side that is written is used: so each
//! sees where those before it moved in this step.

use std::any::Any;

use krabmaga::engine::agent::Agent;
use krabmaga::engine::fields::dense_number_grid_2d::DenseNumberGrid2D;
use krabmaga::engine::location::Int2D;
use krabmaga::engine::schedule::Schedule;
use krabmaga::engine::state::State;

use crate::{Peer, Random};

pub struct Town {
    /// Twice the number of who is there, and 1 more for the second group.
    cells: DenseNumberGrid2D<u32>,
    side: i32,
    agents: u32,
    radius: i32,
    need: u32,
    random: Random,
    acted: u64,
}

#[derive(Clone)]
struct Resident {
    word: u32,
    at: Int2D,
}

impl Town {
    pub fn new(is_large: bool, seed: u64) -> Town {
        let (side, agents, radius, need) =
            if is_large { (100, 8_000, 2, 8) } else { (40, 1_000, 1, 3) };
        let cells = DenseNumberGrid2D::new(side, side);
        Town { cells, side, agents, radius, need, random: Random(seed), acted: 0 }
    }

    /// How many neighbours of a cell there are, and of this group.
    fn around(&self, at: Int2D, group: u32) -> (u32, u32) {
        let (mut all, mut own) = (0, 0);
        let r = self.radius;
        for x in (at.x - r).max(0)..=(at.x + r).min(self.side - 1) {
            for y in (at.y - r).max(0)..=(at.y + r).min(self.side - 1) {
                if x == at.x && y == at.y {
                    continue;
                }
                if let Some(word) = self.cells.get_value_unbuffered(&Int2D { x, y }) {
                    all += 1;
                    own += u32::from(word % 2 == group);
                }
            }
        }
        (all, own)
    }
}

impl Agent for Resident {
    fn step(&mut self, state: &mut dyn State) {
        let Some(town) = state.as_any_mut().downcast_mut::<Town>() else { return };
        town.acted += 1;
        let (_, own) = town.around(self.at, self.word % 2);
        if own >= town.need {
            return;
        }
        loop {
            let side = town.side as usize;
            let to = Int2D { x: town.random.below(side) as i32, y: town.random.below(side) as i32 };
            if town.cells.get_value_unbuffered(&to).is_none() {
                town.cells.remove_value_location(&self.at);
                town.cells.set_value_location(self.word, &to);
                self.at = to;
                return;
            }
        }
    }
}

impl State for Town {
    fn init(&mut self, schedule: &mut Schedule) {
        let mut places: Vec<i32> = (0..self.side * self.side).collect();
        self.random.shuffle(&mut places);
        for (number, place) in (0..self.agents).zip(places) {
            let at = Int2D { x: place / self.side, y: place % self.side };
            let word = 2 * (number + 1) + number % 2;
            self.cells.set_value_location(word, &at);
            schedule.schedule_repeating(Box::new(Resident { word, at }), 0.0, 0);
        }
    }

    fn before_step(&mut self, schedule: &mut Schedule) {
        for (_, priority) in schedule.events.iter_mut() {
            priority.ordering = self.random.place();
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_state(&self) -> &dyn State {
        self
    }

    fn as_state_mut(&mut self) -> &mut dyn State {
        self
    }

    fn reset(&mut self) {}

    fn update(&mut self, _step: u64) {}
}

impl Peer for Town {
    const NAME: &'static str = "schelling";
    const STEPS: u64 = 20;

    fn acted(&self) -> u64 {
        self.acted
    }

    fn stats(&self) -> Vec<(&'static str, f64)> {
        let (mut agents, mut happy, mut alike) = (0.0, 0.0, 0.0);
        for x in 0..self.side {
            for y in 0..self.side {
                let at = Int2D { x, y };
                let Some(word) = self.cells.get_value_unbuffered(&at) else { continue };
                let (all, own) = self.around(at, word % 2);
                agents += 1.0;
                happy += f64::from(u8::from(own >= self.need));
                alike += if all == 0 { 0.0 } else { f64::from(own) / f64::from(all) };
            }
        }
        vec![("happy", happy / agents), ("alike", alike / agents)]
    }
}
