//! What docs/first-agent.md shows of a run's directory, on the run that it shows.

use bank::bank;
use karyon::{Data, Outcome};
use karyon_keys::KeyDirectory;

use crate::support::Place;

const PAGE: &str = include_str!("../../../../docs/first-agent.md");

/// The run of the walk, in `first`.
fn walked(place: &Place) -> Outcome {
    let (mut run, _, customer) = bank();
    run.input(0, customer, 700);
    run.input(5, customer, 700);
    let keys = KeyDirectory::at(place.keys());
    let data = Data::new(place.path("first"), "ada", "to see my first agent run").keys(keys);
    let outcome = run.begin(&data).unwrap();
    let replayed = run.replay(&data).unwrap().to_string();
    assert!(PAGE.contains(&format!("\n{replayed}\n")), "the page does not show: {replayed}");
    outcome
}

#[test]
fn the_walk_shows_what_is_printed() {
    let place = Place::new();
    let outcome = walked(&place);
    let shown = format!("{} records, state root {}", outcome.records, outcome.state_root);
    assert!(PAGE.contains(&shown), "the page does not show: {shown}");

    let ask = |args: &[&str]| place.karyon(&[args, &["--data", "first"]].concat());
    ask(&["audit", "verify"]).expect(0);
    ask(&["audit", "tail"]).expect(0);
    let told = ask(&["memory", "get", "account"]).expect(0).out;
    assert!(PAGE.contains(told.trim_end()), "the page does not show: {told}");
    let told = ask(&["why", "#24"]).expect(0).out;
    assert!(told.contains("because     to see my first agent run"), "{told}");
    assert!(PAGE.contains(told.lines().next().unwrap()), "the page does not show: {told}");
}

#[test]
fn a_run_of_another_program_is_none_that_the_command_repeats() {
    let place = Place::new();
    walked(&place);
    for command in [&["resume"][..], &["replay", "--verify"]] {
        let ended = place.karyon(&[command, &["--data", "first"]].concat()).expect(1);
        ended.says(&["first holds the run of a program of its own", "account", "Run::replay"]);
    }
}
