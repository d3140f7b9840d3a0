//! `karyon sweep`: a scenario with many values and seeds, a run each, on all cores.
//!
//! Each run is a process of its own, with its guardian, its grant and its log: one that fails takes
//! no other along, and each can be asked, repeated and explained as any other run.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use karyon_colony::models::measured::{Group, Measured, SERIES_BYTES_MAX, charts};
use karyon_colony::models::plan::{Answer, Means, PLAN_BYTES_MAX, Plan};
use karyon_colony::models::{Change, Simulation};
use karyon_keys::KeyDirectory;
use karyon_log::read_regular;
use karyon_plot::Chart;
use karyon_runtime::datadir;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use toml::{Table, Value};

use super::run::scenario_text;
use crate::args::Sweep;
use crate::error::{CliError, Code, words};
use crate::handover::Inputs;
use crate::output::{self, put, thousands};
use crate::progress::{self, Spinner};
use crate::{grant, signals};

/// The file of a sweep that says which runs it has.
pub(crate) const PLAN: &str = "plan.csv";
/// What all runs have in common.
const SCENARIO: &str = "scenario.toml";
const RUNS: &str = "runs";
const ANSWERS: &str = "answers";
/// Runs at a time, for each core: a short one waits for the disk for a third of its time.
const RUNS_PER_CORE: usize = 2;
/// How often it is looked whether a run has ended.
const EVERY: Duration = Duration::from_millis(2);
/// The longest answer of a run, bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Points that are shown on the screen, at most; all are in `points.csv`.
const SHOWN_MAX: usize = 20;
/// Runs that failed and are named, at most.
const NAMED_MAX: usize = 10;

/// The runs of the sweep in a directory; `None`: it holds none.
pub(super) fn plan_of(sweep: &Path) -> Result<Option<Plan>, CliError> {
    let path = sweep.join(PLAN);
    let read = match read_regular(&path, PLAN_BYTES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(failed(&path))?,
    };
    let plan = Plan::read(&read);
    plan.map(Some).map_err(|error| CliError::failure(format!("{}: {error}", path.display())))
}

/// Where the data directory of a run is.
pub(crate) fn run_folder(sweep: &Path, run: usize) -> PathBuf {
    sweep.join(RUNS).join(Plan::name(run))
}

pub(crate) fn execute(args: &Sweep) -> Result<Code, CliError> {
    let (name, simulation, plan) = planned(args)?;
    // What would be refused for each run is refused once.
    let keys = KeyDirectory::from_environment()?;
    grant::answerable(&keys, args.principal.as_deref())?;
    let interrupt = signals::listen()?;
    let place = Place::open(args, &name, &simulation, &plan)?;
    // Before several runs would make them at once.
    grant::node_key(&keys)?;
    grant::principal(&keys, args.principal.as_deref())?;
    let mut answers: Vec<_> =
        (0..plan.runs.len()).map(|run| place.answer(run, simulation.measures().len())).collect();
    let jobs = args.jobs.map_or_else(
        || RUNS_PER_CORE * std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        usize::from,
    );
    let known = answers.iter().flatten().count();
    let begun = Instant::now();
    let measures = simulation.measures();
    let mut work = Work { args, place: &place, plan: &plan, measures, failed: Vec::new() };
    let left = (0..plan.runs.len()).filter(|run| matches!(answers.get(*run), Some(None)));
    let signal =
        work.all(left.collect(), jobs, &mut answers, || interrupt.load(Ordering::Relaxed))?;
    let failed = work.failed;
    place.write_tables(&simulation, &plan, &answers)?;
    let told = Told { args, place: &place.path, answers: &answers, known, jobs, failed: &failed };
    let elapsed_s = begun.elapsed().as_secs_f64();
    told.show(&simulation, &plan, signal, elapsed_s);
    Ok(match signal {
        0 if failed.is_empty() => Code::Ok,
        0 => Code::Failure,
        signal => Code::Interrupted { signal: signal as u32 },
    })
}

