//! Errors of the disk, injected by strace into real runs: named, halted, never tried again, and
//! recoverable.

use std::fs;
use std::process::Command;
use std::time::Duration;

use karyon_identity::PublicKey;
use karyon_statements::Checkpoint;
use serde_json::Value;

use crate::support::{Ended, Place, contacts, skipped};

/// Where the log halts, and the node with it: the call on the log's file that fails, the error,
/// and whether last words follow it.
const LOG: &[(&str, &str, bool)] = &[
    ("fdatasync", "EIO", false),
    // A failed sync says nothing of what is durable, whatever its reason.
    ("fdatasync", "ENOSPC", false),
    ("pwrite64", "EIO", false),
    ("pwrite64", "ENOSPC", true),
];

/// What else fails: a call, the file, which of the calls (`1+`: all of them), and words of the
/// message.
const OTHERS: &[(&str, &str, &str, &str)] = &[
    ("rename", "log/.checkpoint.new", "1", "log/checkpoint"),
    ("fsync", "log/.checkpoint.new", "1", "checkpoint"),
    ("fsync", "safety/.marker.new", "3", "marker"),
    ("ftruncate", "log/00000000.log", "1", "the log cannot be written"),
    // Once, the memory begins again.
    ("pwrite64", "memory/run.redb", "1+", "memory cannot"),
    ("fdatasync", "memory/run.redb", "1+", "memory cannot"),
    ("fsync", ".series.csv.new", "1", "series.csv"),
    ("rename", ".adoption.svg.new", "1", "adoption.svg"),
];

/// A place with contacts, the data directory of which has the name that the system has for it.
fn place() -> (Place, Value) {
    let place = Place::new();
    place.write("c.txt", &contacts(20_000, 400));
    let whole = ["run", "rumour", "--contacts", "c.txt", "--data", "whole", "--json"];
    let whole = place.karyon(&whole).expect(0).json();
    (place, whole)
}

/// Runs the program while the `when`th of a thread's calls on `file` fails; what was called on
/// that file. `None`, and a visible word: nothing can be injected here.
fn injected(
    place: &Place,
    (call, error, when): (&str, &str, &str),
    file: &str,
    args: &[&str],
) -> Option<(Ended, Vec<String>)> {
    let trace = place.path("trace");
    let data = fs::canonicalize(place.path("")).unwrap().join("d");
    let mut command = Command::new("strace");
    command
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=pwrite64,write,fdatasync,fsync,ftruncate,fallocate,rename",
        ])
        .args(["-e", &format!("inject={call}:error={error}:when={when}"), "-o"])
        .arg(&trace)
        .arg("-P")
        .arg(data.join(file))
        .arg(env!("CARGO_BIN_EXE_karyon"))
        .args(args)
        .arg("--data")
        .arg(&data)
        .args(["--schedulers", "1"])
        .current_dir(place.path(""))
        .env("KARYON_CONFIG_HOME", place.keys());
    let Ok(output) = command.output() else {
        skipped("injected errors: there is no strace");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("PTRACE") || text.contains("ptrace") {
        skipped("injected errors: strace may not trace here");
        return None;
    }
    let calls = fs::read_to_string(&trace).unwrap();
    let mut calls = calls.lines().skip_while(|line| !line.contains("INJECTED"));
    assert!(calls.next().is_some(), "{call} on {file} was not met: {text}");
    let behind = calls
        .filter(|line| !line.contains("+++") && !line.contains("---") && !line.contains("exited"));
    let behind = behind.map(str::to_owned).collect();
    let ended = Ended {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: text,
    };
    Some((ended, behind))
}

const RUN: &[&str] = &["run", "rumour", "--contacts", "c.txt"];

/// What the system says of an error.
fn says(error: &str) -> &'static str {
    if error == "EIO" { "Input/output error" } else { "No space left on device" }
}

fn status(place: &Place) -> String {
    place.karyon(&["safety", "status", "--data", "d"]).expect(0).out
}

/// Resumes, by a person where that is needed, to the same roots.
fn recovers(place: &Place, whole: &Value, what: &str) {
    place.verified("d");
    let looked = ["safety", "status", "--data", "d", "--json"];
    if place.karyon(&looked).expect(0).json()["start_permitted"] == false {
        place.karyon(&["resume", "--data", "d"]).expect(4);
        place.end_safe_mode("d", what);
    }
    let resumed = place.karyon(&["resume", "--data", "d", "--json"]).expect(0).json();
    for root in ["state_root", "memory_root"] {
        assert_eq!(resumed[root], whole[root], "{what}: {root}");
    }
    assert_eq!(place.verified("d")["state"], "sealed");
    place.remove("d");
}

