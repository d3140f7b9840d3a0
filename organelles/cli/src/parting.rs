//! Where two runs part: the first record in which their logs differ.

use std::path::Path;

use karyon_log::{Genesis, Lane, LogError, Record, Records, Walk};
use karyon_runtime::{Divergence, datadir};
use karyon_types::{AgentId, Position, Tick};
use karyon_verify::Report;
use toml::{Table, Value};

use crate::error::CliError;
use crate::keys;

/// Keys in which two scenarios differ, at most: more are another scenario.
const KEYS_MAX: usize = 20;

/// A run that is compared.
pub(crate) struct Side<'a> {
    pub(crate) data: &'a Path,
    pub(crate) report: Report,
}

impl Side<'_> {
    /// Verifies the log of a directory.
    pub(crate) fn open(data: &Path) -> Result<Side<'_>, CliError> {
        let report = keys::trusted_if_known(None, data)?.verify(data)?;
        Ok(Side { data, report })
    }

    fn walk(&self) -> Result<Run, LogError> {
        let walk = Walk::open(&datadir::log_folder(self.data))?;
        Ok(Run { walk, read: Vec::new().into_iter(), body: Vec::new(), at: 0, next: 0 })
    }

    /// What its run was made from.
    fn scenario(&self) -> Table {
        let genesis: Option<&Genesis> = self.report.genesis();
        let text = genesis.map(|genesis| {
            karyon::Run::origin_of(&genesis.scenario).unwrap_or_else(|| genesis.scenario.clone())
        });
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// The name with which an agent came to life.
    fn name_of(&self, wanted: AgentId) -> Result<Option<String>, LogError> {
        let mut run = self.walk()?;
        while let Some((_, bytes)) = run.next()? {
            match Records::new(bytes).next().flatten() {
                Some(Record::Spawn { agent, name, .. }) if agent == wanted => {
                    return Ok(Some(name.to_owned()));
                }
                // Children that are born later have the name of their order.
                Some(Record::Tick(_)) => return Ok(None),
                Some(_) | None => {}
            }
        }
        Ok(None)
    }
}

/// The records of a run, one after the other.
struct Run {
    walk: Walk,
    read: std::vec::IntoIter<karyon_log::WalkedBlock>,
    body: Vec<u8>,
    at: usize,
    next: u64,
}

impl Run {
    /// The next record with its number in the log.
    fn next(&mut self) -> Result<Option<(Position, &[u8])>, LogError> {
        while self.at >= self.body.len() {
            let of_the_run = |block: &karyon_log::WalkedBlock| block.header.lane == Lane::Ticks;
            match self.read.by_ref().find(of_the_run) {
                Some(block) => {
                    (self.next, self.body, self.at) = (block.first_record.0, block.body, 0)
                }
                None => match self.walk.next_group()? {
                    Some(group) => self.read = group.into_iter(),
                    None => return Ok(None),
                },
            }
        }
        let rest = self.body.get(self.at..).unwrap_or_default();
        let mut records = Records::new(rest);
        // A log that verifies has whole records.
        let len = if records.pass() { rest.len() - records.rest().len() } else { rest.len() };
        let (position, at) = (Position(self.next), self.at);
        (self.at, self.next) = (at + len, self.next + 1);
        Ok(Some((position, self.body.get(at..at + len).unwrap_or_default())))
    }
}

/// What two runs have in common, and where they part.
pub(crate) struct Parting {
    /// Records in which they are the same, from the beginning on.
    pub(crate) same: u64,
    /// The last tick that began in both, and was the same when it did.
    pub(crate) tick: Option<Tick>,
    /// `None`: nothing differs.
    pub(crate) first: Option<First>,
}

/// The first thing that differs.
pub(crate) struct First {
    /// The numbers of the record in each log; `None`: it ends there.
    pub(crate) records: [Option<Position>; 2],
    pub(crate) bytes: [Option<Vec<u8>>; 2],
    /// Whose record it is, with the name.
    pub(crate) agent: Option<(AgentId, Option<String>)>,
}

