//! The CollegeMsg network: figures that anybody can check by hand.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Place, skipped};

/// The data set, or a visible word that it is not here.
fn college() -> Option<PathBuf> {
    let folder = std::env::var_os("KARYON_DATASETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets"),
        PathBuf::from,
    );
    let file = folder.join("college-msg.txt");
    if file.exists() {
        return Some(file);
    }
    skipped(&format!(
        "CollegeMsg: there is no {}; KARYON_DATASETS names the folder",
        file.display()
    ));
    None
}

fn run(place: &Place, contacts: &Path, extra: &[&str]) -> Value {
    let contacts = contacts.to_str().unwrap();
    let args = [&["run", "rumour", "--contacts", contacts, "--json"], extra].concat();
    let object = place.karyon(&args).expect(0).json();
    assert_eq!(object["messages"]["denied"], 0);
    assert_eq!(object["messages"]["dead_lettered"], 0);
    assert_eq!(object["messages"]["delivered"], object["messages"]["sent"]);
    assert_eq!(object["restarts"], object["crashes"]);
    object
}

#[test]
fn as_many_hear_as_line_by_line() {
    let Some(contacts) = college() else { return };
    let place = Place::new();
    let mut roots = Vec::new();
    for (source, informed) in [("1", 1730), ("9", 1776), ("103", 1770)] {
        let object = run(&place, &contacts, &["--source", source]);
        assert_eq!(object["informed"], informed, "source {source}");
        assert_eq!(object["agents"], 1899);
        assert_eq!(object["messages"]["sent"], 59_835, "source {source}");
        roots.push(object["state_root"].as_str().unwrap().to_owned());
    }
    roots.sort();
    roots.dedup();
    assert_eq!(roots.len(), 3, "another source, another root");
}

#[test]
fn the_state_is_the_same_however_it_was_reached() {
    let Some(contacts) = college() else { return };
    let place = Place::new();
    let expected = run(&place, &contacts, &["--schedulers", "1"]);
    for (schedulers, chaos, seed) in [
        ("2", "0", "1"),
        ("4", "0", "1"),
        ("1", "0", "99"),
        ("1", "0.01", "1"),
        ("2", "0.01", "2"),
        ("1", "0.1", "1"),
        ("2", "0.1", "3"),
        ("4", "0.1", "9223372036854775807"),
    ] {
        let how = ["--schedulers", schedulers, "--chaos", chaos, "--seed", seed];
        let object = run(&place, &contacts, &how);
        for key in ["state_root", "informed", "ticks"] {
            assert_eq!(object[key], expected[key], "{key}: {how:?}");
        }
        assert_eq!(object["crashes"].as_u64().unwrap() > 0, chaos != "0", "{how:?}");
    }
}

#[test]
fn another_generated_network_has_another_root() {
    let place = Place::new();
    let root = |seed: &str| {
        let args = ["run", "rumour", "--seed", seed, "--json"];
        place.karyon(&args).expect(0).json()["state_root"].clone()
    };
    assert_eq!(root("1"), root("1"));
    assert_ne!(root("1"), root("2"));
}
