//! Filters: which versions a question is about.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Not;

use karyon_memory_ops::{Content, Properties, Value};
use karyon_types::LogId;

use super::Ask;
use crate::GraphError;
use crate::model::{EntityId, Version, VertexId};

/// What a version must be like. [`property`], [`labelled`] and [`other`] make most of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// It has the property, and the property compares so.
    Property {
        /// The property's name.
        name: String,
        /// How it must compare.
        is: Comparison,
        /// With what.
        value: Value,
    },
    /// It has the property.
    Has(String),
    /// It has the label.
    Labelled(String),
    /// It was imported from this log, or is an own one where there is none. Agents are called by
    /// the numbers of the log that they come from, so whoever compares with one says which.
    From(Option<LogId>),
    /// The vertex to which it leads, as it is at the time that is asked about, matches: a
    /// neighbour, the end of a listed edge. A vertex that is not there has neither labels nor
    /// properties; a fact or a vertex leads to none.
    Other(Box<Filter>),
    /// All of these match.
    All(Vec<Filter>),
    /// One of these matches.
    Any(Vec<Filter>),
    /// This does not match.
    Not(Box<Filter>),
}

/// How a property is compared.
///
/// Whole and floating-point numbers are compared by what they say, exactly. Other values of
/// different types are unequal, and none is before the other; so are two vertices, two lists and
/// two maps that are not the same. False is before true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal. Like the others it needs the property to be there: a missing one is neither
    /// equal nor unequal to anything, as in SQL.
    Ne,
    /// Less, or before.
    Lt,
    /// Less or equal.
    Le,
    /// Greater, or behind.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A property, for a filter on it.
#[derive(Clone, Debug)]
pub struct Property(String);

/// A filter on a property: `property("count").ge(3)`.
pub fn property(name: &str) -> Property {
    Property(name.to_owned())
}

/// Only what has a label.
pub fn labelled(label: &str) -> Filter {
    Filter::Labelled(label.to_owned())
}

/// Only what leads to a vertex that matches: `other(labelled("person"))`.
pub fn other(filter: Filter) -> Filter {
    Filter::Other(Box::new(filter))
}

impl Property {
    /// It is there, whatever it says.
    pub fn has(self) -> Filter {
        Filter::Has(self.0)
    }

    /// It equals `value`.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Eq, value)
    }

    /// It is there and does not equal `value`.
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Ne, value)
    }

    /// It is less than `value`, or before it.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Lt, value)
    }

    /// It is at most `value`.
    pub fn le(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Le, value)
    }

    /// It is greater than `value`, or behind it.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Gt, value)
    }

    /// It is at least `value`.
    pub fn ge(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Ge, value)
    }

    /// It compares so with `value`.
    pub fn is(self, is: Comparison, value: impl Into<Value>) -> Filter {
        Filter::Property { name: self.0, is, value: value.into() }
    }
}

impl Filter {
    /// Both match.
    #[must_use]
    pub fn and(self, and: Filter) -> Filter {
        Filter::All(vec![self, and])
    }

    /// One of the two matches.
    #[must_use]
    pub fn or(self, or: Filter) -> Filter {
        Filter::Any(vec![self, or])
    }

    fn holds(&self, ask: Ask<'_>, matter: &Matter<'_>) -> Result<bool, GraphError> {
        Ok(match self {
            Filter::Property { name, is, value } => {
                matter.property(name).is_some_and(|found| is.holds(compared(found, value)))
            }
            Filter::Has(name) => matter.property(name).is_some(),
            Filter::Labelled(label) => matter.labels().is_some_and(|has| has.contains(label)),
            Filter::From(log) => matter
                .version
                .is_some_and(|version| version.origin.as_ref().map(|origin| origin.log) == *log),
            Filter::Other(filter) => {
                let Some(other) = matter.other else { return Ok(false) };
                let version = ask.reader.get(&EntityId::Vertex(other), &ask.view)?;
                filter.holds(ask, &Matter { version: version.as_ref(), other: None })?
            }
            Filter::All(filters) => holds_all(filters, ask, matter)?,
            Filter::Any(filters) => {
                for filter in filters {
                    if filter.holds(ask, matter)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::Not(filter) => !filter.holds(ask, matter)?,
        })
    }
}

impl Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }
}

/// What a filter looks at.
pub(super) struct Matter<'a> {
    /// `None`: it is not there.
    version: Option<&'a Version>,
    /// The vertex to which it leads.
    other: Option<VertexId>,
}

