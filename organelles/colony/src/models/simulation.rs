//! A model with its parameters, out of a scenario.

mod authority;
#[cfg(test)]
mod broken_tests;
mod later;
mod places;
mod sections;
mod sweep;
#[cfg(test)]
mod tests;
mod until;

use std::collections::BTreeMap;

use karyon::{Run, RunError};
use serde::{Deserialize, Serialize};
use toml::de::DeTable;
use toml::{Table, Value};

pub use self::later::Later;
use self::places::Places;
pub use self::sections::{Bounds, Collect};
pub use self::sweep::{SWEEP_POINTS_MAX, Sweep};
use self::until::Until;
use super::parameter::Wrong;
use super::{
    Model, Parameter, fire, flocking, gossip, maki_thompson, moran, networks, schelling, sir,
    sir_events, table, wealth, wolf_sheep,
};
use crate::names::nearest;
use crate::network::OutOfRange;
use crate::scenario::{Authority, Chaos, MAX_SCENARIO_BYTES, ScenarioError, Supervision};

/// A model that a scenario can name.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// What is measured.
    pub measures: &'static [&'static str],
    /// Ticks of a unit of `[collect]`.
    pub unit: u64,
    /// What it depends on.
    pub parameters: fn() -> Vec<Parameter>,
    /// Reads parameters that are of their types and complete.
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
        unit: M::UNIT,
        parameters: M::parameters,
        read: |given| {
            let model: M = Value::Table(given).try_into()?;
            let (parameters, check) = (table(&model), model.check());
            Ok(Made { parameters, check, build: Box::new(move |seed| model.build(seed)) })
        },
    }
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

impl Known {
    /// The model of a name.
    pub fn of(name: &str) -> Option<&'static Known> {
        MODELS.iter().find(|known| known.name == name)
    }

    /// All keys of its scenarios, but for its name, and for what a sweep and changes hold.
    pub fn keys(&self) -> Vec<Parameter> {
        sections::keys().into_iter().chain((self.parameters)()).collect()
    }
}

/// The text of the scenario that is built in under a model's name: its defaults.
pub fn builtin(name: &str) -> Option<String> {
    let known = Known::of(name)?;
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
    /// The name of the model, and what its rules depend on.
    model: Table,
    /// How many there are of what, and how they are.
    #[serde(skip_serializing_if = "Table::is_empty")]
    population: Table,
    /// Where they are.
    #[serde(skip_serializing_if = "Table::is_empty")]
    space: Table,
    /// How long it goes on.
    #[serde(skip_serializing_if = "Table::is_empty")]
    schedule: Table,
    /// How often it is measured.
    pub collect: Collect,
    /// How many restarts the supervisor allows.
    pub supervision: Supervision,
    /// Crashes on purpose.
    pub chaos: Chaos,
    /// Bounds that are others than the model's own.
    #[serde(skip_serializing_if = "Bounds::is_none")]
    pub limits: Bounds,
    /// Whose authority ends or changes, by the names of agents.
    #[serde(skip_serializing_if = "Authority::is_empty")]
    pub authority: Authority,
    /// Limits of the guardian that are tighter for this run than the machine's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub guardian: BTreeMap<String, u64>,
    /// What has other values from a tick on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Later>,
    /// Which scenarios are made of this one; no part of what one run is made from.
    #[serde(skip)]
    pub sweep: Option<Sweep>,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation {
            seed: 1,
            model: Table::new(),
            population: Table::new(),
            space: Table::new(),
            schedule: Table::new(),
            collect: Collect::default(),
            supervision: Supervision::default(),
            chaos: Chaos::default(),
            limits: Bounds::default(),
            authority: Authority::default(),
            guardian: BTreeMap::new(),
            changes: Vec::new(),
            sweep: None,
        }
    }
}

/// The sections that a model's own keys stand in.
pub(super) const OF_MODELS: [&str; 4] = ["model", "population", "space", "schedule"];

impl Simulation {
    /// Whether a text names another model than the rumour. What is wrong with it is told by
    /// [`Simulation::parse`].
    pub fn is_of(text: &str) -> bool {
        // Not as values: a number that is too large for one makes it no other scenario.
        let table = DeTable::parse(text).ok();
        let model = table.as_ref().and_then(|table| table.get_ref().get("model"));
        let name = model.and_then(|model| model.get_ref().get("name"));
        let name = name.and_then(|name| name.get_ref().as_str());
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
        let mut given: Table = text.parse().map_err(|error| places::syntax(text, &error))?;
        let known = known_in(&given, &places)?;
        let keys = known.keys();
        places.check(&keys, &given)?;
        let swept = given.remove("sweep");
        later::check(&keys, &given, &places)?;
        authority::check(text, &places)?;
        let read = Value::Table(given).try_into::<Simulation>();
        let simulation = read.map_err(|error| places.wrong("", error.message().trim()))?;
        let mut simulation = simulation.with_defaults(known);
        simulation.check(known).map_err(|wrong| places.out_of_range(wrong))?;
        simulation.untils(known, &places)?;
        simulation.check_changes(&places)?;
        if let Some(Value::Table(swept)) = swept {
            simulation.sweep = sweep::read(&simulation, known, &swept, &places)?;
        }
        Ok(simulation)
    }

