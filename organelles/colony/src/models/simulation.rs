//! A model with its parameters, out of a scenario.

#[cfg(test)]
#[path = "simulation_tests.rs"]
mod tests;

use std::collections::BTreeMap;

use karyon::Run;
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{
    Model, fire, flocking, gossip, maki_thompson, moran, schelling, sir, sir_events, wealth,
    wolf_sheep,
};
use crate::names::nearest;
use crate::network::OutOfRange;
use crate::scenario::{
    Chaos, GUARDIAN_KEYS, MAX_SCENARIO_BYTES, Place, ScenarioError, Supervision,
};

/// A model that a scenario can name.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// What is measured.
    pub measures: &'static [&'static str],
    /// The parameters with their defaults.
    defaults: fn() -> Table,
    /// Reads parameters, all of them known; with defaults for those that are left out.
    read: fn(Table) -> Result<Made, toml::de::Error>,
}

/// Parameters that were read.
struct Made {
    /// All of them.
    parameters: Table,
    check: Result<(), OutOfRange>,
    build: Box<dyn Fn(u64) -> Run>,
}

const fn known<M: Model + 'static>() -> Known {
    Known {
        name: M::NAME,
        about: M::ABOUT,
        measures: M::MEASURES,
        defaults: || table(&M::default()),
        read: |given| {
            let model: M = Value::Table(given).try_into()?;
            let (parameters, check) = (table(&model), model.check());
            Ok(Made { parameters, check, build: Box::new(move |seed| model.build(seed)) })
        },
    }
}

fn table<T: Serialize>(plain: &T) -> Table {
    Table::try_from(plain).unwrap_or_default()
}

/// All models that a scenario can name, but for the rumour.
pub const MODELS: &[Known] = &[
    known::<fire::Parameters>(),
    known::<flocking::Parameters>(),
    known::<gossip::Parameters>(),
    known::<maki_thompson::Parameters>(),
    known::<moran::Parameters>(),
    known::<schelling::Parameters>(),
    known::<sir::Parameters>(),
    known::<sir_events::Parameters>(),
    known::<wealth::Parameters>(),
    known::<wolf_sheep::Parameters>(),
];

fn model_of(name: &str) -> Option<&'static Known> {
    MODELS.iter().find(|known| known.name == name)
}

/// The text of the scenario that is built in under a model's name: its defaults.
pub fn builtin(name: &str) -> Option<String> {
    let known = model_of(name)?;
    let model = Table::from_iter([("name".to_owned(), Value::String(known.name.into()))]);
    let simulation = Simulation { model, ..Simulation::default() };
    Some(simulation.with_defaults(known).to_toml())
}

/// A change of one value: `model.need` to a text as it stands in TOML, or `need` for short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A scenario of a model: which, its parameters, and how it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Simulation {
    /// All random numbers follow from it: 0 to 9,223,372,036,854,775,807.
    pub seed: u64,
    /// The name of the model, and its parameters.
    model: Table,
    /// How many restarts the supervisor allows.
    pub supervision: Supervision,
    /// Crashes on purpose.
    pub chaos: Chaos,
    /// Limits of the guardian that are tighter for this run than the machine's.
    pub guardian: BTreeMap<String, u64>,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation {
            seed: 1,
            model: Table::new(),
            supervision: Supervision::default(),
            chaos: Chaos::default(),
            guardian: BTreeMap::new(),
        }
    }
}

/// The sections beside `[model]`, and their keys; the first stands for the top level.
const SECTIONS: [(&str, &[&str]); 4] = [
    ("", &["seed", "model", "supervision", "chaos", "guardian"]),
    ("supervision", &["intensity", "period_ticks"]),
    ("chaos", &["probability"]),
    ("guardian", &GUARDIAN_KEYS),
];

impl Simulation {
    /// Whether a text names another model than the rumour. What is wrong with it is told by
    /// [`Simulation::parse`].
    pub fn is_of(text: &str) -> bool {
        let table = text.parse::<Table>().ok();
        let name = table.as_ref().and_then(|table| table.get("model")?.get("name")?.as_str());
        name.is_some_and(|name| !crate::scenario::MODEL_NAMES.contains(&name))
    }

