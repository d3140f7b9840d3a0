//! Where the keys of a scenario's text stand, and whether they stand where they belong.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::sections::{self, SECTIONS, Unknown};
use crate::models::parameter::Wrong;
use crate::models::{Parameter, networks};
use crate::names::nearest;
use crate::scenario::{Place, ScenarioError};

/// Where a text begins.
pub(super) const BEGINNING: Place = Place { line: 1, column: 1 };

/// A key in the text.
struct Entry {
    /// With its sections; a number for each table of a list.
    path: String,
    key: Range<usize>,
    value: Range<usize>,
    /// Where the items of a list begin.
    items: Vec<usize>,
}

/// Where the keys of a text stand.
pub(super) struct Places<'a> {
    text: &'a str,
    /// In the order of the text.
    entries: Vec<Entry>,
}

/// What the TOML parser says, with its place.
pub(super) fn syntax(text: &str, error: &toml::de::Error) -> ScenarioError {
    let at = error.span().map_or(0, |span| span.start);
    let message = error.message().trim().to_owned();
    ScenarioError::Syntax { place: Place::of(text, at), message }
}

impl<'a> Places<'a> {
    pub(super) fn read(text: &'a str) -> Result<Places<'a>, ScenarioError> {
        let table = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
        let mut places = Places { text, entries: Vec::new() };
        places.walk("", table.get_ref());
        // The map is sorted by key; what is told first is what stands first in the text.
        places.entries.sort_by_key(|entry| entry.key.start);
        Ok(places)
    }

    fn walk(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let path = if section.is_empty() { name.into() } else { format!("{section}.{name}") };
            let list = value.get_ref().as_array();
            let items = list.into_iter().flat_map(|list| list.iter());
            self.entries.push(Entry {
                path: path.clone(),
                key: key.span(),
                value: value.span(),
                items: items.clone().map(|item| item.span().start).collect(),
            });
            match value.get_ref() {
                DeValue::Table(inner) => self.walk(&path, inner),
                DeValue::Array(_) => {
                    for (number, item) in items.enumerate() {
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.walk(&format!("{path}.{number}"), inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn find(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    fn place(&self, byte: usize) -> Place {
        Place::of(self.text, byte)
    }

    /// Where a key's value stands; of one that is left out where its section begins.
    pub(super) fn of(&self, path: &str) -> Place {
        let section = path.rsplit_once('.').map_or("", |(section, _)| section);
        match (self.find(path), self.find(section)) {
            (Some(entry), _) => self.place(entry.value.start),
            (None, Some(section)) => self.place(section.key.start),
            (None, None) => BEGINNING,
        }
    }

    /// Where a key stands.
    pub(super) fn key_of(&self, path: &str) -> Place {
        self.find(path).map_or(BEGINNING, |entry| self.place(entry.key.start))
    }

    /// Where an item of a list stands.
    pub(super) fn of_item(&self, path: &str, number: usize) -> Place {
        let item = self.find(path).and_then(|entry| entry.items.get(number));
        item.map_or_else(|| self.of(path), |byte| self.place(*byte))
    }

    /// The keys below a section that hold no further ones, in the order of the text.
    pub(super) fn below(&self, section: &str) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter_map(move |entry| entry.path.strip_prefix(section)?.strip_prefix('.'))
    }

    /// A value that is wrong in itself.
    pub(super) fn wrong(&self, path: &str, message: &str) -> ScenarioError {
        let (place, key) = (self.of(path), path.to_owned());
        ScenarioError::WrongType { place, key, message: message.to_owned() }
    }

    /// A value of a key, which stands at a path.
    pub(super) fn at(&self, path: &str, key: &str, wrong: Wrong) -> ScenarioError {
        wrong_at(self.of(path), key, wrong)
    }

    /// A value of the key that is told.
    pub(super) fn out_of_range(&self, wrong: Wrong) -> ScenarioError {
        match wrong {
            Wrong::Range(range) => {
                wrong_at(self.of(&range.key), &range.key.clone(), Wrong::Range(range))
            }
            wrong @ Wrong::Type(_) => wrong_at(BEGINNING, "", wrong),
        }
    }

    /// Refuses a key that is none, that stands elsewhere, or that belongs to another network, and a value
    /// that is not of its type or range: the first in the text.
    pub(super) fn check(&self, keys: &[Parameter], given: &Table) -> Result<(), ScenarioError> {
        let no_space = Table::new();
        let space = given.get("space").and_then(Value::as_table).unwrap_or(&no_space);
        let network = space.get("network").cloned().or_else(|| {
            keys.iter().find(|key| key.name == "network").and_then(|key| key.default.clone())
        });
        let named = network.map(|network| ("network".to_owned(), network));
        let named = Table::from_iter(named);
        for Entry { path, key, value, .. } in &self.entries {
            let (section, name) = path.split_once('.').unwrap_or(("", path));
            // What is below these is looked at by themselves.
            if name.contains('.') || ["authority", "sweep", "changes"].contains(&section) {
                continue;
            }
            if section.is_empty() && SECTIONS.contains(&name) {
                let is_table = given.get(name).is_some_and(Value::is_table);
                if !is_table && name != "changes" {
                    let message = format!("expected a section, [{name}]");
                    return Err(self.wrong(name, &message));
                }
                continue;
            }
            if (section, name) == ("model", "name") {
                continue;
            }
            let Some(own) = keys.iter().find(|own| (own.section, own.name) == (section, name))
            else {
                return Err(unknown(keys, (section, name), self.place(key.start)));
            };
            if !networks::is_of(own, &named) {
                return Err(ScenarioError::OtherNetwork {
                    place: self.place(key.start),
                    key: name.to_owned(),
                    of: own.network.unwrap_or_default(),
                    network: named.get("network").and_then(Value::as_str).unwrap_or("").into(),
                });
            }
            let table = if section.is_empty() {
                Some(given)
            } else {
                given.get(section).and_then(Value::as_table)
            };
            if let Some(found) = table.and_then(|table| table.get(name)) {
                own.check(found).map_err(|wrong| wrong_at(self.place(value.start), path, wrong))?;
            }
        }
        Ok(())
    }
}

fn wrong_at(place: Place, key: &str, wrong: Wrong) -> ScenarioError {
    match wrong {
        Wrong::Type(message) => ScenarioError::WrongType { place, key: key.to_owned(), message },
        Wrong::Range(range) => ScenarioError::OutOfRange {
            place,
            key: range.key,
            value: range.value,
            allowed: range.allowed,
        },
    }
}

/// A key that its section does not have.
fn unknown(keys: &[Parameter], (section, name): (&str, &str), place: Place) -> ScenarioError {
    if (section, name) != ("", "name") {
        match sections::find(keys, name) {
            Ok(own) => return Unknown::Elsewhere(own.section).at(place, name),
            Err(several @ Unknown::Several(_)) => return several.at(place, name),
            Err(_) => {}
        }
    }
    let Some(section) = ["", "name"].into_iter().chain(SECTIONS).find(|own| *own == section) else {
        // The section itself is told before.
        return Unknown::Nowhere(None).at(place, name);
    };
    let own = keys.iter().filter(|key| key.section == section).map(|key| key.name);
    let beside: &[&str] = match section {
        "" => &SECTIONS,
        "model" => &["name"],
        _ => &[],
    };
    let near = nearest(name, own.chain(beside.iter().copied()), 1);
    ScenarioError::UnknownKey {
        place,
        key: name.to_owned(),
        section,
        suggestion: near.first().map(|near| (*near).to_owned()),
    }
}
