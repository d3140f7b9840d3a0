//! What an engram of memories for which somebody answers must not make hold again elsewhere, and
//! what it tells of a log that was gone on with twice.

use std::process::Command;

use serde_json::{Value, json};

use crate::governed::{FOREVER, recall, shows, told};
use crate::governed_engrams::{export, import_args, key_of, office};
use crate::support::{Ended, Place};

/// What is answered in another instance about somebody, once it took in what is chosen here.
fn texts_elsewhere(place: &Place, out: &str, chosen: &[&str]) -> (Value, Vec<String>) {
    let there = Place::new();
    let exported = export(place, "d", out, chosen);
    let file = place.path(out).display().to_string();
    there.karyon(&import_args(&file, "e", &key_of(place))).expect(0);
    let found = recall(&there, "e", &["--history", "--subject", "acme", "--key", "terms"]);
    let texts = found.iter().map(|memo| memo["text"].as_str().unwrap().to_owned());
    (exported, texts.collect())
}

#[test]
fn a_version_goes_only_with_what_replaced_it() {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "first"], &FOREVER);
    let decided = [&FOREVER[..], &["--kind", "decision", "--owner", "bea"]].concat();
    told(&place, "supersede", ["acme", "terms", "second"], &decided);
    told(&place, "remember", ["acme", "rent", "due"], &FOREVER);

    // Chosen by what only the older one is, or what only the newer one is.
    let (exported, texts) = texts_elsewhere(&place, "kind.engram", &["--kind", "fact"]);
    assert_eq!((&exported["memories"], &exported["superseded"]), (&json!(1), &json!(1)));
    assert_eq!(texts, Vec::<String>::new());
    let (exported, texts) = texts_elsewhere(&place, "bea.engram", &["--owner", "bea"]);
    assert_eq!((&exported["superseded"], texts), (&json!(0), vec!["second".to_owned()]));
    let chosen = ["--subject", "acme", "--owner", "principal"];
    assert_eq!(texts_elsewhere(&place, "owner.engram", &chosen).1, Vec::<String>::new());
    let both = ["--kind", "fact", "decision"];
    assert_eq!(texts_elsewhere(&place, "both.engram", &both).1, ["first", "second"]);

    // By a moment at which the older one held, and by what is to replace the newer one.
    let history = ["--history", "--subject", "acme", "--key", "terms"];
    let since = recall(&place, "d", &history)[0]["since"].as_str().unwrap().to_owned();
    let args = ["engram", "export", "--subject", "acme", "--data", "d", "--out"];
    let early = [&args[..], &["early.engram", "--at", &since]].concat();
    place.karyon(&early).expect(1).says(&["all that was chosen (1) was replaced by what is not"]);
    assert!(!place.path("early.engram").exists());
    let later = [&decided[..], &["--since", "2199-01-01"]].concat();
    told(&place, "supersede", ["acme", "terms", "third"], &later);
    let now = ["--subject", "acme", "--no-history"];
    let (exported, texts) = texts_elsewhere(&place, "now.engram", &now);
    assert_eq!(texts, ["second", "third"], "what is to replace it goes with it");
    assert_eq!(exported["superseded"], 0);
    let all = ["--subject", "acme"];
    assert_eq!(texts_elsewhere(&place, "all.engram", &all).1, ["first", "second", "third"]);

    // What is forgotten in the middle holds nothing of what is newer back.
    let forget = |index: usize| {
        let id = recall(&place, "d", &history)[index]["id"].as_str().unwrap().to_owned();
        let args = ["memory", "forget", "acme", "--id", &id, "--reason", "r", "--data", "d"];
        place.karyon(&args).expect(0);
    };
    forget(1);
    let (exported, texts) = texts_elsewhere(&place, "middle.engram", &all);
    assert_eq!((&exported["superseded"], texts), (&json!(1), vec!["third".to_owned()]));
    forget(2);
    assert_eq!(texts_elsewhere(&place, "newest.engram", &all).1, Vec::<String>::new());
    let shown = place.karyon(&[&args[..], &["told.engram"]].concat()).expect(0);
    shows(&shown, &["1 memory left out: what replaced them is not among what goes"]);
}

#[test]
fn what_expired_does_not_make_room_for_what_it_replaced() {
    let place = Place::new();
    told(&place, "remember", ["acme", "terms", "first"], &FOREVER);
    told(&place, "remember", ["acme", "rent", "due"], &FOREVER);
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    let more = ["--keep", &soon, "--reason", "for a while"];
    told(&place, "supersede", ["acme", "terms", "second"], &more);
    while !recall(&place, "d", &["--key", "terms"]).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (exported, texts) = texts_elsewhere(&place, "o.engram", &["--subject", "acme"]);
    assert_eq!((&exported["memories"], &exported["superseded"]), (&json!(1), &json!(1)));
    assert_eq!(texts, Vec::<String>::new());
}

