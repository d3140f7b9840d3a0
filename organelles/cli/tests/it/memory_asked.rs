//! `karyon memory` narrowed: conditions, pages, edges followed, differences.

use std::fs;

use serde_json::{Value as Json, json};

use crate::support::Place;

/// Times with decimals, a pair twice in one second, and a name in quotes.
const CONTACTS: &str = "\
ada bob 1082040961
bob cyd 1082040961
ada bob 1082040961
cyd ada 1082040999.5
\"dan\" ada 1082041000
ada bob 1082050000
";

/// A run of these contacts in `d`.
fn place_of(contacts: &str) -> Place {
    let place = Place::new();
    place.write("c.txt", contacts);
    let args = ["run", "rumour", "--contacts", "c.txt", "--source", "ada", "--data", "d"];
    place.karyon(&args).expect(0);
    place
}

fn args(question: &str) -> Vec<&str> {
    ["memory"].into_iter().chain(question.split_whitespace()).chain(["--data", "d"]).collect()
}

/// Asks, and gives what is printed.
#[track_caller]
fn ask(place: &Place, question: &str) -> String {
    place.karyon(&args(question)).expect(0).out
}

#[track_caller]
fn ask_json(place: &Place, question: &str) -> Json {
    place.karyon(&args(&format!("{question} --json"))).expect(0).json()
}

/// The rows of an answer as CSV, cut to these columns.
#[track_caller]
fn rows(place: &Place, question: &str, columns: usize) -> Vec<String> {
    let csv = ask(place, &format!("{question} --csv"));
    let cut = |row: &str| row.split(',').take(columns).collect::<Vec<_>>().join(",");
    csv.lines().skip(1).map(cut).collect()
}

#[test]
fn conditions_narrow_every_answer() {
    let place = place_of(CONTACTS);
    for (question, count) in [
        ("count contact --where count>=2", 1),
        ("count contact --where count<2", 3),
        ("count contact --where count!=3", 3),
        ("count contact --where count=3.0", 1),
        ("count contact --where count", 4),
        ("count contact --where !count", 0),
        ("count contact --where !nothing", 4),
        ("count contact --where count>=2 --at 1082040960", 0),
        ("count contact --where last>2004-04-15T14:56:01Z", 3),
        ("count contact --where last<=1082040961", 1),
        ("count contact --where last>1082040961 --where count<3", 2),
        // Agents are compared by name; whoever began the rumour heard it from nobody.
        ("count heard --where from=ada", 1),
        ("count heard --where from!=ada", 2),
        ("count heard --where from=null", 1),
        ("count heard --where from=\"ada\"", 1),
        ("count heard --where from=nobody", 0),
        ("count heard --where from<bob", 0),
    ] {
        assert_eq!(ask(&place, question), format!("{count}\n"), "{question}");
    }
    let counted = ask_json(&place, "count heard --where from=ada");
    assert_eq!((&counted["count"], &counted["imported"]), (&json!(1), &Json::Null));
    let csv = ask(&place, "count heard --where from=ada --csv");
    assert_eq!(csv, "what,kind,count,imported\nheard,fact,1,\n");
    for (question, edges) in [
        ("list contact --where count>=2", &["edge,ada,contact,bob"][..]),
        ("neighbours ada --where count=3", &["edge,ada,contact,bob"]),
        ("neighbours ada --direction in --where count=3", &[]),
        ("neighbours cyd --label person", &["edge,cyd,contact,ada", "edge,bob,contact,cyd"]),
        ("get bob --where from=ada", &["fact,bob,heard,"]),
        ("get ada bob --where count>3", &[]),
        ("history ada bob --where count<3", &["edge,ada,contact,bob", "edge,ada,contact,bob"]),
    ] {
        assert_eq!(rows(&place, question, 4), edges, "{question}");
    }
}

