//! `karyon plot`: what runs measured, as a picture.

use std::path::Path;

use karyon_colony::models::measured::{Group, Measured, SERIES_BYTES_MAX, charts};
use karyon_log::read_regular;
use karyon_plot::Chart;
use serde_json::json;

use super::sweep;
use crate::args::PlotRuns;
use crate::error::{CliError, Code};
use crate::output::{self, plain};
use crate::picture::{self, Form};

pub(crate) fn execute(args: &PlotRuns) -> Result<Code, CliError> {
    let form = picture::form(&args.out)?;
    let mut groups = Vec::new();
    for place in &args.runs {
        groups.extend(groups_of(place)?);
    }
    let measures = chosen(&groups, &args.measure)?;
    let title = args.title.clone().unwrap_or_else(|| title(args));
    let charts = charts(&title, &groups, &measures);
    let drawn = match form {
        Form::Svg => Chart::svg(&charts).map(String::into_bytes),
        Form::Png => Chart::png(&charts),
    };
    let bytes = drawn.map_err(|error| CliError::failure(error.to_string()))?;
    picture::replace(&args.out, &bytes)?;
    let runs: usize = groups.iter().map(|group| group.runs.len()).sum();
    match args.json {
        true => output::json(&json!({ "out": args.out, "runs": runs, "measures": measures })),
        false => output::line(&format!(
            "{} of {runs} runs drawn in {}",
            plain(&measures.join(", ")),
            args.out.display()
        )),
    }
    Ok(Code::Ok)
}

fn title(args: &PlotRuns) -> String {
    let name = |place: &Path| place.file_name().map(|name| name.to_string_lossy().into_owned());
    let names: Vec<_> = args.runs.iter().filter_map(|place| name(place)).collect();
    names.join(", ")
}

/// The runs of a sweep, by what they have for the keys that differ; or the one run of a directory.
fn groups_of(place: &Path) -> Result<Vec<Group>, CliError> {
    if let Some(plan) = sweep::plan_of(place)? {
        let groups = plan.groups(|run| measured(&sweep::run_folder(place, run)).ok());
        if groups.is_empty() {
            let what = format!("no run of the sweep in {} has an answer yet", place.display());
            return Err(CliError::failure(what).with_hint("go on with it: karyon sweep …"));
        }
        return Ok(groups);
    }
    let name = place.display().to_string();
    Ok(vec![Group { name, runs: vec![measured(place)?] }])
}

/// What the run of a data directory measured.
pub(super) fn measured(place: &Path) -> Result<Measured, CliError> {
    let path = place.join("series.csv");
    let text = read_regular(&path, SERIES_BYTES_MAX).map_err(|error| {
        CliError::failure(format!("{}: {error}", path.display()))
            .with_hint("it is written when a run is complete; name data directories or sweeps")
    })?;
    Measured::read(&text).map_err(|error| CliError::failure(format!("{}: {error}", path.display())))
}

/// The measures that were asked for; otherwise all that the runs have.
fn chosen(groups: &[Group], asked: &[String]) -> Result<Vec<String>, CliError> {
    let mut names: Vec<String> = Vec::new();
    for run in groups.iter().flat_map(|group| &group.runs) {
        names.extend(
            run.names.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>(),
        );
    }
    match asked.iter().find(|name| !names.contains(name)) {
        Some(unknown) => Err(CliError::failure(format!("nothing called {unknown} was measured"))
            .with_hint(format!("measured were {}", names.join(", ")))),
        None if asked.is_empty() => Ok(names),
        None => Ok(asked.to_vec()),
    }
}
