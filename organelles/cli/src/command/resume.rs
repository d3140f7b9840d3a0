//! `karyon resume`: goes on with a run that was interrupted or killed, or with a paused agent.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use karyon_colony::life::{self, Settings};
use karyon_keys::KeyDirectory;
use karyon_runtime::Progress;

use super::model;
use super::safety;
use super::summary::{self, About};
use crate::args::Resume;
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::{Inputs, Said};
use crate::{keys, output, progress, serving, signals};

pub(crate) fn execute(args: &Resume) -> Result<Code, CliError> {
    if let Some(agent) = &args.agent {
        return asking::order(&args.data, agent, args.json, Verb::Resume);
    }
    match guarded::arrived()? {
        None => launch(args),
        Some(node) => live(args, node),
    }
}

/// Asks a person where that is needed, and becomes the node.
fn launch(args: &Resume) -> Result<Code, CliError> {
    let data = args.data.as_path();
    super::refuse_of_another_program(data)?;
    match guarded::permit_existing(data) {
        Err(error) if error.code == Code::Halted && may_ask() => {
            output::note(&error.message);
            ask_for_a_reason(data)?;
            guarded::permit_existing(data)
        }
        permitted => permitted,
    }?;
    // Why there is none is told by the node.
    let tighten = guarded::tightened(&model::guardian_limits(data), |_| {
        format!("the scenario of the run in {}", data.display())
    })?;
    let keys = KeyDirectory::from_environment()?;
    let launch = Launch {
        data,
        // A log goes on with the key that began it.
        key: keys::of_log(&keys, data)?,
        said: Said::Nothing,
        signers: None,
        tighten,
        inputs: &Inputs::default(),
    };
    launch.start(&keys).map(|never| match never {})
}

/// Goes on, as the node.
fn live(args: &Resume, node: Arrived) -> Result<Code, CliError> {
    let data = node.shown.as_path();
    if let Some(asked) = model::recorded(&node.data)? {
        return model::resume(args, &asked, &node);
    }
    let interrupt = signals::listen()?;
    let settings = Settings {
        schedulers: summary::schedulers(args.schedulers),
        interrupt,
        progress: Arc::new(Progress::default()),
        known: node.known.clone(),
        witness: None,
        desk: Some(Arc::default()),
        watch: Some(summary::watch()),
        rate: args.rate,
        snapshots: summary::snapshots(args.snapshots),
        from_snapshot: !args.from_zero,
    };
    let begun = Instant::now();
    let dir = node.dir()?;
    let port = serving::take_port(args.metrics, &dir)?;
    let opened = life::open(dir, Arc::clone(&node.key), &settings)?;
    opened.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let end = &opened.report.end;
    summary::note_going_on(end);
    let (name, scenario) = (opened.scenario_name.clone(), opened.scenario.clone());
    let contacts = opened.rumour.contacts.list().len() as u64;
    let bar = progress::show(Arc::clone(&settings.progress), contacts, data);
    // A log that is complete is repeated, and not begun once more.
    let boot = opened.report.boots() as u32 + u32::from(!opened.report.end.sealed);
    let asked = serving::open(opened.node(), boot, &opened.report.controls, &settings);
    let told = serving::tell_metrics(port, opened.node(), boot, &settings.progress);
    let life = opened.live(&settings);
    drop((asked, told));
    drop(bar);
    summary::note_refusals(&settings);
    let (life, rumour) = life?;
    let about = About { name: &name, scenario: &scenario, rumour: &rumour, data, begun };
    summary::show(life, &about, args.json)
}

fn may_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The question that a person at a terminal can answer at once.
fn ask_for_a_reason(data: &Path) -> Result<(), CliError> {
    eprint!("Why is it safe to go on? (nothing: leave it as it is) ");
    let mut reason = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut reason)
        .map_err(|error| CliError::failure(format!("the answer cannot be read: {error}")))?;
    safety::end_safe_mode(data, &reason, None).map(drop)
}
