//! What was asked for: every flag.

use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::level::{LEVELS, Level};
use crate::workload::{WORKLOADS, Workload};

/// Samples of each workload, if it is not said.
pub const REPEAT: u64 = 5;
/// Samples of each workload, at most.
pub const REPEAT_MAX: u64 = 1_000;
/// Runs before the first sample of each workload.
pub const WARM_UP: u64 = 1;
/// The seed, if it is not said.
pub const SEED: u64 = 1;
/// What a flag is that was not given.
pub const DEFAULT: &str = "default";

/// Every flag of `karyon bench run`, as it was given or is by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flags {
    /// The workloads that were named; none: all.
    pub workloads: Vec<String>,
    /// `--level`, or `default`: all that each workload has.
    pub level: String,
    /// `--repeat`: samples.
    pub repeat: u64,
    /// `--threads`, or `default`: one a core.
    pub threads: String,
    /// `--seed`: of all that is drawn.
    pub seed: u64,
    /// `--quick`: a tenth of the work.
    pub quick: bool,
    /// `--out`, or `default`: a directory of its own.
    pub out: String,
    /// `--json`.
    pub json: bool,
    /// Runs before the first sample; no flag.
    pub warm_up: u64,
}

/// How much of the set a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Configuration {
    /// The whole set with its defaults: such reports may stand beside each other.
    Full,
    /// Anything else: single workloads, or other flags.
    Single,
}

impl Flags {
    /// What these flags make of it. Where it is written and how it is told changes nothing.
    pub fn configuration(&self) -> Configuration {
        let Flags { workloads, level, repeat, threads, seed, quick, out: _, json: _, warm_up } =
            self;
        let is_full = workloads.is_empty()
            && level == DEFAULT
            && *repeat == REPEAT
            && threads == DEFAULT
            && *seed == SEED
            && !quick
            && *warm_up == WARM_UP;
        if is_full { Configuration::Full } else { Configuration::Single }
    }

    /// Whether each can be so, whatever workloads there are; what is wrong, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.level != DEFAULT {
            self.level.parse::<Level>()?;
        }
        match self.threads == DEFAULT || self.threads.parse::<u16>().is_ok_and(|some| some > 0) {
            true => Ok(()),
            false => Err(format!("{:?} is no number of threads", self.threads)),
        }
    }

    /// Which workloads are run at which levels, in this order.
    ///
    /// # Errors
    /// [`BenchError::Unknown`], [`BenchError::Twice`], [`BenchError::NoLevel`].
    pub fn rows(&self) -> Result<Vec<(&'static Workload, Level)>, BenchError> {
        let level = LEVELS.into_iter().find(|level| level.name() == self.level);
        let mut chosen: Vec<&Workload> = Vec::new();
        for name in &self.workloads {
            let known = || WORKLOADS.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
            let found = Workload::of(name)
                .ok_or_else(|| BenchError::Unknown { name: name.clone(), known: known() })?;
            if chosen.iter().any(|other| other.name == found.name) {
                return Err(BenchError::Twice(found.name));
            }
            // Of the whole set those are run that have the level; one that is named has to have it.
            if let Some(level) = level.filter(|level| !found.levels.contains(level)) {
                let levels = found.levels.iter().map(|level| level.name());
                let levels = levels.collect::<Vec<_>>().join(", ");
                return Err(BenchError::NoLevel { workload: found.name, level, levels });
            }
            chosen.push(found);
        }
        if chosen.is_empty() {
            chosen.extend(WORKLOADS);
        }
        let of = |workload: &'static Workload| {
            let wanted = move |has: &&Level| level.is_none_or(|level| level == **has);
            workload.levels.iter().filter(wanted).map(move |level| (workload, *level))
        };
        Ok(chosen.into_iter().flat_map(of).collect())
    }
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            workloads: Vec::new(),
            level: DEFAULT.into(),
            repeat: REPEAT,
            threads: DEFAULT.into(),
            seed: SEED,
            quick: false,
            out: DEFAULT.into(),
            json: false,
            warm_up: WARM_UP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(flags: &Flags) -> Vec<(&'static str, Level)> {
        flags.rows().unwrap().iter().map(|(workload, level)| (workload.name, *level)).collect()
    }

    #[test]
    fn only_the_whole_set_with_its_defaults_is_full() {
        let default = Flags::default;
        let full = Configuration::Full;
        assert_eq!(default().configuration(), full);
        assert_eq!(Flags { out: "x".into(), json: true, ..default() }.configuration(), full);
        for other in [
            Flags { workloads: vec!["pairs".into()], ..default() },
            Flags { level: "gate".into(), ..default() },
            Flags { repeat: 4, ..default() },
            Flags { threads: "2".into(), ..default() },
            Flags { seed: 2, ..default() },
            Flags { quick: true, ..default() },
            Flags { warm_up: 0, ..default() },
        ] {
            assert_eq!(other.configuration(), Configuration::Single, "{other:?}");
        }
    }

    #[test]
    fn rows_are_workloads_at_levels() {
        use Level::{Gate, GateLog, GateLogMemory};
        let flags = |workloads: &[&str], level: &str| Flags {
            workloads: workloads.iter().map(|name| (*name).into()).collect(),
            level: level.into(),
            ..Flags::default()
        };
        assert_eq!(names(&Flags::default()).len(), 8 * 3 + 1 + 2);
        assert_eq!(
            names(&flags(&["log-append", "ring"], DEFAULT)),
            [
                ("log-append", Gate),
                ("log-append", GateLog),
                ("ring", Gate),
                ("ring", GateLog),
                ("ring", GateLogMemory),
            ]
        );
        assert_eq!(names(&flags(&[], "gate")).len(), 9, "memory-as-of has no such level");
        for (workloads, level, words) in [
            (&["pears"][..], DEFAULT, "no workload \"pears\"; there are pairs, ring"),
            (&["ring", "ring"], DEFAULT, "ring is named twice"),
            (&["memory-as-of"], "gate", "memory-as-of has no level gate: it has gate+log+memory"),
        ] {
            let error = flags(workloads, level).rows().err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
