//! Wolves, sheep and grass.
//!
//! In each step first all sheep act, in a random order, then all wolves, and then grass grows. An
//! animal walks to a neighbouring cell, drawn from those there are, loses a unit of energy, eats what it
//! finds there (a sheep grass, a wolf a sheep), dies (a sheep with less than 1 left, a wolf with less
//! than 0), and otherwise may leave a child with half of its energy. Source: Wilensky, "NetLogo Wolf
//! Sheep Predation model", 1997; rules and parameters as declared in the public comparison of
//! frameworks (JuliaDynamics/ABMFrameworksComparison, `WolfSheep/DECLARATION.md`; the code beside it
//! lets a sheep live down to 0 and grass grow a step later): bounded grid, Moore neighbourhood. Schedule: stages, in each one after the other in a random order.

use karyon::{
    Agent, Context, Kind, Layer, Limits, Mark, Pid, Result, Run, Schedule, TimerId, View, Whose,
    Words, below, failure, unit,
};
use serde::{Deserialize, Serialize};

use super::{Model, Parameter, parameters, put, stream};
use crate::random::Sequence;
use crate::spaces::grid::{Grid, Neighbourhood};

/// What is measured, in this order.
pub const MEASURES: [&str; 3] = ["sheep", "wolves", "grass"];

/// Ticks of a step: in the first sheep act, in the fourth wolves. In the two behind each the children
/// come to life, so that they are seen in the next stage and act in the next step.
const STAGES: u32 = 6;
const SHEEP_ACT: u64 = 0;
const WOLVES_ACT: u64 = 3;

/// Layers of agents: who stands in which cell.
const SHEEP: u8 = 0;
const WOLVES: u8 = 1;
/// The step from which on there is grass in a cell.
const GRASS: u8 = 2;

parameters! {
    /// Cells of a row, and rows.
    space.side: u32 = 25, in 2..=4_096;
    /// Sheep at first.
    population.sheep: u32 = 60, in 0..=1_000_000;
    /// Wolves at first.
    population.wolves: u32 = 40, in 0..=1_000_000;
    /// Children that may come in the whole run: bounds memory.
    population.children: u32 = 1_000_000, in 0..=10_000_000;
    /// Steps until grass that was eaten grows again.
    model.regrowth: u32 = 20, in 1..=1_000_000;
    /// Probability that a sheep has a child in a step.
    model.sheep_reproduce: f64 = 0.2, in 0.0..=1.0;
    /// Probability that a wolf has a child in a step.
    model.wolf_reproduce: f64 = 0.1, in 0.0..=1.0;
    /// Energy of grass.
    model.sheep_gain: u32 = 5, in 1..=1_000_000;
    /// Energy of a sheep.
    model.wolf_gain: u32 = 13, in 1..=1_000_000;
    /// Steps.
    schedule.steps: u32 = 100, in 1..=1_000_000;
}

#[derive(Serialize)]
struct Meadow {
    grid: Grid,
    rules: Parameters,
}

/// What sheep and wolves have in common.
#[derive(Clone, Serialize, Deserialize)]
struct Body {
    cell: u32,
    energy: f64,
}

/// What becomes of an animal in its step.
enum Fate {
    Lives,
    /// With a child of this body.
    Bears(Body),
    Dies,
}

/// What an animal tells itself.
#[derive(Serialize, Deserialize)]
enum Says {
    Begin,
    Act,
}

impl Body {
    fn stand<A: Agent>(&self, layer: u8, ctx: &mut Context<'_, A>) -> Result {
        let slot = ctx.me().pid().0 - 1;
        let words = Words::new(&[]).ok_or_else(|| failure("no words"))?;
        ctx.mark(Mark::Set { layer, slot, cell: Some(self.cell), words });
        Ok(())
    }

    fn walk<A: Agent>(&mut self, layer: u8, ctx: &mut Context<'_, A>) -> Result {
        let grid = ctx.world::<Meadow>()?.grid;
        let count = grid.neighbours(self.cell, 1).count() as u64;
        let which = below(ctx.random(), count) as usize;
        self.cell = grid.neighbours(self.cell, 1).nth(which).unwrap_or(self.cell);
        self.energy -= 1.0;
        self.stand(layer, ctx)
    }

