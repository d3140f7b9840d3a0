//! The one encoding of agents' states and of typed messages: MessagePack, structs as arrays.

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
    let mut rest = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut rest).ok()?;
    rest.get_ref().is_empty().then_some(value)
}
