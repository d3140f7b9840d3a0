//! `karyon safety status`: whether a start is permitted, what guards it, and within which limits.

use std::path::Path;

use karyon_log::read_regular;
use karyon_runtime::DataDir;
use karyon_safe_mode::Held;
use karyon_safety::{Limits, SafetyLog, admit, hex, is_new, is_present};
use serde_json::{Map, Value, json};

use super::limits::InForce;
use crate::args::Status;
use crate::error::{CliError, Code};
use crate::guarded::{self, Stop};
use crate::limits::Row;
use crate::output::{self, plain};

/// The longest safety log of which the last resume is looked up, bytes.
const SAFETY_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What the guardian keeps from happening without seeing that it was tried.
const NOT_DETECTED: [&str; 4] = [
    "writing below safety/ and logs/, and to the programs: they are mounted read-only",
    "reading the configuration and the keys: an empty folder is mounted over them",
    "signals and ptrace to the guardian: inside its namespace it has no number",
    "mounting anew: what is below holds no capability over its mounts",
];

/// What there is to say.
struct Known {
    marker: String,
    stop: Stop,
    host_stop: bool,
    /// `None`: the system does not tell.
    running: Option<bool>,
    /// Why nothing starts, should it not be STOP and nothing runs.
    safe_mode: Option<String>,
    /// How the last resume was signed; `None`: there was none.
    resume_was_signed: Option<bool>,
    /// What holds a runtime, and whether it does: of the one that runs, else of one that were
    /// started now.
    mechanisms: Vec<(String, bool)>,
    /// The machine's.
    limits: Limits,
    in_force: InForce,
    events: Result<u64, String>,
    append_only: Option<bool>,
}

impl Known {
    fn of(data: &Path) -> Result<Known, CliError> {
        let (config, limits) = guarded::configured()?;
        let running = DataDir::is_in_use(data);
        let safe_mode = match is_new(data) || running == Some(true) {
            true => None,
            false => admit(data, &config).err().map(|mode| mode.message(data)),
        };
        Ok(Known {
            marker: karyon_safety::read(data).to_string(),
            stop: guarded::stop(data),
            host_stop: is_present(&limits.host_stop),
            running,
            safe_mode,
            resume_was_signed: last_resume(data),
            mechanisms: mechanisms(data, running == Some(true)),
            events: SafetyLog::check(data).map(|(_, events)| events).map_err(|why| why.to_string()),
            append_only: SafetyLog::is_append_only(data),
            in_force: InForce::of(data, &limits),
            limits,
        })
    }

    /// How it stands.
    fn verdict(&self) -> Verdict {
        match self.running {
            Some(true) => Verdict::Running,
            _ if self.stop != Stop::Absent || self.host_stop => Verdict::Stopped,
            _ if self.safe_mode.is_some() => Verdict::Halted,
            Some(false) => Verdict::Clear,
            None => Verdict::Unknown,
        }
    }
}

/// How a data directory stands. Nothing starts in it but where it is clear.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Running,
    /// STOP is there, or may be.
    Stopped,
    /// Safe mode.
    Halted,
    Clear,
    Unknown,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Running => "running",
            Verdict::Stopped => "stopped",
            Verdict::Halted => "halted",
            Verdict::Clear => "clear",
            Verdict::Unknown => "unknown",
        }
    }
}

/// The verdict in words: what first has to be known, and what to do.
fn verdict(known: &Known, data: &Path) -> Vec<String> {
    let mut lines = match (known.verdict(), &known.stop) {
        (Verdict::Running, _) => vec!["running: a node works in it; nothing else starts".into()],
        (Verdict::Clear, _) => vec!["clear: a start is permitted".into()],
        (Verdict::Halted, _) => vec!["halted: no start is permitted".into()],
        (Verdict::Unknown, _) => vec![
            "unknown: the system does not tell whether a node works in it; no start is permitted"
                .into(),
        ],
        (Verdict::Stopped, Stop::Unknown(why)) => {
            let (message, hint) = guarded::in_doubt(data, why);
            vec![format!("stopped: {message}"), hint]
        }
        (Verdict::Stopped, Stop::Present) => vec![stopped_by(&data.join("safety").join("STOP"))],
        (Verdict::Stopped, Stop::Absent) => vec![stopped_by(&known.limits.host_stop)],
    };
    lines.extend(known.safe_mode.clone());
    lines
}

fn stopped_by(stop: &Path) -> String {
    format!("stopped: {} is there; nothing starts until a person removes it", stop.display())
}

/// What holds the runtime that runs, as its guardian says, or would hold one.
fn mechanisms(data: &Path, runs: bool) -> Vec<(String, bool)> {
    let word = |word: &str| {
        let (name, state) = word.split_once('=')?;
        Some((name.to_owned(), state == "armed"))
    };
    match Held::read(data).filter(|_| runs) {
        Some(held) => held.mechanisms.split_whitespace().filter_map(word).collect(),
        None => {
            let could = karyon_guardian::mechanisms().into_iter();
            could.map(|(name, armed)| (name.to_owned(), armed)).collect()
        }
    }
}

/// A word for it. What this version does not have yet is absent, and nothing is worse for it than
/// it was; a namespace that the machine does not give is.
fn state(name: &str, armed: bool) -> &'static str {
    match (armed, name) {
        (true, _) => "armed",
        (false, "pid_namespace" | "mount_namespace" | "ipc_namespace") => "degraded",
        (false, _) => "absent",
    }
}