#[test]
fn a_log_that_fails_halts_the_node_and_is_not_written_again() {
    let (place, whole) = place();
    for &(call, error, last_words) in LOG {
        let what = format!("{error} of {call}");
        let fails = (call, error, "3");
        let Some((ended, behind)) = injected(&place, fails, "log/00000000.log", RUN) else {
            return;
        };
        ended.expect(1).says(&["the log cannot be written", says(error), "karyon safety resume"]);
        let halted = format!("halted(0): the log cannot be written: {}", says(error));
        assert!(status(&place).contains(&halted), "{what}: {}", status(&place));
        let tail = place.karyon(&["audit", "tail", "--data", "d"]).expect(0).out;
        assert_eq!(tail.contains("the node was halted"), last_words, "{what}: {tail}");
        // One block of last words and its sync, the cut of what lay behind it and its sync.
        assert_eq!(behind.len(), if last_words { 4 } else { 0 }, "{what}: {behind:?}");
        assert!(!place.path("d/log/checkpoint").exists());
        assert!(!place.path("d/memory/graph.redb").exists());
        recovers(&place, &whole, &what);
    }
}

#[test]
fn a_start_and_a_resume_that_the_disk_refuses_are_halted_and_say_why() {
    let (place, whole) = place();
    for (call, file, when) in [
        ("fallocate", "log/spare.log", "1"),
        ("fsync", "log", "3"),
        ("fallocate", "log/00000000.log", "1"),
        ("pwrite64", "log/00000000.log", "1"),
        ("fdatasync", "log/00000000.log", "1"),
    ] {
        let what = format!("{call} of {file}");
        let Some((ended, _)) = injected(&place, (call, "EIO", when), file, RUN) else { return };
        ended.expect(1).says(&[says("EIO")]);
        let status = status(&place);
        assert!(status.contains("halted(0)") && status.contains(says("EIO")), "{what}: {status}");
        // Genesis may have come to the disk before its sync failed.
        let resumed = place.karyon(&["resume", "--data", "d"]);
        assert!(resumed.code == Some(4) || resumed.err.contains("nothing was recorded"));
        place.remove("d");
    }
    let Some((ended, _)) = injected(&place, ("pwrite64", "EIO", "3"), "log/00000000.log", RUN)
    else {
        return;
    };
    ended.expect(1);
    for call in ["fdatasync", "pwrite64"] {
        place.end_safe_mode("d", call);
        let fails = (call, "EIO", "1");
        let (ended, behind) = injected(&place, fails, "log/00000000.log", &["resume"]).unwrap();
        ended.expect(1).says(&["the log cannot be written", says("EIO")]);
        assert!(behind.is_empty(), "{call}: {behind:?}");
        assert!(status(&place).contains("halted(") && status(&place).contains(says("EIO")));
    }
    recovers(&place, &whole, "twice");
}

#[test]
fn whatever_else_fails_is_named_and_leaves_no_half_file() {
    let (place, whole) = place();
    for &(call, file, when, words) in OTHERS {
        let what = format!("{call} of {file}");
        let Some((ended, _)) = injected(&place, (call, "EIO", when), file, RUN) else { return };
        ended.expect(1).says(&[words, says("EIO")]);
        for name in ["series.csv", "adoption.svg", "arrivals.csv"] {
            let found = fs::read(place.path("d").join(name)).unwrap_or_default();
            let right = fs::read(place.path("whole").join(name)).unwrap();
            assert!(found.is_empty() || found == right, "{what}: half of {name}");
        }
        if file.starts_with("memory") {
            assert!(!place.path("d/memory/graph.redb").exists(), "{what}");
        }
        recovers(&place, &whole, &what);
    }
}

#[test]
fn the_checkpoints_of_a_killed_run_are_not_ahead_of_its_log() {
    let place = Place::new();
    place.patient();
    let mut running = place.start_long("d");
    // The run stands still, and its clock does not: the next checkpoint is due.
    running.signal_node(&place.path("d"), "STOP");
    std::thread::sleep(Duration::from_secs(6));
    running.signal_node(&place.path("d"), "CONT");
    let beside = place.path("d/log/checkpoint");
    running.wait_until(|| beside.exists());
    running.signal_node(&place.path("d"), "STOP");
    let killed_in_time = !running.has_ended();
    assert!(killed_in_time);
    running.kill();
    let report = place.verified("d");
    assert_eq!(report["state"], "unsealed");
    let key = fs::read_to_string(place.keys().join("node.pub")).unwrap();
    let key = PublicKey::from_hex(key.split_whitespace().last().unwrap()).unwrap();
    let elsewhere: Vec<_> = fs::read_dir(place.keys().join("checkpoints")).unwrap().collect();
    let elsewhere = elsewhere.into_iter().map(|entry| entry.unwrap().path());
    let mut sizes = Vec::new();
    for file in elsewhere
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .chain([beside])
    {
        let text = fs::read_to_string(&file).unwrap();
        let checkpoint = Checkpoint::parse_and_verify(&text, &key).unwrap();
        assert!(checkpoint.size > 0 && checkpoint.size <= report["blocks"].as_u64().unwrap());
        sizes.push(checkpoint.size);
        // Not only the size: the log extends it.
        let since = ["audit", "grew", "--data", "d", "--since", file.to_str().unwrap()];
        place.karyon(&since).expect(0);
    }
    assert!(!sizes.is_empty());
    place.end_safe_mode("d", "killed behind a checkpoint");
    place.resumes_to_the_same_state("d");
}