impl First {
    /// As the comparison of a repeated run tells it.
    pub(crate) fn divergence(&self, tick: Option<Tick>) -> Divergence {
        let [expected, got] = self.bytes.clone();
        let position = self.records.iter().flatten().next().copied().unwrap_or(Position(0));
        Divergence { position, tick, expected, got, why: None }
    }
}

/// Compares two runs record by record.
pub(crate) fn part(one: &Side<'_>, other: &Side<'_>) -> Result<Parting, CliError> {
    let (mut a, mut b) = (one.walk()?, other.walk()?);
    let mut parting = Parting { same: 0, tick: None, first: None };
    loop {
        let (left, right) = (a.next()?, b.next()?);
        match (left, right) {
            (None, None) => return Ok(parting),
            (Some((_, left)), Some((_, right))) if left == right => {
                parting.same += 1;
                if let Some(Record::Tick(tick)) = Records::new(left).next().flatten() {
                    parting.tick = Some(tick);
                }
            }
            // It was not run further yet.
            (None, Some(_)) if one.report.seal().is_none() => return Ok(parting),
            (Some(_), None) if other.report.seal().is_none() => return Ok(parting),
            (left, right) => {
                let agent = [left, right].into_iter().flatten().find_map(|(_, bytes)| whose(bytes));
                let first = First {
                    records: [left, right].map(|side| side.map(|(position, _)| position)),
                    bytes: [left, right].map(|side| side.map(|(_, bytes)| bytes.to_vec())),
                    agent: None,
                };
                let name = |agent| Ok::<_, LogError>((agent, one.name_of(agent)?));
                let agent = agent.map(name).transpose()?;
                parting.first = Some(First { agent, ..first });
                return Ok(parting);
            }
        }
    }
}

/// Whose record it is.
fn whose(bytes: &[u8]) -> Option<AgentId> {
    match Records::new(bytes).next().flatten()? {
        Record::Spawn { agent, .. }
        | Record::Step { agent, .. }
        | Record::Crash { agent, .. }
        | Record::DeadLetter { agent, .. } => Some(agent),
        _ => None,
    }
}

/// A key in which two scenarios differ, with both values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) key: String,
    pub(crate) values: [Option<String>; 2],
}

/// In which keys the scenarios of two runs differ, in the order of their names.
pub(crate) fn scenarios(one: &Side<'_>, other: &Side<'_>) -> Vec<Other> {
    let mut found = Vec::new();
    differ(&Value::Table(one.scenario()), &Value::Table(other.scenario()), "", &mut found);
    found.truncate(KEYS_MAX);
    found
}

fn differ(one: &Value, other: &Value, key: &str, found: &mut Vec<Other>) {
    if one == other {
        return;
    }
    let (Value::Table(left), Value::Table(right)) = (one, other) else {
        let values = [one, other].map(|value| Some(value.to_string()));
        return found.push(Other { key: key.into(), values });
    };
    let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        match (left.get(name), right.get(name)) {
            (Some(one), Some(other)) => differ(one, other, &path, found),
            (one, other) => {
                let values = [one, other].map(|value| value.map(ToString::to_string));
                found.push(Other { key: path, values });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_found_wherever_they_stand() {
        let table = |text: &str| Value::Table(text.parse().unwrap());
        let one = table("seed = 1\n[model]\nneed = 3\nside = 4");
        let other = table("seed = 1\nextra = [1]\n[model]\nneed = 4\nside = 4");
        let mut found = Vec::new();
        differ(&one, &other, "", &mut found);
        let of = |key: &str, one: Option<&str>, other: Option<&str>| Other {
            key: key.into(),
            values: [one, other].map(|value| value.map(String::from)),
        };
        assert_eq!(found, [of("extra", None, Some("[1]")), of("model.need", Some("3"), Some("4"))]);
        found.clear();
        differ(&one, &one, "", &mut found);
        assert_eq!(found, []);
    }
}
