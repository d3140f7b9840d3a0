//! What is done with runs of models: swept, forked, compared, drawn, written as tables.

use std::fs;

use serde_json::Value;

use crate::support::*;

const TOWN: &str = "[model]\nname = \"schelling\"\n[population]\nagents = 90\n[space]\nside = 12\n";

fn town(place: &Place) {
    fs::write(place.path("town.toml"), TOWN).unwrap();
}

fn run(place: &Place, args: &[&str]) -> Value {
    let args: Vec<_> = ["run", "town.toml", "--json"].iter().chain(args).copied().collect();
    place.karyon(&args).expect(0).json()
}

fn text(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn a_fork_has_the_past_of_its_run_and_diff_finds_where_they_part() {
    let place = Place::new();
    town(&place);
    let whole = run(&place, &["--data", "whole"]);
    let fork = |more: &[&str]| {
        let args: Vec<_> =
            ["fork", "--data", "whole", "--json"].iter().chain(more).copied().collect();
        place.karyon(&args)
    };
    // With nothing different it is the same run.
    let same = fork(&["--at", "7", "--out", "same", "--schedulers", "3"]).expect(0).json();
    assert_eq!(same["state_root"], whole["state_root"]);
    let answer = place.karyon(&["diff", "whole", "same", "--json"]).expect(0).json();
    assert_eq!((&answer["same"], &answer["first"]), (&true.into(), &Value::Null));
    assert_eq!(answer["state_roots"][0], answer["state_roots"][1]);
    // With another value they part at that tick, and not before.
    let other = fork(&["--at", "7", "--set", "need=5", "--out", "other"]).expect(0).json();
    assert_ne!(other["state_root"], whole["state_root"]);
    let answer = place.karyon(&["diff", "whole", "other", "--json"]).expect(1).json();
    assert_eq!((&answer["same"], &answer["tick"]), (&false.into(), &7.into()));
    assert_eq!(answer["first"]["differs"], "outputs[0]");
    assert!(answer["first"]["agent"]["name"].as_str().unwrap().starts_with("resident "));
    assert_eq!(answer["scenario"][0]["key"], "changes");
    let told = place.karyon(&["diff", "whole", "other"]).expect(1).out;
    assert!(told.contains("they part   in tick 7, at agent"), "{told}");
    // Why it happened there, and why the run was.
    let record = format!("#{}", answer["first"]["records"][1]);
    let why = place.karyon(&["why", &record, "--data", "other"]).expect(0).out;
    assert!(
        why.contains("fork the run of log") && why.contains("at tick 7 with need = 5"),
        "{why}"
    );
    place.karyon(&["replay", "--verify", "--data", "other"]).expect(0);
    // Seeds are told apart before the first tick.
    run(&place, &["--seed", "2", "--data", "second"]);
    let told = place.karyon(&["diff", "whole", "second"]).expect(1).out;
    assert!(told.contains("scenario    seed: 1, and 2"), "{told}");
    assert!(told.contains("before the first tick"), "{told}");
}

#[test]
fn forks_that_cannot_be_are_refused_before_anything_is_made() {
    let place = Place::new();
    town(&place);
    run(&place, &["--data", "whole"]);
    for (args, words) in [
        (&["--at", "7", "--set", "agents=80"][..], "agents cannot be different from tick 7 on"),
        (&["--at", "21", "--set", "need=5"][..], "the run is over with tick 20"),
        (&["--at", "7", "--set", "nead=5"][..], "did you mean \"need\"?"),
        (&["--at", "7", "--set", "need=x"][..], "need"),
    ] {
        let args: Vec<_> =
            ["fork", "--data", "whole", "--out", "new"].iter().chain(args).copied().collect();
        place.karyon(&args).expect(1).says(&[words]);
        assert!(!place.path("new").exists());
    }
    place.karyon(&["fork", "--data", "whole", "--set", "need=5"]).expect(2);
    place.karyon(&["fork", "17", "--at", "5", "--data", "whole"]).expect(2);
    place.karyon(&["fork", "--at", "5", "--out", "whole", "--data", "whole"]).expect(1);
    place.karyon(&["diff", "whole", "nowhere"]).expect(1).says(&["nowhere"]);
}

#[test]
fn a_changed_log_is_not_compared() {
    let place = Place::new();
    town(&place);
    run(&place, &["--data", "one"]);
    run(&place, &["--data", "two"]);
    let log = place.path("two/log/00000000.log");
    let mut bytes = fs::read(&log).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&log, bytes).unwrap();
    place.karyon(&["diff", "one", "two"]).expect(5);
}

