//! `[sweep]`: one scenario for each combination of values.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::places::{BEGINNING, Places};
use super::{Change, Known, OF_MODELS, Simulation, later, sections};
use crate::models::Parameter;
use crate::models::parameter::Wrong;
use crate::network::OutOfRange;
use crate::scenario::ScenarioError;

/// Points of a sweep, at most.
pub const SWEEP_POINTS_MAX: usize = 100_000;

/// The scenarios that are made of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The keys that differ, with their sections, in the order in which they are written; the seed last.
    pub keys: Vec<String>,
    /// All combinations of their values: the last key changes fastest. Each is a change of every key.
    pub points: Vec<Vec<Change>>,
}

/// A key and its values.
type Axis<'a> = (&'a Parameter, Vec<Value>);

/// Reads a sweep of a scenario; `None`: it is empty.
pub(super) fn read(
    simulation: &Simulation,
    known: &Known,
    given: &Table,
    places: &Places<'_>,
) -> Result<Option<Sweep>, ScenarioError> {
    let keys = known.keys();
    let mut axes = axes(&keys, given, places)?;
    // Seeds change fastest of all.
    axes.sort_by_key(|(key, _)| key.name == "seed");
    let counts = axes.iter().map(|(_, values)| values.len());
    let count = counts.fold(1usize, |count, values| count.saturating_mul(values));
    if axes.is_empty() {
        return Ok(None);
    }
    let (fits, shown) = (count <= SWEEP_POINTS_MAX, format!("{count} points"));
    OutOfRange::unless(fits, "sweep", shown, "at most 100,000 points")
        .map_err(|wrong| places.out_of_range(Wrong::Range(wrong)))?;
    let points = points(&axes);
    let mut before: Option<&[Change]> = None;
    for point in &points {
        // A seed is in its range, and changes nothing about the rest.
        let own = match axes.last() {
            Some((key, _)) if key.name == "seed" => point.get(..point.len() - 1),
            Some(_) | None => Some(point.as_slice()),
        };
        let own = own.unwrap_or_default();
        if before != Some(own) {
            simulation.check_point(known, &axes, own).map_err(|error| {
                let shown = |Change { key, value }: &Change| format!("{key} = {value}");
                let point: Vec<_> = own.iter().map(shown).collect();
                let (place, point) = (places.key_of("sweep"), point.join(", "));
                ScenarioError::Point { place, point, error: Box::new(error) }
            })?;
        }
        before = Some(own);
    }
    let keys = axes.iter().map(|(key, _)| key.key()).collect();
    Ok(Some(Sweep { keys, points }))
}

/// The keys in the order of the text, each with values that are in its range.
fn axes<'a>(
    keys: &'a [Parameter],
    given: &Table,
    places: &Places<'_>,
) -> Result<Vec<Axis<'a>>, ScenarioError> {
    let given = later::leaves("", given);
    let mut axes: Vec<Axis<'a>> = Vec::new();
    for name in places.below("sweep") {
        let Some((_, value)) = given.iter().find(|(key, _)| key == name) else { continue };
        let path = format!("sweep.{name}");
        let wanted = if name == "seeds" { "seed" } else { name };
        let key = sections::find(keys, wanted)
            .map_err(|unknown| unknown.at(places.key_of(&path), name))?;
        if key.section == "guardian" || key.name == "until" {
            return Err(places.wrong(&path, "it is the same for all points of a sweep"));
        }
        if axes.iter().any(|(other, _)| other.key() == key.key()) {
            let message = format!("{} stands in this sweep already", key.key());
            return Err(places.wrong(&path, &message));
        }
        let values = match value {
            Value::Array(values) if !values.is_empty() => values.clone(),
            Value::String(range) if name == "seeds" => seeds(range).ok_or_else(|| {
                places.wrong(&path, "expected a list of seeds, or \"1..=10\" for 1 to 10")
            })?,
            _ => return Err(places.wrong(&path, "expected a list of values")),
        };
        let mut seen = BTreeSet::new();
        for (number, value) in values.iter().enumerate() {
            if !seen.insert(value.to_string()) {
                let message = format!("{value} stands there twice");
                return Err(places.wrong(&path, &message));
            }
            key.check(value).map_err(|wrong| {
                let error = places.at(&path, &key.key(), wrong);
                error.moved(places.of_item(&path, number))
            })?;
        }
        axes.push((key, values));
    }
    Ok(axes)
}

/// The seeds of `1..=10`, as far as they are looked at; `None`: it is none.
fn seeds(range: &str) -> Option<Vec<Value>> {
    let (first, last) = range.split_once("..=")?;
    let (first, last): (i64, i64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    // One more than there may be points is refused as that.
    let seeds = (first..=last).take(SWEEP_POINTS_MAX + 1);
    (0 <= first && first <= last).then(|| seeds.map(Value::from).collect())
}

/// All combinations, the last key fastest.
fn points(axes: &[Axis<'_>]) -> Vec<Vec<Change>> {
    let mut points = vec![Vec::with_capacity(axes.len())];
    for (key, values) in axes {
        let change = |value: &Value| Change { key: key.key(), value: value.to_string() };
        let changes: Vec<Change> = values.iter().map(change).collect();
        points = points
            .iter()
            .flat_map(|point: &Vec<Change>| {
                let longer = |change: &Change| point.iter().chain([change]).cloned().collect();
                changes.iter().map(longer)
            })
            .collect();
    }
    points
}

impl Simulation {
    /// Whether the values of a point, each in its range, fit each other and the rest.
    fn check_point(
        &self,
        known: &Known,
        axes: &[Axis<'_>],
        point: &[Change],
    ) -> Result<(), ScenarioError> {
        if axes.iter().any(|(key, _)| key.name == "network" || key.network.is_some()) {
            return self.with(point).map(drop);
        }
        // The same, and many times as fast.
        let mut parameters = self.parameters(known);
        for (change, (key, values)) in point.iter().zip(axes) {
            let value = values.iter().find(|value| value.to_string() == change.value);
            if let Some(value) = value.filter(|_| OF_MODELS.contains(&key.section)) {
                parameters.insert(key.name.into(), value.clone());
            }
        }
        let check = (known.read)(parameters).map_or(Ok(()), |made| made.check);
        check.map_err(|OutOfRange { key, value, allowed }| ScenarioError::OutOfRange {
            place: BEGINNING,
            key,
            value,
            allowed,
        })
    }
}
