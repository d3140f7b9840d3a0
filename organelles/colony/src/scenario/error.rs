//! Why a scenario is refused, and where.

use std::borrow::Cow;
use std::fmt;

use super::MAX_SCENARIO_BYTES;

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

impl Place {
    /// The place of a byte; one past the end is the place after the last character.
    pub(crate) fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        Self {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Longer than [`MAX_SCENARIO_BYTES`].
    #[error("the scenario has {size_bytes} bytes; at most {MAX_SCENARIO_BYTES} are read")]
    TooLong {
        /// Its length in bytes.
        size_bytes: usize,
    },
    /// Not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where reading stopped.
        place: Place,
        /// What the TOML parser says.
        message: String,
    },
    /// A key that no section has, or not this one.
    #[error("{place}: unknown key \"{key}\" {}{}", within(section), did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// Where the key stands.
        place: Place,
        /// The key.
        key: String,
        /// Its section; empty at the top level.
        section: &'static str,
        /// The nearest key of that section.
        suggestion: Option<String>,
    },
    /// A key that another section has.
    #[error("{place}: \"{key}\" stands {}", within(section))]
    OtherSection {
        /// Where the key stands.
        place: Place,
        /// The key.
        key: String,
        /// Where it should; empty at the top level.
        section: &'static str,
    },
    /// A key that no section has.
    #[error("{place}: unknown key \"{key}\"{}", did_you_mean(suggestion.as_deref()))]
    NoKey {
        /// Where the key stands.
        place: Place,
        /// The key.
        key: String,
        /// The nearest key.
        suggestion: Option<String>,
    },
    /// A point of a sweep whose values do not fit each other.
    #[error("{place}: at {point}: {}", error.words())]
    Point {
        /// Where the sweep stands.
        place: Place,
        /// The values.
        point: String,
        /// What is wrong then.
        error: Box<ScenarioError>,
    },
    /// What is to change at a tick is how the run begins.
    #[error(
        "{key} cannot be different from tick {at} on: the run begins with it. What agents look at can, \
         such as rates and what they need, and how many steps there are"
    )]
    Beginning {
        /// The tick.
        at: u64,
        /// The key.
        key: String,
    },
    /// What is to change lies behind the end.
    #[error("nothing can be different from tick {at} on: the run is over with tick {ticks}")]
    Over {
        /// The tick.
        at: u64,
        /// The run has so many, at most.
        ticks: u64,
    },
    /// A key that several sections have, without one of them.
    #[error("{place}: \"{key}\" is a key of several sections: write {}", sections.join(" or "))]
    Ambiguous {
        /// Where the key stands.
        place: Place,
        /// The key.
        key: String,
        /// The key with each of them.
        sections: Vec<String>,
    },
    /// A key of another network than the one that is named.
    #[error(
        "{place}: \"{key}\" is a key of the network \"{of}\", and the network is \"{network}\""
    )]
    OtherNetwork {
        /// Where the key stands.
        place: Place,
        /// The key.
        key: String,
        /// The network that has it.
        of: &'static str,
        /// The network that is named.
        network: String,
    },
    /// A value of another type than the key has.
    #[error("{place}: {key}: {message}")]
    WrongType {
        /// Where the value stands.
        place: Place,
        /// The key with its section; empty when it has none.
        key: String,
        /// What the TOML parser says.
        message: String,
    },
    /// A value outside its range.
    #[error("{place}: {key} is {value}; allowed is {allowed}")]
    OutOfRange {
        /// Where the value stands; where its section or the text begins if it is a default.
        place: Place,
        /// The key with its section.
        key: Cow<'static, str>,
        /// The value.
        value: String,
        /// What the key may be.
        allowed: Cow<'static, str>,
    },
    /// A model or generator that does not exist.
    #[error("{place}: {key} \"{name}\" does not exist{}", one_of(known, suggestion))]
    UnknownName {
        /// Where the name stands.
        place: Place,
        /// The key with its section.
        key: &'static str,
        /// The name.
        name: String,
        /// The nearest name.
        suggestion: Option<&'static str>,
        /// All names.
        known: &'static [&'static str],
    },
    /// A key that has no meaning beside `space.file`.
    #[error(
        "{place}: {key} has no meaning beside space.file: the file holds the contacts; remove one of them"
    )]
    Conflict {
        /// Where the key stands.
        place: Place,
        /// The key with its section.
        key: String,
    },
    /// A key that has no default.
    #[error("{place}: {key} is missing; write for example {example}")]
    Missing {
        /// Where its section begins; the first line if there is none.
        place: Place,
        /// The key with its section.
        key: &'static str,
        /// How to write it.
        example: &'static str,
    },
}

impl ScenarioError {
    /// The same, told of another place.
    #[must_use]
    pub(crate) fn moved(mut self, to: Place) -> ScenarioError {
        if let Some(place) = self.place_mut() {
            *place = to;
        }
        self
    }

    fn place_mut(&mut self) -> Option<&mut Place> {
        match self {
            Self::TooLong { .. } | Self::Beginning { .. } | Self::Over { .. } => None,
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::NoKey { place, .. }
            | Self::Point { place, .. }
            | Self::OtherSection { place, .. }
            | Self::Ambiguous { place, .. }
            | Self::OtherNetwork { place, .. }
            | Self::WrongType { place, .. }
            | Self::OutOfRange { place, .. }
            | Self::UnknownName { place, .. }
            | Self::Conflict { place, .. }
            | Self::Missing { place, .. } => Some(place),
        }
    }

    /// What is wrong, without a place: for a value that stands in no file.
    pub fn words(&self) -> String {
        let told = self.to_string();
        let place = self.clone().place_mut().map(|place| format!("{place}: "));
        let without = place.and_then(|place| told.strip_prefix(place.as_str()).map(str::to_owned));
        without.unwrap_or(told)
    }
}

fn within(section: &str) -> String {
    if section.is_empty() {
        return "at the top level".to_owned();
    }
    format!("in [{section}]")
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or(String::new(), |name| format!("; did you mean \"{name}\"?"))
}

fn one_of(known: &[&str], suggestion: &Option<&str>) -> String {
    match suggestion {
        Some(_) => did_you_mean(*suggestion),
        None => format!("; there is \"{}\"", known.join("\", \"")),
    }
}