#[test]
fn pages_join_to_the_whole_answer() {
    let place = place_of(CONTACTS);
    for (question, many) in [
        ("list contact", 4),
        ("list person", 4),
        ("list contact --where count<3", 3),
        ("neighbours ada", 3),
        ("get bob", 2),
        ("history ada bob", 3),
        ("history bob", 2),
        ("khop ada 2", 3),
        ("diff 0 1082050000", 7),
    ] {
        let whole = ask_json(&place, question);
        assert_eq!(whole["items"].as_array().unwrap().len(), many, "{question}");
        assert_eq!((&whole["count"], &whole["next"]), (&json!(many), &Json::Null), "{question}");
        for limit in [1, 2, many] {
            let (mut items, mut after) = (Vec::new(), String::new());
            loop {
                let page = ask_json(&place, &format!("{question} --limit {limit}{after}"));
                let found = page["items"].as_array().unwrap().clone();
                assert_eq!(page["count"], found.len());
                items.extend(found);
                let Some(next) = page["next"].as_str() else { break };
                assert_eq!(items.len() % limit, 0, "{question}");
                after = format!(" --after {next}");
            }
            assert_eq!(Json::Array(items), whole["items"], "{question} --limit {limit}");
        }
    }
    // For people and spreadsheets the page stands beside the answer.
    for form in ["", " --csv", " --dot"] {
        let question = format!("list contact --limit 1{form}");
        let next =
            place.karyon(&args(&question)).expect(0).says(&["note: there is more: --after "]);
        let next = next.err.split("--after ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(!ask(&place, &question).contains(next), "{question}");
        let rest = format!("list contact --after {next}");
        assert_eq!(rows(&place, &rest, 4).len(), 3, "{question}");
    }
}

#[test]
fn a_terminal_is_not_flooded_and_a_file_is_whole() {
    let contacts: String = (0..130).map(|at| format!("ada p{at} {at}\n")).collect();
    let place = place_of(&contacts);
    assert_eq!(ask(&place, "list contact").lines().count(), 130);
    assert_eq!(ask(&place, "list contact --csv").lines().count(), 131);
    let on_a_terminal = |more: &str| {
        let program =
            format!("'{}' memory list contact --data d {more} 2>err", env!("CARGO_BIN_EXE_karyon"));
        let mut command = place.command_of("script".as_ref());
        let output = command.args(["-qec", &program, "/dev/null"]).output().ok()?;
        let err = fs::read_to_string(place.path("err")).ok()?;
        Some((String::from_utf8_lossy(&output.stdout).lines().count(), err))
    };
    let Some((lines, err)) = on_a_terminal("") else {
        return crate::support::skipped("tables on a terminal: there is no `script`");
    };
    assert_eq!(lines, 100);
    assert!(err.contains("note: 30 more: --limit N shows more, --after "), "{err}");
    assert_eq!(on_a_terminal("--limit 1000"), Some((130, String::new())));
    assert_eq!(on_a_terminal("--csv"), Some((131, String::new())));
    let (lines, err) = on_a_terminal("--limit 10").unwrap();
    assert_eq!(lines, 10);
    assert!(err.contains("note: there is more: --after "), "{err}");
}

#[test]
fn who_is_near() {
    let place = place_of(CONTACTS);
    let dan = "\"\"\"dan\"\"\"";
    for (question, near) in [
        ("khop ada 1 --direction out", vec!["1,bob".to_owned()]),
        ("khop ada 9 --direction out", vec!["1,bob".into(), "2,cyd".into()]),
        ("khop ada 1", vec!["1,bob".into(), "1,cyd".into(), format!("1,{dan}")]),
        ("khop bob 2 --direction in", vec!["1,ada".into(), "2,cyd".into(), format!("2,{dan}")]),
        ("khop bob 2 --direction in --where count<3", vec![]),
        ("khop ada 9 --direction out --at 1082040960", vec![]),
        (
            "khop ada 2 --type contact --label person --at 1082040961",
            vec!["1,bob".into(), "2,cyd".into()],
        ),
    ] {
        assert_eq!(rows(&place, question, 2), near, "{question}");
    }
    let found = ask_json(&place, "khop ada 2 --direction out");
    assert_eq!(found["items"][1]["vertex"], "cyd");
    assert_eq!(found["items"][1]["by"]["subject"], "bob");
    assert_eq!((&found["hops"], &found["cut"]), (&json!(2), &Json::Null));
    let table = ask(&place, "khop ada 2 --direction out");
    assert!(table.starts_with("1  bob  ada -contact-> bob  since 1082050000"), "{table}");
    let dot = ask(&place, "khop ada 2 --direction out --dot");
    for line in
        ["\"ada\" [shape=doublecircle]", "\"cyd\" [label=\"cyd\\n2\"]", "\"bob\" -> \"cyd\""]
    {
        assert!(dot.contains(line), "{line}\n{dot}");
    }
    let cut = place.karyon(&args("khop ada 2 --max-vertices 1")).expect(0);
    let cut = cut.says(&["note: there are more: 1 were looked for (--max-vertices)"]);
    assert_eq!(cut.out.lines().count(), 1);
    assert_eq!(ask_json(&place, "khop ada 2 --max-vertices 1")["cut"], json!({ "vertices": 1 }));
}

#[test]
fn ways_from_one_to_another() {
    let place = place_of(CONTACTS);
    let table = ask(&place, "paths ada cyd");
    assert_eq!(table, "2  ada -contact-> bob -contact-> cyd  1082050000, 1082040961\n");
    // By the first message from ada, the rumour could have come; from dan it could not.
    let table = ask(&place, "paths ada cyd --time-respecting");
    assert_eq!(table, "2  ada -contact-> bob -contact-> cyd  1082040961, 1082040961\n");
    assert_eq!(ask(&place, "paths \"dan\" cyd").lines().count(), 1);
    let none = ask(&place, "paths \"dan\" cyd --time-respecting");
    assert_eq!(none, "no path of at most 6 edges leads from \"dan\" to cyd then\n");
    let back = ask(&place, "paths cyd bob --direction in");
    assert!(back.starts_with("1  cyd <-contact- bob  "), "{back}");
    let both = ask_json(&place, "paths ada cyd --direction both");
    assert_eq!((&both["count"], &both["cut"]), (&json!(2), &Json::Null));
    assert_eq!(both["items"][0]["vertices"], json!(["ada", "cyd"]));
    assert_eq!(both["items"][1]["vertices"], json!(["ada", "bob", "cyd"]));
    assert_eq!(both["items"][1]["edges"][0]["properties"]["count"], 3);
    assert_eq!(
        rows(&place, "paths ada cyd", 6),
        ["1,1,bob,edge,ada,contact", "1,2,cyd,edge,bob,contact"]
    );
    let dot = ask(&place, "paths ada cyd --dot");
    assert!(dot.contains("\"ada\" -> \"bob\"") && dot.contains("\"bob\" -> \"cyd\""), "{dot}");
    for (narrower, count) in
        [("--max-length 1", 0), ("--where count>=3", 0), ("--type contact", 1), ("--limit 1", 1)]
    {
        let found = ask_json(&place, &format!("paths ada cyd {narrower}"));
        assert_eq!(found["count"], count, "{narrower}");
    }
    let cut = place.karyon(&args("paths ada cyd --direction both --limit 1")).expect(0);
    let cut = cut.says(&["note: there are more than 1: --limit N shows more"]);
    assert_eq!(cut.out.lines().count(), 1);
}

#[test]
fn what_is_different() {
    let place = place_of(CONTACTS);
    let table = ask(&place, "diff 1082040961 1082050000");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("~  ada -contact-> bob    since 1082050000"), "{table}");
    assert!(lines[0].contains("count=2") && lines[0].contains("=>  count=3"), "{table}");
    assert!(lines[1].starts_with("+  cyd -contact-> ada"), "{table}");
    assert!(lines[2].starts_with("+  \"dan\" -contact-> ada"), "{table}");
    assert_eq!(
        rows(&place, "diff 1082050000 1082040961 --of ada --where count=3", 5),
        ["changed,before,edge,ada,contact", "changed,after,edge,ada,contact"]
    );
    let back = ask_json(&place, "diff 1082050000 1082040961 --of cyd");
    assert_eq!((&back["before"]["at"], &back["of"]), (&json!("1082050000"), &json!("cyd")));
    assert_eq!(back["items"][0]["change"], "ended");
    assert_eq!(back["items"][0]["after"], Json::Null);
    assert_eq!(back["items"][0]["before"]["object"], "ada");
    assert_eq!(back["items"].as_array().unwrap().len(), 1);
    let heard = ask_json(&place, "diff -5 1082050000 --what heard");
    assert_eq!(heard["count"], 3);
    let dot = ask(&place, "diff 1082050000 1082040961 --dot");
    assert!(dot.contains("color=orange") && dot.contains("color=red"), "{dot}");
    assert_eq!(ask(&place, "diff 1082050000 1082050001"), "nothing is different\n");
    // What was learned in between.
    assert_eq!(ask_json(&place, "diff tick:0 tick:1 --what heard")["count"], 1);
    let learned = ask_json(&place, "diff 0 1082050000 --what heard --as-recorded tick:0");
    assert_eq!(learned["count"], 1);
}

