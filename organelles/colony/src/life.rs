//! A colony's life: from a scenario and its contacts to a sealed log and an answer.

pub mod replay;

use std::error::Error as _;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use karyon_gate::{Grant, Rights, Scope};
use karyon_graph::GraphError;
use karyon_identity::SecretKey;
use karyon_log::{Control, End, Genesis, Record, Records, Seal, Walk};
use karyon_memory::{Fresh, Projection, Recollection};
use karyon_runtime::processes::Desk;
use karyon_runtime::{
    Agent, Authority, Beginning, Counts, DataDir, Effects, Ending, Every, Node, NodeError, Outcome,
    Progress, Recaller, Recorder, RunConfig, RunError, SMALL_TICK, Watch, run, wall_ms,
};
use karyon_statements::{Checkpoint, GrantError};
use karyon_types::{GrantId, Hash, Position, PrincipalId, ReasonId, Tick, hash};
use karyon_verify::Report;

use crate::contacts::{Contacts, ContactsError, Note};
use crate::direct::Arrival;
use crate::person::Person;
use crate::rumour::{Rumour, UnknownPerson, runtime_settings};
use crate::scenario::{Scenario, ScenarioError};

/// The version of Karyon, as recorded.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of the input copy.
const CONTACTS: &str = "contacts";

/// What the principal allows a colony: that its people send to each other, and remember.
pub const RIGHTS: Rights = Rights::SEND.and(Rights::REMEMBER);

