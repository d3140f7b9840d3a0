//! Bounds on arguments: whether a use keeps them, and whether one capability narrows another.

use karyon_types::{Argument, Arguments, Bound, Capability, Constraint, Plain};

/// The rule that an argument broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is not there.
    Missing,
    /// It is of another type.
    Type,
    /// It is below zero.
    Negative,
    /// It is no number, or infinite.
    NotFinite,
    /// It is larger than any number that can be bounded.
    Overflow,
    /// It is below the minimum.
    Minimum,
    /// It is above the maximum.
    Maximum,
    /// It is none of those that are allowed.
    NotAllowed,
    /// It does not have the form.
    Pattern,
}

impl Broken {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Broken::Missing => "is missing",
            Broken::Type => "is of another type",
            Broken::Negative => "is negative",
            Broken::NotFinite => "is not a finite number",
            Broken::Overflow => "is too large for a number that can be bounded",
            Broken::Minimum => "is below the minimum",
            Broken::Maximum => "is above the maximum",
            Broken::NotAllowed => "is none of the allowed values",
            Broken::Pattern => "does not match the pattern",
        }
    }
}

/// Whether a text has the form of a pattern: equal, or with the beginning that stands before a
/// `*` at the end.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

/// Whether a resource is `scope` or lies below it: `bank/acme` holds `bank/acme/savings`, but not
/// `bank/acmeville`.
pub(crate) fn within(scope: &str, resource: &str) -> bool {
    match resource.strip_prefix(scope) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// An argument as a number that can be bounded.
pub(crate) fn number(argument: Option<&Argument>) -> Result<u64, Broken> {
    match argument.ok_or(Broken::Missing)? {
        Argument::Int(number) => u64::try_from(*number).map_err(|_| Broken::Negative),
        // What does not fit a signed number came from somewhere that cannot count so far.
        Argument::Big(_) => Err(Broken::Overflow),
        Argument::Float(float) if !float.is_finite() => Err(Broken::NotFinite),
        Argument::Float(float) if *float < 0.0 => Err(Broken::Negative),
        Argument::Float(_)
        | Argument::Null
        | Argument::Bool(_)
        | Argument::Text(_)
        | Argument::List(_)
        | Argument::Map(_) => Err(Broken::Type),
    }
}

fn plain(argument: Option<&Argument>) -> Result<Plain, Broken> {
    match argument {
        Some(Argument::Bool(value)) => Ok(Plain::Bool(*value)),
        Some(Argument::Text(text)) => Ok(Plain::Text(text.clone())),
        other => number(other).map(Plain::Number),
    }
}

/// Whether an argument keeps a bound. A budget is kept by any number; what it comes to is counted
/// elsewhere.
fn keeps(bound: &Bound, argument: Option<&Argument>) -> Result<(), Broken> {
    let require = |holds: bool, broken| if holds { Ok(()) } else { Err(broken) };
    match bound {
        Bound::Minimum(least) => require(number(argument)? >= *least, Broken::Minimum),
        Bound::Maximum(most) => require(number(argument)? <= *most, Broken::Maximum),
        Bound::Budget(_) => number(argument).map(drop),
        Bound::OneOf(allowed) => require(allowed.contains(&plain(argument)?), Broken::NotAllowed),
        Bound::Pattern(pattern) => match argument.ok_or(Broken::Missing)? {
            Argument::Text(text) => require(matches(pattern, text), Broken::Pattern),
            _ => Err(Broken::Type),
        },
    }
}

/// Whether the arguments keep all bounds of a capability; else the first that does not, and why.
pub(crate) fn check<'a>(
    capability: &'a Capability,
    arguments: &Arguments,
) -> Result<(), (&'a str, Broken)> {
    capability.constraints.iter().try_for_each(|Constraint { field, bound }| {
        keeps(bound, arguments.get(field)).map_err(|broken| (field.as_str(), broken))
    })
}

/// The rule of attenuation that a capability would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wider {
    /// The action is not among those that are passed on.
    Action,
    /// The resource lies outside.
    Resource,
    /// A bound on this argument is dropped or looser.
    Bound(String),
    /// The number of uses is not bounded, or by more than is left.
    Uses,
    /// More of this argument's budget is asked for than is left.
    Budget(String),
    /// It needs an approval that the other one does not ask for.
    Approval,
    /// It outlives what it comes from.
    Expiry,
    /// The right to approve is not held.
    Approves,
    /// The right to pass on is not held.
    Delegates,
}

impl std::fmt::Display for Wider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wider::Action => f.write_str("the action is not held"),
            Wider::Resource => f.write_str("the resource lies outside of what is held"),
            Wider::Bound(field) => write!(f, "the bounds on {field} are looser than those held"),
            Wider::Uses => f.write_str("more uses are asked for than are left"),
            Wider::Budget(field) => write!(f, "more of {field} is asked for than is left"),
            Wider::Approval => f.write_str("what is held needs an approval each time"),
            Wider::Expiry => f.write_str("it would outlive what it comes from"),
            Wider::Approves => f.write_str("the right to approve is not held"),
            Wider::Delegates => f.write_str("the right to pass on is not held"),
        }
    }
}

/// Whether whatever keeps `inner` keeps `outer` as well.
fn implies(inner: &Bound, outer: &Bound) -> bool {
    let all = |allowed: &[Plain], holds: &dyn Fn(&Plain) -> bool| allowed.iter().all(holds);
    match (outer, inner) {
        (Bound::Minimum(outer), Bound::Minimum(inner)) => inner >= outer,
        (Bound::Maximum(outer), Bound::Maximum(inner)) => inner <= outer,
        (Bound::Minimum(least), Bound::OneOf(allowed)) => {
            all(allowed, &|plain| matches!(plain, Plain::Number(number) if number >= least))
        }
        (Bound::Maximum(most), Bound::OneOf(allowed)) => {
            all(allowed, &|plain| matches!(plain, Plain::Number(number) if number <= most))
        }
        (Bound::OneOf(outer), Bound::OneOf(inner)) => all(inner, &|plain| outer.contains(plain)),
        (Bound::Pattern(outer), Bound::Pattern(inner)) => match outer.strip_suffix('*') {
            Some(beginning) => inner.strip_suffix('*').unwrap_or(inner).starts_with(beginning),
            None => inner == outer,
        },
        (Bound::Pattern(outer), Bound::OneOf(allowed)) => {
            all(allowed, &|plain| matches!(plain, Plain::Text(text) if matches(outer, text)))
        }
        // A budget is compared with what is left of it.
        (Bound::Budget(_), Bound::Budget(_)) => true,
        _ => false,
    }
}

/// Whether `inner` only narrows `outer`, budgets and uses aside.
pub(crate) fn narrows(outer: &Capability, inner: &Capability) -> Result<(), Wider> {
    if outer.action != inner.action {
        return Err(Wider::Action);
    }
    if !within(&outer.resource, &inner.resource) {
        return Err(Wider::Resource);
    }
    if outer.approval && !inner.approval {
        return Err(Wider::Approval);
    }
    if outer.uses.is_some() && inner.uses.is_none() {
        return Err(Wider::Uses);
    }
    outer.constraints.iter().try_for_each(|Constraint { field, bound }| {
        let mut mine = inner.constraints.iter().filter(|mine| mine.field == *field);
        match mine.any(|mine| implies(&mine.bound, bound)) {
            true => Ok(()),
            false => Err(Wider::Bound(field.clone())),
        }
    })
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
