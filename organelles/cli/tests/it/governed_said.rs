//! That what is told of memories is so: of each change by whom and why, of what is to come, of what
//! is erased.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::exit::{carried, export, import, node_key};
use crate::governed::{FOREVER, recall, shows, told};
use crate::support::{Ended, Place};

const LATER: [&str; 2] = ["--since", "2199-01-01"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

/// `karyon memory VERB acme terms TEXT`.
fn ask(place: &Place, verb: &str, text: &str, more: &[&str]) -> Ended {
    let args = ["memory", verb, "acme", "terms", text, "--data", "d"];
    place.karyon(&[&args[..], &FOREVER, more].concat())
}

fn forget(place: &Place, what: &[&str]) -> Value {
    let args = ["memory", "forget", "acme", "--reason", "asked", "--yes", "--json", "--data", "d"];
    place.karyon(&with(&args, what)).expect(0).json()
}

fn why(place: &Place, record: u64) -> Value {
    place.karyon(&["why", &format!("#{record}"), "--json", "--data", "d"]).expect(0).json()
}

/// Soon, in seconds since 1970.
fn soon() -> u64 {
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    soon.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn wait_for(second: u64) {
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
    while std::time::SystemTime::now() < moment {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn why_names_the_grant_of_the_change_itself_for_each_of_its_records() {
    let place = Place::new();
    let because = |reason: &'static str| ["--keep", "forever", "--reason", reason];
    let first = told(&place, "remember", ["acme", "terms", "one"], &because("first"));
    place.karyon(&["key", "new", "bea"]).expect(0);
    let by_bea = with(&because("second"), &["--principal", "bea"]);
    let second = told(&place, "supersede", ["acme", "terms", "two"], &by_bea);
    let third = forget(&place, &["--key", "terms"])["record"].as_u64().unwrap();
    let mut begin = 0;
    for (grant, end, reason) in [(1, first, "first"), (2, second, "second"), (3, third, "asked")] {
        let is_bea = why(&place, end)["authority"]["principal"] == "bea";
        assert_eq!(is_bea, reason == "second");
        let mut kinds = Vec::new();
        for record in begin..=end {
            let answer = why(&place, record);
            let (kind, authority) = (&answer["chain"][0]["kind"], &answer["authority"]);
            kinds.push(kind.as_str().unwrap().to_owned());
            assert_eq!(authority["principal"] == "bea", is_bea, "{record}: {answer}");
            if kind == "principal" {
                continue;
            }
            assert_eq!(authority["grant"], grant, "{record}: {answer}");
            assert_eq!(authority["reasons"], json!([reason]), "{record}: {answer}");
            let shown = place.karyon(&["why", &format!("#{record}"), "--data", "d"]).expect(0);
            shows(&shown, &[&format!("grant {grant} "), &format!("because     {reason}")]);
        }
        assert!(kinds.iter().any(|kind| kind == "boot"), "{kinds:?}");
        assert!(kinds.iter().any(|kind| kind == "reason"), "{kinds:?}");
        begin = end + 1;
    }
}

#[test]
fn a_version_to_come_is_named_and_locks_nothing_once_it_is_taken_back() {
    let place = Place::new();
    let first =
        told(&place, "remember", ["acme", "terms", "one"], &with(&FOREVER, &["--tag", "t"]));
    let later = told(&place, "supersede", ["acme", "terms", "later"], &with(&FOREVER, &LATER));
    let id = format!("#{later}.0");
    let says = ["it would begin before record", &id, "2199-01-01T00:00:00Z", "--since", "forget"];
    ask(&place, "supersede", "two", &[]).expect(1).says(&says);
    forget(&place, &["--id", &id]);
    // What holds now is replaced, with what is taken over from it.
    ask(&place, "supersede", "two", &[]).expect(0);
    let found = recall(&place, "d", &["--subject", "acme"]);
    assert_eq!((&found[0]["text"], &found[0]["supersedes"]), (&json!("two"), &json!(first)));
    assert_eq!(found[0]["tags"], json!(["t"]));
    // Also when that moment has come.
    let at = recall(&place, "d", &["--subject", "acme", "--at", "2199-02-01"]);
    assert_eq!((at.len(), &at[0]["text"]), (1, &json!("two")));
    let history = recall(&place, "d", &["--subject", "acme", "--key", "terms", "--history"]);
    assert_eq!(history[0]["replaced_by"]["id"], found[0]["id"]);
    // Of the newest one that has begun it is said that it is gone.
    forget(&place, &["--id", found[0]["id"].as_str().unwrap()]);
    let gone = ask(&place, "supersede", "three", &[]).expect(1);
    gone.says(&["its newest version", found[0]["id"].as_str().unwrap(), "memory remember"]);
    ask(&place, "remember", "three", &[]).expect(0);
    assert_eq!(recall(&place, "d", &["--subject", "acme"])[0]["text"], "three");
    // Where nothing is but what is to come, too.
    let args = with(&FOREVER, &LATER);
    let only = told(&place, "remember", ["bo", "terms", "later"], &args);
    let args = with(&["memory", "remember", "bo", "terms", "now", "--data", "d"], &FOREVER);
    place.karyon(&args).expect(1).says(&["it would begin before record", &format!("#{only}.0")]);
    let id = format!("#{only}.0");
    let take_back = ["memory", "forget", "bo", "--id", &id, "--reason", "r", "--data", "d"];
    place.karyon(&take_back).expect(0);
    place.karyon(&args).expect(0);
    assert_eq!(recall(&place, "d", &["--subject", "bo"])[0]["text"], "now");
}

#[test]
fn what_would_never_hold_is_refused_before_anything_is_made() {
    let place = Place::new();
    let never = ["--keep", "2190-01-01", "--since", "2199-01-01", "--reason", "r"];
    let args = ["memory", "remember", "acme", "terms", "x", "--data", "d"];
    let refused = place.karyon(&with(&args, &never)).expect(1);
    refused.says(&["it would never hold", "2190-01-01T00:00:00Z", "2199-01-01T00:00:00Z"]);
    assert!(!place.path("d").exists() && !place.keys().join("node.key").exists());
    ask(&place, "remember", "one", &[]).expect(0);
    let args = ["memory", "supersede", "acme", "terms", "x", "--data", "d"];
    place.karyon(&with(&args, &never)).expect(1).says(&["it would never hold"]);
    assert_eq!(recall(&place, "d", &[])[0]["text"], "one");
}

#[test]
fn at_a_moment_to_come_what_is_kept_no_longer_is_left_out_and_counted() {
    let place = Place::new();
    let short = ["--keep", "2100-01-01", "--reason", "r"];
    told(&place, "remember", ["acme", "terms", "short"], &short);
    told(&place, "remember", ["acme", "phone", "long"], &FOREVER);
    let args = ["memory", "recall", "--data", "d", "--at"];
    for (at, texts, gone) in [
        ("2099-12-31", &["long", "short"][..], 0),
        ("2100-01-01", &["long"], 1),
        ("2150-01-01", &["long"], 1),
    ] {
        let found = place.karyon(&with(&args, &[at, "--json"])).expect(0).json();
        let memories = found["memories"].as_array().unwrap();
        let all: Vec<_> = memories.iter().map(|memo| memo["text"].as_str().unwrap()).collect();
        assert_eq!((&all[..], &found["expired"]), (texts, &json!(gone)), "{at}");
    }
    let shown = place.karyon(&with(&args, &["2150-01-01"])).expect(0);
    shown.says(&["1 memory left out: kept no longer than that"]);
    let brief = ["memory", "brief", "--json", "--at", "2150-01-01", "--data", "d"];
    let brief = place.karyon(&brief).expect(0).json();
    assert_eq!(brief["facts"].as_array().unwrap().len(), 1);
}

#[test]
fn an_erasure_claims_what_it_erased_and_no_more() {
    let place = Place::new();
    let one = told(&place, "remember", ["acme", "terms", "x"], &FOREVER);
    let two = told(&place, "remember", ["acme", "phone", "y"], &FOREVER);
    let by_key = forget(&place, &["--key", "terms"])["record"].clone();
    let whole = forget(&place, &[])["record"].clone();
    let erases = |record: &Value| {
        let answer = why(&place, record.as_u64().unwrap());
        let erased = answer["erases"].as_array().unwrap().iter();
        let erased: Vec<_> = erased
            .map(|memo| {
                assert_eq!(&memo["erased_by"]["record"], record);
                memo["record"].as_u64().unwrap()
            })
            .collect();
        (erased, answer["forgets"].clone())
    };
    assert_eq!(erases(&by_key), (vec![one], json!([])));
    assert_eq!(erases(&whole), (vec![two], json!([1])));
    let shown =
        |record: &Value| place.karyon(&["why", &format!("#{record}"), "--data", "d"]).expect(0);
    shows(&shown(&whole), &["erased: 1 memory", "forgotten as a whole: ~1"]);
    assert!(!shown(&by_key).out.contains("as a whole"));
    // What is erased says by whom, and by which record first.
    for (record, by) in [(one, &by_key), (two, &whole)] {
        let memory = &why(&place, record)["memories"][0];
        assert_eq!((&memory["erased"], &memory["erased_by"]["record"]), (&json!(true), by));
        assert_eq!(memory["erased_by"]["reason"], "asked");
        shows(&shown(&json!(record)), &[": erased 20", &format!(", record #{by}, because: asked")]);
    }
    // That all of it was forgotten is told beside what was forgotten before.
    let found = place.karyon(&["memory", "recall", "--subject", "acme", "--data", "d"]).expect(0);
    let of_whole = format!(", record #{whole}, because: asked");
    shows(&found, &["acme was forgotten as a whole: erased 20", &of_whole]);
    shows(&found, &[&format!(", record #{by_key}, because: asked")]);
    for subject in ["acme", "~1"] {
        let args = ["memory", "recall", "--json", "--subject", subject, "--data", "d"];
        assert_eq!(place.karyon(&args).expect(0).json()["forgotten"]["record"], whole);
    }
    for verb in ["remember", "supersede"] {
        ask(&place, verb, "z", &[]).expect(1).says(&["stays so", "as a whole", &of_whole]);
    }
    told(&place, "remember", ["bo", "terms", "x"], &FOREVER);
    let args = ["memory", "recall", "--json", "--subject", "bo", "--data", "d"];
    assert_eq!(place.karyon(&args).expect(0).json()["forgotten"], Value::Null);
}

#[test]
fn what_expired_and_is_erased_is_told_as_what_was_forgotten_is() {
    let place = Place::new();
    let soon = soon();
    let short = ["--keep", &soon.to_string(), "--reason", "r"];
    told(&place, "remember", ["acme", "terms", "x"], &short);
    let later = told(&place, "remember", ["acme", "phone", "y"], &with(&FOREVER, &LATER));
    wait_for(soon);
    place.karyon(&["memory", "expire", "--data", "d"]).expect(0);
    forget(&place, &["--id", &format!("#{later}.0")]);
    let args = ["memory", "recall", "--subject", "acme", "--data", "d"];
    let shown = place.karyon(&args).expect(0);
    shows(&shown, &["acme  terms: erased 20", "because: what was to be kept no longer is erased"]);
    assert!(!shown.err.contains("not so yet"), "{shown:?}");
    let found = place.karyon(&with(&args, &["--json"])).expect(0).json();
    assert_eq!((&found["expired"], &found["later"]), (&json!(0), &json!(0)));
    assert_eq!(found["memories"][0]["erased_by"]["expired"], true);
}

#[test]
fn what_would_be_forgotten_is_shown_in_safe_mode_and_nothing_is() {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "x"], &FOREVER);
    place.karyon(&["halt", "--data", "d", "--reason", "look"]).expect(0);
    let would = ["memory", "forget", "acme", "--dry-run", "--data", "d"];
    shows(&place.karyon(&would).expect(0), &["1 memory would be forgotten", "x"]);
    let args = ["memory", "forget", "acme", "--yes", "--reason", "r", "--data", "d"];
    place.karyon(&args).expect(4);
}

#[test]
fn the_node_key_that_began_it_is_enough_alone() {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "x"], &FOREVER);
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let there = carried(&place, "d.tar");
    fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
    import(&there, "d.tar", "d", &["--keys", "d.keys"]);
    there.end_safe_mode("d", "brought here");
    let node = node_key(&place);
    let retired = there.keys().join("retired");
    fs::create_dir_all(&retired).unwrap();
    fs::set_permissions(&retired, fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(place.keys().join("node.key"), retired.join(format!("{node}.key"))).unwrap();
    told(&there, "supersede", ["acme", "terms", "y"], &FOREVER);
    assert_eq!(recall(&there, "d", &[])[0]["text"], "y");
    // It goes on with that key, and needs none of its own.
    assert!(!there.keys().join("node.key").exists());
    assert_eq!(there.verified("d")["key"], "retired");
    // A log of its own begins with a key of its own.
    let args = with(&["memory", "remember", "bo", "terms", "z", "--data", "e"], &FOREVER);
    there.karyon(&args).expect(0);
    assert!(there.keys().join("node.key").exists());
    there.verified("d");
}

#[test]
fn where_the_grants_of_memories_are_read_is_said() {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "x"], &FOREVER);
    let key = node_key(&place);
    for key in [&[][..], &["--key", &key]] {
        let args = with(&["authority", "show", "--data", "d"], key);
        place.karyon(&args).expect(1).says(&[
            "holds memories",
            "karyon why",
            "karyon audit export",
        ]);
    }
}