/// Why a colony did not live to its end.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The node did not start, or did not end as it should.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The grant does not allow the run.
    #[error("refused: {0}")]
    Grant(#[from] GrantError),
    /// The scenario cannot be read.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The contacts cannot be read.
    #[error(transparent)]
    Contacts(#[from] ContactsError),
    /// A name is not in the network.
    #[error(transparent)]
    Unknown(#[from] UnknownPerson),
    /// The memory cannot be built from what was recorded.
    #[error("the run is recorded, but its memory cannot be built")]
    Memory(#[from] GraphError),
    /// There is no record up to which a replay was to go.
    #[error("the log ends at record {last}, before {asked}")]
    Beyond {
        /// Up to which it was to go.
        asked: Position,
        /// The log's last record.
        last: Position,
    },
    /// The copy of the contacts cannot be read.
    #[error("{path}: {source}")]
    Copy {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What the principal signs: the scenario as it will run, and its contacts.
pub fn terms_digest(scenario: &Scenario, contacts: &[u8]) -> Hash {
    karyon_types::Hasher::for_domain("karyon scenario terms v1")
        .field(scenario.to_toml().as_bytes())
        .field(&hash(contacts).0)
        .finish()
}

/// The resource that a colony's grant is for.
pub fn resource(scenario_name: &str) -> String {
    format!("colony/{scenario_name}")
}

/// How a colony is run; none of it changes what comes out.
#[derive(Clone, Default)]
pub struct Settings {
    /// Threads that run agents.
    pub schedulers: usize,
    /// The number of the signal that asks for an end; 0: none.
    pub interrupt: Arc<AtomicUsize>,
    /// Read by whoever shows progress.
    pub progress: Arc<Progress>,
    /// Checkpoints that were kept elsewhere: a log that does not extend each is not resumed.
    pub known: Vec<Checkpoint>,
    /// A folder outside the data directory that keeps the newest checkpoint of each log, in a file
    /// named after the log.
    pub witness: Option<PathBuf>,
    /// Where the run is asked about its agents while it runs.
    pub desk: Option<Arc<Desk>>,
    /// How its steps are watched.
    pub watch: Option<Watch>,
    /// Messages and inputs a second at most.
    pub rate: Option<NonZeroU64>,
    /// When it takes snapshots, beside its interruption; `None`: never.
    pub snapshots: Option<Every>,
    /// Goes on from the newest snapshot, should there be one, and repeats only what lies behind it.
    pub from_snapshot: bool,
}

/// How it ended.
pub enum Life {
    /// It lived to its end.
    Completed(Box<Completed>),
    /// A signal ended it in good order.
    Interrupted {
        /// The signal's number.
        signal: u32,
        /// The tick at which it goes on.
        tick: u64,
    },
    /// STOP was found.
    Halted,
}

/// A life to its end.
pub struct Completed {
    /// What was counted, of the whole run.
    pub counts: Counts,
    /// Ticks that it took.
    pub ticks: u64,
    /// Behind which tick it went on from a snapshot; `None`: it was repeated, or ran, from its
    /// beginning.
    pub resumed_from: Option<Tick>,
    /// Agents that were lost with a step that did not return.
    pub lost: u64,
    /// Who heard, when and from whom; by person.
    pub arrivals: Vec<Option<Arrival>>,
    /// The root of the final state: the agents, and what holds in their memory.
    pub state_root: [u8; 32],
    /// The root of the whole memory, with its history.
    pub memory_root: Hash,
    /// Why the memory is not ready to be asked, should it not be: it is built when asked.
    pub memory_error: Option<GraphError>,
    /// Where the log ends.
    pub end: End,
    /// The data directory, still locked.
    pub dir: DataDir,
}

/// A new life, of which the beginning is recorded.
#[must_use = "it lives only by `live`"]
pub struct Begun {
    node: Node,
    /// Principal, reason and grant, as they are recorded.
    pub authority: Vec<Control>,
    grant: Grant,
}

/// Begins a new life in a new data directory, to go on with [`Begun::live`].
///
/// # Errors
/// See [`LifeError`]. A refused grant leaves nothing behind but the directory.
pub fn begin(
    dir: DataDir,
    key: Arc<SecretKey>,
    scenario_name: &str,
    scenario: &Scenario,
    rumour: &Rumour,
    authority: &Authority,
    settings: &Settings,
) -> Result<Begun, LifeError> {
    let contacts = rumour.contacts.raw();
    let terms = terms_digest(scenario, contacts);
    authority.permits(key.public_key(), terms, &resource(scenario_name), RIGHTS)?;
    let expires = authority.signed.terms.expires_tick.map(Tick);
    let grant = grant(rumour, expires);
    let authority = authority.records(&grant);
    let beginning = Beginning {
        genesis: Genesis {
            karyon: VERSION.into(),
            created_unix_ms: wall_ms(),
            scenario_name: scenario_name.into(),
            scenario: scenario.to_toml(),
            kinds: kinds(),
            inputs: Vec::new(),
        },
        authority: authority.clone(),
        inputs: vec![(CONTACTS.into(), contacts.to_vec())],
    };
    let node = Node::create(dir, key, settings.schedulers, beginning)?;
    Ok(Begun { node, authority, grant })
}

impl Begun {
    /// The node that lives it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Lives it to its end.
    ///
    /// # Errors
    /// See [`LifeError`].
    pub fn live(
        self,
        scenario: &Scenario,
        rumour: &Rumour,
        settings: &Settings,
    ) -> Result<Life, LifeError> {
        live(self.node, scenario, rumour, self.grant, settings)
    }
}

/// What a resumed life found in its log.
pub struct Resumed {
    /// The name of the scenario.
    pub scenario_name: String,
    /// The scenario.
    pub scenario: Scenario,
    /// The people and their contacts.
    pub rumour: Rumour,
    /// What was remarkable about the contacts.
    pub notes: Vec<Note>,
    /// What the log held.
    pub report: Report,
    node: Node,
}

/// Opens a life that was ended, to go on with [`Resumed::live`].
///
/// # Errors
/// See [`LifeError`].
pub fn open(dir: DataDir, key: Arc<SecretKey>, settings: &Settings) -> Result<Resumed, LifeError> {
    let data = dir.path().to_path_buf();
    let (mut node, report) =
        Node::resume(dir, key, settings.schedulers, VERSION, &kinds(), &settings.known)?;
    if settings.from_snapshot {
        node.go_on_from_snapshots(&report);
    }
    match staged(&data, &report) {
        Ok((scenario_name, scenario, rumour, notes)) => {
            Ok(Resumed { scenario_name, scenario, rumour, notes, report, node })
        }
        Err(error) => Err(failed(node, error)),
    }
}

/// What a log that verified says that was run: the scenario with its name, the people and their
/// contacts, and what was remarkable about those.
fn staged(
    data: &Path,
    report: &Report,
) -> Result<(String, Scenario, Rumour, Vec<Note>), LifeError> {
    let nothing = || NodeError::NothingRecorded { data: data.to_path_buf() };
    let genesis = report.genesis().ok_or_else(nothing)?;
    let scenario = Scenario::parse(&genesis.scenario)?;
    let (contacts, notes) = Contacts::parse(read_copy(data)?)?;
    let rumour = Rumour::new(&scenario, contacts)?;
    Ok((genesis.scenario_name.clone(), scenario, rumour, notes))
}

/// The grant that a log holds, for these people.
fn granted(report: &Report, rumour: &Rumour) -> Grant {
    let expires = report.controls.iter().find_map(|control| match control {
        Control::Grant(grant) => grant.expires.map(Tick),
        _ => None,
    });
    grant(rumour, expires)
}

/// A node that failed says why. That is the error to tell; a log that failed too says the same.
fn failed(node: Node, error: LifeError) -> LifeError {
    let (mut words, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        words.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match node.abandon(&words) {
        Ok(()) | Err(_) => error,
    }
}

/// The scenario with which the log in `data` says that it began, unverified; `None` for a log
/// that cannot be read or is of no colony, of which [`open`] tells why.
pub fn scenario_of(data: &Path) -> Option<Scenario> {
    Scenario::parse(&genesis_of(data)?.scenario).ok()
}

/// What the log in `data` says that it began with, unverified; `None` for one that cannot be read.
pub fn genesis_of(data: &Path) -> Option<Genesis> {
    let mut walk = Walk::open(&karyon_runtime::datadir::log_folder(data)).ok()?;
    let first = walk.next_group().ok()??.into_iter().next()?;
    let Record::Control(first) = Records::new(&first.body).next()?? else { return None };
    match *first {
        Control::Genesis(genesis) => Some(genesis),
        _ => None,
    }
}

/// Whether a run that began so is a colony's; otherwise a program of its own ran it.
pub fn is_of_colony(genesis: &Genesis) -> bool {
    genesis.inputs.iter().any(|input| input.name == CONTACTS)
}

/// The copy of the contacts.
pub(crate) fn read_copy(data: &Path) -> Result<Vec<u8>, LifeError> {
    let path = karyon_runtime::datadir::inputs(data).join(CONTACTS);
    std::fs::read(&path)
        .map_err(|source| LifeError::Copy { path: path.display().to_string(), source })
}

impl Resumed {
    /// The node that lives it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Goes on to the end; gives back what it consists of, for the report.
    ///
    /// # Errors
    /// See [`LifeError`].
    pub fn live(self, settings: &Settings) -> Result<(Life, Rumour), LifeError> {
        let grant = granted(&self.report, &self.rumour);
        let life = live(self.node, &self.scenario, &self.rumour, grant, settings)?;
        Ok((life, self.rumour))
    }
}

fn kinds() -> Vec<(String, u32)> {
    vec![(Person::KIND.name.into(), Person::KIND.version)]
}

/// The colony's grant, in the serials of its log.
fn grant(rumour: &Rumour, expires: Option<Tick>) -> Grant {
    Grant {
        id: GrantId(1),
        principal: PrincipalId(1),
        reason: ReasonId(1),
        rights: RIGHTS,
        scope: Scope { first: 1, last: rumour.contacts.names().len() as u64 },
        expires,
    }
}

/// How a scenario is run, here or again; nothing guards it, nobody looks for STOP and nobody
/// asks yet.
fn config(scenario: &Scenario, settings: &Settings) -> RunConfig {
    let (chaos, intensity, limits) = runtime_settings(scenario);
    RunConfig {
        schedulers: settings.schedulers,
        schedule: Default::default(),
        small_tick: SMALL_TICK,
        chaos,
        intensity,
        limits,
        stop: None,
        interrupt: Arc::clone(&settings.interrupt),
        progress: Arc::clone(&settings.progress),
        guard: None,
        desk: None,
        watch: None,
        virtual_time: false,
        snapshots: None,
        recaller: None,
        effects: Effects::default(),
        space: None,
        observer: None,
        rate: settings.rate,
    }
}

fn live(
    mut node: Node,
    scenario: &Scenario,
    rumour: &Rumour,
    grant: Grant,
    settings: &Settings,
) -> Result<Life, LifeError> {
    if let Some(witness) = &settings.witness {
        node.witnessed_by(witness.join(node.log().to_string()));
    }
    let status = node.recorder.as_ref().and_then(Recorder::status);
    // A sealed log does not grow.
    let memory = status.map(|status| {
        let shown = Arc::clone(&settings.progress);
        Arc::new(Projection::of(node.dir().path(), status, shown))
    });
    let recaller = memory.as_ref().map(|memory| -> Box<dyn Recaller> {
        Box::new(Recollection::following(Arc::clone(memory)))
    });
    let config = RunConfig {
        stop: Some(node.stop_file()?),
        guard: node.dir().guard().cloned(),
        desk: settings.desk.clone(),
        watch: settings.watch.clone(),
        snapshots: settings.snapshots.map(|every| node.snapshots(every)),
        recaller,
        ..config(scenario, settings)
    };
    let population = rumour.population(grant);
    let outcome = run(config, population, Arc::new(rumour.feeder()), &mut node.recorder);
    let is_complete = |outcome: &Outcome<Person>| outcome.ending == Ending::Completed;
    if let Some(memory) = memory.as_ref().filter(|_| !outcome.as_ref().is_ok_and(is_complete)) {
        memory.discard();
    }
    let outcome: Outcome<Person> = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Err(failed(node, error.into())),
    };
    match outcome.ending {
        Ending::Halted => {
            node.halt("the file safety/STOP was found")?;
            Ok(Life::Halted)
        }
        Ending::Interrupted { signal } => {
            node.interrupt(outcome.ticks, signal)?;
            Ok(Life::Interrupted { signal, tick: outcome.ticks })
        }
        Ending::Completed => {
            let remembered = remembered(&mut node, memory.as_deref(), rumour, &outcome);
            let (memory, state_root, memory_root) = match remembered {
                Ok(remembered) => remembered,
                Err(error) => return Err(failed(node, error)),
            };
            let (dir, end) = node.complete(Seal { ticks: outcome.ticks, state_root })?;
            // The run is complete; its memory can be built again whenever somebody asks.
            let memory_error = memory.install().err();
            Ok(Life::Completed(Box::new(Completed {
                counts: outcome.counts,
                ticks: outcome.ticks,
                resumed_from: outcome.resumed_from,
                lost: outcome.lost,
                arrivals: rumour.arrivals(&outcome),
                state_root,
                memory_root,
                memory_error,
                end,
                dir,
            })))
        }
    }
}

/// The memory with the roots that it makes: of the final state, and its own. It is built from
/// the committed log and nothing else, since the state root is about to be signed.
fn remembered(
    node: &mut Node,
    memory: Option<&Projection>,
    rumour: &Rumour,
    outcome: &Outcome<Person>,
) -> Result<(Fresh, [u8; 32], Hash), LifeError> {
    if let Some(recorder) = &mut node.recorder {
        recorder.flush().map_err(NodeError::from)?;
    }
    let memory = match memory {
        Some(memory) => memory.finish()?,
        None => Fresh::build(node.dir().path())?,
    };
    let reader = memory.read()?;
    let state_root = rumour.state_root(outcome, |hasher| reader.add_current(hasher))?;
    let memory_root = reader.memory_root()?;
    Ok((memory, state_root, memory_root))
}
