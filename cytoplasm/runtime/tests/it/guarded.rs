//! A node under a guardian, which is played: what it says, in which order, and what it leaves
//! alone.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use karyon_guard::{Counters, Guard};
use karyon_log::{Control, End, GuardianRecord, ImportRecord, Record, SegmentHeader};
use karyon_log_writer::Writer;
use karyon_runtime::{
    Annex, Batch, DataDir, DataDirError, InputSource, Limits, Node, NodeError, Recorder, RunError,
    datadir,
};
use karyon_safe_mode::ResumeRequest;
use karyon_types::Tick;
use karyon_verify::{Report, Trust, verify};

use crate::guardian::{Played, terms};
use crate::node::{Broken, begin, create, go_on, seal};
use crate::support::{Disk, LIMITS, Order, Script, Stage, key, recorder};

/// What a guardian makes before it starts anybody.
fn furnished(path: &Path) {
    fs::create_dir_all(path.join("safety")).unwrap();
    fs::create_dir_all(path.join("logs")).unwrap();
    // Nothing that a node could read: it is not to look.
    fs::write(path.join("safety").join("marker"), "the guardian's").unwrap();
}

fn under(played: &Played, path: &Path) -> DataDir {
    DataDir::under(Arc::clone(&played.guard), path).unwrap()
}

/// Everything in the folder of safety files, which is the guardian's.
fn safety(path: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(path.join("safety")).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

fn report(path: &Path) -> Report {
    let (log, checkpoint) = (datadir::log_folder(path), datadir::checkpoint_file(path));
    verify(&log, &checkpoint, &datadir::inputs(path), &Trust::default()).unwrap()
}

fn last_boot(report: &Report) -> Option<GuardianRecord> {
    let mut boots = report.controls.iter().filter_map(|control| match control {
        Control::Boot(boot) => Some(boot.guardian.clone()),
        _ => None,
    });
    boots.next_back().unwrap()
}

/// Its log writes to a disk that is gone.
fn break_log(node: &mut Node) {
    let header = SegmentHeader { log: node.log(), node_key: key().public_key() };
    let writer = Writer::start(Box::new(Broken), &header, key(), 1, End::of_new_log()).unwrap();
    node.recorder = Some(Recorder::new(writer));
}

#[test]
fn the_guardian_keeps_the_marker_and_hears_how_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    furnished(path);
    let before = safety(path);
    let played = Played::new();
    let node = create(under(&played, path)).unwrap();
    let log = node.log();
    drop(node.interrupt(5, 2).unwrap());
    let ended = [format!("begin {log}"), format!("checkpoint {log}"), "clean".into()];
    assert_eq!(played.words(), ended);
    drop(go_on(under(&played, path), "1").unwrap().complete(seal(1)).unwrap());
    assert_eq!(played.words(), ended);
    // What is sealed is only compared.
    drop(go_on(under(&played, path), "1").unwrap().complete(seal(1)).unwrap());
    assert_eq!(played.words(), ended);
    go_on(under(&played, path), "1").unwrap().halt("STOP was found").unwrap();
    assert_eq!(played.words(), [format!("begin {log}"), "halted STOP was found".into()]);
    go_on(under(&played, path), "1").unwrap().abandon("it failed").unwrap();
    assert_eq!(played.words(), [format!("begin {log}"), "halted it failed".into()]);
    assert_eq!(safety(path), before);
    let report = report(path);
    assert_eq!((report.boots(), report.unguarded_boots()), (2, 0));
    let guardian = GuardianRecord { limits: terms().limits, held: terms().held };
    assert_eq!(last_boot(&report), Some(guardian));
}

#[test]
fn without_a_guardian_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    drop(begin(path).interrupt(0, 2).unwrap());
    assert_eq!(last_boot(&report(path)), None);
    let played = Played::new();
    drop(go_on(under(&played, path), "1").unwrap().interrupt(0, 2).unwrap());
    let report = report(path);
    assert_eq!((report.boots(), report.unguarded_boots()), (2, 1));
}

