//! `karyon key`: made, shown, rotated, given to others; and runs across a rotation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use karyon_keys::{KeyDirectory, KeyKind, KeyState};
use serde_json::Value;

use crate::support::{Ended, Place};

fn key(place: &Place, args: &[&str]) -> Ended {
    place.karyon(&[&["key"], args].concat())
}

fn shown(place: &Place, which: &[&str]) -> Vec<Value> {
    let object = key(place, &[&["show", "--json"], which].concat()).expect(0).json();
    object["keys"].as_array().unwrap().clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A place with a finished run in `first`.
fn ran() -> Place {
    let place = Place::new();
    place.write("c.txt", "a b 1\nb c 2\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "first"]).expect(0);
    place
}

#[test]
fn principals_are_made_and_the_default_is_chosen() {
    let place = Place::new();
    let ada = key(&place, &["new", "ada", "--json"]).expect(0).json();
    assert_eq!((&ada["principal"], &ada["default"]), (&"ada".into(), &true.into()));
    let bob = key(&place, &["new", "bob", "--json"]).expect(0).json();
    assert_eq!(bob["default"], false);
    let eve = key(&place, &["new", "eve", "--default", "--json"]).expect(0).json();
    assert_eq!(eve["default"], true);
    key(&place, &["new", "ada"]).expect(1).says(&["exists already"]);
    key(&place, &["new", "../ada"]).expect(1).says(&["cannot name a principal"]);
    key(&place, &["new"]).expect(2);
    // `init` does the same.
    place.karyon(&["init", "--principal", "ina"]).expect(0);

    let keys = shown(&place, &[]);
    let names: Vec<_> = keys.iter().map(|key| text(&key["name"])).collect();
    assert_eq!(names, ["ada", "bob", "eve", "ina"]);
    for shown in &keys {
        assert_eq!(shown["default"], shown["name"] == "eve");
        assert_eq!((&shown["state"], &shown["secret"]), (&"current".into(), &true.into()));
        assert!(shown["created_unix_ms"].as_u64().unwrap() > 1_600_000_000_000);
    }
    assert_eq!(keys[0]["public_key"], ada["public_key"]);
}

#[test]
fn nothing_secret_is_ever_shown() {
    let place = ran();
    key(&place, &["new", "ada"]).expect(0);
    key(&place, &["rotate", "ada"]).expect(0);
    key(&place, &["rotate", "--node"]).expect(0);
    let mut secrets = Vec::new();
    for folder in ["", "retired", "principals", "principals/retired"] {
        for entry in fs::read_dir(place.keys().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "key") {
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
                let text = fs::read_to_string(path).unwrap();
                secrets.push(text.split_whitespace().last().unwrap().to_owned());
            }
        }
    }
    // The node and its former key, ada and her former key, and the principal of the run.
    assert_eq!(secrets.len(), 5);
    for args in [
        &["show"][..],
        &["show", "--json"],
        &["show", "ada"],
        &["export-public"],
        &["export-public", "ada", "--json"],
        &["rotate", "ada", "--destroy-old"],
        &["new", "bob"],
    ] {
        let ended = key(&place, args).expect(0);
        for secret in &secrets {
            assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{args:?}");
        }
    }
}

#[test]
fn one_key_is_shown_by_name() {
    let place = ran();
    assert_eq!(shown(&place, &["--node"]).len(), 1);
    assert_eq!(shown(&place, &["--node"])[0]["kind"], "node");
    key(&place, &["new", "ada"]).expect(0);
    assert_eq!(shown(&place, &["ada"]).len(), 1);
    key(&place, &["show", "nobody"]).expect(1).says(&["nobody", "missing"]);
    key(&place, &["show", "ada", "--node"]).expect(2);
    let people = key(&place, &["show"]).expect(0).out;
    assert!(people.contains("principal ada") && people.contains("current"), "{people}");
    assert_eq!(shown(&Place::new(), &[]), Vec::<Value>::new());
}

#[test]
fn a_public_key_goes_to_others() {
    let place = ran();
    let line = key(&place, &["export-public"]).expect(0).out;
    assert_eq!(line, fs::read_to_string(place.keys().join("node.pub")).unwrap());
    key(&place, &["export-public", "--node", "--out", "mine.pub"]).expect(0);
    assert_eq!(fs::read_to_string(place.path("mine.pub")).unwrap(), line);
    key(&place, &["export-public", "--out", "mine.pub"]).expect(1).says(&["mine.pub", "--out"]);
    place.karyon(&["audit", "verify", "--data", "first", "--key", "mine.pub"]).expect(0);
    key(&place, &["export-public", "nobody"]).expect(1);
}

#[test]
fn who_trusted_the_old_key_follows_to_the_new_one() {
    let place = ran();
    key(&place, &["export-public", "--out", "old.pub"]).expect(0);
    let one = key(&place, &["rotate", "--node", "--json"]).expect(0).json();
    let two = key(&place, &["rotate", "--node", "--json"]).expect(0).json();
    assert_eq!(one["new"], two["old"]);
    let (first, second) = (text(&one["statement"]), text(&two["statement"]));
    let follow =
        |files: &[&str]| key(&place, &[&["follow", "--from", "old.pub", "--json"], files].concat());
    for files in [&[first, second][..], &[second, first]] {
        let object = follow(files).expect(0).json();
        assert_eq!((&object["key"], &object["steps"]), (&two["new"], &2.into()));
    }
    assert_eq!(follow(&[first]).expect(0).json()["key"], one["new"]);
    assert_eq!(follow(&[second]).expect(0).json()["steps"], 0);

    let changed = fs::read_to_string(first).unwrap().replace("\nat 1", "\nat 2");
    place.write("changed.rotation", &changed);
    follow(&["changed.rotation"]).expect(5).says(&["not signed by that key"]);
    place.write("other.rotation", "nothing");
    follow(&["other.rotation"]).expect(5).says(&["line 1"]);
    follow(&["nowhere"]).expect(1);
}

#[test]
fn logs_of_a_former_key_verify_and_are_gone_on_with() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let old = text(&place.verified("d")["node_key"]).to_owned();
    let rotation = key(&place, &["rotate", "--node", "--json"]).expect(0).json();
    assert_eq!((&rotation["old"], &rotation["destroyed"]), (&old.as_str().into(), &false.into()));

    let report = place.verified("d");
    assert_eq!((&report["key"], &report["node_key"]), (&"retired".into(), &old.as_str().into()));
    let people = place.karyon(&["audit", "verify", "--data", "d"]).expect(0).out;
    assert!(people.contains("retired"), "{people}");
    place.resumes_to_the_same_state("d");
    assert_eq!(place.verified("d")["node_key"], old.as_str());

    // What begins now is signed by the new one.
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "e"]).expect(0);
    let report = place.verified("e");
    assert_eq!((&report["node_key"], &report["key"]), (&rotation["new"], &"trusted".into()));
}

