//! Many agents that remember and recall on a data directory: the memory that follows the run while
//! it goes on, whatever happens to the run.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use karyon::{AgentRef, Data, Every, KeyDirectory, Outcome, Run};
use karyon_types::Hash;

use crate::recalling::{Lesson, Pupil, school};

const PUPILS: u64 = 60;
/// Until which tick somebody asks.
const LAST: u64 = 120;

fn class() -> (Run, Vec<AgentRef<Pupil>>) {
    let (mut run, all) = school(PUPILS);
    for tick in 20..LAST {
        let (one, other) = (tick * 7 % PUPILS, tick * 11 % PUPILS);
        run.input(tick, all[one as usize], Lesson::Ask(1 + other, None));
        if tick % 3 == 0 {
            run.input(tick, all[other as usize], Lesson::Learn("bee".into(), tick as i64));
        }
    }
    run.intensity(100_000, 10).snapshots(Every::Ticks(7));
    (run, all)
}

fn at(folder: &Path) -> Data {
    Data::new(folder.join("run"), "ada", "a test").keys(KeyDirectory::at(folder.join("keys")))
}

/// The root of the memory that the run left, which is the one that is built from the log again.
fn memory_root(data: &Path) -> Hash {
    let opened = karyon_memory::open(data, &mut |_| ()).unwrap();
    assert_eq!(opened.caught_up, None, "the run left it complete");
    let root = opened.graph.read().unwrap().memory_root().unwrap();
    drop(opened);
    let rebuilt = karyon_memory::rebuild(data, &mut |_| ()).unwrap();
    assert_eq!((rebuilt.new_root, rebuilt.differs()), (root, false));
    assert!(!data.join("memory/run.redb").exists());
    root
}

fn heard(outcome: &Outcome, all: &[AgentRef<Pupil>]) -> Vec<Vec<String>> {
    all.iter().map(|pupil| outcome.state(*pupil).unwrap().heard.clone()).collect()
}

#[test]
fn state_and_memory_are_the_same_for_any_schedulers_and_chaos() {
    let (mut run, all) = class();
    let calm = run.test().unwrap();
    assert!(calm.counts.remembered > 3 * PUPILS, "{:?}", calm.counts);
    let mut roots = Vec::new();
    for (schedulers, chaos) in [(1, 0.0), (2, 0.0), (4, 0.0), (1, 0.2), (2, 0.2), (4, 0.2)] {
        run.schedulers(schedulers).chaos(chaos);
        let folder = tempfile::tempdir().unwrap();
        let outcome = run.begin(&at(folder.path())).unwrap();
        let words = format!("{schedulers} schedulers, chaos {chaos}");
        assert_eq!(heard(&outcome, &all), heard(&calm, &all), "{words}");
        assert_eq!(outcome.counts.crashes > PUPILS, chaos > 0.0, "{words}");
        // The state's covers what holds in the memory, the other the history too.
        roots.push((outcome.state_root, memory_root(&folder.path().join("run"))));
    }
    assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");
}

const FOLDER: &str = "KARYON_TEST_REMEMBERING";

/// The process that is killed: only where the other test asks for it.
#[test]
fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    class().0.chaos(0.1).schedulers(2).begin(&at(Path::new(&folder))).unwrap();
}

/// A person has looked.
pub fn clear(data: &Path, config: &Path) {
    let request = karyon_safe_mode::ResumeRequest {
        data,
        config,
        log: [0; 16],
        reason: "all is well",
        unix_ms: 1_000,
        least_n: 0,
        signature: None,
        limits: &karyon_safety::Limits::default(),
    };
    karyon_safe_mode::resume(request).unwrap();
}

/// Begins it in a process of its own, and kills that so long after its first snapshot. Whether it was
/// killed before its end.
fn begin_and_kill(folder: &Path, after: Duration) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "remembering::the_process_that_is_killed"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let has_begun = |child: &mut Child| {
        folder.join("run/snapshots").exists() || child.try_wait().unwrap().is_some()
    };
    while !has_begun(&mut child) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_state_and_memory_from_a_snapshot_and_from_zero() {
    let (mut run, all) = class();
    let whole = tempfile::tempdir().unwrap();
    let once = run.chaos(0.1).begin(&at(whole.path())).unwrap();
    let root = memory_root(&whole.path().join("run"));
    let (mut killed, mut from_snapshot) = (0, 0);
    for round in 0..8_u32 {
        let folder = tempfile::tempdir().unwrap();
        if !begin_and_kill(folder.path(), Duration::from_millis(20 * u64::from(round))) {
            continue;
        }
        killed += 1;
        let data = folder.path().join("run");
        clear(&data, &folder.path().join("keys"));
        run.schedulers(1 << (round % 3));
        // What the killed process left of its memory is not gone on with.
        std::fs::create_dir_all(data.join("memory")).unwrap();
        std::fs::write(data.join("memory/run.redb"), b"something else").unwrap();
        let outcome = match round % 2 {
            0 => run.resume(&at(folder.path())).unwrap(),
            _ => run.resume_from_zero(&at(folder.path())).unwrap(),
        };
        from_snapshot += u32::from(outcome.resumed_from.is_some());
        assert_eq!(outcome.state_root, once.state_root, "round {round}");
        assert_eq!(heard(&outcome, &all), heard(&once, &all), "round {round}");
        assert_eq!(memory_root(&data), root, "round {round}");
    }
    assert!(killed > 2 && from_snapshot > 0, "{killed} killed, {from_snapshot} from a snapshot");
}
