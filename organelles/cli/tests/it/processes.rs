//! A run is asked about its agents from outside while it is under way.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use karyon_boundary::{Client, Hello};

use crate::support::{PATIENCE, Place};

/// What the node in `data` says of itself; `None`: nobody listens there yet.
fn hello(data: &Path) -> Option<Hello> {
    Client::connect(data, "test", PATIENCE).ok().map(|client| client.hello().clone())
}

/// Each command that asks a node, about an agent where it needs one.
const ASKING: [&[&str]; 7] = [
    &["ps"],
    &["inspect", "1"],
    &["pause", "1"],
    &["resume", "1"],
    &["kill", "1"],
    &["restart", "1"],
    &["fork", "1"],
];

#[test]
fn a_run_is_asked_while_it_is_under_way_and_by_nobody_afterwards() {
    let place = Place::new();
    let (data, socket) = (place.path("d"), place.path("d/node.sock"));
    let mut running = place.start_long("d");
    let mut said = None;
    running.wait_until(|| {
        said = hello(&data);
        said.is_some()
    });
    let found = fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    // As root the node is another user, who has the directory.
    assert_eq!(found.uid(), fs::metadata(&data).unwrap().uid());
    running.signal("INT");
    running.end().expect(130);
    assert!(!socket.exists());
    let (said, report) = (said.unwrap(), place.verified("d"));
    assert_eq!((said.boot, said.protocol), (1, 1));
    assert_eq!(report["log_id"], said.log, "{report}");
    for command in ASKING {
        let args = [command, &["--data", "d"]].concat();
        let refused = place.karyon(&args).expect(1);
        let refused = refused.says(&["no node runs in d", "hint: start a run with `karyon run"]);
        assert!(refused.out.is_empty());
        let answer = place.karyon(&[&args[..], &["--json"]].concat()).expect(1).json();
        assert_eq!(answer["exit_code"], 1);
    }
}

#[test]
fn what_a_killed_node_leaves_behind_is_nobody() {
    let place = Place::new();
    let (data, socket) = (place.path("d"), place.path("d/node.sock"));
    let mut running = place.start_long("d");
    running.wait_until(|| hello(&data).is_some());
    running.kill();
    assert!(socket.exists(), "nothing is shown by this");
    place.karyon(&["ps", "--data", "d"]).expect(1).says(&["no node runs in d"]);
    place.end_safe_mode("d", "it was killed");
    let mut running = place.start(&["resume", "--data", "d", "--schedulers", "1"]);
    running.wait_until(|| hello(&data).is_some_and(|hello| hello.boot == 2));
    running.signal("TERM");
    running.end().expect(143);
    assert!(!socket.exists());
}

#[test]
fn what_is_asked_in_vain_is_told_why() {
    let place = Place::new();
    for command in ASKING {
        let args = [command, &["--data", "nowhere"]].concat();
        place.karyon(&args).expect(1).says(&["there is no data directory nowhere"]);
    }
    // Somebody has the directory, and is no run.
    fs::create_dir(place.path("d")).unwrap();
    let lock = fs::File::create(place.path("d/lock")).unwrap();
    lock.lock().unwrap();
    place.karyon(&["ps", "--data", "d"]).expect(1).says(&["d is in use, but nobody there"]);
    for usage in [
        &["resume", "1", "--schedulers", "2", "--data", "d"][..],
        &["ps", "--limit", "1001", "--data", "d"],
        &["ps", "--limit", "0", "--data", "d"],
        &["ps", "--sort", "size", "--data", "d"],
        &["inspect", "--data", "d"],
    ] {
        place.karyon(usage).expect(2);
    }
}

#[test]
fn a_fork_in_a_run_that_is_under_way_outlives_a_kill_and_is_replayed() {
    let place = Place::new();
    let data = place.path("d");
    let mut running = place.start_long("d");
    running.wait_until(|| hello(&data).is_some());
    let fork = |agent: &str| {
        let answer = place.karyon(&["fork", agent, "--json", "--data", "d"]).expect(0).json();
        assert_eq!(answer["done"], "forked");
        answer["child"].as_u64().unwrap()
    };
    let child = fork("id:1");
    let again = format!("id:{child}");
    assert_eq!(fork(&again), child + 1, "a fork of a fork");
    let inspect = |agent: &str| {
        let args = ["inspect", agent, "--json", "--data", "d"];
        place.karyon(&args).expect(0).json()
    };
    let mut found = inspect(&again);
    let name = found["process"]["name"].as_str().unwrap().to_owned();
    assert!(name.ends_with(&format!("/fork-{child}")), "{name}");
    assert_eq!(inspect(&format!("name:{name}"))["process"]["id"], child);
    running.wait_until(|| {
        found = inspect(&again);
        found["at"]["provisional"] == false
    });
    running.kill();
    place.end_safe_mode("d", "it was killed");
    let replay = ["replay", "--verify", "--data", "d"];
    place.karyon(&replay).expect(0);
    place.karyon(&["resume", "--data", "d", "--schedulers", "2"]).expect(0);
    place.karyon(&replay).expect(0);
    place.karyon(&["audit", "orphans", "--data", "d"]).expect(0);
    assert_eq!(place.verified("d")["state"], "sealed");
}
