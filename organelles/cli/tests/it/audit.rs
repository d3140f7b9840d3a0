//! `karyon audit` on real runs: what is exported a stranger verifies, what is proved holds
//! without the log, and everything that was done has a reason.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, PATIENCE, Place, contacts, skipped};

/// A small finished run, with crashes.
fn run() -> Place {
    let place = Place::new();
    place.write("c.txt", &contacts(2_000, 40));
    place
        .karyon(&["run", "rumour", "--contacts", "c.txt", "--chaos", "0.05", "--data", "d"])
        .expect(0);
    place
}

fn audit(place: &Place, args: &[&str]) -> Ended {
    place.karyon(&[&["audit"], args].concat())
}

/// What the stranger's script says; `None`: it cannot run here.
pub(crate) fn script(place: &Place, export: &str) -> Option<(bool, String)> {
    let tried = Command::new("python3").args(["-c", "import blake3, cryptography"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        skipped("the stranger's verifier: python3 with blake3 and cryptography");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify_audit.py");
    let key = place.keys().join("node.pub");
    let mut command = Command::new("python3");
    command.arg(script).arg(place.path(export)).arg("--key").arg(key);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(text).unwrap()))
}

#[test]
fn a_stranger_verifies_the_export_of_a_run_and_names_what_was_changed() {
    let place = run();
    let told = audit(&place, &["export", "--data", "d", "--out", "e", "--json"]).expect(0).json();
    let text = fs::read_to_string(place.path("e")).unwrap();
    assert_eq!(told["bytes"], text.len());
    let Some((content, words)) = script(&place, "e") else { return };
    assert!(content && words.contains(&format!("{} records", told["records"])), "{words}");

    let lines: Vec<&str> = text.lines().collect();
    let victim = told["records"].as_u64().unwrap() / 2;
    let at = lines.iter().position(|l| l.starts_with(&format!("{{\"seq\":{victim},"))).unwrap();
    let altered = lines[at].replacen("\"kind\":\"", "\"kind\":\"X", 1);
    let tampered: [(&str, Vec<&str>); 4] = [
        ("it was altered", [&lines[..at], &[altered.as_str()], &lines[at + 1..]].concat()),
        ("it was removed", [&lines[..at], &lines[at + 1..]].concat()),
        ("put before it", [&lines[..at], &[lines[at - 1]], &lines[at..]].concat()),
        ("cut off", lines[..at].to_vec()),
    ];
    for (why, lines) in tampered {
        place.write("t", &(lines.join("\n") + "\n"));
        let (content, words) = script(&place, "t").unwrap();
        assert!(!content && words.contains(why), "{words}");
        assert!(words.contains(&format!("record #{victim}:")), "{victim}: {words}");
    }
}

#[test]
fn an_export_overwrites_nothing_and_goes_to_standard_output_too() {
    let place = run();
    audit(&place, &["export", "--data", "d", "--out", "e"]).expect(0);
    audit(&place, &["export", "--data", "d", "--out", "e"]).expect(1).says(&["choose another"]);
    let piped = audit(&place, &["export", "--data", "d", "--out", "-"]).expect(0);
    assert_eq!(piped.out, fs::read_to_string(place.path("e")).unwrap());
}

#[test]
fn without_the_nodes_key_an_export_is_bare() {
    let place = run();
    let stranger = place.path("stranger");
    let with = |args: &[&str]| {
        let mut command = place.command();
        command.env("KARYON_CONFIG_HOME", &stranger).args(args);
        place.end_of(&mut command, args)
    };
    with(&["audit", "export", "--data", "d", "--out", "e"]).expect(1).says(&["--bare"]);
    assert!(!place.path("e").exists());
    with(&["audit", "export", "--data", "d", "--out", "e", "--bare"]).expect(0);
    let text = fs::read_to_string(place.path("e")).unwrap();
    assert!(!text.contains("\"view\"") && !text.contains("\"hashes\""));
    if let Some((content, words)) = script(&place, "e") {
        assert!(content, "{words}");
    }
}

