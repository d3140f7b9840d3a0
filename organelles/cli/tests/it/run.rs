//! A run that nobody disturbs: what it prints and what it leaves.

use std::fs;

use serde_json::Value;

use crate::support::Place;

/// Whether a value is of its type.
type Fits = fn(&Value) -> bool;

/// Every key of the promise, and its type.
const PROMISED: [(&str, Fits); 21] = [
    ("/agents", Value::is_u64),
    ("/informed", Value::is_u64),
    ("/messages/sent", Value::is_u64),
    ("/messages/delivered", Value::is_u64),
    ("/messages/denied", Value::is_u64),
    ("/messages/refused", Value::is_u64),
    ("/messages/dead_lettered", Value::is_u64),
    ("/crashes", Value::is_u64),
    ("/restarts", Value::is_u64),
    ("/records", Value::is_u64),
    ("/log_bytes", Value::is_u64),
    ("/elapsed_s", Value::is_f64),
    ("/messages_per_s", Value::is_f64),
    ("/peak_rss_bytes", Value::is_u64),
    ("/state_root", is_root),
    ("/data", Value::is_string),
    ("/log", Value::is_object),
    ("/log/size", Value::is_u64),
    ("/log/root", is_root),
    ("/messages", Value::is_object),
    ("", Value::is_object),
];

fn is_root(value: &Value) -> bool {
    value.as_str().is_some_and(|root| {
        root.len() == 64 && root.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn sent(object: &Value) -> [u64; 5] {
    ["sent", "delivered", "denied", "refused", "dead_lettered"]
        .map(|key| object["messages"][key].as_u64().unwrap())
}

#[test]
fn the_built_in_scenario_keeps_its_promises() {
    let place = Place::new();
    let ended = place.karyon(&["run", "rumour", "--json", "--data", "d"]).expect(0);
    let object = ended.json();
    for (pointer, fits) in PROMISED {
        let value = object.pointer(pointer);
        assert!(value.is_some_and(fits), "{pointer}: {value:?}");
    }
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.out);
    for trace in ["\u{1b}", "\r", "█", " left", "per_sec"] {
        assert!(!ended.err.contains(trace) && !ended.out.contains(trace), "{trace:?}: {ended:?}");
    }
    let [sent, delivered, denied, refused, dead_lettered] = sent(&object);
    assert_eq!(sent, delivered + denied + refused + dead_lettered);
    assert!(denied > 0 && refused == 0 && dead_lettered == 0);
    assert_eq!(object["agents"], 10_000);
    let informed = object["informed"].as_u64().unwrap();
    assert!((3_334..=6_666).contains(&informed), "{informed}");

    let report = place.verified("d");
    assert_eq!(report["state"], "sealed");
    assert_eq!(report["key"], "trusted");
    assert_eq!(report["tail_bytes"], 0);
    for (there, here) in [
        ("/root", "/log/root"),
        ("/blocks", "/log/size"),
        ("/state_root", "/state_root"),
        ("/records", "/records"),
        ("/log_bytes", "/log_bytes"),
    ] {
        assert_eq!(report.pointer(there), object.pointer(here), "{there}");
    }
    let log = fs::metadata(place.path("d/log/00000000.log")).unwrap().len();
    assert_eq!(object["log_bytes"], log);
    check_results(&place, &object);
}

fn check_results(place: &Place, object: &Value) {
    let read = |name: &str| fs::read_to_string(place.path("d").join(name)).unwrap();
    let arrivals = read("arrivals.csv");
    let mut lines = arrivals.lines();
    assert_eq!(lines.next(), Some("agent,informed_at,from"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 3));
    assert_eq!(object["informed"], rows.len());
    assert!(rows.is_sorted_by(|a, b| a[0].as_bytes() < b[0].as_bytes()));
    let without: Vec<_> = rows.iter().filter(|row| row[2].is_empty()).collect();
    assert_eq!(without.len(), 1, "only the source heard from nobody");
    assert_eq!(object["source"], without[0][0]);

    let series = read("series.csv");
    let mut lines = series.lines();
    assert_eq!(lines.next(), Some("time,informed"));
    let points: Vec<(f64, u64)> = lines
        .map(|line| line.split_once(',').unwrap())
        .map(|(time, informed)| (time.parse().unwrap(), informed.parse().unwrap()))
        .collect();
    assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
    assert_eq!(points.last().map(|point| point.1), object["informed"].as_u64());

    let svg = read("adoption.svg");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("xmlns=\"http://www.w3.org/2000/svg\""));
}

#[test]
fn arrivals_follow_a_hand_made_file() {
    let place = Place::new();
    // Ties at 2 chain from b over c to d; "B" sorts before "a"; e hears nothing.
    place.write("c.txt", "# by hand\na b 1\nb c 2.0\nc d 2\nd B 2.50\ne a 3\nB B 4\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    let arrivals = fs::read_to_string(place.path("d/arrivals.csv")).unwrap();
    assert_eq!(arrivals, "agent,informed_at,from\nB,2.50,d\na,1,\nb,1,a\nc,2.0,b\nd,2,c\n");
    let series = fs::read_to_string(place.path("d/series.csv")).unwrap();
    let expected = ["time,informed", "1,2", "2.0,4", "2.50,5"].join("\n") + "\n";
    assert_eq!(series, expected);
}

#[test]
fn directories_are_numbered_and_never_used_twice() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    let run =
        |extra: &[&str]| place.karyon(&[&["run", "rumour", "--contacts", "c.txt"], extra].concat());
    for data in ["runs/rumour-1", "runs/rumour-2"] {
        let ended = run(&[]).expect(0);
        let last = ended.out.lines().last().unwrap();
        assert_eq!(last.split_whitespace().collect::<Vec<_>>(), ["data", data]);
        place.verified(data);
    }
    let refused = run(&["--data", "runs/rumour-1"]).expect(1);
    refused.says(&["runs/rumour-1 already holds a run", "karyon resume --data runs/rumour-1"]);
    let object = run(&["--data", "own", "--json"]).expect(0).json();
    assert_eq!(object["data"], "own");
    fs::create_dir(place.path("full")).unwrap();
    place.write("full/x", "");
    run(&["--data", "full"]).expect(1).says(&["full already holds \"x\""]);
    assert_eq!(fs::read_dir(place.path("full")).unwrap().count(), 1);
}

#[test]
fn a_sealed_run_can_be_repeated() {
    let place = Place::new();
    let args = ["run", "rumour", "--json", "--data", "d", "--seed", "5", "--chaos", "0.01"];
    let first = place.karyon(&args).expect(0).json();
    fs::remove_file(place.path("d/arrivals.csv")).unwrap();
    let again = place.karyon(&["resume", "--data", "d", "--json"]).expect(0).json();
    for key in ["state_root", "log", "messages", "informed", "records", "crashes"] {
        assert_eq!(again[key], first[key], "{key}");
    }
    assert!(place.path("d/arrivals.csv").exists());
    place.verified("d");
}
