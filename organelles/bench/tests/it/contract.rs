//! A report from which anything is missing, or which says what does not follow, is refused by name.

use karyon_bench::{Report, ReportError, Signed};
use serde_json::{Value, json};

use crate::{GOLDEN, golden};

fn value() -> Value {
    serde_json::from_str(GOLDEN).unwrap()
}

/// The same, signed by nobody.
fn unsigned() -> Value {
    let report = Report { signed: Signed::nobody(), ..golden() };
    serde_json::to_value(report).unwrap()
}

fn refused(value: &Value) -> ReportError {
    Report::read(value.to_string().as_bytes()).unwrap_err()
}

/// All fields, and items of lists: as a JSON pointer, and as errors name them.
fn places(value: &Value, pointer: &str, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let pointer = format!("{pointer}/{key}");
                places(value, &pointer, &name, found);
                found.push((pointer, name));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let (pointer, name) = (format!("{pointer}/{at}"), format!("{name}[{at}]"));
                places(item, &pointer, &name, found);
                found.push((pointer, name));
            }
        }
        _ => {}
    }
}

fn all_places(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    places(value, "", "", &mut found);
    assert!(found.len() > 70, "{} places: it looks in the wrong place", found.len());
    found
}

/// Whether a place is a field, not an item of a list.
fn is_field(name: &str) -> bool {
    !name.ends_with(']')
}

#[test]
fn a_report_of_once_still_opens_and_is_written_as_it_was() {
    assert_eq!(golden().to_json(), GOLDEN);
    assert!(golden().signed.key.len() == 64);
}

