//! Bad input: what is said about it, and with which exit code.

use std::fs;

use crate::support::{Place, log_file};

const CONTACTS: [&str; 4] = ["run", "rumour", "--contacts", "c.txt"];

#[test]
fn bad_contacts_are_named() {
    let eleven: String = (0..13).map(|n| format!("a b x{n}\n")).collect();
    for (text, words) in [
        ("a b\n", &["line 1", "2 fields", "SRC DST TIME"][..]),
        ("a b 1\na b c d\n", &["line 2", "4 fields"]),
        ("a b 1\n# fine\na b 1x\n", &["1 bad line", "line 3, time \"1x\"", "not a number"]),
        ("a,,1\n", &["line 1, target", "empty"]),
        ("a b 1e3\n", &["line 1, time \"1e3\"", "exponent"]),
        ("a b nan\n", &["line 1, time \"nan\""]),
        ("a b 1.0123456789\n", &["line 1, time", "decimals"]),
        ("a b 1\nx\ny z\na b 2\n", &["2 bad lines", "line 2", "line 3"]),
        (&eleven, &["13 bad lines", "line 10, time \"x9\"", "and 3 more"]),
        ("", &["there are no contacts", "SRC DST TIME"]),
        ("# nothing\n\n", &["there are no contacts"]),
        ("a b 1\n\u{7} b 2\n", &["line 2", "control characters"]),
    ] {
        let place = Place::new();
        place.write("c.txt", text);
        let ended = place.karyon(&CONTACTS).expect(1).says(words);
        assert!(!ended.err.contains("line 11, "), "at most ten are listed: {}", ended.err);
    }
    let place = Place::new();
    fs::write(place.path("c.txt"), b"a b 1\na \xff 2\n").unwrap();
    place.karyon(&CONTACTS).expect(1).says(&["line 2", "UTF-8"]);
}

#[test]
fn bad_input_leaves_no_directory_behind() {
    let place = Place::new();
    place.write("c.txt", "a b 1\na b\n");
    place.karyon(&CONTACTS).expect(1);
    place.write("c.txt", "a b 1\n");
    place.karyon(&[&CONTACTS[..], &["--source", "c"]].concat()).expect(1);
    place.karyon(&[&CONTACTS[..], &["--data", "d", "--source", "c"]].concat()).expect(1);
    let names = fs::read_dir(place.path("runs")).into_iter().flatten();
    let left: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty() && !place.path("d").exists(), "{left:?}");
}

