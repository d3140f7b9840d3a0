//! Runs of models: begun, gone on with, repeated.
//!
//! A model's run is one of the library's. What it was made from, a scenario, is recorded with it, so
//! that its directory is enough to make it again.

use std::any::Any;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use karyon::{Ended, Ending, Host, Outcome, Replayed, Run as Made, RunError, Seen};
use karyon_colony::life;
use karyon_colony::models::{Change, MODELS, Simulation, builtin, series_csv, series_svg};
use karyon_identity::SecretKey;
use karyon_keys::KeyDirectory;
use karyon_log::Genesis;
use karyon_metrics::Loopback;
use karyon_runtime::{DataDir, Node, Progress, datadir};
use karyon_verify::{KeyStatus, Report};
use serde_json::json;

use super::summary;
use crate::args::{Replay, Resume, Run};
use crate::error::{CliError, Code, words};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::Inputs;
use crate::output::{self, hex, peak_rss_bytes, size, thousands};
use crate::{divergence, grant, keys, progress, serving, signals};

const SET_HINT: &str = "a key is that of the scenario, as `need`, or has its section in front, as \
                        `chaos.probability`; docs/models.md has all";

/// What is to be run.
pub(super) struct Asked {
    /// The name of the scenario.
    name: String,
    pub(super) simulation: Simulation,
}

/// The text of the scenario that is built in under a name.
pub(super) fn text_of(name: &str) -> Option<String> {
    builtin(name)
}

/// The names of the scenarios that are built in.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|known| known.name)
}

/// Whether a text is a scenario of a model; of the rumour otherwise.
pub(super) fn is_of(text: &str) -> bool {
    Simulation::is_of(text)
}

/// The scenario of a text with what the command line changes.
pub(super) fn asked(args: &Run, name: String, text: &str) -> Result<Asked, CliError> {
    let refused = |error| CliError::failure(format!("{}: {}", args.scenario, words(&error)));
    for (option, is_given) in
        [("--contacts", args.contacts.is_some()), ("--source", args.source.is_some())]
    {
        if is_given {
            let why = format!("{option} is the rumour's, and {name} is another model");
            return Err(CliError::failure(why).with_hint("--set KEY=VALUE changes a parameter"));
        }
    }
    let mut simulation = Simulation::parse(text).map_err(refused)?;
    if !args.set.is_empty() {
        simulation = simulation.with(&changes(&args.set)).map_err(|error| {
            CliError::failure(format!("--set: {}", error.words())).with_hint(SET_HINT)
        })?;
    }
    if let Some(seed) = args.seed {
        simulation.seed = seed;
    }
    if let Some(probability) = args.chaos {
        simulation.chaos.probability = probability;
    }
    Ok(Asked { name, simulation })
}

/// The run in a directory with other values from a tick on; and why somebody would run that.
pub(super) fn forked(
    data: &Path,
    at: u64,
    set: &[(String, String)],
) -> Result<(Asked, String), CliError> {
    let Some(Asked { name, simulation }) = recorded(data)? else {
        return Err(CliError::failure(format!("{} holds no run of a model", data.display()))
            .with_hint("karyon fork AGENT forks one agent of a run that is under way"));
    };
    let changes = changes(set);
    let simulation = simulation.forked(at, &changes).map_err(|error| {
        CliError::failure(format!("--set: {}", error.words())).with_hint(SET_HINT)
    })?;
    let log = karyon_log::Walk::open(&datadir::log_folder(data))?.header().log;
    let values: Vec<_> = set.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let values = if values.is_empty() { "nothing different".into() } else { values.join(", ") };
    let reason = format!("fork the run of log {log} at tick {at} with {values}");
    Ok((Asked { name, simulation }, reason))
}

/// What is to be run, out of a scenario's text.
pub(super) fn of_text(text: &str) -> Result<Asked, CliError> {
    let simulation = Simulation::parse(text).map_err(|error| CliError::failure(words(&error)))?;
    Ok(Asked { name: simulation.name().to_owned(), simulation })
}

fn changes(set: &[(String, String)]) -> Vec<Change> {
    set.iter().map(|(key, value)| Change { key: key.clone(), value: value.clone() }).collect()
}

/// Signs, makes the directory, and becomes the node.
pub(super) fn launch(
    args: &Run,
    asked: &Asked,
    reason: String,
    inputs: &Inputs,
) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let run = made(&asked.simulation)?;
    let tighten = guarded::tightened(&asked.simulation.guardian, |_| args.scenario.clone())?;
    let terms = grant::Terms {
        reason,
        rights: run.granted_rights(),
        resource: run.resource(),
        digest: run.digest(),
    };
    let said = grant::sign(&keys, grant::node_key(&keys)?, args.principal.as_deref(), terms)?;
    let data = super::run::data_directory(args, &asked.name)?;
    // Its lock goes with this program; the guardian takes it anew.
    let _dir = DataDir::create(&data)?;
    let key = keys.load_node_key()?;
    let launch = Launch { data: &data, key, said, signers: None, tighten, inputs };
    launch.start(&keys).map(|never| match never {})
}

