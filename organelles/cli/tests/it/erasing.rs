//! Keys that stay, and keys that go: whatever lies in the way, was taken away or brought back.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::engram::run;
use crate::exit::{export, import};
use crate::exit_carried::{copy, half_erased, names};
use crate::exit_keys::{FOREVER, answers, forget, office, recall, told};
use crate::support::{Ended, Place};

const FRIDAY: [&str; 4] = ["--subject", "deploys", "--key", "friday"];
const SAID: &str = "none after noon";

fn remember(place: &Place, subject: &str) -> Ended {
    let args = ["memory", "remember", subject, "new", "x", "--data", "d"];
    place.karyon(&[&args[..], &FOREVER].concat())
}

fn try_to_forget(place: &Place, more: &[&str]) -> Ended {
    let args = ["memory", "forget", "--reason", "r", "--yes", "--data", "d"];
    place.karyon(&[&args[..], more].concat())
}

#[test]
fn an_import_takes_no_master_key_of_a_directory_that_lives() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let (before, keystores) = (answers(&place, "d"), place.keys().join("keystores"));
    let masters = names(&keystores);
    let staging = place.path(".e.importing");
    let plant = |how: &str| match how {
        "copy" => copy(&place, "d", ".e.importing"),
        "link" => {
            fs::create_dir(&staging).unwrap();
            symlink(place.path("d/keystore"), staging.join("keystore")).unwrap();
        }
        _ => {
            fs::create_dir(&staging).unwrap();
            place.write(".e.importing/mine", "not to be lost");
        }
    };
    for how in ["copy", "link", "stray"] {
        for more in [&[][..], &["--keys", "d.keys"]] {
            plant(how);
            let planted = names(&staging);
            let refused = place.karyon(&[&["import", "d.tar", "--data", "e"], more].concat());
            refused.expect(1).says(&[".e.importing is in the way", "no import made it"]);
            assert_eq!(names(&staging), planted, "{how}: it was cleared");
            assert_eq!(names(&keystores), masters, "{how}");
            assert_eq!(answers(&place, "d"), before, "{how}");
            // Who can write there can call it one of an import; it is no other's master for that.
            let name = "0123456789abcdef".repeat(2);
            place.write(".e.importing/importing", &format!("{name}\n"));
            let ended = place.karyon(&[&["import", "d.tar", "--data", "e"], more].concat());
            assert_eq!(ended.code, Some(i32::from(!more.is_empty())), "{ended:?}");
            assert_eq!(names(&keystores), masters, "{how}");
            assert_eq!(answers(&place, "d"), before, "{how}");
            assert!(!staging.exists());
            if place.path("e").exists() {
                place.remove("e");
            }
        }
    }
    // A note that is none, and something that is no folder of an import.
    for note in ["", "0123", &"x".repeat(32), &"0".repeat(33)] {
        plant("copy");
        place.write(".e.importing/importing", &format!("{note}\n"));
        place.karyon(&["import", "d.tar", "--data", "e"]).expect(1).says(&["no import made it"]);
        fs::remove_dir_all(&staging).unwrap();
    }
    plant("copy");
    place.write("note", &format!("{}\n", "0".repeat(32)));
    symlink(place.path("note"), staging.join("importing")).unwrap();
    place.karyon(&["import", "d.tar", "--data", "e"]).expect(1).says(&["no import made it"]);
    fs::remove_dir_all(&staging).unwrap();
    // What came no further than to its lock is taken up.
    fs::create_dir(&staging).unwrap();
    place.write(".e.importing/lock", "");
    import(&place, "d.tar", "e", &[]);
    assert_eq!(names(&keystores), masters);
}