/// The scenario without what differs, and which runs there are.
fn planned(args: &Sweep) -> Result<(String, Simulation, Plan), CliError> {
    let (name, text) = scenario_text(&args.scenario, &mut Inputs::default())?;
    let refused = |error| CliError::failure(format!("{}: {}", args.scenario, words(&error)));
    if !Simulation::is_of(&text) {
        return Err(CliError::failure(format!("{name} is no scenario of a model"))
            .with_hint("the rumour is run one at a time, by karyon run"));
    }
    // Told with its place in the file, before anything is changed.
    Simulation::parse(&text).map_err(refused)?;
    let mut table: Table = text.parse().unwrap_or_default();
    let sweep = table.entry("sweep").or_insert_with(|| Value::Table(Table::new()));
    let mut singles = Vec::new();
    if let Value::Table(sweep) = sweep {
        for (key, value) in &args.set {
            match values(value) {
                Some(values) => drop(sweep.insert(key.clone(), Value::Array(values))),
                None => {
                    // It holds for all runs, whatever the scenario's own sweep says of it.
                    let short = |key: &str| key.rsplit('.').next().map(str::to_owned);
                    sweep.retain(|other, _| short(other) != short(key));
                    singles.push(Change { key: key.clone(), value: value.clone() });
                }
            }
        }
        if let Some(seeds) = &args.seeds {
            let seeds = match (values(seeds), seeds.parse::<i64>()) {
                (Some(list), _) => Value::Array(list),
                (None, Ok(one)) => Value::Array(vec![Value::Integer(one)]),
                (None, Err(_)) => Value::String(seeds.clone()),
            };
            sweep.insert("seeds".into(), seeds);
        }
    }
    let hint = "--set KEY=A,B,… names the values of a key, --seeds 1..=10 the seeds; a [sweep] in \
                the scenario does the same";
    let told = |error| CliError::failure(words(&error)).with_hint(hint);
    let whole = Simulation::parse(&toml::to_string(&table).unwrap_or_default()).map_err(told)?;
    let base = whole.with(&singles).map_err(told)?;
    let Some(sweep) = whole.sweep else {
        return Err(CliError::failure("nothing differs between the runs").with_hint(hint));
    };
    let value = |change: &Change| change.value.clone();
    let runs = sweep.points.iter().map(|point| point.iter().map(value).collect()).collect();
    Ok((name, base, Plan { keys: sweep.keys, runs }))
}

/// The values of a list with commas; `None`: it is one value.
fn values(text: &str) -> Option<Vec<Value>> {
    let list = format!("list = [{text}]").parse::<Table>().ok();
    let values = match list.and_then(|mut table| table.remove("list")) {
        Some(Value::Array(values)) => values,
        // Words without quotes are texts.
        _ => text.split(',').map(|word| Value::String(word.trim().into())).collect(),
    };
    (values.len() > 1).then_some(values)
}

/// The directory of a sweep.
struct Place {
    path: PathBuf,
    /// Held until the sweep ends: no other goes on with it.
    _lock: File,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |error| CliError::failure(format!("{}: {error}", path.display()))
}

impl Place {
    /// Makes the directory, or goes on with the same sweep in it.
    fn open(args: &Sweep, name: &str, base: &Simulation, plan: &Plan) -> Result<Place, CliError> {
        let path = match &args.out {
            Some(out) => out.clone(),
            None => {
                let names = (1u64..).map(|number| format!("{name}-{number}"));
                let free = datadir::create_first_free(Path::new("sweeps"), names)?;
                free.ok_or_else(|| CliError::failure("./sweeps is full"))?
            }
        };
        if datadir::log_folder(&path).exists() {
            let what = format!("{} is the data directory of a run", path.display());
            return Err(CliError::failure(what).with_hint("name another --out"));
        }
        fs::create_dir_all(&path).map_err(failed(&path))?;
        let lock = path.join("lock");
        let file = File::create(&lock).map_err(failed(&lock))?;
        if file.try_lock().is_err() {
            let what = format!("a sweep in {} is under way", path.display());
            return Err(CliError::failure(what).with_hint("wait for it, or name another --out"));
        }
        let place = Place { path, _lock: file };
        let (scenario, rows) = (base.to_toml(), plan.to_csv());
        match place.read(PLAN, PLAN_BYTES_MAX)? {
            None => {
                place.write(SCENARIO, scenario.as_bytes())?;
                for folder in [RUNS, ANSWERS] {
                    let folder = place.path.join(folder);
                    fs::create_dir_all(&folder).map_err(failed(&folder))?;
                }
                // Last: with it the sweep is there.
                place.write(PLAN, rows.as_bytes())?;
            }
            Some(there) => {
                let was = place.read(SCENARIO, PLAN_BYTES_MAX)?.unwrap_or_default();
                if there != rows.as_bytes() || was != scenario.as_bytes() {
                    let what = format!("{} holds another sweep", place.path.display());
                    let hint = "with the same scenario and values it is gone on with; for others \
                                name another --out";
                    return Err(CliError::failure(what).with_hint(hint));
                }
            }
        }
        Ok(place)
    }

