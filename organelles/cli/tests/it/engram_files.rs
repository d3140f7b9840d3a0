//! Engrams as files that a stranger gets: verified, compared, tried out; nothing is written.

use std::fs;

use serde_json::{Value, json};

use crate::engram::{CONTACTS, export, place, run};
use crate::safe_mode::tree;
use crate::support::Place;

#[test]
fn a_file_is_verified_and_its_signer_is_told() {
    let place = place();
    let verify = ["engram", "verify", "bob.engram"];
    let own = place.karyon(&[&verify[..], &["--json"]].concat()).expect(0).json();
    let log = place.verified("d")["log_id"].clone();
    assert_eq!(own["verified"], true);
    assert_eq!((&own["trusted"], &own["trusted_by"]), (&json!(true), &json!("this node")));
    assert_eq!((&own["origin"], &own["memories"]), (&log, &json!(6)));
    let inspected = place.karyon(&["engram", "inspect", "bob.engram", "--json"]).expect(0).json();
    for field in ["root", "signer", "bytes"] {
        assert_eq!(own[field], inspected[field], "{field}");
    }
    let said = place.karyon(&verify).expect(0).out;
    assert!(said.contains("6 memories") && said.contains("yes, this machine's node"), "{said}");

    // Elsewhere nobody knows the signer, until a person names the key.
    let elsewhere = Place::new();
    fs::copy(place.path("bob.engram"), elsewhere.path("bob.engram")).unwrap();
    let before = tree(&elsewhere.path(""));
    let unknown = elsewhere.karyon(&[&verify[..], &["--json"]].concat()).expect(3).json();
    assert_eq!(unknown["verified"], true);
    assert_eq!((&unknown["trusted"], &unknown["trusted_by"]), (&json!(false), &Value::Null));
    let said = elsewhere.karyon(&verify).expect(3).out;
    assert!(said.contains("compare that key"), "{said}");
    let nobody = "ab".repeat(32);
    let other = elsewhere.karyon(&[&verify[..], &["--trust", &nobody]].concat()).expect(3).out;
    assert!(other.contains("neither"), "{other}");
    let key = place.keys().join("node.pub");
    let named = [&verify[..], &["--json", "--trust", key.to_str().unwrap()]].concat();
    assert_eq!(elsewhere.karyon(&named).expect(0).json()["trusted_by"], "named");
    assert_eq!(tree(&elsewhere.path("")), before, "something was written");

    let mut bytes = fs::read(place.path("bob.engram")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(place.path("bad.engram"), bytes).unwrap();
    let bad = place.karyon(&["engram", "verify", "bad.engram", "--json"]).expect(5);
    let bad = bad.says(&["bad.engram", "does not match its CID"]).json();
    assert_eq!((&bad["exit_code"], &bad["verified"]), (&json!(5), &Value::Null));
    place.karyon(&["engram", "verify", "nothing"]).expect(1).says(&["nothing cannot be read"]);
    place.karyon(&[&verify[..], &["--trust", "xyz"]].concat()).expect(1).says(&["--trust"]);
}

fn try_out(place: &Place, data: &str) -> Value {
    let args = ["engram", "import", "bob.engram", "--data", data, "--dry-run", "--json"];
    place.karyon(&args).expect(0).json()
}

#[test]
fn an_import_is_tried_out_and_nothing_is_written() {
    let place = place();
    // A directory that is not there is not made.
    let told = try_out(&place, "new");
    assert!(!place.path("new").exists());
    assert_eq!((&told["dry_run"], &told["changed"]), (&json!(true), &json!(false)));
    assert_eq!((&told["new"], &told["known"]), (&json!(6), &json!(0)));
    assert_eq!(told["conflicts"], json!([]));

    // There bob heard from somebody else, at another time.
    run(&place, "f", "zoe bob 1082040000\nzoe ada 1082040001\n", "zoe");
    let (before, keys) = (tree(&place.path("f")), tree(&place.keys()));
    let told = try_out(&place, "f");
    let [conflict] = &told["conflicts"].as_array().unwrap()[..] else { panic!("{told}") };
    let get = |name: &str| conflict[name].clone();
    assert_eq!((get("subject"), get("predicate")), (json!("bob"), json!("heard")));
    let (here, theirs) = (get("here"), get("theirs"));
    assert_eq!(
        (&here["valid_from"], &theirs["valid_from"]),
        (&json!("1082040000"), &json!("1082040961"))
    );
    assert_eq!((&here["valid_to"], &theirs["valid_to"]), (&Value::Null, &Value::Null));
    assert_eq!(here["properties"], json!({ "from": "zoe", "when": "1082040000" }));
    assert_eq!(theirs["properties"], json!({ "from": "ada", "when": "1082040961" }));
    let recorded = |data: &str| {
        let get = ["memory", "get", "bob", "--where", "from", "--json", "--data", data];
        place.karyon(&get).expect(0).json()["items"][0]["recorded"].clone()
    };
    assert_eq!((&here["recorded"], &theirs["recorded"]), (&recorded("f"), &recorded("d")));
    let table = ["engram", "import", "bob.engram", "--data", "f", "--dry-run"];
    let table = place.karyon(&table).expect(0).out;
    for words in
        ["6 memories would be imported", "1 contradiction", "bob heard", "from=zoe", "theirs"]
    {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert_eq!(tree(&place.path("f")), before, "the data directory was written to");
    assert_eq!(tree(&place.keys()), keys, "the configuration was written to");
    // Not even the memory is built, should it be missing.
    fs::remove_dir_all(place.path("f/memory")).unwrap();
    let before = tree(&place.path("f"));
    assert_eq!(try_out(&place, "f"), told);
    assert_eq!(tree(&place.path("f")), before);

    // The import itself reports the same.
    let args = ["engram", "import", "bob.engram", "--data", "f", "--json"];
    let done = place.karyon(&args).expect(0).json();
    assert_eq!((&done["dry_run"], &done["changed"]), (&json!(false), &json!(true)));
    for field in ["new", "known", "conflicts"] {
        assert_eq!(done[field], told[field], "{field}");
    }
    let again = try_out(&place, "f");
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(6)));
    // What an import brought is `here` for the next one, with the log that it is of.
    run(&place, "g", "zoe ada 5\nada bob 7\n", "zoe");
    let args = ["engram", "export", "--agent", "bob", "--out", "g.engram", "--data", "g"];
    place.karyon(&args).expect(0);
    let args = ["engram", "import", "g.engram", "--data", "f", "--dry-run", "--json"];
    let told = place.karyon(&args).expect(0).json();
    let log = place.verified("d")["log_id"].clone();
    let conflicts = told["conflicts"].as_array().unwrap();
    let origins: Vec<_> = conflicts.iter().map(|c| c["here"]["origin"]["log"].clone()).collect();
    assert!(origins.contains(&log) && origins.contains(&Value::Null), "{told}");
}