#[test]
fn a_sweep_runs_every_combination_once_and_goes_on_where_it_was() {
    let place = Place::new();
    town(&place);
    let sweep = |more: &[&str]| {
        let args: Vec<_> =
            ["sweep", "town.toml", "--out", "sweep"].iter().chain(more).copied().collect();
        place.karyon(&args)
    };
    let values = ["--set", "need=2,4", "--set", "steps=5", "--seeds", "1..=3"];
    let all: Vec<_> = values.iter().chain(&["--json"]).copied().collect();
    let answer = sweep(&all).expect(0).json();
    assert_eq!(
        (&answer["runs"], &answer["done"], &answer["new"]),
        (&6.into(), &6.into(), &6.into())
    );
    assert_eq!(answer["points"][1]["point"], "need = 4");
    assert_eq!(answer["points"][1]["runs"], 3);
    let results = text(&place, "sweep/results.csv");
    let lines: Vec<_> = results.lines().collect();
    assert_eq!(lines.len(), 7);
    assert!(lines[0].starts_with("run,model.need,seed,happy,alike,"), "{results}");
    // Each is the run that karyon run makes.
    let alone =
        run(&place, &["--set", "need=4", "--set", "steps=5", "--seed", "2", "--data", "alone"]);
    let root = alone["state_root"].as_str().unwrap();
    assert!(lines[5].starts_with("000005,4,2,") && lines[5].ends_with(root), "{results}");
    place.karyon(&["replay", "--verify", "--data", "sweep/runs/000005"]).expect(0);
    assert!(text(&place, "sweep/sweep.svg").contains("need = 2"));
    // Nothing is done twice; what is missing is done.
    assert_eq!(sweep(&all).expect(0).json()["new"], 0);
    fs::remove_file(place.path("sweep/answers/000004.json")).unwrap();
    place.remove("sweep/runs/000004");
    // A run that was killed cannot go on: it is put aside.
    fs::remove_file(place.path("sweep/answers/000002.json")).unwrap();
    let log = place.path("sweep/runs/000002/log/00000000.log");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, &whole[..whole.len() - 40]).unwrap();
    let again = sweep(&all).expect(0);
    assert_eq!(again.json()["new"], 2);
    assert_eq!(text(&place, "sweep/results.csv"), results);
    // Another sweep finds no place there.
    let other = ["--set", "need=2,5", "--set", "steps=5", "--seeds", "1..=3"];
    sweep(&other).expect(1).says(&["holds another sweep"]);
    // It is no run, and whoever takes it for one is told where its runs are.
    for args in [
        &["audit", "verify"][..],
        &["resume"],
        &["replay", "--verify"],
        &["memory", "count", "heard"],
    ] {
        let args: Vec<_> = args.iter().copied().chain(["--data", "sweep"]).collect();
        place.karyon(&args).expect(1).says(&[
            "nothing was recorded in sweep",
            "it holds a sweep; its runs are sweep/runs/000001, …",
        ]);
    }
}

#[test]
fn one_value_holds_for_all_runs_and_what_a_person_stopped_stays_stopped() {
    let place = Place::new();
    fs::write(place.path("town.toml"), format!("{TOWN}[sweep]\nneed = [2, 3]\nseeds = [1, 2]\n"))
        .unwrap();
    let args = ["sweep", "town.toml", "--set", "need=4", "--out", "sweep", "--json"];
    let answer = place.karyon(&args).expect(0).json();
    assert_eq!((&answer["runs"], &answer["points"][0]["point"]), (&2.into(), &"".into()));
    let set = ["--set", "need=4", "--seed", "2", "--data", "alone"];
    let root = run(&place, &set)["state_root"].as_str().unwrap().to_owned();
    assert!(text(&place, "sweep/results.csv").contains(&root));
    // An answer without its run is none; neither is one of another model.
    fs::write(place.path("sweep/answers/000001.json"), "{\"measures\":[1]}").unwrap();
    fs::write(place.path("sweep/runs/000001/safety/STOP"), "").unwrap();
    let stopped = place.karyon(&args).expect(1);
    assert_eq!(stopped.json()["done"], 1);
    stopped.says(&["run 000001 failed: it was stopped"]);
    // Nor is the directory of a run one of a sweep.
    place
        .karyon(&["sweep", "town.toml", "--out", "alone"])
        .expect(1)
        .says(&["data directory of a run"]);
}

