//! What somebody answers for, carried into another instance and sealed again there; and what is
//! forgotten while everything is killed.

use std::fs;
use std::time::Duration;

use karyon_engram::{Engram, Opened};
use karyon_identity::SecretKey;
use karyon_memory_ops::{Content, Entity, Memory};
use serde_json::{Value, json};

use crate::engram::files;
use crate::governed::{FOREVER, holding, recall, told};
use crate::support::{Place, wait_until_free};

/// An instance in which something is remembered.
pub(crate) fn office() -> Place {
    let place = Place::new();
    for (number, verb) in ["remember", "supersede", "supersede"].into_iter().enumerate() {
        let (text, reason) = (format!("{} days net", 30 - number * 8), format!("reason {number}"));
        let more = ["--keep", "2y", "--reason", &reason, "--tag", "money", "--evidence", "#3"];
        told(&place, verb, ["acme", "terms", &text], &more);
    }
    let more = ["--kind", "decision", "--keep", "forever", "--reason", "two outages"];
    told(&place, "remember", ["deploys", "friday", "none after noon"], &more);
    told(&place, "remember", ["acme", "secret", "CANARY"], &FOREVER);
    place
}

pub(crate) fn export(place: &Place, data: &str, out: &str, chosen: &[&str]) -> Value {
    let args = [&["engram", "export", "--out", out, "--data", data, "--json"], chosen].concat();
    place.karyon(&args).expect(0).json()
}

pub(crate) fn import_args<'a>(name: &'a str, data: &'a str, key: &'a str) -> Vec<&'a str> {
    vec!["engram", "import", name, "--data", data, "--trust", key, "--keep", "1y", "--json"]
}

pub(crate) fn key_of(place: &Place) -> String {
    let key = fs::read_to_string(place.keys().join("node.pub")).unwrap();
    key.split_whitespace().last().unwrap().to_owned()
}

/// What a memory says, wherever it lies.
fn canonical(memory: &Value) -> Value {
    let mut canonical = json!({});
    for field in ["subject", "key", "kind", "text", "tags", "evidence", "reason", "since"] {
        canonical[field] = memory[field].clone();
    }
    // Where it comes from elsewhere, a record is named with its log.
    for evidence in canonical["evidence"].as_array_mut().into_iter().flatten() {
        let text = evidence.as_str().unwrap().split(" of log ").next().unwrap().to_owned();
        *evidence = json!(text);
    }
    canonical
}

fn history(place: &Place, data: &str, subject: &str, key: &str) -> Vec<Value> {
    recall(place, data, &["--history", "--subject", subject, "--key", key])
}

#[test]
fn it_comes_in_sealed_anew_and_from_there_it_goes_on_unchanged() {
    let (here, there) = (office(), Place::new());
    let exported = export(&here, "d", "o.engram", &["--key", "terms", "friday"]);
    assert_eq!(exported["memories"], 4);
    let key = key_of(&here);
    let file = here.path("o.engram").display().to_string();
    let args = [&import_args(&file, "e", &key)[..], &["--owner", "bea"]].concat();

    let tried = there.karyon(&[&args[..], &["--dry-run"]].concat()).expect(0).json();
    assert_eq!((&tried["new"], &tried["changed"]), (&json!(4), &json!(false)));
    assert!(!there.path("e").exists(), "nothing is written");
    let done = there.karyon(&args).expect(0).json();
    assert_eq!(
        (&done["new"], &done["known"], &done["changed"]),
        (&json!(4), &json!(0), &json!(true))
    );

    for (subject, of) in [("acme", "terms"), ("deploys", "friday")] {
        let (theirs, ours) = (history(&here, "d", subject, of), history(&there, "e", subject, of));
        let canonical = |all: &[Value]| all.iter().map(canonical).collect::<Vec<_>>();
        assert_eq!(canonical(&theirs), canonical(&ours));
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert_eq!((&ours["owner"], theirs["owner"] == ours["owner"]), (&json!("bea"), false));
            assert!(ours["horizon"].is_string());
            assert_eq!(ours["origin"]["record"], theirs["record"]);
            assert_eq!(ours["origin"]["signer"], key);
            let via = ours["via"][0].as_str().unwrap();
            assert!(via.contains(&format!("record #{} of log", theirs["record"])), "{via}");
        }
    }
    let now = recall(&there, "e", &["--subject", "acme"]);
    assert_eq!((now.len(), &now[0]["text"]), (1, &json!("14 days net")));
    let brief = there.karyon(&["memory", "brief", "--data", "e"]).expect(0);
    assert!(brief.out.contains("none after noon") && brief.out.contains("of log"), "{}", brief.out);
    for word in ["days net", "none after", "money"] {
        assert_eq!(holding(&there.path("e"), word), Vec::<String>::new(), "{word}");
    }
    there.karyon(&["audit", "verify", "--data", "e"]).expect(0);

    // Twice is once.
    let before = there.karyon(&["audit", "verify", "--json", "--data", "e"]).expect(0).json();
    let again = there.karyon(&args).expect(0).json();
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(4)));
    let after = there.karyon(&["audit", "verify", "--json", "--data", "e"]).expect(0).json();
    assert_eq!(before["records"], after["records"]);

    // What is new of it, and only that.
    told(&here, "supersede", ["acme", "terms", "cash"], &FOREVER);
    export(&here, "d", "o2.engram", &["--subject", "acme", "--kind", "fact", "--key", "terms"]);
    let file = here.path("o2.engram").display().to_string();
    let more = there.karyon(&import_args(&file, "e", &key)).expect(0).json();
    assert_eq!((&more["new"], &more["known"]), (&json!(1), &json!(3)));
    assert_eq!(recall(&there, "e", &["--subject", "acme"])[0]["text"], "cash");

    // On to a third, the content is the same; the way is told.
    export(&there, "e", "e.engram", &["--subject", "acme", "deploys"]);
    let third = Place::new();
    let file = there.path("e.engram").display().to_string();
    third.karyon(&import_args(&file, "f", &key_of(&there))).expect(0);
    for (subject, of) in [("acme", "terms"), ("deploys", "friday")] {
        let canonical = |all: Vec<Value>| all.iter().map(canonical).collect::<Vec<_>>();
        let ours = history(&third, "f", subject, of);
        assert!(ours.iter().all(|memory| memory["via"].as_array().unwrap().len() == 2));
        assert_eq!(canonical(history(&here, "d", subject, of)), canonical(ours));
    }
}

