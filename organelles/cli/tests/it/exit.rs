//! `karyon export | import`: everything out of one place and into another, on another machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::engram::{CONTACTS, run};
use crate::safe_mode::tree;
use crate::support::{Place, contacts, log_file, long_root, skipped};

/// Exports `d` to `out`.
pub(crate) fn export(place: &Place, data: &str, out: &str, more: &[&str]) -> Value {
    let args = [&["export", "--data", data, "--out", out, "--json"], more].concat();
    place.karyon(&args).expect(0).json()
}

pub(crate) fn import(place: &Place, file: &str, data: &str, more: &[&str]) -> Value {
    let args = [&["import", file, "--data", data, "--json"], more].concat();
    place.karyon(&args).expect(0).json()
}

/// Another machine, to which this file was carried.
pub(crate) fn carried(place: &Place, file: &str) -> Place {
    let there = Place::new();
    fs::copy(place.path(file), there.path(file)).unwrap();
    there
}

pub(crate) fn node_key(place: &Place) -> String {
    let text = fs::read_to_string(place.keys().join("node.pub")).unwrap();
    text.split_whitespace().last().unwrap().to_owned()
}

/// What is answered on both machines, word for word.
fn ask_both(places: [(&Place, &str); 2], questions: &[&str]) {
    for question in questions {
        let [here, there] = places.map(|(place, data)| {
            let args: Vec<_> = question.split(' ').chain(["--data", data]).collect();
            place.karyon(&args).expect(0).out
        });
        assert!(!here.is_empty(), "{question}");
        assert_eq!(here, there, "{question}");
    }
}

/// The roots of a data directory: of the state as its log says, of the memory built anew.
fn roots(place: &Place, data: &str) -> (Value, Value) {
    let rebuilt = place.karyon(&["memory", "rebuild", "--json", "--data", data]).expect(0).json();
    (place.verified(data)["state_root"].clone(), rebuilt["new_root"].clone())
}

#[test]
fn a_run_with_an_engram_answers_alike_on_another_machine() {
    let place = Place::new();
    run(&place, "f", "zoe bob 1082040000\nzoe ada 1082040001\n", "zoe");
    let engram = ["engram", "export", "--agent", "zoe", "--out", "zoe.engram", "--data", "f"];
    place.karyon(&engram).expect(0);
    run(&place, "d", CONTACTS, "ada");
    place.karyon(&["engram", "import", "zoe.engram", "--data", "d"]).expect(0);
    let told = export(&place, "d", "d.tar", &[]);
    let (state_root, memory_root) = roots(&place, "d");
    assert_eq!((&told["state_root"], &told["memory_root"]), (&state_root, &memory_root));
    assert_eq!(told["signed"], true);
    assert_eq!(told["bytes"], fs::metadata(place.path("d.tar")).unwrap().len());

    let there = carried(&place, "d.tar");
    let taken = import(&there, "d.tar", "e", &[]);
    assert_eq!((&taken["state_root"], &taken["memory_root"]), (&state_root, &memory_root));
    assert_eq!((&taken["key"], &taken["signed"]), (&json!("unknown"), &json!(true)));
    assert_eq!(there.verified("e")["key"], "unknown");
    let key = node_key(&place);
    let named = ["audit", "verify", "--data", "e", "--key", &key, "--json"];
    assert_eq!(there.karyon(&named).expect(0).json()["key"], "trusted");
    let questions = [
        "memory get bob --json",
        "memory history ada bob --json",
        "memory list contact --json",
        "memory neighbours bob --csv",
        "memory get bob --as-recorded tick:1 --json",
        "why bob",
        "why ada --consequences --json",
        "why #4",
        "audit orphans --json",
        "audit tail -n 5",
        "audit export --bare --out -",
    ];
    ask_both([(&place, "d"), (&there, "e")], &questions);
    // The memory was put there, not built for each answer.
    let got = there.karyon(&["memory", "get", "bob", "--data", "e"]).expect(0);
    assert!(!got.err.contains("built"), "{}", got.err);
    // A proof that anybody can check.
    there.karyon(&["audit", "prove", "#5", "--data", "e", "--out", "proof"]).expect(0);
    let check = ["audit", "prove", "--check", "proof", "--key", &key];
    there.karyon(&check).expect(0);

    // A copy acts when a person has looked.
    let replay = ["replay", "--verify", "--data", "e", "--key", &key];
    there.karyon(&replay).expect(4).says(&["safe mode", "karyon safety resume"]);
    there.karyon(&["memory", "rebuild", "--data", "e"]).expect(4);
    there.end_safe_mode("e", "brought here");
    there.karyon(&replay).expect(0);
    assert_eq!(roots(&there, "e"), (state_root, memory_root));
    // Nothing goes on in it without the key that began its log, which stays where it is.
    there.karyon(&["engram", "import", "d.tar", "--data", "e"]).expect(5);
    let more = ["memory", "remember", "a", "b", "c", "--keep", "1d", "--reason", "r"];
    let more = [&more[..], &["--data", "e"]].concat();
    assert_ne!(there.karyon(&more).code, Some(0));
}

