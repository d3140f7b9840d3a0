//! Each limit: a workload that passes it, and one near it that does not.

use std::time::{Duration, Instant};

use karyon_safety::{Found, Marker};
use serde_json::Value;

use crate::place::{Place, Who, code, users, word};

/// How long a workload near a limit is left alone: the watches look once a second.
const LEFT_ALONE: Duration = Duration::from_millis(2_500);
/// For what is looked at every ten seconds.
const LEFT_ALONE_LONG: Duration = Duration::from_secs(12);

/// Few agents, so that many of these can run side by side.
const QUIET: &str = "idle,agents=100";

/// One limit.
struct Watch {
    key: &'static str,
    limit: u64,
    trips: &'static str,
    near: &'static str,
    event: &'static str,
    /// How long the near one is left alone.
    patience: Duration,
}

const fn cooperative(
    key: &'static str,
    limit: u64,
    trips: &'static str,
    near: &'static str,
) -> Watch {
    Watch {
        key,
        limit,
        trips,
        near,
        event: "runaway_detected",
        patience: Duration::from_millis(200),
    }
}

const fn outside(key: &'static str, limit: u64, trips: &'static str, near: &'static str) -> Watch {
    Watch { key, limit, trips, near, event: "safety_halt", patience: LEFT_ALONE }
}

const WATCHES: [Watch; 14] = [
    cooperative("asks_per_minute", 20, "ask=21", "ask=20"),
    cooperative("tasks_per_day", 3, "task=4", "task=3"),
    cooperative("rejections_in_sequence", 3, "rejection=4", "rejection=3"),
    cooperative("rejections_in_sequence", 3, "admitted=4", "admitted=3"),
    cooperative("failures_in_sequence", 5, "failure=6", "failure=5"),
    cooperative("self_modifications_per_day", 1, "self-modification=2", "self-modification=1"),
    cooperative("crashes_per_minute", 100, "crashes=101", "crashes=100"),
    Watch {
        patience: LEFT_ALONE,
        // Near: ticks that take long, and end.
        ..cooperative("stalled_step_s", 1, "busy,spin", "busy,work=100000")
    },
    outside("memory_mib", 400, "memory=500", "memory=200"),
    outside("open_files", 600, "files=900", "files=100"),
    outside("processes", 30, "processes=40", "processes=20"),
    outside("cpu_s_per_day", 3, "cpu=3", "processes=3"),
    Watch { patience: LEFT_ALONE_LONG, ..outside("disk_use_mib", 60, "disk=80", "disk=20") },
    outside("heartbeat_limit_ms", 3_000, "freeze", "files=1"),
];

/// Its quiet agents, unless the workload is the agents' own.
fn modes(workload: &str) -> String {
    match workload.strip_prefix("busy") {
        Some(rest) => format!("busy,agents=100{rest}"),
        None => format!("{QUIET},{workload}"),
    }
}

fn trips(who: Who, watch: &Watch) -> Result<(), String> {
    let place = Place::new(who).with(watch.key, watch.limit);
    let status = place.start(&modes(watch.trips)).end()?;
    let reason = match place.marker() {
        Found::Marker(Marker::Halted { reason, .. }) => reason,
        other => return Err(format!("the marker is {}", word(&other))),
    };
    let name = watch.key.strip_suffix("_limit_ms").unwrap_or(watch.key);
    if !reason.contains(name) || code(status) != "exit 4" {
        return Err(format!("{}, {reason:?}\n{}", code(status), place.said()));
    }
    let events = place.events();
    let [line] = events.as_slice() else { return Err(format!("events: {events:?}")) };
    let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let keys: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    let mut fields =
        ["timestamp", "event", "reason", "autonomy_state", "governance_state", "human_notified"];
    fields.sort_unstable();
    if event["event"] != watch.event || keys != fields {
        return Err(format!("{line} and not {}", watch.event));
    }
    if event["autonomy_state"] != "halted" || !event["reason"].as_str().unwrap().contains(name) {
        return Err(line.clone());
    }
    Ok(())
}