#[test]
fn odd_contacts_are_used_and_noted() {
    let place = Place::new();
    for (text, words, informed) in [
        ("c d 5\na b 1\nb c 3\n", "2 lines were not in time order; the contacts were sorted", 4),
        ("from,to,time\na,b,1\n", "line 1 was taken for a header: \"from,to,time\"", 2),
        ("\u{feff}a b 1\r\nb c 2\r\n", "", 3),
        ("a b -1.5\n", "", 2),
    ] {
        place.write("c.txt", text);
        let ended = place.karyon(&[&CONTACTS[..], &["--json"]].concat()).expect(0).says(&[words]);
        assert_eq!(ended.json()["informed"], informed, "{text:?}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    for (args, words) in [
        (&["run", "rumour", "--contacts", "none.txt"][..], &["none.txt", "No such file"][..]),
        (&["run", "rumour", "--contacts", "folder"], &["folder", "it is a directory"]),
        (&["run", "folder"], &["folder", "it is a directory"]),
        (&["run", "none.toml"], &["none.toml", "built-in name: rumour"]),
        (&["run", "rumor"], &["rumor", "did you mean", "\"rumour\""]),
        (&["resume", "--data", "none"], &["there is no data directory none"]),
        (&["audit", "verify", "--data", "none"], &["there is no data directory none"]),
        (&["safety", "status", "--data", "none"], &["there is no data directory none"]),
        (
            &["safety", "resume", "--reason", "x", "--data", "none"],
            &["there is no data directory none"],
        ),
        (&["audit", "verify", "--data", "folder"], &["nothing was recorded"]),
    ] {
        // Some of these commands ask for the node's key first.
        place.write("k.txt", "a b 1\n");
        place.karyon(&["run", "rumour", "--contacts", "k.txt"]).expect(0);
        place.karyon(args).expect(1).says(words);
    }
    assert_eq!(fs::read_dir(place.path("folder")).unwrap().count(), 0);
    place.karyon(&["resume", "--data", "folder"]).expect(1).says(&["nothing was recorded"]);
    place.karyon(&["run", "rumour", "--contacts", "k.txt", "--data", "k.txt"]).expect(1);
}

#[test]
fn who_is_not_there_is_answered_with_the_nearest() {
    let place = Place::new();
    place.write("c.txt", "anna ben 1\nben carla 2\ncarla anne 3\n");
    let ended = place.karyon(&[&CONTACTS[..], &["--source", "ana"]].concat()).expect(1);
    ended.says(&["ana", "anna", "anne"]);
    place.karyon(&[&CONTACTS[..], &["--source", "zzzzzz"]].concat()).expect(1).says(&["zzzzzz"]);
}

#[test]
fn bad_scenarios_are_named_by_line() {
    for (text, words) in [
        (
            "[model]\nname = \"rumour\"\n[chaos]\nprobabilty = 0.1\n",
            &["line 4", "unknown key \"probabilty\"", "did you mean \"probability\""][..],
        ),
        ("[model]\nname = \"rumour\"\n[populaton]\n", &["line 3", "populaton", "population"]),
        ("[model]\nname = \"rumor\"\n", &["line 2", "rumor", "rumour"]),
        ("[model]\nname = \"rumour\"\n[chaos]\nprobability = 1.0\n", &["line 4", "0 to below 1"]),
        ("[model]\nname = \"rumour\"\n[chaos]\nprobability = \"x\"\n", &["line 4"]),
        ("seed = -1\n[model]\nname = \"rumour\"\n", &["line 1", "seed"]),
        ("[model\n", &["line 1"]),
        ("", &["model"]),
    ] {
        let place = Place::new();
        place.write("s.toml", text);
        place.karyon(&["run", "s.toml"]).expect(1).says(&[&["s.toml"], words].concat());
    }
}

#[test]
fn a_scenario_file_names_its_contacts_beside_itself() {
    let place = Place::new();
    fs::create_dir(place.path("sub")).unwrap();
    place.write("sub/mine.toml", "[model]\nname = \"rumour\"\n[space]\nfile = \"c.txt\"\n");
    place.write("sub/c.txt", "a b 1\nb c 2\n");
    let object = place.karyon(&["run", "sub/mine.toml", "--json"]).expect(0).json();
    assert_eq!((&object["informed"], &object["data"]), (&3.into(), &"runs/mine-1".into()));
}

#[test]
fn bad_usage_is_2() {
    let place = Place::new();
    for args in [
        &[][..],
        &["walk"],
        &["run"],
        &["run", "rumour", "--chaos", "1"],
        &["run", "rumour", "--chaos", "-0.1"],
        &["run", "rumour", "--chaos", "NaN"],
        &["run", "rumour", "--schedulers", "0"],
        &["run", "rumour", "--schedulers", "257"],
        &["run", "rumour", "--seed", "-1"],
        &["run", "rumour", "--seed", "9223372036854775808"],
        &["run", "rumour", "--seed", "1.5"],
        &["run", "rumour", "--colour", "red"],
        &["run", "rumour", "again"],
        &["resume"],
        &["audit", "verify"],
        &["audit"],
        &["safety", "resume", "--data", "d"],
        &["init"],
    ] {
        let ended = place.karyon(args).expect(2);
        assert!(ended.out.is_empty() && !ended.err.is_empty(), "{ended:?}");
    }
    assert!(!place.path("runs").exists());
}

#[test]
fn arguments_may_stand_behind_two_dashes() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "--contacts", "c.txt", "--", "rumour"]).expect(0);
    place.karyon(&["run", "--contacts", "c.txt", "--data", "d", "--", "rumour"]).expect(0);
    place.verified("d");
}

