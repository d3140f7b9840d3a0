//! What a run that ended leaves on the screen and in its directory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karyon_colony::life::{Completed, Life, Settings};
use karyon_colony::report::{adoption_svg, arrivals_csv, series_csv};
use karyon_colony::rumour::Rumour;
use karyon_colony::scenario::Scenario;
use karyon_log::End;
use karyon_runtime::{DataDir, Every, STEP_LIMIT, Stuck, Watch};
use serde_json::json;

use crate::error::{CliError, Code, words};
use crate::output::{self, hex, peak_rss_bytes, plain, size, thousands};

/// What was run.
pub(crate) struct About<'a> {
    pub(crate) name: &'a str,
    pub(crate) scenario: &'a Scenario,
    pub(crate) rumour: &'a Rumour,
    pub(crate) data: &'a Path,
    pub(crate) begun: Instant,
}

/// One scheduler a core, unless it was said otherwise.
pub(crate) fn schedulers(asked: Option<u16>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        usize::from,
    )
}

/// When snapshots are taken; 0: never.
pub(crate) fn snapshots(seconds: u64) -> Option<Every> {
    (seconds > 0).then(|| Every::Time(Duration::from_secs(seconds)))
}

/// How the steps of a run are watched.
pub(crate) fn watch() -> Watch {
    let told = |stuck: &Stuck| output::note(&format!("warning: {}", plain(&stuck.to_string())));
    Watch { limit: STEP_LIMIT, told: Arc::new(told) }
}

/// Says how many questions found no place at the run's desk, if any.
pub(crate) fn note_refusals(settings: &Settings) {
    let refused = settings.desk.as_ref().map_or(0, |desk| desk.refused());
    if refused > 0 {
        output::note(&format!(
            "note: {} questions were refused: too many waited",
            thousands(refused)
        ));
    }
}

/// Writes the results and shows the summary.
pub(crate) fn show(life: Life, about: &About<'_>, as_json: bool) -> Result<Code, CliError> {
    match life {
        Life::Completed(completed) => {
            write_results(&completed, about)?;
            if let Some(error) = &completed.memory_error {
                output::note(&format!(
                    "note: the memory is not ready, and is built when it is asked: {}",
                    words(error)
                ));
            }
            if as_json {
                output::json(&completed_json(&completed, about));
            } else {
                completed_text(&completed, about);
            }
            Ok(if completed.lost == 0 { Code::Ok } else { Code::AgentsLost })
        }
        Life::Interrupted { signal, tick } => Ok(interrupted(signal, tick, about.data, as_json)),
        Life::Halted => Err(halted(about.data)),
    }
}

/// Says that a run was interrupted, and how to go on.
pub(super) fn interrupted(signal: u32, tick: u64, data: &Path, as_json: bool) -> Code {
    let (code, data) = (Code::Interrupted { signal }, data.display());
    if as_json {
        output::json(&json!({
            "interrupted": signal,
            "tick": tick,
            "data": data.to_string(),
            "exit_code": code.number(),
        }));
    } else {
        output::note(&format!(
            "interrupted before tick {tick}; everything so far is recorded. Go on with: karyon \
             resume --data {data}"
        ));
    }
    code
}

/// A run found STOP.
pub(super) fn halted(data: &Path) -> CliError {
    let data = data.display();
    CliError {
        code: Code::Halted,
        message: format!("halted: the file {data}/safety/STOP was found"),
        hint: Some(format!(
            "remove it, then `karyon safety resume --reason \"…\" --data {data}` and `karyon resume \
             --data {data}`"
        )),
    }
}

/// Says where a run goes on.
pub(super) fn note_going_on(end: &End) {
    if end.sealed {
        output::note("the run is complete: repeating it to check it and to write its results anew");
        return;
    }
    let cut = match end.tail_bytes {
        0 => String::new(),
        bytes => format!("; {bytes} bytes behind it were never committed, and were cut"),
    };
    output::note(&format!("going on behind record #{}{cut}", end.records.saturating_sub(1)));
}

/// Writes results into the directory of a run that is complete.
pub(super) fn write(
    dir: &DataDir,
    data: &Path,
    results: &[(&str, String)],
) -> Result<(), CliError> {
    for (name, text) in results {
        dir.write(&dir.path().join(name), text.as_bytes()).map_err(|error| {
            CliError::from(error).with_hint(format!(
                "the run itself is complete; `karyon resume --data {}` writes its results anew",
                data.display()
            ))
        })?;
    }
    Ok(())
}

fn write_results(completed: &Completed, about: &About<'_>) -> Result<(), CliError> {
    let (contacts, arrivals) = (&about.rumour.contacts, &completed.arrivals);
    let title = format!(
        "{}: {} of {} people know, begun by {}",
        about.name,
        thousands(informed(completed)),
        thousands(arrivals.len() as u64),
        contacts.name(about.rumour.source).unwrap_or("?"),
    );
    let svg = adoption_svg(&title, contacts, arrivals)
        .map_err(|error| CliError::failure(error.to_string()))?;
    let results = [
        ("arrivals.csv", arrivals_csv(contacts, arrivals)),
        ("series.csv", series_csv(contacts, arrivals)),
        ("adoption.svg", svg),
    ];
    write(&completed.dir, about.data, &results)
}