#[test]
fn a_link_in_the_place_of_the_note_is_not_followed() {
    let place = office();
    place.write("victim", "not to be lost");
    symlink(place.path("victim"), place.path("d/erasing")).unwrap();
    let refused = try_to_forget(&place, &["deploys"]).expect(1);
    refused.says(&["nothing was erased", "no regular file", "put aside"]);
    assert_eq!(fs::read_to_string(place.path("victim")).unwrap(), "not to be lost");
    fs::remove_file(place.path("d/erasing")).unwrap();
    assert_eq!(recall(&place, "d", &FRIDAY)[0]["text"], SAID);
    // Nor one that leads to nothing.
    symlink(place.path("new"), place.path("d/erasing")).unwrap();
    try_to_forget(&place, &["deploys"]).expect(1);
    assert!(!place.path("new").exists());
    fs::remove_file(place.path("d/erasing")).unwrap();
    forget(&place, "d", &["deploys"]);
    assert!(!place.path("d/erasing").exists());
}

#[test]
fn what_the_log_says_is_erased_is_erased_without_a_note_of_it() {
    let erased = || {
        let place = half_erased();
        fs::remove_file(place.path("d/erasing")).unwrap();
        place
    };
    // Somebody else has the directory: nothing is removed, and nothing told.
    let place = erased();
    let lock = File::open(place.path("d/lock")).unwrap();
    lock.lock().unwrap();
    let keys = names(&place.path("d/keystore"));
    assert_eq!(recall(&place, "d", &FRIDAY)[0]["erased"], true);
    for args in [
        &["memory", "recall", "--data", "d"][..],
        &["memory", "brief", "--data", "d"],
        &[
            "memory",
            "recall",
            "--history",
            "--subject",
            "deploys",
            "--key",
            "friday",
            "--data",
            "d",
        ],
        &["why", "#13", "--data", "d"],
        &["why", "deploys", "--data", "d"],
    ] {
        let ended = place.karyon(args);
        assert!(!ended.out.contains(SAID), "{args:?}: {ended:?}");
    }
    assert_eq!(names(&place.path("d/keystore")), keys);
    drop(lock);
    let friday = recall(&place, "d", &FRIDAY);
    let of = friday[0]["record"].to_string();
    assert_eq!(friday[0]["erased"], true);
    // Whoever asked has destroyed the keys: the copy of the master opens nothing any more.
    assert_ne!(names(&place.path("d/keystore")), keys);
    assert_eq!(
        recall(&place, "d", &["--subject", "acme", "--key", "terms"])[0]["text"],
        "14 days net"
    );

    let explain = ["why", &format!("#{of}"), "--json", "--data", "d"];
    let place = erased();
    let explained = place.karyon(&explain).expect(0);
    assert!(explained.out.contains("friday") && !explained.out.contains(SAID), "{explained:?}");

    let place = erased();
    let args = ["engram", "export", "--subject", "acme", "--out", "a.engram", "--data", "d"];
    place.karyon(&args).expect(0);
    assert_ne!(names(&place.path("d/keystore")), keys, "it was not gone on with");

    // It is never remembered again, nor is anything put in its place.
    for verb in ["remember", "supersede"] {
        for key in ["friday", "other"] {
            let place = erased();
            let args = ["memory", verb, "deploys", key, "again", "--data", "d"];
            let refused = place.karyon(&[&args[..], &FOREVER].concat()).expect(1);
            assert!(refused.err.contains("is erased, and stays so"), "{refused:?}");
            assert_ne!(names(&place.path("d/keystore")), keys, "{verb} {key}");
        }
    }
    let place = erased();
    remember(&place, "eve").expect(0);
    assert_ne!(names(&place.path("d/keystore")), keys);
    place.verified("d");
}

