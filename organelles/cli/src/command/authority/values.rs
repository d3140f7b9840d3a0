//! Arguments of actions between JSON, the command line and the ledger; moments of time.

use karyon_types::{Argument, Arguments};
use serde_json::{Map, Value, json};

use crate::error::CliError;

/// The longest `--args`, bytes: what the ledger takes, with room for JSON's own signs.
const ARGUMENTS_BYTES_MAX: usize = 256 * 1024;

/// The arguments that are given with `--arg` and `--args`.
pub(super) fn arguments(pairs: &[String], object: Option<&str>) -> Result<Arguments, CliError> {
    let mut arguments = object.map_or(Ok(Arguments::new()), from_object)?;
    for pair in pairs {
        let (name, value) =
            pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                CliError::failure(format!("--arg {pair}: expected NAME=VALUE, such as amount=10"))
            })?;
        if arguments.insert(name.to_owned(), from_text(value)).is_some() {
            return Err(CliError::failure(format!("the argument {name} is given twice")));
        }
    }
    Ok(arguments)
}

fn from_object(text: &str) -> Result<Arguments, CliError> {
    if text.len() > ARGUMENTS_BYTES_MAX {
        return Err(CliError::failure(format!(
            "--args has {} bytes; at most {ARGUMENTS_BYTES_MAX} are read",
            text.len()
        )));
    }
    // Not through a map of `Value`s: that keeps the last of two equal names, and says nothing.
    let Unique(object) = serde_json::from_str(text)
        .map_err(|error| CliError::failure(format!("--args: expected a JSON object: {error}")))?;
    Ok(object)
}

/// A JSON number, true, false or null as such; anything else is a text.
fn from_text(text: &str) -> Argument {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => from_json(value),
        Ok(Value::String(_) | Value::Array(_) | Value::Object(_)) | Err(_) => {
            Argument::Text(text.to_owned())
        }
    }
}

fn from_json(value: Value) -> Argument {
    match value {
        Value::Null => Argument::Null,
        Value::Bool(value) => Argument::Bool(value),
        Value::String(text) => Argument::Text(text),
        Value::Array(values) => Argument::List(values.into_iter().map(from_json).collect()),
        Value::Object(values) => Argument::Map(
            values.into_iter().map(|(name, value)| (name, from_json(value))).collect(),
        ),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Argument::Int(whole),
            (None, Some(big)) => Argument::Big(big),
            (None, None) => number.as_f64().map_or(Argument::Null, Argument::Float),
        },
    }
}

/// An object in which each name stands once.
struct Unique(Arguments);

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Unique, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Unique;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object such as {\"amount\": 10}")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Unique, A::Error> {
                let mut arguments = Arguments::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if arguments.insert(name.clone(), from_json(value)).is_some() {
                        let twice = format!("{name:?} is given twice");
                        return Err(serde::de::Error::custom(twice));
                    }
                }
                Ok(Unique(arguments))
            }
        }
        from.deserialize_map(Visitor)
    }
}

/// An argument as JSON. A number that is none becomes a text: JSON has no such numbers.
pub(super) fn to_json(argument: &Argument) -> Value {
    match argument {
        Argument::Null => Value::Null,
        Argument::Bool(value) => json!(value),
        Argument::Int(number) => json!(number),
        Argument::Big(number) => json!(number),
        Argument::Float(float) if !float.is_finite() => json!(float.to_string()),
        Argument::Float(float) => json!(float),
        Argument::Text(text) => json!(text),
        Argument::List(values) => values.iter().map(to_json).collect(),
        Argument::Map(values) => {
            values.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
        }
    }
}

/// All arguments as one JSON object.
pub(super) fn object(arguments: &Arguments) -> Value {
    let fields = arguments.iter().map(|(name, value)| (name.clone(), to_json(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A moment, from milliseconds since 1970; one that no calendar holds has no end.
pub(super) fn moment(unix_ms: u64) -> String {
    let moment =
        i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or("never".into(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pair: &str) -> Argument {
        arguments(&[format!("x={pair}")], None).unwrap().remove("x").unwrap()
    }

    #[test]
    fn values_are_json_where_they_are_plain_and_texts_otherwise() {
        for (text, argument) in [
            ("82000", Argument::Int(82_000)),
            ("-1", Argument::Int(-1)),
            ("18446744073709551615", Argument::Big(u64::MAX)),
            ("1.5", Argument::Float(1.5)),
            ("1e3", Argument::Float(1000.0)),
            ("99999999999999999999999", Argument::Float(1e23)),
            ("true", Argument::Bool(true)),
            ("null", Argument::Null),
            ("EUR", Argument::Text("EUR".into())),
            ("NaN", Argument::Text("NaN".into())),
            ("010", Argument::Text("010".into())),
            ("\"82\"", Argument::Text("\"82\"".into())),
            ("[1]", Argument::Text("[1]".into())),
            ("a=b", Argument::Text("a=b".into())),
            ("", Argument::Text(String::new())),
        ] {
            assert_eq!(given(text), argument, "{text}");
        }
    }

    #[test]
    fn what_is_given_twice_or_no_object_is_refused() {
        let twice = ["a=1".to_owned(), "a=2".to_owned()];
        assert!(arguments(&twice, None).is_err());
        assert!(arguments(&["a=1".to_owned()], Some("{\"a\":1}")).is_err());
        for text in ["{\"a\":1,\"a\":2}", "[]", "1", "{\"a\":1} x", "", "{\"a\":NaN}"] {
            assert!(arguments(&[], Some(text)).is_err(), "{text}");
        }
        for pair in ["a", "=1"] {
            assert!(arguments(&[pair.to_owned()], None).is_err(), "{pair}");
        }
        let nested = arguments(&[], Some("{\"a\":[1,{\"b\":null}]}")).unwrap();
        assert_eq!(object(&nested), json!({"a": [1, {"b": null}]}));
    }

    #[test]
    fn what_steers_a_terminal_is_spelled_out() {}

    #[test]
    fn moments() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(u64::MAX), "never");
    }
}