    /// The same with other values. Its sweep is the same.
    ///
    /// # Errors
    /// As [`Simulation::parse`]; places are those of the scenario as [`Simulation::to_toml`] writes it.
    pub fn with(&self, changes: &[Change]) -> Result<Simulation, ScenarioError> {
        let keys = Known::of(self.name()).map(Known::keys).unwrap_or_default();
        let mut all = table(self);
        let mut set = Vec::new();
        for Change { key, value } in changes {
            let value = value_of(value);
            match key.as_str() {
                "name" | "model.name" => {
                    // Another model has other parameters.
                    OF_MODELS.iter().for_each(|section| drop(all.remove(*section)));
                    let model = Table::from_iter([("name".to_owned(), value)]);
                    all.insert("model".into(), Value::Table(model));
                }
                key => {
                    let key = sections::find(&keys, key)
                        .map_err(|unknown| unknown.at(places::BEGINNING, key))?;
                    if (key.section, key.name) == ("space", "network") {
                        self.forget_networks(&keys, &mut all, &value);
                    }
                    set.push((key, value));
                }
            }
        }
        for (key, value) in set {
            let section = match key.section {
                "" => &mut all,
                section => {
                    let inner = all.entry(section).or_insert_with(|| Value::Table(Table::new()));
                    let Value::Table(inner) = inner else { continue };
                    inner
                }
            };
            section.insert(key.name.into(), value);
        }
        let changed = Simulation::parse(&toml::to_string(&all).unwrap_or_default())?;
        Ok(Simulation { sweep: self.sweep.clone(), ..changed })
    }

    /// The same with other values from a tick on. What changes later changes still.
    ///
    /// # Errors
    /// As [`Simulation::with`].
    pub fn forked(&self, at: u64, changes: &[Change]) -> Result<Simulation, ScenarioError> {
        let keys = Known::of(self.name()).map(Known::keys).unwrap_or_default();
        let mut set = Table::new();
        for Change { key, value } in changes {
            let own =
                sections::find(&keys, key).map_err(|unknown| unknown.at(places::BEGINNING, key))?;
            set.insert(own.name.into(), value_of(value));
        }
        let mut forked = Simulation { sweep: None, ..self.clone() };
        if !set.is_empty() {
            forked.changes.push(Later { at, set });
        }
        Simulation::parse(&forked.to_toml())
    }

    /// Leaves out what belongs to another network than this one.
    fn forget_networks(&self, keys: &[Parameter], all: &mut Table, network: &Value) {
        if let Some(Value::Table(space)) = all.get_mut("space") {
            let named = Table::from_iter([("network".to_owned(), network.clone())]);
            let of_others = keys.iter().filter(|key| !networks::is_of(key, &named));
            of_others.for_each(|key| drop(space.remove(key.name)));
        }
    }

    /// The name of its model.
    pub fn name(&self) -> &str {
        self.model.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// What is measured.
    pub fn measures(&self) -> &'static [&'static str] {
        Known::of(self.name()).map_or(&[], |known| known.measures)
    }

    /// The scenario as TOML, all defaults written out, without its sweep.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// The run that it is.
    ///
    /// # Errors
    /// [`ScenarioError::Beginning`], if something is to change that the run begins with;
    /// [`ScenarioError::Over`].
    pub fn build(&self) -> Result<Run, ScenarioError> {
        let unchecked = || ScenarioError::Missing {
            place: places::BEGINNING,
            key: "model.name",
            example: "name = \"schelling\"",
        };
        let mut run = self.without_changes().ok_or_else(unchecked)?;
        let mut changes: Vec<&Later> = self.changes.iter().collect();
        changes.sort_by_key(|later| later.at);
        let mut now = Simulation { changes: Vec::new(), sweep: None, ..self.clone() };
        for later in changes {
            let before = now.clone();
            now = now.with(&later.changes())?;
            let other = now.without_changes().ok_or_else(unchecked)?;
            match run.change_from(later.at, &other) {
                Ok(_) => {}
                Err(RunError::OverBefore(at, ticks)) => {
                    return Err(ScenarioError::Over { at, ticks });
                }
                Err(_) => return Err(before.what_it_begins_with(later, &run)),
            }
        }
        run.made_from(&self.to_toml());
        Ok(run)
    }