#[test]
fn a_sweep_that_was_interrupted_goes_on() {
    let place = Place::new();
    town(&place);
    let args = ["sweep", "town.toml", "--out", "sweep", "--set", "steps=200", "--seeds", "1..=12"];
    let running = place.start(&args);
    let deadline = std::time::Instant::now() + PATIENCE;
    let answers = || {
        let all = fs::read_dir(place.path("sweep/answers")).into_iter().flatten().flatten();
        all.filter(|file| file.file_name().to_string_lossy().ends_with(".json")).count()
    };
    while answers() < 1 {
        assert!(std::time::Instant::now() < deadline, "no run came to its end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("TERM");
    running.end().expect(143).says(&["interrupted"]);
    let done = answers();
    let all: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
    let answer = place.karyon(&all).expect(0).json();
    assert_eq!((&answer["done"], &answer["new"]), (&12.into(), &(12 - done).into()));
}

#[test]
fn sweeps_that_cannot_be_are_refused_before_anything_is_made() {
    let place = Place::new();
    town(&place);
    for (args, words) in [
        (&["rumour"][..], "is no scenario of a model"),
        (&["town.toml"][..], "nothing differs"),
        (&["town.toml", "--set", "nead=1,2"][..], "did you mean \"need\"?"),
        (&["town.toml", "--set", "need=1,x"][..], "need"),
        (&["town.toml", "--seeds", "1..3"][..], "1..=10"),
        (&["town.toml", "--seeds", "1,2,1"][..], "stands there twice"),
        (&["town.toml", "--set", "agents=10,200"][..], "agents"),
        (&["town.toml", "--seeds", "1..=200000"][..], "100,000"),
        (&["none.toml", "--seeds", "1..=2"][..], "cannot be read"),
    ] {
        let args: Vec<_> = ["sweep", "--out", "sweep"].iter().chain(args).copied().collect();
        place.karyon(&args).expect(1).says(&[words]);
        assert!(!place.path("sweep").exists(), "{args:?}");
    }
}

#[test]
fn what_runs_measured_is_drawn_and_written_as_tables() {
    let place = Place::new();
    town(&place);
    run(&place, &["--data", "one"]);
    run(&place, &["--seed", "2", "--data", "two"]);
    place.karyon(&["plot", "one", "--out", "one.svg"]).expect(0);
    let svg = text(&place, "one.svg");
    assert!(svg.contains("happy") && svg.contains("alike"), "{svg}");
    place.karyon(&["plot", "one", "two", "--measure", "happy", "--out", "both.png"]).expect(0);
    assert!(fs::read(place.path("both.png")).unwrap().starts_with(b"\x89PNG\r\n"));
    place
        .karyon(&["plot", "one", "--measure", "sad", "--out", "x.svg"])
        .expect(1)
        .says(&["happy, alike"]);
    place.karyon(&["plot", "one", "--out", "x.jpg"]).expect(1).says(&["end it in .svg or .png"]);
    place.karyon(&["plot", "none", "--out", "x.svg"]).expect(1).says(&["series.csv"]);
    fs::write(place.path("two/series.csv"), "tick,a\n0,1\n1,x\n").unwrap();
    place
        .karyon(&["plot", "two", "--out", "x.svg"])
        .expect(1)
        .says(&["line 3", "\"x\" is no number"]);

    let table = |args: &[&str]| {
        let args: Vec<_> = ["export", "--json", "--table"].iter().chain(args).copied().collect();
        place.karyon(&args)
    };
    let answer = table(&["series", "--data", "one", "--out", "one.csv"]).expect(0).json();
    let csv = text(&place, "one.csv");
    assert_eq!(answer["rows"], csv.lines().count() - 1);
    assert!(csv.starts_with("run,tick,measure,value\none,0,happy,"), "{csv}");
    table(&["series", "--data", "one", "--out", "one.parquet"]).expect(0);
    assert!(fs::read(place.path("one.parquet")).unwrap().starts_with(b"PAR1"));
    table(&["series", "--data", "one", "--out", "one.csv"]).expect(1).says(&["is there already"]);
    table(&["series", "--data", "one", "--out", "one.txt"]).expect(1).says(&["end it in .csv"]);
    // Residents say nothing of themselves: all that is seen are cells.
    table(&["agents", "--data", "one", "--out", "a.csv"]).expect(1).says(&["say nothing"]);
    place.karyon(&["run", "sir", "--set", "people=50", "--data", "sir"]).expect(0);
    table(&["agents", "--data", "sir", "--out", "sir.csv"]).expect(0);
    let csv = text(&place, "sir.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("tick,agent,layer0"));
    assert_eq!(lines.count() % 50, 0);
    // As many are ill in the first tick as were measured then.
    let ill = csv.lines().filter(|line| line.starts_with("0,") && line.ends_with(",1")).count();
    let measured = text(&place, "sir/series.csv");
    let first = measured.lines().nth(1).unwrap().to_owned();
    assert_eq!(first.split(',').nth(2), Some(ill.to_string().as_str()), "{first}");
    // Who stands nowhere is not there: of animals a row for each that lives.
    let meadow = ["run", "wolf-sheep", "--set", "steps=3", "--set", "side=12", "--data", "meadow"];
    place.karyon(&meadow).expect(0);
    table(&["agents", "--data", "meadow", "--out", "meadow.csv"]).expect(0);
    let (rows, series) = (text(&place, "meadow.csv"), text(&place, "meadow/series.csv"));
    assert!(rows.starts_with("tick,agent,layer0,cell0,layer1,cell1\n"));
    for line in series.lines().skip(1) {
        let mut fields = line.split(',');
        let tick = format!("{},", fields.next().unwrap());
        let animals: usize = fields.take(2).map(|count| count.parse::<usize>().unwrap()).sum();
        let there = rows.lines().filter(|row| row.starts_with(&tick)).count();
        assert_eq!(there, animals, "{line}");
    }
    let ticks: Vec<_> =
        series.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ticks, ["0", "5", "11", "17", "23"], "each step at its end");
}
