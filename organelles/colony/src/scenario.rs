//! Scenarios: what a colony simulates, as TOML text.
//!
//! Every key has a range and is refused outside it; unknown keys are refused with the nearest
//! known one. Every section but `[model]` may be left out: its defaults are the values of the
//! built-in example, but for the source and the expiring lease. The keys are explained in `docs/rumour.md`.
//!
//! This module reads text and never the file system; paths stay as they are written.
//!
//! # Invariants
//! 1. A parsed scenario is within all ranges, and so is its `to_toml` text.
//! 2. `parse(to_toml(s)) == s`, but for the population beside a contact file, which is not read.

mod change;
mod error;
mod keys;
mod schema;
mod space;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use change::Change;
pub use error::{Place, ScenarioError};
pub(crate) use schema::rumour_schema;
pub use space::Space;

use crate::contacts::MAX_ID_BYTES;
use crate::network::OutOfRange;

/// Longest scenario in bytes; a longer file is none.
pub const MAX_SCENARIO_BYTES: usize = 1 << 20;

/// Most expiring leases: a list for people to read and write.
pub const MAX_EXPIRIES: usize = 1000;

/// Most changes of authority, likewise.
pub const MAX_CHANGES: usize = 1000;

/// What one agent's outputs may take of the log by default, bytes: some two million short messages,
/// far more than a person sends, and little enough that one agent alone fills no disk.
pub const LOG_BYTES_PER_LEASE: u64 = 64 << 20;

/// The guardian's limits, which a scenario may tighten.
pub const GUARDIAN_KEYS: [&str; 17] = [
    "heartbeat_ms",
    "heartbeat_limit_ms",
    "term_grace_ms",
    "asks_per_minute",
    "tasks_per_day",
    "rejections_in_sequence",
    "failures_in_sequence",
    "crashes_per_minute",
    "self_modifications_per_day",
    "stalled_step_s",
    "cpu_s_per_day",
    "memory_mib",
    "open_files",
    "processes",
    "disk_use_mib",
    "free_space_mib",
    "clock_back_s",
];

/// Names of the models.
pub const MODEL_NAMES: [&str; 1] = ["rumour"];

/// Names of the built-in scenarios.
pub const BUILTIN_NAMES: [&str; 1] = ["rumour"];

/// The text of a built-in scenario.
pub fn builtin(name: &str) -> Option<&'static str> {
    match name {
        "rumour" => Some(include_str!("../../../examples/rumour.toml")),
        _ => None,
    }
}

/// A simulation: model, people, contacts, authority, supervision, limits and chaos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// All random numbers follow from it: 0 to 9,223,372,036,854,775,807, the largest of TOML.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What the agents do.
    pub model: Model,
    /// Who they are.
    #[serde(default)]
    pub population: Population,
    /// Who meets whom.
    #[serde(default)]
    pub space: Space,
    /// What they may do, and until when.
    #[serde(default)]
    pub authority: Authority,
    /// How many restarts their supervisor allows.
    #[serde(default)]
    pub supervision: Supervision,
    /// Bounds whose passing ends the run.
    #[serde(default)]
    pub limits: Limits,
    /// Crashes on purpose.
    #[serde(default)]
    pub chaos: Chaos,
    /// Limits of the guardian that are tighter for this run than the machine's: the most that is
    /// allowed, by [its names](GUARDIAN_KEYS). The guardian refuses what is looser.
    #[serde(default)]
    pub guardian: BTreeMap<String, u64>,
}

/// `[model]`: what the agents do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// One of [`MODEL_NAMES`].
    pub name: String,
    /// The person who knows the rumour at first, a name or [`Expiry::BUSIEST`]; if absent, the
    /// first sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// `[population]`: the people of a generated network. It is refused together with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Population {
    /// How many, 2 to 10,000,000. With a contact file, the file decides and this is not read.
    pub people: u32,
}

/// `[authority]`: what the agents may do, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authority {
    /// People whose lease to send expires, at most [`MAX_EXPIRIES`].
    pub expires: Vec<Expiry>,
    /// What happens to somebody's authority during the run, at most [`MAX_CHANGES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub change: Vec<Change>,
}

/// The end of one person's lease to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// The name of a person, or [`Expiry::BUSIEST`].
    pub agent: String,
    /// The first tick at which the person may no longer send. A contact of level n (from 0) is
    /// sent at tick 2n.
    pub tick: u64,
}

impl Expiry {
    /// Stands for whoever sends most, of several such the first to appear in the contacts.
    pub const BUSIEST: &'static str = "busiest";
}

/// `[supervision]`: how many restarts the supervisor allows before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Supervision {
    /// Restarts within the period, 0 to 4,294,967,295.
    pub intensity: u32,
    /// The period in ticks, 1 to 1,000,000.
    pub period_ticks: u32,
}

/// `[limits]`: bounds. Passing one of the first two ends the run with an error that names the
/// agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Outputs of one step, 1 to 1,024.
    pub outputs_per_step: u32,
    /// Messages for one agent in one tick, 1 to 65,536.
    pub messages_per_tick: u32,
    /// Bytes of the log for the outputs of one agent, 1 to 9,223,372,036,854,775,807; what is
    /// beyond is denied.
    pub log_bytes_per_lease: u64,
}

/// `[chaos]`: crashes on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// The probability that a step crashes, in [0, 1).
    pub probability: f64,
}

fn default_seed() -> u64 {
    1
}

impl Default for Population {
    fn default() -> Self {
        Self { people: 10_000 }
    }
}

