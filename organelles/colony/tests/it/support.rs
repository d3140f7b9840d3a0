//! Runs a rumour without files: the log in memory, through the gate all the same.

use std::convert::Infallible;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use karyon_colony::contacts::Contacts;
use karyon_colony::direct::{Arrival, reach};
use karyon_colony::person::Person;
use karyon_colony::rumour::{Rumour, runtime_settings};
use karyon_colony::scenario::Scenario;
use karyon_gate::{Grant, Scope};
use karyon_graph::Graph;
use karyon_identity::SecretKey;
use karyon_log::{
    Control, End, Genesis, GrantRecord, PrincipalRecord, ReasonRecord, SegmentHeader,
};
use karyon_log_writer::{FileStorage, MemoryStorage, Storage, Writer};
use karyon_memory::Journal;
use karyon_runtime::datadir::{log_file, log_folder};
use karyon_runtime::{Ending, Outcome, Progress, Recorder, RunConfig, SMALL_TICK, run};
use karyon_types::{GrantId, LogId, PrincipalId, ReasonId};
use tempfile::TempDir;

pub fn scenario(source: &str) -> Scenario {
    Scenario::parse(&format!("[model]\nname = \"rumour\"\nsource = \"{source}\"\n")).unwrap()
}

pub fn contacts(text: &str) -> Contacts {
    Contacts::parse(text.as_bytes().to_vec()).unwrap().0
}

/// What came of a run.
pub struct Played {
    pub outcome: Outcome<Person>,
    pub arrivals: Vec<Option<Arrival>>,
    pub state_root: [u8; 32],
}

pub fn play(rumour: &Rumour, scenario: &Scenario, schedulers: usize) -> Played {
    let (outcome, _) = run_on(Box::new(MemoryStorage::default()), rumour, scenario, schedulers);
    // The memory is tested elsewhere; here it would cost more than the runs.
    let state_root = rumour.state_root::<Infallible>(&outcome, |_| Ok(())).unwrap();
    Played { arrivals: rumour.arrivals(&outcome), state_root, outcome }
}

/// A run with its log in a data directory.
pub struct Kept {
    pub folder: TempDir,
    pub graph: Graph,
    pub arrivals: Vec<Option<Arrival>>,
    pub state_root: [u8; 32],
}

impl Kept {
    pub fn journal(&self) -> Journal {
        Journal::of(self.folder.path(), &mut |_| ()).unwrap()
    }
}

pub fn keep(rumour: &Rumour, scenario: &Scenario, schedulers: usize) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(log_folder(folder.path())).unwrap();
    karyon_safety::initialise(folder.path()).unwrap();
    let storage = FileStorage::create(&log_file(folder.path())).unwrap();
    let (outcome, _) = run_on(Box::new(storage), rumour, scenario, schedulers);
    let graph = karyon_memory::open(folder.path(), &mut |_| ()).unwrap().graph;
    let memory = graph.read().unwrap();
    let state_root = rumour.state_root(&outcome, |hasher| memory.add_current(hasher)).unwrap();
    Kept { arrivals: rumour.arrivals(&outcome), state_root, graph, folder }
}

fn run_on(
    mut storage: Box<dyn Storage>,
    rumour: &Rumour,
    scenario: &Scenario,
    schedulers: usize,
) -> (Outcome<Person>, End) {
    let key = Arc::new(SecretKey::from_seed([3; 32]).unwrap());
    let header = SegmentHeader { log: LogId([2; 16]), node_key: key.public_key() };
    storage.write_at(0, &header.encode()).unwrap();
    let writer = Writer::start(storage, &header, key, 1, End::of_new_log()).unwrap();
    let (chaos, intensity, limits) = runtime_settings(scenario);
    let config = RunConfig {
        schedulers,
        // With more than one, half of the runs let them share every tick.
        schedule: Default::default(),
        small_tick: if schedulers.is_multiple_of(2) { 0 } else { SMALL_TICK },
        chaos,
        intensity,
        limits,
        stop: None,
        interrupt: Arc::new(AtomicUsize::new(0)),
        progress: Arc::new(Progress::default()),
        guard: None,
        desk: None,
        watch: None,
        virtual_time: false,
        snapshots: None,
        recaller: None,
        effects: Default::default(),
        space: None,
        observer: None,
        rate: None,
    };
    let grant = Grant {
        id: GrantId(1),
        principal: PrincipalId(1),
        reason: ReasonId(1),
        rights: karyon_colony::life::RIGHTS,
        scope: Scope { first: 1, last: rumour.contacts.names().len() as u64 },
        expires: None,
    };
    let mut recorder = Recorder::new(writer);
    recorder.control(&beginning()).unwrap();
    let mut recorder = Some(recorder);
    let feeder = Arc::new(rumour.feeder());
    let outcome = run(config, rumour.population(grant), feeder, &mut recorder).unwrap();
    let end = recorder.unwrap().close().unwrap().unwrap();
    assert_eq!(outcome.ending, Ending::Completed);
    let counts = outcome.counts;
    assert_eq!(
        counts.sent,
        counts.delivered + counts.denied + counts.refused + counts.dead_lettered
    );
    assert_eq!(counts.sent, rumour.contacts.list().len() as u64);
    (outcome, end)
}

fn beginning() -> [Control; 4] {
    [
        Control::Genesis(Genesis {
            karyon: "0.1.0".into(),
            created_unix_ms: 0,
            scenario_name: "rumour".into(),
            scenario: String::new(),
            kinds: vec![("person".into(), 2)],
            inputs: Vec::new(),
        }),
        Control::Principal(PrincipalRecord { id: 1, name: "ada".into(), public_key: [9; 32] }),
        Control::Reason(ReasonRecord { id: 1, parent: None, label: "to see".into() }),
        Control::Grant(GrantRecord {
            id: 1,
            principal: 1,
            reason: 1,
            rights: karyon_colony::life::RIGHTS.0,
            scope_first: 1,
            scope_last: 1,
            expires: None,
            signed: Vec::new(),
            terms: None,
        }),
    ]
}

/// What line-by-line processing says.
pub fn truth(rumour: &Rumour) -> Vec<Option<Arrival>> {
    reach(&rumour.contacts, rumour.source, rumour.blocked())
}

/// A real input; `None`, said visibly, where the folder is absent.
pub fn dataset(name: &str) -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/datasets");
    let folder = std::env::var_os("KARYON_DATASETS").map_or(beside.into(), PathBuf::from);
    let file = folder.join(name);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(_) => {
            // Straight to standard error: the test harness hides what passing tests print.
            let skipped = format!("SKIPPED: {} is absent (set KARYON_DATASETS)\n", file.display());
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            None
        }
    }
}
