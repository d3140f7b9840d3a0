//! The report: what was measured, and all that a reader has to know to believe it.
//!
//! 1. It holds whole numbers and texts alone, so it is the same for whoever reads it.
//! 2. Every field is there; what nobody knows is `unknown`.
//! 3. What follows from the samples follows from them: a report that says otherwise is refused.

use std::fmt::Display;

use karyon_identity::{PublicKey, SecretKey, Signature};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::build::{Build, CommitFrom, Profile};
use crate::flags::{Configuration, Flags};
use crate::level::Level;
use crate::machine::{Load, Machine, UNKNOWN};
use crate::refused::ReportError;
use crate::shape;
use crate::workload::{SET, Scale, Workload};

/// The version of its form.
pub const REPORT: u64 = 1;
/// The longest report that is read, bytes.
pub const REPORT_BYTES_MAX: u64 = 4 << 20;
/// What nobody signed.
pub const UNSIGNED: &str = "unsigned";
/// In front of what is signed, so that it is no other statement.
const SIGNED: &[u8] = b"karyon-bench-report-v1\n";

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of its form: 1.
    pub report: u64,
    /// When it was made.
    pub made: Made,
    /// How much of the set it is about; follows from `flags`.
    pub configuration: Configuration,
    /// The number of the set of workloads.
    pub set: u64,
    /// Every flag.
    pub flags: Flags,
    /// Which program it was.
    pub build: Build,
    /// Which machine it was.
    pub machine: Machine,
    /// What else was running.
    pub load: Load,
    /// What was measured.
    pub results: Vec<Measured>,
    /// Who says so.
    pub signed: Signed,
}

/// When it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// When it was begun, in UTC. Form: RFC 3339.
    pub begun: String,
    /// How long all of it took, milliseconds.
    pub took_ms: u64,
}

/// What was measured of one workload at one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Its name.
    pub workload: String,
    /// How much of the governance was there.
    pub level: Level,
    /// What of the log is left; follows from `level`.
    pub durability: String,
    /// Whom and how much.
    pub size: String,
    /// What is counted.
    pub unit: String,
    /// Threads that run agents.
    pub threads: u64,
    /// The seed of all that is drawn, the same for each sample.
    pub seed: u64,
    /// How many of `unit` each sample did.
    pub work: u64,
    /// What the runs took that came before, nanoseconds.
    pub warm_up_ns: Vec<u64>,
    /// What each sample took, nanoseconds, in their order.
    pub samples_ns: Vec<u64>,
    /// The shortest sample.
    pub lowest_ns: u64,
    /// The one in the middle; of an even number of samples the mean of the two there, rounded down.
    pub median_ns: u64,
    /// The longest.
    pub highest_ns: u64,
    /// The longest without the shortest, in thousandths of the median, rounded down.
    pub spread_permille: u64,
    /// How many of `unit` a second at the median, rounded down.
    pub median_per_s: u64,
}

/// Who says so. Whoever has the key can sign anything: it says who, not that it is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The public key of a node, or `unsigned`.
    pub key: String,
    /// Its signature over all other fields, or `unsigned`.
    pub signature: String,
}

impl Signed {
    /// By nobody.
    pub fn nobody() -> Signed {
        Signed { key: UNSIGNED.into(), signature: UNSIGNED.into() }
    }
}

/// What follows from samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    lowest_ns: u64,
    median_ns: u64,
    highest_ns: u64,
    spread_permille: u64,
    median_per_s: u64,
}

impl Numbers {
    fn of(samples_ns: &[u64], work: u64) -> Numbers {
        let mut sorted = samples_ns.to_vec();
        sorted.sort_unstable();
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let half = sorted.len() / 2;
        let median_ns = match sorted.len().is_multiple_of(2) {
            true => at(half.saturating_sub(1)).midpoint(at(half)),
            false => at(half),
        };
        let (lowest_ns, highest_ns) = (at(0), at(sorted.len().saturating_sub(1)));
        // As wide as no sample can become too long for.
        let part = |of: u64, factor: u128| {
            let exact = u128::from(of) * factor / u128::from(median_ns.max(1));
            u64::try_from(exact).unwrap_or(u64::MAX)
        };
        Numbers {
            lowest_ns,
            median_ns,
            highest_ns,
            spread_permille: part(highest_ns - lowest_ns, 1_000),
            median_per_s: part(work, 1_000_000_000),
        }
    }
}