#[test]
fn each_field_that_is_removed_is_named() {
    for (pointer, name) in all_places(&value()).into_iter().filter(|(_, name)| is_field(name)) {
        let mut value = value();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        match refused(&value) {
            ReportError::NoReport => assert_eq!(name, "report"),
            ReportError::Missing { field } => assert_eq!(field, name),
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn each_field_that_says_nothing_is_named() {
    for (pointer, name) in all_places(&value()) {
        let mut value = value();
        let place = value.pointer_mut(&pointer).unwrap();
        let was_text = place.is_string();
        *place = json!(null);
        match refused(&value) {
            ReportError::Version { found } => {
                assert_eq!((found.as_str(), name.as_str()), ("null", "report"))
            }
            ReportError::Type { field, found, .. } => {
                assert_eq!((field, found), (name.clone(), "nothing"))
            }
            other => panic!("{name}: {other}"),
        }
        if was_text {
            *value.pointer_mut(&pointer).unwrap() = json!(" ");
            match refused(&value) {
                ReportError::Empty { field } => assert_eq!(field, name),
                other => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn a_field_that_no_report_has_is_named() {
    let all = all_places(&value()).into_iter().chain([(String::new(), String::new())]);
    let objects = all.filter(|(pointer, _)| value().pointer(pointer).unwrap().is_object());
    let mut seen = 0;
    for (pointer, name) in objects {
        let mut value = value();
        value
            .pointer_mut(&pointer)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert("more".into(), json!(1));
        let expected = if name.is_empty() { "more".into() } else { format!("{name}.more") };
        match refused(&value) {
            ReportError::Unknown { field } => assert_eq!(field, expected),
            other => panic!("{name}: {other}"),
        }
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}

/// Changes what stands there a little.
fn change(value: &mut Value, pointer: &str) -> bool {
    let place = value.pointer_mut(pointer).unwrap();
    *place = match &*place {
        Value::Bool(is_so) => json!(!is_so),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) => json!(format!("{text}x")),
        _ => return false,
    };
    true
}

#[test]
fn nothing_of_a_signed_report_can_be_changed() {
    for (pointer, name) in all_places(&value()) {
        let mut value = value();
        if change(&mut value, &pointer) {
            let error = refused(&value);
            let is_form = matches!(error, ReportError::Json(_) | ReportError::Version { .. });
            assert!(error.is_refutation() || is_form, "{name}: {error}");
        }
    }
}

/// What nobody can refute where nobody signed: what was said of machine, program and work, and how
/// long a run was that only warmed up.
#[test]
fn what_follows_follows_also_where_nobody_signed() {
    let free = |name: &str| {
        let name = name.split_once("].").map_or(name, |(_, field)| field);
        let of = ["made.", "build.", "machine.", "load.", "warm_up_ns["];
        let is_word = ["build.profile", "build.commit_from"].contains(&name);
        (of.iter().any(|of| name.starts_with(of)) && !is_word)
            || ["set", "flags.out", "flags.json", "threads"].contains(&name)
    };
    for (pointer, name) in all_places(&unsigned()) {
        let mut value = unsigned();
        if change(&mut value, &pointer) {
            let read = Report::read(value.to_string().as_bytes());
            assert_eq!(read.is_ok(), free(&name), "{name}: {:?}", read.err());
        }
    }
}

#[test]
fn numbers_that_do_not_follow_are_named_with_what_does() {
    let check = |pointer: &str, to: Value, words: &str| {
        let mut value = unsigned();
        *value.pointer_mut(pointer).unwrap() = to;
        let error = refused(&value);
        assert!(error.to_string().contains(words) && error.is_refutation(), "{error}");
    };
    let median = golden().results[0].median_ns;
    check(
        "/results/0/median_ns",
        json!(1),
        &format!("results[0].median_ns says 1, where {median} follows"),
    );
    check("/configuration", json!("full"), "configuration says full, where single follows");
    check("/results/0/durability", json!("forever"), "results[0].durability says forever");
    check("/results/1/seed", json!(9), "results[1].seed says 9, where 1 follows");
    check(
        "/results/0/samples_ns",
        json!([5]),
        "results[0].samples_ns has 1 numbers, and by its flags",
    );
    check(
        "/results/0/samples_ns/0",
        json!(0),
        "results[0].samples_ns[0] says 0, where more follows",
    );
    check("/results/0/size", json!("all"), "results[0].size says all, where ");
    check("/results/0/unit", json!("miles"), "results[0].unit says miles, where ");
    check(
        "/flags/workloads/0",
        json!("pears"),
        "its flags cannot be: there is no workload \"pears\"",
    );
    check("/flags/level", json!("off"), "its flags cannot be: there is no such level");
    check("/flags/threads", json!("0"), "its flags cannot be: \"0\" is no number of threads");
    check("/flags/threads", json!("255"), "results[0].threads says ");
    check("/flags/level", json!("gate+log"), "pairs gate+log was asked for");
    check("/results/1", unsigned()["results"][0].clone(), "is among the results twice");
    check("/signed/key", json!("ab"), "it is not what ab signed");
}

#[test]
fn a_result_that_was_asked_for_is_there() {
    let mut value = unsigned();
    value["results"].as_array_mut().unwrap().pop();
    let error = refused(&value);
    assert!(matches!(error, ReportError::NoResult { .. }), "{error}");
    // Of a set that is not known here nobody can say what belongs to it.
    value["set"] = json!(99);
    assert!(Report::read(value.to_string().as_bytes()).is_ok());
    value["results"] = json!([]);
    assert!(matches!(refused(&value), ReportError::Nothing));
}

#[test]
fn what_is_no_report_is_told_as_such() {
    let check = |text: &str, words: &str| {
        let error = Report::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check("", "it is no report: EOF");
    check("[]", "the field report is missing");
    check("{\"report\": 2}", "its form has the version 2, and this program reads version 1");
    check("{\"report\": \"1\"}", "its form has the version \"1\"");
    check(
        &GOLDEN.replacen("\"report\": 1,", "\"report\": 1, \"report\": 1,", 1),
        "duplicate field `report`",
    );
    check(&GOLDEN.replacen("\"set\": 1", "\"set\": -1", 1), "the field set is another number");
}
