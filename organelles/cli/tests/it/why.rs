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
fn what_came_of_what_somebody_knew() {
    let expected = "\
#15  ada heard, since 1082040961 (2004-04-15T14:56:01Z), it began there
#15    ada sent bob the rumour (line 1 of the contacts: ada bob 1082040961), handled in #17
#17      bob heard, since 1082040961 (2004-04-15T14:56:01Z), from ada
#20        bob sent cyd the rumour (line 3 of the contacts: bob cyd 1082040980), handled in #24
#24          cyd heard, since 1082040980 (2004-04-15T14:56:20Z), from bob
               and 1 message of which no fact came
";
    assert_eq!(why(&place(), &["ada", "--consequences"]), expected);
}

#[test]
fn what_came_of_a_record() {
    let expected = "\
#20  bob took step 1, sent 1 (line 3 of the contacts: bob cyd 1082040980)
#20    bob sent cyd the rumour (line 3 of the contacts: bob cyd 1082040980), handled in #24
#24      cyd heard, since 1082040980 (2004-04-15T14:56:20Z), from bob
           and 1 message of which no fact came
";
    assert_eq!(why(&place(), &["#20", "--consequences"]), expected);
}

#[test]
fn what_came_of_a_grant_within_bounds() {
    let place = place();
    let expected = "\
#3   grant 1 was given
#5     a lease was opened for ada
#15      ada took step 0, sent 1, remembered 1 (line 1 of the contacts: ada bob 1082040961)
#15        ada heard, since 1082040961 (2004-04-15T14:56:01Z), it began there
#15        ada sent bob the rumour (line 1 of the contacts: ada bob 1082040961), handled in #17
#23      ada took step 1, remembered 1
#7     a lease was opened for bob
#17      bob took step 0, remembered 2
#20      bob took step 1, sent 1 (line 3 of the contacts: bob cyd 1082040980)
#29      bob took step 2, remembered 1
#9     a lease was opened for dan
#21      dan took step 0, sent 1 (line 2 of the contacts: dan ada 1082040970)
#11    a lease was opened for cyd
#24      cyd took step 0, remembered 2
#27      cyd took step 1, sent 1 (line 4 of the contacts: cyd bob 1082040990)
left out: whatever is not among the first 15 links (--limit)
";
    assert_eq!(why(&place, &["#3", "--consequences", "--limit", "15"]), expected);
    let expected = "\
#3   grant 1 was given
#5     a lease was opened for ada
#7     a lease was opened for bob
#9     a lease was opened for dan
#11    a lease was opened for cyd
left out: what came of 4 of these links, more than 1 records away (--depth)
";
    assert_eq!(why(&place, &["#3", "--consequences", "--depth", "1"]), expected);
    let nothing = "#0  this log began, with the scenario rumour\n\
                   nothing came of it that the log ties to it\n";
    assert_eq!(why(&place, &["#0", "--consequences"]), nothing);
}

#[test]
fn consequences_for_machines_and_for_graphviz() {
    let place = place();
    let args = ["why", "ada", "--consequences", "--json", "--data", "d"];
    let answer = place.karyon(&args).expect(0).json();
    let links = answer["consequences"].as_array().unwrap();
    let of = |name: &str| links.iter().map(|link| link[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("kind"), ["fact", "sent", "fact", "sent", "fact"]);
    assert_eq!(of("parent"), [json!(null), json!(0), json!(1), json!(2), json!(3)]);
    assert_eq!(of("depth"), [0, 0, 1, 2, 3]);
    assert_eq!(links[1]["handled"]["record"], 17);
    assert_eq!(links[4]["barren_messages"], 1);
    assert_eq!(answer["left_out"], json!({ "deeper": 0, "more": false }));
    let dot = why(&place, &["ada", "--consequences", "--dot"]);
    assert!(dot.starts_with("digraph why {\n") && dot.ends_with("}\n"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 4, "{dot}");
}

#[test]
fn a_damaged_index_is_built_anew_and_answers_the_same() {
    let place = place();
    let before = why(&place, &["cyd"]);
    let after = why(&place, &["ada", "--consequences"]);
    let file = place.path("d").join("memory").join("lineage.redb");
    let whole = std::fs::read(&file).unwrap();
    let flips = [0, 100, 4096, whole.len() / 3, whole.len() / 2, whole.len() - 1];
    for at in flips {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&file, &bytes).unwrap();
        let args = ["why", "cyd", "--data", "d"];
        place.karyon(&args).expect(0).says(&["the index of causes was built anew"]);
        assert_eq!(why(&place, &["cyd"]), before, "{at}");
        assert_eq!(why(&place, &["ada", "--consequences"]), after, "{at}");
    }
    for other in [b"".as_slice(), b"no database", &whole[..whole.len() / 2]] {
        std::fs::write(&file, other).unwrap();
        assert_eq!(why(&place, &["cyd"]), before);
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(why(&place, &["cyd"]), before);
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
        let text = why(&place, &[&reference, "--consequences"]);
        assert!(text.starts_with(&reference), "{text}");
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