    fn fate<A: Agent>(&mut self, least: f64, reproduce: f64, ctx: &mut Context<'_, A>) -> Fate {
        if self.energy < least {
            return Fate::Dies;
        }
        if unit(ctx.random()) >= reproduce {
            return Fate::Lives;
        }
        self.energy /= 2.0;
        Fate::Bears(self.clone())
    }
}

/// Arms what wakes an animal in its stage of the next step, and in that of all others.
fn wait<A: Agent<Message = Says>>(stage: u64, ctx: &mut Context<'_, A>) {
    let (now, stages) = (ctx.now().0, u64::from(STAGES));
    // The first who are there begin with the second step, all of them.
    let ahead = if now == 0 { stages + stage } else { stages + stage - now % stages };
    ctx.after(if ahead > stages && now > 0 { ahead - stages } else { ahead }, Says::Begin);
}

/// The model's step: it begins with the second, when all stand where they stand.
fn step_of<A: Agent>(ctx: &Context<'_, A>) -> u64 {
    ctx.round().0.saturating_sub(1)
}

#[derive(Serialize, Deserialize)]
struct Sheep(Body);

impl Agent for Sheep {
    /// Also, from a wolf: that it was eaten.
    type Message = Says;
    const KIND: Kind = Kind::new("sheep").transient().keeps_its_state(8);

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        wait(SHEEP_ACT, ctx);
        self.0.stand(SHEEP, ctx)
    }

    fn handle(&mut self, _: Pid, _: Says, ctx: &mut Context<'_, Self>) -> Result {
        ctx.exit();
        Ok(())
    }

    fn timer(&mut self, _: TimerId, says: Says, ctx: &mut Context<'_, Self>) -> Result {
        let (step, rules) = (step_of(ctx), &ctx.world::<Meadow>()?.rules);
        let (steps, regrowth) = (u64::from(rules.steps), u64::from(rules.regrowth));
        let (gain, reproduce) = (f64::from(rules.sheep_gain), rules.sheep_reproduce);
        if matches!(says, Says::Begin) {
            ctx.interval(STAGES.into(), Says::Act);
        }
        if step >= steps {
            return Ok(());
        }
        self.0.walk(SHEEP, ctx)?;
        let cell = u64::from(self.0.cell);
        if ctx.layer(GRASS)?.word(cell) <= step {
            self.0.energy += gain;
            let words = Words::new(&[step + regrowth]).ok_or_else(|| failure("no words"))?;
            ctx.mark(Mark::Set { layer: GRASS, slot: cell, cell: None, words });
        }
        match self.0.fate(1.0, reproduce, ctx) {
            Fate::Lives => {}
            Fate::Bears(child) => drop(ctx.spawn("sheep", Sheep(child))?),
            Fate::Dies => ctx.exit(),
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Wolf(Body);

impl Agent for Wolf {
    type Message = Says;
    const KIND: Kind = Kind::new("wolf").transient().keeps_its_state(8);

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        wait(WOLVES_ACT, ctx);
        self.0.stand(WOLVES, ctx)
    }

    fn timer(&mut self, _: TimerId, says: Says, ctx: &mut Context<'_, Self>) -> Result {
        let (step, rules) = (step_of(ctx), &ctx.world::<Meadow>()?.rules);
        let (steps, reproduce) = (u64::from(rules.steps), rules.wolf_reproduce);
        let gain = f64::from(rules.wolf_gain);
        if matches!(says, Says::Begin) {
            ctx.interval(STAGES.into(), Says::Act);
        }
        if step >= steps {
            return Ok(());
        }
        self.0.walk(WOLVES, ctx)?;
        let sheep = ctx.layer(SHEEP)?;
        let which = below(ctx.random(), sheep.crowd(self.0.cell) as u64) as usize;
        if let Some(slot) = sheep.standing(self.0.cell).nth(which) {
            self.0.energy += gain;
            // Nobody else finds it there.
            ctx.mark(Mark::Clear { layer: SHEEP, slot });
            ctx.cast(Pid(slot + 1).of::<Sheep>(), Says::Act);
        }
        match self.0.fate(0.0, reproduce, ctx) {
            Fate::Lives => {}
            Fate::Bears(child) => drop(ctx.spawn("wolf", Wolf(child))?),
            Fate::Dies => ctx.exit(),
        }
        Ok(())
    }
}

/// Whatever else happens in a step, its last tick comes to pass: so each step is measured at its end.
#[derive(Serialize, Deserialize)]
struct Clock;

impl Agent for Clock {
    type Message = Says;
    const KIND: Kind = Kind::new("clock").keeps_its_state(8);

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.after(u64::from(STAGES) - 1, Says::Begin);
        Ok(())
    }

    fn timer(&mut self, _: TimerId, says: Says, ctx: &mut Context<'_, Self>) -> Result {
        if matches!(says, Says::Begin) {
            ctx.interval(STAGES.into(), Says::Act);
        }
        Ok(())
    }
}

