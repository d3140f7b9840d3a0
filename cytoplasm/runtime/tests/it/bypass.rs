//! What the gate does not hold, shown rather than hidden: native agents are trusted code.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use karyon_gate::{Grant, Rights, Scope};
use karyon_runtime::{
    Agent, AgentKind, Chaos, Context, Event, Failure, Intensity, Population, Progress, Restart,
    RestartFrom, RunConfig, run,
};
use karyon_types::{GrantId, PrincipalId, ReasonId};
use serde::{Deserialize, Serialize};

use crate::support::{Disk, LIMITS, Order, Script, recorder, records};

/// Says in its step what it likes, to the world itself.
#[derive(Serialize, Deserialize)]
struct Smuggler {
    file: PathBuf,
}

impl Agent for Smuggler {
    const KIND: AgentKind = AgentKind {
        name: "smuggler",
        version: 1,
        restart: Restart::Temporary,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, _: Event<'_>, _: &mut Context<'_>) -> Result<(), Failure> {
        std::fs::write(&self.file, "nobody allowed this").map_err(|e| Failure(e.to_string()))
    }
}

/// This test is meant to pass: it shows the bypass that `docs/threat-model.md` admits. The agent
/// has no right at all, and the record holds its step but nothing of what it did.
#[test]
fn a_native_agent_can_bypass_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smuggled");
    let disk = Disk::default();
    let config = RunConfig {
        schedulers: 1,
        schedule: Default::default(),
        small_tick: 0,
        chaos: Chaos::new(0, 0.0),
        intensity: Intensity { restarts: 0, period_ticks: 1 },
        limits: LIMITS,
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
    let smuggler = file.clone();
    let population = Population {
        born: None,
        names: vec!["smuggler".into()],
        init: Arc::new(move |_| Smuggler { file: smuggler.clone() }),
        grant: Grant {
            id: GrantId(1),
            principal: PrincipalId(1),
            reason: ReasonId(1),
            rights: Rights(0),
            scope: Scope { first: 1, last: 1 },
            expires: None,
        },
        expires: Vec::new(),
        changes: Vec::new(),
        tree: None,
        subjects: None,
    };
    let script = Script::new([(0, 1, vec![Order::Add(1)])]);
    let mut recorder = Some(recorder(&disk));
    let outcome = run(config, population, Arc::new(script), &mut recorder).unwrap();
    recorder.unwrap().close().unwrap();
    assert_eq!((outcome.counts.steps, outcome.counts.sent), (1, 0));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "nobody allowed this");
    let bytes = records(&disk).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"nobody"), "the record knows of it");
}
