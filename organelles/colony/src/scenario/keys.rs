//! The keys of a scenario text and their places: refuses unknown and conflicting ones, and finds
//! the line of a value that was refused later.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, ScenarioError};
use super::space::GENERATOR_NAMES;
use super::{GUARDIAN_KEYS, MODEL_NAMES, OutOfRange, Scenario};
use crate::names::nearest;

/// The sections and their keys; the first stands for the top level.
const SECTIONS: [(&str, &[&str]); 11] = [
    (
        "",
        &[
            "seed",
            "model",
            "population",
            "space",
            "authority",
            "supervision",
            "limits",
            "chaos",
            "guardian",
        ],
    ),
    ("model", &["name", "source"]),
    ("population", &["people"]),
    (
        "space",
        &[
            "file",
            "generator",
            "contacts",
            "contacts_per_activation",
            "exponent",
            "smallest_potential",
            "activity_scale",
        ],
    ),
    ("authority", &["expires", "change"]),
    ("authority.expires", &["agent", "tick"]),
    ("authority.change", &["tick", "suspend", "resume", "revoke"]),
    ("supervision", &["intensity", "period_ticks"]),
    ("limits", &["outputs_per_step", "messages_per_tick", "log_bytes_per_lease"]),
    ("chaos", &["probability"]),
    ("guardian", &GUARDIAN_KEYS),
];

/// A known key in the text.
struct Entry {
    /// The key with its section, such as `space.file`.
    path: String,
    key: Range<usize>,
    value: Range<usize>,
    /// The value, if it is a text; else empty.
    text: String,
}

/// All keys of a text, in the order of the text; every one is known.
pub(super) struct Keys<'a> {
    text: &'a str,
    entries: Vec<Entry>,
}

impl<'a> Keys<'a> {
    /// Reads the keys, and refuses those that are unknown, missing or in conflict.
    pub(super) fn read(text: &'a str) -> Result<Self, ScenarioError> {
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().trim().to_owned();
            ScenarioError::Syntax { place: Place::of(text, at), message }
        })?;
        let mut keys = Self { text, entries: Vec::new() };
        keys.walk("", table.get_ref())?;
        keys.entries.sort_by_key(|entry| entry.key.start);
        keys.require("model", "[model] and below it name = \"rumour\"")?;
        keys.require("model.name", "name = \"rumour\"")?;
        keys.refuse_conflicts()?;
        Ok(keys)
    }

    /// Takes in the keys of a table; `section` names it in [`SECTIONS`].
    fn walk(&mut self, section: &'static str, table: &DeTable<'_>) -> Result<(), ScenarioError> {
        let known = SECTIONS.iter().find(|(name, _)| *name == section);
        let known = known.map_or(&[] as &[&str], |(_, keys)| keys);
        // The map is sorted by key; the first error is that which stands first in the text.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                return Err(ScenarioError::UnknownKey {
                    place: Place::of(self.text, key.span().start),
                    key: name.to_owned(),
                    section,
                    suggestion: nearest(name, known.iter().copied(), 1)
                        .first()
                        .map(|s| (*s).to_owned()),
                });
            }
            let path =
                if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            let inner = SECTIONS.iter().find(|(section, _)| *section == path);
            self.entries.push(Entry {
                path,
                key: key.span(),
                value: value.span(),
                text: value.get_ref().as_str().unwrap_or("").to_owned(),
            });
            if let Some((section, _)) = inner {
                self.walk_value(section, value)?;
            }
        }
        Ok(())
    }

    /// Takes in a section, or every table of a list of them; other values fail by their type.
    fn walk_value(
        &mut self,
        section: &'static str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ScenarioError> {
        match value.get_ref() {
            DeValue::Table(table) => self.walk(section, table),
            DeValue::Array(list) => list.iter().try_for_each(|item| self.walk_value(section, item)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => Ok(()),
        }
    }

    fn find(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    fn require(&self, path: &'static str, example: &'static str) -> Result<(), ScenarioError> {
        if self.find(path).is_some() {
            return Ok(());
        }
        Err(ScenarioError::Missing { place: self.place_of(path, ""), key: path, example })
    }

    /// A file leaves nothing to generate.
    fn refuse_conflicts(&self) -> Result<(), ScenarioError> {
        if self.find("space.file").is_none() {
            return Ok(());
        }
        let generated = |path: &str| {
            path == "population.people" || path.starts_with("space.") && path != "space.file"
        };
        match self.entries.iter().find(|entry| generated(&entry.path)) {
            Some(entry) => Err(ScenarioError::Conflict {
                place: Place::of(self.text, entry.key.start),
                key: entry.path.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Refuses a model or generator that does not exist.
    pub(super) fn check_names(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        self.known_name("model.name", &scenario.model.name, &MODEL_NAMES)?;
        match self.find("space.generator") {
            Some(entry) => self.known_name("space.generator", &entry.text, &GENERATOR_NAMES),
            None => Ok(()),
        }
    }

    fn known_name(
        &self,
        key: &'static str,
        name: &str,
        known: &'static [&'static str],
    ) -> Result<(), ScenarioError> {
        if known.contains(&name) {
            return Ok(());
        }
        Err(ScenarioError::UnknownName {
            place: self.place_of(key, name),
            key,
            name: name.to_owned(),
            suggestion: nearest(name, known.iter().copied(), 1).first().copied(),
            known,
        })
    }

    /// The place of a key's value: of several, that whose text is `value`. For a default, the
    /// place of its section; without one, the beginning.
    pub(super) fn place_of(&self, path: &str, value: &str) -> Place {
        let exact = self.entries.iter().find(|entry| {
            let shown = self.text.get(entry.value.clone());
            entry.path == path && (entry.text == value || shown == Some(value))
        });
        let section = path.rsplit_once('.').map_or("", |(section, _)| section);
        let at = exact
            .or_else(|| self.find(path))
            .map(|entry| entry.value.start)
            .or_else(|| self.find(section).map(|entry| entry.key.start));
        Place::of(self.text, at.unwrap_or(0))
    }

    /// Adds the place to a value out of its range.
    pub(super) fn out_of_range(&self, error: OutOfRange) -> ScenarioError {
        let OutOfRange { key, value, allowed } = error;
        ScenarioError::OutOfRange { place: self.place_of(&key, &value), key, value, allowed }
    }

    /// Adds place and key to a refusal of the TOML deserialiser.
    pub(super) fn wrong_type(&self, error: &toml::de::Error) -> ScenarioError {
        let message = error.message().trim().to_owned();
        let Some(span) = error.span() else {
            return ScenarioError::Syntax { place: Place::of(self.text, 0), message };
        };
        // The innermost value around the error, which is the one that starts last.
        let holder = self
            .entries
            .iter()
            .filter(|entry| entry.value.start <= span.start && span.end <= entry.value.end)
            .max_by_key(|entry| entry.value.start);
        let key = holder.map_or(String::new(), |entry| entry.path.clone());
        ScenarioError::WrongType { place: Place::of(self.text, span.start), key, message }
    }
}
