//! What is told of memories for which somebody answers: why, who erased them, what contradicts,
//! what is left out.

use serde_json::{Value, json};

use crate::governed::{FOREVER, recall, shows, told};
use crate::governed_engrams::{export, import_args, key_of, office};
use crate::support::{Ended, Place};

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn why_tells_of_the_memory() {
    let (here, there) = (office(), Place::new());
    let history = recall(&here, "d", &["--subject", "acme", "--key", "terms", "--history"]);
    let record = |index: usize| history[index]["record"].as_u64().unwrap();
    let why = |place: &Place, of: u64, data: &str, more: &[&str]| -> Ended {
        let of = format!("#{of}");
        place.karyon(&with(&["why", &of, "--data", data], more)).expect(0)
    };
    let second = why(&here, record(1), "d", &[]);
    let instead = format!("instead of record #{}", record(0));
    let by = format!("replaced by record #{}, because: reason 2", record(2));
    shows(&second, &["acme  terms: 22 days net", "fact", "because: reason 1", &instead, &by]);
    let told = why(&here, record(1), "d", &["--json"]).json();
    let memory = &told["memories"][0];
    assert_eq!((&memory["key"], &memory["supersedes"]), (&json!("terms"), &json!(record(0))));
    assert_eq!(memory["replaced_by"]["record"], record(2));
    assert_eq!(told["erases"], json!([]));
    // Where it came from.
    export(&here, "d", "o.engram", &["--key", "friday"]);
    let (file, key) = (here.path("o.engram").display().to_string(), key_of(&here));
    there.karyon(&import_args(&file, "e", &key)).expect(0);
    let record = recall(&there, "e", &[])[0]["record"].as_u64().unwrap();
    shows(&why(&there, record, "e", &[]), &["decision", "of log", &format!("is signed by {key}")]);
    // An erasure says of what.
    let forget = ["memory", "forget", "acme", "--key", "secret", "--reason", "r", "--data", "d"];
    let erased =
        here.karyon(&with(&forget, &["--json"])).expect(0).json()["record"].as_u64().unwrap();
    shows(&why(&here, erased, "d", &[]), &["erased: 1 memory", "acme  secret: erased"]);
    // Names are no records: where to go on is told.
    for (name, what) in [("acme", "a subject"), ("terms", "a key"), ("~1", "a subject")] {
        let hint = "ask of a record: karyon why '#";
        here.karyon(&["why", name, "--data", "d"]).expect(1).says(&[what, "and no agent", hint]);
    }
    here.karyon(&["why", "nobody", "--data", "d"]).expect(1).says(&["there is no agent called"]);
}

#[test]
fn who_erased_it_when_and_why_is_told() {
    let place = office();
    let forget = |more: &[&str]| {
        place.karyon(&with(&["memory", "forget", "acme", "--data", "d", "--json"], more))
    };
    // What would go, and nothing goes.
    let would = forget(&["--dry-run"]).expect(0).json();
    assert_eq!((&would["erased"], would["memories"].as_array().unwrap().len()), (&json!(4), 4));
    let by_key =
        place.karyon(&["memory", "forget", "acme", "--key", "secret", "--dry-run", "--data", "d"]);
    shows(&by_key.expect(0), &["1 memory would be forgotten", "CANARY"]);
    forget(&["--key", "secret"]).expect(2).says(&["--reason"]);
    assert_eq!(recall(&place, "d", &[]).len(), 3);

    let one = forget(&["--key", "secret", "--reason", "sent in error"]).expect(0).json();
    assert_eq!((&one["erased"], &one["subjects"]), (&json!(1), &json!(0)));
    let found = recall(&place, "d", &["--subject", "acme", "--key", "secret"]);
    let erased = &found[0]["erased_by"];
    assert_eq!((&erased["record"], &erased["reason"]), (&one["record"], &json!("sent in error")));
    assert!(erased["principal"].is_string() && erased["at"].is_string(), "{erased}");
    let shown = place.karyon(&["memory", "recall", "--subject", "acme", "--data", "d"]).expect(0);
    let by = format!(", record #{}, because: sent in error", one["record"]);
    shows(&shown, &["acme  secret: erased 20", &by]);

    // One version alone, by its id; an id of nobody.
    let history = ["--subject", "acme", "--key", "terms", "--history"];
    let id = recall(&place, "d", &history)[1]["id"].as_str().unwrap().to_owned();
    forget(&["--id", &id, "--reason", "r"]).expect(0);
    let all: Vec<_> =
        recall(&place, "d", &history).iter().map(|memo| memo["erased"] == true).collect();
    assert_eq!(all, [false, true, false]);
    forget(&["--id", &id, "--reason", "r"]).expect(1).says(&["is erased, and stays so"]);
    forget(&["--id", "#99", "--reason", "r"]).expect(1).says(&["nothing is remembered"]);

    // The rest of the subject, by its number.
    let whole = ["memory", "forget", "~1", "--reason", "asked for it", "--data", "d"];
    place.karyon(&whole).expect(1).says(&["2 memories of ~1 would be forgotten", "--yes"]);
    let whole = place.karyon(&with(&whole, &["--yes", "--json"])).expect(0).json();
    assert_eq!((&whole["erased"], &whole["subjects"]), (&json!(2), &json!(1)));
    let found = recall(&place, "d", &["--subject", "acme"]);
    assert!(found.iter().all(|memo| memo["erased"] == true), "{found:?}");
    // Each by the record that erased it first.
    let records: Vec<_> = found.iter().map(|memo| &memo["erased_by"]["record"]).collect();
    assert_eq!(records, [&one["record"], &whole["record"]]);
    for subject in ["~1", "acme"] {
        let again = ["memory", "forget", subject, "--yes", "--reason", "r", "--data", "d"];
        place.karyon(&again).expect(1).says(&["is erased, and stays so"]);
    }
}