    /// A file of the sweep; `None`: it is not there.
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, CliError> {
        let path = self.path.join(name);
        match read_regular(&path, most) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    /// Writes a file whole, or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        fs::write(&new, bytes).map_err(failed(&new))?;
        fs::rename(&new, &path).map_err(failed(&path))
    }

    fn answer(&self, run: usize, measures: usize) -> Option<Answer> {
        let name = format!("{ANSWERS}/{}.json", Plan::name(run));
        let read: Option<Answer> =
            serde_json::from_slice(&self.read(&name, ANSWER_BYTES_MAX).ok()??).ok();
        // An answer without its run is none, and one of another model neither.
        let is_there = run_folder(&self.path, run).join("series.csv").is_file();
        read.filter(|answer| is_there && answer.measures.len() == measures)
    }

    /// Puts what is left of a run that cannot go on out of its place.
    fn set_aside(&self, run: usize) -> Result<PathBuf, CliError> {
        let folder = run_folder(&self.path, run);
        let mut names = (1..).map(|number| folder.with_extension(format!("aside-{number}")));
        let free = names.find(|name| !name.exists());
        let aside = free.ok_or_else(|| CliError::failure("there is no name left"))?;
        fs::rename(&folder, &aside).map_err(failed(&folder))?;
        Ok(aside)
    }

    fn write_tables(
        &self,
        base: &Simulation,
        plan: &Plan,
        answers: &[Option<Answer>],
    ) -> Result<(), CliError> {
        let measures = base.measures();
        self.write("results.csv", plan.results_csv(measures, answers).as_bytes())?;
        self.write("points.csv", plan.points_csv(measures, answers).as_bytes())?;
        let groups: Vec<Group> = plan.groups(|run| {
            let path = run_folder(&self.path, run).join("series.csv");
            Measured::read(&read_regular(&path, SERIES_BYTES_MAX).ok()?).ok()
        });
        if groups.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = measures.iter().map(|&name| name.to_owned()).collect();
        let svg = Chart::svg(&charts(base.name(), &groups, &names))
            .map_err(|error| CliError::failure(error.to_string()))?;
        self.write("sweep.svg", svg.as_bytes())
    }
}

/// A run that is under way.
struct Running {
    run: usize,
    child: Child,
    /// Whether it goes on with what was there.
    resumes: bool,
}

/// What is to be done, and what failed of it.
struct Work<'a> {
    args: &'a Sweep,
    place: &'a Place,
    plan: &'a Plan,
    measures: &'static [&'static str],
    failed: Vec<(usize, String)>,
}

