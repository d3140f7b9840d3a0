//! What an agent is told of an output of its own whose outcome comes from outside the schedulers.

use karyon_types::{Tick, varint};

use crate::receipt::Receipt;

/// What came of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// The memory answered. The log keeps the answer's digest: whoever repeats the run asks again.
    Answer {
        /// The answer is what the log says up to the end of this tick.
        upto: Tick,
        /// The BLAKE3 hash of the answer.
        digest: &'a [u8; 32],
    },
    /// What came of an effect, as its adapter said, or why nobody knows. The log keeps all of it:
    /// whoever repeats the run does nothing again.
    Receipt(Receipt<'a>),
}

mod number {
    pub(super) const ANSWER: u8 = 1;
    pub(super) const RECEIPT: u8 = 2;
}

impl<'a> Told<'a> {
    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Told::Answer { upto, digest } => {
                out.push(number::ANSWER);
                varint::write(out, upto.0);
                out.extend_from_slice(*digest);
            }
            Told::Receipt(receipt) => {
                out.push(number::RECEIPT);
                receipt.encode(out);
            }
        }
    }

    /// Reads it; `None` when the bytes are not exactly one.
    pub fn decode(bytes: &'a [u8]) -> Option<Told<'a>> {
        let (&kind, mut rest) = bytes.split_first()?;
        Some(match kind {
            number::ANSWER => {
                let upto = Tick(varint::read(&mut rest)?);
                Told::Answer { upto, digest: rest.try_into().ok()? }
            }
            number::RECEIPT => Told::Receipt(Receipt::decode(rest)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotDone;
    use karyon_types::Denial;
    use proptest::prelude::*;

    fn comes_back(told: Told<'_>) {
        let mut bytes = Vec::new();
        told.encode(&mut bytes);
        assert_eq!(Told::decode(&bytes), Some(told));
    }

    proptest! {
        #[test]
        fn what_is_told_comes_back(
            upto: u64, digest: [u8; 32], what: Vec<u8>, words in "\\PC{0,300}", denial in 0..15_usize,
        ) {
            comes_back(Told::Answer { upto: Tick(upto), digest: &digest });
            comes_back(Told::Receipt(Receipt::Done(&what)));
            comes_back(Told::Receipt(Receipt::Failed(&words)));
            comes_back(Told::Receipt(Receipt::NotDone(NotDone::Denied(Denial::ALL[denial]))));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_decode_to_their_own_encoding(bytes: Vec<u8>) {
            if let Some(told) = Told::decode(&bytes) {
                let mut again = Vec::new();
                told.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn numbers_stay_what_they_are() {
        let mut bytes = Vec::new();
        Told::Answer { upto: Tick(300), digest: &[7; 32] }.encode(&mut bytes);
        assert_eq!(bytes.get(..3), Some(&b"\x01\xac\x02"[..]));
        assert_eq!(bytes.len(), 35);
        assert_eq!(Told::decode(&[1, 5, 7]), None, "a digest that ends too soon");
        assert_eq!(Told::decode(&[0]), None);
        let bytes = |receipt| {
            let mut bytes = Vec::new();
            Told::Receipt(receipt).encode(&mut bytes);
            bytes
        };
        assert_eq!(bytes(Receipt::Done(b"ok")), b"\x02\x01ok");
        assert_eq!(bytes(Receipt::Failed("no")), b"\x02\x02no");
        assert_eq!(bytes(Receipt::NotDone(NotDone::Denied(Denial::LeaseRevoked))), b"\x02\x03\x04");
        assert_eq!(bytes(Receipt::NotDone(NotDone::Unguarded)), b"\x02\x03\xfe");
        assert_eq!(bytes(Receipt::NotDone(NotDone::NoAdapter)), b"\x02\x03\xff");
        assert_eq!(bytes(Receipt::NotDone(NotDone::Interrupted)), b"\x02\x03\xfd");
        assert_eq!(bytes(Receipt::Unknown), b"\x02\x04");
        assert_eq!(Told::decode(b"\x02\x03\x63"), None, "no denial has this number");
        assert_eq!(Told::decode(b"\x02\x04x"), None, "something behind it");
        assert_eq!(Told::decode(b"\x02\x02\xff"), None, "words that are none");
    }
}
