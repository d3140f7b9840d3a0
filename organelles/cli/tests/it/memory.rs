//! `karyon memory`: the questions, the forms of the answers, and a memory that heals itself.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Place, Running};

/// Times with decimals, equal times, a pair twice in one second, and dates.
const CONTACTS: &str = "\
ada bob 1082040961
bob cyd 1082040961
ada bob 1082040961
cyd ada 1082040999.5
\"dan\" ada 1082041000
ada bob 1082050000
";

/// A run of six contacts in `d`.
fn place() -> Place {
    let place = Place::new();
    place.write("c.txt", CONTACTS);
    let args = ["run", "rumour", "--contacts", "c.txt", "--source", "ada", "--data", "d"];
    place.karyon(&args).expect(0);
    place
}

/// Asks, and gives what is printed.
#[track_caller]
fn ask(place: &Place, question: &str) -> String {
    let mut args = vec!["memory"];
    args.extend(question.split_whitespace());
    args.extend(["--data", "d"]);
    place.karyon(&args).expect(0).out
}

#[test]
fn counts_as_of_any_moment() {
    let place = place();
    for (question, count) in [
        ("count heard", 3),
        ("count heard --at 1082040960", 0),
        ("count heard --at 1082040961", 3),
        ("count heard --at 2004-04-15T14:56:01Z", 3),
        ("count heard --at 2004-04-15", 0),
        ("count contact", 4),
        ("count contact --at 1082040999.4", 2),
        ("count contact --at 1082040999.5", 3),
        ("count contact --between 0 1082040961", 2),
        ("count contact --between 1082041000 1082041000", 4),
        ("count person", 4),
        ("count person --at -1000", 4),
        ("count heard --as-recorded 0", 0),
        ("count heard --as-recorded tick:0", 1),
        ("count heard --at tick:0", 1),
        ("count heard --at tick:1", 2),
        ("count heard --at tick:9", 3),
    ] {
        assert_eq!(ask(&place, question), format!("{count}\n"), "{question}");
    }
    assert_eq!(ask(&place, "count heard --csv"), "what,kind,count,imported\nheard,fact,3,0\n");
    let counted =
        place.karyon(&["memory", "count", "contact", "--at", "5", "--json", "--data", "d"]);
    let answer = json!({
        "what": "contact", "kind": "edge", "count": 0, "imported": 0, "at": "5",
        "between": null, "as_recorded": null
    });
    assert_eq!(counted.expect(0).json(), answer);
}

#[test]
fn what_is_known_and_its_history() {
    let place = place();
    let known = ask(&place, "get bob --json");
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    assert_eq!(known["items"][0]["kind"], "vertex");
    assert_eq!(known["items"][0]["labels"], json!(["person"]));
    let fact = &known["items"][1];
    assert_eq!((&fact["predicate"], &fact["subject"]), (&json!("heard"), &json!("bob")));
    assert_eq!(fact["valid_from"], "1082040961");
    assert_eq!(fact["properties"], json!({ "from": "ada", "when": "1082040961" }));
    assert_eq!(fact["recorded"]["agent"], "bob");
    assert_eq!(fact["recorded"]["tick"], 1);
    // The pair met twice in one second: two versions of equal valid time, and the later holds.
    let edge = ask(&place, "get ada bob --at 1082040961 --csv");
    assert!(edge.lines().nth(1).unwrap().contains("\"\"count\"\":2"), "{edge}");
    let history = ask(&place, "history ada bob --csv");
    let counts: Vec<_> = history
        .lines()
        .skip(1)
        .map(|row| row.split_once("count\"\":").unwrap().1.chars().next().unwrap())
        .collect();
    assert_eq!(counts, ['1', '2', '3'], "{history}");
    assert_eq!(ask(&place, "history ada bob --at 1082040961 --csv").lines().count(), 3);
    // In force between: the one that held at the beginning, and those that began since.
    let between = ask(&place, "history ada bob --between 1082041000 1082050000 --csv");
    assert_eq!(between.lines().count(), 3, "{between}");
    assert_eq!(ask(&place, "history bob ada"), "there is no history of an edge from bob to ada\n");
    assert_eq!(ask(&place, "get \"dan\" --at 5").lines().count(), 1, "he heard nothing");
}