#[test]
fn a_record_is_proved_without_the_log() {
    let place = run();
    audit(&place, &["prove", "#100", "--data", "d", "--out", "p"]).expect(0);
    place.remove("d");
    let checked = audit(&place, &["prove", "--check", "p", "--json"]).expect(0).json();
    assert_eq!((&checked["verified"], &checked["record"]), (&true.into(), &100.into()));
    assert!(checked["view"]["kind"].is_string());

    let key = "11".repeat(32);
    audit(&place, &["prove", "--check", "p", "--key", &key]).expect(5).says(&["checkpoint"]);
    let text = fs::read_to_string(place.path("p")).unwrap();
    place.write("q", &text.replacen("index ", "index 9", 1));
    audit(&place, &["prove", "--check", "q"]).expect(5);
    audit(&place, &["prove"]).expect(2);
    audit(&place, &["prove", "1", "--check", "p"]).expect(2);
}

#[test]
fn a_proof_outlives_its_nodes_key_and_a_strangers_is_not_called_false() {
    let place = run();
    audit(&place, &["prove", "#100", "--data", "d", "--out", "p"]).expect(0);
    place.karyon(&["key", "rotate", "--node"]).expect(0);
    audit(&place, &["prove", "--check", "p"]).expect(0);
    let stranger = place.path("stranger");
    let mut command = place.command();
    let args = ["audit", "prove", "--check", "p"];
    command.env("KARYON_CONFIG_HOME", &stranger).args(args);
    place.end_of(&mut command, &args).expect(1).says(&["unknown", "--key"]);
}

#[test]
fn a_log_is_held_against_a_checkpoint() {
    let place = run();
    let kept = fs::read_to_string(place.path("d/log/checkpoint")).unwrap();
    place.write("kept", &kept);
    let grew = ["grew", "--since", "kept", "--data", "d", "--json"];
    let told = audit(&place, &[&grew[..], &["--proof", "g"]].concat()).expect(0).json();
    assert_eq!(told["blocks"]["since"], told["blocks"]["now"]);
    let proof = fs::read_to_string(place.path("g")).unwrap();
    assert!(
        proof.starts_with(&format!("old {}\n", told["blocks"]["since"])) && proof.ends_with(&kept)
    );

    let words = |place: &Place| audit(place, &["grew", "--since", "kept", "--data", "d"]);
    place.write("kept", &kept.replacen("karyon/", "karyon/0", 1));
    words(&place).expect(5);
    // Another run of this node, in its place.
    place.write("kept", &kept);
    place.remove("d");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    words(&place).expect(5).says(&["of another log"]);
}

#[test]
fn the_tail_shows_the_last_records_and_follows_until_it_is_told_to_stop() {
    let place = run();
    let records = place.verified("d")["records"].as_u64().unwrap();
    let shown = audit(&place, &["tail", "-n", "3", "--data", "d", "--json"]).expect(0).out;
    let numbers: Vec<u64> = shown
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(numbers, [records - 3, records - 2, records - 1]);
    let words = audit(&place, &["tail", "--data", "d"]).expect(0).out;
    assert_eq!(words.lines().count(), 10);
    assert!(words.ends_with("ticks\n"), "{words}");

    let following = place.start(&["audit", "tail", "--follow", "--data", "d"]);
    // Told to stop before it listens to signals, it would not end in good order.
    let status = format!("/proc/{}/status", following.id());
    let begun = std::time::Instant::now();
    let listens = || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap_or(0) & 2 != 0)
    };
    while !listens() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    following.signal("INT");
    assert_eq!(following.end().expect(0).out.lines().count(), 10);
}

#[test]
fn everything_in_a_run_was_done_for_a_reason() {
    let place = run();
    let told = audit(&place, &["orphans", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(told["orphans"], 0);
    assert!(told["traced"].as_u64().unwrap() > 4_000, "{told}");
    audit(&place, &["orphans", "--data", "nowhere"]).expect(1);
}
