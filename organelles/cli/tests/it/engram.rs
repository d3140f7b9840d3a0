//! `karyon engram`: memory taken out, carried, brought in; and everything that is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Place, wait_until_free};

pub(crate) const CONTACTS: &str = "\
ada bob 1082040961
dan ada 1082040970
bob cyd 1082040980
cyd bob 1082040990
ada bob 1082050000
";

/// A run of five contacts in `d`, and what bob remembers in `bob.engram`.
pub(crate) fn place() -> Place {
    let place = Place::new();
    run(&place, "d", CONTACTS, "ada");
    export(&place, &["--agent", "bob", "--out", "bob.engram"]);
    place
}

pub(crate) fn run(place: &Place, data: &str, contacts: &str, source: &str) {
    place.write(&format!("{data}.txt"), contacts);
    let file = format!("{data}.txt");
    let args = ["run", "rumour", "--contacts", &file, "--source", source, "--data", data];
    place.karyon(&args).expect(0);
}

pub(crate) fn export(place: &Place, args: &[&str]) {
    place.karyon(&[&["engram", "export", "--data", "d"], args].concat()).expect(0);
}

fn import(place: &Place, data: &str) -> Value {
    let args = ["engram", "import", "bob.engram", "--data", data, "--json"];
    place.karyon(&args).expect(0).json()
}

fn memory(place: &Place, question: &str, data: &str) -> Vec<Value> {
    let mut args = vec!["memory"];
    args.extend(question.split_whitespace());
    args.extend(["--json", "--data", data]);
    place.karyon(&args).expect(0).json()["items"].as_array().unwrap().clone()
}

