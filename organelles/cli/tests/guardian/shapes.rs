//! STOP in every shape, before and while something runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::place::{PATIENCE, Place, Who, code, users, word};

/// How often STOP is created and removed at once.
const TIMES: usize = 400;

/// Waits until a guardian has begun: from then on it sees STOP.
fn wait_until_begun(place: &Place) {
    let begun = Instant::now();
    while word(&place.marker()) != "running" {
        assert!(begun.elapsed() < PATIENCE, "{}", place.said());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A program that does nothing is guarded like any other.
fn sleeping(place: &Place) -> crate::place::Run<'_> {
    place.start_program(Path::new("/bin/sleep"), &["60"])
}

#[test]
fn a_stop_that_is_created_and_removed_at_once_is_never_missed() {
    let who = users();
    let mut missed = 0;
    for time in 0..TIMES {
        let place = Place::new(who[time % who.len()]);
        let run = sleeping(&place);
        wait_until_begun(&place);
        let (stop, host) = (place.data().join("safety").join("STOP"), place.host_stop());
        let stop = if time % 4 < 2 { stop } else { host };
        fs::write(&stop, "").unwrap();
        fs::remove_file(&stop).unwrap();
        let status = run.end().unwrap();
        let was_seen = code(status) == "exit 4" && place.events().concat().contains("STOP");
        missed += usize::from(!was_seen || word(&place.marker()) != "halted");
    }
    assert_eq!(missed, 0, "of {TIMES}");
}

type Shape = (&'static str, fn(&Place));

/// What counts as STOP. The one who does it is root where the tests run as root.
const SHAPES: [Shape; 9] = [
    ("a link to nowhere", |place| symlink("/nowhere", place.data().join("safety/STOP")).unwrap()),
    ("a folder", |place| fs::create_dir(place.data().join("safety/STOP")).unwrap()),
    ("a file that is renamed to it", |place| {
        let other = place.data().join("safety/other");
        fs::write(&other, "").unwrap();
        fs::rename(other, place.data().join("safety/STOP")).unwrap();
    }),
    ("a link to nowhere, for the whole machine", |place| {
        symlink("/nowhere", place.host_stop()).unwrap();
    }),
    ("a folder, for the whole machine", |place| fs::create_dir(place.host_stop()).unwrap()),
    ("another folder safety", |place| {
        fs::rename(place.data().join("safety"), place.data().join("safety2")).unwrap();
        fs::create_dir(place.data().join("safety")).unwrap();
    }),
    ("another folder safety, and at once the right one again", |place| {
        fs::rename(place.data().join("safety"), place.data().join("safety2")).unwrap();
        fs::rename(place.data().join("safety2"), place.data().join("safety")).unwrap();
    }),
    ("no folder safety", |place| {
        fs::rename(place.data().join("safety"), place.path("gone")).unwrap();
    }),
    ("another data directory", |place| {
        fs::rename(place.data(), place.path("d2")).unwrap();
        fs::create_dir(place.data()).unwrap();
    }),
];

#[test]
fn whatever_is_called_stop_stops_and_so_does_doubt() {
    let mut faults = Vec::new();
    for who in users() {
        for (name, make) in SHAPES {
            let place = Place::new(who);
            let run = place.start_ready("idle,agents=100");
            let tree = run.tree();
            let at = Instant::now();
            make(&place);
            if let Err(fault) = tree.all_dead(at).and_then(|_| run.end()) {
                faults.push(format!("{who:?} {name}: {fault}"));
            }
            // Wherever it is now: nobody takes it for one that may start.
            for data in [place.data(), place.path("d2")] {
                if word(&karyon_safety::read(&data)) == "clear" {
                    faults.push(format!("{who:?} {name}: {} is clear", data.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_folder_that_cannot_be_looked_into_stops() {
    // Root looks into everything.
    let place = Place::new(Who::User);
    let run = place.start_ready("idle,agents=100");
    let tree = run.tree();
    let at = Instant::now();
    let safety = place.data().join("safety");
    fs::set_permissions(&safety, fs::Permissions::from_mode(0o000)).unwrap();
    tree.all_dead(at).unwrap();
    let status = run.end().unwrap();
    fs::set_permissions(&safety, fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(word(&place.marker()), "clear", "{}: {}", code(status), place.said());
}

#[test]
fn nothing_starts_while_stop_is_there() {
    for who in users() {
        for at in ["d/safety/STOP", "host/STOP"] {
            for link in [false, true] {
                let place = Place::new(who);
                let stop = place.path(at);
                if at.starts_with('d') {
                    fs::create_dir(place.data().join("safety")).unwrap();
                    place.give(&place.data().join("safety"));
                }
                if link { symlink("/nowhere", &stop) } else { fs::write(&stop, "") }.unwrap();
                let status = place.start("idle,agents=100").end().unwrap();
                assert_eq!(code(status), "exit 4", "{who:?} {at}: {}", place.said());
                assert!(place.said().contains("STOP"), "{}", place.said());
                assert!(!place.data().join("ready").exists(), "it ran");
                assert_ne!(word(&place.marker()), "running", "nothing was started");
            }
        }
    }
}
