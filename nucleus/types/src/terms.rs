//! The terms of authority: what may be done, to what, within which bounds. Data only; the rules
//! are the authority's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The arguments of an action, by name. Equal arguments have equal encodings.
pub type Arguments = BTreeMap<String, Argument>;

/// One argument. Only plain values can be constrained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Argument {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that only fits without a sign.
    Big(u64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<Argument>),
    /// Several, by name.
    Map(BTreeMap<String, Argument>),
}

/// What one plain value must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plain {
    /// Yes or no.
    Bool(bool),
    /// A whole number, zero or more.
    Number(u64),
    /// A text.
    Text(String),
}

/// A bound on one argument. Numbers are whole, zero or more, in the unit that the action states
/// (cents rather than euros).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// At least this.
    Minimum(u64),
    /// At most this.
    Maximum(u64),
    /// One of these.
    OneOf(Vec<Plain>),
    /// This text; a `*` at its end stands for anything.
    Pattern(String),
    /// All uses of the capability together come to at most this.
    Budget(u64),
}

/// A bound and the argument that it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The argument's name.
    pub field: String,
    /// Its bound.
    pub bound: Bound,
}

/// Leave to perform one action on some resources, within bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// The action, such as `payment.transfer`.
    pub action: String,
    /// The resource, such as `bank/acme`, and all below it: `bank/acme/savings`.
    pub resource: String,
    /// All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// How often it may be used; `None`: as often as one likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// Whether each use needs an approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approval: bool,
}

/// What a grant or a lease allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Actions on the world outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// Whether the holder may approve of what others propose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approves: bool,
    /// Whether the holder may pass on a part of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delegates: bool,
    /// The first moment at which it no longer holds, in milliseconds since 1970; `None`: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_unix_ms: Option<u64>,
}