#[test]
fn resumes_that_are_recorded_are_told_and_not_taken_off_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    begin(path).abandon("it failed").unwrap();
    let config = tempfile::tempdir().unwrap();
    let request = ResumeRequest {
        data: path,
        config: config.path(),
        log: [0; 16],
        reason: "looked",
        unix_ms: 1_000,
        least_n: 0,
        signature: None,
        limits: &karyon_safety::Limits::default(),
    };
    karyon_safe_mode::resume(request).unwrap();
    let before = safety(path);
    let n = karyon_safety::pending_resumes(path).unwrap()[0].n;
    let played = Played::new();
    let node = go_on(under(&played, path), "1").unwrap();
    let log = node.log();
    assert_eq!(played.words(), [format!("begin {log}"), format!("recorded {n}")]);
    drop(node);
    assert_eq!(safety(path), before);
    let report = report(path);
    assert!(
        report.controls.iter().any(|c| matches!(c, Control::Resume(r) if r.reason == "looked"))
    );
}

#[test]
fn a_log_that_fails_is_told_to_the_guardian() {
    let folder = tempfile::tempdir().unwrap();
    for step in 0..4 {
        let path = folder.path().join(step.to_string());
        furnished(&path);
        let before = safety(&path);
        let played = Played::new();
        let mut node = create(under(&played, &path)).unwrap();
        played.words();
        break_log(&mut node);
        let is_err = match step {
            0 => node.complete(seal(1)).is_err(),
            1 => node.interrupt(0, 2).is_err(),
            2 => node.pause().is_err(),
            _ => {
                node.record_durably(&[Control::Seal(seal(1))]).unwrap_err();
                // And nothing that comes later makes it a clean end.
                node.interrupt(0, 2).is_err()
            }
        };
        assert!(is_err);
        let words = played.words();
        assert!(matches!(&words[..], [word] if word.starts_with("halted the log")), "{words:?}");
        assert!(words[0].contains("the disk is gone"));
        assert_eq!(safety(&path), before);
    }
}

#[test]
fn an_end_without_its_checkpoint_is_no_clean_one() {
    let folder = tempfile::tempdir().unwrap();
    for step in 0..2 {
        let path = folder.path().join(step.to_string());
        furnished(&path);
        let played = Played::new();
        let node = create(under(&played, &path)).unwrap();
        let log = node.log();
        // Nothing can take a folder's place.
        fs::create_dir(datadir::checkpoint_file(&path)).unwrap();
        match step {
            0 => assert!(matches!(node.complete(seal(1)), Err(NodeError::DataDir(_)))),
            _ => assert!(matches!(node.interrupt(0, 2), Err(NodeError::DataDir(_)))),
        }
        assert_eq!(played.words(), [format!("begin {log}")]);
    }
}

#[test]
fn a_guardian_that_does_not_hear_the_end_makes_it_no_clean_one() {
    let folder = tempfile::tempdir().unwrap();
    for (number, dies_of) in ["checkpoint", "clean"].into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        furnished(&path);
        let before = safety(&path);
        let played = Played::new();
        let node = create(under(&played, &path)).unwrap();
        played.dies_of(dies_of);
        assert!(matches!(node.complete(seal(1)), Err(NodeError::Guardian(_))));
        assert_eq!(safety(&path), before, "{dies_of}");
    }
}

#[test]
fn without_its_guardian_nothing_is_recorded_and_no_failure_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    furnished(path);
    let before = safety(path);
    let played = Played::new();
    played.dies();
    assert!(matches!(create(under(&played, path)), Err(NodeError::Guardian(_))));
    assert!(!datadir::log_file(path).exists());
    let played = Played::new();
    let mut node = create(under(&played, path)).unwrap();
    break_log(&mut node);
    played.dies();
    // The log's failure is the one to tell, and the marker still says `running`.
    assert!(matches!(node.complete(seal(1)), Err(NodeError::Log(_))));
    let played = Played::new();
    let node = go_on(under(&played, path), "1").unwrap();
    played.dies();
    assert!(matches!(node.halt("STOP was found"), Err(NodeError::Guardian(_))));
    assert_eq!(safety(path), before);
}

