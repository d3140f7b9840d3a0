//! What differs between two reports: first the conditions, then the results.

use serde_json::Value;

use crate::report::{Measured, Report};
use crate::shape;

/// What differs between two reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Conditions that are not the same, of the whole and of single results.
    pub conditions: Vec<Condition>,
    /// What is in both, in the order of the first.
    pub changes: Vec<Change>,
    /// What is in the first alone.
    pub only_first: Vec<String>,
    /// What is in the second alone.
    pub only_second: Vec<String>,
}

/// A condition that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its path, such as `machine.cpu`, or behind the name of a result: `pairs gate: threads`.
    pub name: String,
    /// What it is in each.
    pub values: [String; 2],
}

/// A result of both.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Workload and level.
    pub name: String,
    /// What is counted.
    pub unit: String,
    /// How many a second, at the median, in each.
    pub per_s: [u64; 2],
    /// The spread of each, in thousandths of its median.
    pub spread_permille: [u64; 2],
    /// How many a second the second does for one of the first.
    pub ratio: f64,
    /// What may be said of it.
    pub verdict: Verdict,
}

/// What may be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The samples of the one lie among those of the other: no difference was shown.
    WithinSpread,
    /// Each sample of the second is faster than each of the first.
    Faster,
    /// Each is slower.
    Slower,
    /// Another unit is counted: the two are not to be compared.
    OtherUnit,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::WithinSpread => "within the spread",
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::OtherUnit => "of another unit: not compared",
        }
    }
}

impl Comparison {
    /// Whether no difference between the results was shown.
    pub fn is_same(&self) -> bool {
        let same = self.changes.iter().all(|change| change.verdict == Verdict::WithinSpread);
        same && self.only_first.is_empty() && self.only_second.is_empty()
    }
}

/// Fields that are no conditions: results, what follows from others, and when and by whom it was made.
const NOT_CONDITIONS: [&str; 5] = ["report", "made", "results", "signed", "flags.out"];
/// Nor is how it was told.
const NOT_EITHER: &str = "flags.json";
/// What of a result is a condition.
const OF_RESULTS: [&str; 6] = ["durability", "size", "unit", "threads", "seed", "work"];

/// Compares two reports.
pub fn compare(first: &Report, second: &Report) -> Comparison {
    let mut conditions = Vec::new();
    let (one, other) = (shape::value_of(first), shape::value_of(second));
    differ("", &one, &other, &mut conditions);
    let (mut changes, mut only_first) = (Vec::new(), Vec::new());
    for result in &first.results {
        let name = result.name();
        match second.results.iter().find(|other| other.name() == name) {
            None => only_first.push(name),
            Some(other) => {
                let (one, same) = (shape::value_of(result), shape::value_of(other));
                for field in OF_RESULTS {
                    let name = format!("{name}: {field}");
                    let (one, same) = (one.get(field), same.get(field));
                    add(name, one.unwrap_or_default(), same.unwrap_or_default(), &mut conditions);
                }
                changes.push(change(name, result, other));
            }
        }
    }
    let is_alone = |result: &&Measured| first.results.iter().all(|one| one.name() != result.name());
    let only_second = second.results.iter().filter(is_alone).map(Measured::name).collect();
    Comparison { conditions, changes, only_first, only_second }
}

fn differ(path: &str, one: &Value, other: &Value, found: &mut Vec<Condition>) {
    if NOT_CONDITIONS.contains(&path) || path == NOT_EITHER {
        return;
    }
    let (Value::Object(fields), Value::Object(others)) = (one, other) else {
        return add(path.into(), one, other, found);
    };
    for (name, value) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        differ(&path, value, others.get(name).unwrap_or_default(), found);
    }
}

fn add(name: String, one: &Value, other: &Value, found: &mut Vec<Condition>) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "all".into(),
        other => other.to_string(),
    };
    if one != other {
        found.push(Condition { name, values: [text(one), text(other)] });
    }
}

fn change(name: String, one: &Measured, other: &Measured) -> Change {
    // By what was done a second: the work may be another.
    let fastest = |of: &Measured| of.per_s(of.lowest_ns);
    let slowest = |of: &Measured| of.per_s(of.highest_ns);
    let verdict = if one.unit != other.unit {
        Verdict::OtherUnit
    } else if slowest(other) > fastest(one) {
        Verdict::Faster
    } else if fastest(other) < slowest(one) {
        Verdict::Slower
    } else {
        Verdict::WithinSpread
    };
    Change {
        name,
        unit: one.unit.clone(),
        per_s: [one.median_per_s, other.median_per_s],
        spread_permille: [one.spread_permille, other.spread_permille],
        ratio: other.per_s(other.median_ns) / one.per_s(one.median_ns),
        verdict,
    }
}