/// Every file of a folder with its bytes, but for the memory, which is a projection.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "memory" {
                folders.push(path);
            } else if path.is_file() && !name.starts_with("safety/") {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The item without what says where it lies now.
fn without_origin(item: &Value) -> Value {
    let mut item = item.clone();
    item.as_object_mut().unwrap().remove("origin");
    item
}

#[test]
fn into_an_empty_instance() {
    let place = place();
    let imported = import(&place, "e");
    assert_eq!(imported["known"], 0);
    assert_eq!(imported["conflicts"], json!([]));
    assert_eq!(imported["changed"], true);
    let report = place.verified("e");
    assert_eq!(report["state"], "sealed");
    let log = place.verified("d")["log_id"].clone();
    for question in [
        "get bob",
        "history bob",
        "history ada bob",
        "history bob cyd",
        "get ada bob --at 1082040961",
        "neighbours bob --at 1082040985",
        "neighbours bob --direction in",
    ] {
        let (here, there) = (memory(&place, question, "d"), memory(&place, question, "e"));
        assert!(!here.is_empty(), "{question}");
        // Version by version the same, with the provenance of the log that it comes from.
        assert_eq!(here, there.iter().map(without_origin).collect::<Vec<_>>(), "{question}");
        for item in &there {
            assert_eq!(item["origin"]["log"], log, "{question}");
            assert!(item["origin"]["imported"].is_u64());
        }
    }
    // Whoever was not chosen, and is no partner of who was, is not known at all.
    let args = ["memory", "history", "dan", "--data", "e"];
    place.karyon(&args).expect(1).says(&["no agent called \"dan\""]);
    let table = place.karyon(&["memory", "get", "bob", "--data", "e"]).expect(0).out;
    assert!(table.contains(&format!("of log {}", log.as_str().unwrap())), "{table}");
    place.karyon(&["why", "bob", "--data", "e"]).expect(1).says(&["known from elsewhere"]);
    // It is no run: nothing to go on with, and nobody to send or count.
    place.karyon(&["resume", "--data", "e"]).expect(1).says(&["imported"]);
    let counted = place.karyon(&["memory", "count", "heard", "--data", "e"]).expect(0);
    let counted = counted.says(&["and 1 more that were imported"]);
    assert_eq!(counted.out, "0\n", "counts are of own entities");
}

#[test]
fn into_a_filled_instance_and_again() {
    let place = place();
    // There bob heard from somebody else, at another time.
    run(&place, "f", "zoe bob 1082040000\nzoe ada 1082040001\n", "zoe");
    let own = memory(&place, "get bob", "f");
    let before = place.verified("f");
    let run_before = fs::read(place.path("f/log/00000000.log")).unwrap();
    let imported = import(&place, "f");
    assert_eq!(imported["changed"], true);
    let [conflict] = &imported["conflicts"].as_array().unwrap()[..] else { panic!("{imported}") };
    assert_eq!((&conflict["subject"], &conflict["predicate"]), (&json!("bob"), &json!("heard")));
    assert_eq!(conflict["here"]["properties"]["from"], "zoe");
    assert_eq!(conflict["theirs"]["properties"]["from"], "ada");
    // Both are kept: the own one first, the foreign one with its origin.
    let both = memory(&place, "get bob", "f");
    assert_eq!(both[..own.len()], own[..]);
    let foreign: Vec<_> = both[own.len()..].iter().map(without_origin).collect();
    assert_eq!(foreign, memory(&place, "get bob", "d"));
    // The run is what it was, and the log goes on.
    assert_eq!(fs::read(place.path("f/log/00000000.log")).unwrap(), run_before);
    let after = place.verified("f");
    assert_eq!(after["state_root"], before["state_root"]);
    assert!(after["records"].as_u64() > before["records"].as_u64());
    assert_eq!(after["checkpoint"], after["blocks"]);
    let counted = place.karyon(&["memory", "count", "heard", "--data", "f"]).expect(0).out;
    assert_eq!(counted, "3\n", "counts are of own entities");
    let resumed = place.karyon(&["resume", "--data", "f", "--json"]).expect(0).json();
    assert_eq!(resumed["state_root"], before["state_root"]);

    let files_before = files(&place.path("f"));
    let root = |place: &Place| {
        place.karyon(&["memory", "rebuild", "--data", "f", "--json"]).expect(0).json()
    };
    let root_before = root(&place);
    assert_eq!(root_before["identical"], true);
    let again = import(&place, "f");
    assert_eq!((&again["changed"], &again["new"]), (&json!(false), &json!(0)));
    assert_eq!(again["known"], imported["new"]);
    assert_eq!(files(&place.path("f")), files_before);
    assert_eq!(root(&place)["new_root"], root_before["new_root"]);
    let said = place.karyon(&["engram", "import", "bob.engram", "--data", "f"]).expect(0);
    assert!(said.out.contains("no change"), "{}", said.out);
}

#[test]
fn who_says_the_same_does_not_contradict() {
    let place = place();
    // The same as in `d`, but everybody has another serial; then as `d`, but from somebody else.
    for (data, first, conflicts) in [("f", "zoe ada 5\n", 0), ("g", "zoe bob 5\n", 1)] {
        let source = if conflicts == 0 { "ada" } else { "zoe" };
        run(&place, data, &format!("{first}{CONTACTS}"), source);
        let imported = import(&place, data);
        assert_eq!(imported["conflicts"].as_array().unwrap().len(), conflicts, "{imported}");
    }
}

#[test]
fn as_of_a_moment_and_more_later() {
    let place = place();
    export(&place, &["--agent", "bob", "--at", "1082040985", "--out", "early.engram"]);
    let args = ["engram", "import", "early.engram", "--data", "e", "--json"];
    let early = place.karyon(&args).expect(0).json();
    assert_eq!(memory(&place, "history ada bob", "e").len(), 1);
    assert!(memory(&place, "history cyd bob", "e").is_empty());
    // The whole one adds what is new and knows the rest.
    let whole = import(&place, "e");
    assert_eq!(whole["known"], early["new"]);
    assert_eq!(whole["new"], 2);
    assert_eq!(whole["conflicts"], json!([]));
    assert_eq!(memory(&place, "history ada bob", "e").len(), 2);
    place.verified("e");
}

#[test]
fn what_an_engram_says_of_itself() {
    let place = place();
    let said = place.karyon(&["engram", "inspect", "bob.engram", "--json"]).expect(0).json();
    assert_eq!(said["agents"], json!(["bob"]));
    assert_eq!(said["signer_is_this_node"], true);
    assert_eq!(said["reason"], "run the scenario rumour");
    assert_eq!(said["kinds"], json!({ "agent": 1, "contact": 4, "heard": 1 }));
    let report = place.verified("d");
    assert_eq!(said["origin"]["log"], report["log_id"]);
    assert_eq!(said["origin"]["tree_root"], report["root"]);
    let text = place.karyon(&["engram", "inspect", "bob.engram"]).expect(0).out;
    for word in ["6 memories", "this machine's node", "4 × contact", "run the scenario"] {
        assert!(text.contains(word), "{word}\n{text}");
    }
}

#[test]
fn an_unknown_signer_is_refused_until_a_person_names_the_key() {
    let place = place();
    let elsewhere = Place::new();
    fs::copy(place.path("bob.engram"), elsewhere.path("bob.engram")).unwrap();
    let args = ["engram", "import", "bob.engram", "--data", "e"];
    elsewhere.karyon(&args).expect(3).says(&["not trusted here", "--trust"]);
    assert!(!elsewhere.path("e").exists(), "something was written");
    run(&elsewhere, "f", "a b 1\n", "a");
    let before = files(&elsewhere.path("f"));
    let refused = ["engram", "import", "bob.engram", "--data", "f"];
    elsewhere.karyon(&refused).expect(3);
    let nobody = "ab".repeat(32);
    let other = [&refused[..], &["--trust", &nobody]].concat();
    elsewhere.karyon(&other).expect(3).says(&["not trusted here"]);
    assert_eq!(files(&elsewhere.path("f")), before);
    let key = place.keys().join("node.pub");
    let trusting = [&refused[..], &["--trust", key.to_str().unwrap()]].concat();
    elsewhere.karyon(&trusting).expect(0);
    assert_eq!(memory(&elsewhere, "history ada bob", "f").len(), 2);
    elsewhere.verified("f");
    // This machine's own log is exported here and nowhere else.
    let args = ["engram", "export", "--agent", "a", "--out", "x", "--data"];
    let data = place.path("d");
    let copied = [&args[..], &[data.to_str().unwrap()]].concat();
    let refused = elsewhere.karyon(&copied);
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn flipped_cut_and_foreign_files_change_nothing() {
    let place = place();
    run(&place, "f", "a b 1\n", "a");
    let before = files(&place.path("f"));
    let good = fs::read(place.path("bob.engram")).unwrap();
    let mut bad: Vec<Vec<u8>> = (0..good.len())
        .step_by(good.len() / 25)
        .map(|at| {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            flipped
        })
        .collect();
    bad.extend([0, 1, 40, good.len() / 2, good.len() - 1].map(|end| good[..end].to_vec()));
    bad.push([&good[..], b"x"].concat());
    bad.push(CONTACTS.into());
    for bytes in bad {
        fs::write(place.path("bad.engram"), &bytes).unwrap();
        for data in ["f", "new"] {
            let args = ["engram", "import", "bad.engram", "--data", data];
            place.karyon(&args).expect(5).says(&["bad.engram"]);
        }
        place.karyon(&["engram", "inspect", "bad.engram"]).expect(5);
    }
    assert!(!place.path("new").exists());
    assert_eq!(files(&place.path("f")), before);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    let place = place();
    let export = ["engram", "export", "--data", "d", "--agent"];
    for (args, words) in [
        (&["bobb", "--out", "x"][..], &["no agent called \"bobb\"", "\"bob\""][..]),
        (&["bob", "--out", "bob.engram"], &["bob.engram", "choose another file"]),
        (&["bob", "--out", "no/where"], &["no/where"]),
        (&["bob", "--out", "x", "--at", "tick:3"], &["--at", "tick"]),
        (&["bob", "--out", "x", "--at", "soon"], &["--at", "\"soon\" is no moment"]),
    ] {
        place.karyon(&[&export[..], args].concat()).expect(1).says(words);
    }
    let import = ["engram", "import"];
    for (args, words) in [
        (&["bob.engram", "--data", "d"][..], &["this very log"][..]),
        (&["nothing", "--data", "e"], &["nothing cannot be read"]),
        (&["bob.engram", "--data", "e", "--trust", "xyz"], &["--trust"]),
    ] {
        place.karyon(&[&import[..], args].concat()).expect(1).says(words);
    }
    assert!(!place.path("e").exists());
    // A folder that is used for something else, and a run whose log is gone.
    place.write("bob.txt", "");
    fs::create_dir(place.path("h")).unwrap();
    place.write("h/letters", "");
    run(&place, "gone", "a b 1\n", "a");
    fs::remove_dir_all(place.path("gone/log")).unwrap();
    for data in ["h", "gone"] {
        let before = files(&place.path(data));
        let args = ["engram", "import", "bob.engram", "--data", data];
        place.karyon(&args).expect(1).says(&["already holds", "no log"]);
        let mut after = files(&place.path(data));
        after.remove("lock");
        assert_eq!(after.len(), before.iter().filter(|(name, _)| *name != "lock").count());
    }
    // A run that is not complete, and one that was halted.
    let running = place.start_long("g");
    running.signal("INT");
    running.end().expect(130);
    let args = ["engram", "import", "bob.engram", "--data", "g"];
    place.karyon(&args).expect(1).says(&["not complete", "karyon resume"]);
    run(&place, "s", "a b 1\n", "a");
    place.write("s/safety/STOP", "");
    let args = ["engram", "import", "bob.engram", "--data", "s"];
    place.karyon(&args).expect(4).says(&["STOP"]);
}

#[test]
fn killed_at_any_moment_it_is_there_as_a_whole_or_not_at_all() {
    let place = place();
    for kill in 0..20 {
        let data = format!("k{kill}");
        let mut running = place.start(&["engram", "import", "bob.engram", "--data", &data]);
        // Some as soon as a first file is there, some later.
        let begun = std::time::Instant::now();
        while !running.has_ended() && !place.path(&data).join("lock").exists() {
            assert!(begun.elapsed() < crate::support::PATIENCE);
        }
        std::thread::sleep(std::time::Duration::from_millis(kill));
        if !running.has_ended() {
            running.signal("KILL");
            running.end();
            wait_until_free(&place.path(&data).join("lock"));
        }
        let looked = place.karyon(&["safety", "status", "--data", &data, "--json"]).expect(0);
        if !looked.json()["safe_mode"].is_null() {
            place.end_safe_mode(&data, "killed");
        }
        // What is left does not stand in the way of the next attempt.
        let imported = import(&place, &data);
        assert!(imported["changed"] == true || imported["known"] == 6, "{imported}");
        assert_eq!(memory(&place, "history ada bob", &data).len(), 2);
        place.verified(&data);
    }
}

#[test]
fn an_import_is_in_the_log_and_covered_by_its_checkpoint() {
    let place = place();
    run(&place, "f", "a b 1\n", "a");
    import(&place, "f");
    let copies: Vec<_> = fs::read_dir(place.path("f/inputs")).unwrap().flatten().collect();
    let copy = copies.iter().find(|entry| entry.path().extension().is_some()).unwrap().path();
    for file in [copy, place.path("f/log/00000001.log"), place.path("f/log/00000000.log")] {
        let good = fs::read(&file).unwrap();
        let mut flipped = good.clone();
        let middle = flipped.iter().rposition(|byte| *byte != 0).unwrap();
        flipped[middle] ^= 4;
        fs::write(&file, &flipped).unwrap();
        place.karyon(&["audit", "verify", "--data", "f"]).expect(5);
        fs::write(&file, &good).unwrap();
        fs::rename(&file, place.path("aside")).unwrap();
        place.karyon(&["audit", "verify", "--data", "f"]).expect(5);
        fs::rename(place.path("aside"), &file).unwrap();
        place.verified("f");
    }
    let records = place.verified("f")["records"].as_u64().unwrap();
    let last = format!("#{}", records - 1);
    let why = place.karyon(&["why", &last, "--data", "f"]).expect(0).out;
    assert!(why.contains("an engram of log"), "{why}");
    assert!(why.contains("import an engram of log"), "its own reason: {why}");
}

#[test]
fn nothing_is_signed_that_the_log_does_not_say() {
    let place = place();
    // Somebody changes the memory, and its checksum with it.
    let (graph, checksum) =
        (place.path("d/memory/graph.redb"), place.path("d/memory/graph.blake3"));
    let mut bytes = fs::read(&graph).unwrap();
    let count = b"\x05count\x03\x02";
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(count)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at + count.len() - 1] = 0x54);
    fs::write(&graph, &bytes).unwrap();
    fs::write(&checksum, karyon_types::hash(&bytes).to_string()).unwrap();
    let lied = memory(&place, "get cyd bob", "d");
    assert_eq!(lied[0]["properties"]["count"], 42, "the memory is a cache, and says so");
    let args = ["engram", "export", "--agent", "bob", "--out", "lie.engram", "--data", "d"];
    place.karyon(&args).expect(1).says(&["something else than record #", "memory rebuild"]);
    assert!(!place.path("lie.engram").exists());
    // The state root is of the log, whatever lies in the memory.
    place.karyon(&["resume", "--data", "d"]).expect(0);
    assert_eq!(memory(&place, "get cyd bob", "d")[0]["properties"]["count"], 1);
    place.karyon(&args).expect(0);
}
