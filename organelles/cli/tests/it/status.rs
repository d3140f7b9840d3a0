//! What `safety status` says: first how it stands, then why.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Ended, Place, contacts};

const STATUS: [&str; 4] = ["safety", "status", "--data", "d"];

fn json(place: &Place) -> Value {
    place.karyon(&[&STATUS[..], &["--json"]].concat()).expect(0).json()
}

/// The first line for people, behind which it must be the same for machines.
#[track_caller]
fn first_line(place: &Place, verdict: &str, permitted: bool) -> String {
    let said = place.karyon(&STATUS).expect(0).out;
    let first = said.lines().next().unwrap().to_owned();
    assert!(first.starts_with(&format!("{verdict}: ")), "{said}");
    let json = json(place);
    assert_eq!((&json["verdict"], &json["start_permitted"]), (&verdict.into(), &permitted.into()));
    first
}

fn finished() -> Place {
    let place = Place::new();
    place.write("c.txt", "a b 1\nb c 2\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    place
}

#[test]
fn the_verdict_comes_first() {
    let place = finished();
    assert!(first_line(&place, "clear", true).contains("a start is permitted"));
    let stop = place.path("d/safety/STOP");
    fs::write(&stop, "").unwrap();
    assert!(first_line(&place, "stopped", false).contains("d/safety/STOP is there"));
    fs::remove_file(&stop).unwrap();
    place.karyon(&["halt", "--reason", "smoke", "--data", "d"]).expect(0);
    first_line(&place, "halted", false);
    let said = place.karyon(&STATUS).expect(0).out;
    let second = said.lines().nth(1).unwrap();
    assert!(second.contains("smoke") && second.contains("karyon safety resume"), "{said}");

    place.end_safe_mode("d", "no smoke");
    fs::create_dir(place.path("host")).unwrap();
    let host = place.path("host/STOP");
    place.limits(&format!("host_stop = {}\n", host.display()));
    first_line(&place, "clear", true);
    fs::write(&host, "").unwrap();
    assert!(first_line(&place, "stopped", false).contains("host/STOP is there"));
}

#[test]
fn what_runs_is_said_to_run() {
    let place = Place::new();
    place.patient();
    let running = place.start_long("d");
    running.signal_node(&place.path("d"), "STOP");
    first_line(&place, "running", false);
    running.signal_node(&place.path("d"), "CONT");
    running.end().expect(0);
}

#[test]
fn the_limits_in_force_are_shown_and_whence_they_come() {
    let place = Place::new();
    place.limits("processes = 500\nopen_files = 2000\n");
    place.write("c.txt", "a b 1\nb c 2\n");
    let scenario = "[model]\nname = \"rumour\"\n[guardian]\nprocesses = 64\n\
                    heartbeat_ms = 10\nheartbeat_limit_ms = 150\n";
    place.write("s.toml", scenario);
    place.karyon(&["run", "s.toml", "--contacts", "c.txt", "--data", "d"]).expect(0);
    let found = json(&place);
    for (name, value, from) in [
        ("processes", "64", "scenario"),
        ("heartbeat_limit_ms", "150", "scenario"),
        ("open_files", "2000", "guardian.conf"),
        ("tasks_per_day", "10", "default"),
    ] {
        assert_eq!(found["limits"][name], value, "{name}");
        assert_eq!(found["limits_from"][name], from, "{name}");
    }
    assert_eq!(found["limits_refused"], Value::Array(Vec::new()));
    let said = place.karyon(&STATUS).expect(0).out;
    assert!(said.contains("processes = 64  (processes; scenario)"), "{said}");
    assert!(said.contains("open_files = 2000  (open files; guardian.conf)"), "{said}");

    // The machine became stricter than its run: that is said, here and where it is resumed.
    place.limits("processes = 32\n");
    let why = "processes=64: 32 is in place and can only be tightened";
    let found = json(&place);
    assert_eq!(
        (&found["limits"]["processes"], &found["limits_refused"][0]),
        (&"32".into(), &why.into())
    );
    assert!(place.karyon(&STATUS).expect(0).out.contains(&format!("the scenario's {why}")));
    let resumed = place.karyon(&["resume", "--data", "d"]).expect(1);
    resumed.says(&["the scenario of the run in d: guardian.", why, "guardian.conf"]);
}

/// Nobody can tell whether STOP is there, and that is what is said.
#[track_caller]
fn is_in_doubt(status: &Ended, start: &Ended, resume: &Ended, why: &str) {
    let first = status.out.lines().next().unwrap();
    for words in ["stopped: ", "d/safety cannot be read", why] {
        assert!(first.contains(words), "no {words:?} in {}", status.out);
    }
    assert!(status.out.contains("chmod u+rwx"), "{}", status.out);
    assert!(!status.out.contains("STOP is there"), "{}", status.out);
    assert_eq!(start.code, Some(4), "{start:?}");
    for words in ["d/safety cannot be read", why, "hint: ", "chmod u+rwx"] {
        assert!(start.err.contains(words), "no {words:?} in {}", start.err);
    }
    assert_eq!(resume.code, Some(1), "{resume:?}");
    assert!(resume.err.contains("d/safety") && !resume.err.contains("remove it"), "{}", resume.err);
}

#[test]
fn a_safety_folder_that_is_none_is_not_told_as_stop() {
    let place = finished();
    fs::rename(place.path("d/safety"), place.path("away")).unwrap();
    fs::write(place.path("d/safety"), "").unwrap();
    let asked = |args: &[&str]| place.karyon(args);
    let resume = asked(&["safety", "resume", "--reason", "r", "--data", "d"]);
    is_in_doubt(&asked(&STATUS), &asked(&["resume", "--data", "d"]), &resume, "Not a directory");
    assert_eq!(json(&place)["stop_present"], Value::Null);
    assert!(json(&place)["stop_error"].as_str().unwrap().contains("Not a directory"));
}

#[test]
fn a_safety_folder_that_is_closed_is_not_told_as_stop() {
    // Root reads everything, so it is an ordinary user who asks.
    let place = Place::new();
    let user = |args: &[&str]| {
        let karyon = env!("CARGO_BIN_EXE_karyon");
        let mut command = match rustix::process::geteuid().is_root() {
            true => Command::new("setpriv"),
            false => Command::new(karyon),
        };
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid", "1000", "--regid", "1000", "--clear-groups", karyon]);
        }
        command.current_dir(place.path("")).env("KARYON_CONFIG_HOME", place.keys());
        place.end_of(command.stdin(Stdio::null()).args(args), args)
    };
    place.write("c.txt", &contacts(10, 3));
    user(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    let close = |mode| {
        let closed = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.path("d/safety"), closed).unwrap();
    };
    close(0);
    let resume = user(&["safety", "resume", "--reason", "r", "--data", "d"]);
    is_in_doubt(&user(&STATUS), &user(&["resume", "--data", "d"]), &resume, "Permission denied");
    close(0o755);
    user(&["resume", "--data", "d"]).expect(0);
}
