//! `karyon check`: whether a scenario can be run, and what it is; nothing is made.

use std::path::Path;

use karyon_colony::contacts::Contacts;
use karyon_colony::life::LifeError;
use karyon_colony::models::{Known, Simulation, schema};
use karyon_colony::rumour::Rumour;
use karyon_colony::scenario::{Scenario, Space};
use serde_json::json;

use super::{model, run};
use crate::args::Check;
use crate::error::{CliError, Code, words};
use crate::guarded;
use crate::handover::Inputs;
use crate::output::{self, thousands};

/// What a scenario is.
struct Found {
    scenario: String,
    model: String,
    about: &'static str,
    seed: u64,
    agents: u64,
    /// At most; `None`: nobody knows before.
    activations: Option<u64>,
    measures: Vec<&'static str>,
    /// The keys of its sweep, and its points.
    sweep: Option<(Vec<String>, usize)>,
    changes: usize,
}

pub(crate) fn execute(args: &Check) -> Result<Code, CliError> {
    let Some(given) = args.scenario.as_deref() else {
        let schema = serde_json::to_string_pretty(&schema());
        output::line(&schema.map_err(|error| CliError::failure(error.to_string()))?);
        return Ok(Code::Ok);
    };
    let mut inputs = Inputs::default();
    let (name, text) = run::scenario_text(given, &mut inputs)?;
    let found = match model::is_of(&text) {
        true => of_model(given, name, &text)?,
        false => of_rumour(given, name, &text, &mut inputs)?,
    };
    match args.json {
        true => as_json(&found),
        false => as_text(&found),
    }
    Ok(Code::Ok)
}

fn of_model(given: &str, scenario: String, text: &str) -> Result<Found, CliError> {
    let refused = |error| CliError::failure(format!("{given}: {}", words(&error)));
    let simulation = Simulation::parse(text).map_err(refused)?;
    guarded::tightened(&simulation.guardian, |_| given.to_owned())?;
    let run = model::made(&simulation)?;
    run.check()?;
    Ok(Found {
        scenario,
        model: simulation.name().to_owned(),
        about: Known::of(simulation.name()).map_or("", |known| known.about),
        seed: simulation.seed,
        agents: run.size(),
        activations: run.activations(),
        measures: simulation.measures().to_vec(),
        changes: simulation.changes.len(),
        sweep: simulation.sweep.map(|sweep| (sweep.keys, sweep.points.len())),
    })
}

fn of_rumour(
    given: &str,
    name: String,
    text: &str,
    inputs: &mut Inputs,
) -> Result<Found, CliError> {
    let refused = |error| CliError::failure(format!("{given}: {}", words(&error)));
    let mut scenario = Scenario::parse(text).map_err(refused)?;
    run::beside(given, &mut scenario);
    guarded::tightened(&scenario.guardian, |_| given.to_owned())?;
    let contacts = match &scenario.space {
        Space::File(file) => run::contacts(Some(Path::new(file)), &scenario, inputs)?,
        Space::ActivityDriven(_) => run::contacts(None, &scenario, inputs)?,
    };
    let (contacts, _) = Contacts::parse(contacts).map_err(LifeError::from)?;
    let rumour = Rumour::new(&scenario, contacts).map_err(LifeError::from)?;
    let (people, contacts) =
        (rumour.contacts.names().len() as u64, rumour.contacts.list().len() as u64);
    Ok(Found {
        scenario: name,
        model: scenario.model.name,
        about: "a rumour on real or made contacts",
        seed: scenario.seed,
        agents: people,
        // Each contact is sent by one and reaches another, and the source acts once before.
        activations: Some(2 * contacts + people),
        measures: vec!["informed"],
        sweep: None,
        changes: 0,
    })
}

fn as_json(found: &Found) {
    let sweep =
        found.sweep.as_ref().map(|(keys, points)| json!({ "keys": keys, "points": points }));
    output::json(&json!({
        "scenario": found.scenario,
        "model": found.model,
        "seed": found.seed,
        "agents": found.agents,
        "activations_at_most": found.activations,
        "measures": found.measures,
        "sweep": sweep,
        "changes": found.changes,
    }));
}

fn as_text(found: &Found) {
    output::line(&format!("{}: it can be run", found.scenario));
    output::line(&format!("model        {}, {}", found.model, found.about));
    output::line(&format!("agents       {}", thousands(found.agents)));
    let activations = match found.activations {
        Some(most) => format!("{} at most", thousands(most)),
        None => "when something reaches an agent: not known before".into(),
    };
    output::line(&format!("activations  {activations}"));
    output::line(&format!("measures     {}", found.measures.join(", ")));
    if found.changes > 0 {
        output::line(&format!("changes      {}", found.changes));
    }
    if let Some((keys, points)) = &found.sweep {
        output::line(&format!(
            "sweep        {} points of {}",
            thousands(*points as u64),
            keys.join(", ")
        ));
    }
}