#[test]
fn a_node_under_a_guardian_looks_for_stop_and_for_another_run_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    furnished(path);
    let played = Played::new();
    drop(create(under(&played, path)).unwrap().interrupt(0, 2).unwrap());
    let taken = create(under(&played, path));
    assert!(matches!(taken, Err(NodeError::DataDir(DataDirError::NotEmpty { .. }))));
    fs::write(path.join("safety").join("STOP"), "").unwrap();
    played.words();
    assert!(matches!(go_on(under(&played, path), "1"), Err(NodeError::Stop { .. })));
    assert_eq!(played.words(), [""; 0]);
}

#[test]
fn what_is_added_to_a_log_at_rest_leaves_the_marker_to_the_guardian() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    furnished(path);
    let before = safety(path);
    let played = Played::new();
    drop(create(under(&played, path)).unwrap().complete(seal(1)).unwrap());
    played.words();
    let annex = Annex::begin(under(&played, path), key(), &[]).unwrap();
    let log = annex.report().unwrap().log;
    let import = Control::Import(ImportRecord {
        file: annex.keep("it", b"what came in").unwrap(),
        root: vec![1],
        origin: [2; 16],
        signer: [3; 32],
        trusted_by: "named".into(),
        lease: 1,
        at_unix_ms: 0,
    });
    annex.seal("1", &[Record::Control(Box::new(import))]).unwrap();
    assert_eq!(played.words(), [format!("checkpoint {log}")]);
    assert_eq!(safety(path), before);
    let report = report(path);
    assert_eq!((report.boots(), report.unguarded_boots()), (2, 0));
}

/// Stepping, ticks and crashes.
type Told = (bool, u64, u64);

/// Inputs that look at what the guardian is told while a run goes on.
struct Looking {
    script: Script,
    guard: Arc<Guard>,
    seen: Mutex<Vec<Told>>,
    panics: bool,
}

impl InputSource for Looking {
    fn released(&self, tick: Tick) -> Batch<'_> {
        assert!(!self.panics || tick.0 < 2, "the runtime itself fails");
        self.script.released(tick)
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        self.seen.lock().unwrap().push(told(&self.guard));
        self.script.payload(index, out);
    }

    fn ends(&self) -> Tick {
        self.script.ends()
    }
}

fn told(guard: &Guard) -> Told {
    let Counters { stepping, ticks, crashes } = guard.counters();
    (stepping.load(Relaxed), ticks.load(Relaxed), crashes.load(Relaxed))
}

/// A run in which agent 1 crashes in tick 1; how it ended, and what was told meanwhile.
fn run(guard: &Arc<Guard>, limits: Limits, panics: bool) -> (Result<(), RunError>, Vec<Told>) {
    let script = Script::new([
        (0, 1, vec![Order::Add(1)]),
        (1, 1, vec![Order::Panic]),
        (2, 2, vec![Order::Send(3, vec![]), Order::Send(3, vec![])]),
    ]);
    let (guard, seen) = (Arc::clone(guard), Mutex::default());
    let looking = Arc::new(Looking { script, guard: Arc::clone(&guard), seen, panics });
    let stage = Stage { guard: Some(guard), limits, ..Stage::default() };
    let (outcome, _) = stage.play_from::<0, 0>(looking.clone(), recorder(&Disk::default()));
    (outcome.map(drop), std::mem::take(&mut looking.seen.lock().unwrap()))
}

#[test]
fn a_run_tells_that_it_steps_and_that_it_ended_however_it_ends() {
    let played = Played::new();
    let guard = &played.guard;
    assert_eq!(told(guard), (false, 0, 0));
    let (outcome, seen) = run(guard, LIMITS, false);
    outcome.unwrap();
    // The crash of a tick is counted when the tick has ended.
    assert_eq!(seen, [(true, 1, 0), (true, 2, 0), (true, 3, 1)]);
    assert_eq!(told(guard), (false, 4, 1));
    let (outcome, seen) = run(guard, Limits { outputs_per_step: 1, ..LIMITS }, false);
    assert!(matches!(outcome, Err(RunError::OutputBound { .. })));
    assert_eq!(seen.last(), Some(&(true, 3, 2)));
    assert!(!told(guard).0);
    let (outcome, seen) = run(guard, LIMITS, true);
    assert!(matches!(outcome, Err(RunError::Runtime(_))));
    assert_eq!(seen.last(), Some(&(true, 2, 2)));
    assert!(!told(guard).0);
    // The beats carry it.
    assert_eq!(played.last_beat(), told(guard));
}