#[test]
fn what_came_from_elsewhere_is_forgotten_alone() {
    let (here, there) = (office(), Place::new());
    told(&there, "remember", ["acme", "terms", "60 days net"], &FOREVER);
    export(&here, "d", "o.engram", &["--subject", "acme", "--key", "terms", "secret"]);
    let (file, key) = (here.path("o.engram").display().to_string(), key_of(&here));
    let args = import_args(&file, "d", &key);
    there.karyon(&args).expect(0);
    let found = recall(&there, "d", &["--key", "terms"]);
    let (own, foreign) = (&found[0], &found[1]);
    // Each is marked where both are told.
    assert_eq!(own["contradicted_by"][0]["id"], foreign["id"]);
    assert_eq!(foreign["contradicted_by"][0]["id"], own["id"]);
    assert_eq!(own["contradicted_by"][0]["log"], foreign["origin"]["log"]);
    for verb in ["recall", "brief"] {
        let shown = there.karyon(&["memory", verb, "--data", "d"]).expect(0);
        let log = foreign["origin"]["log"].as_str().unwrap();
        let other =
            format!("contradicted by record #{}, from log {log}: 14 days net", foreign["record"]);
        shows(&shown, &[&other, ": 60 days net"]);
    }
    // Also where the other one is not asked for.
    let net = recall(&there, "d", &["60"]);
    assert_eq!((net.len(), net[0]["contradicted_by"].as_array().unwrap().len()), (1, 1));
    let brief = there.karyon(&["memory", "brief", "--json", "--data", "d"]).expect(0).json();
    let marked = brief["facts"].as_array().unwrap().iter();
    assert_eq!(marked.filter(|memo| memo["contradicted_by"] != json!([])).count(), 2);

    let id = foreign["id"].as_str().unwrap();
    let forget = ["memory", "forget", "acme", "--id", id, "--reason", "r", "--data", "d"];
    there.karyon(&forget).expect(0);
    let left = recall(&there, "d", &["--key", "terms"]);
    assert_eq!((left.len(), &left[0]["text"]), (1, &json!("60 days net")));
    assert_eq!(left[0]["contradicted_by"], json!([]));
    let again = there.karyon(&args).expect(0).json();
    assert_eq!((&again["new"], &again["erased_here"]), (&json!(0), &json!(1)));
    // All that came from there under a key.
    let log = foreign["origin"]["log"].as_str().unwrap();
    let place = format!("terms@{log}");
    let forget = ["memory", "forget", "acme", "--key", &place, "--reason", "r", "--data", "d"];
    shows(&there.karyon(&forget).expect(0), &["2 memories"]);
    assert_eq!(recall(&there, "d", &["--key", "terms"]).len(), 1);
}