    /// Which of the values it is that cannot change.
    fn what_it_begins_with(&self, later: &Later, run: &Run) -> ScenarioError {
        let is_possible = |change: &Change| {
            let other = self.with(std::slice::from_ref(change)).ok()?.without_changes()?;
            run.clone().change_from(later.at, &other).ok().map(drop)
        };
        let changes = later.changes();
        let key = changes.iter().find(|change| is_possible(change).is_none()).or(changes.first());
        let key = key.map_or(String::new(), |change| change.key.clone());
        ScenarioError::Beginning { at: later.at, key }
    }

    /// The run as it begins, if it was checked.
    fn without_changes(&self) -> Option<Run> {
        let known = Known::of(self.name())?;
        let made = self.made(known).ok()?;
        let mut run = (made.build)(self.seed);
        let Supervision { intensity, period_ticks } = self.supervision;
        run.seed(self.seed).chaos(self.chaos.probability);
        run.intensity(intensity.into(), period_ticks.into());
        run.limits(self.limits.over(run.bounds()));
        self.govern(&mut run);
        run.collect(u64::from(self.collect.every).saturating_mul(known.unit));
        for text in self.conditions() {
            let until = Until::read(text, known.measures).ok()?;
            run.until(move |tick, row| until.holds(tick, row));
        }
        Some(run)
    }

    fn section(&self, name: &str) -> Option<&Table> {
        match name {
            "model" => Some(&self.model),
            "population" => Some(&self.population),
            "space" => Some(&self.space),
            "schedule" => Some(&self.schedule),
            _ => None,
        }
    }

    fn section_mut(&mut self, name: &str) -> Option<&mut Table> {
        match name {
            "model" => Some(&mut self.model),
            "population" => Some(&mut self.population),
            "space" => Some(&mut self.space),
            "schedule" => Some(&mut self.schedule),
            _ => None,
        }
    }

    /// What the model depends on, of all sections.
    fn parameters(&self, known: &Known) -> Table {
        let keys = (known.parameters)();
        let value = |key: &Parameter| {
            let value = self.section(key.section)?.get(key.name)?;
            Some((key.name.to_owned(), value.clone()))
        };
        keys.iter().filter_map(value).collect()
    }

    fn made(&self, known: &Known) -> Result<Made, toml::de::Error> {
        (known.read)(self.parameters(known))
    }

    fn with_defaults(mut self, known: &Known) -> Simulation {
        let keys = (known.parameters)();
        for key in &keys {
            let is_of = networks::is_of(key, &self.space);
            if let (Some(section), Some(default), true) =
                (self.section_mut(key.section), &key.default, is_of)
            {
                section.entry(key.name).or_insert_with(|| default.clone());
            }
        }
        // As the model writes them: 5 for a number that may be 5.5 is 5.0.
        if let Ok(Made { mut parameters, .. }) = self.made(known) {
            for key in &keys {
                if let (Some(section), Some(value)) =
                    (self.section_mut(key.section), parameters.remove(key.name))
                {
                    section.insert(key.name.into(), value);
                }
            }
        }
        self
    }

    /// Whether its parameters fit each other; each is in its range.
    fn check(&self, known: &Known) -> Result<(), Wrong> {
        let made = self.made(known).map_err(|error| Wrong::Type(error.message().into()))?;
        made.check.map_err(Wrong::Range)
    }

    /// When it ends early, as it is written.
    fn conditions(&self) -> impl Iterator<Item = &str> {
        let texts = self.schedule.get("until").and_then(Value::as_array);
        texts.into_iter().flatten().filter_map(Value::as_str)
    }

    fn untils(&self, known: &Known, places: &Places<'_>) -> Result<(), ScenarioError> {
        for (at, text) in self.conditions().enumerate() {
            Until::read(text, known.measures)
                .map_err(|wrong| wrong.at(places.of_item("schedule.until", at), known.measures))?;
        }
        Ok(())
    }

    fn check_changes(&self, places: &Places<'_>) -> Result<(), ScenarioError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let without = Simulation { changes: Vec::new(), ..self.clone() };
        for (at, later) in self.changes.iter().enumerate() {
            without
                .with(&later.changes())
                .map_err(|error| error.moved(places.of_item("changes", at)))?;
        }
        Ok(())
    }
}

/// A value as it stands in TOML; what is none is a text.
fn value_of(text: &str) -> Value {
    let table = format!("value = {text}").parse::<Table>().ok();
    let value = table.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The model that a text names.
fn known_in(given: &Table, places: &Places<'_>) -> Result<&'static Known, ScenarioError> {
    let Some(name) = given.get("model").and_then(|model| model.get("name")) else {
        let (place, key) = (places.of("model.name"), "model.name");
        return Err(ScenarioError::Missing { place, key, example: "name = \"schelling\"" });
    };
    let name = name.as_str().unwrap_or_default();
    Known::of(name).ok_or_else(|| ScenarioError::UnknownName {
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
