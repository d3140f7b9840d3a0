//! Moments of valid time: exact decimal numbers.

use std::fmt;
use std::str::FromStr;

/// Decimals of a moment.
const DECIMALS: u32 = 9;
const NANOS: u32 = 1_000_000_000;

/// A moment of valid time: a decimal number with up to nine decimals, exact.
///
/// What the number counts is the model's: seconds since 1970 in a file of messages, steps in a
/// generated network. Ordered as numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// The whole part, rounded down.
    units: i64,
    /// Billionths above it, 0 to 999,999,999.
    nanos: u32,
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a number with at most {DECIMALS} decimals")]
pub struct TimeError {
    /// The text.
    pub text: String,
}

impl Time {
    /// Before every other moment: what is valid from here on was always so.
    pub const MIN: Time = Time { units: i64::MIN, nanos: 0 };
    /// Behind every other moment.
    pub const MAX: Time = Time { units: i64::MAX, nanos: NANOS - 1 };

    /// The moment 0.
    pub const ZERO: Time = Time { units: 0, nanos: 0 };

    /// From the whole part, rounded down, and billionths; `None`: not below a whole.
    pub fn new(units: i64, nanos: u32) -> Option<Time> {
        (nanos < NANOS).then_some(Time { units, nanos })
    }

    /// `mantissa` × 10^-`decimals`; `None` for more than nine decimals.
    pub fn from_scaled(mantissa: i64, decimals: u8) -> Option<Time> {
        let up = DECIMALS.checked_sub(u32::from(decimals))?;
        let unit = 10i64.pow(u32::from(decimals));
        let nanos = mantissa.rem_euclid(unit) as u32 * 10u32.pow(up);
        Some(Time { units: mantissa.div_euclid(unit), nanos })
    }

    /// The whole part, rounded down.
    pub fn units(self) -> i64 {
        self.units
    }

    /// Billionths above the whole part.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// As 12 bytes that sort as the moments do.
    pub fn to_sortable(self) -> [u8; 12] {
        let mut out = [0; 12];
        let (units, nanos) = out.split_at_mut(8);
        units.copy_from_slice(&(self.units as u64 ^ (1 << 63)).to_be_bytes());
        nanos.copy_from_slice(&self.nanos.to_be_bytes());
        out
    }

    /// Reads what [`to_sortable`](Time::to_sortable) wrote.
    pub fn from_sortable(bytes: [u8; 12]) -> Option<Time> {
        let (units, rest) = bytes.split_first_chunk::<8>()?;
        let nanos = rest.first_chunk::<4>()?;
        Time::new((u64::from_be_bytes(*units) ^ (1 << 63)) as i64, u32::from_be_bytes(*nanos))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Time::MIN => return f.write_str("always"),
            Time::MAX => return f.write_str("the end"),
            Time { .. } => {}
        }
        // Below zero the parts count from the other side.
        let below = self.units < 0 && self.nanos > 0;
        let whole = i128::from(self.units) + i128::from(below);
        let nanos = if below { NANOS - self.nanos } else { self.nanos };
        let sign = if self.units < 0 && whole == 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        if nanos > 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

impl FromStr for Time {
    type Err = TimeError;

    /// Reads the number that [`fmt::Display`] writes, and a sign or trailing zeros besides. The
    /// beginning and the end of time are no numbers.
    fn from_str(text: &str) -> Result<Time, TimeError> {
        parse(text).ok_or_else(|| TimeError { text: text.chars().take(64).collect() })
    }
}

fn parse(text: &str) -> Option<Time> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > DECIMALS as usize {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let up = DECIMALS.checked_sub(decimals.len() as u32)?;
    let nanos = decimals.parse::<u32>().ok()? * 10u32.pow(up);
    let total = whole.checked_mul(i128::from(NANOS))?.checked_add(i128::from(nanos))?;
    let total = if negative { -total } else { total };
    let units = i64::try_from(total.div_euclid(i128::from(NANOS))).ok()?;
    Time::new(units, total.rem_euclid(i128::from(NANOS)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_as_people_write_them() {
        for (text, units, nanos, shown) in [
            ("0", 0, 0, "0"),
            ("1082040961", 1_082_040_961, 0, "1082040961"),
            ("+6.50", 6, 500_000_000, "6.5"),
            ("-0.25", -1, 750_000_000, "-0.25"),
            ("-1.25", -2, 750_000_000, "-1.25"),
            ("-2", -2, 0, "-2"),
            ("0.000000001", 0, 1, "0.000000001"),
            ("9223372036854775807.5", i64::MAX, 500_000_000, "9223372036854775807.5"),
        ] {
            let time: Time = text.parse().unwrap();
            assert_eq!((time.units(), time.nanos()), (units, nanos), "{text}");
            assert_eq!(time.to_string(), shown);
        }
        for text in ["", "-", ".5", "5.", "1e3", "0x1", "1.0000000001", "9223372036854775808"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        assert_eq!(
            (Time::MIN.to_string(), Time::MAX.to_string()),
            ("always".into(), "the end".into())
        );
    }

    #[test]
    fn scaled_numbers() {
        for (mantissa, decimals, shown) in [
            (5, 0, "5"),
            (650, 2, "6.5"),
            (-25, 2, "-0.25"),
            (i64::MIN + 1, 9, "-9223372036.854775807"),
        ] {
            assert_eq!(Time::from_scaled(mantissa, decimals).unwrap().to_string(), shown);
        }
        assert_eq!(Time::from_scaled(1, 10), None);
    }

    proptest! {
        #[test]
        fn text_and_bytes_come_back_in_order(a: i64, x in 0..NANOS, b: i64, y in 0..NANOS) {
            let (a, b) = (Time::new(a, x).unwrap(), Time::new(b, y).unwrap());
            prop_assert_eq!(a.cmp(&b), a.to_sortable().cmp(&b.to_sortable()));
            prop_assert_eq!(Time::from_sortable(a.to_sortable()), Some(a));
            if a != Time::MIN && a != Time::MAX {
                prop_assert_eq!(a.to_string().parse(), Ok(a));
            }
        }
    }
}
