//! Snapshots of a run that is killed or interrupted: it goes on from the newest, and ends as it
//! would have.

use std::fs;
use std::path::Path;

use crate::support::{Place, long_contacts, long_root};

fn files(data: &Path) -> Vec<String> {
    let entries = fs::read_dir(data.join("snapshots")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".snapshot")).collect();
    names.sort();
    names
}

/// A run that takes a snapshot each second, and not all of its time at once.
fn args<'a>(command: &[&'a str], rate: &'a str) -> Vec<&'a str> {
    let more = ["--data", "d", "--schedulers", "2", "--snapshots", "1", "--rate", rate];
    [command, &more].concat()
}

#[test]
fn a_killed_run_goes_on_from_its_newest_snapshot() {
    let place = Place::new();
    let data = place.path("d");
    let mut running =
        place.start(&args(&["run", "rumour", "--contacts", long_contacts()], "40000"));
    // The second is taken when the first is committed.
    running.wait_until(|| files(&data).len() == 2);
    running.kill();
    place.end_safe_mode("d", "a test");
    // Once more, at any moment.
    let before = files(&data);
    let mut running = place.start(&args(&["resume"], "40000"));
    running.wait_until(|| files(&data) != before);
    running.kill();
    place.end_safe_mode("d", "another");
    let resumed = place.karyon(&["resume", "--data", "d", "--schedulers", "3"]).expect(0);
    let line = resumed.out.lines().find(|line| line.starts_with("resumed ")).unwrap();
    assert!(line.contains("from the snapshot of tick "), "{line}");
    assert!(resumed.out.contains(long_root()), "{}", resumed.out);
    // It is complete: what was recorded is what both ways repeat.
    for (way, from) in [(None, false), (Some("--from-snapshot"), true)] {
        let replay = ["replay", "--verify", "--data", "d", "--json"].into_iter().chain(way);
        let confirmed = place.karyon(&replay.collect::<Vec<_>>()).expect(0).json();
        assert_eq!(confirmed["state_root"], long_root());
        assert_eq!(confirmed["from_tick"].is_u64(), from, "{confirmed}");
    }
    for (way, from) in [(None, true), (Some("--from-zero"), false)] {
        let resume = ["resume", "--data", "d", "--json"].into_iter().chain(way);
        let complete = place.karyon(&resume.collect::<Vec<_>>()).expect(0).json();
        assert_eq!(complete["state_root"], long_root());
        assert_eq!(complete["resumed_from_tick"].is_u64(), from, "{complete}");
    }
    let report = place.verified("d");
    assert_eq!((&report["state"], &report["state_root"]), (&"sealed".into(), &long_root().into()));
}

#[test]
fn an_interrupted_run_leaves_one_and_a_damaged_one_is_passed_over() {
    let place = Place::new();
    let data = place.path("d");
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let left = files(&data);
    assert_eq!(left.len(), 1, "{left:?}");
    let file = data.join("snapshots").join(&left[0]);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let resumed = place.karyon(&["resume", "--data", "d", "--json"]).expect(0);
    assert_eq!(resumed.json()["resumed_from_tick"], serde_json::Value::Null);
    assert_eq!(resumed.json()["state_root"], long_root());
    // Who wants none has none.
    let mut args = vec!["run", "rumour", "--contacts", long_contacts(), "--data", "e"];
    args.extend(["--snapshots", "0", "--rate", "40000"]);
    let mut running = place.start(&args);
    running.wait_for_log(&place.path("e"), 8192);
    running.signal("INT");
    running.end().expect(130);
    assert_eq!(files(&place.path("e")), [""; 0]);
}
