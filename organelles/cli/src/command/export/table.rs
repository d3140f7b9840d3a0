//! `karyon export --table`: what runs measured, and what their agents said of themselves, as tables.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use karyon::{Layer, Replayed, View, Whose};
use karyon_colony::models::measured::Measured;
use karyon_colony::models::plan::Plan;
use karyon_table::{Cell, Column, Form, Tidy, TidyError};
use serde_json::json;

use crate::args::{ExportData, Table};
use crate::command::{model, plot, sweep};
use crate::error::{CliError, Code};
use crate::guarded;
use crate::output::{self, thousands};

pub(super) fn execute(args: &ExportData, what: Table) -> Result<Code, CliError> {
    let (data, out) = (args.data.as_path(), args.out.as_path());
    let form = Form::of(out).ok_or_else(|| {
        CliError::failure(format!("{} says not which kind of table it is to be", out.display()))
            .with_hint("end it in .csv or .parquet")
    })?;
    if out.symlink_metadata().is_ok() {
        return Err(CliError::failure(format!("{} is there already", out.display()))
            .with_hint("choose another file with --out"));
    }
    let rows = match what {
        Table::Series => series(data, out, form)?,
        Table::Agents => agents(data, out, form)?,
    };
    match args.json {
        true => output::json(&json!({ "out": out, "rows": rows })),
        false => output::line(&format!("{} rows in {}", thousands(rows), out.display())),
    }
    Ok(Code::Ok)
}

/// A row for each tick and measure.
fn series(data: &Path, out: &Path, form: Form) -> Result<u64, CliError> {
    let plan = sweep::plan_of(data)?;
    let (keys, runs) = match plan {
        Some(plan) => (plan.keys, plan.runs.into_iter().enumerate().collect()),
        None => (Vec::new(), vec![(0, Vec::new())]),
    };
    let is_sweep = !keys.is_empty();
    let read = |run: usize| match is_sweep {
        // A run that is not complete has measured nothing yet.
        true => Ok(plot::measured(&sweep::run_folder(data, run)).ok()),
        false => plot::measured(data).map(Some),
    };
    let first = runs.iter().find_map(|(run, _)| read(*run).transpose()).transpose()?;
    let Some(first) = first else {
        return Err(CliError::failure(format!("no run in {} is complete", data.display())));
    };
    let is_whole = |run: &Measured| run.rows.iter().all(|(when, _)| when.fract() == 0.0);
    let is_whole = is_whole(&first);
    let mut columns = vec![Column::Text("run".into())];
    columns.extend(keys.into_iter().map(Column::Text));
    columns.push(match is_whole {
        true => Column::Whole(first.across.clone()),
        false => Column::Number(first.across.clone()),
    });
    columns.extend([Column::Text("measure".into()), Column::Number("value".into())]);
    let mut tidy = Tidy::create(out, form, columns)?;
    for (run, values) in runs {
        let Some(measured) = read(run)? else { continue };
        let name = match is_sweep {
            true => Plan::name(run),
            false => data.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned()),
        };
        for (when, row) in &measured.rows {
            for (measure, value) in measured.names.iter().zip(row) {
                let mut cells = vec![Cell::Text(name.clone())];
                cells.extend(values.iter().cloned().map(Cell::Text));
                cells.push(match is_whole {
                    true => Cell::Whole(*when as i64),
                    false => Cell::Number(*when),
                });
                cells.extend([Cell::Text(measure.clone()), Cell::Number(*value)]);
                if let Err(error) = tidy.push(cells) {
                    tidy.abandon();
                    return Err(error.into());
                }
            }
        }
    }
    Ok(tidy.finish()?)
}

/// The layers in which agents speak of themselves, each with its number.
fn own<'a>(view: &'a View<'_>) -> impl Iterator<Item = (u8, &'a Layer)> {
    let layers = (0..=u8::MAX).map_while(|number| Some((number, view.layer(number)?)));
    layers.filter(|(_, layer)| layer.whose() == Whose::Agents)
}

