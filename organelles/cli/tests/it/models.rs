//! Models by name: run, gone on with after a kill, repeated, changed.

use serde_json::Value;

use crate::support::*;

/// Each model, as small as it still shows something.
const SMALL: [(&str, &[&str]); 10] = [
    ("flocking", &["birds=40", "steps=12"]),
    ("forest-fire", &["side=24", "density=0.62"]),
    ("gossip", &["nodes=200"]),
    ("maki-thompson", &["people=200"]),
    ("moran", &["individuals=20"]),
    ("schelling", &["side=12", "agents=90"]),
    ("sir", &["people=300"]),
    ("sir-events", &["people=200"]),
    ("wealth", &["agents=30", "time=20"]),
    ("wolf-sheep", &["side=12", "sheep=30", "wolves=12", "steps=12"]),
];

fn run(place: &Place, model: &str, set: &[&str], data: &str, more: &[&str]) -> Value {
    let set = set.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["run", model, "--data", data, "--json"]
        .into_iter()
        .chain(set)
        .chain(more.iter().copied())
        .collect();
    place.karyon(&args).expect(0).json()
}

#[test]
fn each_model_runs_by_name_verifies_and_is_repeated() {
    let place = Place::new();
    for (model, set) in SMALL {
        let answer = run(&place, model, set, model, &[]);
        assert_eq!(answer["model"], model);
        assert!(answer["measures"].as_object().unwrap().len() > 1, "{answer}");
        let csv = std::fs::read_to_string(place.path(model).join("series.csv")).unwrap();
        assert!(csv.starts_with("tick,") && csv.lines().count() > 2, "{csv}");
        let svg = std::fs::read_to_string(place.path(model).join("series.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains(model));
        place.karyon(&["audit", "verify", "--data", model]).expect(0);
        let replayed =
            place.karyon(&["replay", "--verify", "--data", model, "--json"]).expect(0).json();
        assert_eq!(replayed["state_root"], answer["state_root"], "{model}");
        // Threads and crashes leave no trace in it.
        let other = format!("{model}-2");
        let again = run(&place, model, set, &other, &["--schedulers", "3", "--chaos", "0.05"]);
        assert_eq!(again["state_root"], answer["state_root"], "{model}");
        assert_eq!(again["measures"], answer["measures"], "{model}");
        let again = std::fs::read_to_string(place.path(&other).join("series.csv")).unwrap();
        assert_eq!(again, csv, "{model}");
    }
}

#[test]
fn a_run_that_was_interrupted_goes_on_to_the_same_end() {
    let place = Place::new();
    let set = ["side=20", "sheep=60", "wolves=20", "steps=60"];
    let whole = run(&place, "wolf-sheep", &set, "whole", &[]);
    let sets = set.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> =
        ["run", "wolf-sheep", "--data", "cut", "--rate", "2000"].into_iter().chain(sets).collect();
    let mut running = place.start(&args);
    running.wait_for_log(&place.path("cut"), 40_000);
    running.signal("INT");
    running.end().expect(130);
    let resumed = place.karyon(&["resume", "--data", "cut", "--json"]).expect(0).json();
    assert_eq!(resumed["state_root"], whole["state_root"]);
    let csv = |data: &str| std::fs::read_to_string(place.path(data).join("series.csv")).unwrap();
    assert_eq!(csv("cut"), csv("whole"), "what was measured before the cut is there");
}

#[test]
fn what_is_wrong_is_refused_before_anything_is_made() {
    let place = Place::new();
    place.write("old.toml", "[model]\nname = \"schelling\"\nside = 9\n");
    for (args, words) in [
        (&["run", "shelling"][..], "did you mean the built-in scenario \"schelling\"?"),
        (&["run", "schelling", "--set", "nead=4"], "did you mean \"need\"?"),
        (
            &["run", "schelling", "--set", "agents=1600"],
            "--set: population.agents is 1600; allowed is 1 to one less",
        ),
        (&["run", "schelling", "--set", "model.side=9"], "--set: \"side\" stands in [space]"),
        (
            &["run", "sir", "--set", "degree=4", "--set", "network=complete"],
            "\"degree\" is a key of the network \"watts-strogatz\", and the network is \"complete\"",
        ),
        (&["run", "old.toml"], "old.toml: line 3, column 1: \"side\" stands in [space]"),
        (&["run", "schelling", "--contacts", "x"], "--contacts is the rumour's"),
        (&["run", "rumour", "--set", "need=4"], "the rumour's scenario is changed in its file"),
    ] {
        place.karyon(args).expect(1).says(&[words]);
    }
    place.karyon(&["run", "schelling", "--set", "need"]).expect(2).says(&["write KEY=VALUE"]);
    assert!(!place.path("runs").exists());
    std::fs::write(place.path("mine.toml"), "[model]\nname = \"moran\"\nfitness = 2.0\n").unwrap();
    let answer = run(&place, "mine.toml", &["individuals=10"], "mine", &["--seed", "4"]);
    assert_eq!((&answer["model"], &answer["seed"]), (&"moran".into(), &4.into()));
}

#[test]
fn what_was_denied_beside_messages_is_counted() {
    let place = Place::new();
    place.write(
        "short.toml",
        "[model]\nname = \"sir\"\ninfection = 1.0\nrecovery = 1.0\n\
         [population]\npeople = 20\ncases = 1\n[space]\nnetwork = \"complete\"\n\
         [authority]\nexpires = [{ agent = \"person 20\", tick = 1 }]\n",
    );
    // Its timer, and that all see that it is ill.
    assert_eq!(run(&place, "short.toml", &[], "one", &[])["others_denied"], 2);
    let shown = place.karyon(&["run", "short.toml", "--data", "two"]).expect(0);
    assert!(shown.out.contains("denied      2 besides: marks, timers,"), "{}", shown.out);
    let usual = place.karyon(&["run", "sir", "--set", "people=20", "--data", "three"]).expect(0);
    assert!(!usual.out.contains("besides"), "{}", usual.out);
}

#[test]
fn a_network_of_a_file_is_part_of_the_scenario() {
    let place = Place::new();
    std::fs::create_dir(place.path("town")).unwrap();
    let ring: String = (1..=40).map(|one| format!("{one}\t{}\t0.5\n", one % 40 + 1)).collect();
    place.write("town/friends.txt", &format!("# who knows whom\n{ring}"));
    let scenario = |edges: &str| {
        format!(
            "[model]\nname = \"sir\"\ninfection = 0.9\nrecovery = 0.2\n[population]\npeople = 40\ncases = 1\n\
             [space]\nnetwork = \"edges\"\nedges = \"{edges}\"\n"
        )
    };
    place.write("town/town.toml", &scenario("friends.txt"));
    place.karyon(&["check", "town/town.toml"]).expect(0);
    let from_file = run(&place, "town/town.toml", &[], "a", &[]);
    // Then the file is not needed any more.
    std::fs::remove_file(place.path("town/friends.txt")).unwrap();
    place.karyon(&["replay", "--verify", "--data", "a"]).expect(0);
    let fork = ["fork", "--at", "3", "--set", "infection=0.1", "--data", "a", "--out", "b"];
    place.karyon(&fork).expect(0);
    let pairs: Vec<String> = (1..=40).map(|one| format!("{one} {}", one % 40 + 1)).collect();
    place.write("inline.toml", &scenario(&pairs.join(", ")));
    let inline = run(&place, "inline.toml", &[], "c", &[]);
    assert_eq!(inline["state_root"], from_file["state_root"]);
    assert_eq!(inline["measures"], from_file["measures"]);
    for (name, content, words) in [
        ("gone.txt", None, "town/gone.txt: No such file or directory"),
        ("wrong.txt", Some("1 2\n3 x\n"), "town/wrong.txt: line 2: expected two numbers from 1 on"),
        ("empty.txt", Some("# nobody\n"), "town/empty.txt: it has no edges"),
        (
            "far.txt",
            Some("1 41\n"),
            "space.edges is \"1 41\"; allowed is pairs of numbers from 1 to",
        ),
    ] {
        if let Some(content) = content {
            place.write(&format!("town/{name}"), content);
        }
        place.write("town/other.toml", &scenario(name));
        place.karyon(&["check", "town/other.toml"]).expect(1).says(&[words]);
        place.karyon(&["run", "town/other.toml", "--data", "d"]).expect(1).says(&[words]);
    }
    let many: String = (1..120_000).map(|one| format!("{one} {}\n", one + 1)).collect();
    place.write("town/many.txt", &many);
    place.write("town/other.toml", &scenario("many.txt"));
    place.karyon(&["check", "town/other.toml"]).expect(1).says(&["at most 1048576 are read"]);
    assert!(!place.path("d").exists());
}
