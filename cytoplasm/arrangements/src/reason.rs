//! Why an agent ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest words of a failure, bytes: enough for a sentence, and little for a signal that may
/// go to many. What is longer is cut.
pub const REASON_BYTES_MAX: usize = 256;

/// Why an agent ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// It was done.
    Normal,
    /// It was told to end, in good order.
    Shutdown,
    /// It was ended from outside.
    Killed,
    /// There was no such agent any more.
    NoProcess,
    /// It failed; its own words, at most [`REASON_BYTES_MAX`].
    Failure(Box<str>),
}

impl ExitReason {
    /// A failure, its words cut where they are too long.
    pub fn failure(words: &str) -> ExitReason {
        let mut end = words.len().min(REASON_BYTES_MAX);
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        ExitReason::Failure(words.get(..end).unwrap_or_default().into())
    }

    /// Whether whoever is linked to it goes on: OTP's `normal` alone.
    pub fn is_normal(&self) -> bool {
        *self == ExitReason::Normal
    }

    /// Words that were made by hand are cut, too.
    pub fn bounded(self) -> ExitReason {
        match self {
            ExitReason::Failure(words) if words.len() > REASON_BYTES_MAX => {
                ExitReason::failure(&words)
            }
            other => other,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ExitReason::Normal => out.push(1),
            ExitReason::Shutdown => out.push(2),
            ExitReason::Killed => out.push(3),
            ExitReason::NoProcess => out.push(4),
            ExitReason::Failure(words) => {
                out.push(5);
                out.extend_from_slice(words.as_bytes());
            }
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<ExitReason> {
        Some(match bytes {
            [1] => ExitReason::Normal,
            [2] => ExitReason::Shutdown,
            [3] => ExitReason::Killed,
            [4] => ExitReason::NoProcess,
            [5, words @ ..] => ExitReason::Failure(std::str::from_utf8(words).ok()?.into()),
            _ => return None,
        })
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Normal => f.write_str("normal"),
            ExitReason::Shutdown => f.write_str("shutdown"),
            ExitReason::Killed => f.write_str("killed"),
            ExitReason::NoProcess => f.write_str("noproc"),
            ExitReason::Failure(words) => write!(f, "failure: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_between_characters() {
        let words = "ä".repeat(REASON_BYTES_MAX);
        let ExitReason::Failure(cut) = ExitReason::failure(&format!("x{words}")) else { panic!() };
        assert_eq!(cut.len(), REASON_BYTES_MAX - 1);
        let by_hand = ExitReason::Failure(words.into()).bounded();
        assert_eq!(by_hand, ExitReason::failure(&"ä".repeat(REASON_BYTES_MAX / 2)));
    }
}