fn row(view: &View<'_>) -> Vec<f64> {
    let Some(meadow) = view.world::<Meadow>() else { return vec![0.0; MEASURES.len()] };
    let step = (view.tick().0 / u64::from(STAGES)).saturating_sub(1);
    let count = |layer: u8| -> usize {
        let layer = view.layer(layer);
        layer.map_or(0, |l| (0..meadow.grid.cells() as u32).map(|cell| l.crowd(cell)).sum())
    };
    let grown = |cell: &u64| view.layer(GRASS).is_some_and(|grass| grass.word(*cell) <= step + 1);
    let grass = (0..meadow.grid.cells()).filter(grown).count();
    vec![count(SHEEP) as f64, count(WOLVES) as f64, grass as f64]
}

impl Model for Parameters {
    const NAME: &'static str = "wolf-sheep";
    const ABOUT: &'static str = "wolves, sheep and grass";
    const MEASURES: &'static [&'static str] = &MEASURES;
    const UNIT: u64 = STAGES as u64;

    fn parameters() -> Vec<Parameter> {
        Parameters::keys()
    }

    // Measured behind each step.
    fn build(&self, seed: u64) -> Run {
        let mut run = Run::new(Self::NAME);
        let neighbourhood = Neighbourhood::Moore;
        let grid = Grid { width: self.side, height: self.side, periodic: false, neighbourhood };
        let animals = u64::from(self.sheep) + u64::from(self.wolves);
        // One for the clock, which stands nowhere.
        let slots = animals + 1 + u64::from(self.children);
        let standing = || Layer::new(Whose::Agents, slots, 1).in_cells(grid.cells());
        run.space([standing(), standing(), Layer::new(Whose::Everybody, grid.cells(), 1)]);
        let mut draws = Sequence::new(seed, stream::STATES);
        let mut body = |gain: u32| Body {
            cell: draws.below(grid.cells()) as u32,
            energy: draws.below(2 * u64::from(gain)) as f64,
        };
        for number in 1..=self.sheep {
            run.agent(format!("sheep {number}"), Sheep(body(self.sheep_gain)));
        }
        for number in 1..=self.wolves {
            run.agent(format!("wolf {number}"), Wolf(body(self.wolf_gain)));
        }
        run.agent("clock", Clock);
        let mut draws = Sequence::new(seed, stream::PLACES);
        for cell in 0..grid.cells() {
            let is_grown = draws.below(2) == 0;
            let left = draws.below(self.regrowth.into());
            if !is_grown {
                put(&mut run, GRASS, cell, None, &[left + 1]);
            }
        }
        run.world(Meadow { grid, rules: self.clone() });
        run.may_spawn::<Sheep>(self.children.into());
        run.may_spawn::<Wolf>(0);
        run.schedule(Schedule::staged(STAGES).shuffled(seed));
        run.limits(Limits { messages_per_tick: slots.max(64), ..Limits::default() });
        // Behind the last stage of each step, and when the last step is done.
        let (stages, last) = (u64::from(STAGES), (u64::from(self.steps) + 1) * u64::from(STAGES));
        run.measure(stages, MEASURES, row);
        run.until(move |tick, _| tick + 1 >= last);
        run
    }
}
