//! Flocking: birds that keep together, keep apart, and fly as those around them do.
//!
//! Source: Reynolds, "Flocks, herds, and schools: a distributed behavioral model", SIGGRAPH 1987; rules
//! and parameters as in the public comparison of frameworks (JuliaDynamics/ABMFrameworksComparison).
//! Schedule: sequential-random,
//! each bird activated once a tick.

use karyon::{
    Agent, Context, Kind, Layer, Mark, Result, Run, Schedule, View, Whose, Words, failure,
};
use serde::{Deserialize, Serialize};

use super::{Checked, Model, Parameter, activations, parameters, put, stream};
use crate::network::OutOfRange;
use crate::random::Sequence;
use crate::spaces::plane::Plane;

/// What is measured: the length of the mean direction, 1 if all fly the same way; and the mean number
/// of birds that a bird sees.
pub const MEASURES: [&str; 2] = ["order", "seen"];

/// Where each bird is, and its direction: x, y, and a vector of length 1.
const BIRDS: u8 = 0;

parameters! {
    /// Birds.
    population.birds: u32 = 200, in 1..=1_000_000;
    /// Width and height of the plane, which is periodic.
    space.side: f64 = 100.0, in 1e-9..=1e9;
    /// How far a bird sees.
    model.vision: f64 = 5.0, in 1e-9..=1e9;
    /// Nearer than this, a bird keeps away.
    model.separation: f64 = 1.0, in 0.0..=1e9;
    /// How far it flies in a step.
    model.speed: f64 = 1.0, in 0.0..=1e9;
    /// How much the others' centre counts.
    model.cohere: f64 = 0.03, in 0.0..=1e9;
    /// How much it counts to keep away.
    model.separate: f64 = 0.015, in 0.0..=1e9;
    /// How much the others' direction counts.
    model.matching: f64 = 0.05, in 0.0..=1e9;
    /// Steps.
    schedule.steps: u32 = 100, in 1..=100_000;
}

#[derive(Serialize)]
struct Sky {
    plane: Plane,
    birds: u64,
    rules: Parameters,
}

#[derive(Serialize, Deserialize)]
struct Bird {
    at: (f64, f64),
    heads: (f64, f64),
}

fn direction(bird: &[u64]) -> (f64, f64) {
    match bird {
        [_, _, x, y] => (f64::from_bits(*x), f64::from_bits(*y)),
        _ => (0.0, 0.0),
    }
}

impl Agent for Bird {
    type Message = ();
    const KIND: Kind = Kind::new("bird").keeps_its_state(8);

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let slot = ctx.me().pid().0 - 1;
        let (sky, birds) = (ctx.world::<Sky>()?, ctx.layer(BIRDS)?);
        let rules = &sky.rules;
        let (mut others, mut centre, mut away, mut along) =
            (0.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
        for (other, way) in sky.plane.near(birds, self.at, rules.vision) {
            if other == slot {
                continue;
            }
            let heads = direction(birds.words(other));
            others += 1.0;
            centre = (centre.0 + way.0, centre.1 + way.1);
            along = (along.0 + heads.0, along.1 + heads.1);
            if way.0 * way.0 + way.1 * way.1 < rules.separation * rules.separation {
                away = (away.0 - way.0, away.1 - way.1);
            }
        }
        let by = |rule: f64, vector: (f64, f64)| {
            let rule = rule / f64::max(others, 1.0);
            (vector.0 * rule, vector.1 * rule)
        };
        let all = [
            self.heads,
            by(rules.cohere, centre),
            by(rules.separate, away),
            by(rules.matching, along),
        ];
        let (x, y) = all.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        // A square root is exact to the last bit on any machine; an angle would not be.
        let length = (x * x + y * y).sqrt();
        if length > 0.0 {
            self.heads = (x / length, y / length);
        }
        let to = (self.at.0 + self.heads.0 * rules.speed, self.at.1 + self.heads.1 * rules.speed);
        self.at = sky.plane.wrapped(to);
        let cell = Some(sky.plane.cell(self.at));
        let words = Words::new(&self.words()).ok_or_else(|| failure("too many words"))?;
        ctx.mark(Mark::Set { layer: BIRDS, slot, cell, words });
        Ok(())
    }
}

impl Bird {
    fn words(&self) -> [u64; 4] {
        [self.at.0, self.at.1, self.heads.0, self.heads.1].map(f64::to_bits)
    }
}

fn row(view: &View<'_>) -> Vec<f64> {
    let (Some(sky), Some(birds)) = (view.world::<Sky>(), view.layer(BIRDS)) else {
        return vec![0.0; MEASURES.len()];
    };
    let (mut sum, mut seen) = ((0.0, 0.0), 0);
    for slot in 0..sky.birds {
        let bird = birds.words(slot);
        let heads = direction(bird);
        sum = (sum.0 + heads.0, sum.1 + heads.1);
        if let [x, y, ..] = bird {
            let at = (f64::from_bits(*x), f64::from_bits(*y));
            seen += sky.plane.near(birds, at, sky.rules.vision).count() - 1;
        }
    }
    let count = sky.birds.max(1) as f64;
    vec![(sum.0 * sum.0 + sum.1 * sum.1).sqrt() / count, seen as f64 / count]
}

impl Model for Parameters {
    const NAME: &'static str = "flocking";
    const ABOUT: &'static str = "birds that come to fly the same way";
    const MEASURES: &'static [&'static str] = &MEASURES;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    fn agree(&self) -> Checked {
        activations(self.birds, self.steps)?;
        let plane = Plane::new(self.side, self.side, self.vision.max(self.separation));
        OutOfRange::unless(
            plane.is_some(),
            "model.vision",
            self.vision,
            "a length of which no more than 4,096 fit into a side",
        )
    }

    // Measured behind each step.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let plane = Plane::new(self.side, self.side, self.vision.max(self.separation));
        // Where it was not checked there is a plane of one cell.
        let plane = plane.unwrap_or_default();
        let birds = u64::from(self.birds);
        run.space([Layer::new(Whose::Agents, birds, 4).in_cells(plane.cells())]);
        let mut draws = Sequence::new(seed, stream::PLACES);
        for slot in 0..birds {
            let at = (draws.unit() * self.side, draws.unit() * self.side);
            let bird = Bird { at, heads: heads(&mut draws) };
            put(&mut run, BIRDS, slot, Some(plane.cell(at)), &bird.words());
            run.agent(format!("bird {}", slot + 1), bird);
        }
        run.world(Sky { plane, birds, rules: self.clone() });
        run.schedule(Schedule::sequential_random(seed));
        run.every_tick(u64::from(self.steps));
        run.measure(1, MEASURES, row);
        run
    }
}

/// A direction, each as likely as any other: of a point drawn in a circle.
fn heads(draws: &mut Sequence) -> (f64, f64) {
    loop {
        let (x, y) = (2.0 * draws.unit() - 1.0, 2.0 * draws.unit() - 1.0);
        let length = (x * x + y * y).sqrt();
        if length > 0.01 && length <= 1.0 {
            return (x / length, y / length);
        }
    }
}