impl Measured {
    pub(crate) fn new(
        workload: &Workload,
        level: Level,
        (size, threads, seed): (String, u64, u64),
        work: u64,
        warm_up_ns: Vec<u64>,
        samples_ns: Vec<u64>,
    ) -> Measured {
        let numbers = Numbers::of(&samples_ns, work);
        Measured {
            workload: workload.name.into(),
            level,
            durability: level.durability().into(),
            size,
            unit: workload.unit.into(),
            threads,
            seed,
            work,
            warm_up_ns,
            samples_ns,
            lowest_ns: numbers.lowest_ns,
            median_ns: numbers.median_ns,
            highest_ns: numbers.highest_ns,
            spread_permille: numbers.spread_permille,
            median_per_s: numbers.median_per_s,
        }
    }

    /// Its workload and its level.
    pub fn name(&self) -> String {
        format!("{} {}", self.workload, self.level)
    }

    /// How many of its unit a second that a sample of so many nanoseconds did.
    pub fn per_s(&self, ns: u64) -> f64 {
        self.work as f64 * 1e9 / ns as f64
    }

    fn check(&self, at: &str, flags: &Flags) -> Result<(), ReportError> {
        let field = |name: &str| format!("{at}.{name}");
        let counts = [
            ("warm_up_ns", &self.warm_up_ns, flags.warm_up),
            ("samples_ns", &self.samples_ns, flags.repeat),
        ];
        for (name, times, expected) in counts {
            if times.len() as u64 != expected {
                let (found, field) = (times.len(), field(name));
                return Err(ReportError::Samples { field, found, expected });
            }
            if let Some(index) = times.iter().position(|ns| *ns == 0) {
                return follows(&format!("{}[{index}]", field(name)), &"0", &"more");
            }
        }
        let is = Numbers::of(&self.samples_ns, self.work);
        for (name, says, is) in [
            ("lowest_ns", self.lowest_ns, is.lowest_ns),
            ("median_ns", self.median_ns, is.median_ns),
            ("highest_ns", self.highest_ns, is.highest_ns),
            ("spread_permille", self.spread_permille, is.spread_permille),
            ("median_per_s", self.median_per_s, is.median_per_s),
            ("seed", self.seed, flags.seed),
        ] {
            follows(&field(name), &says, &is)?;
        }
        if let Ok(threads) = flags.threads.parse::<u64>() {
            follows(&field("threads"), &self.threads, &threads)?;
        }
        follows(&field("durability"), &self.durability, &self.level.durability())
    }
}

/// Whether a field says what follows from others.
fn follows(field: &str, says: &impl Display, is: &impl Display) -> Result<(), ReportError> {
    let (says, is) = (says.to_string(), is.to_string());
    if says == is { Ok(()) } else { Err(ReportError::Number { field: field.into(), says, is }) }
}

impl Report {
    /// A report of this program, signed by nobody yet.
    pub fn new(
        made: Made,
        flags: Flags,
        build: Build,
        machine: Machine,
        load: Load,
        results: Vec<Measured>,
    ) -> Report {
        let configuration = flags.configuration();
        let (report, set, signed) = (REPORT, SET, Signed::nobody());
        Report { report, made, configuration, set, flags, build, machine, load, results, signed }
    }

    /// Reads a report, and believes nothing of it that it can compute.
    ///
    /// # Errors
    /// The first thing that is wrong with it: see [`ReportError`].
    pub fn read(text: &[u8]) -> Result<Report, ReportError> {
        let value: Value = serde_json::from_slice(text).map_err(ReportError::Json)?;
        let version = value.get("report").ok_or(ReportError::NoReport)?;
        if version.as_u64() != Some(REPORT) {
            return Err(ReportError::Version { found: version.to_string() });
        }
        shape::check(&value, &shape::value_of(&Report::template()), "")?;
        // From the text once more: a field that stands there twice is refused.
        let report: Report = serde_json::from_slice(text).map_err(ReportError::Json)?;
        report.check()?;
        Ok(report)
    }

    /// Whether all that follows follows, and who signed it.
    fn check(&self) -> Result<(), ReportError> {
        let word = |of: Configuration| format!("{of:?}").to_lowercase();
        let is = word(self.flags.configuration());
        follows("configuration", &word(self.configuration), &is)?;
        self.flags.check().map_err(ReportError::Flags)?;
        if self.flags.repeat == 0 || self.results.is_empty() {
            return Err(ReportError::Nothing);
        }
        for (number, result) in self.results.iter().enumerate() {
            result.check(&format!("results[{number}]"), &self.flags)?;
            let is_same = |other: &&Measured| other.name() == result.name();
            if self.results.iter().take(number).any(|other| is_same(&other)) {
                return Err(ReportError::Twice { name: result.name() });
            }
        }
        self.check_rows()?;
        self.check_signature()
    }

