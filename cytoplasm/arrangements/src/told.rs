//! What an agent is told of an output of its own whose outcome comes from outside the schedulers.

use karyon_types::{Tick, varint};

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
}

mod number {
    pub(super) const ANSWER: u8 = 1;
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
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_told_comes_back(upto: u64, digest: [u8; 32]) {
            let told = Told::Answer { upto: Tick(upto), digest: &digest };
            let mut bytes = Vec::new();
            told.encode(&mut bytes);
            prop_assert_eq!(Told::decode(&bytes), Some(told));
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
    }
}
