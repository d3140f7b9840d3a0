//! Why a contact file is refused: every bad line with its field, text and reason.

use std::fmt;
use std::string::FromUtf8Error;

use super::{MAX_DECIMALS, MAX_FILE_BYTES, MAX_ID_BYTES, MAX_LINE_BYTES};

/// How many bad lines an error lists; the rest are counted. Ten show the pattern on one screen.
pub const LISTED_BAD_LINES: usize = 10;

/// How many characters of a field or line are quoted. Sixty identify it and fit on a line.
pub const QUOTED_CHARS: usize = 60;

/// Why a contact file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContactsError {
    /// The file is longer than [`MAX_FILE_BYTES`].
    #[error("the contacts have {size_bytes} bytes; at most {MAX_FILE_BYTES} can be read")]
    TooLarge {
        /// Its length in bytes.
        size_bytes: usize,
    },
    /// The file is not UTF-8.
    #[error("line {line} of the contacts is not UTF-8 (byte {byte} of the file); convert the file")]
    NotUtf8 {
        /// The first line with such a byte, from 1.
        line: u32,
        /// The position of that byte, from 0.
        byte: usize,
    },
    /// The file has no contact: nothing, or only comments and a header.
    #[error(
        "there are no contacts; a contact is a line SRC DST TIME, for example \"anna ben 12.5\""
    )]
    NoContacts,
    /// Lines that break the grammar or a limit.
    #[error("{}", list(listed, *total))]
    BadLines {
        /// The first of them, at most [`LISTED_BAD_LINES`].
        listed: Vec<BadLine>,
        /// How many there are.
        total: usize,
    },
}

impl ContactsError {
    pub(super) fn not_utf8(error: &FromUtf8Error) -> Self {
        let byte = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(byte);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Self::NotUtf8 { line: u32::try_from(line).unwrap_or(u32::MAX), byte }
    }
}

/// A line that is no contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u32,
    /// The first field that is wrong.
    pub field: Field,
    /// What stands there: cut to [`QUOTED_CHARS`], control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub reason: Reason,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, field, text, reason } = self;
        write!(f, "line {line}, {field} \"{text}\": {reason}")
    }
}

/// The part of a line that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The whole line.
    Line,
    /// The first field, the person who sends.
    Source,
    /// The second field, the person who receives.
    Target,
    /// The third field.
    Time,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "text",
            Self::Source => "source",
            Self::Target => "target",
            Self::Time => "time",
        })
    }
}

/// What is wrong with a field or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// More than [`MAX_LINE_BYTES`].
    #[error("longer than {MAX_LINE_BYTES} bytes; is this a contact file?")]
    LineTooLong,
    /// Not three fields.
    #[error("{found} fields instead of three, SRC DST TIME{}", hint(*found))]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// Nothing between two commas.
    #[error("the field is empty")]
    Empty,
    /// An id of more than [`MAX_ID_BYTES`].
    #[error("longer than {MAX_ID_BYTES} bytes")]
    IdTooLong,
    /// An id with a control character.
    #[error("an id cannot hold control characters")]
    ControlCharacter,
    /// Not a number.
    #[error("not a number; write a whole or decimal number such as 1082040961 or 12.5")]
    NotANumber,
    /// NaN or an infinity.
    #[error("not a finite number")]
    NotFinite,
    /// A number with an exponent.
    #[error("exponents are not read; write the number out")]
    Exponent,
    /// More than [`MAX_DECIMALS`] decimals.
    #[error("more than {MAX_DECIMALS} decimals")]
    TooManyDecimals,
    /// More than 64 bits hold.
    #[error(
        "out of range: 64 bits hold 18 digits in all, {decimals} of them decimals in this file"
    )]
    OutOfRange {
        /// The decimals it was read with.
        decimals: u8,
    },
}

fn hint(found: usize) -> &'static str {
    match found {
        0..=3 => "",
        _ => "; blanks and commas both end a field",
    }
}

/// Bad lines as they are found.
#[derive(Default)]
pub(super) struct BadLines {
    listed: Vec<BadLine>,
    total: usize,
}

impl BadLines {
    pub(super) fn add(&mut self, line: u32, field: Field, text: &str, reason: Reason) {
        self.total += 1;
        if self.listed.len() < LISTED_BAD_LINES {
            self.listed.push(BadLine { line, field, text: quote(text), reason });
        }
    }

    /// Succeeds when there were none.
    pub(super) fn none(self) -> Result<(), ContactsError> {
        let Self { listed, total } = self;
        if total > 0 {
            return Err(ContactsError::BadLines { listed, total });
        }
        Ok(())
    }
}

/// The beginning of a text, safe to print: control and invisible characters are escaped.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(QUOTED_CHARS) {
        match char {
            '\'' => quoted.push(char),
            _ => quoted.extend(char.escape_debug()),
        }
    }
    if chars.next().is_some() {
        quoted.push('…');
    }
    quoted
}

fn list(listed: &[BadLine], total: usize) -> String {
    let lines = if total == 1 { "line" } else { "lines" };
    let mut text = format!("{total} bad {lines} in the contacts:");
    for bad in listed {
        text.push_str("\n  ");
        text.push_str(&bad.to_string());
    }
    let more = total.saturating_sub(listed.len());
    if more > 0 {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}
