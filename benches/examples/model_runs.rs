//! Models that many know, governed and recorded, timed level by level; a line of JSON for each run.
//! `scripts/model_peers/run.sh` runs it beside other frameworks, and with a million agents.
//!
//! `cargo run --release -p karyon-benches --example model_runs -- compare large|small SEED…`
//! `cargo run --release -p karyon-benches --example model_runs -- sir PEOPLE SEED SCHEDULERS`
//!
//! Levels, each with all that the ones above have:
//! - `memory`: every step passes the gate and is recorded; the log is hashed, chained and signed, but
//!   kept in memory, and read back and checked when the run is over.
//! - `durable`: on a data directory. A principal signs a grant, the log is in files, each commit
//!   followed by fdatasync, the memory is built from it, the log is sealed, read back and checked.
//! - `snapshots`: snapshots besides, behind every tenth tick.
//!
//! `build_ms` is what it takes to make the population; `run_ms` all behind it, up to the sealed and
//! checked log. Data directories are made in the current folder, and removed.

#![expect(clippy::expect_used, reason = "a measurement that cannot run has nothing to tell")]

use std::path::Path;
use std::time::Instant;

use karyon::{Data, Ending, Every, KeyDirectory, Outcome, Run};
// So that it allocates as the benches do.
use karyon_benches as _;
use karyon_colony::models::networks::Network;
use karyon_colony::models::{Model, flocking, schelling, sir, wolf_sheep};

const USAGE: &str =
    "usage: model_runs compare large|small SEED… | model_runs sir PEOPLE SEED SCHEDULERS";
const LEVELS: [&str; 3] = ["memory", "durable", "snapshots"];
/// Ticks of the epidemic.
const TICKS: u64 = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["compare", size @ ("large" | "small"), seeds @ ..] if !seeds.is_empty() => {
            compare(size, seeds.iter().map(|seed| number(seed)));
        }
        ["sir", people, seed, schedulers] => {
            epidemic(number(people) as u32, number(seed), number(schedulers) as usize);
        }
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect(USAGE)
}

/// Every model of one size, at each level, with one thread and with two.
fn compare(size: &str, seeds: impl Iterator<Item = u64>) {
    let folder = tempfile::tempdir_in(".").expect("this folder can be written to");
    let is_large = size == "large";
    let town = match is_large {
        true => schelling::Parameters { side: 100, agents: 8_000, radius: 2, need: 8, steps: 20 },
        false => schelling::Parameters::default(),
    };
    let meadow = match is_large {
        true => wolf_sheep::Parameters {
            side: 100,
            sheep: 1_000,
            wolves: 500,
            regrowth: 10,
            sheep_reproduce: 0.4,
            wolf_reproduce: 0.2,
            ..Default::default()
        },
        false => wolf_sheep::Parameters::default(),
    };
    let sky = match is_large {
        true => {
            flocking::Parameters { side: 150.0, birds: 400, vision: 15.0, ..Default::default() }
        }
        false => flocking::Parameters::default(),
    };
    // Keys are made once on a machine, and the first run of a process makes its pages.
    timed(&schelling::Parameters::default(), 0, "durable", 1, folder.path());
    for seed in seeds {
        for level in LEVELS {
            for schedulers in [1, 2] {
                let about = |acted: u64| {
                    format!(
                        "\"size\": \"{size}\", \"seed\": {seed}, \"level\": \"{level}\", \
                         \"schedulers\": {schedulers}, \"acted\": {acted}"
                    )
                };
                let run = timed(&town, seed, level, schedulers, folder.path());
                run.print(&about(u64::from(town.agents) * u64::from(town.steps)));
                let run = timed(&meadow, seed, level, schedulers, folder.path());
                run.print(&about(animals_that_acted(&meadow, &run.outcome)));
                let run = timed(&sky, seed, level, schedulers, folder.path());
                run.print(&about(u64::from(sky.birds) * u64::from(sky.steps)));
            }
        }
    }
}