    /// Reads and checks a scenario.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column; see [`ScenarioError`].
    pub fn parse(text: &str) -> Result<Simulation, ScenarioError> {
        if text.len() > MAX_SCENARIO_BYTES {
            return Err(ScenarioError::TooLong { size_bytes: text.len() });
        }
        let places = Places::read(text)?;
        let known = known_in(text, &places)?;
        places.check_keys(known)?;
        let simulation: Simulation =
            toml::from_str(text).map_err(|error| places.wrong_type(text, &error))?;
        let simulation = simulation.with_defaults(known);
        simulation.check(known).map_err(|error| match error {
            Wrong::Range(OutOfRange { key, value, allowed }) => {
                let place = places.of(key);
                ScenarioError::OutOfRange { place, key, value, allowed }
            }
            Wrong::Type(key, message) => {
                ScenarioError::WrongType { place: places.of(&key), key, message }
            }
        })?;
        Ok(simulation)
    }

    /// The same with other values.
    ///
    /// # Errors
    /// As [`Simulation::parse`]; places are those of the scenario as [`Simulation::to_toml`] writes it.
    pub fn with(&self, changes: &[Change]) -> Result<Simulation, ScenarioError> {
        let mut table = table(self);
        for Change { key, value } in changes {
            let text = format!("value = {value}");
            let read = text.parse::<Table>().ok().and_then(|mut read| read.remove("value"));
            // What is no TOML is a text.
            let value = read.unwrap_or_else(|| Value::String(value.clone()));
            let (section, name) = match key.rsplit_once('.') {
                Some((section, name)) => (Some(section), name),
                None if key == "seed" => (None, key.as_str()),
                None => (Some("model"), key.as_str()),
            };
            match section {
                None => drop(table.insert(name.into(), value)),
                Some(section) => {
                    let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
                    if let Value::Table(inner) = inner {
                        inner.insert(name.into(), value);
                    }
                }
            }
        }
        Simulation::parse(&toml::to_string(&table).unwrap_or_default())
    }

    /// The name of its model.
    pub fn name(&self) -> &str {
        self.model.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// What is measured.
    pub fn measures(&self) -> &'static [&'static str] {
        model_of(self.name()).map_or(&[], |known| known.measures)
    }

    /// The scenario as TOML, all defaults written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// The run that it is; `None` for one that was not checked.
    pub fn build(&self) -> Option<Run> {
        let made = self.made(model_of(self.name())?).ok()?;
        let mut run = (made.build)(self.seed);
        let Supervision { intensity, period_ticks } = self.supervision;
        run.seed(self.seed).chaos(self.chaos.probability);
        run.intensity(intensity.into(), period_ticks.into());
        run.made_from(&self.to_toml());
        Some(run)
    }

    fn made(&self, known: &Known) -> Result<Made, toml::de::Error> {
        let mut parameters = self.model.clone();
        parameters.remove("name");
        (known.read)(parameters)
    }

    fn with_defaults(mut self, known: &Known) -> Simulation {
        for (key, value) in (known.defaults)() {
            self.model.entry(key).or_insert(value);
        }
        // As the model writes them: 5 for a number that may be 5.5 is 5.0.
        if let Ok(Made { parameters, .. }) = self.made(known) {
            self.model.extend(parameters);
        }
        self
    }

    /// Which parameter it is that has another type: the first without which the others can be read.
    fn wrong_type(&self, known: &Known, error: &toml::de::Error) -> Wrong {
        let defaults = (known.defaults)();
        let is_wrong = |key: &&String| {
            let mut alone = defaults.clone();
            alone.extend(self.model.get(*key).map(|value| ((*key).clone(), value.clone())));
            (known.read)(alone).is_err()
        };
        let key = self.model.keys().filter(|key| *key != "name").find(is_wrong);
        let key = key.map_or("model".to_owned(), |key| format!("model.{key}"));
        Wrong::Type(key, error.message().trim().into())
    }

    fn check(&self, known: &Known) -> Result<(), Wrong> {
        let made = self.made(known).map_err(|error| self.wrong_type(known, &error))?;
        made.check.map_err(Wrong::Range)?;
        let fits = i64::try_from(self.seed).is_ok();
        let allowed = "0 to 9,223,372,036,854,775,807";
        OutOfRange::unless(fits, "seed", self.seed, allowed).map_err(Wrong::Range)?;
        let Supervision { period_ticks, .. } = self.supervision;
        let fits = (1..=1_000_000).contains(&period_ticks);
        OutOfRange::unless(fits, "supervision.period_ticks", period_ticks, "1 to 1,000,000")
            .map_err(Wrong::Range)?;
        let probability = self.chaos.probability;
        let fits = (0.0..1.0).contains(&probability);
        OutOfRange::unless(fits, "chaos.probability", probability, "0 to below 1")
            .map_err(Wrong::Range)
    }
}

