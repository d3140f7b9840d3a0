//! `karyon engram diff`: what is different between two engrams.

use karyon_memory::{Difference, Differences, Item, differences};
use serde_json::{Value as Json, json};

use super::super::memory::show;
use super::open;
use crate::args::DiffEngrams;
use crate::error::{CliError, Code};
use crate::output::{self, plain, thousands};

pub(crate) fn execute(args: &DiffEngrams) -> Result<Code, CliError> {
    let (first, second) = (open(&args.first)?, open(&args.second)?);
    let found = differences(&first, &second);
    if args.json {
        let roots = [first.root.to_string(), second.root.to_string()];
        output::safe_json(&json!({
            "same": found.is_empty(),
            "roots": roots,
            "manifest": found.manifest.iter().map(|field| json!({
                "field": field.name,
                "first": field.first,
                "second": field.second,
            })).collect::<Vec<_>>(),
            "memories_alike": found.same,
            "items": found.memories.iter().map(as_json).collect::<Vec<_>>(),
        }));
    } else {
        show(&found);
    }
    Ok(if found.is_empty() { Code::Ok } else { Code::Different })
}

/// For a machine, for a person.
fn words(difference: &Difference) -> (&'static str, &'static str) {
    match difference {
        Difference::First(_) => ("only_in_first", "-"),
        Difference::Second(_) => ("only_in_second", "+"),
        Difference::Content { .. } => ("content", "~"),
        Difference::Recorded { .. } => ("recorded", "="),
    }
}

fn as_json(difference: &Difference) -> Json {
    let (first, second) = difference.sides();
    json!({
        "change": words(difference).0,
        "first": first.map(show::as_json),
        "second": second.map(show::as_json),
    })
}

fn show(found: &Differences) {
    if found.is_empty() {
        let alike = thousands(found.same as u64);
        return output::line(&format!("nothing is different: {alike} memories alike"));
    }
    let of_manifest = found.manifest.iter().map(|field| {
        let said = format!("{}  =>  {}", plain(&field.first), plain(&field.second));
        vec!["manifest".to_owned(), field.name.to_owned(), said]
    });
    show::aligned(of_manifest.collect());
    let count = |sign: &str| {
        let counted = found.memories.iter().filter(|difference| words(difference).1 == sign);
        thousands(counted.count() as u64)
    };
    output::line(&format!(
        "memories: {} alike, {} only in the first (-), {} only in the second (+), {} of another \
         content (~), {} recorded elsewhere (=)",
        thousands(found.same as u64),
        count("-"),
        count("+"),
        count("~"),
        count("="),
    ));
    show::aligned(found.memories.iter().map(row).collect());
}

fn row(difference: &Difference) -> Vec<String> {
    let (first, second) = difference.sides();
    let mut row = vec![words(difference).1.to_owned()];
    row.extend(first.or(second).map(|item| plain(&show::thing_words(&item.thing))));
    let cell = |word: &dyn Fn(&Item) -> String| {
        let (first, second) = (first.map(word), second.map(word));
        match (first, second) {
            (Some(first), Some(second)) if first != second => format!("{first}  =>  {second}"),
            (first, second) => first.or(second).unwrap_or_default(),
        }
    };
    row.push(cell(&show::valid_words));
    row.push(plain(&cell(&show::properties_words)));
    row.push(cell(&|item| format!("#{}", item.recorded.position.0)));
    row
}
