//! The first record in which a run differs from its log, for people.

use karyon_audit::view;
use karyon_log::Records;
use karyon_runtime::Divergence;
use serde_json::Value;

use crate::output::plain;
use crate::words::record_words;

/// The longest that one side is shown, in characters: a line or two of a terminal. All of it is
/// in the JSON answer, and in the log.
const SHOWN: usize = 240;

/// What was recorded, what came out, and the first field in which they differ.
pub(crate) fn lines(first: &Divergence) -> Vec<String> {
    let mut lines = vec![
        format!("recorded  {}", side(first.expected.as_deref())),
        format!("repeated  {}", side(first.got.as_deref())),
    ];
    if let Some(why) = first.why {
        lines.push(format!("it cannot come to be: {why}"));
    }
    if let Some(found) = difference(first) {
        let (field, expected, got) = values(&found);
        lines.push(format!("differs   {field}: {expected} was recorded, {got} came out"));
    }
    lines
}

/// One of two records, in words.
pub(crate) fn side(bytes: Option<&[u8]>) -> String {
    bytes.map_or("nothing".into(), words)
}

/// A field that differs, with both values, in words.
pub(crate) fn values(found: &Difference) -> (&str, String, String) {
    (&found.field, value(&found.expected), value(&found.got))
}

/// A record as a view of the export shows it; `None`: there is none.
pub(crate) fn as_json(bytes: Option<&[u8]>) -> Option<Value> {
    Records::new(bytes?).next().flatten().map(|record| view(&record))
}

/// A field in which two records differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Where it is in the views.
    pub(crate) field: String,
    pub(crate) expected: Option<Value>,
    pub(crate) got: Option<Value>,
}

/// The first field in which the two records differ, where there are two.
pub(crate) fn difference(first: &Divergence) -> Option<Difference> {
    let side = |bytes: &Option<Vec<u8>>| as_json(bytes.as_deref());
    differs(Some(&side(&first.expected)?), Some(&side(&first.got)?), "")
}

fn differs(expected: Option<&Value>, got: Option<&Value>, field: &str) -> Option<Difference> {
    match (expected, got) {
        (one, other) if one == other => None,
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let below = |name: &String| match field {
                "" => name.clone(),
                above => format!("{above}.{name}"),
            };
            // What kind of record it is comes before all else.
            let kind = one.keys().filter(|name| *name == "kind");
            let names = kind.chain(one.keys()).chain(other.keys());
            names.into_iter().find_map(|name| differs(one.get(name), other.get(name), &below(name)))
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => (0..one.len().max(other.len()))
            .find_map(|at| differs(one.get(at), other.get(at), &format!("{field}[{at}]"))),
        (one, other) => {
            Some(Difference { field: field.into(), expected: one.cloned(), got: other.cloned() })
        }
    }
}

fn words(bytes: &[u8]) -> String {
    match Records::new(bytes).next().flatten() {
        Some(record) => short(&record_words(&record)),
        None => "what is no record".into(),
    }
}

fn value(value: &Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => short(text),
        Some(other) => short(&other.to_string()),
        None => "nothing".into(),
    }
}

/// A text of others, safe to be shown, and not too long.
fn short(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_log::{Cause, Output, Record};
    use karyon_types::{AgentId, LeaseId, Position, Tick};

    fn bytes(record: &Record<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        record.encode(&mut out);
        Some(out)
    }

    fn step(step: u64, payload: &[u8]) -> Option<Vec<u8>> {
        let sent = Output::Sent { lease: LeaseId(1), to: AgentId(2), payload };
        let cause = Cause::Input(4);
        bytes(&Record::Step { agent: AgentId(1), step, cause, outputs: vec![Output::Exit, sent] })
    }

    fn of(expected: Option<Vec<u8>>, got: Option<Vec<u8>>) -> Divergence {
        Divergence { position: Position(9), tick: Some(Tick(3)), expected, got, why: None }
    }

    #[test]
    fn the_field_that_differs_is_named() {
        let last = |expected, got| lines(&of(expected, got)).pop().unwrap();
        assert_eq!(
            last(step(7, b"ab"), step(7, b"ac")),
            "differs   outputs[1].sent.payload: 6162 was recorded, 6163 came out"
        );
        assert_eq!(
            last(step(7, b"ab"), step(8, b"ab")),
            "differs   step: 7 was recorded, 8 came out"
        );
        assert_eq!(
            last(bytes(&Record::Tick(Tick(4))), step(8, b"ab")),
            "differs   kind: tick was recorded, step came out"
        );
        assert_eq!(
            last(None, step(8, b"ab")),
            format!("repeated  {}", words(&step(8, b"ab").unwrap()))
        );
        assert_eq!(last(step(8, b"ab"), None), "repeated  nothing");
    }

    #[test]
    fn long_records_are_cut() {
        let outputs = vec![Output::Exit; 1000];
        let (agent, cause) = (AgentId(1), Cause::Input(4));
        let long = bytes(&Record::Step { agent, step: 1, cause, outputs });
        for line in lines(&of(long, step(1, &[7; 500]))) {
            assert!(line.chars().count() < 3 * SHOWN, "{line}");
        }
    }
}