impl Default for Supervision {
    fn default() -> Self {
        Self { intensity: 50_000, period_ticks: 10 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            outputs_per_step: 4,
            messages_per_tick: 64,
            log_bytes_per_lease: LOG_BYTES_PER_LEASE,
        }
    }
}

impl Default for Chaos {
    fn default() -> Self {
        Self { probability: 0.0 }
    }
}

/// What [`is_name`] allows.
const NAME: &str = "1 to 256 bytes";

fn is_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES
}

impl Authority {
    /// Whether nothing is said of anybody's.
    pub fn is_empty(&self) -> bool {
        *self == Authority::default()
    }

    /// Whether every entry is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let Authority { expires, change } = self;
        OutOfRange::unless(
            expires.len() <= MAX_EXPIRIES,
            "authority.expires",
            format!("{} entries", expires.len()),
            "at most 1,000 entries",
        )?;
        for Expiry { agent, tick } in expires {
            OutOfRange::unless(is_name(agent), "authority.expires.agent", agent, NAME)?;
            let fits = i64::try_from(*tick).is_ok();
            OutOfRange::unless(
                fits,
                "authority.expires.tick",
                tick,
                "0 to 9,223,372,036,854,775,807",
            )?;
        }
        change::check(change)
    }
}

impl Scenario {
    /// Reads and checks a scenario.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column; see [`ScenarioError`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_SCENARIO_BYTES {
            return Err(ScenarioError::TooLong { size_bytes: text.len() });
        }
        let keys = keys::Keys::read(text)?;
        let scenario: Self = toml::from_str(text).map_err(|error| keys.wrong_type(&error))?;
        keys.check_names(&scenario)?;
        scenario.check().map_err(|error| keys.out_of_range(error))?;
        Ok(scenario)
    }

    /// A scenario that says no more than it has to.
    pub(crate) fn default_of() -> Option<Self> {
        Self::parse("[model]\nname = \"rumour\"").ok()
    }

    /// Where the value of a key such as `guardian.processes` stands in a text that was read.
    ///
    /// # Errors
    /// The text is no scenario.
    pub fn place_of(text: &str, key: &str) -> Result<Place, ScenarioError> {
        Ok(keys::Keys::read(text)?.place_of(key, ""))
    }

    /// Whether every value is in its range; for values that did not come from a text.
    ///
    /// # Errors
    /// The first value that is not.
    pub fn check(&self) -> Result<(), OutOfRange> {
        OutOfRange::unless(
            i64::try_from(self.seed).is_ok(),
            "seed",
            self.seed,
            "0 to 9,223,372,036,854,775,807",
        )?;
        if let Some(source) = &self.model.source {
            OutOfRange::unless(is_name(source), "model.source", source, NAME)?;
        }
        match &self.space {
            Space::File(path) => {
                let fits = !path.is_empty() && !path.contains('\0');
                OutOfRange::unless(fits, "space.file", path, "the path of a contact file")?;
            }
            Space::ActivityDriven(parameters) => parameters.check(self.population.people)?,
        }
        self.authority.check()?;
        OutOfRange::unless(
            (1..=1_000_000).contains(&self.supervision.period_ticks),
            "supervision.period_ticks",
            self.supervision.period_ticks,
            "1 to 1,000,000",
        )?;
        let Limits { outputs_per_step, messages_per_tick, log_bytes_per_lease } = self.limits;
        let fits = (1..=1024).contains(&outputs_per_step);
        OutOfRange::unless(fits, "limits.outputs_per_step", outputs_per_step, "1 to 1,024")?;
        let fits = (1..=65_536).contains(&messages_per_tick);
        OutOfRange::unless(fits, "limits.messages_per_tick", messages_per_tick, "1 to 65,536")?;
        OutOfRange::unless(
            log_bytes_per_lease > 0 && i64::try_from(log_bytes_per_lease).is_ok(),
            "limits.log_bytes_per_lease",
            log_bytes_per_lease,
            "1 to 9,223,372,036,854,775,807",
        )?;
        let probability = self.chaos.probability;
        let fits = (0.0..1.0).contains(&probability);
        OutOfRange::unless(fits, "chaos.probability", probability, "0 to below 1")?;
        self.guardian.values().try_for_each(|most| {
            let fits = i64::try_from(*most).is_ok();
            OutOfRange::unless(fits, "guardian", most, "0 to 9,223,372,036,854,775,807")
        })
    }

    /// The scenario as TOML, all defaults written out. A file takes the place of the population.
    pub fn to_toml(&self) -> String {
        let Self {
            seed,
            model,
            population,
            space,
            authority,
            supervision,
            limits,
            chaos,
            guardian,
        } = self;
        let generated = matches!(space, Space::ActivityDriven(_));
        let written = Written {
            seed: *seed,
            model,
            population: generated.then_some(population),
            space,
            authority,
            supervision,
            limits,
            chaos,
            guardian,
        };
        #[expect(clippy::expect_used, reason = "TOML can express numbers, texts and tables")]
        toml::to_string(&written).expect("a scenario is plain data")
    }
}

/// A scenario as it is written: without the section that the parser refuses beside a file.
#[derive(Serialize)]
struct Written<'a> {
    seed: u64,
    model: &'a Model,
    #[serde(skip_serializing_if = "Option::is_none")]
    population: Option<&'a Population>,
    space: &'a Space,
    authority: &'a Authority,
    supervision: &'a Supervision,
    limits: &'a Limits,
    chaos: &'a Chaos,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    guardian: &'a BTreeMap<String, u64>,
}