#[test]
fn neighbours_in_each_direction_and_form() {
    let place = place();
    for (question, edges) in [
        ("neighbours ada --direction out", &["ada,contact,bob"][..]),
        ("neighbours ada --direction in", &["cyd,contact,ada", "\"\"\"dan\"\"\",contact,ada"]),
        ("neighbours ada", &["ada,contact,bob", "cyd,contact,ada", "\"\"\"dan\"\"\",contact,ada"]),
        ("neighbours ada --at 1082040961", &["ada,contact,bob"]),
        ("neighbours ada --type contact --direction both --at 0", &[]),
    ] {
        let csv = ask(&place, &format!("{question} --csv"));
        let rows: Vec<_> = csv.lines().skip(1).collect();
        assert_eq!(rows.len(), edges.len(), "{question}\n{csv}");
        for edge in edges {
            let found = rows.iter().any(|row| row.starts_with(&format!("edge,{edge},")));
            assert!(found, "{question}: {edge}\n{csv}");
        }
    }
    let dot = ask(&place, "neighbours ada --dot");
    assert!(dot.starts_with("digraph memory {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains("\"ada\" -> \"bob\""), "{dot}");
    assert!(dot.contains("\"\\\"dan\\\"\" -> \"ada\""), "{dot}");
    let none = ask(&place, "neighbours ada --at 0");
    assert_eq!(none, "ada is connected to nobody then\n");
}

#[test]
fn a_picture_of_a_neighbourhood() {
    let place = place();
    let drawn = ask(&place, "plot ada --at 1082041000 --out ada.svg");
    assert_eq!(drawn, "3 of 3 neighbours drawn in ada.svg\n");
    let svg = fs::read_to_string(place.path("ada.svg")).unwrap();
    for word in ["<svg", "ada: 3 neighbours", "2004-04-15T14:56:40Z", "bob", "cyd", "dan"] {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let place = place();
    let full = fs::File::create("/dev/full").unwrap();
    let args = ["memory", "history", "ada", "--csv", "--data", "d"];
    let ended = place.end_of(place.command().args(args).stdout(full), &args);
    ended.expect(1).says(&["the answer cannot be written"]);
}

#[test]
fn questions_that_make_no_sense() {
    let place = place();
    for (question, words) in [
        ("get adda", &["no agent called \"adda\"", "nearest names: \"ada\""][..]),
        ("get ada bobb", &["no agent called \"bobb\"", "\"bob\""]),
        ("count herd", &["no fact, edge or label called \"herd\"", "\"heard\""]),
        ("neighbours ada --type contacts", &["no type of edge called \"contacts\"", "\"contact\""]),
        (
            "get ada --at yesterday",
            &["--at", "\"yesterday\" is no moment", "2004-04-15", "tick:120"],
        ),
        ("get ada --as-recorded soon", &["--as-recorded", "#1234", "tick:120"]),
        ("get ada --between 5 4", &["--between: 5 comes after 4", "earlier moment"]),
        ("get ada --as-recorded #9999", &["no record #9999", "#0 to #"]),
        ("get ada --at tick:9999", &["no tick 9999", "the last one is tick"]),
        ("get ada --at tick:1 --as-recorded 5", &["--as-recorded names one already"]),
        ("list herd", &["no fact, edge or label called \"herd\"", "\"heard\""]),
        ("get ada --between tick:1 tick:2", &["--between", "--as-recorded tick:N"]),
        ("plot ada --out no/where.svg", &["no/where.svg"]),
    ] {
        let mut args = vec!["memory"];
        args.extend(question.split_whitespace());
        args.extend(["--data", "d"]);
        place.karyon(&args).expect(1).says(words);
    }
    for question in ["get ada --at 1 --between 1 2", "count heard --dot", "get ada --csv --json"] {
        let mut args = vec!["memory"];
        args.extend(question.split_whitespace());
        args.extend(["--data", "d"]);
        place.karyon(&args).expect(2);
    }
    let args = ["memory", "count", "heard", "--data", "nowhere"];
    place.karyon(&args).expect(1).says(&["there is no data directory nowhere"]);
    fs::create_dir(place.path("empty")).unwrap();
    let args = ["memory", "count", "heard", "--data", "empty"];
    place.karyon(&args).expect(1).says(&["nothing was recorded in empty"]);
    assert!(!place.path("empty/memory").exists(), "asking left something behind");
}

fn graph(place: &Place) -> PathBuf {
    place.path("d/memory/graph.redb")
}

fn root(place: &Place) -> String {
    let rebuilt = place.karyon(&["memory", "rebuild", "--data", "d", "--json"]).expect(0).json();
    rebuilt["new_root"].as_str().unwrap().to_owned()
}

#[test]
fn a_memory_that_is_gone_old_or_broken_heals_itself() {
    let place = place();
    let root_before = root(&place);
    let good = fs::read(graph(&place)).unwrap();
    fs::remove_dir_all(place.path("d/memory")).unwrap();
    assert_eq!(ask(&place, "count heard"), "3\n");
    assert_eq!(root(&place), root_before);
    for (what, bytes) in [
        ("garbage", b"this is no memory, whatever its name says".to_vec()),
        ("nothing", Vec::new()),
        ("half", good[..good.len() / 2].to_vec()),
    ] {
        fs::write(graph(&place), bytes).unwrap();
        let args = ["memory", "count", "heard", "--data", "d"];
        assert_eq!(place.karyon(&args).expect(0).out, "3\n", "{what}");
        assert_eq!(root(&place), root_before, "{what}");
    }
    // The memory of another run.
    place.write("e.txt", "x y 1\n");
    place.karyon(&["run", "rumour", "--contacts", "e.txt", "--data", "e"]).expect(0);
    fs::copy(place.path("e/memory/graph.redb"), graph(&place)).unwrap();
    let args = ["memory", "count", "heard", "--data", "d"];
    let healed = place.karyon(&args).expect(0).says(&["built anew", "not as it was written"]);
    assert_eq!(healed.out, "3\n");
    assert_eq!(root(&place), root_before);
    let rebuilt = ask(&place, "rebuild");
    assert!(rebuilt.contains("identical"), "{rebuilt}");
}

#[test]
fn a_flipped_byte_never_changes_an_answer() {
    let place = place();
    let good = fs::read(graph(&place)).unwrap();
    let question = ["memory", "history", "ada", "bob", "--csv", "--data", "d"];
    let right = place.karyon(&question).expect(0).out;
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        fs::write(graph(&place), flipped).unwrap();
        let asked = place.karyon(&question).expect(0).says(&["built anew"]);
        assert_eq!(asked.out, right, "byte {at}");
    }
}

