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

impl Value {
    /// The value with every vertex in it replaced by what `name` says, however deep it lies.
    ///
    /// # Errors
    /// Those of `name`.
    pub fn rename<E>(self, name: &mut impl FnMut(Vertex) -> Result<Vertex, E>) -> Result<Value, E> {
        Ok(match self {
            Value::Vertex(vertex) => Value::Vertex(name(vertex)?),
            Value::List(values) => {
                let values = values.into_iter().map(|value| value.rename(name));
                Value::List(values.collect::<Result<_, _>>()?)
            }
            Value::Map(map) => Value::Map(rename_all(map, name)?),
            plain => plain,
        })
    }
}

/// What a value can be made of, so that a comparison reads as it is meant.
macro_rules! value_from {
    ($($from:ty => |$it:ident| $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($it: $from) -> Value {
                $value
            }
        })*
    };
}

value_from! {
    bool => |it| Value::Bool(it);
    i32 => |it| Value::Int(it.into());
    u32 => |it| Value::Int(it.into());
    i64 => |it| Value::Int(it);
    f64 => |it| Value::Float(it);
    &str => |it| Value::Text(it.to_owned());
    String => |it| Value::Text(it);
    Time => |it| Value::Time(it);
    Vertex => |it| Value::Vertex(it);
}

/// The properties with every vertex in them replaced by what `name` says.
///
/// # Errors
/// Those of `name`.
pub fn rename_all<E>(
    properties: Properties,
    name: &mut impl FnMut(Vertex) -> Result<Vertex, E>,
) -> Result<Properties, E> {
    properties.into_iter().map(|(key, value)| Ok((key, value.rename(name)?))).collect()
}
