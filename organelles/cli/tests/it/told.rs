//! What a run tells of its inside, where somebody asked for it and where nobody did.

use std::fs;

use serde_json::Value;

use crate::support::Place;

/// Five people whose names are easy to find.
const CONTACTS: &str = "anneliese bertrand 1\nbertrand cassandra 2\ncassandra dorothea 3\n\
                        dorothea emmanuel 4\n";

fn run<'a>(place: &Place, data: &'a str, more: &[&'a str]) -> crate::support::Ended {
    place.write("contacts", CONTACTS);
    let run = ["run", "rumour", "--contacts", "contacts", "--chaos", "0.5", "--data", data];
    place.karyon(&[&run[..], more].concat())
}

#[test]
fn nothing_is_told_to_who_did_not_ask() {
    let place = Place::new();
    run(&place, "first", &[]).expect(0);
    let quiet = run(&place, "d", &[]).expect(0).err;
    assert!(!quiet.contains("karyon_"), "{quiet}");
    let off = run(&place, "off", &["--log-level", "off"]).expect(0).err;
    assert_eq!(off, quiet.replace("\"d\"", "\"off\""));
}

#[test]
fn all_that_is_told_is_json_and_holds_neither_keys_nor_what_is_said() {
    let place = Place::new();
    run(&place, "first", &[]).expect(0);
    let told = run(&place, "d", &["--log-level", "trace", "--log-format", "json"]).expect(0).err;
    let lines: Vec<Value> = told
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |line: &Value, at: &str| line.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let is_told = |message: &str| {
        lines.iter().any(|line| text(line, "/fields/message").as_deref() == Some(message))
    };
    for message in [
        "a log begins",
        "the root supervisor decides",
        "a step failed",
        "the tick is recorded",
        "the run ended",
        "the log is sealed",
        "a checkpoint is written",
    ] {
        assert!(is_told(message), "{message}: {told}");
    }
    for span in ["run", "tick", "commit"] {
        let closed = |line: &Value| text(line, "/span/name").as_deref() == Some(span);
        assert!(lines.iter().any(closed), "{span}: {told}");
    }
    assert!(lines.iter().all(|line| text(line, "/target").unwrap().starts_with("karyon")));
    let mut secrets: Vec<String> =
        CONTACTS.split_whitespace().filter(|word| word.len() > 1).map(Into::into).collect();
    for key in ["node.key", "principals"] {
        let path = place.keys().join(key);
        let files = match path.is_dir() {
            true => fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
            false => vec![path],
        };
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "key")) {
            let text = fs::read_to_string(file).unwrap();
            secrets.push(text.split_whitespace().last().unwrap().to_owned());
        }
    }
    assert!(secrets.len() > 9, "nothing is shown of keys");
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret}");
    }
}

#[test]
fn a_resumed_run_tells_what_it_found() {
    let place = Place::new();
    run(&place, "d", &[]).expect(0);
    let resume = ["resume", "--data", "d", "--log-level", "karyon_runtime::node=info"];
    let told = place.karyon(&resume).expect(0).says(&["a log is verified", "sealed=true"]).err;
    assert!(!told.contains("commit") && !told.contains("the run ended"), "{told}");
}

#[test]
fn a_level_that_is_none_is_refused() {
    let place = Place::new();
    place.karyon(&["key", "show", "--log-level", "loud"]).expect(2).says(&["\"loud\" is no level"]);
    let mut command = place.command();
    command.args(["key", "show"]).env("KARYON_LOG", "ractor=trace");
    let refused = place.end_of(&mut command, &["key", "show"]).expect(1);
    refused.says(&["the variable KARYON_LOG: \"ractor\" is no module"]);
}