/// Runs it, as the node.
pub(super) fn live(args: &Run, asked: &Asked, node: Arrived) -> Result<Code, CliError> {
    let Run { schedulers, snapshots, rate, metrics, json, .. } = *args;
    let ways = Ways { schedulers, snapshots, rate, metrics, json, boot: 1 };
    let (dir, key, data) = (node.dir()?, Arc::clone(&node.key), node.shown);
    let authority = grant::received(node.said)?;
    let place = (dir, key, data.as_path());
    ways.hosted(asked, place, |run, host| run.begin_hosted(host, &authority))
}

/// Goes on with it, as the node.
pub(super) fn resume(args: &Resume, asked: &Asked, node: &Arrived) -> Result<Code, CliError> {
    let Resume { schedulers, snapshots, rate, metrics, json, .. } = *args;
    let ways = Ways { schedulers, snapshots, rate, metrics, json, boot: 2 };
    let place = (node.dir()?, Arc::clone(&node.key), node.shown.as_path());
    ways.hosted(asked, place, |run, host| {
        run.resume_hosted(host, &node.known, !args.from_zero, |report| {
            summary::note_going_on(&report.end);
        })
    })
}

/// How a run goes on under a node, as the command line says.
struct Ways {
    schedulers: Option<u16>,
    snapshots: u64,
    rate: Option<NonZeroU64>,
    metrics: Option<Loopback>,
    json: bool,
    /// Which of the log's starts it is, at least.
    boot: u32,
}

impl Ways {
    fn hosted(
        self,
        asked: &Asked,
        (dir, key, data): (DataDir, Arc<SecretKey>, &Path),
        lives: impl FnOnce(&Made, Host<'_>) -> Result<(Outcome, Ended), RunError>,
    ) -> Result<Code, CliError> {
        let begun = Instant::now();
        let mut run = made(&asked.simulation)?;
        run.schedulers(summary::schedulers(self.schedulers));
        if let Some(every) = summary::snapshots(self.snapshots) {
            run.snapshots(every);
        }
        let port = serving::take_port(self.metrics, &dir)?;
        let told = Told { port: port.into(), boot: self.boot, progress: Arc::default() };
        let begins = |node: &Node| told.metrics(node);
        let seen = Seen { rate: self.rate, ..told.seen(&begins)? };
        let bar = progress::show_ticks(Arc::clone(&told.progress), data);
        let ended = lives(&run, Host { dir, key, seen });
        drop(bar);
        show(ended?, &About { asked, data, begun, json: self.json })
    }
}

/// Repeats it, and compares it with its log.
pub(super) fn replay(args: &Replay, asked: &Asked) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if args.until.is_some() {
        return Err(CliError::failure("--until is for runs of the rumour")
            .with_hint("without it the whole log is compared"));
    }
    let mut run = made(&asked.simulation)?;
    run.schedulers(summary::schedulers(args.schedulers));
    let (report, replayed) = repeat(&run, data, args.key.as_deref(), args.from_snapshot)?;
    match replayed {
        Replayed::Confirmed { compared, state_root, opaque: _ } => {
            let known = matches!(report.key, KeyStatus::Trusted);
            if args.json {
                output::json(&json!({
                    "confirmed": true,
                    "log_id": report.log.to_string(),
                    "compared": compared.records,
                    "ticks": compared.tick.map_or(0, |tick| tick.0 + 1),
                    "from_tick": compared.from.map(|tick| tick.0),
                    "records": report.end.records,
                    "sealed": report.end.sealed,
                    "state_root": state_root.map(|root| root.to_string()),
                    "key": if known { "trusted" } else { "unknown" },
                }));
                return Ok(Code::Ok);
            }
            output::line(&format!(
                "confirmed   {} records of {} ticks are as recorded",
                thousands(compared.records),
                thousands(compared.tick.map_or(0, |tick| tick.0 + 1)),
            ));
            match state_root {
                Some(root) if report.end.sealed => {
                    output::line(&format!("state root  {root}, as sealed"));
                }
                Some(_) | None => output::line("not sealed  compared up to the log's end"),
            }
            if !known {
                output::line(&format!(
                    "signed by   {} (key unknown: give the node's with --key)",
                    report.node_key
                ));
            }
            Ok(Code::Ok)
        }
        Replayed::Diverged(first) => {
            output::note(&format!(
                "error: the run in {} does not repeat what is recorded: {first}",
                data.display()
            ));
            divergence::lines(&first).iter().for_each(|line| output::note(&format!("  {line}")));
            if args.json {
                output::json(&json!({
                    "confirmed": false,
                    "record": first.position.0,
                    "tick": first.tick.map(|tick| tick.0),
                    "expected": divergence::as_json(first.expected.as_deref()),
                    "got": divergence::as_json(first.got.as_deref()),
                    "exit_code": Code::VerificationFailed.number(),
                }));
            }
            Ok(Code::VerificationFailed)
        }
        Replayed::OtherState { sealed, found } => Err(CliError {
            code: Code::VerificationFailed,
            message: format!("it ends in the state {found}, and was sealed with {sealed}"),
            hint: None,
        }),
    }
}