fn informed(completed: &Completed) -> u64 {
    completed.arrivals.iter().flatten().count() as u64
}

fn rate(completed: &Completed, elapsed_s: f64) -> f64 {
    if elapsed_s > 0.0 { completed.counts.sent as f64 / elapsed_s } else { 0.0 }
}

fn completed_json(completed: &Completed, about: &About<'_>) -> serde_json::Value {
    let counts = &completed.counts;
    let elapsed_s = about.begun.elapsed().as_secs_f64();
    json!({
        "agents": completed.arrivals.len(),
        "informed": informed(completed),
        "messages": {
            "sent": counts.sent,
            "delivered": counts.delivered,
            "denied": counts.denied,
            "refused": counts.refused,
            "refused_speculative": counts.refused_speculative,
            "dead_lettered": counts.dead_lettered,
        },
        "memories": { "written": counts.remembered, "denied": counts.forgone },
        "inputs_lost": counts.inputs_lost,
        "agents_lost": completed.lost,
        "crashes": counts.crashes,
        "restarts": counts.restarts,
        "records": completed.end.records,
        "log_bytes": completed.end.offset,
        "elapsed_s": elapsed_s,
        "messages_per_s": rate(completed, elapsed_s),
        "peak_rss_bytes": peak_rss_bytes(),
        "state_root": hex(&completed.state_root),
        "memory_root": completed.memory_root.to_string(),
        "data": about.data.display().to_string(),
        "log": { "size": completed.end.tree.size(), "root": hex(&completed.end.tree.root()) },
        "ticks": completed.ticks,
        "resumed_from_tick": completed.resumed_from.map(|tick| tick.0),
        "seed": about.scenario.seed,
        "source": about.rumour.contacts.name(about.rumour.source),
    })
}

fn completed_text(completed: &Completed, about: &About<'_>) {
    let counts = &completed.counts;
    let elapsed_s = about.begun.elapsed().as_secs_f64();
    let contacts = &about.rumour.contacts;
    let people = completed.arrivals.len() as u64;
    let heard = informed(completed);
    output::line(&format!(
        "{}: {} of {} people heard it ({:.0} %), begun by {}",
        about.name,
        thousands(heard),
        thousands(people),
        100.0 * heard as f64 / people as f64,
        contacts.name(about.rumour.source).unwrap_or("?"),
    ));
    let speculative = match counts.refused_speculative {
        0 => String::new(),
        some => format!(" ({} speculative)", thousands(some)),
    };
    output::line(&format!(
        "messages    {} sent: {} delivered, {} denied, {} refused{speculative}, {} dead letters",
        thousands(counts.sent),
        thousands(counts.delivered),
        thousands(counts.denied),
        thousands(counts.refused),
        thousands(counts.dead_lettered),
    ));
    output::line(&format!(
        "memories    {} written, {} denied",
        thousands(counts.remembered),
        thousands(counts.forgone),
    ));
    for (person, tick) in &about.rumour.expires {
        output::line(&format!(
            "denials     the lease of {} expired at tick {} (lease_expired)",
            contacts.name(*person).unwrap_or("?"),
            thousands(tick.0),
        ));
    }
    if counts.dead_lettered + counts.inputs_lost > 0 {
        output::line(&format!(
            "warning     {} messages and {} contacts ran out of attempts: the answer is not that of \
             an undisturbed run",
            thousands(counts.dead_lettered),
            thousands(counts.inputs_lost),
        ));
    }
    if completed.lost > 0 {
        output::line(&format!(
            "warning     {} agents were lost with a step that did not return: the answer is not \
             that of all",
            thousands(completed.lost),
        ));
    }
    output::line(&format!(
        "crashes     {}, restarts {}",
        thousands(counts.crashes),
        thousands(counts.restarts)
    ));
    log_line(&completed.end);
    output::line(&format!("state root  {}", hex(&completed.state_root)));
    output::line(&format!("memory root {}", completed.memory_root));
    output::line(&format!(
        "time        {elapsed_s:.2} s, {} messages/s, {} memory at most",
        thousands(rate(completed, elapsed_s) as u64),
        peak_rss_bytes().map_or("unknown".into(), size),
    ));
    if let Some(tick) = completed.resumed_from {
        output::line(&format!(
            "resumed     from the snapshot of tick {}; what lies before it was not repeated",
            thousands(tick.0)
        ));
    }
    output::line("results     arrivals.csv, series.csv, adoption.svg");
    output::line(&format!("data        {}", about.data.display()));
}

/// Says how long the log became.
pub(super) fn log_line(end: &End) {
    output::line(&format!(
        "log         {} records in {} blocks, {}, root {}",
        thousands(end.records),
        thousands(end.tree.size()),
        size(end.offset),
        hex(&end.tree.root()),
    ));
}