#[test]
fn what_an_import_would_refuse_is_refused_when_it_is_tried_out() {
    let place = place();
    run(&place, "f", "a b 1\n", "a");
    fs::create_dir(place.path("h")).unwrap();
    place.write("h/letters", "");
    let args = |data| ["engram", "import", "bob.engram", "--dry-run", "--data", data];
    place.karyon(&args("d")).expect(1).says(&["this very log"]);
    place.karyon(&args("h")).expect(1).says(&["already holds \"letters\"", "no log"]);
    let before = tree(&place.path("f"));
    let elsewhere = Place::new();
    fs::copy(place.path("bob.engram"), elsewhere.path("bob.engram")).unwrap();
    elsewhere.karyon(&args("e")).expect(3).says(&["not trusted here", "--trust"]);
    assert!(!elsewhere.keys().exists() && !elsewhere.path("e").exists());
    let mut bytes = fs::read(place.path("bob.engram")).unwrap();
    bytes.pop();
    fs::write(place.path("bob.engram"), bytes).unwrap();
    place.karyon(&args("f")).expect(5).says(&["bob.engram"]);
    assert_eq!(tree(&place.path("f")), before);
    let running = place.start_long("g");
    running.signal("INT");
    running.end().expect(130);
    export(&place, &["--agent", "bob", "--out", "bob2.engram"]);
    let args = ["engram", "import", "bob2.engram", "--dry-run", "--data"];
    place.karyon(&[&args[..], &["g"]].concat()).expect(1).says(&["not complete", "karyon resume"]);
    // A log that was changed is no place to compare with.
    let log = place.path("f/log/00000000.log");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[middle] ^= 4;
    fs::write(&log, bytes).unwrap();
    place.karyon(&[&args[..], &["f"]].concat()).expect(5);
}