#[test]
fn engrams_leave_and_enter_logs_of_a_former_key() {
    let place = ran();
    let other = ["run", "rumour", "--contacts", "c.txt", "--data", "other", "--seed", "2"];
    place.karyon(&other).expect(0);
    key(&place, &["rotate", "--node"]).expect(0);
    let out = ["--agent", "b", "--out", "b.engram", "--data", "first"];
    place.karyon(&[&["engram", "export"][..], &out].concat()).expect(0);
    let signer = text(&place.verified("first")["node_key"]).to_owned();
    // A former key is trusted for what it logged, and for nothing that comes from outside.
    let import = ["engram", "import", "b.engram", "--data", "other"];
    place.karyon(&import).expect(3).says(&["not trusted"]);
    place.karyon(&[&import[..], &["--trust", &signer]].concat()).expect(0).says(&["former"]);
    let report = place.verified("other");
    assert_eq!((&report["imports"], &report["key"]), (&1.into(), &"retired".into()));
}

#[test]
fn an_erased_key_verifies_but_does_not_go_on() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let old = text(&place.verified("d")["node_key"]).to_owned();
    let ended = key(&place, &["rotate", "--node", "--destroy-old", "--json"]).expect(0);
    let ended = ended.says(&["warning", "no longer resumed", "SSD"]);
    assert_eq!(ended.json()["destroyed"], true);
    assert!(!place.keys().join(format!("retired/{old}.key")).exists());
    assert_eq!(shown(&place, &["--node"])[1]["secret"], false);
    assert_eq!(place.verified("d")["key"], "retired");
    place.karyon(&["resume", "--data", "d"]).expect(1).says(&[&old, "is not here"]);
}