/// The model that a text names.
fn known_in(text: &str, places: &Places) -> Result<&'static Known, ScenarioError> {
    let table = text.parse::<Table>().unwrap_or_default();
    let Some(name) = table.get("model").and_then(|model| model.get("name")) else {
        let (place, key) = (places.of("model.name"), "model.name");
        return Err(ScenarioError::Missing { place, key, example: "name = \"schelling\"" });
    };
    let name = name.as_str().unwrap_or_default();
    model_of(name).ok_or_else(|| ScenarioError::UnknownName {
        place: places.of("model.name"),
        key: "model.name",
        name: name.to_owned(),
        suggestion: nearest(name, MODEL_NAMES.iter().copied(), 1).first().copied(),
        known: MODEL_NAMES,
    })
}

/// The names of [`MODELS`], and of the rumour.
const MODEL_NAMES: &[&str] = &{
    let mut names = ["rumour"; MODELS.len() + 1];
    let mut at = 0;
    while at < MODELS.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        {
            names[at] = MODELS[at].name;
        }
        at += 1;
    }
    names
};

enum Wrong {
    Range(OutOfRange),
    /// Which key, and what the TOML parser says.
    Type(String, String),
}

/// Where the keys of a text stand.
struct Places {
    /// Keys with their sections, where each begins and where its value does.
    keys: Vec<(String, Place, Place)>,
}

impl Places {
    fn read(text: &str) -> Result<Places, ScenarioError> {
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().trim().to_owned();
            ScenarioError::Syntax { place: Place::of(text, at), message }
        })?;
        let mut places = Places { keys: Vec::new() };
        places.walk(text, "", table.get_ref());
        Ok(places)
    }

    fn walk(&mut self, text: &str, section: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let path = if section.is_empty() { name.into() } else { format!("{section}.{name}") };
            self.note(text, &path, key, value);
            if let DeValue::Table(inner) = value.get_ref() {
                self.walk(text, &path, inner);
            }
        }
        self.keys.sort_by_key(|(_, place, _)| (place.line, place.column));
    }

    fn note<K>(&mut self, text: &str, path: &str, key: &Spanned<K>, value: &Spanned<DeValue<'_>>) {
        let (key, value) = (key.span().start, value.span().start);
        self.keys.push((path.into(), Place::of(text, key), Place::of(text, value)));
    }

    /// Where a key's value stands; of one that is left out where its section begins.
    fn of(&self, key: &str) -> Place {
        let find = |key: &str| self.keys.iter().find(|(path, ..)| path == key);
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        match (find(key), find(section)) {
            (Some((.., value)), _) => *value,
            (None, Some((_, place, _))) => *place,
            (None, None) => Place { line: 1, column: 1 },
        }
    }

    /// Refuses a key that no section has, or not this one.
    fn check_keys(&self, known: &Known) -> Result<(), ScenarioError> {
        let parameters = (known.defaults)();
        for (path, place, _) in &self.keys {
            let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
            let (is_known, suggestion) = if section == "model" {
                let names = || parameters.keys().map(String::as_str).chain(["name"]);
                let near = nearest(name, names(), 1).first().map(|near| (*near).to_owned());
                (names().any(|own| own == name), near)
            } else {
                let own = SECTIONS.iter().find(|(own, _)| *own == section);
                let own = own.map_or(&[] as &[&str], |(_, keys)| keys);
                let near = nearest(name, own.iter().copied(), 1).first().map(|n| (*n).to_owned());
                (own.contains(&name), near)
            };
            if !is_known {
                let section = SECTIONS.iter().map(|(own, _)| *own).find(|own| *own == section);
                return Err(ScenarioError::UnknownKey {
                    place: *place,
                    key: name.to_owned(),
                    section: section.unwrap_or("model"),
                    suggestion,
                });
            }
        }
        Ok(())
    }

    fn wrong_type(&self, text: &str, error: &toml::de::Error) -> ScenarioError {
        let message = error.message().trim().to_owned();
        let place = Place::of(text, error.span().map_or(0, |span| span.start));
        let before = |own: &Place| (own.line, own.column) <= (place.line, place.column);
        let key = self.keys.iter().rev().find(|(_, own, _)| before(own));
        let key = key.map_or(String::new(), |(path, ..)| path.clone());
        ScenarioError::WrongType { place, key, message }
    }
}