/// Of all steps those in which an animal acted: not its beginning, nor that a sheep heard that it was
/// eaten, nor what wakes the sheep that are left when the last step is over.
fn animals_that_acted(meadow: &wolf_sheep::Parameters, outcome: &Outcome) -> u64 {
    let first = u64::from(meadow.sheep) + u64::from(meadow.wolves);
    let left = outcome.series.last("sheep").unwrap_or_default() as u64;
    let others = first + outcome.born().count() as u64 + outcome.counts.delivered + left;
    outcome.counts.steps.saturating_sub(others)
}

struct Timed {
    model: &'static str,
    build_ms: f64,
    run_ms: f64,
    cpu_ms: u64,
    outcome: Outcome,
}

fn timed<M: Model>(model: &M, seed: u64, level: &str, schedulers: usize, folder: &Path) -> Timed {
    let begun = Instant::now();
    let mut run = model.build(seed);
    // Measured at the beginning and at the end, as the peers are.
    run.seed(seed).schedulers(schedulers).collect(u64::MAX);
    let build_ms = milliseconds(begun);
    Timed::of(M::NAME, build_ms, || go(&mut run, level, folder))
}

fn go(run: &mut Run, level: &str, folder: &Path) -> Outcome {
    if level == "memory" {
        return run.test().expect("the run can be run");
    }
    if level == "snapshots" {
        run.snapshots(Every::Ticks(10));
    }
    let path = folder.join("run");
    let data = Data::new(&path, "ada", "a measurement");
    let outcome = run.signals(false).begin(&data.keys(KeyDirectory::at(folder.join("keys"))));
    let outcome = outcome.expect("the run can be run");
    std::fs::remove_dir_all(&path).expect("the data directory is there");
    outcome
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

impl Timed {
    fn of(model: &'static str, build_ms: f64, go: impl FnOnce() -> Outcome) -> Timed {
        let (begun, cpu) = (Instant::now(), cpu_ms());
        let outcome = go();
        let (run_ms, cpu_ms) = (milliseconds(begun), cpu_ms() - cpu);
        assert_eq!(outcome.ending, Ending::Completed, "the run was to be complete");
        Timed { model, build_ms, run_ms, cpu_ms, outcome }
    }

    /// A line of JSON: what it is about, as members of an object, and what was measured.
    fn print(&self, about: &str) {
        let Timed { model, build_ms, run_ms, cpu_ms, outcome } = self;
        let series = &outcome.series;
        let stats = series.names.iter().map(|name| {
            let last = series.last(name).unwrap_or_default();
            format!("\"{name}\": {last}")
        });
        println!(
            "{{\"peer\": \"karyon\", \"model\": \"{model}\", {about}, \"build_ms\": {build_ms:.3}, \
             \"run_ms\": {run_ms:.3}, \"cpu_ms\": {cpu_ms}, \"steps\": {}, \"ticks\": {}, \
             \"records\": {}, \"stats\": {{{}}}}}",
            outcome.counts.steps,
            outcome.ticks,
            outcome.records,
            stats.collect::<Vec<_>>().join(", "),
        );
    }
}

/// What processors worked for this process, milliseconds; Linux counts in hundredths of a second.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10
}

/// An epidemic that lives for all ticks, on a data directory.
fn epidemic(people: u32, seed: u64, schedulers: usize) {
    let folder = tempfile::tempdir_in(".").expect("this folder can be written to");
    let model = sir::Parameters {
        people,
        network: Network::WattsStrogatz { degree: 10, rewiring: 0.1 },
        cases: people / 1_000,
        infection: 0.02,
        recovery: 0.05,
    };
    let begun = Instant::now();
    let mut run = model.build(seed);
    run.seed(seed).schedulers(schedulers).until(|tick, _| tick + 1 >= TICKS);
    let build_ms = milliseconds(begun);
    let timed = Timed::of("sir", build_ms, || go(&mut run, "durable", folder.path()));
    timed.print(&format!(
        "\"people\": {people}, \"level\": \"durable\", \"schedulers\": {schedulers}, \
         \"seed\": {seed}, \"peak_kib\": {}",
        peak_kib()
    ));
}

/// The most memory that this process ever had resident, KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}