#[test]
fn a_principal_rotates_and_goes_on_granting() {
    let place = ran();
    let name = shown(&place, &[])[1]["name"].as_str().unwrap().to_owned();
    let before = shown(&place, &[&name])[0]["public_key"].clone();
    key(&place, &["rotate", &name]).expect(0);
    let keys = shown(&place, &[&name]);
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0]["public_key"], before);
    assert_eq!((&keys[1]["public_key"], &keys[1]["state"]), (&before, &"retired".into()));
    assert_eq!(keys[1]["successor"], keys[0]["public_key"]);
    assert_eq!(keys[0]["default"], true);
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "second"]).expect(0);
    place.verified("first");
    key(&place, &["rotate", "nobody"]).expect(1).says(&["nobody", "missing"]);
    key(&place, &["rotate"]).expect(2);
}

#[test]
fn rotations_at_the_same_time_leave_one_key() {
    let place = ran();
    let before = shown(&place, &["--node"])[0]["public_key"].clone();
    let running: Vec<_> =
        (0..4).map(|_| place.start(&["key", "rotate", "--node", "--json"])).collect();
    let ended: Vec<_> = running.into_iter().map(|running| running.end()).collect();
    let won = ended.iter().filter(|ended| ended.code == Some(0)).count();
    let told = |ended: &&Ended| ended.err.contains("rotated by another process");
    assert!(won >= 1, "{ended:?}");
    assert_eq!(won + ended.iter().filter(told).count(), 4, "{ended:?}");
    let keys = shown(&place, &["--node"]);
    assert_eq!(keys.len(), won + 1);
    assert_eq!(keys.last().unwrap()["public_key"], before);
    assert_eq!(place.verified("first")["key"], "retired");
}

/// Copies a data directory.
fn copied(place: &Place, from: &str, to: &str) {
    let status = std::process::Command::new("cp")
        .args(["-a", "--"])
        .args([place.path(from), place.path(to)])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_rollback_is_found_by_the_checkpoint_beside_the_keys() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    // The whole directory, its own checkpoint and marker with it.
    copied(&place, "d", "old");
    place.resumes_to_the_same_state("d");
    let log = text(&place.verified("d")["log_id"]).to_owned();
    let kept = place.keys().join("checkpoints").join(&log);
    let note = fs::read_to_string(&kept).unwrap();
    assert_eq!(note, fs::read_to_string(place.path("d/log/checkpoint")).unwrap());
    place.remove("d");
    copied(&place, "old", "d");

    // That it is not the directory of before is seen first; a person who waves it through still
    // does not get what the log does not extend.
    place.karyon(&["resume", "--data", "d"]).expect(4).says(&["safe mode"]);
    place.end_safe_mode("d", "looks right");
    for args in [&["audit", "verify", "--data", "d"][..], &["resume", "--data", "d"]] {
        place.karyon(args).expect(5).says(&["block", "record", "checkpoint"]);
    }
    // Nothing in the directory itself shows it: without what is kept elsewhere it passes.
    fs::remove_dir_all(place.keys().join("checkpoints")).unwrap();
    assert_eq!(place.verified("d")["state"], "interrupted");
    place.resumes_to_the_same_state("d");
}