#[test]
fn the_answer_says_what_was_asked_and_every_flag() {
    let place = office();
    let asked = |more: &[&str]| {
        place.karyon(&with(&["memory", "recall", "--json", "--data", "d"], more)).expect(0).json()
    };
    let now = asked(&[]);
    assert_eq!((&now["at"], &now["as_recorded"]), (&Value::Null, &Value::Null));
    for memo in now["memories"].as_array().unwrap() {
        for flag in ["erased", "sealed", "expired", "by_agent"] {
            assert_eq!(memo[flag], false, "{flag}");
        }
        assert_eq!((&memo["replaced_by"], &memo["erased_by"]), (&Value::Null, &Value::Null));
    }
    let history = asked(&["--subject", "acme", "--key", "terms", "--history"]);
    let of = |index: usize| &history["memories"][index];
    assert_eq!(of(0)["replaced_by"]["id"], of(1)["id"]);
    assert_eq!(of(0)["replaced_by"]["reason"], "reason 1");
    assert_eq!(of(2)["replaced_by"], Value::Null);
    // As of then it was not replaced yet; at that moment, by what is known now, it has been since.
    let first = of(0)["record"].as_u64().unwrap();
    let then = asked(&["--as-recorded", &format!("#{first}"), "--key", "terms"]);
    assert_eq!(then["as_recorded"], first);
    assert_eq!(then["memories"][0]["replaced_by"], Value::Null);
    let since = of(0)["since"].as_str().unwrap();
    let at = asked(&["--at", since, "--key", "terms"]);
    assert_eq!(
        (&at["at"], &at["memories"][0]["replaced_by"]["id"]),
        (&of(0)["since"], &of(1)["id"])
    );
    let brief =
        place.karyon(&["memory", "brief", "--at", since, "--json", "--data", "d"]).expect(0);
    assert_eq!(brief.json()["at"], of(0)["since"]);
}

