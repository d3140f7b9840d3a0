//! What payloads look like.
//!
//! A message is its MessagePack and nothing else. What the library itself sends begins with 0xC1,
//! the one byte that MessagePack never uses: alone it starts an agent (an input) or ends a call (a
//! timer); followed by two varints, step and output of the call, and MessagePack, it is an answer.

use karyon_runtime::{Payload, TimerId, codec};
use karyon_types::varint;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::agent::{Result, failure};

/// What begins whatever is not an agent's own message.
pub(crate) const MARK: u8 = 0xc1;

/// A value as it travels.
pub(crate) fn message<M: Serialize>(message: &M) -> Payload {
    let mut bytes = Vec::with_capacity(24);
    codec::encode(message, &mut bytes);
    Payload::from_vec(bytes)
}

/// Reads a message.
pub(crate) fn read<M: DeserializeOwned>(payload: &[u8]) -> Result<M> {
    codec::decode(payload)
        .ok_or_else(|| failure(format_args!("a message that is no {}", std::any::type_name::<M>())))
}

/// An answer as it travels.
pub(crate) fn answer<T: Serialize>(call: TimerId, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    bytes.push(MARK);
    varint::write(&mut bytes, call.step);
    varint::write(&mut bytes, u64::from(call.output));
    codec::encode(value, &mut bytes);
    bytes
}

/// Reads what follows the mark of an answer: which call, and the value's bytes.
pub(crate) fn read_answer(mut bytes: &[u8]) -> Option<(TimerId, &[u8])> {
    let step = varint::read(&mut bytes)?;
    let output = varint::read(&mut bytes)?.try_into().ok()?;
    Some((TimerId { step, output }, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    enum Message {
        Stop,
        Add(u64),
    }

    #[test]
    fn messages_are_plain_messagepack() {
        assert_eq!(message(&Message::Add(5)).as_slice(), b"\x81\xa3Add\x05");
        assert_eq!(message(&Message::Stop).as_slice(), b"\xa4Stop");
        assert_eq!(read::<Message>(b"\x81\xa3Add\x05"), Ok(Message::Add(5)));
        assert!(read::<Message>(&[MARK]).is_err());
        assert!(read::<Message>(b"\xa4Stop\x00").is_err());
    }

    #[test]
    fn answers_come_back() {
        let call = TimerId { step: 300, output: 2 };
        let bytes = answer(call, &7u64);
        assert_eq!(bytes, b"\xc1\xac\x02\x02\x07");
        assert_eq!(read_answer(&bytes[1..]), Some((call, &b"\x07"[..])));
        assert_eq!(read_answer(b"\x80"), None);
    }
}
