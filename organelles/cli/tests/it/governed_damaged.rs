//! A memory that its key does not open takes no other one with it.

use std::fs;

use serde_json::{Value, json};

use crate::exit::{carried, export, import};
use crate::governed::{FOREVER, recall, shows, told};
use crate::support::Place;

/// Of three memories the second was sealed under other keys than those that lie there now: what two
/// machines that went on with the keys of one are left with, when one has the other's.
fn mixed_up() -> (Place, u64) {
    let place = Place::new();
    told(&place, "remember", ["acme", "first", "before"], &FOREVER);
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let there = carried(&place, "d.tar");
    fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
    import(&there, "d.tar", "d", &["--keys", "d.keys"]);
    let record = told(&place, "remember", ["acme", "second", "CANARY"], &FOREVER);
    for folder in ["d/keystore", "keys/keystores"] {
        for file in fs::read_dir(there.path(folder)).unwrap().flatten() {
            fs::copy(file.path(), place.path(folder).join(file.file_name())).unwrap();
        }
    }
    told(&place, "remember", ["acme", "third", "behind"], &FOREVER);
    (place, record)
}

fn texts(answer: &Value, of: &str) -> Vec<String> {
    let memories = answer[of].as_array().unwrap().iter();
    memories.map(|memo| memo["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_others_are_answered_and_it_is_named() {
    let (place, record) = mixed_up();
    let said = format!("acme second, record #{record}, left out: sealed by another key");
    for verb in ["recall", "brief"] {
        let args = ["memory", verb, "--data", "d"];
        let answer = place.karyon(&args).expect(5).says(&[&said]);
        shows(&answer, &["before", "behind"]);
        assert!(!answer.out.contains("second"), "{}", answer.out);
        let answer = place.karyon(&[&args[..], &["--json"]].concat()).expect(5).json();
        let of = if verb == "brief" { "facts" } else { "memories" };
        let mut found = texts(&answer, of);
        found.sort();
        assert_eq!(found, ["before", "behind"]);
        assert_eq!(answer["damaged"].as_array().unwrap().len(), 1, "{answer}");
        let damaged = &answer["damaged"][0];
        assert_eq!(
            (&damaged["record"], &damaged["key"], &damaged["damaged"]),
            (&json!(record), &json!("second"), &json!(true))
        );
        assert_eq!(damaged["text"], Value::Null);
    }
    // Whether it mentions a word nobody can say; who asks for something else is not told of it.
    let asked = |more: &[&str]| {
        let args = ["memory", "recall", "--json", "--data", "d"];
        place.karyon(&[&args[..], more].concat())
    };
    for (more, code) in [
        (&["before"][..], 5),
        (&["--tag", "money"], 5),
        (&["--key", "second"], 5),
        (&["--subject", "acme", "--key", "second", "--history"], 5),
        (&["--key", "first"], 0),
        (&["--kind", "lesson"], 0),
        (&["--subject", "bo"], 0),
        (&["--as-recorded", &format!("#{}", record - 1)], 0),
    ] {
        asked(more).expect(code);
    }
    // The log is as it was recorded.
    place.verified("d");
    // It does not leave, and is not passed over.
    let args = ["engram", "export", "--subject", "acme", "--out", "x", "--data", "d"];
    place.karyon(&args).expect(5).says(&[&format!("record #{record} was sealed by another key")]);
    assert!(!place.path("x").exists());
    let why = place.karyon(&["why", &format!("#{record}"), "--data", "d"]).expect(0);
    shows(&why, &["sealed by another key, or not as it was recorded"]);
}

#[test]
fn it_is_replaced_and_forgotten_like_any_other() {
    let (place, record) = mixed_up();
    let args = [&["memory", "remember", "acme", "second", "new", "--data", "d"], &FOREVER[..]];
    place.karyon(&args.concat()).expect(1).says(&[&format!("by record #{record}")]);
    told(&place, "supersede", ["acme", "second", "new"], &FOREVER);
    assert_eq!(recall(&place, "d", &[]).len(), 3);
    let forget = ["memory", "forget", "acme", "--key", "second", "--reason", "r", "--data", "d"];
    shows(&place.karyon(&forget).expect(0), &["2 memories"]);
    assert_eq!(recall(&place, "d", &[]).len(), 2);
    let history = ["--subject", "acme", "--key", "second", "--history"];
    assert!(recall(&place, "d", &history).iter().all(|memo| memo["erased"] == true));
    place.verified("d");
}

/// What others wrote steers no terminal, in an error neither.
#[test]
fn what_an_error_quotes_is_spelled_out() {
    let place = Place::new();
    let key = "k\u{1b}[2J\nerror: \u{202e}nothing\u{9b}";
    let args = [&["memory", "remember", "acme", key, "x", "--data", "d"], &FOREVER[..]].concat();
    let refused = place.karyon(&args).expect(1);
    let spelled = "under \"k\\u{1b}[2J\n  | error: \\u{202e}nothing\\u{9b}\"";
    assert!(refused.err.contains(spelled), "{}", refused.err);
    let refused = place.karyon(&[&args[..], &["--json"]].concat()).expect(1);
    let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!refused.out.contains(hidden) && !refused.err.contains(hidden), "{refused:?}");
    assert!(refused.json()["error"].as_str().unwrap().contains(key));
}
