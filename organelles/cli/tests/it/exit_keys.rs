//! Governed memories that are carried elsewhere, with their keys and without.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::exit::{carried, export, import, node_key};
use crate::support::Place;

pub(crate) const FOREVER: [&str; 4] = ["--keep", "forever", "--reason", "because"];

pub(crate) fn told(place: &Place, verb: &str, what: [&str; 3]) {
    let args = [&["memory", verb], &what[..], &FOREVER, &["--data", "d"]].concat();
    place.karyon(&args).expect(0);
}

pub(crate) fn forget(place: &Place, data: &str, more: &[&str]) {
    let args =
        [&["memory", "forget"], more, &["--reason", "asked", "--yes", "--data", data]].concat();
    place.karyon(&args).expect(0);
}

pub(crate) fn recall(place: &Place, data: &str, more: &[&str]) -> Vec<Value> {
    let args = [&["memory", "recall", "--json", "--data", data], more].concat();
    place.karyon(&args).expect(0).json()["memories"].as_array().unwrap().clone()
}

/// Memories of three subjects: one superseded, one erased, a subject erased as a whole.
pub(crate) fn office() -> Place {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "30 days net"]);
    told(&place, "supersede", ["acme", "terms", "14 days net"]);
    told(&place, "remember", ["acme", "phone", "CANARY-PHONE"]);
    told(&place, "remember", ["bo", "all", "CANARY-BO"]);
    told(&place, "remember", ["deploys", "friday", "none after noon"]);
    forget(&place, "d", &["acme", "--key", "phone"]);
    forget(&place, "d", &["bo"]);
    place
}

/// Carries all keys of a machine to another one.
fn copy_keys(place: &Place, there: &Place) {
    let mut copy = Command::new("cp");
    copy.arg("-a").args([place.keys(), there.keys()]);
    assert!(copy.status().unwrap().success());
}

/// What is answered about everything, with histories.
pub(crate) fn answers(place: &Place, data: &str) -> Vec<Vec<Value>> {
    let questions: [&[&str]; 7] = [
        &[],
        &["--subject", "acme", "--key", "terms", "--history"],
        &["--subject", "acme", "--key", "phone"],
        &["--subject", "bo"],
        &["days"],
        &["--as-recorded", "#6"],
        &["--subject", "nobody"],
    ];
    questions.iter().map(|question| recall(place, data, question)).collect()
}

#[test]
fn with_keys_everything_is_said_and_what_was_erased_is_erased() {
    let place = office();
    let before = answers(&place, "d");
    assert_eq!(before[2][0]["erased"], true, "{before:?}");
    let told = export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    assert_eq!(answers(&place, "d"), before, "nothing changed here");
    let there = carried(&place, "d.tar");
    fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
    let key = node_key(&place);
    let taken = import(&there, "d.tar", "d", &["--keys", "d.keys", "--trust", &key]);
    assert_eq!((&taken["keys"], &taken["memory_root"]), (&true.into(), &told["memory_root"]));
    assert_eq!(answers(&there, "d"), before);
    let brief = |place: &Place| {
        place.karyon(&["memory", "brief", "--json", "--data", "d"]).expect(0).json()
    };
    assert_eq!(brief(&place), brief(&there));
    // The masters are three: here, on the way, there.
    let master = |place: &Place| {
        let folder = fs::read_dir(place.keys().join("keystores")).unwrap();
        let files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
        fs::read_to_string(&files[0]).unwrap()
    };
    assert_ne!(master(&place), master(&there));
    let on_the_way = fs::read(place.path("d.keys")).unwrap();
    for place in [&place, &there] {
        let key = master(place).lines().nth(3).unwrap().to_owned();
        assert!(!on_the_way.windows(key.len()).any(|window| window == key.as_bytes()));
    }
}

#[test]
fn without_keys_it_stays_sealed_and_nothing_is_mixed_up() {
    let place = office();
    export(&place, "d", "d.tar", &[]);
    let there = carried(&place, "d.tar");
    // The node's key comes along, the keys of what was said do not.
    copy_keys(&place, &there);
    fs::remove_dir_all(there.keys().join("keystores")).unwrap();
    import(&there, "d.tar", "d", &[]);
    let found = recall(&there, "d", &[]);
    assert!(found.len() >= 2, "{found:?}");
    for memory in &found {
        assert_eq!(memory["sealed"], true, "{memory}");
        assert_eq!(memory["text"], Value::Null);
        assert_eq!(memory["reason"], "because");
    }
    // New ones would be taken for those of the subjects that have these numbers.
    there.end_safe_mode("d", "brought here");
    let more = ["memory", "remember", "eve", "x", "y", "--data", "d"];
    let refused = there.karyon(&[&more[..], &FOREVER].concat()).expect(1);
    refused.says(&["sealed under keys that are not here", "--keys"]);
    assert!(!there.path("d/keystore").exists());
    there.verified("d");
}

