//! The values that a property can have.

use std::collections::BTreeMap;

use crate::{Time, Vertex};

/// Properties by name.
pub type Properties = BTreeMap<String, Value>;

/// A typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, said expressly.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number. Infinities and NaN are refused, since they have no order and no place in
    /// a root; -0 is written as 0.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A moment.
    Time(Time),
    /// Another vertex.
    Vertex(Vertex),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Properties),
}
