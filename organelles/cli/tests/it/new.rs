//! `karyon new`: what it makes is built with the workspace's own target directory, run and tested.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::*;

const PAGE: &str = include_str!("../../../../docs/first-colony.md");

/// Cargo in the crate that was made, without the network.
fn cargo(folder: &Path, args: &[&str]) -> (String, String) {
    // What is built beside it already is not built again.
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
    (out, err)
}

#[test]
fn a_new_colony_runs_and_is_tested_at_once() {
    let place = Place::new();
    let told = place.karyon(&["new", "my-colony"]).expect(0).out;
    assert!(told.contains("the checkout this command was built in"), "{told}");
    assert!(told.ends_with("next     cd my-colony && cargo run\n"), "{told}");
    let folder = place.path("my-colony");
    let (out, _) = cargo(&folder, &["run", "--quiet"]);
    assert!(PAGE.contains(&out), "the page does not show: {out}");
    let csv = std::fs::read_to_string(folder.join("series.csv")).unwrap();
    assert!(csv.starts_with("tick,ones,borders\n0,"), "{csv}");
    let svg = std::fs::read_to_string(folder.join("series.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("my-colony"));
    let (out, _) = cargo(&folder, &["test"]);
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
