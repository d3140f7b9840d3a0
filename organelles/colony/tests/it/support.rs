//! Runs a rumour without files: the log in memory, through the gate all the same.

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
use karyon_identity::SecretKey;
use karyon_log::{End, MemoryStorage, SegmentHeader, Storage, Writer};
use karyon_runtime::{Ending, Outcome, Progress, Recorder, RunConfig, SMALL_TICK, run};
use karyon_types::{GrantId, LogId, PrincipalId, ReasonId};

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
    let key = Arc::new(SecretKey::from_seed([3; 32]).unwrap());
    let header = SegmentHeader { log: LogId([2; 16]), node_key: key.public_key() };
    let mut storage = MemoryStorage::default();
    storage.write_at(0, &header.encode()).unwrap();
    let writer = Writer::start(Box::new(storage), &header, key, 1, End::of_new_log()).unwrap();
    let (chaos, intensity, limits) = runtime_settings(scenario);
    let config = RunConfig {
        schedulers,
        // With more than one, half of the runs let them share every tick.
        small_tick: if schedulers.is_multiple_of(2) { 0 } else { SMALL_TICK },
        chaos,
        intensity,
        limits,
        stop: None,
        interrupt: Arc::new(AtomicUsize::new(0)),
        progress: Arc::new(Progress::default()),
    };
    let grant = Grant {
        id: GrantId(1),
        principal: PrincipalId(1),
        reason: ReasonId(1),
        rights: karyon_colony::life::RIGHTS,
        scope: Scope { first: 1, last: rumour.contacts.names().len() as u64 },
        expires: None,
    };
    let mut recorder = Some(Recorder::new(writer));
    let feeder = Arc::new(rumour.feeder());
    let outcome = run(config, rumour.population(grant), feeder, &mut recorder).unwrap();
    recorder.unwrap().close().unwrap();
    assert_eq!(outcome.ending, Ending::Completed);
    let counts = outcome.counts;
    assert_eq!(
        counts.sent,
        counts.delivered + counts.denied + counts.refused + counts.dead_lettered
    );
    assert_eq!(counts.sent, rumour.contacts.list().len() as u64);
    Played { arrivals: rumour.arrivals(&outcome), state_root: rumour.state_root(&outcome), outcome }
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