fn diff(place: &Place, first: &str, second: &str, code: i32) -> Value {
    place.karyon(&["engram", "diff", first, second, "--json"]).expect(code).json()
}

/// How many of the items are of this change.
fn count(found: &Value, change: &str) -> usize {
    let items = found["items"].as_array().unwrap();
    items.iter().filter(|item| item["change"] == change).count()
}

#[test]
fn two_engrams_are_compared() {
    let place = place();
    let same = diff(&place, "bob.engram", "bob.engram", 0);
    assert_eq!((&same["same"], &same["memories_alike"]), (&json!(true), &json!(6)));
    assert_eq!((&same["items"], &same["manifest"]), (&json!([]), &json!([])));
    let said = place.karyon(&["engram", "diff", "bob.engram", "bob.engram"]).expect(0).out;
    assert_eq!(said, "nothing is different: 6 memories alike\n");

    // An earlier state of the same log.
    export(&place, &["--agent", "bob", "--at", "1082040985", "--out", "early.engram"]);
    let found = diff(&place, "early.engram", "bob.engram", 1);
    assert_eq!((&found["same"], &found["memories_alike"]), (&json!(false), &json!(4)));
    assert_eq!((count(&found, "only_in_second"), count(&found, "only_in_first")), (2, 0));
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| item["first"].is_null()), "{found}");
    assert!(items.iter().any(|item| item["second"]["subject"] == "cyd"), "{found}");
    let fields: Vec<_> = found["manifest"].as_array().unwrap().iter().collect();
    let at = fields.iter().find(|field| field["field"] == "at").unwrap();
    assert_eq!((&at["first"], &at["second"]), (&json!("1082040985"), &json!("the end")));
    assert!(!fields.iter().any(|field| field["field"] == "log"), "{found}");
    let back = diff(&place, "bob.engram", "early.engram", 1);
    assert_eq!((count(&back, "only_in_second"), count(&back, "only_in_first")), (0, 2));

    // Another log, in which bob heard from somebody else.
    run(&place, "f", "zoe bob 1082040000\nada bob 1082040961\n", "zoe");
    let args = ["engram", "export", "--agent", "bob", "--out", "f.engram", "--data", "f"];
    place.karyon(&args).expect(0);
    let found = diff(&place, "bob.engram", "f.engram", 1);
    assert_eq!(found["memories_alike"], 0);
    let items = found["items"].as_array().unwrap();
    let of = |what: &str| items.iter().find(|item| item["first"]["predicate"] == what).unwrap();
    let heard = of("heard");
    assert_eq!(heard["change"], "content");
    assert_eq!(heard["first"]["properties"]["from"], "ada");
    assert_eq!(heard["second"]["properties"]["from"], "zoe");
    // Both know of bob, and of the first contact of ada and bob; each from its own log.
    assert_eq!(count(&found, "recorded"), 2, "{found}");
    let fields: Vec<_> = found["manifest"].as_array().unwrap().iter().collect();
    assert!(fields.iter().any(|field| field["field"] == "log"), "{found}");
    let table = place.karyon(&["engram", "diff", "bob.engram", "f.engram"]).expect(1).out;
    for words in ["manifest", "1 only in the second (+)", "=>  from=zoe", "~  bob heard"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    place.karyon(&["engram", "diff", "bob.engram", "nothing"]).expect(1).says(&["cannot be read"]);
    place.write("bad.engram", CONTACTS);
    place.karyon(&["engram", "diff", "bad.engram", "bob.engram"]).expect(5).says(&["bad.engram"]);
}
