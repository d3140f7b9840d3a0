//! Memories for machines: one object an item, in the words of the command line's `--json`.

use karyon_memory_ops::{Time, Value, Vertex};
use serde_json::{Map, Value as Json, json};

use crate::item::{Item, Thing};

/// A moment; the beginning and the end of time have none. As text, so that no digit is lost.
pub fn moment_json(time: Time) -> Json {
    match time {
        Time::MIN | Time::MAX => Json::Null,
        time => time.to_string().into(),
    }
}

/// An item: what it is about, when it is so, what it says, and where it was recorded.
pub fn item_json(item: &Item) -> Json {
    let mut out = Map::new();
    let mut put = |name: &str, value: Json| drop(out.insert(name.to_owned(), value));
    let (kind, subject) = match &item.thing {
        Thing::Vertex { name } => ("vertex", name),
        Thing::Edge { from, kind, to } => {
            put("predicate", kind.as_str().into());
            put("object", to.as_str().into());
            ("edge", from)
        }
        Thing::Fact { subject, predicate } => {
            put("predicate", predicate.as_str().into());
            ("fact", subject)
        }
    };
    put("kind", kind.into());
    put("subject", subject.as_str().into());
    put("valid_from", moment_json(item.valid.from));
    put("valid_to", item.valid.to.map_or(Json::Null, moment_json));
    match &item.content {
        None => put("ended", true.into()),
        Some((labels, properties)) => {
            if !labels.is_empty() {
                put("labels", labels.iter().map(String::as_str).collect());
            }
            put("properties", value_map(properties));
        }
    }
    let recorded = &item.recorded;
    put(
        "recorded",
        json!({
            "record": recorded.position.0,
            "tick": recorded.tick.0,
            "agent": item.writer,
            "step": recorded.step,
            "output": recorded.output,
            "lease": recorded.lease.0,
        }),
    );
    if let Some(log) = item.origin {
        put("origin", json!({ "log": log.to_string(), "imported": item.position.0 }));
    }
    Json::Object(out)
}

/// Properties, or a map.
pub fn value_map<'a>(map: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Json {
    Json::Object(map.into_iter().map(|(name, value)| (name.clone(), value_json(value))).collect())
}

/// A value: moments and vertices as text, bytes in hexadecimal.
pub fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::Bytes(bytes) => {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
        Value::Time(time) => moment_json(*time),
        // Items hold every vertex by name.
        Value::Vertex(Vertex::Named(name)) => name.as_str().into(),
        Value::Vertex(Vertex::Agent(agent)) => agent.to_string().into(),
        Value::List(values) => values.iter().map(value_json).collect(),
        Value::Map(map) => value_map(map),
    }
}
