//! What the parser noticed without refusing the file.

use std::fmt;

/// Something in a contact file that its owner may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The first line that is neither empty nor a comment was taken for a header and skipped.
    ///
    /// It is one only when it has three fields, the first two do not begin with a digit or sign,
    /// and the third is a usual word for time ("time", "timestamp", "step" …). Any other first
    /// line must be a contact, so that a mistyped one is refused and not lost.
    Header {
        /// Its number, from 1.
        line: u32,
        /// Its text, cut and escaped like that of a bad line.
        text: String,
    },
    /// The lines were not in time order, and were sorted; equal times keep the order of lines.
    OutOfOrder {
        /// How many contacts are earlier than one on a line before theirs.
        lines: u32,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { line, text } => {
                write!(f, "line {line} was taken for a header: \"{text}\"")
            }
            Self::OutOfOrder { lines: 1 } => {
                write!(f, "1 line was not in time order; the contacts were sorted")
            }
            Self::OutOfOrder { lines } => {
                write!(f, "{lines} lines were not in time order; the contacts were sorted")
            }
        }
    }
}