/// Verifies a log, and repeats its run.
pub(super) fn repeat(
    run: &Made,
    data: &Path,
    key: Option<&str>,
    from_snapshot: bool,
) -> Result<(Report, Replayed), CliError> {
    let report = keys::trusted(key, data)?.verify(data)?;
    let replayed = run.replay_hosted(data, &report, from_snapshot)?;
    Ok((report, replayed))
}

/// The model's run in a directory, as far as its beginning says so; `None`: it holds another, or
/// none.
pub(super) fn recorded(data: &Path) -> Result<Option<Asked>, CliError> {
    let Some(genesis) = life::genesis_of(data) else { return Ok(None) };
    let Some(text) = origin(&genesis) else { return Ok(None) };
    let simulation = Simulation::parse(&text).map_err(|error| {
        CliError::failure(format!(
            "the scenario that the log in {} begins with is none of this version: {}",
            data.display(),
            words(&error)
        ))
    })?;
    Ok(Some(Asked { name: simulation.name().to_owned(), simulation }))
}

/// What a log that began so was made from, if that is a scenario of a model.
fn origin(genesis: &Genesis) -> Option<String> {
    Made::origin_of(&genesis.scenario).filter(|text| Simulation::is_of(text))
}

/// Whether a log that began so holds a model's run.
pub(super) fn is_model(genesis: &Genesis) -> bool {
    origin(genesis).is_some()
}

/// The limits of the guardian that the scenario of the run in a directory tightens.
pub(crate) fn guardian_limits(data: &Path) -> BTreeMap<String, u64> {
    if let Some(scenario) = life::scenario_of(data) {
        return scenario.guardian;
    }
    let recorded = recorded(data).ok().flatten();
    recorded.map(|asked| asked.simulation.guardian).unwrap_or_default()
}

/// The run of a scenario.
pub(super) fn made(simulation: &Simulation) -> Result<Made, CliError> {
    let run = simulation.build().map_err(|error| CliError::failure(words(&error)))?;
    if let Some(name) = simulation.stranger(&run) {
        let why = format!("[authority] names {name:?}, and there is no such agent");
        let first = run.name_of(karyon::Pid(1));
        return Err(CliError::failure(why).with_hint(format!(
            "there are {} when the run begins; the first is {first:?}",
            run.size()
        )));
    }
    Ok(run)
}

/// Who is told of a run while it goes on.
struct Told {
    port: std::cell::Cell<Option<karyon_metrics::Listener>>,
    boot: u32,
    progress: Arc<Progress>,
}

impl Told {
    fn seen<'a>(&self, begun: karyon::Begun<'a>) -> Result<Seen<'a>, CliError> {
        Ok(Seen {
            interrupt: signals::listen()?,
            progress: Arc::clone(&self.progress),
            watch: Some(summary::watch()),
            begun: Some(begun),
            ..Seen::default()
        })
    }

    fn metrics(&self, node: &Node) -> Option<Box<dyn Any>> {
        let server = serving::tell_metrics(self.port.take(), node, self.boot, &self.progress)?;
        Some(Box::new(server))
    }
}

/// What was run.
struct About<'a> {
    asked: &'a Asked,
    data: &'a Path,
    begun: Instant,
    json: bool,
}

/// Writes the results and shows the summary.
fn show((outcome, ended): (Outcome, Ended), about: &About<'_>) -> Result<Code, CliError> {
    match outcome.ending {
        Ending::Completed => {}
        Ending::Interrupted { signal } => {
            return Ok(summary::interrupted(signal, outcome.ticks, about.data, about.json));
        }
        Ending::Halted => return Err(summary::halted(about.data)),
    }
    if let Some(dir) = &ended.dir {
        let title = format!("{}, seed {}", about.asked.name, about.asked.simulation.seed);
        let svg = series_svg(&title, &outcome.series)
            .map_err(|error| CliError::failure(error.to_string()))?;
        summary::write(
            dir,
            about.data,
            &[("series.csv", series_csv(&outcome.series)), ("series.svg", svg)],
        )?;
    }
    match about.json {
        true => output::json(&as_json(&outcome, &ended, about)),
        false => as_text(&outcome, &ended, about),
    }
    Ok(if ended.lost == 0 { Code::Ok } else { Code::AgentsLost })
}

