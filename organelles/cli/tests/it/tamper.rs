//! One changed byte in a sealed run is found, and its place is named.
//!
//! The log's own tests change every byte; here a sample goes through the program.

use std::fs;

use crate::support::{Place, log_file};

/// A small sealed run of several commits.
fn sealed() -> Place {
    let place = Place::new();
    place.write("c.txt", &crate::support::contacts(2_000, 40));
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    place.verified("d");
    place
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let place = sealed();
    for (name, samples) in [("log/00000000.log", 40), ("inputs/contacts", 5), ("log/checkpoint", 8)]
    {
        let file = place.path("d").join(name);
        let whole = fs::read(&file).unwrap();
        let last = whole.len() - 1;
        for sample in 0..samples {
            // First and last byte, and a spread between that meets headers, records and padding.
            let at = last * sample / (samples - 1);
            let mut changed = whole.clone();
            changed[at] ^= 1 << (sample % 8);
            fs::write(&file, &changed).unwrap();
            let ended = place.karyon(&["audit", "verify", "--data", "d"]);
            assert_eq!(ended.code, Some(5), "{name}, byte {at}: {ended:?}");
            let ended = ended.says(&["block", "record"]);
            assert!(!ended.out.contains("verified"), "{ended:?}");
        }
        fs::write(&file, &whole).unwrap();
        place.verified("d");
    }
}

#[test]
fn a_damaged_run_is_not_resumed() {
    let place = sealed();
    let file = log_file(&place.path("d"));
    let mut log = fs::read(&file).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 1;
    fs::write(&file, &log).unwrap();
    place.karyon(&["resume", "--data", "d"]).expect(5).says(&["block", "record"]);
}

#[test]
fn what_is_missing_is_found() {
    let place = sealed();
    fs::remove_file(place.path("d/inputs/contacts")).unwrap();
    place.karyon(&["audit", "verify", "--data", "d"]).expect(5).says(&["is missing"]);
    let place = sealed();
    let file = log_file(&place.path("d"));
    let log = fs::read(&file).unwrap();
    for len in [0, 100, 4096, log.len() / 2, log.len() - 4096, log.len() - 1] {
        fs::write(&file, &log[..len]).unwrap();
        let ended = place.karyon(&["audit", "verify", "--data", "d"]);
        assert_eq!(ended.code, Some(5), "cut to {len}: {ended:?}");
    }
    fs::write(&file, [&log[..], &[1]].concat()).unwrap();
    place.karyon(&["audit", "verify", "--data", "d"]).expect(5).says(&["where nothing may follow"]);
}

#[test]
fn a_log_that_is_gone_but_for_its_checkpoint_is_found() {
    let place = sealed();
    fs::remove_file(log_file(&place.path("d"))).unwrap();
    place.karyon(&["audit", "verify", "--data", "d"]).expect(5);
}

#[test]
fn the_key_is_not_taken_from_the_log() {
    let place = sealed();
    let stranger = place.path("stranger");
    let verify = |key: &[&str]| {
        let args = [&["audit", "verify", "--data", "d", "--json"], key].concat();
        let output = place.command().env("KARYON_CONFIG_HOME", &stranger).args(&args).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let object: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        (output.status.code(), object)
    };
    let (code, object) = verify(&[]);
    assert_eq!((code, &object["key"]), (Some(0), &"unknown".into()));
    let own = fs::read_to_string(place.keys().join("node.pub")).unwrap();
    let own = own.split_whitespace().last().unwrap();
    let file = place.keys().join("node.pub");
    for given in [own, file.to_str().unwrap()] {
        let (code, object) = verify(&["--key", given]);
        assert_eq!((code, &object["key"]), (Some(0), &"trusted".into()));
    }
    let made = place
        .command()
        .env("KARYON_CONFIG_HOME", &stranger)
        .args(["run", "rumour", "--contacts", "c.txt", "--data", "other"])
        .output()
        .unwrap();
    assert!(made.status.success());
    let (code, object) = verify(&[]);
    assert_eq!(code, Some(5), "another node's key: {object}");
    assert_eq!(verify(&["--key", "xyz"]).0, Some(1));
}