#[test]
fn what_contradicts_is_told_and_both_are_kept() {
    let (here, there) = (office(), Place::new());
    export(&here, "d", "o.engram", &["--key", "terms"]);
    told(&there, "remember", ["acme", "terms", "60 days net"], &FOREVER);
    // Both hold from now on; what was superseded there before that contradicts nothing.
    let (file, key) = (here.path("o.engram").display().to_string(), key_of(&here));
    let done = there.karyon(&import_args(&file, "d", &key)).expect(0).json();
    let conflicts = done["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1, "{done}");
    assert_eq!(conflicts[0]["here"]["text"], "60 days net");
    assert_eq!(conflicts[0]["theirs"]["text"], "14 days net");
    let both = recall(&there, "d", &["--subject", "acme", "--key", "terms"]);
    let texts: Vec<_> = both.iter().map(|memory| memory["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["60 days net", "14 days net"], "the own one is the first");
    // To supersede it here changes what is remembered here alone.
    told(&there, "supersede", ["acme", "terms", "90 days net"], &FOREVER);
    assert_eq!(recall(&there, "d", &["net"]).len(), 2);
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let (here, there) = (office(), Place::new());
    export(&here, "d", "o.engram", &["--subject", "acme", "deploys"]);
    let (file, key) = (here.path("o.engram").display().to_string(), key_of(&here));
    let args = import_args(&file, "e", &key);
    assert_eq!(there.karyon(&args).expect(0).json()["new"], 5);
    // One key, with all that was ever so.
    let forget = ["memory", "forget", "acme", "--reason", "r", "--data", "e"];
    let one = [&forget[..], &["--key", "terms"]].concat();
    assert!(there.karyon(&one).expect(0).out.contains("3 memories"));
    let again = there.karyon(&args).expect(0).json();
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(2)));
    assert_eq!(again["erased_here"], 3);
    assert_eq!(history(&there, "e", "acme", "terms")[2]["erased"], true);
    // All about somebody.
    there.karyon(&[&forget[..], &["--yes"]].concat()).expect(0);
    let again = there.karyon(&args).expect(0).json();
    assert_eq!((&again["new"], &again["erased_here"]), (&json!(0), &json!(4)));
    assert_eq!(recall(&there, "e", &[]).len(), 1);
    there.karyon(&["audit", "verify", "--data", "e"]).expect(0);
    // Nor does it leave: what is erased is left out.
    assert_eq!(export(&there, "e", "left.engram", &["--key", "friday", "terms"])["memories"], 1);
}

/// What two logs say of one thing stays apart on its way to a third.
#[test]
fn what_lies_beside_each_other_lies_so_everywhere() {
    let [one, two, three] = [Place::new(), Place::new(), Place::new()];
    told(&one, "remember", ["acme", "k", "one says"], &FOREVER);
    told(&two, "remember", ["acme", "k", "two says"], &FOREVER);
    export(&one, "d", "o.engram", &["--key", "k"]);
    let file = one.path("o.engram").display().to_string();
    let done = two.karyon(&import_args(&file, "d", &key_of(&one))).expect(0).json();
    assert_eq!(done["conflicts"].as_array().unwrap().len(), 1);
    export(&two, "d", "t.engram", &["--key", "k"]);
    let file = two.path("t.engram").display().to_string();
    let done = three.karyon(&import_args(&file, "e", &key_of(&two))).expect(0).json();
    assert_eq!(done["new"], 2);
    let both = recall(&three, "e", &["--subject", "acme"]);
    let texts: std::collections::BTreeSet<_> =
        both.iter().map(|memory| memory["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["one says", "two says"].into());
    // From the first itself it is its own word, and answers in the place of what was told of it.
    let file = one.path("o.engram").display().to_string();
    for expected in [(1, 0), (0, 1)] {
        let done = three.karyon(&import_args(&file, "e", &key_of(&one))).expect(0).json();
        assert_eq!((&done["new"], &done["known"]), (&json!(expected.0), &json!(expected.1)));
    }
    let both = recall(&three, "e", &["--subject", "acme"]);
    assert_eq!((both.len(), both[0]["via"].as_array().unwrap().len()), (2, 1), "{both:?}");
}

/// By way of another instance it does not come back either, and what is known is not told twice.
#[test]
fn what_comes_back_over_another_instance_is_known() {
    let (here, there) = (office(), Place::new());
    export(&here, "d", "o.engram", &["--subject", "acme", "deploys"]);
    let (file, key) = (here.path("o.engram").display().to_string(), key_of(&here));
    there.karyon(&import_args(&file, "e", &key)).expect(0);
    export(&there, "e", "back.engram", &["--subject", "acme", "deploys"]);
    let forget = ["memory", "forget", "acme", "--key", "secret", "--reason", "r", "--data", "d"];
    here.karyon(&forget).expect(0);
    let (file, key) = (there.path("back.engram").display().to_string(), key_of(&there));
    let back = here.karyon(&import_args(&file, "d", &key)).expect(0).json();
    assert_eq!((&back["new"], &back["known"]), (&json!(0), &json!(4)), "{back}");
    assert_eq!(back["erased_here"], 1);
    assert_eq!(recall(&here, "d", &["--subject", "acme", "--key", "terms"]).len(), 1);
}

#[test]
fn what_has_expired_does_not_travel() {
    let place = office();
    let soon = std::time::SystemTime::now() + Duration::from_secs(2);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    let more = ["--keep", &soon, "--reason", "for a while"];
    told(&place, "remember", ["guest", "wifi", "password"], &more);
    while !recall(&place, "d", &["--subject", "guest"]).is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let args = ["engram", "export", "--subject", "guest", "--out", "g.engram", "--data", "d"];
    place.karyon(&args).expect(1).says(&["there is nothing in the memory"]);
    let known = export(&place, "d", "all.engram", &["--kind", "fact"]);
    assert_eq!(known["memories"], 4);
}

fn opened(place: &Place) -> Opened {
    Engram::open(&fs::read(place.path("o.engram")).unwrap()).unwrap()
}

pub(crate) fn forge(
    place: &Place,
    key: &SecretKey,
    change: impl Fn(&mut Engram),
    of: impl Fn(&mut Memory),
) {
    let mut engram = opened(place).engram;
    engram.manifest.origin.node_key = key.public_key();
    change(&mut engram);
    let mut memories: Vec<_> = engram.memories.into_iter().map(|(_, memory)| memory).collect();
    memories.iter_mut().for_each(of);
    fs::write(place.path("m.engram"), Engram::seal(&engram.manifest, &memories, key).unwrap())
        .unwrap();
}

#[test]
fn what_is_forged_or_unclear_is_refused_and_nothing_is_written() {
    let (place, there) = (office(), Place::new());
    export(&place, "d", "o.engram", &["--subject", "acme", "deploys"]);
    let file = place.path("o.engram").display().to_string();
    there
        .karyon(&["engram", "import", &file, "--data", "e", "--keep", "1y"])
        .expect(3)
        .says(&["--trust"]);
    let mallory = SecretKey::from_seed([9; 32]).unwrap();
    let (node, trusted) = (key_of(&place), mallory.public_key().to_string());
    let no_keep = ["engram", "import", &file, "--data", "e", "--trust", &node];
    there.karyon(&no_keep).expect(1).says(&["say how long they are kept here", "--keep"]);
    let forged = place.path("m.engram").display().to_string();
    let args = import_args(&forged, "e", &trusted);
    // As if from the log of somebody else.
    forge(
        &place,
        &mallory,
        |engram| engram.manifest.origin.node_key = opened(&place).signer,
        |_| (),
    );
    there.karyon(&args).expect(3).says(&["get it from that node"]);
    // A memory of a principal without owner, or with something else beside.
    forge(
        &place,
        &mallory,
        |_| (),
        |memory| {
            let Content::Present { properties, .. } = &mut memory.write.content else { return };
            properties.remove("owner");
        },
    );
    there.karyon(&args).expect(1).says(&["lacks owner, reason or kind"]);
    // Half of it as if an agent had written it.
    forge(
        &place,
        &mallory,
        |engram| {
            engram.manifest.names = [(karyon_types::AgentId(1), "a".to_owned())].into();
        },
        |memory| {
            if memory.recorded.position.0 % 2 == 0 {
                memory.recorded.agent = karyon_types::AgentId(1);
            }
        },
    );
    there.karyon(&args).expect(1).says(&["export two engrams"]);
    assert!(!there.path("e").exists());
    // What is known from a log is spoken for by whoever signed it then.
    there.karyon(&import_args(&file, "e", &node)).expect(0);
    let before = files(&there.path("e/log"));
    forge(
        &place,
        &mallory,
        |engram| engram.manifest.origin.records += 1,
        |memory| {
            memory.recorded.position.0 += 1;
        },
    );
    there.karyon(&args).expect(3).says(&["get it from that node", &node]);
    assert_eq!(files(&there.path("e/log")), before);
    // Nor about something of which nothing came before.
    forge(
        &place,
        &mallory,
        |_| (),
        |memory| {
            if let Entity::Fact { predicate, .. } = &mut memory.write.entity {
                predicate.push('x');
            }
        },
    );
    there.karyon(&args).expect(3).says(&["get it from that node", &node]);
    assert_eq!(files(&there.path("e/log")), before);
    // The library does not take it for what agents remember.
    let carried = karyon_memory::Carried::check(fs::File::open(&file).unwrap()).unwrap();
    let trust = karyon_verify::Trust { node_key: None, known: Vec::new() };
    let foretold = karyon_memory::foretell(&there.path("new"), &trust, &carried);
    assert!(foretold.unwrap_err().to_string().contains("for which somebody answers"));
    // Keep and owner are for these alone; agents and people are not chosen at once.
    let both = ["engram", "export", "--subject", "a", "--agent", "b", "--out", "x", "--data", "d"];
    place.karyon(&both).expect(2).says(&["cannot be used with"]);
    let nothing = ["engram", "export", "--subject", "nobody", "--out", "x", "--data", "d"];
    place.karyon(&nothing).expect(1).says(&["there is nothing in the memory"]);
    assert!(!place.path("x").exists());
    let reserved = format!("terms@{}", "ab".repeat(16));
    let args = [&["memory", "remember", "x", &reserved, "y", "--data", "d"], &FOREVER[..]].concat();
    place.karyon(&args).expect(1).says(&["one of another log"]);
    // Without its keys an instance gives nothing away.
    fs::remove_dir_all(place.keys().join("keystores")).unwrap();
    let sealed = ["engram", "export", "--subject", "acme", "--out", "x", "--data", "d"];
    place.karyon(&sealed).expect(1).says(&["keys are not here"]);
    assert!(!place.path("x").exists());
}

/// Whatever is killed, and whenever: what the log says is erased is erased once the next command is
/// done, and nothing is erased of which the log does not say it.
#[test]
fn killed_while_it_forgets() {
    let place = Place::new();
    place.patient();
    for key in 0..16 {
        told(&place, "remember", ["acme", &key.to_string(), "text"], &FOREVER);
    }
    let mut erased = 0;
    for kill in 0..16_u64 {
        let key = kill.to_string();
        let args = ["memory", "forget", "acme", "--key", &key, "--reason", "r", "--data", "d"];
        let mut running = place.start(&args);
        std::thread::sleep(Duration::from_millis(kill * 25));
        if !running.has_ended() {
            // The process around, which has the keys; what it started ends for itself.
            running.signal("KILL");
        }
        running.end();
        std::thread::sleep(Duration::from_millis(5));
        wait_until_free(&place.path("d").join("lock"));
        let looked = place.karyon(&["safety", "status", "--data", "d", "--json"]).expect(0);
        if !looked.json()["safe_mode"].is_null() {
            place.end_safe_mode("d", "killed");
        }
        let found = recall(&place, "d", &["--subject", "acme", "--key", &key]);
        assert_eq!(found.len(), 1);
        let is_erased = found[0]["erased"] == true;
        place.karyon(&["audit", "export", "--out", "log.jsonl", "--data", "d"]).expect(0);
        let log = fs::read_to_string(place.path("log.jsonl")).unwrap();
        fs::remove_file(place.path("log.jsonl")).unwrap();
        let records = log.lines().filter(|line| line.contains("\"erased\":[[")).count();
        erased += usize::from(is_erased);
        assert_eq!(records, erased, "after {kill}");
        place.karyon(&args).expect(if is_erased { 1 } else { 0 });
        erased += usize::from(!is_erased);
        place.verified("d");
    }
}
