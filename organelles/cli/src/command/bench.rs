//! `karyon bench`: named workloads, measured, with a report of which nothing may be missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use karyon_bench::{
    BenchError, Build, Comparison, DEFAULT, Flags, Load, Machine, Made, REPORT_BYTES_MAX, Report,
    ReportError, Scale, WARM_UP, WORKLOADS, compare, load, measure, runs,
};
use karyon_identity::SecretKey;
use karyon_keys::{KeyDirectory, KeyError};
use karyon_log::read_regular;
use karyon_runtime::datadir;
use serde_json::{Value, json};

use crate::args::{Bench, DiffReports, ListWorkloads, RunBench, ShowReport};
use crate::error::{CliError, Code, words};
use crate::output::{self, plain, thousands};
use crate::{progress, signals};

/// What `main.rs` chose.
const ALLOCATOR: &str = "mimalloc";
const REPORT: &str = "report.json";
/// Where data directories lie while they are measured.
const DATA: &str = "data";

pub(crate) fn execute(args: &Bench) -> Result<Code, CliError> {
    match args {
        Bench::List(args) => list(args),
        Bench::Run(args) => run(args),
        Bench::Show(args) => show(args),
        Bench::Diff(args) => diff(args),
    }
}

fn list(args: &ListWorkloads) -> Result<Code, CliError> {
    let levels = |one: &karyon_bench::Workload| {
        one.levels.iter().map(|level| level.name()).collect::<Vec<_>>()
    };
    if args.json {
        let all = WORKLOADS.iter().map(|one| {
            json!({
                "workload": one.name,
                "about": one.about,
                "unit": one.unit,
                "size": one.size(Scale::FULL),
                "levels": levels(one),
            })
        });
        output::json(&json!({ "workloads": all.collect::<Vec<_>>() }));
        return Ok(Code::Ok);
    }
    for one in WORKLOADS {
        output::line(&format!("{:<13} {}", one.name, one.about));
        output::line(&format!("{:<13} {}; counts {}", "", one.size(Scale::FULL), one.unit));
        output::line(&format!("{:<13} levels: {}", "", levels(one).join(", ")));
    }
    Ok(Code::Ok)
}

fn run(args: &RunBench) -> Result<Code, CliError> {
    let flags = flags(args);
    let all = runs(&flags).map_err(refused)?;
    let key = node_key()?;
    let interrupt = signals::listen()?;
    let place = Place::new(args.out.as_deref())?;
    let (machine, before) = (Machine::here(&place.out), load());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let threads = args.threads.map_or(cores, u64::from);
    let scale = if args.quick { Scale::QUICK } else { Scale::FULL };
    let begun = jiff::Timestamp::now();
    let since = Instant::now();
    let bar = progress::count("runs", all);
    let results = measure(&flags, threads, scale, &place.data, &mut |done, _| {
        bar.set(done);
        interrupt.load(Ordering::Relaxed) == 0
    });
    drop(bar);
    let results = match results {
        Ok(results) => results,
        Err(error) => {
            place.leave()?;
            if !matches!(error, BenchError::Interrupted) {
                return Err(refused(error));
            }
            output::note("interrupted: there is no report of what was measured so far");
            return Ok(Code::Interrupted { signal: interrupt.load(Ordering::Relaxed) as u32 });
        }
    };
    let took_ms = since.elapsed().as_millis() as u64;
    let begun = jiff::Timestamp::from_second(begun.as_second()).unwrap_or(begun).to_string();
    let load = Load { before, after: load() };
    let build = Build::here(ALLOCATOR);
    let made = Made { begun, took_ms };
    let mut report = Report::new(made, flags, build, machine, load, results);
    if let Some(key) = key {
        report.sign(&key);
    }
    let svg = report.to_svg().map_err(|error| CliError::failure(error.to_string()))?;
    place.write("report.svg", svg.as_bytes())?;
    place.write("report.md", report.to_markdown().as_bytes())?;
    place.write(REPORT, report.to_json().as_bytes())?;
    if args.json {
        output::safe_json(&as_json(&report));
    } else {
        results_as_text(&report);
        output::line(&format!("report      {}", place.out.join(REPORT).display()));
        output::line("beside it   report.md, report.svg");
    }
    place.leave()?;
    Ok(Code::Ok)
}

fn flags(args: &RunBench) -> Flags {
    let default = || DEFAULT.to_owned();
    Flags {
        workloads: args.workloads.clone(),
        level: args.level.map_or_else(default, |level| level.name().into()),
        repeat: args.repeat,
        threads: args.threads.map_or_else(default, |threads| threads.to_string()),
        seed: args.seed,
        quick: args.quick,
        out: args.out.as_ref().map_or_else(default, |out| out.display().to_string()),
        json: args.json,
        warm_up: WARM_UP,
    }
}

fn refused(error: BenchError) -> CliError {
    let hint = match &error {
        BenchError::Unknown { .. } | BenchError::Twice(_) | BenchError::NoLevel { .. } => {
            Some("`karyon bench list` tells all workloads, with their levels")
        }
        BenchError::Uneven { .. } => Some("that is a fault of Karyon: please report it"),
        BenchError::Run { .. } | BenchError::Io { .. } | BenchError::Interrupted => None,
    };
    let told = CliError::failure(words(&error));
    hint.into_iter().fold(told, CliError::with_hint)
}

/// The node's key, if there is one: none is made to sign a report.
fn node_key() -> Result<Option<SecretKey>, CliError> {
    let keys = match KeyDirectory::from_environment() {
        Err(KeyError::NoDirectory) => return Ok(None),
        keys => keys?,
    };
    match keys.load_node_key() {
        Err(KeyError::Missing { .. }) => Ok(None),
        key => Ok(Some(key?)),
    }
}