#[test]
fn the_same_bytes_again() {
    let place = Place::new();
    run(&place, "d", &contacts(300, 20), "p1");
    export(&place, "d", "d.tar", &[]);
    // With the node's key at hand, from here and from what was imported.
    export(&place, "d", "again.tar", &[]);
    import(&place, "d.tar", "e", &[]);
    export(&place, "e", "e.tar", &[]);
    let bytes = |place: &Place, name: &str| fs::read(place.path(name)).unwrap();
    let first = bytes(&place, "d.tar");
    assert!(first == bytes(&place, "again.tar"), "the same directory");
    assert!(first == bytes(&place, "e.tar"), "its import");
    // Without it: nothing is signed, and the log's lines stand there without their views.
    let there = carried(&place, "d.tar");
    import(&there, "d.tar", "e", &[]);
    assert_eq!(export(&there, "e", "e.tar", &[])["signed"], false);
    let third = carried(&there, "e.tar");
    assert_eq!(import(&third, "e.tar", "f", &[])["signed"], false);
    export(&third, "f", "f.tar", &[]);
    assert!(bytes(&there, "e.tar") == bytes(&third, "f.tar"), "the same without a key");
    let files = |name: &str, place: &Place| -> BTreeMap<String, String> {
        let manifest = extracted(place, name, "x").join("manifest.json");
        let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        let files = manifest["files"].as_array().unwrap().clone();
        let text = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
        files.iter().map(|file| (text(file, "name"), text(file, "sha256"))).collect()
    };
    let (signed, bare) = (files("d.tar", &place), files("f.tar", &third));
    let other: Vec<_> = signed.iter().filter(|(name, sum)| bare[*name] != **sum).collect();
    assert_eq!(other.len(), 1, "{other:?}");
    assert_eq!(other[0].0, "log.jsonl");
}

/// The files of an export, taken out by the system's own tar.
fn extracted(place: &Place, file: &str, to: &str) -> PathBuf {
    let folder = place.path(to);
    fs::create_dir(&folder).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(place.path(file)).arg("-C").arg(&folder);
    assert!(tar.status().unwrap().success());
    folder
}

