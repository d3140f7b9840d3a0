//! A program with agents of its own, `examples/own`: under the guardian and without, as
//! `docs/guardian.md` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use karyon_boundary::{Client, List, Status};
use karyon_guard::inherit;

use crate::support::{Ended, PATIENCE, Place, Running, UNDER_WAY};

/// The program: an example of this package.
fn own() -> PathBuf {
    let karyon = Path::new(env!("CARGO_BIN_EXE_karyon"));
    let path = karyon.parent().unwrap().join("examples").join("own");
    assert!(path.exists(), "{} is missing: `cargo build -p karyon-cli --examples`", path.display());
    path
}

/// Its second life with these words, in `d`.
fn command(place: &Place, guarded: bool, words: &[&str]) -> Command {
    let data = place.path("d");
    let signs = place.end_of(place.command_of(&own()).args(["sign", words[1]]), &["sign"]);
    let handed = inherit::in_memory(signs.expect(0).out.as_bytes()).unwrap();
    let mut command = match guarded {
        true => {
            fs::create_dir_all(&data).unwrap();
            let mut command = place.command_of(Path::new(env!("CARGO_BIN_EXE_karyon-guardian")));
            command.arg("--data").arg(&data).arg("--").arg(own());
            command
        }
        false => place.command_of(&own()),
    };
    command.args(&words[..2]).arg(&data).args(&words[2..]).stdin(handed);
    command
}

fn start(place: &Place, guarded: bool, words: &[&str]) -> Running {
    place.start_of(&mut command(place, guarded, words), words, "d")
}

fn run(place: &Place, guarded: bool, words: &[&str]) -> Ended {
    place.end_of(&mut command(place, guarded, words), words)
}

/// Whoever asks the run.
fn client(place: &Place, running: &mut Running) -> Client {
    let mut client = None;
    running.wait_until(|| {
        client = Client::connect(&place.path("d"), "test", PATIENCE).ok();
        client.as_mut().is_some_and(|client| client.list(&List::default()).is_ok())
    });
    client.unwrap()
}

/// The orders in the record: what, and to whom.
fn orders(place: &Place) -> Vec<(String, u64)> {
    let out = place.karyon(&["audit", "export", "--data", "d", "--out", "-"]).expect(0).out;
    let lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let orders =
        lines.filter(|line| line["view"]["kind"] == "order").map(|line| line["view"].clone());
    orders
        .map(|order| (order["verb"].as_str().unwrap().into(), order["agent"].as_u64().unwrap()))
        .collect()
}

#[test]
fn a_run_of_the_library_is_asked_and_ordered_and_what_was_ordered_is_repeated() {
    let place = Place::new();
    let mut running = start(&place, true, &["begin", "party"]);
    let mut asked = client(&place, &mut running);
    assert_eq!(asked.hello().boot, 1);
    asked.pause(1).unwrap();
    let asks = |args: &[&str]| place.karyon(&[args, &["--data", "d"]].concat());
    for name in ["host", "guest 1", "guest 3"] {
        assert!(asks(&["ps"]).expect(0).out.contains(name), "{name}");
        assert!(asks(&["tree"]).expect(0).out.contains(name), "{name}");
    }
    assert!(asks(&["inspect", "1"]).expect(0).out.contains("to see it run under a guardian"));
    asks(&["pause", "guest 1"]).expect(0);
    asks(&["resume", "guest 1"]).expect(0);
    asks(&["restart", "guest 2"]).expect(0);
    let fork = asks(&["fork", "guest 3", "--json"]).expect(0).json();
    assert_eq!(fork["child"], 5, "{fork}");
    asks(&["fork", "guest 3"]).expect(1).says(&["(too_many)"]);
    // Both wait: all that was ordered is durable.
    let paused = List { status: Some(Status::Paused), ..List::default() };
    running.wait_until(|| {
        let listed = asked.list(&paused).unwrap();
        assert_eq!(listed.processes.len(), 1);
        !listed.at.provisional
    });

    running.kill();
    place.end_safe_mode("d", "it was killed");
    let mut running = start(&place, true, &["resume", "party"]);
    let mut asked = client(&place, &mut running);
    assert_eq!(asked.hello().boot, 2);
    // It repeats what was ordered.
    let expected = [
        ("host", "paused", 0),
        ("guest 1", "running", 0),
        ("guest 2", "running", 1),
        ("guest 3", "running", 0),
        ("guest 3/fork-5", "running", 0),
    ];
    running.wait_until(|| {
        let listed = asked.list(&List::default()).unwrap().processes;
        let seen = listed.iter().map(|it| (it.name.as_str(), it.status.as_str(), it.restarts));
        seen.eq(expected)
    });
    let mut killed = None;
    running.wait_until(|| {
        killed = Some(asks(&["kill", "host"]));
        killed.as_ref().is_some_and(|it| !it.err.contains("(repeating)"))
    });
    killed.unwrap().expect(0);
    // Without its host the party is over.
    let ended = running.end().expect(0);
    assert!(!place.path("d/node.sock").exists());

    let report = place.verified("d");
    assert_eq!((&report["state"], &report["unguarded"]), (&"sealed".into(), &0.into()));
    assert!(ended.out.contains(report["state_root"].as_str().unwrap()), "{ended:?}");
    let told = ["pause", "pause", "resume", "restart", "fork", "kill"].map(String::from);
    assert_eq!(orders(&place), told.into_iter().zip([1, 2, 2, 3, 4, 1]).collect::<Vec<_>>());
    let replayed = run(&place, false, &["replay", "party"]).expect(0).out;
    assert!(replayed.starts_with("confirmed: "), "{replayed}");
    assert!(replayed.contains(report["state_root"].as_str().unwrap()), "{replayed}");
    // What is complete ends as it did.
    assert_eq!(run(&place, true, &["resume", "party"]).expect(0).out, ended.out);
}

