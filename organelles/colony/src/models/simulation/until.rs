//! `schedule.until`: what ends a run early.

use crate::names::nearest;
use crate::scenario::{Place, ScenarioError};

/// A measure compared with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Until {
    /// The measure's place in a row; `None`: the tick.
    column: Option<usize>,
    relation: Relation,
    number: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

/// The longer ones first: `<` begins `<=`.
const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

/// Why a text is no condition.
#[derive(Debug, PartialEq)]
pub(super) enum NoCondition {
    /// It compares nothing.
    Form(String),
    /// There is no such measure.
    Measure(String),
}

impl Until {
    /// Reads a condition such as `wolves < 1`.
    pub(super) fn read(text: &str, measures: &[&str]) -> Result<Until, NoCondition> {
        let parts = RELATIONS.iter().find_map(|(sign, relation)| {
            let (measure, number) = text.split_once(sign)?;
            Some((measure.trim(), *relation, number.trim().parse::<f64>().ok()?))
        });
        let parts = parts.filter(|(.., number)| number.is_finite());
        let Some((measure, relation, number)) = parts else {
            return Err(NoCondition::Form(text.into()));
        };
        let column = measures.iter().position(|own| *own == measure);
        if column.is_none() && measure != "tick" {
            return Err(NoCondition::Measure(measure.into()));
        }
        Ok(Until { column, relation, number })
    }

    /// Whether it holds behind a tick with these measures.
    pub(super) fn holds(&self, tick: u64, row: &[f64]) -> bool {
        let measured = match self.column {
            Some(column) => row.get(column).copied().unwrap_or(f64::NAN),
            None => tick as f64,
        };
        match self.relation {
            Relation::Less => measured < self.number,
            Relation::AtMost => measured <= self.number,
            Relation::Equal => measured == self.number,
            Relation::AtLeast => measured >= self.number,
            Relation::Greater => measured > self.number,
        }
    }
}

impl NoCondition {
    pub(super) fn at(self, place: Place, measures: &'static [&'static str]) -> ScenarioError {
        let key = "schedule.until";
        match self {
            NoCondition::Form(text) => {
                let example = measures.first().copied().unwrap_or("tick");
                let message =
                    format!("\"{text}\" compares nothing; write for example \"{example} < 1\"");
                ScenarioError::WrongType { place, key: key.into(), message }
            }
            NoCondition::Measure(name) => ScenarioError::UnknownName {
                place,
                key,
                suggestion: nearest(&name, measures.iter().copied(), 1).first().copied(),
                name,
                known: measures,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURES: [&str; 2] = ["sheep", "wolves"];

    #[test]
    fn conditions_hold_or_not() {
        let cases = [
            ("wolves < 1", 0.0, true),
            ("wolves<1", 1.0, false),
            ("wolves <= 1", 1.0, true),
            ("wolves <= 1", 1.5, false),
            ("wolves == 0.5", 0.5, true),
            ("wolves == 0.5", 0.6, false),
            (" wolves >= -2e1 ", -20.0, true),
            ("wolves >= 7", 6.0, false),
            ("wolves > 7", 7.0, false),
            ("wolves > 7", 8.0, true),
            ("wolves > 7", f64::NAN, false),
            ("sheep == 3", 9.0, true),
            ("tick >= 5", 0.0, true),
            ("tick > 5", 9.0, false),
        ];
        for (text, wolves, holds) in cases {
            let until = Until::read(text, &MEASURES).unwrap();
            assert_eq!(until.holds(5, &[3.0, wolves]), holds, "{text}: {wolves}");
        }
    }

    #[test]
    fn what_compares_nothing_is_none() {
        for text in ["", "wolves", "wolves = 1", "wolves < many", "wolves < inf", "< <", "wolves <"]
        {
            assert_eq!(Until::read(text, &MEASURES), Err(NoCondition::Form(text.into())));
        }
        for (text, name) in [("bears < 1", "bears"), ("< 1", ""), ("1 < wolves", "")] {
            let read = Until::read(text, &MEASURES);
            assert!(read.is_err(), "{text}");
            if !name.is_empty() {
                assert_eq!(read, Err(NoCondition::Measure(name.into())));
            }
        }
    }
}