impl<'a> Matter<'a> {
    /// A version of an entity; an edge leads to its end.
    pub(super) fn of(entity: &EntityId, version: &'a Version) -> Matter<'a> {
        let other = match entity {
            EntityId::Edge { to, .. } => Some(*to),
            EntityId::Vertex(_) | EntityId::Fact { .. } => None,
        };
        Matter { version: Some(version), other }
    }

    /// A version of an edge that leads to `end`.
    pub(super) fn towards(end: VertexId, version: &'a Version) -> Matter<'a> {
        Matter { version: Some(version), other: Some(end) }
    }

    fn parts(&self) -> Option<(&'a BTreeSet<String>, &'a Properties)> {
        match &self.version?.content {
            Content::Present { labels, properties } => Some((labels, properties)),
            Content::Ended => None,
        }
    }

    fn labels(&self) -> Option<&'a BTreeSet<String>> {
        self.parts().map(|(labels, _)| labels)
    }

    fn property(&self, name: &str) -> Option<&'a Value> {
        self.parts().and_then(|(_, properties)| properties.get(name))
    }
}

/// Whether all filters match.
pub(super) fn holds_all(
    filters: &[Filter],
    ask: Ask<'_>,
    matter: &Matter<'_>,
) -> Result<bool, GraphError> {
    for filter in filters {
        if !filter.holds(ask, matter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Comparison {
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Eq => order == Some(Ordering::Equal),
            Comparison::Ne => order != Some(Ordering::Equal),
            Comparison::Lt => order == Some(Ordering::Less),
            Comparison::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Gt => order == Some(Ordering::Greater),
            Comparison::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// How two values lie to each other; `None`: they are not the same, and neither is before the
/// other.
fn compared(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => int_with_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => int_with_float(*b, *a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

/// Exactly: not every whole number has a floating-point number of its own.
fn int_with_float(int: i64, float: f64) -> Option<Ordering> {
    /// The first number behind all of 64 bits, which a floating-point number can be.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= END {
        return Some(Ordering::Less);
    }
    if float < -END {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    Some(int.cmp(&(whole as i64)).then(whole.total_cmp(&float)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_memory_ops::{Time, Vertex};

    #[test]
    fn values_lie_to_each_other_as_numbers_and_texts_do() {
        use Ordering::{Equal, Greater, Less};
        let big = 9_007_199_254_740_993i64;
        let time = |units| Value::Time(Time::new(units, 0).unwrap());
        let vertex = |name: &str| Value::Vertex(Vertex::Named(name.into()));
        for (a, b, order) in [
            (Value::from(1), Value::from(2), Some(Less)),
            (Value::from(2), Value::from(2.0), Some(Equal)),
            (Value::from(-1), Value::from(-1.5), Some(Greater)),
            (Value::from(-2), Value::from(-1.5), Some(Less)),
            (Value::from(1), Value::from(1.5), Some(Less)),
            (Value::from(0), Value::from(-0.5), Some(Greater)),
            // As floating-point numbers these two would be equal.
            (Value::Int(big), Value::Float((big - 1) as f64), Some(Greater)),
            (Value::Int(i64::MAX), Value::Float(i64::MAX as f64), Some(Less)),
            (Value::Int(i64::MIN), Value::Float(i64::MIN as f64), Some(Equal)),
            (Value::Int(i64::MIN), Value::Float(-1e300), Some(Greater)),
            (Value::Int(1), Value::Float(f64::NAN), None),
            (Value::from(0.5), Value::from(0.25), Some(Greater)),
            (Value::from("a"), Value::from("b"), Some(Less)),
            (Value::from("1"), Value::from(1), None),
            (Value::from(false), Value::from(true), Some(Less)),
            (Value::Bytes(vec![1]), Value::Bytes(vec![1, 0]), Some(Less)),
            (time(1), time(2), Some(Less)),
            (time(1), Value::from(1), None),
            (vertex("a"), vertex("a"), Some(Equal)),
            (vertex("a"), vertex("b"), None),
            (Value::Null, Value::Null, Some(Equal)),
            (Value::List(vec![Value::from(1)]), Value::List(vec![Value::from(1)]), Some(Equal)),
            (Value::List(vec![]), Value::List(vec![Value::Null]), None),
        ] {
            assert_eq!(compared(&a, &b), order, "{a:?} {b:?}");
            assert_eq!(compared(&b, &a), order.map(Ordering::reverse), "{b:?} {a:?}");
        }
    }

    #[test]
    fn comparisons_are_what_they_are_called() {
        use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
        for (order, holding) in [
            (Some(Ordering::Less), &[Ne, Lt, Le][..]),
            (Some(Ordering::Equal), &[Eq, Le, Ge]),
            (Some(Ordering::Greater), &[Ne, Gt, Ge]),
            (None, &[Ne]),
        ] {
            let found: Vec<_> =
                [Eq, Ne, Lt, Le, Gt, Ge].into_iter().filter(|is| is.holds(order)).collect();
            assert_eq!(found, holding);
        }
    }
}
