//! `karyon why`: what people read, what machines read, and references that lead nowhere.

use serde_json::json;

use crate::support::Place;

const CONTACTS: &str = "\
ada bob 1082040961
dan ada 1082040970
bob cyd 1082040980
cyd bob 1082040990
";

fn place() -> Place {
    let place = Place::new();
    place.write("c.txt", CONTACTS);
    let args = ["run", "rumour", "--contacts", "c.txt", "--source", "ada", "--data", "d"];
    place.karyon(&args).expect(0);
    place
}

/// What is printed, with the principal's name and key, which differ from machine to machine, as
/// dots.
#[track_caller]
fn why(place: &Place, args: &[&str]) -> String {
    let all = [&["why"], args, &["--data", "d"]].concat();
    let out = place.karyon(&all).expect(0).out;
    let lines = out.lines().map(|line| match line.split_once("answers     ") {
        Some((before, _)) => format!("{before}answers     …\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn the_chain_for_a_person() {
    let expected = "\
#24  cyd heard, since 1082040980 (2004-04-15T14:56:20Z), from bob
#20    bob sent cyd the rumour (line 3 of the contacts: bob cyd 1082040980)
#17  bob heard, since 1082040961 (2004-04-15T14:56:01Z), from ada
#15    ada sent bob the rumour (line 1 of the contacts: ada bob 1082040961)
#15  ada heard, since 1082040961 (2004-04-15T14:56:01Z), it began there

allowed by  lease 1, cut from grant 1 (#3)
because     run the scenario rumour
answers     …
";
    assert_eq!(why(&place(), &["cyd"]), expected);
}

#[test]
fn the_chain_for_somebody_who_knows_nothing() {
    let expected = "\
no fact is recorded of dan; this is its last step:
#21  dan took step 0, sent 1
#21    dan was told line 2 of the contacts: dan ada 1082040970

allowed by  lease 3, cut from grant 1 (#3)
because     run the scenario rumour
answers     …
";
    assert_eq!(why(&place(), &["dan"]), expected);
}

#[test]
fn the_chain_for_a_record() {
    let expected = "\
#20  bob took step 1, sent 1
#20    bob was told line 3 of the contacts: bob cyd 1082040980
#17  bob heard, since 1082040961 (2004-04-15T14:56:01Z), from ada
#15    ada sent bob the rumour (line 1 of the contacts: ada bob 1082040961)
#15  ada heard, since 1082040961 (2004-04-15T14:56:01Z), it began there

allowed by  lease 1, cut from grant 1 (#3)
because     run the scenario rumour
answers     …
";
    assert_eq!(why(&place(), &["#20"]), expected);
}

#[test]
fn every_record_can_be_explained() {
    let place = place();
    let records = place.verified("d")["records"].as_u64().unwrap();
    for record in 0..records {
        let reference = format!("#{record}");
        let text = why(&place, &[&reference]);
        assert!(text.starts_with(&reference), "{text}");
        assert!(text.contains("allowed by"), "{text}");
        let answer = place.karyon(&["why", &reference, "--json", "--data", "d"]).expect(0).json();
        assert_eq!(answer["chain"][0]["record"], record);
        assert!(answer["authority"]["principal"].is_string());
    }
}

#[test]
fn for_machines_and_for_graphviz() {
    let place = place();
    let answer = place.karyon(&["why", "cyd", "--json", "--data", "d"]).expect(0).json();
    let chain = answer["chain"].as_array().unwrap();
    let facts: Vec<_> = chain.iter().filter(|link| link["kind"] == "fact").collect();
    assert_eq!(facts.len(), 3);
    assert_eq!(facts[0]["properties"], json!({ "from": "bob", "when": "1082040980" }));
    assert_eq!(facts[2]["properties"]["from"], json!(null));
    let kinds: Vec<_> = chain.iter().map(|link| link["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["fact", "sent", "input", "fact", "sent", "input", "fact"]);
    assert_eq!(answer["authority"]["reasons"], json!(["run the scenario rumour"]));
    let dot = why(&place, &["cyd", "--dot"]);
    assert!(dot.starts_with("digraph why {\n") && dot.ends_with("}\n"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 7, "{dot}");
}

#[test]
fn references_that_lead_nowhere() {
    let place = place();
    for (reference, words) in [
        ("cid", &["no agent called \"cid\"", "nearest names: \"cyd\""][..]),
        ("7", &["no agent called \"7\"", "if the record is meant", "karyon why '#7'"]),
        ("#9999", &["no record #9999", "#0 to #"]),
        ("#x", &["no record #x"]),
        ("", &["no agent called \"\""]),
    ] {
        place.karyon(&["why", reference, "--data", "d"]).expect(1).says(words);
    }
    place.karyon(&["why", "ada", "--data", "e"]).expect(1).says(&["no data directory e"]);
}

#[test]
fn what_was_denied_is_explained() {
    let place = Place::new();
    place.write("c.txt", "ada bob 1\nada bob 2\nada bob 3\n");
    place.write(
        "s.toml",
        "[model]\nname = \"rumour\"\nsource = \"ada\"\n[space]\nfile = \"c.txt\"\n\
         [authority]\nexpires = [{ agent = \"ada\", tick = 1 }]\n",
    );
    place.karyon(&["run", "s.toml", "--data", "d"]).expect(0);
    let records = place.verified("d")["records"].as_u64().unwrap();
    // A step of ada is on the news that its message was denied.
    let denied = (0..records).filter(|record| {
        why(&place, &[&format!("#{record}")])
            .contains("ada was not allowed to send to bob: lease_expired (line 2 of the contacts")
    });
    assert_eq!(denied.count(), 1);
}
