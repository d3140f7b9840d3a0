//! The one encoding of agents' states and of typed messages: MessagePack, structs as arrays.

use std::io::Cursor;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends `value`.
///
/// # Panics
/// When the type refuses to be encoded (a sequence of unknown length, say): a mistake in the
/// type, not in the value.
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "writing to memory fails for no plain value")]
    rmp_serde::encode::write(out, value).expect("plain values always encode");
}

/// Reads a value; `None` when `bytes` are not exactly one.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let value = T::deserialize(&mut reader).ok()?;
    (reader.get_ref().position() == bytes.len() as u64).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_nothing_else_does() {
        let value = (300u64, Some(-5i64), vec![true, false], "Zoë".to_owned());
        let mut bytes = Vec::new();
        encode(&value, &mut bytes);
        assert_eq!(decode(&bytes), Some(value.clone()));
        bytes.push(0);
        assert_eq!(decode::<(u64, Option<i64>, Vec<bool>, String)>(&bytes), None);
        bytes.truncate(bytes.len() - 2);
        assert_eq!(decode::<(u64, Option<i64>, Vec<bool>, String)>(&bytes), None);
    }
}