/// Of two who order at once one may end what both began, just before the other's is recorded: the
/// node notes it once more. What is ended here is so by hand, each time as soon as it is begun.
#[test]
fn who_ends_what_another_begins_does_not_take_its_note() {
    let place = Place::new();
    for round in 0..5 {
        told(&place, "remember", ["acme", &round.to_string(), "text"]);
    }
    let (note, mut is_noted) = (place.path("d/erasing"), false);
    for round in 0..5 {
        let key = round.to_string();
        let args = ["memory", "forget", "acme", "--key", &key, "--reason", "r", "--data", "d"];
        // The process that records, without the one around it, which was killed.
        let mut command = place.command();
        let command = command.args(args).env("KARYON_ERASING", "1");
        let mut running = place.start_of(command, &args, "d");
        running.wait_until(|| note.exists());
        fs::remove_file(&note).unwrap();
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // Now and then the hand may be too slow.
        is_noted |= note.exists();
        let keys = names(&place.path("d/keystore"));
        assert_eq!(recall(&place, "d", &["--subject", "acme", "--key", &key])[0]["erased"], true);
        assert_ne!(names(&place.path("d/keystore")), keys, "it was not gone on with");
    }
    assert!(is_noted);
    place.verified("d");
}

#[test]
fn keys_that_are_older_than_the_log_give_nobody_the_number_of_another() {
    let place = office();
    copy(&place, "d/keystore", "keystore");
    copy(&place, "keys/keystores", "keystores");
    told(&place, "remember", ["late", "x", "y"]);
    for (kept, at) in [("keystore", "d/keystore"), ("keystores", "keys/keystores")] {
        fs::remove_dir_all(place.path(at)).unwrap();
        copy(&place, kept, at);
    }
    let records = place.verified("d")["records"].clone();
    let refused = remember(&place, "eve").expect(1);
    refused.says(&["subject 4", "the last is subject 3", "older than the log", "bring back"]);
    assert_eq!(place.verified("d")["records"], records);
    // Whom the keys know is no other.
    remember(&place, "acme").expect(0);
}

#[test]
fn where_nothing_was_recorded_nothing_is_begun_and_a_note_is_in_nobodys_way() {
    let place = office();
    for folder in ["log", "memory", "inputs"] {
        fs::remove_dir_all(place.path("d").join(folder)).unwrap();
    }
    try_to_forget(&place, &["deploys"]).expect(1).says(&["nothing was recorded in d"]);
    assert!(!place.path("d/erasing").exists(), "it was begun");
    place.write("d/erasing", "");
    remember(&place, "eve").expect(0);
    assert_eq!(recall(&place, "d", &["--subject", "eve"])[0]["text"], "x");
    // Nor is it in the way of a run, which begins where nothing was recorded.
    for folder in ["e", "f"] {
        fs::create_dir(place.path(folder)).unwrap();
        place.write(&format!("{folder}/erasing"), "");
    }
    run(&place, "e", "a b 1\n", "a");
    assert!(!place.path("e/erasing").exists());
    assert_eq!(recall(&place, "e", &[]), Vec::<Value>::new());
    let args = ["memory", "remember", "eve", "new", "x", "--data", "f"];
    place.karyon(&[&args[..], &FOREVER].concat()).expect(0);
    assert!(!place.path("f/erasing").exists());
    fs::create_dir(place.path("g")).unwrap();
    place.write("g/erasing", "");
    place.karyon(&["run", "sir", "--set", "people=300", "--data", "g"]).expect(0);
    assert_eq!(recall(&place, "g", &[]), Vec::<Value>::new());
}

#[test]
fn nothing_is_exported_into_the_directory_itself() {
    let place = office();
    let before = names(&place.path("d"));
    fs::create_dir(place.path("other")).unwrap();
    symlink(place.path("d"), place.path("link")).unwrap();
    for out in ["d/x", "other/../d/x", "link/x", "d/memory/x"] {
        let whole = ["export", "--data", "d", "--out", out];
        place.karyon(&whole).expect(1).says(&["inside of the data directory d", "another --out"]);
        let part = ["engram", "export", "--subject", "acme", "--data", "d", "--out", out];
        place.karyon(&part).expect(1).says(&["inside of the data directory d", "another --out"]);
    }
    assert_eq!(names(&place.path("d")), before);
    assert!(!place.path("d/memory/x").exists());
}