#[test]
fn narrowings_that_make_no_sense() {
    let place = place_of(CONTACTS);
    let page = ask_json(&place, "list contact --limit 1")["next"].as_str().unwrap().to_owned();
    let other = format!("neighbours ada --after {page}");
    let cut = format!("list contact --after {}", &page[1..]);
    for (question, words) in [
        ("list contact --where >=3", &["--where", "\">=3\" is no condition", "count>=3"][..]),
        ("count contact --where count>=", &["--where", "is no condition"]),
        ("list contact --after 12", &["--after", "no page"]),
        (&cut, &["--after", "no page"]),
        (&other, &["--after", "another question"]),
        ("neighbours ada --label persn", &["no label called \"persn\"", "\"person\""]),
        ("khop ada 2 --type contacts", &["no type of edge called \"contacts\"", "\"contact\""]),
        ("khop adda 2", &["no agent called \"adda\"", "\"ada\""]),
        ("paths ada bobb", &["no agent called \"bobb\"", "\"bob\""]),
        ("diff 1 2 --of adda", &["no agent called \"adda\"", "\"ada\""]),
        ("diff 1 2 --what herd", &["no fact, edge or label called \"herd\"", "\"heard\""]),
        ("diff 1 later", &["\"later\" is no moment"]),
        ("diff tick:1 2 --as-recorded 5", &["--as-recorded names one already"]),
    ] {
        place.karyon(&args(question)).expect(1).says(words);
    }
    for question in [
        "list contact --limit 0",
        "khop ada",
        "khop ada two",
        "diff 1",
        "paths ada",
        "diff 1 2 --at 3",
    ] {
        place.karyon(&args(question)).expect(2);
    }
    // Nothing is an answer; a property that nothing has may be a slip.
    let asked = place.karyon(&args("list contact --where cuont>=3")).expect(0);
    let asked = asked.says(&["nothing here has a property \"cuont\"; nearest names: count"]);
    assert_eq!(asked.out, "there is no edge called contact then\n");
    let asked = place.karyon(&args("list contact --where count>=99")).expect(0);
    assert_eq!(asked.err, "");
    let asked = place.karyon(&args("list contact --where count>=many")).expect(0);
    asked.says(&["\"count\" is of type int wherever it is here, and many is none"]);
    // An option is no moment.
    let asked = place.karyon(&["memory", "count", "contact", "--between", "0", "--data", "d"]);
    asked.expect(2).says(&["2 values required for '--between <T1> <T2>'"]);
    let consequences = ["why", "#3", "--consequences", "--limit", "0", "--data", "d"];
    place.karyon(&consequences).expect(2).says(&["'0' for '--limit <N>'"]);
}
