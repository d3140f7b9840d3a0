//! Birds. krABMaga's plane has two sides: a bird sees where the others were and flew when the step began,
//! not what those before it did, and so the order does not matter and none is drawn. Positions have 32
//! bits. Near the edge `get_neighbors_within_distance` does not look beyond it where the plane is said to
//! be periodic (its cells are clamped); so the plane is said to be none, whose cells do wrap, all birds of
//! the nine cells are taken, and the distance is measured here.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};

use krabmaga::engine::agent::Agent;
use krabmaga::engine::fields::field::Field;
use krabmaga::engine::fields::field_2d::{Field2D, Location2D};
use krabmaga::engine::location::Real2D;
use krabmaga::engine::schedule::Schedule;
use krabmaga::engine::state::State;

use crate::{Peer, Random};

const SPEED: f32 = 1.0;
const SEPARATION: f32 = 1.0;
const COHERE: f32 = 0.03;
const SEPARATE: f32 = 0.015;
const MATCHING: f32 = 0.05;

pub struct Sky {
    plane: Field2D<Bird>,
    side: f32,
    birds: u32,
    vision: f32,
    random: Random,
    acted: u64,
}

#[derive(Clone, Copy)]
struct Bird {
    number: u32,
    at: Real2D,
    heads: (f32, f32),
}

impl Hash for Bird {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialEq for Bird {
    fn eq(&self, other: &Bird) -> bool {
        self.number == other.number
    }
}

impl Eq for Bird {}

impl fmt::Display for Bird {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

impl Location2D<Real2D> for Bird {
    fn get_location(self) -> Real2D {
        self.at
    }

    fn set_location(&mut self, at: Real2D) {
        self.at = at;
    }
}

impl Sky {
    pub fn new(is_large: bool, seed: u64) -> Sky {
        let (side, birds, vision) = if is_large { (150.0, 400, 15.0) } else { (100.0, 200, 5.0) };
        let plane = Field2D::new(side, side, vision, false);
        Sky { plane, side, birds, vision, random: Random(seed), acted: 0 }
    }

    /// The shortest way.
    fn way(&self, from: Real2D, to: Real2D) -> (f32, f32) {
        let half = self.side / 2.0;
        let short = |way: f32| match way {
            way if way > half => way - self.side,
            way if way < -half => way + self.side,
            way => way,
        };
        (short(to.x - from.x), short(to.y - from.y))
    }

    fn wrapped(&self, number: f32) -> f32 {
        let number = number.rem_euclid(self.side);
        // Rounded up to the side itself.
        if number < self.side { number } else { 0.0 }
    }

    /// Whom a bird sees, and the way there.
    fn seen(&self, bird: &Bird) -> impl Iterator<Item = (Bird, (f32, f32))> {
        let near = self.plane.get_neighbors_within_relax_distance(bird.at, self.vision);
        let (me, at, most) = (bird.number, bird.at, self.vision * self.vision);
        near.into_iter().filter(move |other| other.number != me).filter_map(move |other| {
            let way = self.way(at, other.at);
            (way.0 * way.0 + way.1 * way.1 <= most).then_some((other, way))
        })
    }
}

impl Agent for Bird {
    fn step(&mut self, state: &mut dyn State) {
        let Some(sky) = state.as_any_mut().downcast_mut::<Sky>() else { return };
        sky.acted += 1;
        let (mut others, mut all) = (0.0f32, (0.0f32, 0.0f32));
        for (other, way) in sky.seen(self) {
            others += 1.0;
            let is_close = way.0 * way.0 + way.1 * way.1 < SEPARATION * SEPARATION;
            let along = COHERE - if is_close { SEPARATE } else { 0.0 };
            all.0 += way.0 * along + other.heads.0 * MATCHING;
            all.1 += way.1 * along + other.heads.1 * MATCHING;
        }
        let others = others.max(1.0);
        let (x, y) = (self.heads.0 + all.0 / others, self.heads.1 + all.1 / others);
        let length = x.hypot(y);
        if length > 0.0 {
            self.heads = (x / length, y / length);
        }
        self.at = Real2D {
            x: sky.wrapped(self.at.x + self.heads.0 * SPEED),
            y: sky.wrapped(self.at.y + self.heads.1 * SPEED),
        };
        sky.plane.set_object_location(*self, self.at);
    }
}

impl State for Sky {
    fn init(&mut self, schedule: &mut Schedule) {
        for number in 0..self.birds {
            let side = f64::from(self.side);
            let x = (self.random.unit() * side) as f32;
            let y = (self.random.unit() * side) as f32;
            let angle = self.random.unit() * std::f64::consts::TAU;
            let heads = (angle.cos() as f32, angle.sin() as f32);
            let at = Real2D { x: self.wrapped(x), y: self.wrapped(y) };
            let bird = Bird { number, at, heads };
            self.plane.set_object_location(bird, at);
            schedule.schedule_repeating(Box::new(bird), 0.0, 0);
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

    fn update(&mut self, _step: u64) {
        self.plane.lazy_update();
    }
}

impl Peer for Sky {
    const NAME: &'static str = "flocking";
    const STEPS: u64 = 100;

    fn acted(&self) -> u64 {
        self.acted
    }

    fn stats(&self) -> Vec<(&'static str, f64)> {
        let mut birds = Vec::new();
        for cell in self.plane.bags.iter().flat_map(|side| side.borrow().clone()) {
            birds.extend(cell);
        }
        let count = birds.len() as f64;
        let sum = birds.iter().fold((0.0, 0.0), |sum, bird: &Bird| {
            (sum.0 + f64::from(bird.heads.0), sum.1 + f64::from(bird.heads.1))
        });
        let seen: usize = birds.iter().map(|bird| self.seen(bird).count()).sum();
        vec![("order", sum.0.hypot(sum.1) / count), ("seen", seen as f64 / count)]
    }
}
