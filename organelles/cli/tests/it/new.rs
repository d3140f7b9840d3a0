//! `karyon new`: what it makes is what the workspace builds, runs and tests under the name `demo`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::*;

const PAGE: &str = include_str!("../../../../docs/first-colony.md");

/// Cargo in the crate that was made, without the network.
fn cargo(folder: &Path, args: &[&str]) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_path_buf();
    let cargo = std::env::var_os("CARGO").map_or("cargo".into(), PathBuf::from);
    let ended = Command::new(cargo)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .args(args)
        .arg("--offline")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(ended.stdout), text(ended.stderr));
    assert!(ended.status.success(), "cargo {args:?}\n{out}{err}");
    out
}

fn made(place: &Place, name: &str) -> PathBuf {
    let told = place.karyon(&["new", name]).expect(0).out;
    assert!(told.contains("the checkout this command was built in"), "{told}");
    assert!(told.ends_with(&format!("next     cd {name} && cargo run\n")), "{told}");
    place.path(name)
}

#[test]
fn a_new_colony_is_the_one_that_is_built_and_tested_here() {
    let place = Place::new();
    let folder = made(&place, "demo");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../karyon/first-colony");
    for file in ["src/lib.rs", "src/main.rs", "tests/colony.rs"] {
        let text = |folder: &Path| std::fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(text(&folder), text(&kept), "{file}");
    }
    // Its manifest is one, and what it depends on is there in the versions that are tested.
    let told = cargo(&folder, &["metadata", "--format-version", "1"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let names: Vec<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    assert!(["demo", "karyon", "karyon-colony", "serde"].iter().all(|name| names.contains(name)));
}

#[test]
fn the_page_shows_what_is_printed() {
    let outcome = demo::colony(&demo::Parameters::default(), 1).test().unwrap();
    let last = |name| outcome.series.last(name).unwrap();
    let printed = format!(
        "$ cd demo && cargo run\nones {}\nborders {}\n{} steps in {} ticks\nstate root {}\n",
        last("ones"),
        last("borders"),
        outcome.counts.steps,
        outcome.ticks,
        outcome.state_root
    );
    assert!(PAGE.contains(&printed), "the page does not show: {printed}");
}

/// A crate outside of the workspace compiles the whole library for itself.
#[test]
#[ignore = "takes minutes"]
fn full_a_new_colony_runs_and_is_tested_at_once() {
    let place = Place::new();
    let folder = made(&place, "my-colony");
    let out = cargo(&folder, &["run", "--quiet"]);
    assert!(PAGE.contains(&out), "the page does not show: {out}");
    let csv = std::fs::read_to_string(folder.join("series.csv")).unwrap();
    assert!(csv.starts_with("tick,ones,borders\n0,"), "{csv}");
    let svg = std::fs::read_to_string(folder.join("series.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("my-colony"));
    let out = cargo(&folder, &["test"]);
    assert_eq!(out.matches(" ... ok\n").count(), 2, "{out}");
}

#[test]
fn what_is_there_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("demo")).unwrap();
    place.karyon(&["new", "demo"]).expect(1).says(&["demo cannot be made: File exists"]);
    assert_eq!(std::fs::read_dir(place.path("demo")).unwrap().count(), 0);
    place.karyon(&["new", "Demo"]).expect(1).says(&["\"Demo\" is no name of a crate"]);
    let elsewhere = place.karyon(&["new", "other", "--path", "demo"]).expect(1);
    elsewhere.says(&["demo is no checkout of Karyon"]);
    assert!(!place.path("other").exists());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.to_str().unwrap();
    let answer = place.karyon(&["new", "other", "--path", root, "--json"]).expect(0).json();
    assert_eq!(answer["karyon"]["from"], "path");
}