#[test]
fn a_run_that_was_interrupted_can_be_asked_and_goes_on() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let before: u64 = ask(&place, "count contact").trim().parse().unwrap();
    assert!(before > 0);
    place.resumes_to_the_same_state("d");
    let after: u64 = ask(&place, "count contact").trim().parse().unwrap();
    assert!(after > before, "{after} {before}");
    assert_eq!(root(&place), root(&place));
}

#[test]
fn several_ask_at_once_while_the_memory_is_built() {
    let place = place();
    fs::remove_dir_all(place.path("d/memory")).unwrap();
    let asking: Vec<Running> =
        (0..8).map(|_| place.start(&["memory", "count", "heard", "--data", "d"])).collect();
    for running in asking {
        assert_eq!(running.end().expect(0).out, "3\n");
    }
}

#[test]
fn killed_in_the_middle_of_a_projection_twenty_times() {
    let place = Place::new();
    let args = ["run", "rumour", "--data", "d", "--json"];
    let run = place.karyon(&args).expect(0).json();
    let expected = run["memory_root"].as_str().unwrap();
    // One who lost the lease heard it, but was not allowed to remember.
    let heard = ask(&place, "count heard");
    let begun = std::time::Instant::now();
    assert_eq!(root(&place), expected);
    let whole = begun.elapsed();
    for kill in 0..20 {
        if kill % 4 == 0 {
            fs::remove_dir_all(place.path("d/memory")).unwrap();
        }
        // Either of the ways to project; what they leave behind is there for the next one.
        let args = match kill % 2 {
            0 => ["memory", "count", "heard", "--data", "d"],
            _ => ["memory", "rebuild", "--json", "--data", "d"],
        };
        let mut running = place.start(&args);
        if kill % 4 == 0 {
            // In the middle for certain: the file is there, and not yet what it will be.
            running.wait_until(|| graph(&place).exists());
        } else {
            std::thread::sleep(whole * kill / 20);
        }
        if !running.has_ended() {
            running.signal("KILL");
            running.end();
        }
    }
    assert_eq!(ask(&place, "count heard"), heard);
    assert_eq!(root(&place), expected);
    let left: Vec<_> = fs::read_dir(place.path("d/memory")).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "the graph and its checksum: {left:?}");
}