/// Whether the last resume in the safety log was signed: it says then that governance is
/// enforced.
fn last_resume(data: &Path) -> Option<bool> {
    let file = data.join("logs").join("safety_events.jsonl");
    let bytes = read_regular(&file, SAFETY_LOG_BYTES_MAX).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let events = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is = |event: &Value, name: &str, text: &str| {
        event.get(name).and_then(Value::as_str) == Some(text)
    };
    let mut resumes = events.filter(|event| is(event, "event", "human_resume"));
    resumes.next().map(|event| is(&event, "governance_state", "enforced"))
}

pub(super) fn execute(args: &Status) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    let known = Known::of(data)?;
    match args.json {
        true => output::json(&object(&known)),
        false => show(&known, data),
    }
    Ok(Code::Ok)
}

fn object(known: &Known) -> Value {
    let in_force = &known.in_force;
    let limits = in_force.all.iter().map(|(row, _)| (row.name.to_owned(), json!(row.value)));
    let whence =
        in_force.all.iter().map(|(row, whence)| (row.name.to_owned(), json!(whence.word())));
    let mechanisms = known.mechanisms.iter();
    let mechanisms = mechanisms.map(|(name, armed)| (name.clone(), json!(state(name, *armed))));
    json!({
        "verdict": known.verdict().word(),
        "marker": known.marker,
        "stop_present": match &known.stop {
            Stop::Present => Some(true),
            Stop::Absent => Some(false),
            Stop::Unknown(_) => None,
        },
        "stop_error": match &known.stop {
            Stop::Unknown(why) => Some(why),
            Stop::Present | Stop::Absent => None,
        },
        "host_stop_present": known.host_stop,
        "running": known.running,
        "start_permitted": known.verdict() == Verdict::Clear,
        "safe_mode": known.safe_mode,
        "guardian": if guarded::has_own_guardian() { "own" } else { "inside" },
        "mechanisms": mechanisms.collect::<Map<_, _>>(),
        "last_resume_signed": known.resume_was_signed,
        "resumes_must_be_signed": !known.limits.resume_keys.is_empty(),
        "limits": limits.collect::<Map<_, _>>(),
        "limits_from": whence.collect::<Map<_, _>>(),
        "limits_refused": in_force.refused,
        "limits_digest": hex(&known.limits.digest),
        "safety_events": known.events.as_ref().ok(),
        "safety_log_error": known.events.as_ref().err(),
        "safety_log_append_only": known.append_only,
        "not_detected": NOT_DETECTED,
    })
}

fn show(known: &Known, data: &Path) {
    verdict(known, data).iter().for_each(|words| output::line(&plain(words)));
    let line = |name: &str, text: &str| output::line(&format!("{name:<11}{text}"));
    let present = |is| if is { "present" } else { "absent" };
    line("marker", &known.marker);
    line(
        "STOP",
        &match &known.stop {
            Stop::Present => "present".into(),
            Stop::Absent => "absent".into(),
            Stop::Unknown(why) => plain(&format!("unknown: its folder cannot be read ({why})")),
        },
    );
    line(
        "host STOP",
        &format!("{} ({})", present(known.host_stop), known.limits.host_stop.display()),
    );
    line(
        "running",
        match known.running {
            Some(true) => "yes, now",
            Some(false) => "no",
            None => "unknown: the system does not tell",
        },
    );
    line(
        "guardian",
        match guarded::has_own_guardian() {
            true => "a program of its own, beside this one",
            false => "degraded: karyon-guardian is not beside karyon, which takes its place",
        },
    );
    for (name, armed) in &known.mechanisms {
        line("", &plain(&format!("{:<9}{name}", state(name, *armed))));
    }
    line(
        "resumes",
        match (known.limits.resume_keys.len(), known.resume_was_signed) {
            (0, Some(true)) => "the last one was signed; none must be (degraded)",
            (0, Some(false)) => "the last one was unsigned (degraded); none must be signed",
            (0, None) => "none yet; none must be signed (degraded)",
            (_, Some(true)) => "must be signed; the last one was",
            (_, Some(false)) => "must be signed; the last one was unsigned (degraded)",
            (_, None) => "must be signed; none yet",
        },
    );
    line("limits", &format!("sha512/256 {}", hex(&known.limits.digest)));
    for (Row { name, value, unit, what }, whence) in &known.in_force.all {
        let value = match value.as_str() {
            "" => "none".into(),
            value => plain(&format!("{value} {unit}")),
        };
        line("", &format!("{name} = {}  ({what}; {})", value.trim_end(), whence.word()));
    }
    for why in &known.in_force.refused {
        line("", &plain(&format!("the scenario's {why}; its run is not resumed")));
    }
    let chain = match &known.events {
        Ok(0) => "no events".into(),
        Ok(events) => format!("{events} events, each bound to the one before"),
        Err(why) => format!("broken: {why}"),
    };
    let append_only = match known.append_only {
        Some(true) => "; the file can only grow",
        Some(false) => "; the file can be changed by whoever owns it (degraded)",
        None => "",
    };
    line("safety log", &format!("{chain}{append_only}"));
    line("prevented", "and not detected, should somebody try:");
    NOT_DETECTED.iter().for_each(|what| line("", what));
}