fn does_not_trip(who: Who, watch: &Watch) -> Result<(), String> {
    let place = Place::new(who).with(watch.key, watch.limit);
    let mut run = place.start_ready(&modes(watch.near));
    run.wait_for("done");
    std::thread::sleep(watch.patience);
    if run.has_ended() {
        return Err(format!("it was halted: {}\n{}", word(&place.marker()), place.said()));
    }
    rustix::process::kill_process(run.tree().guardian, rustix::process::Signal::TERM).unwrap();
    match (code(run.end()?).as_str(), word(&place.marker())) {
        ("exit 143", "clear") => Ok(()),
        other => Err(format!("{other:?}\n{}", place.said())),
    }
}

#[test]
fn each_watch_trips_and_spares_what_is_near() {
    // Mostly waiting, so side by side.
    let faults: Vec<String> = std::thread::scope(|scope| {
        let mut looking = Vec::new();
        for who in users() {
            for watch in &WATCHES {
                looking.push(scope.spawn(move || {
                    let outcome = trips(who, watch);
                    outcome
                        .map_err(|fault| format!("{who:?} {} {}: {fault}", watch.key, watch.trips))
                }));
                looking.push(scope.spawn(move || {
                    let outcome = does_not_trip(who, watch);
                    outcome
                        .map_err(|fault| format!("{who:?} {} {}: {fault}", watch.key, watch.near))
                }));
            }
        }
        looking.into_iter().filter_map(|looking| looking.join().unwrap().err()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_heartbeat_that_is_late_but_comes_is_no_halt() {
    let place = Place::new(users()[0]).with("heartbeat_limit_ms", 5_000);
    let run = place.start_ready(QUIET);
    let tree = run.tree();
    crate::tree::signal(tree.runtime, rustix::process::Signal::STOP);
    std::thread::sleep(Duration::from_millis(1_000));
    crate::tree::signal(tree.runtime, rustix::process::Signal::CONT);
    crate::tree::signal(tree.guardian, rustix::process::Signal::TERM);
    assert_eq!(code(run.end().unwrap()), "exit 143", "{}", place.said());
    assert_eq!(word(&place.marker()), "clear");
}

#[test]
fn what_was_counted_before_a_restart_counts() {
    for who in users() {
        let place = Place::new(who).with("tasks_per_day", 3);
        let mut run = place.start_ready("idle,agents=100,task=2");
        run.wait_for("done");
        crate::tree::signal(run.tree().guardian, rustix::process::Signal::TERM);
        assert_eq!(code(run.end().unwrap()), "exit 143", "{}", place.said());
        for name in ["ready", "done"] {
            std::fs::remove_file(place.data().join(name)).unwrap();
        }
        let status = place.start("idle,agents=100,task=2").end().unwrap();
        assert_eq!((code(status).as_str(), word(&place.marker())), ("exit 4", "halted"));
        assert!(place.events()[0].contains("tasks_per_day"), "{:?}", place.events());
    }
}

#[test]
fn a_change_of_the_contract_is_a_breach() {
    for who in users() {
        for (name, breaks) in [
            ("config/guardian.conf", true),
            ("d/safety/marker", true),
            ("d/logs/safety_events.jsonl", true),
            ("config/something", false),
        ] {
            let place = Place::new(who);
            let mut run = place.start_ready(QUIET);
            let path = place.path(name);
            let mut text = std::fs::read_to_string(&path).unwrap_or_default();
            text.push('\n');
            std::fs::write(&path, text).unwrap();
            place.give(&path);
            let begun = Instant::now();
            while !breaks && begun.elapsed() < LEFT_ALONE {
                assert!(!run.has_ended(), "{name}: {}", place.said());
                std::thread::sleep(Duration::from_millis(50));
            }
            if breaks {
                assert_eq!(code(run.end().unwrap()), "exit 4", "{name}: {}", place.said());
                let events = place.events().concat();
                assert!(events.contains("breached"), "{who:?} {name}: {events}");
            }
        }
    }
}

#[test]
fn what_was_halted_does_not_start_again() {
    for who in users() {
        let place = Place::new(who).with("tasks_per_day", 0);
        let status = place.start("idle,agents=100,task=1").end().unwrap();
        assert_eq!(code(status), "exit 4", "{}", place.said());
        std::fs::remove_file(place.data().join("ready")).unwrap();
        let status = place.start("idle,agents=100").end().unwrap();
        assert_eq!(code(status), "exit 4", "{}", place.said());
        assert!(place.said().contains("karyon safety resume"), "{}", place.said());
        assert!(!place.data().join("ready").exists(), "it ran");
    }
}
