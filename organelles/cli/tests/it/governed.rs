//! `karyon memory remember|supersede|recall|brief|forget|expire`: memories for which somebody answers.

use std::fs;
use std::path::Path;

use karyon_graph::{NOBODY, Version, View};
use karyon_memory_ops::{Content, Value as Property};
use serde_json::{Value, json};

use crate::audit::script;
use crate::support::{Ended, Place};

pub(crate) fn told(place: &Place, verb: &str, what: [&str; 3], more: &[&str]) -> u64 {
    let args = [&["memory", verb], &what[..], &["--json", "--data", "d"], more].concat();
    place.karyon(&args).expect(0).json()["record"].as_u64().unwrap()
}

pub(crate) fn recall(place: &Place, data: &str, more: &[&str]) -> Vec<Value> {
    let args = [&["memory", "recall", "--json", "--data", data], more].concat();
    place.karyon(&args).expect(0).json()["memories"].as_array().unwrap().clone()
}

/// What stands on standard output.
pub(crate) fn shows(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.out.contains(word), "no {word:?} in {}", ended.out);
    }
}

pub(crate) const FOREVER: [&str; 4] = ["--keep", "forever", "--reason", "because"];

/// Every file below a folder that holds these bytes.
pub(crate) fn holding(folder: &Path, canary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, canary));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn what_is_remembered_is_recalled_with_who_answers_and_why() {
    let place = Place::new();
    let more = ["--keep", "2y", "--reason", "agreed in May", "--tag", "money", "--evidence", "#3"];
    let first = told(&place, "remember", ["acme", "terms", "30 days net"], &more);
    let more = ["--kind", "decision", "--owner", "bea", "--keep", "forever", "--reason", "outages"];
    told(&place, "remember", ["deploys", "friday", "none after noon"], &more);

    let all = recall(&place, "d", &[]);
    assert_eq!(all.len(), 2);
    let acme = &all[0];
    assert_eq!(acme["subject"], "acme");
    assert_eq!(acme["key"], "terms");
    assert_eq!(acme["text"], "30 days net");
    assert_eq!(acme["reason"], "agreed in May");
    assert_eq!(acme["tags"], json!(["money"]));
    assert_eq!(acme["evidence"], json!(["#3"]));
    assert_eq!(acme["record"], first);
    assert_eq!(all[1]["owner"], "bea");
    assert_eq!(all[1]["horizon"], Value::Null);
    for (question, found) in [
        (&["days", "NET"][..], 1),
        (&["days", "friday"], 0),
        (&["--kind", "decision"], 1),
        (&["--kind", "lesson"], 0),
        (&["--owner", "bea"], 1),
        (&["--tag", "money"], 1),
        (&["--subject", "acme"], 1),
        (&["--subject", "nobody"], 0),
        (&["--key", "friday"], 1),
        (&["--at", "2001-01-01"], 0),
        (&["--as-recorded", "#2"], 0),
    ] {
        assert_eq!(recall(&place, "d", question).len(), found, "{question:?}");
    }
    let brief = place.karyon(&["memory", "brief", "--json", "--data", "d"]).expect(0).json();
    assert_eq!(brief["decisions"][0]["text"], "none after noon");
    assert_eq!(brief["facts"][0]["text"], "30 days net");
    assert_eq!(brief["lessons"], json!([]));
    // From the record to who allowed it.
    let why = place.karyon(&["why", &format!("#{first}"), "--data", "d"]).expect(0);
    shows(&why, &["agreed in May"]);
    place.karyon(&["audit", "verify", "--data", "d"]).expect(0);
}

#[test]
fn ten_beliefs_one_behind_the_other() {
    let place = Place::new();
    let mut records = Vec::new();
    for number in 0..10 {
        let (text, reason) = (format!("belief {number}"), format!("reason {number}"));
        let verb = if number == 0 { "remember" } else { "supersede" };
        let more = ["--keep", "forever", "--reason", &reason];
        records.push(told(&place, verb, ["moon", "made of", &text], &more));
    }
    let now = recall(&place, "d", &[]);
    assert_eq!((now.len(), &now[0]["text"]), (1, &json!("belief 9")));
    let history = ["--subject", "moon", "--key", "made of", "--history"];
    let all = recall(&place, "d", &history);
    for (number, memory) in all.iter().enumerate() {
        assert_eq!(memory["text"], format!("belief {number}"));
        assert_eq!(memory["reason"], format!("reason {number}"));
        assert_eq!(memory["record"], records[number]);
        let before = number.checked_sub(1).map(|before| records[before]);
        assert_eq!(memory["supersedes"], json!(before));
        // What was believed by what was recorded then.
        let then = recall(&place, "d", &["--as-recorded", &format!("#{}", records[number])]);
        assert_eq!(then[0]["text"], format!("belief {number}"));
    }
    assert_eq!(all.len(), 10);
    // What is not said anew is taken over.
    let more = [&FOREVER[..], &["--kind", "lesson", "--tag", "sky", "--owner", "bea"]].concat();
    told(&place, "supersede", ["moon", "made of", "rock"], &more);
    told(&place, "supersede", ["moon", "made of", "old rock"], &FOREVER);
    let last = &recall(&place, "d", &[])[0];
    let kept = (&last["kind"], &last["tags"], &last["owner"]);
    assert_eq!(kept, (&json!("lesson"), &json!(["sky"]), &json!("bea")));
    let args = [&["memory", "recall", "--data", "d"], &history[..]].concat();
    let replaced = format!("replaced by record #{}, because: reason 1", records[1]);
    shows(&place.karyon(&args).expect(0), &["belief 0", &replaced]);
}

