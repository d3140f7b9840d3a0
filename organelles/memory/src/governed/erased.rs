//! Who had something erased, when and why: the log says so for as long as there is a log.

use std::collections::{BTreeMap, BTreeSet};

use karyon_graph::Reader;
use karyon_keystore::Keystore;
use karyon_lineage::Tie;
use karyon_log::{Control, MemoryRecord, Record};
use karyon_types::Position;

use super::beside::of_subject;
use super::change::gone;
use super::recall::RecallError;
use super::{Recalled, Said};
use crate::journal::{Found, Journal};
use crate::lineage::{LineageError, Subject, explain};

/// What the log says of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The record that ordered it.
    pub position: Position,
    /// When that was recorded, milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Who ordered it, if the log names them.
    pub principal: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether it was ordered because its time was over.
    pub expired: bool,
}

/// For each of what was found that is erased, by its subject's number and its key's index: who had
/// it erased. The first record that says so counts. All records of authority are read once.
///
/// # Errors
/// See [`LineageError`].
pub fn erasures(
    journal: &mut Journal,
    reader: &Reader,
    found: &[Recalled],
) -> Result<BTreeMap<(u64, u32), Erasure>, LineageError> {
    first_erasures(journal, reader, found.iter().filter(|memo| memo.said == Said::Erased))
}

/// The same, also where the keys are elsewhere.
fn first_erasures<'a>(
    journal: &mut Journal,
    reader: &Reader,
    found: impl Iterator<Item = &'a Recalled>,
) -> Result<BTreeMap<(u64, u32), Erasure>, LineageError> {
    let mut wanted: Vec<_> = found.map(|memo| (memo.serial, memo.memo.sealed.index)).collect();
    let mut told = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(told);
    }
    let controls: Vec<_> = journal.tied(Tie::Control, 0)?.collect::<Result<_, _>>()?;
    for position in controls {
        let Some(record) = memories_of(journal, position)? else { continue };
        let (here, rest): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|(subject, index)| covers(&record, *subject, *index));
        wanted = rest;
        if !here.is_empty() {
            let erasure = told_of(journal, reader, position, &record)?;
            told.extend(here.into_iter().map(|key| (key, erasure.clone())));
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(told)
}

/// What a record erased, as far as the memory knows it, each with what is told of that: what an
/// earlier record had erased is not among it.
///
/// # Errors
/// See [`LineageError`], [`RecallError`].
pub fn erased_by(
    journal: &mut Journal,
    reader: &Reader,
    keys: Option<&Keystore>,
    (position, record): (Position, &MemoryRecord),
) -> Result<Vec<(Recalled, Erasure)>, ErasedError> {
    let mut found = Vec::new();
    let subjects: BTreeSet<u64> = record.erased.iter().map(|(subject, ..)| *subject).collect();
    for serial in subjects {
        let all = of_subject(reader, keys, serial)?.into_iter();
        found.extend(all.filter(|memo| covers(record, serial, memo.memo.sealed.index)));
    }
    let first = first_erasures(journal, reader, found.iter())?;
    let here = found.into_iter().filter_map(|memo| {
        let erasure = first.get(&(memo.serial, memo.memo.sealed.index))?;
        (erasure.position == position).then(|| (memo, erasure.clone()))
    });
    Ok(here.collect())
}

/// The subjects that a record has forgotten as a whole, by number.
pub fn forgotten_in(record: &MemoryRecord) -> BTreeSet<u64> {
    let whole = record.erased.iter().filter(|(_, first, last)| (*first, *last) == (0, u32::MAX));
    whole.map(|(subject, ..)| *subject).collect()
}

/// Whether a subject, by name or as `~NUMBER`, was forgotten as a whole.
pub fn is_gone(keys: &Keystore, subject: &str) -> bool {
    gone(keys, subject).is_some()
}

/// Who had a subject, by name or as `~NUMBER`, forgotten as a whole; `None`: nobody, as far as the
/// keys that are here say.
///
/// # Errors
/// See [`LineageError`].
pub fn whole_erasure(
    journal: &mut Journal,
    reader: &Reader,
    keys: &Keystore,
    subject: &str,
) -> Result<Option<Erasure>, LineageError> {
    let Some(serial) = gone(keys, subject) else { return Ok(None) };
    let controls: Vec<_> = journal.tied(Tie::Control, 0)?.collect::<Result<_, _>>()?;
    for position in controls {
        let Some(record) = memories_of(journal, position)? else { continue };
        if forgotten_in(&record).contains(&serial) {
            return told_of(journal, reader, position, &record).map(Some);
        }
    }
    Ok(None)
}

/// Why it is not told what a record erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasedError {
    /// The log does not say it.
    #[error(transparent)]
    Lineage(#[from] LineageError),
    /// The memory does not say it.
    #[error(transparent)]
    Recall(#[from] RecallError),
}

/// Whether a record destroys a key.
fn covers(record: &MemoryRecord, subject: u64, index: u32) -> bool {
    let mut ranges = record.erased.iter();
    ranges.any(|(of, first, last)| *of == subject && (*first..=*last).contains(&index))
}

/// The record of memories at a position, if that is one.
fn memories_of(
    journal: &mut Journal,
    position: Position,
) -> Result<Option<MemoryRecord>, LineageError> {
    let found = journal.record(position)?;
    Ok(match found.as_ref().and_then(Found::record) {
        Some(Record::Control(control)) => match *control {
            Control::Memory(record) => Some(record),
            _ => None,
        },
        _ => None,
    })
}

fn told_of(
    journal: &mut Journal,
    reader: &Reader,
    position: Position,
    record: &MemoryRecord,
) -> Result<Erasure, LineageError> {
    let authority = explain(Subject::Record(position), journal, reader)?.authority;
    Ok(Erasure {
        position,
        at_unix_ms: record.at_unix_ms,
        principal: authority.as_ref().map(|answers| answers.principal.name.clone()),
        reason: authority.and_then(|answers| answers.reasons.into_iter().next()),
        expired: record.expired.is_some(),
    })
}