#[test]
fn contacts_may_come_through_a_pipe() {
    let place = Place::new();
    let mut command = std::process::Command::new("sh");
    command
        .args([
            "-c",
            "printf 'a b 1\\nb c 2\\n' | \"$0\" run rumour --contacts /dev/stdin --data d",
        ])
        .arg(env!("CARGO_BIN_EXE_karyon"))
        .current_dir(place.path(""))
        .env("KARYON_CONFIG_HOME", place.keys());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Or a word that a pipe cannot be read twice; never that it is empty.
    assert!(output.status.success() || said.contains("pipe"), "{said}");
}

#[test]
fn a_log_of_another_version_is_said_to_be_one() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    place.karyon(&[&CONTACTS[..], &["--data", "d"]].concat()).expect(0);
    let file = log_file(&place.path("d"));
    let mut log = fs::read(&file).unwrap();
    log[8] = 2;
    let check = karyon_types::hash(&log[..64]).0;
    log[64..96].copy_from_slice(&check);
    fs::write(&file, &log).unwrap();
    for args in [&["audit", "verify", "--data", "d"], &["resume", "--data", "d"][..]] {
        place.karyon(args).expect(1).says(&["the log has format 2", "reads format 1"]);
    }
    fs::write(&file, b"something else entirely").unwrap();
    let ended = place.karyon(&["audit", "verify", "--data", "d"]);
    assert_eq!(ended.code, Some(5), "there is a checkpoint beside it: {ended:?}");
}

#[test]
fn an_error_is_an_object_too() {
    let place = Place::new();
    for (args, code) in [
        (&["run", "none.toml", "--json"][..], 1),
        (&["resume", "--data", "none", "--json"], 1),
        (&["audit", "verify", "--data", "none", "--json"], 1),
    ] {
        let object = place.karyon(args).expect(code).json();
        assert_eq!(object["exit_code"], code);
        assert!(object["error"].is_string());
    }
}

/// A scenario without anything but a model, and limits of the guardian.
fn guarded(limits: &str) -> String {
    format!("[model]\nname = \"rumour\"\n\n[guardian]\n{limits}\n")
}

#[test]
fn a_limit_that_would_be_looser_is_named_by_line_before_anything_is_made() {
    let place = Place::new();
    place.limits("processes = 64\n");
    place.write("c.txt", "a b 1\n");
    for (limits, words) in [
        (
            "open_files = 9\nprocesses = 99",
            ["open_files=9", "expected a number from 16 to 1000000000000", "line 5, column 14"],
        ),
        (
            "open_files = 99\n  processes = 99",
            [
                "guardian.processes=99",
                "64 is in place and can only be tightened",
                "line 6, column 15",
            ],
        ),
        (
            "heartbeat_limit_ms = 199",
            ["guardian.heartbeat_limit_ms=199", "4 times heartbeat_ms", "line 5, column 22"],
        ),
    ] {
        place.write("s.toml", &guarded(limits));
        let args = ["run", "s.toml", "--contacts", "c.txt", "--data", "d"];
        let refused = place.karyon(&args).expect(1).says(&words);
        refused.says(&["error: s.toml: ", "take it out of [guardian]", "keys/guardian.conf"]);
        assert!(!place.path("d").exists(), "{limits}");
    }
    // Together they fit, in whatever order they stand.
    place.write("s.toml", &guarded("heartbeat_limit_ms = 199\nheartbeat_ms = 40"));
    place.karyon(&["run", "s.toml", "--contacts", "c.txt", "--data", "d"]).expect(0);
}

#[test]
fn a_stop_of_the_machine_that_nobody_could_make_is_refused() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    let run = ["run", "rumour", "--contacts", "c.txt", "--data", "d"];
    for (path, why) in [
        ("c.txt/STOP", "its folder is none"),
        ("nowhere/STOP", "make the folder"),
        (".", "expected the absolute path"),
    ] {
        let path = if path == "." { "STOP".into() } else { place.path(path) };
        place.limits(&format!("# ours\nhost_stop = {}\n", path.display()));
        let place_of_it = ["keys/guardian.conf:2: host_stop: ", why];
        place.karyon(&run).expect(1).says(&place_of_it);
        assert!(!place.path("d").exists());
    }
}