#[test]
fn what_is_forgotten_is_nowhere_and_the_log_verifies() {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "CANARY-ONE"], &FOREVER);
    told(&place, "remember", ["acme", "phone", "CANARY-TWO"], &FOREVER);
    told(&place, "remember", ["subject-CANARY", "a", "CANARY-THREE"], &FOREVER);
    let data = place.path("d");
    // Not even before: what is said lies nowhere in the open.
    assert_eq!(holding(&data, "CANARY"), Vec::<String>::new());
    // A copy without the master key shows nothing, whatever it holds.
    let forget =
        ["memory", "forget", "acme", "--key", "terms", "--reason", "in error", "--data", "d"];
    shows(&place.karyon(&forget).expect(0), &["forgotten: acme, 1 memory"]);
    let acme = recall(&place, "d", &["--subject", "acme"]);
    assert_eq!(acme.len(), 2);
    assert_eq!(acme[0]["text"], "CANARY-TWO");
    assert_eq!(acme[1]["erased"], true);
    assert_eq!(acme[1]["text"], Value::Null);
    // Said to whoever asks for the subject alone.
    assert_eq!(recall(&place, "d", &[]).len(), 2);
    place.karyon(&forget).expect(1).says(&["is erased, and stays so"]);
    let all = ["memory", "forget", "subject-CANARY", "--reason", "asked for it", "--data", "d"];
    // Nobody can be asked here.
    place.karyon(&all).expect(1).says(&["nobody can be asked", "nothing was forgotten", "--yes"]);
    let done = place.karyon(&[&all[..], &["--yes"]].concat()).expect(0);
    shows(&done, &["all that was ever remembered of it: 1 memory, record #"]);
    let gone = recall(&place, "d", &["--subject", "subject-CANARY"]);
    assert_eq!((gone.len(), &gone[0]["erased"]), (1, &json!(true)));
    let again = ["memory", "remember", "subject-CANARY", "b", "x", "--data", "d"];
    place.karyon(&[&again[..], &FOREVER].concat()).expect(1).says(&["erased"]);
    place.karyon(&["audit", "verify", "--data", "d"]).expect(0);
    let rebuilt = place.karyon(&["memory", "rebuild", "--data", "d"]).expect(0);
    shows(&rebuilt, &["identical"]);
    assert_eq!(holding(&data, "CANARY"), Vec::<String>::new());
    // Nor in what lies beside the keys: only the name of what is left.
    let nothing = ["memory", "expire", "--data", "d"];
    shows(&place.karyon(&nothing).expect(0), &["nothing has expired"]);
}

/// What the memory's file holds, every segment unpacked.
fn unpacked(data: &Path) -> String {
    let reader = karyon_memory::open(data, &mut |_| ()).unwrap().graph.read().unwrap();
    let mut all = String::new();
    for entity in reader.written_by(NOBODY).unwrap() {
        let history = reader.history(&entity, &View::NOW).unwrap();
        for Version { content, .. } in history {
            let Content::Present { properties, .. } = content else { continue };
            for value in properties.values() {
                match value {
                    Property::Bytes(bytes) => all.push_str(&String::from_utf8_lossy(bytes)),
                    other => all.push_str(&format!("{other:?}")),
                }
            }
        }
    }
    all
}