/// What the log itself said is known; what it replaced does not come behind it by another way.
#[test]
fn what_is_known_from_its_log_keeps_its_place() {
    let [one, two, three] = [Place::new(), Place::new(), Place::new()];
    told(&one, "remember", ["acme", "terms", "first"], &FOREVER);
    told(&one, "supersede", ["acme", "terms", "second"], &FOREVER);
    brings(&one, &two, "d", &["--subject", "acme"], &[]).expect(0);
    // Only the newer one comes from the log itself.
    let newer = ["--subject", "acme", "--no-history"];
    assert_eq!(brings(&one, &three, "f", &newer, &[]).expect(0).json()["new"], 1);
    for more in [&["--dry-run"][..], &[]] {
        let told = brings(&two, &three, "f", &["--subject", "acme"], more).expect(0).json();
        assert_eq!(
            (&told["new"], &told["known"], &told["superseded"]),
            (&json!(0), &json!(1), &json!(1))
        );
    }
    let all = recall(&three, "f", &[]);
    assert_eq!((all.len(), &all[0]["text"]), (1, &json!("second")));
    // From the log itself it comes, as it does not hold there either.
    let whole = brings(&one, &three, "f", &["--subject", "acme"], &[]).expect(0).json();
    assert_eq!((&whole["new"], &whole["known"]), (&json!(1), &json!(1)));
    assert_eq!(recall(&three, "f", &[])[0]["text"], "second");
}

/// The same node again, with all that it has: a copy of its machine.
fn copied(place: &Place) -> Place {
    let copy = Place::new();
    for folder in ["d", "keys"] {
        drop(std::fs::remove_dir_all(copy.path(folder)));
        let copied =
            Command::new("cp").arg("-a").args([place.path(folder), copy.path(folder)]).status();
        assert!(copied.unwrap().success());
    }
    // A person has looked, and takes it for the original.
    copy.end_safe_mode("d", "the machine was copied");
    copy
}

pub(crate) fn brings(
    place: &Place,
    there: &Place,
    data: &str,
    chosen: &[&str],
    more: &[&str],
) -> Ended {
    let out = place.path("b.engram");
    drop(std::fs::remove_file(&out));
    export(place, "d", "b.engram", chosen);
    let (file, key) = (out.display().to_string(), key_of(place));
    there.karyon(&[&import_args(&file, data, &key)[..], more].concat())
}

#[test]
fn a_log_with_two_pasts_is_refused() {
    let one = office();
    // Each goes on by itself, with one number for two records.
    let two = copied(&one);
    let [first, other] = [(&one, "one went on"), (&two, "two went on")]
        .map(|(place, text)| told(place, "supersede", ["acme", "terms", text], &FOREVER));
    assert_eq!(first, other);
    told(&two, "remember", ["acme", "only", "here"], &FOREVER);
    let there = Place::new();
    let terms = ["--subject", "acme", "--key", "terms"];
    assert_eq!(brings(&one, &there, "e", &terms, &[]).expect(0).json()["new"], 4);
    let log = recall(&there, "e", &[])[0]["origin"]["log"].as_str().unwrap().to_owned();
    let words = [
        &format!("log {log} has two pasts"),
        "\"acme\" under \"terms\"",
        &format!("its record #{first};"),
    ];
    let before = there.verified("e");
    for more in [&["--dry-run"][..], &[]] {
        brings(&two, &there, "e", &terms, more).expect(3).says(&words);
        // Nothing of such a log comes in with it.
        brings(&two, &there, "e", &["--subject", "acme"], more).expect(3).says(&words);
    }
    assert_eq!(there.verified("e")["records"], before["records"]);
    // What both say comes from either.
    let same = brings(&two, &there, "e", &["--key", "secret"], &[]).expect(0).json();
    assert_eq!((&same["new"], &same["known"]), (&json!(1), &json!(0)));
    let same = brings(&one, &there, "e", &["--key", "secret"], &[]).expect(0).json();
    assert_eq!((&same["new"], &same["known"]), (&json!(0), &json!(1)));
    // What only the one has is of one past; the same record about something else is not.
    told(&one, "remember", ["deploys", "monday", "all day"], &FOREVER);
    brings(&one, &there, "e", &["--key", "monday"], &[]).expect(0);
    brings(&two, &there, "e", &["--key", "only"], &[])
        .expect(3)
        .says(&["has two pasts", "\"only\""]);
    // By way of another instance it is no other.
    let fourth = Place::new();
    brings(&two, &fourth, "d", &terms, &[]).expect(0);
    brings(&fourth, &there, "e", &terms, &[]).expect(3).says(&words);
    brings(&fourth, &one, "d", &terms, &[]).expect(3).says(&words);

    // Into that very log.
    let own = ["this very log", "two pasts"];
    for more in [&["--dry-run"][..], &[]] {
        brings(&two, &one, "d", &terms, more).expect(3).says(&own);
        brings(&one, &one, "d", &terms, more).expect(1).says(&["there is nothing to bring in"]);
    }
    // The same where it is older than what comes.
    let old = copied(&one);
    told(&one, "remember", ["acme", "later", "more"], &FOREVER);
    brings(&one, &old, "d", &terms, &[]).expect(3).says(&["this very log", "an older state of it"]);
    brings(&old, &one, "d", &terms, &[]).expect(1).says(&["there is nothing to bring in"]);
}

