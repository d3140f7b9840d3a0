//! `karyon resume`: goes on with a run that was interrupted or killed.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use karyon_colony::life::{self, LifeError, Settings};
use karyon_keys::KeyDirectory;
use karyon_runtime::{DataDir, NodeError, Progress};

use super::safety;
use super::summary::{self, About};
use crate::args::Resume;
use crate::error::{CliError, Code};
use crate::{keys, output, progress, signals};

pub(crate) fn execute(args: &Resume) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let interrupt = signals::listen()?;
    let data = args.data.as_path();
    let dir = DataDir::open(data)?;
    let checkpoints = keys.checkpoints();
    checkpoints.create()?;
    let settings = Settings {
        schedulers: summary::schedulers(args.schedulers),
        interrupt,
        progress: Arc::new(Progress::default()),
        known: keys::known_of(&keys, data)?,
        witness: Some(checkpoints.folder().to_path_buf()),
    };
    let begun = Instant::now();
    // A log goes on with the key that began it.
    let key = Arc::new(keys::of_log(&keys, data)?);
    let opened = match life::open(dir, Arc::clone(&key), &settings) {
        Err(LifeError::Node(NodeError::SafeMode { mode, .. })) if may_ask() => {
            output::note(&mode.message(data));
            ask_for_a_reason(data)?;
            life::open(DataDir::open(data)?, key, &settings)
        }
        other => other,
    }?;
    opened.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let end = &opened.report.end;
    if end.sealed {
        output::note("the run is complete: repeating it to check it and to write its results anew");
    } else {
        let cut = match end.tail_bytes {
            0 => String::new(),
            bytes => format!("; {bytes} bytes behind it were never committed, and were cut"),
        };
        output::note(&format!("going on behind record #{}{cut}", end.records.saturating_sub(1)));
    }
    let (name, scenario) = (opened.scenario_name.clone(), opened.scenario.clone());
    let contacts = opened.rumour.contacts.list().len() as u64;
    let bar = progress::show(Arc::clone(&settings.progress), contacts);
    let life = opened.live(&settings);
    drop(bar);
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
    safety::end_safe_mode(data, &reason).map(drop)
}
