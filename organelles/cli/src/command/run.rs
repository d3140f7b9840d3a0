//! `karyon run`: runs a scenario to its end.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use karyon_colony::contacts::{Contacts, MAX_FILE_BYTES};
use karyon_colony::life::{self, LifeError, RIGHTS, Settings, resource, terms_digest};
use karyon_colony::names::nearest;
use karyon_colony::network;
use karyon_colony::rumour::Rumour;
use karyon_colony::scenario::{BUILTIN_NAMES, MAX_SCENARIO_BYTES, Scenario, Space, builtin};
use karyon_keys::KeyDirectory;
use karyon_runtime::{DataDir, Progress, datadir};

use super::memory::secrets::settle_if_begun;
use super::model;
use super::summary::{self, About};
use crate::args::Run;
use crate::error::{CliError, Code, words};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::{Input, Inputs};
use crate::{edges, grant, output, progress, serving, signals};

pub(crate) fn execute(args: &Run) -> Result<Code, CliError> {
    match guarded::arrived()? {
        None => launch(args),
        Some(node) => live(args, node),
    }
}

/// Checks everything, signs, makes the directory, and becomes the node.
fn launch(args: &Run) -> Result<Code, CliError> {
    if let Some(data) = &args.data {
        guarded::permit(data)?;
    }
    let keys = KeyDirectory::from_environment()?;
    let mut inputs = Inputs::default();
    let (name, text) = scenario_text(&args.scenario, &mut inputs)?;
    if model::is_of(&text) {
        let reason = format!("run the scenario {name}");
        return model::launch(args, &model::asked(args, name, &text)?, reason, &inputs);
    }
    let Asked { name, scenario, text, dropped: _ } = scenario(args, name, text)?;
    let contacts = contacts(args.contacts.as_deref(), &scenario, &mut inputs)?;
    let (contacts, _) = Contacts::parse(contacts).map_err(LifeError::from)?;
    let rumour = Rumour::new(&scenario, contacts).map_err(LifeError::from)?;
    let tighten = guarded::tightened(&scenario.guardian, |key| {
        match Scenario::place_of(&text, &format!("guardian.{key}")) {
            Ok(place) => format!("{}: {place}", args.scenario),
            Err(_) => args.scenario.clone(),
        }
    })?;
    let terms = grant::Terms {
        reason: format!("run the scenario {name}"),
        rights: RIGHTS,
        resource: resource(&name),
        digest: terms_digest(&scenario, rumour.contacts.raw()),
    };
    grant::answerable(&keys, args.principal.as_deref())?;
    let data = data_directory(args, &name)?;
    // What was begun where nothing is recorded is nothing.
    settle_if_begun(&keys, &data)?;
    // Its lock goes with this program; the guardian takes it anew.
    let _dir = DataDir::create(&data)?;
    let said = grant::sign(&keys, grant::node_key(&keys)?, args.principal.as_deref(), terms)?;
    let key = keys.load_node_key()?;
    let launch = Launch { data: &data, key, said, signers: None, tighten, inputs: &inputs };
    launch.start(&keys).map(|never| match never {})
}

/// Runs, as the node.
fn live(args: &Run, mut node: Arrived) -> Result<Code, CliError> {
    let begun = Instant::now();
    let (name, text) = scenario_text(&args.scenario, &mut node.inputs)?;
    if model::is_of(&text) {
        return model::live(args, &model::asked(args, name, &text)?, node);
    }
    let interrupt = signals::listen()?;
    let Asked { name, scenario, text: _, dropped } = scenario(args, name, text)?;
    let contacts = contacts(args.contacts.as_deref(), &scenario, &mut node.inputs)?;
    let (contacts, notes) = Contacts::parse(contacts).map_err(LifeError::from)?;
    let rumour = Rumour::new(&scenario, contacts).map_err(LifeError::from)?;
    notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    if dropped {
        output::note(
            "note: --contacts replaces the scenario's network, and with it the source and the \
             expiring leases that were named for it",
        );
    }
    let settings = Settings {
        schedulers: summary::schedulers(args.schedulers),
        interrupt,
        progress: Arc::new(Progress::default()),
        known: Vec::new(),
        witness: None,
        desk: Some(Arc::default()),
        watch: Some(summary::watch()),
        rate: args.rate,
        snapshots: summary::snapshots(args.snapshots),
        from_snapshot: false,
    };
    let (dir, key) = (node.dir()?, Arc::clone(&node.key));
    let authority = grant::received(node.said)?;
    let port = serving::take_port(args.metrics, &dir)?;
    let data = node.shown.as_path();
    let inputs = rumour.contacts.list().len() as u64;
    let bar = progress::show(Arc::clone(&settings.progress), inputs, data);
    let life =
        life::begin(dir, key, &name, &scenario, &rumour, &authority, &settings).and_then(|begun| {
            let _asked = serving::open(begun.node(), 1, &begun.authority, &settings);
            let _told = serving::tell_metrics(port, begun.node(), 1, &settings.progress);
            begun.live(&scenario, &rumour, &settings)
        });
    drop(bar);
    summary::note_refusals(&settings);
    let about = About { name: &name, scenario: &scenario, rumour: &rumour, data, begun };
    let life = life.map_err(|error| {
        // A start that was refused has recorded nothing.
        let ran = matches!(error, LifeError::Run(_));
        let error = CliError::from(error);
        if ran && error.hint.is_none() {
            return error.with_hint(format!("what was recorded is in {}", data.display()));
        }
        error
    })?;
    summary::show(life, &about, args.json)
}