/// What is written while a run is repeated.
#[derive(Default)]
struct Written {
    tidy: Option<Tidy>,
    failed: Option<TidyError>,
}

/// A row for each tick and agent.
fn agents(data: &Path, out: &Path, form: Form) -> Result<u64, CliError> {
    super::super::refuse_of_another_program(data)?;
    guarded::permit_replay(data)?;
    let Some(asked) = model::recorded(data)? else {
        return Err(CliError::failure(format!("{} holds no run of a model", data.display()))
            .with_hint("what else agents did is told by karyon audit tail and karyon memory"));
    };
    let mut run = model::made(&asked.simulation)?;
    let written = Arc::new(Mutex::new(Written::default()));
    let (shared, path) = (Arc::clone(&written), out.to_path_buf());
    run.look(move |view| {
        let mut written = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if written.failed.is_some() {
            return;
        }
        if let Err(error) = rows(view, &mut written.tidy, &path, form) {
            written.failed = Some(error);
        }
    });
    let replayed = model::repeat(&run, data, None, false);
    drop(run);
    let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
    let (tidy, failed) = (written.tidy.take(), written.failed.take());
    let refused = match (replayed, failed) {
        (_, Some(error)) => error.into(),
        (Err(error), None) => error,
        (Ok((_, Replayed::Confirmed { .. })), None) => match tidy {
            Some(tidy) => return Ok(tidy.finish()?),
            None => CliError::failure("its agents say nothing of themselves")
                .with_hint("--table series has what was measured"),
        },
        (Ok((_, differs)), None) => CliError {
            code: Code::VerificationFailed,
            message: format!("the run does not repeat what is recorded: {differs}"),
            hint: Some(format!("karyon replay --verify --data {}", data.display())),
        },
    };
    if let Some(tidy) = tidy {
        tidy.abandon();
    }
    Err(refused)
}

fn rows(view: &View<'_>, tidy: &mut Option<Tidy>, out: &Path, form: Form) -> Result<(), TidyError> {
    let layers: Vec<_> = own(view).collect();
    let agents = layers.iter().map(|(_, layer)| layer.slots()).max().unwrap_or(0);
    if agents == 0 {
        return Ok(());
    }
    let tidy = match tidy {
        Some(tidy) => tidy,
        None => {
            let mut columns = vec![Column::Whole("tick".into()), Column::Whole("agent".into())];
            for (number, layer) in &layers {
                let more = (1..layer.width()).map(|word| format!("layer{number}_{word}"));
                let names = [format!("layer{number}")].into_iter().chain(more);
                columns.extend(names.map(Column::Whole));
                columns.extend(layer.has_cells().then(|| Column::Whole(format!("cell{number}"))));
            }
            tidy.insert(Tidy::create(out, form, columns)?)
        }
    };
    let in_cells: Vec<_> = layers.iter().filter(|(_, layer)| layer.has_cells()).collect();
    for slot in 0..agents {
        // Who stands nowhere, where agents stand somewhere, is not there yet, or no more.
        if !in_cells.is_empty() && in_cells.iter().all(|(_, layer)| layer.cell(slot).is_none()) {
            continue;
        }
        let mut row =
            vec![Cell::Whole(view.tick().0.cast_signed()), Cell::Whole(slot.cast_signed() + 1)];
        for (_, layer) in &layers {
            let words = layer.words(slot);
            let word = |at: usize| words.get(at).copied().unwrap_or(0).cast_signed();
            row.extend((0..layer.width()).map(|at| Cell::Whole(word(at))));
            if layer.has_cells() {
                row.push(Cell::Whole(layer.cell(slot).map_or(-1, i64::from)));
            }
        }
        tidy.push(row)?;
    }
    Ok(())
}

impl From<TidyError> for CliError {
    fn from(error: TidyError) -> CliError {
        CliError::failure(error.to_string())
    }
}
