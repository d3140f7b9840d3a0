//! An agent's state as people read it: MessagePack to JSON, within bounds.
//!
//! Nothing is believed of the bytes: they may be of any agent. What does not fit is left out and
//! said to be; what cannot be read is shown as bytes.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::limits::{STATE_DEPTH_MAX, STATE_TEXT_BYTES_MAX};
use crate::protocol::State;

/// What stands where something is left out.
const LEFT_OUT: char = '…';

/// A state to be read.
pub(crate) fn readable(bytes: &[u8]) -> State {
    let mut room = Room { left: STATE_TEXT_BYTES_MAX, cut: false };
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(STATE_DEPTH_MAX);
    let value = Reading(&mut room).deserialize(&mut reader).unwrap_or_else(|_| {
        room = Room { left: STATE_TEXT_BYTES_MAX, cut: true };
        room.bytes(bytes)
    });
    State { size_bytes: bytes.len() as u64, value, cut: room.cut }
}

/// A text of at most so many bytes, and whether some of it is left out.
pub(crate) fn shortened(text: &str, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text.to_owned(), false);
    }
    let kept = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    (format!("{kept}{LEFT_OUT}"), true)
}

/// How much may still be shown.
struct Room {
    left: usize,
    cut: bool,
}

impl Room {
    /// Takes so much of what is left, and says whether there was enough.
    fn take(&mut self, bytes: usize) -> bool {
        let is_enough = bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        self.cut |= !is_enough;
        is_enough
    }

    fn plain(&mut self, value: Value) -> Value {
        // With a comma.
        self.take(value.to_string().len() + 1);
        value
    }

    fn text(&mut self, text: &str) -> Value {
        // As JSON spells it: six bytes for what steers a terminal.
        let spelled = |c: char| match c {
            '"' | '\\' => 2,
            c if c.is_ascii_control() => 6,
            c => c.len_utf8(),
        };
        let (mut kept, mut used) = (String::new(), 3);
        for c in text.chars() {
            used += spelled(c);
            if used > self.left {
                self.take(used);
                kept.push(LEFT_OUT);
                return Value::String(kept);
            }
            kept.push(c);
        }
        self.take(used);
        Value::String(kept)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Value {
        let fit = self.left.saturating_sub(8) / 2;
        let mut text: String = bytes.iter().take(fit).map(|byte| format!("{byte:02x}")).collect();
        text.insert_str(0, "0x");
        self.take(text.len() + 3);
        if fit < bytes.len() {
            self.cut = true;
            text.push(LEFT_OUT);
        }
        Value::String(text)
    }
}

struct Reading<'a>(&'a mut Room);

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(self.0.plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.0.plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.0.plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(match Number::from_f64(value) {
            Some(number) => self.0.plain(number.into()),
            // JSON has no word for it.
            None => self.0.text(&value.to_string()),
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(self.0.text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(self.0.bytes(bytes))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(self.0.plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(self.0.plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.deserialize(reader)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        self.0.take(2);
        while self.0.left > 0 {
            match reader.next_element_seed(Reading(self.0))? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
        while reader.next_element::<IgnoredAny>()?.is_some() {
            self.0.cut = true;
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        self.0.take(2);
        while self.0.left > 0 {
            // As a pair, should it be shown as one.
            self.0.take(3);
            match reader.next_key_seed(Reading(self.0))? {
                Some(key) => fields.push((key, reader.next_value_seed(Reading(self.0))?)),
                None => return Ok(object(fields)),
            }
        }
        while reader.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            self.0.cut = true;
        }
        Ok(object(fields))
    }
}

/// An object where all keys are texts and differ; else pairs.
fn object(fields: Vec<(Value, Value)>) -> Value {
    let keys: BTreeSet<_> = fields.iter().filter_map(|(key, _)| key.as_str()).collect();
    match keys.len() == fields.len() {
        true => fields
            .into_iter()
            .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value)))
            .collect(),
        false => fields.into_iter().map(|(key, value)| Value::from(vec![key, value])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_runtime::codec::encode;
    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::json;

    fn shown(value: &impl Serialize) -> State {
        let mut bytes = Vec::new();
        encode(value, &mut bytes);
        let state = readable(&bytes);
        assert_eq!(state.size_bytes, bytes.len() as u64);
        state
    }

    #[test]
    fn states_as_people_read_them() {
        #[derive(Serialize)]
        struct Person {
            heard: Option<u64>,
            names: Vec<&'static str>,
            share: f64,
        }
        let person = Person { heard: Some(3), names: vec!["Zoë", "a\u{1b}"], share: f64::NAN };
        assert_eq!(
            shown(&person),
            State { size_bytes: 20, value: json!([3, ["Zoë", "a\u{1b}"], "NaN"]), cut: false }
        );
        let keyed = std::collections::BTreeMap::from([(1u8, "a"), (2, "b")]);
        assert_eq!(shown(&keyed).value, json!([[1, "a"], [2, "b"]]));
        let named = std::collections::BTreeMap::from([("x", -1i64), ("y", i64::MIN)]);
        assert_eq!(shown(&named).value, json!({"x": -1, "y": i64::MIN}));
        assert_eq!(shown(&u64::MAX).value, json!(u64::MAX));
        assert_eq!(shown(&()).value, Value::Null);
    }

    #[test]
    fn what_is_too_much_is_left_out_and_said_to_be() {
        for state in [
            shown(&vec![0u64; 1_000_000]),
            shown(&"x".repeat(1_000_000)),
            shown(&"\u{1}".repeat(1_000_000)),
            shown(&vec!["ab"; 500_000]),
            shown(
                &(0..200_000u32).map(|key| (key, ())).collect::<std::collections::BTreeMap<_, _>>(),
            ),
            readable(&[0xc1; 1_000_000]),
        ] {
            let text = state.value.to_string();
            assert!(state.cut && text.len() < STATE_TEXT_BYTES_MAX + 4096, "{}", text.len());
            assert!(text.len() > STATE_TEXT_BYTES_MAX / 4, "{}", text.len());
        }
        // Deeper than is shown: as bytes.
        let deep = readable(&[&[0x91; 100][..], &[0xc0]].concat());
        assert!(deep.cut && deep.value.as_str().unwrap().starts_with("0x9191"), "{deep:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_shown_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let state = readable(&bytes);
            prop_assert!(state.value.to_string().len() < 64 * 1024);
        }
    }
}
