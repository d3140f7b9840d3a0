//! Moments as people write them: numbers as in the input, dates, ticks.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use karyon_memory_ops::Time;
use karyon_types::Tick;

/// A moment of valid time, or a place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A number as in the input, or a date: seconds since 1970.
    Time(Time),
    /// The end of a tick: a tick is a place in the record, not a time of the model.
    Tick(Tick),
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is no moment: expected a number as in the input (1082040961, 6.5), a date in UTC \
     (2004-04-15, 2004-04-15T14:56:01Z) or a tick (tick:120)"
)]
pub struct NoMoment {
    /// The text.
    pub text: String,
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Moment, NoMoment> {
        if let Some(tick) = text.strip_prefix("tick:").and_then(|tick| tick.parse().ok()) {
            return Ok(Moment::Tick(Tick(tick)));
        }
        if let Ok(time) = text.parse() {
            return Ok(Moment::Time(time));
        }
        // A name of a zone behind a date would be passed over.
        let date = if text.contains('[') { None } else { date(text) };
        date.map(Moment::Time).ok_or_else(|| NoMoment { text: text.chars().take(64).collect() })
    }
}

/// A date, with or without a time of day, in UTC unless it names an offset.
fn date(text: &str) -> Option<Time> {
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    let nanos = stamp.as_nanosecond();
    let second = 1_000_000_000;
    Time::new(nanos.div_euclid(second).try_into().ok()?, nanos.rem_euclid(second) as u32)
}

/// A moment for a person: the number, and the date where the number may well be seconds since
/// 1970 (from 1973 to 2286, the ten-digit ones and most nine-digit ones).
pub struct Readable(pub Time);

/// A moment that counts seconds since 1970, for a person: the date alone, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub Time);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.units()) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Readable(time) = self;
        write!(f, "{time}")?;
        if (100_000_000..10_000_000_000).contains(&time.units())
            && let Ok(stamp) = jiff::Timestamp::from_second(time.units())
        {
            write!(f, " ({stamp})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(units: i64, nanos: u32) -> Option<Moment> {
        Some(Moment::Time(Time::new(units, nanos).unwrap()))
    }

    #[test]
    fn numbers_dates_and_ticks() {
        for (text, moment) in [
            ("1082040961", time(1_082_040_961, 0)),
            ("-6.5", time(-7, 500_000_000)),
            ("2004-04-15", time(1_081_987_200, 0)),
            ("2004-04-15T14:56:01Z", time(1_082_040_961, 0)),
            ("2004-04-15T14:56:01", time(1_082_040_961, 0)),
            ("2004-04-15 14:56:01.25", time(1_082_040_961, 250_000_000)),
            ("2004-04-15T16:56:01+02:00", time(1_082_040_961, 0)),
            ("1969-12-31T23:59:59.5Z", time(-1, 500_000_000)),
            ("tick:120", Some(Moment::Tick(Tick(120)))),
            ("2004-04-15T12:00:00[America/New_York]", None),
            ("tick:", None),
            ("tick:-1", None),
            ("2004-13-01", None),
            ("yesterday", None),
            ("", None),
            ("1e9", None),
        ] {
            assert_eq!(text.parse().ok(), moment, "{text}");
        }
    }

    #[test]
    fn readable() {
        for (text, shown) in [
            ("1082040961", "1082040961 (2004-04-15T14:56:01Z)"),
            ("1082040961.5", "1082040961.5 (2004-04-15T14:56:01Z)"),
            ("99999999", "99999999"),
            ("-5", "-5"),
        ] {
            assert_eq!(Readable(text.parse().unwrap()).to_string(), shown);
        }
    }
}
