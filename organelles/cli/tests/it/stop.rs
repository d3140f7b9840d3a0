//! The file STOP: whoever can write it stops everything.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::Place;

/// Puts STOP in its place.
type Put = fn(&Path);

/// How STOP may be there.
const WAYS: [(&str, Put); 4] = [
    ("a file", |path| fs::write(path, "").unwrap()),
    ("a directory", |path| fs::create_dir(path).unwrap()),
    ("a dangling link", |path| std::os::unix::fs::symlink("nowhere", path).unwrap()),
    ("a link to itself", |path| std::os::unix::fs::symlink("STOP", path).unwrap()),
];

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }.unwrap();
}

/// Still there: nothing ever deletes it.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[test]
fn stop_ends_a_run_and_nothing_starts_before_a_person_said_so() {
    for (what, put) in &WAYS[..2] {
        let place = Place::new();
        let stop = place.path("d/safety/STOP");
        let running = place.start_long("d");
        put(&stop);
        let put_at = Instant::now();
        running.end().expect(4).says(&["halted", "safety/STOP", "karyon safety resume"]);
        assert!(put_at.elapsed() < Duration::from_secs(5), "{what}: {:?}", put_at.elapsed());
        let marker = fs::read_to_string(place.path("d/safety/marker")).unwrap();
        assert!(marker.starts_with("karyon-safety-marker-v2 halted 0 "), "{marker}");
        place.verified("d");

        let status = || place.karyon(&["safety", "status", "--data", "d", "--json"]).json();
        assert_eq!(status()["stop_present"], true);
        assert_eq!(status()["start_permitted"], false);
        place.karyon(&["resume", "--data", "d"]).expect(4).says(&["d/safety/STOP"]);
        let resume = ["safety", "resume", "--reason", "why not", "--data", "d"];
        place.karyon(&resume).expect(4).says(&["d/safety/STOP", "remove"]);
        assert!(is_there(&stop), "{what}");

        remove(&stop);
        place.karyon(&["resume", "--data", "d"]).expect(4).says(&["halted"]);
        place.end_safe_mode("d", "looked into it");
        place.resumes_to_the_same_state("d");
    }
}

#[test]
fn a_run_is_not_begun_where_stop_is() {
    for (what, put) in WAYS {
        let place = Place::new();
        place.write("c.txt", "a b 1\n");
        fs::create_dir_all(place.path("d/safety")).unwrap();
        let stop = place.path("d/safety/STOP");
        put(&stop);
        let run = ["run", "rumour", "--contacts", "c.txt", "--data", "d"];
        place.karyon(&run).expect(4).says(&["d/safety/STOP"]);
        assert!(is_there(&stop), "{what}");
        assert!(!place.path("d/log/00000000.log").exists());
    }
}

#[test]
fn once_stop_is_removed_the_run_can_be_begun() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    fs::create_dir_all(place.path("d/safety")).unwrap();
    let stop = place.path("d/safety/STOP");
    fs::write(&stop, "").unwrap();
    let run = ["run", "rumour", "--contacts", "c.txt", "--data", "d"];
    // Twice: the first refusal changes nothing.
    place.karyon(&run).expect(4);
    place.karyon(&run).expect(4);
    fs::remove_file(&stop).unwrap();
    // With or without a person's word: one of both ways must lead on.
    let safety = place.karyon(&["safety", "resume", "--reason", "removed", "--data", "d"]);
    let again = place.karyon(&run);
    assert_eq!(again.code, Some(0), "no way leads on: {} / {}", safety.err, again.err);
}

#[test]
fn an_interrupted_run_is_not_resumed_where_stop_is() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let stop = place.path("d/safety/STOP");
    let before = place.verified("d")["records"].clone();
    for (what, put) in WAYS {
        put(&stop);
        place.karyon(&["resume", "--data", "d"]).expect(4).says(&["d/safety/STOP"]);
        assert!(is_there(&stop), "{what}");
        remove(&stop);
    }
    assert_eq!(place.verified("d")["records"], before);
    place.resumes_to_the_same_state("d");
}

#[test]
fn a_safety_folder_that_goes_away_stops_the_run() {
    let place = Place::new();
    let running = place.start_long("d");
    fs::rename(place.path("d/safety"), place.path("d/elsewhere")).unwrap();
    let ended = running.end();
    assert!(matches!(ended.code, Some(1 | 4)), "{ended:?}");
    place.verified("d");
    place.karyon(&["resume", "--data", "d"]).expect(4);
}