impl Work<'_> {
    /// Does all of it, so many at a time; the signal that ended it before, or 0.
    fn all(
        &mut self,
        mut left: VecDeque<usize>,
        jobs: usize,
        answers: &mut [Option<Answer>],
        signal: impl Fn() -> usize,
    ) -> Result<usize, CliError> {
        let mut running: Vec<Running> = Vec::with_capacity(jobs);
        let bar = progress::count("runs", self.plan.runs.len() as u64);
        bar.set(answers.iter().flatten().count() as u64);
        let mut told = false;
        loop {
            let ended = signal();
            while ended == 0 && running.len() < jobs {
                let Some(run) = left.pop_front() else { break };
                running.push(self.start(run)?);
            }
            if ended != 0 && !std::mem::replace(&mut told, true) {
                // They may have heard it themselves: a second one changes nothing.
                for Running { child, .. } in &running {
                    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                    // It may have ended a moment ago.
                    pid.map(|pid| kill_process(pid, Signal::TERM));
                }
            }
            if running.is_empty() {
                return Ok(ended);
            }
            std::thread::sleep(EVERY);
            let mut still = Vec::with_capacity(jobs);
            for mut one in running {
                match one.child.try_wait() {
                    Ok(None) => still.push(one),
                    Ok(Some(status)) => self.ended(&one, status, &mut left, answers, &bar)?,
                    Err(error) => {
                        return Err(CliError::failure(format!("a run was lost: {error}")));
                    }
                }
            }
            running = still;
        }
    }

    fn start(&self, run: usize) -> Result<Running, CliError> {
        let (sweep, folder) = (&self.place.path, run_folder(&self.place.path, run));
        let resumes = folder.exists();
        let program = std::env::current_exe()
            .map_err(|error| CliError::failure(format!("this program is not found: {error}")))?;
        let mut command = Command::new(program);
        if resumes {
            command.arg("resume");
        } else {
            command.arg("run").arg(sweep.join(SCENARIO));
            let values = self.plan.runs.get(run).into_iter().flatten();
            for (key, value) in self.plan.keys.iter().zip(values) {
                command.arg("--set").arg(format!("{key}={value}"));
            }
            if let Some(principal) = &self.args.principal {
                command.args(["--principal", principal]);
            }
        }
        command.arg("--data").arg(&folder).args(["--schedulers", "1", "--json"]);
        let said = |what: &str| {
            let path = sweep.join(ANSWERS).join(format!("{}.{what}", Plan::name(run)));
            File::create(&path).map_err(failed(&path))
        };
        command.stdin(Stdio::null()).stdout(said("out")?).stderr(said("err")?);
        let child = command
            .spawn()
            .map_err(|error| CliError::failure(format!("a run could not be started: {error}")))?;
        Ok(Running { run, child, resumes })
    }

    fn ended(
        &mut self,
        one: &Running,
        status: ExitStatus,
        left: &mut VecDeque<usize>,
        answers: &mut [Option<Answer>],
        bar: &Spinner,
    ) -> Result<(), CliError> {
        let name = Plan::name(one.run);
        let path = |what: &str| format!("{ANSWERS}/{name}.{what}");
        let said = self.place.read(&path("out"), ANSWER_BYTES_MAX)?.unwrap_or_default();
        let heard = self.place.read(&path("err"), ANSWER_BYTES_MAX)?.unwrap_or_default();
        match (status.code(), answer_in(&said, self.measures)) {
            (Some(0), Some(answer)) => {
                let text = serde_json::to_vec(&answer).unwrap_or_default();
                self.place.write(&path("json"), &text)?;
                if let Some(slot) = answers.get_mut(one.run) {
                    *slot = Some(answer);
                }
                bar.set(answers.iter().flatten().count() as u64);
            }
            // Interrupted; the next sweep goes on with it.
            (Some(130 | 143), _) => {}
            // What a person stopped, a person lets go on.
            _ if run_folder(&self.place.path, one.run).join("safety/STOP").exists() => {
                let why = "it was stopped; to go on: karyon safety resume --reason … --data";
                let folder = run_folder(&self.place.path, one.run);
                self.failed.push((one.run, format!("{why} {}", folder.display())));
                return Ok(());
            }
            _ if one.resumes => {
                let aside = self.place.set_aside(one.run)?;
                output::note(&format!(
                    "note: what was left of run {name} could not go on and lies in {}; it is run \
                     anew",
                    aside.display()
                ));
                left.push_front(one.run);
                return Ok(());
            }
            (code, _) => {
                let heard = String::from_utf8_lossy(&heard);
                let last = heard.lines().find(|line| line.starts_with("error")).unwrap_or_default();
                let how = code.map_or(status.to_string(), |code| format!("exit code {code}"));
                self.failed.push((one.run, format!("{how}: {}", output::plain(last))));
                return Ok(());
            }
        }
        for what in ["out", "err"] {
            let path = self.place.path.join(path(what));
            fs::remove_file(&path).map_err(failed(&path))?;
        }
        Ok(())
    }
}

/// What a run answered.
fn answer_in(said: &[u8], measures: &[&str]) -> Option<Answer> {
    let last = said.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty())?;
    let said: serde_json::Value = serde_json::from_slice(last).ok()?;
    let row = said.get("measures")?;
    Some(Answer {
        ticks: said.get("ticks")?.as_u64()?,
        steps: said.get("steps")?.as_u64()?,
        state_root: said.get("state_root")?.as_str()?.into(),
        measures: measures.iter().map(|name| row.get(name)?.as_f64()).collect::<Option<_>>()?,
    })
}

