//! Wolves, sheep and grass. Of krABMaga's grids only the side that is written is used: so each sees what
//! those before it did in this step. Who is born waits with the state until the step is over, since an
//! agent cannot reach the schedule; who was eaten is taken out of it when its turn would come.

use std::any::Any;

use krabmaga::engine::agent::Agent;
use krabmaga::engine::fields::dense_number_grid_2d::DenseNumberGrid2D;
use krabmaga::engine::fields::dense_object_grid_2d::DenseGrid2D;
use krabmaga::engine::location::Int2D;
use krabmaga::engine::schedule::Schedule;
use krabmaga::engine::state::State;

use crate::{Peer, Random};

const SHEEP_GAIN: usize = 5;
const WOLF_GAIN: usize = 13;

pub struct Meadow {
    sheep_at: DenseGrid2D<u32>,
    wolves_at: DenseGrid2D<u32>,
    /// The step from which on there is grass.
    grown_from: DenseNumberGrid2D<u64>,
    side: i32,
    sheep: u64,
    wolves: u64,
    regrowth: u64,
    sheep_reproduce: f64,
    wolf_reproduce: f64,
    now: u64,
    /// Of each animal, by its number.
    is_dead: Vec<bool>,
    born: Vec<Animal>,
    random: Random,
    acted: u64,
}

#[derive(Clone, Copy)]
struct Animal {
    number: u32,
    at: Int2D,
    energy: f64,
    is_wolf: bool,
}

#[derive(Clone)]
struct Sheep(Animal);

#[derive(Clone)]
struct Wolf(Animal);

impl Meadow {
    pub fn new(is_large: bool, seed: u64) -> Meadow {
        let side = if is_large { 100 } else { 25 };
        let grid = || DenseGrid2D::new(side, side);
        Meadow {
            sheep_at: grid(),
            wolves_at: grid(),
            grown_from: DenseNumberGrid2D::new(side, side),
            side,
            sheep: if is_large { 1_000 } else { 60 },
            wolves: if is_large { 500 } else { 40 },
            regrowth: if is_large { 10 } else { 20 },
            sheep_reproduce: if is_large { 0.4 } else { 0.2 },
            wolf_reproduce: if is_large { 0.2 } else { 0.1 },
            now: 0,
            is_dead: Vec::new(),
            born: Vec::new(),
            random: Random(seed),
            acted: 0,
        }
    }

    fn of(&self, is_wolf: bool) -> &DenseGrid2D<u32> {
        if is_wolf { &self.wolves_at } else { &self.sheep_at }
    }

    fn walk(&mut self, animal: &mut Animal) {
        self.acted += 1;
        self.of(animal.is_wolf).remove_object_location(animal.number, &animal.at);
        let (x, y) = (animal.at.x, animal.at.y);
        let inside = |n: i32| (0..self.side).contains(&n);
        // One of those cells that are there.
        animal.at = loop {
            let way = self.random.below(9) as i32;
            let to = Int2D { x: x + way / 3 - 1, y: y + way % 3 - 1 };
            if way != 4 && inside(to.x) && inside(to.y) {
                break to;
            }
        };
        animal.energy -= 1.0;
        self.of(animal.is_wolf).set_object_location(animal.number, &animal.at);
    }

    fn end(&mut self, animal: &mut Animal, least: f64, reproduce: f64) {
        if animal.energy < least {
            self.is_dead[animal.number as usize] = true;
            self.of(animal.is_wolf).remove_object_location(animal.number, &animal.at);
        } else if self.random.unit() < reproduce {
            animal.energy /= 2.0;
            let child = Animal { number: self.is_dead.len() as u32, ..*animal };
            self.add(child);
        }
    }

    fn add(&mut self, animal: Animal) {
        self.is_dead.push(false);
        self.of(animal.is_wolf).set_object_location(animal.number, &animal.at);
        self.born.push(animal);
    }

    fn bring_to_life(&mut self, schedule: &mut Schedule, time: f32) {
        for animal in self.born.drain(..) {
            // Sheep have numbers below 0, and so come first.
            let (agent, place): (Box<dyn Agent>, i32) = match animal.is_wolf {
                true => (Box::new(Wolf(animal)), 0),
                false => (Box::new(Sheep(animal)), -1),
            };
            schedule.schedule_repeating(agent, time, place);
        }
    }
}

