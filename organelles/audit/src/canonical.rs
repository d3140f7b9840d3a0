//! JSON in the one form that an export has, so that who verifies it can demand this form.
//!
//! No spaces, only those characters escaped that have to be, and numbers as Python's `json` writes
//! them: that is what `scripts/verify_audit.py` compares each line with.

use std::io::{self, Write};

use serde::Serialize as _;
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

use crate::export::ExportError;

struct Canonical;

impl Formatter for Canonical {
    fn write_f64<W: Write + ?Sized>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(number(value).as_bytes())
    }
}

/// The shortest digits, as Python's `repr` shows them: with a sign and two digits at least in the
/// exponent. Rust changes to exponents at the same sizes (below 1e-4, from 1e16 on).
fn number(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}

/// A value's text.
pub(crate) fn canonical(value: &Value) -> Result<String, ExportError> {
    let mut out = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, Canonical));
    written.map_err(|error| ExportError::Write(error.into()))?;
    String::from_utf8(out)
        .map_err(|error| ExportError::Write(io::Error::new(io::ErrorKind::InvalidData, error)))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (value, text) in [
            (5.0, "5.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9007199254740992.0"),
            (1e16, "1e+16"),
            (1.25e22, "1.25e+22"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
