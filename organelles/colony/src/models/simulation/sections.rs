//! The keys that the scenarios of all models have, and how a key is found without its section.

use std::borrow::Cow;

use karyon::Limits;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::models::{Allowed, Parameter};
use crate::names::nearest;
use crate::scenario::{GUARDIAN_KEYS, Place, ScenarioError};

/// The largest whole number of TOML.
const MOST: u64 = i64::MAX as u64;

/// Conditions of `schedule.until`, at most: a list for people.
const UNTIL_MAX: usize = 100;

/// `[collect]`: how often it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Collect {
    /// Steps, rounds or units of time between rows of the series, 1 to 1,000,000.
    pub every: u32,
}

impl Default for Collect {
    fn default() -> Collect {
        Collect { every: 1 }
    }
}

/// `[limits]`: bounds that are others than the model's own; `None`: as the model has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Outputs of one step, 1 to 65,536.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs_per_step: Option<u64>,
    /// Messages for one agent in one tick, 1 to 4,294,967,295.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_tick: Option<u64>,
    /// Bytes of the log for the outputs of one agent, 1 to 9,223,372,036,854,775,807.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes_per_lease: Option<u64>,
}

impl Bounds {
    pub(super) fn is_none(&self) -> bool {
        *self == Bounds::default()
    }

    /// The model's own, where nothing else is said.
    pub(super) fn over(&self, own: Limits) -> Limits {
        Limits {
            outputs_per_step: self.outputs_per_step.unwrap_or(own.outputs_per_step),
            messages_per_tick: self.messages_per_tick.unwrap_or(own.messages_per_tick),
            log_bytes_per_lease: self.log_bytes_per_lease.unwrap_or(own.log_bytes_per_lease),
            ..own
        }
    }
}

/// The sections and what they hold, in the order in which a scenario is written.
pub(super) const SECTIONS: [&str; 12] = [
    "model",
    "population",
    "space",
    "schedule",
    "collect",
    "supervision",
    "chaos",
    "limits",
    "authority",
    "guardian",
    "sweep",
    "changes",
];

/// The keys that the scenarios of all models have.
pub(super) fn keys() -> Vec<Parameter> {
    let key = |section, name, meaning: &'static str, allowed, default: Option<Value>| Parameter {
        section,
        name,
        meaning: meaning.into(),
        allowed,
        default,
        network: None,
    };
    let whole = Allowed::Whole;
    let limit = "A limit of the guardian that is tighter for this run than the machine's.";
    let mut keys = vec![
        key("", "seed", "All that is drawn follows from it.", whole(0, MOST), Some(Value::from(1))),
        key(
            "schedule",
            "until",
            "The run ends behind the first tick whose measures hold one of these, such as \
             \"wolves < 1\": a measure or tick, one of < <= == >= >, and a number.",
            Allowed::Texts(UNTIL_MAX),
            None,
        ),
        key(
            "collect",
            "every",
            "Steps, rounds or units of time between two rows of the series.",
            whole(1, 1_000_000),
            Some(Value::from(1)),
        ),
        key(
            "supervision",
            "intensity",
            "Restarts within the period before the supervisor gives up.",
            whole(0, u32::MAX as u64),
            Some(Value::from(50_000)),
        ),
        key(
            "supervision",
            "period_ticks",
            "The period.",
            whole(1, 1_000_000),
            Some(Value::from(10)),
        ),
        key(
            "chaos",
            "probability",
            "Probability that an attempt of a step crashes on purpose.",
            Allowed::Below(0.0, 1.0),
            Some(Value::from(0.0)),
        ),
        key(
            "limits",
            "outputs_per_step",
            "Outputs of one step; one more ends the run. As the model needs, if it is not said.",
            whole(1, 65_536),
            None,
        ),
        key(
            "limits",
            "messages_per_tick",
            "Messages for one agent in one tick; one more ends the run. As the model needs, if it \
             is not said.",
            whole(1, u32::MAX as u64),
            None,
        ),
        key(
            "limits",
            "log_bytes_per_lease",
            "Bytes of the log for the outputs of one agent; what is beyond is denied. No bound, if \
             it is not said.",
            whole(1, MOST),
            None,
        ),
    ];
    keys.extend(GUARDIAN_KEYS.map(|name| Parameter {
        section: "guardian",
        name,
        meaning: Cow::Borrowed(limit),
        allowed: whole(0, MOST),
        default: None,
        network: None,
    }));
    keys
}

/// Why a key means nothing.
pub(super) enum Unknown {
    /// No section has it; the nearest.
    Nowhere(Option<String>),
    /// It stands in another section.
    Elsewhere(&'static str),
    /// Several sections have it.
    Several(Vec<String>),
}

impl Unknown {
    pub(super) fn at(self, place: Place, key: &str) -> ScenarioError {
        let key = key.to_owned();
        match self {
            Unknown::Nowhere(suggestion) => ScenarioError::NoKey { place, key, suggestion },
            Unknown::Elsewhere(section) => {
                let key = key.rsplit('.').next().unwrap_or_default().to_owned();
                ScenarioError::OtherSection { place, key, section }
            }
            Unknown::Several(sections) => ScenarioError::Ambiguous { place, key, sections },
        }
    }
}

/// The key that is meant: with its section in front, or without, if one section alone has it.
pub(super) fn find<'a>(keys: &'a [Parameter], key: &str) -> Result<&'a Parameter, Unknown> {
    if let Some(found) = keys.iter().find(|own| own.key() == key) {
        return Ok(found);
    }
    let (section, name) = key.rsplit_once('.').map_or((None, key), |(s, name)| (Some(s), name));
    let same: Vec<_> = keys.iter().filter(|own| own.name == name).collect();
    match (same.as_slice(), section) {
        ([one], None) => Ok(one),
        ([one, ..], Some(_)) => Err(Unknown::Elsewhere(one.section)),
        ([], _) => {
            let full: Vec<String> = keys.iter().map(Parameter::key).collect();
            let near = match section {
                Some(_) => nearest(key, full.iter().map(String::as_str), 1),
                None => nearest(key, keys.iter().map(|own| own.name), 1),
            };
            Err(Unknown::Nowhere(near.first().map(|near| (*near).to_owned())))
        }
        (several, None) => Err(Unknown::Several(several.iter().map(|own| own.key()).collect())),
    }
}