#[test]
fn with_keys_it_goes_on_there_and_forgets_on_its_own() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let there = carried(&place, "d.tar");
    fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
    copy_keys(&place, &there);
    // A machine that has these keys is told so.
    let again = ["import", "d.tar", "--data", "d", "--keys", "d.keys"];
    there.karyon(&again).expect(1).says(&["has these keys already"]);
    assert!(!there.path("d").exists() && !there.path(".d.importing").exists());
    fs::remove_dir_all(there.keys().join("keystores")).unwrap();
    import(&there, "d.tar", "d", &["--keys", "d.keys"]);
    there.end_safe_mode("d", "brought here");
    told(&there, "supersede", ["acme", "terms", "7 days net"]);
    told(&there, "remember", ["eve", "x", "y"]);
    assert_eq!(
        recall(&there, "d", &["--subject", "acme", "--key", "terms"])[0]["text"],
        "7 days net"
    );
    forget(&there, "d", &["acme"]);
    assert_eq!(recall(&there, "d", &["--subject", "acme", "--key", "terms"])[0]["erased"], true);
    assert_eq!(recall(&there, "d", &["--subject", "eve"])[0]["text"], "y");
    there.verified("d");
    // What is forgotten there is not forgotten here.
    assert_eq!(
        recall(&place, "d", &["--subject", "acme", "--key", "terms"])[0]["text"],
        "14 days net"
    );
}

#[test]
fn a_master_key_that_a_killed_import_left_is_in_nobodys_way() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let there = carried(&place, "d.tar");
    fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
    import(&there, "d.tar", "d", &["--keys", "d.keys"]);
    // As it is when the keys have their place, and the directory is about to get its own.
    fs::rename(there.path("d"), there.path(".d.importing")).unwrap();
    let name = "0123456789abcdef".repeat(2);
    there.write(".d.importing/importing", &format!("{name}\n"));
    let keystores = there.keys().join("keystores");
    let master = fs::read_dir(&keystores).unwrap().next().unwrap().unwrap().file_name();
    let at = there.path(".d.importing").canonicalize().unwrap();
    let note = keystores.join(format!(".{}.made", master.to_str().unwrap()));
    fs::write(note, format!("{name}\n{}\n", at.display())).unwrap();
    import(&there, "d.tar", "d", &["--keys", "d.keys"]);
    assert_eq!(answers(&there, "d"), answers(&place, "d"));
    assert_eq!(fs::read_dir(there.keys().join("keystores")).unwrap().count(), 1);
    assert!(!there.path("d/importing").exists(), "a note is left");
    // Of a directory that is in its place it stays.
    let again = ["import", "d.tar", "--data", "e", "--keys", "d.keys"];
    there.karyon(&again).expect(1).says(&["has these keys already"]);
    assert_eq!(answers(&there, "d"), answers(&place, "d"));
}

#[test]
fn keys_that_are_older_than_an_erasure_do_not_bring_it_back() {
    let place = office();
    export(&place, "d", "early.tar", &["--keys", "early.keys"]);
    forget(&place, "d", &["deploys"]);
    export(&place, "d", "late.tar", &["--keys", "late.keys"]);
    let there = carried(&place, "late.tar");
    fs::copy(place.path("early.keys"), there.path("early.keys")).unwrap();
    import(&there, "late.tar", "d", &["--keys", "early.keys"]);
    assert_eq!(
        recall(&there, "d", &["--subject", "deploys", "--key", "friday"])[0]["erased"],
        true
    );
    assert_eq!(
        recall(&there, "d", &["--subject", "acme", "--key", "terms"])[0]["text"],
        "14 days net"
    );
}

#[test]
fn wrong_keys_and_none() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let other = Place::new();
    told(&other, "remember", ["zoe", "terms", "x"]);
    export(&other, "d", "o.tar", &["--keys", "o.keys"]);
    let there = carried(&place, "d.tar");
    fs::copy(other.path("o.keys"), there.path("o.keys")).unwrap();
    let wrong = ["import", "d.tar", "--data", "d", "--keys", "o.keys"];
    there.karyon(&wrong).expect(1).says(&["not the keys of this export"]);
    there.write("no.keys", "what a day");
    fs::set_permissions(there.path("no.keys"), fs::Permissions::from_mode(0o600)).unwrap();
    let none = ["import", "d.tar", "--data", "d", "--keys", "no.keys"];
    there.karyon(&none).expect(1).says(&["no.keys"]);
    fs::set_permissions(there.path("o.keys"), fs::Permissions::from_mode(0o644)).unwrap();
    there.karyon(&wrong).expect(1).says(&["chmod 600"]);
    assert!(!there.path("d").exists() && !there.path(".d.importing").exists());
    let left = fs::read_dir(there.keys().join("keystores")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a master key is left");
    // Nothing is exported when its keys cannot be, nor the other way round.
    let existing = ["export", "--data", "d", "--out", "x.tar", "--keys", "d.keys"];
    place.karyon(&existing).expect(1).says(&["d.keys is there already"]);
    let existing = ["export", "--data", "d", "--out", "d.tar", "--keys", "x.keys"];
    place.karyon(&existing).expect(1).says(&["d.tar is there already"]);
    let inside = ["export", "--data", "d", "--out", "x.tar", "--keys", "d/x.keys"];
    place.karyon(&inside).expect(1).says(&["inside of the data directory"]);
    for name in ["x.tar", "x.tar.part", "x.keys", "d/x.keys"] {
        assert!(!place.path(name).exists(), "{name}");
    }
    // A run has none.
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "r"]).expect(0);
    let none = ["export", "--data", "r", "--out", "r.tar", "--keys", "r.keys"];
    place.karyon(&none).expect(1).says(&["nothing is remembered in r"]);
    assert!(!place.path("r.tar").exists());
}
