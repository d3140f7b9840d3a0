//! The keys of a scenario: each with its section, its range, its default and its meaning, in one place.
//! What is checked, what is told of it, the schema and the tables of the docs are made of them.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use toml::Value;

use super::Checked;
use super::networks::pairs;
use crate::network::OutOfRange;

/// What a key may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// A whole number, both ends included; at most 2⁶³ − 1.
    Whole(u64, u64),
    /// A number, both ends included.
    Real(f64, f64),
    /// A number from the first up to, but not, the second.
    Below(f64, f64),
    /// One of these names.
    Names(&'static [&'static str]),
    /// A list of 1 to so many whole numbers.
    Wholes(usize, u64, u64),
    /// A list of at most so many texts.
    Texts(usize),
    /// A text of pairs of numbers.
    Pairs,
}

impl From<RangeInclusive<u32>> for Allowed {
    fn from(range: RangeInclusive<u32>) -> Allowed {
        Allowed::Whole((*range.start()).into(), (*range.end()).into())
    }
}

impl From<RangeInclusive<f64>> for Allowed {
    fn from(range: RangeInclusive<f64>) -> Allowed {
        Allowed::Real(*range.start(), *range.end())
    }
}

/// What is wrong with a value.
pub(super) enum Wrong {
    /// It is of another type: what was expected, and found.
    Type(String),
    Range(OutOfRange),
}

impl Allowed {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Allowed::Whole(least, most) => format!("{} to {}", grouped(least), grouped(most)),
            Allowed::Real(least, most) => format!("{} to {}", grouped(least), grouped(most)),
            Allowed::Below(least, most) => format!("{} to below {}", grouped(least), grouped(most)),
            Allowed::Names(names) => {
                let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
                names.join(", ")
            }
            Allowed::Wholes(most, least, highest) => format!(
                "a list of 1 to {} whole numbers, each {} to {}",
                grouped(most),
                grouped(least),
                grouped(highest)
            ),
            Allowed::Texts(most) => format!("a list of at most {} texts", grouped(most)),
            Allowed::Pairs => "pairs of numbers from 1 on, such as \"1 2, 2 3\"".into(),
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Allowed::Whole(..) => "a whole number",
            Allowed::Real(..) | Allowed::Below(..) => "a number",
            Allowed::Names(_) | Allowed::Pairs => "a text",
            Allowed::Wholes(..) => "a list of whole numbers",
            Allowed::Texts(_) => "a list of texts",
        }
    }

    fn is_of_type(&self, value: &Value) -> bool {
        let all = |is: fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(is));
        match self {
            Allowed::Whole(..) => value.is_integer(),
            Allowed::Real(..) | Allowed::Below(..) => value.is_integer() || value.is_float(),
            Allowed::Names(_) | Allowed::Pairs => value.is_str(),
            Allowed::Wholes(..) => all(Value::is_integer),
            Allowed::Texts(_) => all(Value::is_str),
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let whole = |value: &Value, least: u64, most: u64| {
            let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
            number.is_some_and(|number| (least..=most).contains(&number))
        };
        let number = || {
            let whole = value.as_integer().map(|number| number as f64);
            value.as_float().or(whole).unwrap_or(f64::NAN)
        };
        match self {
            Allowed::Whole(least, most) => whole(value, *least, *most),
            Allowed::Real(least, most) => (*least..=*most).contains(&number()),
            Allowed::Below(least, most) => (*least..*most).contains(&number()),
            Allowed::Names(names) => value.as_str().is_some_and(|name| names.contains(&name)),
            Allowed::Wholes(most, least, highest) => value.as_array().is_some_and(|list| {
                (1..=*most).contains(&list.len())
                    && list.iter().all(|value| whole(value, *least, *highest))
            }),
            Allowed::Texts(most) => value.as_array().is_some_and(|list| list.len() <= *most),
            Allowed::Pairs => value.as_str().is_some_and(|text| pairs(text).is_ok()),
        }
    }
}

/// A number with its thousands apart.
fn grouped(number: &impl ToString) -> String {
    let text = number.to_string();
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

/// A key of a scenario.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its section; empty at the top level.
    pub section: &'static str,
    /// Its name in the section.
    pub name: &'static str,
    /// What it means.
    pub meaning: Cow<'static, str>,
    /// What it may be.
    pub allowed: Allowed,
    /// What it is where it is left out; `None`: nothing, which `meaning` tells.
    pub default: Option<Value>,
    /// The network that it belongs to; `None`: it has a meaning beside any.
    pub network: Option<&'static str>,
}

impl Parameter {
    /// The name with the section in front.
    pub fn key(&self) -> String {
        match self.section {
            "" => self.name.to_owned(),
            section => format!("{section}.{}", self.name),
        }
    }

    /// Whether a value is of its type and in its range.
    pub(super) fn check(&self, value: &Value) -> Result<(), Wrong> {
        if !self.allowed.is_of_type(value) {
            let found = match value {
                Value::Array(_) => "a list".to_owned(),
                Value::Table(_) => "a section".to_owned(),
                value => value.to_string(),
            };
            let expected = self.allowed.expected();
            return Err(Wrong::Type(format!("expected {expected}, found {found}")));
        }
        let shown = || match (value, &self.allowed) {
            (Value::Float(number), _) => number.to_string(),
            // There may be very many.
            (Value::String(text), Allowed::Pairs) => {
                format!("{:?}", pairs(text).err().unwrap_or_default())
            }
            (value, _) => value.to_string(),
        };
        match self.allowed.holds(value) {
            true => Ok(()),
            false => OutOfRange::unless(false, self.key(), shown(), self.allowed.words())
                .map_err(Wrong::Range),
        }
    }

    /// Likewise, for a value that is of its type.
    pub(super) fn check_range(&self, value: &Value) -> Checked {
        match self.check(value) {
            Ok(()) => Ok(()),
            Err(Wrong::Range(wrong)) => Err(wrong),
            Err(Wrong::Type(words)) => {
                OutOfRange::unless(false, self.key(), words, self.allowed.words())
            }
        }
    }
}

/// Says what a model depends on: for each key of its scenario the meaning, the section, the name, the
/// type, the default and the range. Makes the struct `Parameters` of it, with its defaults.
macro_rules! parameters {
    (
        $(network: $network:expr;)?
        $(
            $(#[doc = $meaning:literal])+
            $section:ident . $name:ident : $type:ty = $default:expr, in $range:expr;
        )*
    ) => {
        /// What the model depends on.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct Parameters {
            $( $(#[doc = $meaning])+ pub $name: $type, )*
            $(
                #[doc = concat!("Who may meet whom; `", stringify!($network), "`, if it is not said.")]
                #[serde(flatten)]
                pub network: $crate::models::networks::Network,
            )?
        }

        impl Default for Parameters {
            fn default() -> Parameters {
                Parameters { $( $name: $default, )* $( network: $network, )? }
            }
        }

        impl Parameters {
            /// Their keys, with section, range, default and meaning.
            fn keys() -> Vec<$crate::models::Parameter> {
                #[allow(unused_mut, reason = "a model that lives on a network adds its keys")]
                let mut keys = vec![ $( $crate::models::Parameter {
                    section: stringify!($section),
                    name: stringify!($name),
                    meaning: concat!($($meaning),+).trim().into(),
                    allowed: ($range).into(),
                    default: Some(toml::Value::from($default)),
                    network: None,
                }, )* ];
                $( keys.extend($crate::models::networks::keys(&$network)); )?
                keys
            }
        }
    };
}

pub(super) use parameters;