#[test]
fn without_a_guardian_it_opens_no_socket() {
    let place = Place::new();
    let ended = run(&place, false, &["begin", "short"]).expect(0);
    assert!(ended.out.ends_with(" 3 0 0\n"), "{ended:?}");
    assert_eq!(place.verified("d")["unguarded"], 1);
    let place = Place::new();
    let mut running = start(&place, false, &["begin", "party"]);
    running.wait_for_log(&place.path("d"), UNDER_WAY);
    assert!(!place.path("d/node.sock").exists());
    place.karyon(&["ps", "--data", "d"]).expect(1).says(&["d is in use, but nobody there"]);
    place.write("d/safety/STOP", "");
    running.end().expect(0);
    place.verified("d");
}

#[test]
fn who_is_busy_behind_its_run_is_not_taken_for_one_that_hangs() {
    let place = Place::new();
    place.limits("heartbeat_limit_ms = 1000\n");
    run(&place, true, &["linger", "short", "3000"]).expect(0);
    let status = place.karyon(&["safety", "status", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(status["start_permitted"], true, "{status}");
}

#[test]
fn a_guardian_guards_one_run_of_a_process() {
    let place = Place::new();
    run(&place, true, &["twice", "short"]).expect(1).says(&["a guardian guards one run"]);
    place.verified("d");
    run(&place, true, &["resume", "short"]).expect(0);
    let place = Place::new();
    run(&place, false, &["twice", "short"]).expect(0);
}

/// How often a run is killed.
const KILLS: u64 = 7;

/// Kills a free-running run at random moments, now behind so much of the log, now so much time, and
/// goes on with it each time.
fn killed_at_random_moments(guarded: bool) {
    let place = Place::new();
    let mut seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    eprintln!("seed {seed}");
    let mut draw = |most: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % most
    };
    let mut running = start(&place, guarded, &["begin", "coins"]);
    let mut recorded = 0;
    for kill in 0..KILLS {
        match kill % 3 {
            2 => std::thread::sleep(Duration::from_millis(draw(60))),
            _ => running.wait_for_log(&place.path("d"), recorded + 1 + draw(150_000)),
        }
        running.kill();
        let report = place.verified("d");
        assert_eq!(report["state"], "unsealed");
        let end = report["log_bytes"].as_u64().unwrap();
        assert!(end >= recorded, "{report}: {recorded}");
        recorded = end;
        let status = place.karyon(&["safety", "status", "--data", "d", "--json"]).expect(0).json();
        // One that was killed before it began anything leaves the marker as it was.
        if status["start_permitted"] == false {
            let refused = run(&place, guarded, &["resume", "coins"]);
            let code = if guarded { 4 } else { 1 };
            refused.expect(code).says(&["karyon safety resume --reason"]);
            if status["marker"].as_str().unwrap().starts_with("running") {
                run(&place, false, &["replay", "coins"]).expect(1).says(&["safe mode"]);
            }
            place.end_safe_mode("d", "it was killed");
        }
        let confirmed = run(&place, false, &["replay", "coins"]).expect(0).out;
        assert!(confirmed.starts_with("confirmed: "), "{confirmed}");
        running = start(&place, guarded, &["resume", "coins"]);
    }
    let ended = running.end().expect(0);
    let report = place.verified("d");
    assert_eq!(report["state"], "sealed");
    let boots = report["boots"].as_u64().unwrap();
    assert_eq!(report["unguarded"], if guarded { 0 } else { boots }, "{report}");
    let root = report["state_root"].as_str().unwrap();
    let words: Vec<_> = ended.out.split_whitespace().collect();
    // All coins have come to rest, and no message was lost or counted twice.
    assert_eq!(words[..3], [root, "16", "0"], "{ended:?}");
    assert_ne!(words[3], "0", "no step crashed");
    let confirmed = run(&place, false, &["replay", "coins"]).expect(0).out;
    assert!(confirmed.starts_with("confirmed: ") && confirmed.contains(root), "{confirmed}");
    place.karyon(&["audit", "orphans", "--data", "d"]).expect(0);
}

#[test]
fn free_running_and_killed_at_random_moments_it_comes_to_its_end() {
    killed_at_random_moments(false);
}

#[test]
fn so_it_does_when_its_guardian_is_killed() {
    killed_at_random_moments(true);
}
