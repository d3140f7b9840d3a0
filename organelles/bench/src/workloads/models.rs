//! Models that many know, larger than they are by default.

use karyon::{Outcome, Run};
use karyon_colony::models::{Model, schelling, sir, wolf_sheep};

use super::ALL;
use crate::error::Failed;
use crate::text::thousands;
use crate::workload::{Scale, Setting, Trial, Workload, trial_of};

const STEPS: &str = "agent steps";

fn steps(outcome: &Outcome) -> u64 {
    outcome.counts.steps
}

fn trial(run: Run, setting: &Setting<'_>) -> std::result::Result<Trial, Failed> {
    Ok(trial_of(run, setting, steps))
}

pub(crate) const SCHELLING: Workload = Workload {
    name: "schelling",
    about: "segregation on a grid: one after the other, in an order that is drawn, by one thread",
    unit: STEPS,
    levels: ALL,
    size: |scale| {
        let parameters = schelling(scale);
        let (side, agents, steps) = (parameters.side, parameters.agents, parameters.steps);
        format!("{} agents on {side} × {side} cells, {steps} steps", thousands(agents.into()))
    },
    prepare: |setting| trial(schelling(setting.scale).build(setting.seed), setting),
};

fn schelling(scale: Scale) -> schelling::Parameters {
    let steps = scale.of(100) as u32;
    schelling::Parameters { side: 100, agents: 6_000, steps, ..schelling::Parameters::default() }
}

pub(crate) const SIR: Workload = Workload {
    name: "sir",
    about: "an epidemic on a small world, until nobody is ill",
    unit: STEPS,
    levels: ALL,
    size: |scale| {
        let parameters = sir(scale);
        format!("{} people, {} ill at first", thousands(parameters.people.into()), parameters.cases)
    },
    prepare: |setting| trial(sir(setting.scale).build(setting.seed), setting),
};

fn sir(scale: Scale) -> sir::Parameters {
    sir::Parameters { people: scale.of(50_000).max(20) as u32, ..sir::Parameters::default() }
}

pub(crate) const WOLF_SHEEP: Workload = Workload {
    name: "wolf-sheep",
    about: "animals that are born, eat and die: agents come and go",
    unit: STEPS,
    levels: ALL,
    size: |scale| {
        let parameters = wolf_sheep(scale);
        let (sheep, wolves) = (parameters.sheep, parameters.wolves);
        let (side, steps) = (parameters.side, parameters.steps);
        format!(
            "{sheep} sheep and {wolves} wolves at first on {side} × {side} cells, {steps} steps"
        )
    },
    prepare: |setting| trial(wolf_sheep(setting.scale).build(setting.seed), setting),
};

fn wolf_sheep(scale: Scale) -> wolf_sheep::Parameters {
    let steps = scale.of(100) as u32;
    // The density of the default, on nine times the cells.
    let (side, sheep, wolves) = (75, 540, 360);
    wolf_sheep::Parameters { side, sheep, wolves, steps, ..wolf_sheep::Parameters::default() }
}
