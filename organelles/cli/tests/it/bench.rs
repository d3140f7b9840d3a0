//! `karyon bench`: measured, told, refused where something is missing, compared.

use std::fs;

use serde_json::{Value, json};

use crate::support::*;

const RING: [&str; 8] = ["bench", "run", "ring", "--level", "gate", "--quick", "--repeat", "2"];

fn run(place: &Place, out: &str, more: &[&str]) -> Value {
    let args = [&RING[..], &["--out", out, "--json"][..], more].concat();
    place.karyon(&args).expect(0).json()
}

fn read(place: &Place, out: &str) -> Value {
    let text = fs::read_to_string(place.path(out).join("report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_workload_is_measured_and_told_with_its_conditions() {
    let place = Place::new();
    let answer = run(&place, "a", &["--threads", "2", "--seed", "7"]);
    assert_eq!(answer, read(&place, "a"));
    assert_eq!((&answer["report"], &answer["configuration"]), (&json!(1), &json!("single")));
    assert_eq!(
        answer["flags"],
        json!({
            "workloads": ["ring"], "level": "gate", "repeat": 2, "threads": "2", "seed": 7,
            "quick": true, "out": "a", "json": true, "warm_up": 1,
        })
    );
    let result = &answer["results"][0];
    assert_eq!(
        (&result["work"], &result["threads"], &result["seed"]),
        (&json!(20_000), &json!(2), &json!(7))
    );
    assert_eq!(answer["build"]["allocator"], "mimalloc");
    // A test is built so: all that is written says it.
    assert_eq!(
        answer["build"]["profile"],
        if cfg!(debug_assertions) { "debug" } else { "release" }
    );
    let page = fs::read_to_string(place.path("a/report.md")).unwrap();
    let picture = fs::read_to_string(place.path("a/report.svg")).unwrap();
    let shown = place.karyon(&["bench", "show", "a"]).expect(0).out;
    assert!(page.contains("| ring | gate | ") && shown.contains("ring gate"), "{page}{shown}");
    assert!(picture.contains("ring, messages a second"), "{picture}");
    for told in [&page, &picture, &shown] {
        assert_eq!(told.contains("DEBUG BUILD"), cfg!(debug_assertions), "{told}");
    }
    let mut names: Vec<_> =
        fs::read_dir(place.path("a")).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.json", "report.md", "report.svg"], "data is gone");
    place.karyon(&["bench", "run", "ring", "--out", "a"]).expect(1).says(&["a holds a report"]);
    // The same that was written is shown again.
    assert_eq!(
        place.karyon(&["bench", "show", "a/report.json", "--json"]).expect(0).json(),
        answer
    );
}

#[test]
fn every_level_leaves_nothing_behind_and_the_directory_has_a_number() {
    let place = Place::new();
    let args = ["bench", "run", "pairs", "memory-as-of", "log-append", "--quick", "--repeat", "1"];
    let out = place.karyon(&args).expect(0).out;
    assert!(
        out.contains("pairs gate+log+memory") && out.contains("reports/bench-1/report.json"),
        "{out}"
    );
    let report = read(&place, "reports/bench-1");
    assert_eq!(report["results"].as_array().unwrap().len(), 3 + 1 + 2);
    assert_eq!(report["flags"]["out"], "default");
    assert_eq!(fs::read_dir(place.path("reports/bench-1")).unwrap().count(), 3);
    place.karyon(&RING).expect(0);
    assert!(place.path("reports/bench-2/report.json").exists());
}

#[test]
fn a_report_is_signed_by_the_node_that_is_there() {
    let place = Place::new();
    assert_eq!(run(&place, "a", &[])["signed"]["key"], "unsigned");
    assert!(!place.keys().join("node.key").exists(), "none is made for that");
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    let node = place.karyon(&["key", "export-public", "--node"]).expect(0).out;
    let answer = run(&place, "b", &[]);
    assert!(node.contains(answer["signed"]["key"].as_str().unwrap()), "{node} {answer}");
    let mut changed = answer;
    changed["machine"]["cpu"] = json!("a better one");
    place.write("c.json", &changed.to_string());
    place.karyon(&["bench", "show", "c.json"]).expect(5).says(&["c.json: it is not what"]);
}

#[test]
fn a_report_from_which_something_is_missing_or_wrong_is_refused() {
    let place = Place::new();
    let whole = run(&place, "a", &[]);
    let mut report = whole.clone();
    report["machine"].as_object_mut().unwrap().remove("kernel");
    place.write("b.json", &report.to_string());
    let words = "b.json: the field machine.kernel is missing";
    place.karyon(&["bench", "show", "b.json"]).expect(1).says(&[words, "hint: name a report.json"]);
    place.karyon(&["bench", "diff", "a", "b.json"]).expect(1).says(&[words]);
    let mut report = whole;
    report["results"][0]["median_per_s"] = json!(1_000_000_000_000_u64);
    place.write("b.json", &report.to_string());
    let words = "b.json: results[0].median_per_s says 1000000000000, where ";
    place.karyon(&["bench", "show", "b.json"]).expect(5).says(&[words]);
    place.karyon(&["bench", "diff", "b.json", "a"]).expect(5).says(&[words]);
    place.karyon(&["bench", "show", "none"]).expect(1).says(&["none: it cannot be read"]);
    place.write("big.json", &" ".repeat(5 << 20));
    place.karyon(&["bench", "show", "big.json"]).expect(1).says(&["big.json: it cannot be read"]);
}

#[test]
fn what_differs_is_told_conditions_first() {
    let place = Place::new();
    let report = run(&place, "a", &[]);
    let same = place.karyon(&["bench", "diff", "a", "a"]).expect(0).out;
    assert!(
        same.contains("conditions  the same") && same.contains("1.000 ×  within the spread"),
        "{same}"
    );
    let mut other = report;
    other["machine"]["cpu"] = json!("a better one");
    for field in ["lowest_ns", "median_ns", "highest_ns"] {
        other["results"][0][field] = json!(1_000);
    }
    other["results"][0]["samples_ns"] = json!([1_000, 1_000]);
    other["results"][0]["spread_permille"] = json!(0);
    other["results"][0]["median_per_s"] = json!(20_000_000_000_u64);
    place.write("b.json", &other.to_string());
    let told = place.karyon(&["bench", "diff", "a", "b.json"]).expect(1).out;
    let (conditions, results) = told.split_once("ring gate").unwrap();
    assert!(conditions.contains("machine.cpu: ") && conditions.contains("a better one"), "{told}");
    assert!(results.contains("faster"), "{told}");
    let answer = place.karyon(&["bench", "diff", "b.json", "a", "--json"]).expect(1).json();
    assert_eq!(
        (&answer["same"], &answer["results"][0]["verdict"]),
        (&json!(false), &json!("slower"))
    );
    assert_eq!(answer["conditions"][0]["condition"], "machine.cpu");
}

#[test]
fn what_cannot_be_measured_is_told_before() {
    let place = Place::new();
    for (args, code, words) in [
        (&["pears"][..], 1, "no workload \"pears\"; there are pairs, ring"),
        (&["ring", "ring"], 1, "the workload ring is named twice"),
        (&["memory-as-of", "--level", "gate"], 1, "memory-as-of has no level gate"),
        (&["--level", "off"], 2, "nobody can switch the gate off"),
        (&["--repeat", "0"], 2, "0 is not in 1..=1000"),
    ] {
        place.karyon(&[&["bench", "run"][..], args].concat()).expect(code).says(&[words]);
    }
    assert!(!place.path("reports").exists(), "nothing was begun");
    let list = place.karyon(&["bench", "list"]).expect(0).out;
    let all = place.karyon(&["bench", "list", "--json"]).expect(0).json();
    assert_eq!(all["workloads"].as_array().unwrap().len(), 10);
    assert!(list.contains("levels: gate, gate+log, gate+log+memory"), "{list}");
}

#[test]
fn who_is_interrupted_leaves_nothing() {
    let place = Place::new();
    let args = ["bench", "run", "ring", "--quick", "--repeat", "1000", "--out", "a"];
    let mut running = place.start(&args);
    running.wait_until(|| place.path("a/data/row").exists());
    running.signal("INT");
    running.end().expect(130).says(&["interrupted: there is no report"]);
    assert!(!place.path("a").exists());
}