fn last(outcome: &Outcome) -> impl Iterator<Item = (&str, f64)> {
    let row = outcome.series.rows.last().map(|(_, row)| row.as_slice()).unwrap_or_default();
    outcome.series.names.iter().map(String::as_str).zip(row.iter().copied())
}

fn as_json(outcome: &Outcome, ended: &Ended, about: &About<'_>) -> serde_json::Value {
    let counts = &outcome.counts;
    let elapsed_s = about.begun.elapsed().as_secs_f64();
    let measures: BTreeMap<&str, f64> = last(outcome).collect();
    json!({
        "model": about.asked.simulation.name(),
        "seed": about.asked.simulation.seed,
        "measures": measures,
        "ticks": outcome.ticks,
        "steps": counts.steps,
        "messages": {
            "sent": counts.sent,
            "delivered": counts.delivered,
            "denied": counts.denied,
            "refused": counts.refused,
            "dead_lettered": counts.dead_lettered,
        },
        "others_denied": counts.unarranged,
        "crashes": counts.crashes,
        "restarts": counts.restarts,
        "agents_lost": ended.lost,
        "records": outcome.records,
        "log_bytes": ended.end.as_ref().map(|end| end.offset),
        "log": ended.end.as_ref().map(|end| json!({
            "size": end.tree.size(), "root": hex(&end.tree.root()),
        })),
        "elapsed_s": elapsed_s,
        "steps_per_s": counts.steps as f64 / elapsed_s.max(1e-9),
        "peak_rss_bytes": peak_rss_bytes(),
        "state_root": outcome.state_root.to_string(),
        "resumed_from_tick": outcome.resumed_from,
        "data": about.data.display().to_string(),
    })
}

fn as_text(outcome: &Outcome, ended: &Ended, about: &About<'_>) {
    let counts = &outcome.counts;
    let elapsed_s = about.begun.elapsed().as_secs_f64();
    let measures: Vec<_> =
        last(outcome).map(|(name, number)| format!("{name} {}", rounded(number))).collect();
    output::line(&format!("{}: {}", about.asked.name, measures.join(", ")));
    output::line(&format!(
        "steps       {} in {} ticks",
        thousands(counts.steps),
        thousands(outcome.ticks)
    ));
    output::line(&format!(
        "messages    {} sent: {} delivered, {} denied, {} dead letters",
        thousands(counts.sent),
        thousands(counts.delivered),
        thousands(counts.denied),
        thousands(counts.dead_lettered),
    ));
    if counts.unarranged > 0 {
        output::line(&format!(
            "denied      {} besides: marks, timers, births and other arrangements",
            thousands(counts.unarranged),
        ));
    }
    output::line(&format!(
        "crashes     {}, restarts {}",
        thousands(counts.crashes),
        thousands(counts.restarts)
    ));
    if ended.lost > 0 {
        output::line(&format!(
            "warning     {} agents were lost with a step that did not return: the answer is not \
             that of all",
            thousands(ended.lost),
        ));
    }
    if let Some(end) = &ended.end {
        summary::log_line(end);
    }
    output::line(&format!("state root  {}", outcome.state_root));
    output::line(&format!(
        "time        {elapsed_s:.2} s, {} steps/s, {} memory at most",
        thousands((counts.steps as f64 / elapsed_s.max(1e-9)) as u64),
        peak_rss_bytes().map_or("unknown".into(), size),
    ));
    if let Some(tick) = outcome.resumed_from {
        output::line(&format!(
            "resumed     from the snapshot of tick {}; what lies before it was not repeated",
            thousands(tick)
        ));
    }
    output::line("results     series.csv, series.svg");
    output::line(&format!("data        {}", about.data.display()));
}

/// A number as people read it: a count, or to four places.
fn rounded(number: f64) -> String {
    match number.fract() == 0.0 && (0.0..1e15).contains(&number) {
        true => thousands(number as u64),
        false => format!("{number:.4}"),
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        match error {
            RunError::Node(error) => error.into(),
            RunError::Run(error) => crate::error::run_error(&error),
            RunError::Grant(_) => {
                CliError { code: Code::Refused, message: words(&error), hint: None }
            }
            error => CliError::failure(words(&error)),
        }
    }
}