/// What is to be run.
struct Asked {
    name: String,
    scenario: Scenario,
    /// What it was read from.
    text: String,
    /// Whether `--contacts` made names in the scenario void.
    dropped: bool,
}

/// The scenario with what the command line changes, and its name.
fn scenario(args: &Run, name: String, text: String) -> Result<Asked, CliError> {
    if let Some((key, _)) = args.set.first() {
        return Err(CliError::failure(format!(
            "--set {key}: the rumour's scenario is changed in its file"
        ))
        .with_hint("give a file with what docs/rumour.md says; --set is for the other models"));
    }
    let mut scenario = Scenario::parse(&text)
        .map_err(|error| CliError::failure(format!("{}: {}", args.scenario, words(&error))))?;
    if let Some(seed) = args.seed {
        scenario.seed = seed;
    }
    if let Some(probability) = args.chaos {
        scenario.chaos.probability = probability;
    }
    let mut dropped = false;
    if let Some(file) = &args.contacts {
        // Who is named for the scenario's own network means nothing in another.
        let expires = std::mem::take(&mut scenario.authority.expires);
        dropped = scenario.model.source.take().is_some() || !expires.is_empty();
        scenario.space = Space::File(file.to_string_lossy().into_owned());
    } else {
        beside(&args.scenario, &mut scenario);
    }
    if let Some(source) = &args.source {
        scenario.model.source = Some(source.clone());
    }
    scenario.check().map_err(|error| CliError::failure(words(&error)))?;
    Ok(Asked { name, scenario, text, dropped })
}

/// Names the contacts of a scenario file from where the command runs: they lie beside the file.
pub(super) fn beside(given: &str, scenario: &mut Scenario) {
    if let Space::File(file) = &scenario.space {
        let folder = Path::new(given).parent().unwrap_or(Path::new(""));
        scenario.space = Space::File(folder.join(file).to_string_lossy().into_owned());
    }
}

/// The scenario of a file, or of a name that is built in: its name and its text.
pub(super) fn scenario_text(
    given: &str,
    inputs: &mut Inputs,
) -> Result<(String, String), CliError> {
    if let Some(text) = builtin(given).map(str::to_owned).or_else(|| model::text_of(given)) {
        return Ok((given.to_owned(), text));
    }
    let path = Path::new(given);
    let text =
        read_twice(inputs, Input::Scenario, path, MAX_SCENARIO_BYTES as u64).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| {
                std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text")
            })
        });
    match text {
        Ok(text) => {
            let name = path.file_stem().map_or("scenario".into(), |stem| stem.to_string_lossy());
            let whole = edges::read_in(&text, path.parent().unwrap_or(Path::new("")))?;
            if let Some(whole) = &whole {
                inputs.give(Input::Scenario, whole.as_bytes()).map_err(|error| {
                    CliError::failure(format!("the scenario cannot be handed over: {error}"))
                })?;
            }
            Ok((name.into_owned(), whole.unwrap_or(text)))
        }
        Err(error) => {
            let names = || BUILTIN_NAMES.into_iter().chain(model::names());
            let near = nearest(given, names(), 1);
            let hint = match near.first() {
                Some(name) => format!("did you mean the built-in scenario \"{name}\"?"),
                None => format!(
                    "give a scenario file, or a built-in name: {}",
                    names().collect::<Vec<_>>().join(", ")
                ),
            };
            Err(CliError::failure(format!("the scenario {given} cannot be read: {error}"))
                .with_hint(hint))
        }
    }
}

/// The contacts as bytes: read, or generated.
pub(super) fn contacts(
    given: Option<&Path>,
    scenario: &Scenario,
    inputs: &mut Inputs,
) -> Result<Vec<u8>, CliError> {
    let path = match (given, &scenario.space) {
        (Some(path), _) => path.to_path_buf(),
        (None, Space::File(path)) => PathBuf::from(path),
        (None, Space::ActivityDriven(parameters)) => {
            return network::generate(scenario.population.people, parameters, scenario.seed)
                .map(String::into_bytes)
                .map_err(|error| CliError::failure(words(&error)));
        }
    };
    read_twice(inputs, Input::Contacts, &path, MAX_FILE_BYTES as u64).map_err(|error| {
        CliError::failure(format!("the contacts {} cannot be read: {error}", path.display()))
    })
}

/// Reads a file that the launcher reads, and then the node: so it is none that reads only once.
fn read_twice(inputs: &mut Inputs, input: Input, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let read = inputs.read(input, path, most);
    match read {
        Err(_) if std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo()) => {
            let message = "it comes through a pipe, which reads only once; save it to a file first";
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        read => read,
    }
}

/// The directory that was asked for, or the first free `./runs/NAME-N`.
pub(super) fn data_directory(args: &Run, name: &str) -> Result<PathBuf, CliError> {
    if let Some(data) = &args.data {
        return Ok(data.clone());
    }
    let names = (1u64..).map(|number| format!("{name}-{number}"));
    let made = datadir::create_first_free(Path::new("runs"), names)
        .map_err(|error| CliError::from(error).with_hint("choose another place with --data DIR"))?;
    made.ok_or_else(|| CliError::failure("./runs is full"))
}
