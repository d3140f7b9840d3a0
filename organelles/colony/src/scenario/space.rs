//! `[space]`: who meets whom, from a contact file or from a generator.

use serde::{Deserialize, Serialize};

use crate::network::ActivityDriven;

/// Names of the generators.
pub(super) const GENERATOR_NAMES: [&str; 1] = ["activity-driven"];

/// Where the contacts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Keys", into = "Keys")]
pub enum Space {
    /// `file`: the path of a contact file, relative to the scenario file.
    File(String),
    /// `generator = "activity-driven"` and its parameters.
    ActivityDriven(ActivityDriven),
}

impl Default for Space {
    fn default() -> Self {
        Self::ActivityDriven(DEFAULT)
    }
}

/// The parameters of the built-in scenario.
const DEFAULT: ActivityDriven = ActivityDriven {
    contacts: 150_000,
    contacts_per_activation: 1,
    exponent: 2.1,
    smallest_potential: 0.001,
    activity_scale: 1.0,
};

/// The section as it is written. Names and conflicts are checked before, where the lines are
/// known.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts_per_activation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exponent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_potential: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activity_scale: Option<f64>,
}

impl From<Keys> for Space {
    fn from(keys: Keys) -> Self {
        if let Some(file) = keys.file {
            return Self::File(file);
        }
        Self::ActivityDriven(ActivityDriven {
            contacts: keys.contacts.unwrap_or(DEFAULT.contacts),
            contacts_per_activation: keys
                .contacts_per_activation
                .unwrap_or(DEFAULT.contacts_per_activation),
            exponent: keys.exponent.unwrap_or(DEFAULT.exponent),
            smallest_potential: keys.smallest_potential.unwrap_or(DEFAULT.smallest_potential),
            activity_scale: keys.activity_scale.unwrap_or(DEFAULT.activity_scale),
        })
    }
}

impl From<Space> for Keys {
    fn from(space: Space) -> Self {
        match space {
            Space::File(file) => Self { file: Some(file), ..Self::default() },
            Space::ActivityDriven(parameters) => Self {
                file: None,
                generator: Some("activity-driven".to_owned()),
                contacts: Some(parameters.contacts),
                contacts_per_activation: Some(parameters.contacts_per_activation),
                exponent: Some(parameters.exponent),
                smallest_potential: Some(parameters.smallest_potential),
                activity_scale: Some(parameters.activity_scale),
            },
        }
    }
}
