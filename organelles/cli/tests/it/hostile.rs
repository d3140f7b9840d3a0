//! What an attack found: pipes in place of files, nobody at the other end, the wrong key file.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::Place;

fn sealed() -> Place {
    let place = Place::new();
    place.write("c.txt", "a b 1\nb c 2\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    place
}

fn make_fifo(path: &std::path::Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A pipe that nobody writes into must not be waited for.
#[test]
fn a_pipe_or_a_device_in_place_of_a_file_is_answered_at_once() {
    for (file, code) in [("log/checkpoint", 5), ("inputs/contacts", 5), ("log/00000000.log", 1)] {
        let place = sealed();
        let path = place.path("d").join(file);
        fs::remove_file(&path).unwrap();
        make_fifo(&path);
        place.karyon(&["audit", "verify", "--data", "d"]).expect(code).says(&["regular file"]);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        place.karyon(&["audit", "verify", "--data", "d"]).expect(code).says(&["regular file"]);
    }
    let place = sealed();
    fs::remove_file(place.path("d/lock")).unwrap();
    make_fifo(&place.path("d/lock"));
    place.karyon(&["resume", "--data", "d"]).expect(1);
    place.karyon(&["run", "/dev/zero"]).expect(1).says(&["regular file"]);
    let zero = ["run", "rumour", "--contacts", "/dev/zero", "--data", "z"];
    place.karyon(&zero).expect(1).says(&["regular file"]);
}

#[test]
fn a_huge_file_beside_the_log_is_not_read() {
    for file in ["log/checkpoint", "inputs/contacts"] {
        let place = sealed();
        let open = fs::OpenOptions::new().write(true).open(place.path("d").join(file)).unwrap();
        open.set_len(1 << 40).unwrap();
        place.karyon(&["audit", "verify", "--data", "d"]).expect(5);
    }
}

#[test]
fn a_secret_key_is_not_shown_when_it_is_given_for_a_public_one() {
    let place = sealed();
    let file = place.keys().join("node.key");
    let secret = fs::read_to_string(&file).unwrap();
    let secret = secret.split_whitespace().last().unwrap().to_owned();
    let args = ["audit", "verify", "--data", "d", "--json", "--key", file.to_str().unwrap()];
    let output = place.command().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains(&secret));
}

#[test]
fn it_matters_not_whether_anybody_listens() {
    let place = sealed();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (args, code) in [
        (&["run", "rumour", "--contacts", "c.txt", "--data", "e", "--json"][..], 0),
        (&["run", "nope", "--json"], 1),
        (&["run", "rumour", "--chaos", "7", "--json"], 2),
        (&["resume", "--data", "d", "--json"], 0),
    ] {
        let output = place.command().args(args).stderr(Stdio::from(full())).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.lines().last().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(last).is_ok(), "{args:?}: {text}");
    }
    let output = place
        .command()
        .args(["run", "rumour", "--contacts", "c.txt", "--data", "f"])
        .stdout(Stdio::from(full()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}

/// One contact whose every attempt dies: said, not hidden.
#[test]
fn inputs_that_run_out_of_attempts_are_counted() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    let run = ["run", "rumour", "--contacts", "c.txt", "--chaos", "0.9999", "--json"];
    let output = place.command().args(run).args(["--data", "d"]).output().unwrap();
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&object["inputs_lost"], &object["informed"]), (&1.into(), &1.into()));
}

/// The commit that says that a tail was cut is durable before the tail is cut, and a list of
/// resumes that cannot be read changes nothing.
#[test]
fn a_cut_is_recorded_whatever_goes_wrong_at_first() {
    let place = Place::new();
    place.write("c.txt", "a b 1\nb c 2\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    // As after a kill: no seal, no checkpoint, a tail, the marker at running.
    fs::remove_file(place.path("d/log/checkpoint")).unwrap();
    fs::remove_file(place.path("d/log/00000000.records")).unwrap();
    fs::remove_dir_all(place.keys().join("checkpoints")).unwrap();
    let log = place.path("d/log/00000000.log");
    let whole = fs::read(&log).unwrap();
    let mut torn = whole[..whole.len() - 4096].to_vec();
    torn.extend_from_slice(&[7; 5000]);
    fs::write(&log, &torn).unwrap();
    let list = place.path("d/safety/resumes");
    fs::write(&list, "broken").unwrap();
    place.karyon(&["resume", "--data", "d"]).expect(1).says(&["resumes"]);
    assert_eq!(fs::read(&log).unwrap(), torn, "nothing was changed");
    fs::remove_file(&list).unwrap();
    place.karyon(&["resume", "--data", "d"]).expect(0).says(&["5000 bytes"]);
    let after = fs::read(&log).unwrap();
    assert!(after.windows(9).any(|bytes| bytes == b"cut_bytes"));
    place.karyon(&["audit", "verify", "--data", "d"]).expect(0);
}