#[test]
fn a_rolled_back_import_is_found_too() {
    let place = ran();
    let other = ["run", "rumour", "--contacts", "c.txt", "--data", "other", "--seed", "2"];
    place.karyon(&other).expect(0);
    let out = ["--agent", "b", "--out", "b.engram", "--data", "first"];
    place.karyon(&[&["engram", "export"][..], &out].concat()).expect(0);
    copied(&place, "other", "old");
    let import = ["engram", "import", "b.engram", "--data", "other"];
    place.karyon(&import).expect(0);
    place.verified("other");
    place.karyon(&import).expect(0);
    place.verified("other");
    place.remove("other");
    copied(&place, "old", "other");
    place.karyon(&["audit", "verify", "--data", "other"]).expect(5);
    place.karyon(&import).expect(4).says(&["safe mode"]);
    place.end_safe_mode("other", "looks right");
    place.karyon(&import).expect(5).says(&["block", "checkpoint"]);
}

#[test]
fn a_changed_checkpoint_beside_the_keys_is_not_passed_over() {
    let place = ran();
    let log = text(&place.verified("first")["log_id"]).to_owned();
    let kept = place.keys().join("checkpoints").join(&log);
    let note = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, note.replace(&log, &"0".repeat(32))).unwrap();
    let told = [kept.to_str().unwrap(), "is broken"];
    place.karyon(&["audit", "verify", "--data", "first"]).expect(5).says(&told);
    place.karyon(&["resume", "--data", "first"]).expect(5).says(&told);
}

/// The calls by which a rotation changes files.
const CALLS: [&str; 6] = ["openat", "mkdir", "write", "fsync", "rename", "unlink"];

/// A rotation that is killed as it begins the `nth` call of a kind: whether it was, or `None` when
/// the machine lets nobody trace.
fn killed(place: &Place, call: &str, nth: usize) -> Option<bool> {
    let ended = std::process::Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e"])
        .arg(format!("inject={call}:signal=KILL:when={nth}"))
        .args([env!("CARGO_BIN_EXE_karyon"), "key", "rotate", "--node"])
        .env("KARYON_CONFIG_HOME", place.keys())
        .output();
    let ended = ended.ok()?;
    let words = String::from_utf8_lossy(&ended.stderr);
    match ended.status.code() {
        Some(0) => Some(false),
        None => Some(true),
        Some(_) if words.contains("ptrace") => None,
        Some(_) => panic!("{call} {nth}: {words}"),
    }
}

#[test]
fn a_rotation_killed_at_any_file_operation_leaves_one_usable_key() {
    let mut kills = 0;
    for call in CALLS {
        for nth in 1.. {
            let place = Place::new();
            let keys = KeyDirectory::at(place.keys());
            let before = keys.load_or_create_node_key().unwrap().0.public_key();
            let Some(was_killed) = killed(&place, call, nth) else {
                return crate::support::skipped("kills at every file operation: no `strace`");
            };
            let now = keys.load_node_key().unwrap().public_key();
            let found = keys.list().unwrap();
            let current: Vec<_> = found
                .iter()
                .filter(|key| matches!(key.state, KeyState::Current { .. }))
                .map(|key| key.public)
                .collect();
            assert_eq!(current, [now], "{call} {nth}");
            // What logs need is there, whichever key is the current one.
            assert_eq!(keys.node_key_for(&before).unwrap().public_key(), before, "{call} {nth}");
            let next = keys.rotate(&KeyKind::Node, &now).unwrap().new;
            assert_eq!(keys.load_node_key().unwrap().public_key(), next, "{call} {nth}");
            if !was_killed {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 30, "only {kills} kills");
}