#[test]
fn a_contradiction_is_of_what_is_kept_and_holds() {
    let (here, there) = (office(), Place::new());
    told(&there, "remember", ["acme", "terms", "60 days net"], &FOREVER);
    let terms = ["--subject", "acme", "--key", "terms"];
    let conflicts = |ended: Ended| {
        let conflicts = ended.expect(0).json()["conflicts"].as_array().unwrap().clone();
        let texts = conflicts.iter().map(|of| of["theirs"]["text"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(conflicts(brings(&here, &there, "d", &terms, &[])), ["14 days net"]);
    // Nothing more is kept.
    assert_eq!(conflicts(brings(&here, &there, "d", &terms, &[])), Vec::<String>::new());
    told(&here, "supersede", ["acme", "terms", "cash"], &FOREVER);
    assert_eq!(conflicts(brings(&here, &there, "d", &terms, &["--dry-run"])), ["cash"]);
    assert_eq!(conflicts(brings(&here, &there, "d", &terms, &[])), ["cash"]);
    // Nor what is forgotten, or about somebody who is.
    let id = recall(&there, "d", &terms)[1]["id"].as_str().unwrap().to_owned();
    let forget = ["memory", "forget", "acme", "--id", &id, "--reason", "r", "--data", "d"];
    there.karyon(&forget).expect(0);
    assert_eq!(conflicts(brings(&here, &there, "d", &terms, &[])), Vec::<String>::new());

    // What replaced each other in one log does not contradict, over whatever way it came.
    let [second, third] = [Place::new(), Place::new()];
    brings(&here, &second, "d", &terms, &[]).expect(0);
    brings(&second, &third, "d", &terms, &[]).expect(0);
    told(&here, "supersede", ["acme", "terms", "gold"], &FOREVER);
    let done = brings(&here, &third, "d", &terms, &[]).expect(0).json();
    assert_eq!(
        (&done["new"], &done["known"], &done["conflicts"]),
        (&json!(5), &json!(0), &json!([]))
    );
}

#[test]
fn evidence_names_its_log_and_a_foreign_one_is_not_superseded() {
    let [one, two, three] = [Place::new(), Place::new(), Place::new()];
    let more = [&FOREVER[..], &["--evidence", "#3", "--evidence", "report.pdf"]].concat();
    told(&one, "remember", ["acme", "terms", "30 days"], &more);
    assert_eq!(recall(&one, "d", &[])[0]["evidence"], json!(["#3", "report.pdf"]));
    brings(&one, &two, "d", &["--subject", "acme"], &[]).expect(0);
    brings(&two, &three, "d", &["--subject", "acme"], &[]).expect(0);
    let log = recall(&two, "d", &[])[0]["origin"]["log"].as_str().unwrap().to_owned();
    let evidence = format!("#3 of log {log}");
    for place in [&two, &three] {
        let found = recall(place, "d", &["--history", "--subject", "acme", "--key", "terms"]);
        assert_eq!(found[0]["evidence"], json!([evidence, "report.pdf"]));
        let record = format!("#{}", found[0]["record"]);
        let told = format!("on: {evidence}, report.pdf");
        for args in [&["why", &record][..], &["memory", "recall"], &["memory", "brief"]] {
            shows(&place.karyon(&[args, &["--data", "d"]].concat()).expect(0), &[&told]);
        }
        let why = place.karyon(&["why", &record, "--json", "--data", "d"]).expect(0).json();
        assert_eq!(why["memories"][0]["evidence"][0], evidence);
    }
    let instead = |subject: &str, verb: &str| {
        let args = ["memory", verb, subject, "terms", "14 days", "--data", "d"];
        two.karyon(&[&args[..], &FOREVER].concat())
    };
    let came = format!("\"acme\" under \"terms\" came from log {log}");
    instead("acme", "supersede").expect(1).says(&[&came, "`karyon memory remember` sets one"]);
    instead("nobody", "supersede").expect(1).says(&["nothing is remembered of \"nobody\""]);
    instead("acme", "remember").expect(0);
    instead("acme", "supersede").expect(0);
}
