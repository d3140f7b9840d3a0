//! `[[changes]]`: what has other values from a tick on.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::places::Places;
use super::{Change, OF_MODELS, sections};
use crate::models::{Allowed, Parameter};
use crate::network::OutOfRange;
use crate::scenario::{MAX_CHANGES, ScenarioError};

/// Other values from a tick on: the same past, another future.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Later {
    /// The first tick that has them.
    pub at: u64,
    /// The keys, with their sections or without, and their values.
    pub set: Table,
}

impl Later {
    /// The values one by one.
    pub fn changes(&self) -> Vec<Change> {
        let leaves = leaves("", &self.set).into_iter();
        leaves.map(|(key, value)| Change { key, value: value.to_string() }).collect()
    }
}

/// The keys of a table and of the tables in it, with those in front.
pub(super) fn leaves<'a>(section: &str, table: &'a Table) -> Vec<(String, &'a Value)> {
    let key = |name: &str| match section {
        "" => name.to_owned(),
        section => format!("{section}.{name}"),
    };
    table
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Table(inner) => leaves(&key(name), inner),
            value => vec![(key(name), value)],
        })
        .collect()
}

/// Whether each entry has a tick and values that are in their ranges; whether they fit each other is
/// looked at later.
pub(super) fn check(
    keys: &[Parameter],
    given: &Table,
    places: &Places<'_>,
) -> Result<(), ScenarioError> {
    let Some(changes) = given.get("changes") else { return Ok(()) };
    let tables = changes.as_array().filter(|list| list.iter().all(Value::is_table));
    let Some(changes) = tables else {
        return Err(places.wrong("changes", "expected [[changes]], each with at and set"));
    };
    let shown = format!("{} entries", changes.len());
    OutOfRange::unless(changes.len() <= MAX_CHANGES, "changes", shown, "at most 1,000 entries")
        .map_err(|wrong| places.out_of_range(crate::models::parameter::Wrong::Range(wrong)))?;
    let at = Parameter {
        section: "changes",
        name: "at",
        meaning: "".into(),
        allowed: Allowed::Whole(0, i64::MAX as u64),
        default: None,
        network: None,
    };
    for (number, entry) in changes.iter().filter_map(Value::as_table).enumerate() {
        let path = format!("changes.{number}");
        if let Some(name) = entry.keys().find(|name| !["at", "set"].contains(&name.as_str())) {
            return Err(ScenarioError::UnknownKey {
                place: places.key_of(&format!("{path}.{name}")),
                key: name.clone(),
                section: "changes",
                suggestion: crate::names::nearest(name, ["at", "set"], 1)
                    .first()
                    .map(|near| (*near).to_owned()),
            });
        }
        let place = places.of_item("changes", number);
        let Some(tick) = entry.get("at") else {
            return Err(ScenarioError::Missing { place, key: "changes.at", example: "at = 50" });
        };
        at.check(tick).map_err(|wrong| places.at(&format!("{path}.at"), "changes.at", wrong))?;
        let set = match entry.get("set") {
            Some(Value::Table(set)) if !set.is_empty() => set,
            Some(Value::Table(_)) | None => {
                let example = "set = { need = 4 }";
                return Err(ScenarioError::Missing { place, key: "changes.set", example });
            }
            Some(_) => {
                let key = format!("{path}.set");
                return Err(places.wrong(&key, "expected keys with values, as { need = 4 }"));
            }
        };
        for (key, value) in leaves("", set) {
            let path = format!("{path}.set.{key}");
            let own = sections::find(keys, &key)
                .map_err(|unknown| unknown.at(places.key_of(&path), &key))?;
            if !OF_MODELS.contains(&own.section) || own.name == "until" {
                return Err(places.wrong(
                    &path,
                    "it cannot change while a run goes on; what can are the keys of the model in \
                     [model], [population], [space] and [schedule]",
                ));
            }
            own.check(value).map_err(|wrong| places.at(&path, &own.key(), wrong))?;
        }
    }
    Ok(())
}
