//! A run is watched through its metrics while it is under way.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{PATIENCE, Place, long_contacts, long_root};

/// The samples without labels; `None`: nobody answers any more.
fn scrape(address: SocketAddr) -> Option<BTreeMap<String, u64>> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut told = String::new();
    stream.read_to_string(&mut told).ok()?;
    // It may end between the question and the answer.
    let (head, body) = told.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let body = body.strip_suffix("# EOF\n")?;
    let lines = body.lines().filter(|line| !line.starts_with('#') && !line.contains('{'));
    let samples = lines.map(|line| line.split_once(' ').unwrap());
    let counts = samples.filter_map(|(name, value)| Some((name.into(), value.parse().ok()?)));
    Some(counts.collect())
}

/// What the report says, by the names of the metrics.
fn reported(report: &Value) -> [(&'static str, &Value); 10] {
    let (messages, memories) = (&report["messages"], &report["memories"]);
    [
        ("karyon_messages_sent_total", &messages["sent"]),
        ("karyon_messages_delivered_total", &messages["delivered"]),
        ("karyon_messages_denied_total", &messages["denied"]),
        ("karyon_messages_refused_total", &messages["refused"]),
        ("karyon_messages_dead_lettered_total", &messages["dead_lettered"]),
        ("karyon_memories_written_total", &memories["written"]),
        ("karyon_memories_denied_total", &memories["denied"]),
        ("karyon_inputs_lost_total", &report["inputs_lost"]),
        ("karyon_crashes_total", &report["crashes"]),
        ("karyon_restarts_total", &report["restarts"]),
    ]
}

#[test]
fn a_run_is_watched_and_not_disturbed() {
    let place = Place::new();
    let args = ["run", "rumour", "--contacts", long_contacts(), "--data", "d", "--json"];
    let mut child = place
        .command()
        .args(args)
        .args(["--metrics", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = told.find_map(|line| {
        let place = line.strip_prefix("metrics: http://")?.strip_suffix("/metrics")?;
        Some(place.parse::<SocketAddr>().unwrap())
    });
    let address = address.unwrap();
    assert!(address.ip().is_loopback());
    let _silent: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut slow = TcpStream::connect(address).unwrap();
    let (mut looked, mut last) = (0, BTreeMap::<String, u64>::new());
    while let Some(now) = scrape(address) {
        // Whether it is still heard is its own affair.
        drop(slow.write_all(b"G"));
        for (name, before) in &last {
            let counts = name.ends_with("_total");
            assert!(!counts || now[name] >= *before, "{name} went from {before} to {}", now[name]);
        }
        (looked, last) = (looked + 1, now);
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?} {:?}", told.collect::<Vec<_>>());
    let out = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(report["state_root"], long_root());
    assert!(looked > 1 && last["karyon_steps_total"] > 0, "{looked}: {last:?}");
    // The memory is built behind the last tick: there is time to see all of it, and none is owed.
    let all = last["karyon_messages_sent_total"] == report["messages"]["sent"].as_u64().unwrap();
    for (name, value) in reported(&report) {
        let (seen, value) = (last[name], value.as_u64().unwrap());
        assert!(seen == value || !all && seen < value, "{name}: {seen} of {value}");
    }
    assert!(TcpStream::connect(address).is_err());
    place.verified("d");
}

#[test]
fn what_cannot_be_offered_is_told_before_anything_is_recorded() {
    let place = Place::new();
    for (address, word) in [
        ("0.0.0.0:9464", "0.0.0.0:9464 is not a loopback address"),
        ("[::]:9464", "not a loopback address"),
        ("localhost:9464", "expected a loopback address"),
        ("9464", "expected a loopback address"),
    ] {
        place
            .karyon(&["run", "rumour", "--data", "d", "--metrics", address])
            .expect(2)
            .says(&[word]);
    }
    assert!(!place.path("d").exists());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.write("contacts", "a b 1\nb c 2\n");
    let run = ["run", "rumour", "--contacts", "contacts", "--data", "d", "--metrics", &address];
    let told = ["metrics cannot be offered at 127.0.0.1:", "hint: choose another port"];
    place.karyon(&run).expect(1).says(&told);
    drop(taken);
    place.karyon(&run).expect(0).says(&["metrics: http://127.0.0.1:"]);
    place.karyon(&["resume", "--data", "d", "--metrics", "127.0.0.1:0"]).expect(0);
    place.karyon(&["resume", "1", "--data", "d", "--metrics", "127.0.0.1:0"]).expect(2);
}
