//! `karyon fork`: a second agent begins with the state of one; or a second run with the past of one.

use std::path::Path;

use karyon_colony::scenario::MAX_SCENARIO_BYTES;

use super::model;
use crate::args::{Fork, Run};
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};
use crate::guarded::{self, Arrived};
use crate::handover::{Input, Inputs};
use crate::parting::Side;

pub(crate) fn execute(args: &Fork) -> Result<Code, CliError> {
    match (&args.agent, args.at) {
        (Some(agent), _) => asking::order(&args.under.data, agent, args.under.json, Verb::Fork),
        (None, Some(at)) => match guarded::arrived()? {
            None => launch(args, at),
            Some(node) => live(args, node),
        },
        (None, None) => Err(CliError::failure("it is not said what is to be forked")
            .with_hint("name an agent, or --at TICK for the whole run")),
    }
}

/// The scenario of the run with what is different, which is run from the beginning: what lies before
/// the tick comes out the same, as it would with any number of threads.
fn launch(args: &Fork, at: u64) -> Result<Code, CliError> {
    if let Some(out) = &args.out {
        guarded::permit(out)?;
    }
    // A past that was changed is none.
    Side::open(&args.under.data)?;
    let (asked, reason) = model::forked(&args.under.data, at, &args.set)?;
    let mut inputs = Inputs::default();
    inputs
        .give(Input::Scenario, asked.simulation.to_toml().as_bytes())
        .map_err(|error| CliError::failure(format!("the scenario cannot be kept: {error}")))?;
    model::launch(&as_run(args), &asked, reason, &inputs)
}

fn live(args: &Fork, mut node: Arrived) -> Result<Code, CliError> {
    let most = MAX_SCENARIO_BYTES as u64;
    let text = node.inputs.read(Input::Scenario, Path::new("the scenario"), most);
    let text = text.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| CliError::failure("the scenario was not handed over"))?;
    model::live(&as_run(args), &model::of_text(&text)?, node)
}

/// The same as for a run.
fn as_run(args: &Fork) -> Run {
    Run {
        scenario: args.under.data.display().to_string(),
        contacts: None,
        source: None,
        set: Vec::new(),
        seed: None,
        schedulers: args.schedulers,
        rate: None,
        chaos: None,
        data: args.out.clone(),
        principal: args.principal.clone(),
        metrics: None,
        snapshots: args.snapshots,
        json: args.under.json,
    }
}
