//! What stands around a memory: what contradicts it, what took its place, what a record holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use karyon_graph::{At, EntityId, GraphError, Reader, View};
use karyon_keystore::Keystore;
use karyon_log::MemoryRecord;
use karyon_memory_ops::{Entity, Write};
use karyon_types::Position;

use super::recall::{Filter, RecallError, Recalled, Said, holding, versions};
use super::{key_of, subject_of, vertex_of};

/// For each of what was found, what is remembered beside it of the same subject and key, and says
/// otherwise.
///
/// # Errors
/// See [`RecallError`].
pub fn contradictions(
    reader: &Reader,
    keys: Option<&Keystore>,
    found: &[Recalled],
    filter: &Filter<'_>,
    view: &View,
) -> Result<Vec<Vec<Recalled>>, RecallError> {
    let (mut of_each, mut beside) = (Vec::new(), BTreeMap::<u64, BTreeMap<String, _>>::new());
    let moment = filter.moment(view);
    for memo in found {
        let places = match beside.entry(memo.serial) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(none) => none.insert(places_by_key(reader, memo.serial)?),
        };
        let (own, mut others) = (memo.place(), Vec::new());
        let words = match (&memo.said, places.get(&memo.key)) {
            (Said::Words(words), Some(places)) if places.len() > 1 && !memo.in_run => {
                Some((words, places))
            }
            _ => None,
        };
        for (place, entity) in words.into_iter().flat_map(|(_, places)| places) {
            if *place == own {
                continue;
            }
            let (other, _) = holding(reader, keys, (memo.serial, entity), view, moment)?;
            let says_otherwise = |other: &Recalled| match (&other.said, words) {
                (Said::Words(said), Some((words, _))) => {
                    said.text != words.text && !filter.now.is_some_and(|now| other.is_expired(now))
                }
                _ => false,
            };
            others.extend(other.filter(says_otherwise));
        }
        of_each.push(others);
    }
    Ok(of_each)
}

/// Where memories of a subject lie, by their keys.
fn places_by_key(
    reader: &Reader,
    serial: u64,
) -> Result<BTreeMap<String, Vec<(String, EntityId)>>, GraphError> {
    let mut by_key = BTreeMap::<String, Vec<_>>::new();
    let Some(subject) = reader.find_vertex(None, &vertex_of(serial))? else { return Ok(by_key) };
    for entity in reader.entities_of(subject)? {
        let EntityId::Fact { subject: of, predicate } = &entity else { continue };
        if *of == subject {
            let (key, place) = (key_of(predicate).0.to_owned(), predicate.clone());
            by_key.entry(key).or_default().push((place, entity));
        }
    }
    Ok(by_key)
}

/// What took the place of a memory, as of what is recorded; `None`: it holds still.
///
/// # Errors
/// See [`RecallError`].
pub fn replacement(
    reader: &Reader,
    keys: Option<&Keystore>,
    memo: &Recalled,
    view: &View,
) -> Result<Option<Recalled>, RecallError> {
    let all = View { at: At::Now, as_recorded: view.as_recorded };
    let all = versions(reader, keys, memo.serial, &memo.place(), &all)?;
    Ok(memo.replaced_by(&all).cloned())
}

/// What a record says about subjects, as it is found now, each with what replaced it.
///
/// # Errors
/// See [`RecallError`].
pub fn recorded_in(
    reader: &Reader,
    keys: Option<&Keystore>,
    position: Position,
    record: &MemoryRecord,
) -> Result<Vec<(Recalled, Option<Recalled>)>, RecallError> {
    let mut found = Vec::new();
    for write in record.writes.iter().filter_map(|write| Write::decode(write)) {
        let Entity::Fact { subject, predicate } = &write.entity else { continue };
        let Some(serial) = subject_of(subject) else { continue };
        let all = versions(reader, keys, serial, predicate, &View::NOW)?;
        for memo in all.iter().filter(|memo| memo.position == position) {
            found.push((memo.clone(), memo.replaced_by(&all).cloned()));
        }
    }
    Ok(found)
}

/// All that was ever remembered of a subject, by its number.
pub(super) fn of_subject(
    reader: &Reader,
    keys: Option<&Keystore>,
    serial: u64,
) -> Result<Vec<Recalled>, RecallError> {
    let mut all = Vec::new();
    for (place, _) in places_by_key(reader, serial)?.into_values().flatten() {
        all.extend(versions(reader, keys, serial, &place, &View::NOW)?);
    }
    Ok(all)
}
