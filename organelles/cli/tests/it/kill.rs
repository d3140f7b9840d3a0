//! kill -9: nothing committed is lost, and a person looks before it goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::{Place, UNDER_WAY, log_file, skipped};

#[test]
fn a_killed_run_waits_for_a_person_and_then_goes_on() {
    let place = Place::new();
    place.start_long("d").kill();
    let report = place.verified("d");
    assert_eq!(report["state"], "unsealed");
    let how = ["safe mode", "did not end cleanly", "karyon safety resume --reason", "--data d"];
    place.karyon(&["resume", "--data", "d"]).expect(4).says(&how);
    let status = place.karyon(&["safety", "status", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(status["start_permitted"], false);
    assert_eq!(status["marker"], "running(0)");
    for blank in ["", " \t\n"] {
        let args = ["safety", "resume", "--reason", blank, "--data", "d"];
        place.karyon(&args).expect(1).says(&["needs a reason"]);
    }
    place.karyon(&["safety", "resume", "--data", "d"]).expect(2).says(&["--reason"]);
    place.karyon(&["resume", "--data", "d"]).expect(4);
    // Looking changed nothing.
    assert_eq!(place.verified("d")["records"], report["records"]);

    let reason = "the cat sat on the switch";
    place.end_safe_mode("d", reason);
    place.resumes_to_the_same_state("d");
    let log = fs::read(log_file(&place.path("d"))).unwrap();
    assert!(log.windows(reason.len()).any(|part| part == reason.as_bytes()));
    let again = ["safety", "resume", "--reason", "x", "--data", "d"];
    place.karyon(&again).expect(1).says(&["nothing to resume"]);
}

#[test]
fn killed_again_and_again() {
    let place = Place::new();
    place.start_long("d").kill();
    for reason in ["first", "second", "third"] {
        let end = place.verified("d")["log_bytes"].as_u64().unwrap();
        place.end_safe_mode("d", reason);
        let mut running = place.start(&["resume", "--data", "d", "--schedulers", "1"]);
        running.wait_for_log(&place.path("d"), end + UNDER_WAY);
        running.kill();
    }
    place.end_safe_mode("d", "fourth");
    place.resumes_to_the_same_state("d");
    let log = fs::read(log_file(&place.path("d"))).unwrap();
    for reason in ["first", "second", "third", "fourth"] {
        assert!(log.windows(reason.len()).any(|part| part == reason.as_bytes()), "{reason}");
    }
}

#[test]
fn a_reason_for_a_run_that_was_complete_is_not_lost() {
    // Killed behind the seal, before the marker was cleared: the marker says `running`.
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    let first = place.path("d/safety/marker");
    karyon_safety::replace(&place.path("d"), &karyon_safety::Marker::Running { n: 1 }).unwrap();
    assert!(fs::read_to_string(first).unwrap().contains("running"));
    place.karyon(&["resume", "--data", "d"]).expect(4);
    place.end_safe_mode("d", "it was complete");
    place.karyon(&["resume", "--data", "d"]).expect(0);
    place.verified("d");
    let kept = fs::read_to_string(place.path("d/safety/resumes")).unwrap_or_default();
    let log = fs::read(log_file(&place.path("d"))).unwrap();
    let reason = "it was complete";
    let recorded = log.windows(reason.len()).any(|part| part == reason.as_bytes());
    assert!(recorded || kept.contains(reason), "the reason is lost");
}

#[test]
fn a_torn_tail_is_reported_and_cut() {
    let place = Place::new();
    place.start_long("d").kill();
    let report = place.verified("d");
    let end = report["log_bytes"].as_u64().unwrap() as usize;
    let file = log_file(&place.path("d"));
    // Half a commit, as a disk that loses power leaves it.
    let mut log = fs::read(&file).unwrap();
    log.truncate(end);
    let commit = log[4096..].windows(4).rposition(|part| part == b"KCMT").unwrap() + 4096;
    let torn = log[commit..commit + 3000].to_vec();
    log.extend_from_slice(&torn);
    fs::write(&file, &log).unwrap();
    let report = place.verified("d");
    assert_eq!(report["log_bytes"], end);
    assert!((1..=3000).contains(&report["tail_bytes"].as_u64().unwrap()), "{report}");
    place.end_safe_mode("d", "torn");
    place.resumes_to_the_same_state("d");
}

#[test]
fn killed_before_genesis() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "whole"]).expect(0);
    let header = fs::read(log_file(&place.path("whole"))).unwrap()[..4096].to_vec();
    // A run that was killed so early has no checkpoint anywhere.
    fs::remove_dir_all(place.keys().join("checkpoints")).unwrap();
    // What a kill leaves: no log, an empty one, a part of the first sector, a whole one, and a
    // whole one with space reserved behind it.
    let reserved = [&header[..], &[0; 8192]].concat();
    for (name, log) in [
        ("none", None),
        ("empty", Some(&[][..])),
        ("part", Some(&header[..100])),
        ("header", Some(&header[..])),
        ("reserved", Some(&reserved[..])),
    ] {
        for folder in ["log", "inputs", "safety"] {
            fs::create_dir_all(place.path(name).join(folder)).unwrap();
        }
        fs::copy(place.path("whole/safety/marker"), place.path(name).join("safety/marker"))
            .unwrap();
        if let Some(log) = log {
            fs::write(log_file(&place.path(name)), log).unwrap();
        }
        place.karyon(&["resume", "--data", name]).expect(4).says(&["never run it"]);
        place.end_safe_mode(name, "made by hand");
        place.karyon(&["resume", "--data", name]).expect(1).says(&["nothing was recorded"]);
        let verified = place.karyon(&["audit", "verify", "--data", name]);
        assert!(matches!(verified.code, Some(0 | 1)), "{name}: {verified:?}");
    }
}

