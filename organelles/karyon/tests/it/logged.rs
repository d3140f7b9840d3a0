//! A run of which the log alone is kept, and how long a run takes.

use std::time::{Duration, Instant};

use karyon::{Outcome, Run, RunError};

use crate::support::{Server, data};

fn run() -> Run {
    let mut run = Run::new("logged");
    let servers = run.agents("server", 20, |_, _| Server::default());
    for tick in 0..50 {
        for server in &servers {
            run.input(tick, *server, crate::support::Ask::Count(tick));
        }
    }
    run
}

#[test]
fn it_does_what_it_does_in_memory_and_its_log_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (run, log) = (run(), folder.path().join("deep/log"));
    let (here, kept) = (run.test().unwrap(), run.test_logged(&log).unwrap());
    let all = |outcome: &Outcome| {
        (outcome.records, outcome.records_root, outcome.state_root, outcome.counts.steps)
    };
    assert_eq!(all(&kept), all(&here));
    assert!(kept.records > 1_000);
    let bytes = std::fs::metadata(log.join("00000000.log")).unwrap().len();
    assert!(bytes > 1_000 * 5, "{bytes} bytes");
    let again = run.test_logged(&log).err().unwrap();
    assert!(matches!(&again, RunError::File(path, _) if *path == log), "{again}");
    assert_eq!(std::fs::metadata(log.join("00000000.log")).unwrap().len(), bytes);
}

#[test]
fn what_is_wrong_with_it_is_told_before_a_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, log) = (run(), folder.path().join("log"));
    run.chaos(2.0);
    assert!(matches!(run.test_logged(&log).err(), Some(RunError::Chaos(_))));
    assert!(!log.exists());
}

#[test]
fn every_way_to_run_tells_how_long_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let run = run();
    let ways: [&dyn Fn() -> Outcome; 3] = [
        &|| run.test().unwrap(),
        &|| run.test_logged(&folder.path().join("log")).unwrap(),
        &|| run.begin(&data(&folder)).unwrap(),
    ];
    for (number, way) in ways.iter().enumerate() {
        let since = Instant::now();
        let took = way().took;
        assert!(took > Duration::ZERO && took < since.elapsed(), "{number}: {took:?}");
    }
}