/// Where a report goes.
struct Place {
    out: PathBuf,
    data: PathBuf,
    /// Whether the directory was made for the report.
    is_new: bool,
}

impl Place {
    fn new(out: Option<&Path>) -> Result<Place, CliError> {
        let (out, is_new) = match out {
            Some(out) => (out.to_owned(), !out.exists()),
            None => {
                let names = (1u64..).map(|number| format!("bench-{number}"));
                let free = datadir::create_first_free(Path::new("reports"), names)?;
                (free.ok_or_else(|| CliError::failure("./reports is full"))?, true)
            }
        };
        fs::create_dir_all(&out).map_err(failed(&out))?;
        if out.join(REPORT).symlink_metadata().is_ok() {
            let what = format!("{} holds a report", out.display());
            return Err(CliError::failure(what).with_hint("name another --out"));
        }
        let data = out.join(DATA);
        fs::create_dir(&data).map_err(|error| {
            let hint = "if a benchmark that was killed left it there, remove it";
            failed(&data)(error).with_hint(hint)
        })?;
        Ok(Place { out, data, is_new })
    }

    /// Writes a file whole, or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        let (path, new) = (self.out.join(name), self.out.join(format!("{name}.new")));
        fs::write(&new, bytes).map_err(failed(&new))?;
        fs::rename(&new, &path).map_err(failed(&path))
    }

    /// Takes away what was measured; and the directory, where it holds no report.
    fn leave(&self) -> Result<(), CliError> {
        fs::remove_dir(&self.data).map_err(failed(&self.data))?;
        match self.is_new && !self.out.join(REPORT).exists() {
            true => fs::remove_dir(&self.out).map_err(failed(&self.out)),
            false => Ok(()),
        }
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |error| CliError::failure(format!("{}: {error}", path.display()))
}

/// Reads a report: a file, or the one in a directory.
fn read(place: &Path) -> Result<Report, CliError> {
    let path = if place.is_dir() { place.join(REPORT) } else { place.to_owned() };
    let read = read_regular(&path, REPORT_BYTES_MAX).map_err(ReportError::from);
    read.and_then(|text| Report::read(&text)).map_err(|error| {
        let code = match error.is_refutation() {
            true => Code::VerificationFailed,
            false => Code::Failure,
        };
        let hint = match error.is_refutation() {
            true => "whoever made it has to give the file that `karyon bench run` wrote",
            false => "name a report.json that `karyon bench run` wrote, or its directory",
        };
        let message = format!("{}: {}", path.display(), words(&error));
        CliError { code, message, hint: Some(hint.into()) }
    })
}

fn show(args: &ShowReport) -> Result<Code, CliError> {
    let report = read(&args.file)?;
    if args.json {
        output::safe_json(&as_json(&report));
        return Ok(Code::Ok);
    }
    for (name, value) in report.conditions() {
        output::line(&format!("{name:<25} {}", plain(&value)));
    }
    results_as_text(&report);
    Ok(Code::Ok)
}

fn as_json(report: &Report) -> Value {
    // Whole numbers, texts and lists of known fields always have a form.
    serde_json::to_value(report).unwrap_or_default()
}

fn results_as_text(report: &Report) {
    for result in &report.results {
        output::line(&format!(
            "{:<29} {:>12} {}/s  spread {}.{} %  {}",
            plain(&result.name()),
            thousands(result.median_per_s),
            plain(&result.unit),
            thousands(result.spread_permille / 10),
            result.spread_permille % 10,
            plain(&result.size),
        ));
    }
    for warning in report.warnings() {
        output::line(warning);
    }
}

fn diff(args: &DiffReports) -> Result<Code, CliError> {
    let (first, second) = (read(&args.first)?, read(&args.second)?);
    let found = compare(&first, &second);
    match args.json {
        true => output::safe_json(&difference_as_json(&found)),
        false => difference_as_text(&found),
    }
    Ok(if found.is_same() { Code::Ok } else { Code::Different })
}

fn difference_as_text(found: &Comparison) {
    for condition in &found.conditions {
        let [one, other] = condition.values.each_ref().map(|value| plain(value));
        output::line(&format!("condition   {}: {one}, and {other}", plain(&condition.name)));
    }
    if found.conditions.is_empty() {
        output::line("conditions  the same");
    }
    for change in &found.changes {
        let spread = change.spread_permille.map(|part| format!("{}.{}", part / 10, part % 10));
        output::line(&format!(
            "{:<29} {:.3} ×  {}  {} and {} {}/s, spread {} and {} %",
            plain(&change.name),
            change.ratio,
            change.verdict.words(),
            thousands(change.per_s[0]),
            thousands(change.per_s[1]),
            plain(&change.unit),
            spread[0],
            spread[1],
        ));
    }
    for (names, which) in [(&found.only_first, "first"), (&found.only_second, "second")] {
        for name in names {
            output::line(&format!("{:<29} in the {which} alone", plain(name)));
        }
    }
}

fn difference_as_json(found: &Comparison) -> Value {
    let conditions = found.conditions.iter().map(|condition| {
        let [a, b] = &condition.values;
        json!({ "condition": condition.name, "a": a, "b": b })
    });
    let changes = found.changes.iter().map(|change| {
        json!({
            "result": change.name,
            "unit": change.unit,
            "ratio": change.ratio,
            "verdict": change.verdict.words(),
            "a": { "per_s": change.per_s[0], "spread_permille": change.spread_permille[0] },
            "b": { "per_s": change.per_s[1], "spread_permille": change.spread_permille[1] },
        })
    });
    json!({
        "same": found.is_same(),
        "conditions": conditions.collect::<Vec<_>>(),
        "results": changes.collect::<Vec<_>>(),
        "only_a": found.only_first,
        "only_b": found.only_second,
    })
}