#[test]
fn others_read_it_without_this_program() {
    let place = Place::new();
    run(&place, "d", &contacts(300, 20), "p1");
    export(&place, "d", "d.tar", &[]);
    let folder = extracted(&place, "d.tar", "x");
    let mut sums = Command::new("sha256sum");
    let sums = sums.args(["--strict", "-c", "SHA256SUMS"]).current_dir(&folder).output().unwrap();
    assert!(sums.status.success(), "{sums:?}");
    for name in ["principals.json", "reasons.json", "grants.json"] {
        let list: Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 1, "{name}");
    }
    // Each line of the memory is an item of `memory history --json`.
    let memory = fs::read_to_string(folder.join("memory.jsonl")).unwrap();
    let lines: Vec<Value> =
        memory.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in ["p1", "p7"] {
        let history = ["memory", "history", id, "--json", "--data", "d"];
        let history = place.karyon(&history).expect(0).json()["items"].as_array().unwrap().clone();
        assert!(history.len() > 1, "{id}");
        for item in history {
            assert!(lines.contains(&item), "{item}");
        }
    }
    let leases = fs::read_to_string(folder.join("authority.jsonl")).unwrap();
    assert!(leases.lines().count() >= 20, "{leases}");
    // The log by the stranger's verifier.
    let tried = Command::new("python3").args(["-c", "import blake3, cryptography"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        return skipped("the stranger's verifier: python3 with blake3 and cryptography");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify_audit.py");
    let verified = Command::new("python3")
        .arg(script)
        .arg(folder.join("log.jsonl"))
        .args(["--key", &node_key(&place)])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_run_that_was_interrupted_goes_on_there() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let told = export(&place, "d", "d.tar", &[]);
    assert_eq!(told["state_root"], Value::Null);
    // The machine's keys come along by another way.
    let there = carried(&place, "d.tar");
    let copied = Command::new("cp").arg("-a").args([place.keys(), there.keys()]).status();
    assert!(copied.unwrap().success());
    let taken = import(&there, "d.tar", "d", &[]);
    assert_eq!((&taken["key"], &taken["memory_root"]), (&json!("trusted"), &told["memory_root"]));
    assert_eq!(there.verified("d")["state"], "interrupted");
    there.karyon(&["resume", "--data", "d"]).expect(4).says(&["safe mode"]);
    there.end_safe_mode("d", "brought here");
    there.resumes_to_the_same_state("d");
    assert_eq!(there.verified("d")["state_root"], long_root());
}

#[test]
fn of_a_killed_run_what_was_committed_goes() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    place.start_long("d").kill();
    // Whatever the kill left behind the last commit, there is something now.
    let end = place.verified("d")["log_bytes"].as_u64().unwrap();
    let log = fs::OpenOptions::new().write(true).open(log_file(&place.path("d"))).unwrap();
    log.write_all_at(&[7; 100], end).unwrap();
    drop(log);
    let before = tree(&place.path("d"));
    let told = export(&place, "d", "d.tar", &[]);
    // In safe mode, and nothing was written there.
    assert_eq!(tree(&place.path("d")), before);
    import(&place, "d.tar", "e", &[]);
    let (here, there) = (place.verified("d"), place.verified("e"));
    assert!(here["tail_bytes"].as_u64() >= Some(100), "{here}");
    assert_eq!(there["tail_bytes"], 0);
    for field in ["log_id", "records", "root", "boots", "state"] {
        assert_eq!(here[field], there[field], "{field}");
    }
    assert_eq!(told["records"], there["records"]);
    place.end_safe_mode("e", "brought here");
    place.resumes_to_the_same_state("e");
}

#[test]
fn an_office_keeps_who_may_do_what() {
    let place = Place::new();
    place.write("t.toml", "[[capability]]\naction = \"a.b\"\nresource = \"c\"\napproval = true\n");
    for line in [
        "authority new --data office",
        "authority grant --terms t.toml --reason because --data office",
        "authority agent p --data office",
        "authority lease --grant 1 --to p --data office",
    ] {
        place.karyon(&line.split(' ').collect::<Vec<_>>()).expect(0);
    }
    let ask = "authority ask --lease 1 --action a.b --resource c --data office";
    place.karyon(&ask.split(' ').collect::<Vec<_>>()).expect(3);
    place.karyon(&["authority", "approve", "1", "--yes", "--data", "office"]).expect(0);
    place.karyon(&["authority", "suspend", "lease:1", "--data", "office"]).expect(0);
    export(&place, "office", "office.tar", &[]);
    let there = carried(&place, "office.tar");
    import(&there, "office.tar", "office", &[]);
    ask_both([(&place, "office"), (&there, "office")], &["authority show --json"]);
    // A machine with a node of its own is told whose log it is.
    run(&there, "own", "a b 1\n", "a");
    let show = ["authority", "show", "--json", "--data", "office"];
    there.karyon(&show).expect(5).says(&["--key"]);
    let named = there.karyon(&[&show[..], &["--key", &node_key(&place)]].concat()).expect(0);
    assert_eq!(named.out, place.karyon(&show).expect(0).out);
    let folder = extracted(&place, "office.tar", "x");
    let lines = fs::read_to_string(folder.join("authority.jsonl")).unwrap();
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().into())
        .collect();
    for kind in ["agent", "terms", "proposal", "approval", "order"] {
        assert!(kinds.iter().any(|found| found == kind), "no {kind} in {kinds:?}");
    }
}