#[test]
fn random_canaries_of_an_erased_subject_are_in_no_file() {
    let place = Place::new();
    let random = |of: &str| {
        let hash = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), of);
        format!("{of}-{hash:016x}")
    };
    let (subject, text, tag) = (random("subject"), random("text"), random("tag"));
    let canaries = [&subject, &text, &tag];
    // Enough of them for segments that are sealed, and so much alike that they are compressed.
    for number in 0..24 {
        let verb = if number == 0 { "remember" } else { "supersede" };
        let said = format!("{text} {number} {}", "and so on ".repeat(40));
        let more = [&FOREVER[..], &["--tag", &tag, "--evidence", &text]].concat();
        told(&place, verb, [&subject, "what", &said], &more);
    }
    told(&place, "remember", ["somebody else", "what", "stays"], &FOREVER);
    let data = place.path("d");
    let segments = place.karyon(&["memory", "count", "what", "--data", "d"]).expect(0);
    assert_eq!(segments.out.trim(), "2");
    // A backup without the keystore shows nothing, even before.
    let copied =
        std::process::Command::new("cp").arg("-r").args([&data, &place.path("b")]).status();
    assert!(copied.unwrap().success());
    fs::remove_dir_all(place.path("b/keystore")).unwrap();
    let forget = ["memory", "forget", &subject, "--reason", "asked for it", "--data", "d", "--yes"];
    place.karyon(&forget).expect(0);

    place.karyon(&["audit", "export", "--out", "d/after.jsonl", "--data", "d"]).expect(0);
    let chosen = ["--kind", "fact", "--out", "after.engram", "--data", "d"];
    place.karyon(&[&["engram", "export"], &chosen[..]].concat()).expect(0);
    fs::rename(place.path("after.engram"), place.path("d/after.engram")).unwrap();
    for canary in canaries {
        for folder in ["d", "b"] {
            assert_eq!(holding(&place.path(folder), canary), Vec::<String>::new(), "{canary}");
        }
        assert!(!unpacked(&data).contains(canary), "{canary}");
        // Nor in the open where the other keys are.
        assert_eq!(holding(&place.keys(), canary), Vec::<String>::new(), "{canary}");
    }
    assert!(holding(&data, "stays").len() == 1, "but what was exported says what was chosen");
    let gone = recall(&place, "d", &["--subject", &subject]);
    assert_eq!((gone.len(), &gone[0]["erased"]), (1, &json!(true)));
    let unknown = recall(&place, "d", &["--subject", "nobody"]);
    assert!(unknown.is_empty(), "that is another answer");
    place.karyon(&["audit", "verify", "--data", "d"]).expect(0);
    if let Some((is_right, words)) = script(&place, "d/after.jsonl") {
        assert!(is_right, "{words}");
    }
}

#[test]
fn what_cannot_be_done_is_told() {
    let place = Place::new();
    let remember = |what: [&str; 3], more: &[&str]| {
        let args = [&["memory", "remember"], &what[..], more, &["--data", "d"]].concat();
        place.karyon(&args)
    };
    remember(["a", "b", "c"], &FOREVER).expect(0);
    remember(["a", "b", "d"], &FOREVER).expect(1).says(&["is remembered already", "supersede"]);
    remember(["", "b", "c"], &FOREVER).expect(1).says(&["a subject is a text of 1 to 256 bytes"]);
    remember(["x", "b", "c"], &["--keep", "forever", "--reason", " "]).expect(1).says(&["reason"]);
    remember(["x", "b", "c"], &["--keep", "1999-01-01", "--reason", "r"]).expect(1).says(&["over"]);
    remember(["x", "b", "c"], &["--keep", "0d", "--reason", "r"]).expect(2).says(&["12h, 90d"]);
    remember(["x", "b", "c"], &["--keep", "forever"]).expect(2).says(&["--reason"]);
    let long = "x".repeat(70_000);
    remember(["x", "b", &long], &FOREVER).expect(1).says(&["cannot be recorded"]);
    let supersede = ["memory", "supersede", "a", "other", "c", "--data", "d"];
    place.karyon(&[&supersede[..], &FOREVER].concat()).expect(1).says(&["nothing is remembered"]);
    let early =
        [&supersede[..2], &["a", "b", "c", "--since", "1999-01-01", "--data", "d"]].concat();
    place
        .karyon(&[&early[..], &FOREVER].concat())
        .expect(1)
        .says(&["it would begin before record"]);
    remember(["x", "b", "c"], &["--keep", "3m", "--reason", "r"]).expect(1).says(&["12h, 90d, 4w"]);
    let forget = ["memory", "forget", "nobody", "--reason", "r", "--data", "d"];
    place.karyon(&forget).expect(1).says(&["nothing is remembered of \"nobody\""]);
    let none = ["memory", "forget", "a", "--reason", "r", "--data", "none"];
    place.karyon(&none).expect(1).says(&["there is no data directory none"]);
    // Sealed under keys that stay here: no engram takes it along.
    let export = ["engram", "export", "--fact", "b", "--out", "x.engram", "--data", "d"];
    place.karyon(&export).expect(1);
    assert!(!place.path("x.engram").exists());
    // All of that left nothing behind.
    assert_eq!(recall(&place, "d", &[]).len(), 1);
    place.karyon(&["audit", "verify", "--data", "d"]).expect(0);
}