impl Agent for Sheep {
    fn step(&mut self, state: &mut dyn State) {
        let Some(meadow) = state.as_any_mut().downcast_mut::<Meadow>() else { return };
        if meadow.is_dead[self.0.number as usize] {
            return;
        }
        meadow.walk(&mut self.0);
        let grown_from = meadow.grown_from.get_value_unbuffered(&self.0.at).unwrap_or_default();
        if grown_from <= meadow.now {
            self.0.energy += SHEEP_GAIN as f64;
            meadow.grown_from.set_value_location(meadow.now + meadow.regrowth, &self.0.at);
        }
        let reproduce = meadow.sheep_reproduce;
        meadow.end(&mut self.0, 1.0, reproduce);
    }

    fn is_stopped(&mut self, state: &mut dyn State) -> bool {
        let meadow = state.as_any().downcast_ref::<Meadow>();
        meadow.is_none_or(|meadow| meadow.is_dead[self.0.number as usize])
    }
}

impl Agent for Wolf {
    fn step(&mut self, state: &mut dyn State) {
        let Some(meadow) = state.as_any_mut().downcast_mut::<Meadow>() else { return };
        meadow.walk(&mut self.0);
        if let Some(sheep) = meadow.sheep_at.get_objects_unbuffered(&self.0.at) {
            let eaten = sheep[meadow.random.below(sheep.len())];
            meadow.sheep_at.remove_object_location(eaten, &self.0.at);
            meadow.is_dead[eaten as usize] = true;
            self.0.energy += WOLF_GAIN as f64;
        }
        let reproduce = meadow.wolf_reproduce;
        meadow.end(&mut self.0, 0.0, reproduce);
    }

    fn is_stopped(&mut self, state: &mut dyn State) -> bool {
        let meadow = state.as_any().downcast_ref::<Meadow>();
        meadow.is_none_or(|meadow| meadow.is_dead[self.0.number as usize])
    }
}

impl State for Meadow {
    fn init(&mut self, schedule: &mut Schedule) {
        let side = self.side as usize;
        for (is_wolf, count, gain) in
            [(false, self.sheep, SHEEP_GAIN), (true, self.wolves, WOLF_GAIN)]
        {
            for _ in 0..count {
                let number = self.is_dead.len() as u32;
                let (x, y) = (self.random.below(side) as i32, self.random.below(side) as i32);
                let energy = self.random.below(2 * gain) as f64;
                self.add(Animal { number, at: Int2D { x, y }, energy, is_wolf });
            }
        }
        self.bring_to_life(schedule, 0.0);
        for place in 0..self.side * self.side {
            let at = Int2D { x: place / self.side, y: place % self.side };
            let from = match self.random.below(2) {
                0 => 0,
                _ => 1 + self.random.below(self.regrowth as usize) as u64,
            };
            self.grown_from.set_value_location(from, &at);
        }
    }

    fn before_step(&mut self, schedule: &mut Schedule) {
        for (_, priority) in schedule.events.iter_mut() {
            let place = self.random.place();
            priority.ordering = if priority.ordering < 0 { -1 - place } else { place };
        }
    }

    fn after_step(&mut self, schedule: &mut Schedule) {
        let next = schedule.time + 1.0;
        self.bring_to_life(schedule, next);
        self.now += 1;
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

impl Peer for Meadow {
    const NAME: &'static str = "wolf-sheep";
    const STEPS: u64 = 100;

    fn acted(&self) -> u64 {
        self.acted
    }

    fn stats(&self) -> Vec<(&'static str, f64)> {
        let cells =
            || (0..self.side * self.side).map(|n| Int2D { x: n / self.side, y: n % self.side });
        let count = |grid: &DenseGrid2D<u32>| {
            let crowd = |at| grid.get_objects_unbuffered(&at).map_or(0, |all| all.len());
            cells().map(crowd).sum::<usize>() as f64
        };
        let grown = |at: &Int2D| {
            self.grown_from.get_value_unbuffered(at).is_some_and(|from| from <= self.now)
        };
        vec![
            ("sheep", count(&self.sheep_at)),
            ("wolves", count(&self.wolves_at)),
            ("grass", cells().filter(grown).count() as f64),
        ]
    }
}