#[test]
fn trust_is_what_a_person_says() {
    let place = Place::new();
    run(&place, "d", "a b 1\n", "a");
    export(&place, "d", "d.tar", &[]);
    let key = node_key(&place);
    let there = carried(&place, "d.tar");
    // A machine with a node of its own: a stranger's log is no damage.
    run(&there, "own", "a b 1\n", "a");
    assert_eq!(import(&there, "d.tar", "e", &[])["key"], "unknown");
    assert_eq!(import(&there, "d.tar", "f", &["--trust", &key])["key"], "trusted");
    let mallory = "ab".repeat(32);
    let before = tree(&there.path(""));
    for wrong in [&mallory, &node_key(&there)] {
        let args = ["import", "d.tar", "--data", "g", "--trust", wrong];
        there.karyon(&args).expect(3).says(&["d.tar", &key, "--trust"]);
    }
    there.karyon(&["import", "d.tar", "--data", "g", "--trust", "x"]).expect(1).says(&["--trust"]);
    assert!(!there.path("g").exists() && !there.path(".g.importing").exists());
    assert_eq!(tree(&there.path("")).len(), before.len());
    // Where the log is known, and known to be longer, an older export of it is refused.
    let more = ["memory", "remember", "a", "b", "c", "--keep", "forever", "--reason", "r"];
    place.karyon(&[&more[..], &["--data", "d"]].concat()).expect(0);
    place.karyon(&["import", "d.tar", "--data", "old"]).expect(5).says(&["checkpoint"]);
    assert!(!place.path("old").exists());
}

#[test]
fn what_is_refused_leaves_nothing() {
    let place = Place::new();
    run(&place, "d", "a b 1\nb c 2\n", "a");
    export(&place, "d", "d.tar", &[]);
    let bytes = fs::read(place.path("d.tar")).unwrap();
    let there = Place::new();
    for (name, bytes, code) in
        [("cut", &bytes[..bytes.len() / 2], 5), ("empty", &[][..], 5), ("none", b"what a day", 5)]
    {
        fs::write(there.path(name), bytes).unwrap();
        there.karyon(&["import", name, "--data", "e"]).expect(code).says(&[name]);
        assert!(!there.path("e").exists() && !there.path(".e.importing").exists(), "{name}");
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 20) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(there.path("changed"), changed).unwrap();
        let refused = there.karyon(&["import", "changed", "--data", "e", "--json"]).expect(5);
        assert_eq!(refused.json()["exit_code"], 5, "byte {at}");
        assert!(!there.path("e").exists() && !there.path(".e.importing").exists(), "byte {at}");
    }
    there.karyon(&["import", "nothing", "--data", "e"]).expect(1).says(&["nothing"]);
    // What is there stays as it is.
    let before = tree(&place.path("d"));
    place.karyon(&["import", "d.tar", "--data", "d"]).expect(1).says(&["not an empty folder"]);
    assert_eq!(tree(&place.path("d")), before);
    let again = ["export", "--data", "d", "--out", "d.tar"];
    place.karyon(&again).expect(1).says(&["d.tar is there already"]);
    assert!(fs::read(place.path("d.tar")).unwrap() == bytes);
    place.write("e.tar.part", "");
    place.karyon(&["export", "--data", "d", "--out", "e.tar"]).expect(1).says(&["e.tar.part"]);
    assert!(!place.path("e.tar").exists());
    place.karyon(&["export", "--data", "none", "--out", "x"]).expect(1).says(&["none"]);
    fs::create_dir(place.path("bare")).unwrap();
    let nothing = ["export", "--data", "bare", "--out", "x"];
    place.karyon(&nothing).expect(1).says(&["nothing was recorded"]);
    fs::create_dir(place.path("dir")).unwrap();
    place.karyon(&["import", "dir", "--data", "e"]).expect(1).says(&["dir"]);
    assert!(!place.path("x").exists() && !place.path("x.part").exists());
}