/// What is told at the end.
struct Told<'a> {
    args: &'a Sweep,
    place: &'a Path,
    answers: &'a [Option<Answer>],
    /// How many there were before.
    known: usize,
    jobs: usize,
    failed: &'a [(usize, String)],
}

impl Told<'_> {
    fn show(&self, base: &Simulation, plan: &Plan, signal: usize, elapsed_s: f64) {
        let done = self.answers.iter().flatten().count();
        let (new, all) = (done - self.known, self.answers.len());
        let means = plan.means(base.measures().len(), self.answers);
        let place = self.place.display().to_string();
        let again = format!("the same command with --out {place} goes on with it");
        if self.args.json {
            let points: Vec<_> = means.iter().map(|means| as_json(base, means)).collect();
            let failed = self.failed.iter();
            let failed: Vec<_> =
                failed.map(|(run, why)| json!({ "run": run + 1, "why": why })).collect();
            let mut answer = json!({
                "model": base.name(),
                "runs": all,
                "done": done,
                "new": new,
                "failed": failed,
                "jobs": self.jobs,
                "elapsed_s": elapsed_s,
                "points": points,
                "out": place,
            });
            if signal != 0 {
                put(&mut answer, "exit_code", 128 + signal);
            }
            output::json(&answer);
        } else {
            as_text(base, &means);
            output::line(&format!(
                "runs        {} of {}, {} of them now in {elapsed_s:.2} s, {} at a time",
                thousands(done as u64),
                thousands(all as u64),
                thousands(new as u64),
                self.jobs
            ));
            output::line("results     results.csv, points.csv, sweep.svg; a directory of each run");
            output::line(&format!("sweep       {place}"));
        }
        for (run, why) in self.failed.iter().take(NAMED_MAX) {
            output::note(&format!("error: run {} failed: {why}", Plan::name(*run)));
        }
        if !self.failed.is_empty() {
            let more = self.failed.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!("{more} more failed; ") } else { String::new() };
            output::note(&format!(
                "  hint: {more}what they said lies in {place}/{ANSWERS}; {again}"
            ));
        }
        if signal != 0 {
            output::note(&format!("interrupted: {} runs are left; {again}", all - done));
        }
    }
}

fn as_json(base: &Simulation, means: &Means) -> serde_json::Value {
    let of = base.measures().iter().zip(&means.measures);
    let measures: serde_json::Map<_, _> = of
        .map(|(name, (mean, error))| ((*name).into(), json!({ "mean": mean, "error": error })))
        .collect();
    json!({ "point": means.name, "runs": means.runs, "measures": measures })
}

fn as_text(base: &Simulation, means: &[Means]) {
    for Means { name, runs, measures } in means.iter().filter(|one| one.runs > 0).take(SHOWN_MAX) {
        let of = base.measures().iter().zip(measures);
        let of = of.map(|(measure, (mean, error))| format!("{measure} {mean:.4} ± {error:.4}"));
        let name = if name.is_empty() { "all" } else { name };
        output::line(&format!("{name}: {} ({runs} runs)", of.collect::<Vec<_>>().join(", ")));
    }
    let more = means.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        output::line(&format!("and {} more points, in points.csv", thousands(more as u64)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_are_lists() {
        let ints = |all: &[i64]| Some(all.iter().map(|n| Value::Integer(*n)).collect::<Vec<_>>());
        assert_eq!(values("3,4, 5"), ints(&[3, 4, 5]));
        assert_eq!(values("3"), None);
        assert_eq!(values("1..=10"), None);
        assert_eq!(values("[1, 2]"), None, "one value that is a list");
        let texts = |all: &[&str]| all.iter().map(|t| Value::String((*t).into())).collect();
        assert_eq!(values("complete, erdos-renyi"), Some(texts(&["complete", "erdos-renyi"])));
    }

    #[test]
    fn an_answer_is_the_last_line() {
        let said = b"{}\n{\"ticks\":2,\"steps\":3,\"state_root\":\"ab\",\"measures\":{\"b\":1.5,\"a\":0}}\n";
        let answer = answer_in(said, &["a", "b"]).unwrap();
        assert_eq!((answer.ticks, answer.measures), (2, vec![0.0, 1.5]));
        assert_eq!(answer_in(said, &["c"]), None);
        assert_eq!(answer_in(b"", &[]), None);
        assert_eq!(answer_in(b"error\n", &[]), None);
    }
}
