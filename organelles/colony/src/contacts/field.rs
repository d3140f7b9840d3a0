//! The fields of a contact line: splitting, ids, times, and the words of a header.

use super::error::Reason;

/// Longest id in bytes: names and addresses fit, and a message that carries one stays small.
pub const MAX_ID_BYTES: usize = 256;

/// Most decimals of a time: nanoseconds, when the unit is the second.
pub const MAX_DECIMALS: usize = 9;

/// The characters that surround fields.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// The characters that end a field.
const SEPARATORS: [char; 3] = [' ', '\t', ','];

/// Words that a header may have for its third column; compared without case, `_` and `-`.
const TIME_WORDS: [&str; 17] = [
    "time",
    "times",
    "timestamp",
    "timestamps",
    "ts",
    "t",
    "unixts",
    "unixtime",
    "unixtimestamp",
    "epoch",
    "date",
    "datetime",
    "day",
    "second",
    "seconds",
    "step",
    "tick",
];

/// The fields of a line without surrounding blanks.
pub(super) struct Fields<'a> {
    rest: Option<&'a str>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        Self { rest: Some(line) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let end = rest.find(SEPARATORS).unwrap_or(rest.len());
        let (field, tail) = rest.split_at(end);
        let tail = tail.trim_start_matches(BLANKS);
        self.rest = match tail.strip_prefix(',') {
            Some(next) => Some(next.trim_start_matches(BLANKS)),
            None => Some(tail).filter(|tail| !tail.is_empty()),
        };
        Some(field)
    }
}

/// The beginning of a text up to the end of its field.
pub(super) fn leading(text: &str) -> &str {
    text.split([' ', '\t', ',', '\r', '\n']).next().unwrap_or("")
}

pub(super) fn check_id(id: &str) -> Result<(), Reason> {
    if id.is_empty() {
        return Err(Reason::Empty);
    }
    if id.len() > MAX_ID_BYTES {
        return Err(Reason::IdTooLong);
    }
    if id.contains(char::is_control) {
        return Err(Reason::ControlCharacter);
    }
    Ok(())
}

/// Whether a line that is no contact names three columns, the third of them a time.
pub(super) fn is_header(line: &str) -> bool {
    let mut fields = Fields::of(line);
    let (Some(source), Some(target), Some(time), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let word = time.to_lowercase().replace(['_', '-'], "");
    let numeric =
        |field: &str| field.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    TIME_WORDS.contains(&word.as_str())
        && [source, target].iter().all(|field| check_id(field).is_ok() && !numeric(field))
}

/// A decimal number: `mantissa` × 10^-`decimals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) mantissa: i64,
    pub(super) decimals: u8,
}

impl Time {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        if text.is_empty() {
            return Err(Reason::Empty);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        if !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return Err(not_a_number(unsigned));
        }
        let fraction = fraction.unwrap_or("");
        if fraction.len() > MAX_DECIMALS {
            return Err(Reason::TooManyDecimals);
        }
        let decimals = fraction.len() as u8;
        let negative = text.starts_with('-');
        let mut mantissa = 0i64;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = i64::from(digit.wrapping_sub(b'0'));
            let digit = if negative { -digit } else { digit };
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(digit))
                .ok_or(Reason::OutOfRange { decimals })?;
        }
        Ok(Self { mantissa, decimals })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells numbers that other programs write from text that is none.
fn not_a_number(unsigned: &str) -> Reason {
    let lower = unsigned.to_ascii_lowercase();
    if ["nan", "inf", "infinity"].contains(&lower.as_str()) {
        return Reason::NotFinite;
    }
    if unsigned.parse::<f64>().is_ok() && lower.contains('e') {
        return Reason::Exponent;
    }
    Reason::NotANumber
}