#[test]
fn a_run_without_records_can_be_started_anew() {
    // As the message says. Killed when the folders were made, and nothing else.
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    for folder in ["log", "inputs"] {
        fs::create_dir_all(place.path("d").join(folder)).unwrap();
    }
    place.karyon(&["run", "rumour", "--contacts", "c.txt"]).expect(0);
    place.karyon(&["resume", "--data", "d"]).expect(4).says(&["safe mode"]);
    place.end_safe_mode("d", "nothing is in it");
    let said = place.karyon(&["resume", "--data", "d"]).expect(1).says(&["nothing was recorded"]);
    if said.err.contains("remove the directory") {
        place.remove("d");
    }
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
}

/// `karyon resume` at a terminal, on which a person types `answer`; `None` without `script`.
fn resume_at_a_terminal(place: &Place, answer: &str) -> Option<(Option<i32>, String)> {
    let program = format!("'{}' resume --data d", env!("CARGO_BIN_EXE_karyon"));
    let mut terminal = Command::new("script")
        .args(["-qec", &program, "/dev/null"])
        .current_dir(place.path(""))
        .env("KARYON_CONFIG_HOME", place.keys())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    // Kept open: at its end `script` would end what runs.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(answer.as_bytes()).unwrap();
    let mut said = String::new();
    terminal.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    Some((terminal.wait().unwrap().code(), said))
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    let place = Place::new();
    place.start_long("d").kill();
    let Some((code, said)) = resume_at_a_terminal(&place, "\n") else {
        return skipped("the question at a terminal: there is no `script`");
    };
    assert!(said.contains("safe mode") && said.contains("Why is it safe to go on?"), "{said}");
    assert!(code.is_some_and(|code| code != 0), "no reason, no resume: {said}");
    place.karyon(&["resume", "--data", "d"]).expect(4);

    let reason = "the plug was out";
    let (code, said) = resume_at_a_terminal(&place, &format!("{reason}\n")).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("contacts") && said.contains('%'), "a bar was shown: {said}");
    place.resumes_to_the_same_state("d");
    let log = fs::read(log_file(&place.path("d"))).unwrap();
    assert!(log.windows(reason.len()).any(|part| part == reason.as_bytes()));
}