#[test]
fn what_is_left_out_for_its_time_is_said() {
    let place = Place::new();
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    told(&place, "remember", ["guest", "wifi", "one"], &["--keep", &soon, "--reason", "r"]);
    told(&place, "remember", ["acme", "terms", "now"], &FOREVER);
    let later = ["--since", "2199-01-01"];
    told(&place, "supersede", ["acme", "terms", "later"], &with(&FOREVER, &later));
    told(&place, "remember", ["acme", "rent", "later"], &with(&FOREVER, &later));
    while !recall(&place, "d", &["--subject", "guest"]).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let args = ["memory", "recall", "--data", "d"];
    let all = place.karyon(&with(&args, &["--json"])).expect(0).json();
    assert_eq!((&all["expired"], &all["later"]), (&json!(1), &json!(2)));
    let texts = |more: &[&str]| {
        let found = recall(&place, "d", more);
        found.iter().map(|memo| memo["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&[]), ["now"]);
    assert_eq!(texts(&["--at", "2199-01-02"]), ["later", "later"]);
    place
        .karyon(&args)
        .expect(0)
        .says(&["1 memory left out: expired", "2 memories left out: not so yet"]);
    let brief = place.karyon(&["memory", "brief", "--json", "--data", "d"]).expect(0).json();
    assert_eq!(brief["facts"].as_array().unwrap().len(), 1);
    // Nor is it taken out as what holds, unless it is to replace that.
    let held = export(&place, "d", "held.engram", &["--subject", "acme", "guest", "--no-history"]);
    assert_eq!((&held["memories"], &held["superseded"]), (&json!(2), &json!(0)));
    assert_eq!(export(&place, "d", "all.engram", &["--subject", "acme"])["memories"], 3);
    // To remember it again is refused with what to do, and then it can be.
    let again = ["memory", "remember", "guest", "wifi", "two", "--data", "d"];
    let again = with(&again, &FOREVER);
    place.karyon(&again).expect(1).says(&["is remembered already", "it has expired", "expire"]);
    shows(
        &place.karyon(&["memory", "expire", "--data", "d"]).expect(0),
        &["expired, 1 memory, record #"],
    );
    place.karyon(&again).expect(0);
    assert_eq!(texts(&["--subject", "guest"]), ["two"]);
}

#[test]
fn each_question_works_or_is_refused() {
    let place = office();
    assert_eq!(recall(&place, "d", &["--kind", "decision", "--kind", "fact"]).len(), 3);
    assert_eq!(recall(&place, "d", &["--kind", "decision,lesson", "none"]).len(), 1);
    assert_eq!(recall(&place, "d", &["--kind", "lesson"]).len(), 0);
    let brief = ["memory", "brief", "--kind", "decision,lesson", "--json", "--data", "d"];
    let brief = place.karyon(&brief).expect(0).json();
    let count = |part: &str| brief[part].as_array().unwrap().len();
    assert_eq!((count("decisions"), count("facts")), (1, 0));
    let history = ["--history", "--subject", "acme", "--key", "terms"];
    for (asked, code, words) in [
        (&["--tag", ""][..], 2, "--tag"),
        (&["--subject", ""], 2, "--subject"),
        (&[""], 2, "a value is required"),
        (&with(&history, &["net"]), 2, "cannot be used with"),
        (&with(&history, &["--tag", "money"]), 2, "cannot be used with"),
        (&["--as-recorded", "tick:0"], 1, "nothing was recorded in any tick"),
        (&["--at", "tick:0"], 1, "a tick is a place in the record"),
    ] {
        let args = with(&["memory", "recall", "--data", "d"], asked);
        place.karyon(&args).expect(code).says(&[words]);
    }
    let tag = ["memory", "remember", "x", "y", "z", "--tag", "", "--data", "d"];
    place.karyon(&with(&tag, &FOREVER)).expect(2).says(&["--tag"]);
}

#[test]
fn what_an_engram_of_them_holds_and_who_gave_it_away_is_told() {
    let (place, there) = (office(), Place::new());
    place.karyon(&["key", "new", "bea"]).expect(0);
    let args = ["engram", "export", "--data", "d", "--out"];
    let made = with(
        &args,
        &["o.engram", "--subject", "acme", "--key", "terms", "secret", "--principal", "bea"],
    );
    shows(
        &place.karyon(&made).expect(0),
        &["4 memories of subject acme and key terms or secret in"],
    );
    let shown = place.karyon(&["engram", "inspect", "o.engram"]).expect(0);
    shows(
        &shown,
        &[
            "4 memories, ",
            "holds      4 facts",
            "about      acme\n",
            "under      secret, terms",
            "1 memory until erased",
            "came from  this log itself",
            "answers    bea (",
        ],
    );
    let told = place.karyon(&["engram", "inspect", "o.engram", "--json"]).expect(0).json();
    assert_eq!(
        (&told["principal"], &told["governed"]["kinds"]["fact"]),
        (&json!("bea"), &json!(4))
    );
    assert_eq!(told["governed"]["kept_forever"], 1);
    // One of each, by way of another instance.
    let (file, key) = (place.path("o.engram").display().to_string(), key_of(&place));
    there.karyon(&import_args(&file, "e", &key)).expect(0);
    export(&there, "e", "one.engram", &["--key", "secret"]);
    let shown = there.karyon(&["engram", "inspect", "one.engram"]).expect(0);
    shows(&shown, &["1 memory, ", "holds      1 fact\n", "1 memory from elsewhere: log "]);
    // Who says otherwise of the signer is told to ask its owner, and not to take the file's word.
    let stranger = ["engram", "import", &file, "--keep", "1y", "--data", "f"];
    let none = there.karyon(&stranger).expect(3).says(&["by another way than the engram came"]);
    assert!(!none.err.contains(&format!("--trust {key}")), "{}", none.err);
    let other = key_of(&there);
    let wrong = there.karyon(&with(&stranger, &["--trust", &other])).expect(3);
    let wrong =
        wrong.says(&["whoever signed this is somebody else", &format!("--trust names {other}")]);
    assert!(!wrong.err.contains(&format!("--trust {key}")), "{}", wrong.err);
    // Options that mean nothing there.
    let hops = with(&args, &["x", "--subject", "acme", "--hops", "2"]);
    place.karyon(&hops).expect(1).says(&["--hops says how far --around reaches"]);
    let principal = with(&args, &["x", "--writer", "a", "--principal", "bea"]);
    place.karyon(&principal).expect(1).says(&["for which somebody answers"]);
    assert!(!place.path("x").exists());
}