#[test]
fn while_something_runs_nothing_is_exported() {
    let place = Place::new();
    place.patient();
    let running = place.start_long("d");
    running.signal_node(&place.path("d"), "STOP");
    place.karyon(&["export", "--data", "d", "--out", "d.tar"]).expect(1).says(&["in use"]);
    assert!(!place.path("d.tar").exists() && !place.path("d.tar.part").exists());
}

#[test]
fn killed_at_any_moment_it_is_there_as_a_whole_or_not_at_all() {
    let place = Place::new();
    run(&place, "d", &contacts(60_000, 400), "p1");
    export(&place, "d", "d.tar", &[]);
    let root = roots(&place, "d");
    let staging = place.path(".e.importing");
    let mut met = [0, 0];
    for wait_ms in [0, 5, 20, 50, 100, 200, 400, 800, 1600, 3200, 6400] {
        let mut running = place.start(&["import", "d.tar", "--data", "e"]);
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() < wait_ms && !running.has_ended() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if !running.has_ended() {
            running.signal("KILL");
        }
        let ended = running.end();
        let is_there = place.path("e").exists();
        met[usize::from(is_there)] += 1;
        match is_there {
            false => assert_eq!(ended.code, None, "{wait_ms} ms: {ended:?}"),
            true => {
                assert!(!staging.exists(), "{wait_ms} ms");
                place.end_safe_mode("e", "it was killed");
                assert_eq!(roots(&place, "e"), root, "{wait_ms} ms");
                place.remove("e");
            }
        }
    }
    assert!(met[0] > 1, "{met:?}");
    // What was left is taken up.
    import(&place, "d.tar", "e", &[]);
    assert!(!staging.exists());
}

#[test]
fn no_secret_is_in_it() {
    let place = Place::new();
    let remember = |key: &str, text: &str| {
        let more = ["--keep", "forever", "--reason", "because", "--data", "d"];
        place.karyon(&[&["memory", "remember", "acme", key, text], &more[..]].concat()).expect(0);
    };
    remember("one", "CANARY-ONE");
    remember("two", "CANARY-TWO");
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let bytes = fs::read(place.path("d.tar")).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(b"\"reason\":\"because\""), "in the open");
    for canary in ["CANARY-ONE", "CANARY-TWO", "acme"] {
        assert!(!holds(canary.as_bytes()), "{canary}");
    }
    let mut secrets = 0;
    for folder in ["", "principals", "keystores"] {
        for entry in fs::read_dir(place.keys().join(folder)).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "key") {
                let text = fs::read_to_string(entry.path()).unwrap();
                let secret = text.split_whitespace().filter(|word| word.len() == 64);
                for secret in secret {
                    assert!(!holds(secret.as_bytes()), "{}", entry.path().display());
                    secrets += 1;
                }
            }
        }
    }
    assert!(secrets >= 4, "{secrets}: node, principal, master and its check");
    let keys = fs::metadata(place.path("d.keys")).unwrap();
    assert_eq!(keys.permissions().mode() & 0o777, 0o600);
}