    /// What was asked for is there, and nothing else. Of another set nobody here knows what belongs
    /// to it.
    fn check_rows(&self) -> Result<(), ReportError> {
        if self.set != SET {
            return Ok(());
        }
        let rows = self.flags.rows().map_err(|error| ReportError::Flags(error.to_string()))?;
        let scale = if self.flags.quick { Scale::QUICK } else { Scale::FULL };
        for (workload, level) in &rows {
            let is_it = |one: &Measured| one.workload == workload.name && one.level == *level;
            let Some(at) = self.results.iter().position(is_it) else {
                return Err(ReportError::NoResult { name: format!("{} {level}", workload.name) });
            };
            let result = self.results.get(at).into_iter();
            for (name, says, is) in result.flat_map(|result| {
                let (size, unit) = (workload.size(scale), workload.unit.to_owned());
                [("size", &result.size, size), ("unit", &result.unit, unit)]
            }) {
                follows(&format!("results[{at}].{name}"), says, &is)?;
            }
        }
        follows("the number of results", &self.results.len(), &rows.len())
    }

    fn check_signature(&self) -> Result<(), ReportError> {
        let Signed { key, signature } = &self.signed;
        if key == UNSIGNED && signature == UNSIGNED {
            return Ok(());
        }
        let bytes = data_encoding::HEXLOWER.decode(signature.as_bytes()).ok();
        let signature = bytes.and_then(|bytes| bytes.try_into().ok()).map(Signature);
        let is_signed = PublicKey::from_hex(key)
            .zip(signature)
            .is_some_and(|(key, signature)| key.verify(&self.statement(), &signature));
        if is_signed { Ok(()) } else { Err(ReportError::Signature { key: key.clone() }) }
    }

    /// Lets a node say so.
    pub fn sign(&mut self, key: &SecretKey) {
        let signature = key.sign(&self.statement());
        let signature = data_encoding::HEXLOWER.encode(&signature.0);
        self.signed = Signed { key: key.public_key().to_string(), signature };
    }

    /// What is signed: all but the signature.
    fn statement(&self) -> Vec<u8> {
        let unsigned = Report { signed: Signed::nobody(), ..self.clone() };
        [SIGNED, unsigned.to_json().as_bytes()].concat()
    }

    /// As it is written.
    pub fn to_json(&self) -> String {
        // Whole numbers, texts and lists of known fields always have a form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Whether it was an optimised build: no other says anything about speed.
    pub fn is_debug(&self) -> bool {
        self.build.profile == Profile::Debug
    }

    /// One of each field, by which another is judged.
    fn template() -> Report {
        let text = || UNKNOWN.to_owned();
        let level = Level::Gate;
        Report {
            report: REPORT,
            made: Made { begun: text(), took_ms: 0 },
            configuration: Configuration::Single,
            set: SET,
            flags: Flags { workloads: vec![text()], ..Flags::default() },
            build: Build {
                karyon: text(),
                rustc: text(),
                allocator: text(),
                profile: Profile::Debug,
                commit: text(),
                commit_from: CommitFrom::Unknown,
            },
            machine: Machine {
                cpu: text(),
                cores: text(),
                memory: text(),
                kernel: text(),
                filesystem: text(),
            },
            load: Load { before: text(), after: text() },
            results: vec![Measured {
                workload: text(),
                level,
                durability: text(),
                size: text(),
                unit: text(),
                threads: 0,
                seed: 0,
                work: 0,
                warm_up_ns: vec![0],
                samples_ns: vec![0],
                lowest_ns: 0,
                median_ns: 0,
                highest_ns: 0,
                spread_permille: 0,
                median_per_s: 0,
            }],
            signed: Signed::nobody(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_samples() {
        let check = |samples: &[u64], work, expected: [u64; 5]| {
            let Numbers { lowest_ns, median_ns, highest_ns, spread_permille, median_per_s } =
                Numbers::of(samples, work);
            let found = [lowest_ns, median_ns, highest_ns, spread_permille, median_per_s];
            assert_eq!(found, expected, "{samples:?}");
        };
        check(&[2_000_000_000], 10, [2_000_000_000, 2_000_000_000, 2_000_000_000, 0, 5]);
        check(&[30, 10, 20], 6, [10, 20, 30, 1_000, 300_000_000]);
        check(&[40, 10, 30, 20], 1, [10, 25, 40, 1_200, 40_000_000]);
        check(&[3, 6], 1, [3, 4, 6, 750, 250_000_000]);
        check(&[u64::MAX, u64::MAX], u64::MAX, [u64::MAX, u64::MAX, u64::MAX, 0, 1_000_000_000]);
        check(&[1, 1], u64::MAX, [1, 1, 1, 0, u64::MAX]);
        check(&[], 1, [0, 0, 0, 0, 1_000_000_000]);
    }
}
