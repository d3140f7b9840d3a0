//! Who had something erased, when and why: the log says so for as long as there is a log.

use std::collections::BTreeMap;

use karyon_graph::Reader;
use karyon_lineage::Tie;
use karyon_log::{Control, Record};
use karyon_types::Position;

use super::{Recalled, Said};
use crate::journal::Journal;
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
    let erased = found.iter().filter(|memo| memo.said == Said::Erased);
    let mut wanted: Vec<_> = erased.map(|memo| (memo.serial, memo.memo.sealed.index)).collect();
    let mut told = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(told);
    }
    let controls: Vec<_> = journal.tied(Tie::Control, 0)?.collect::<Result<_, _>>()?;
    for position in controls {
        let Some(found) = journal.record(position)? else { continue };
        let Some(Record::Control(control)) = found.record() else { continue };
        let Control::Memory(record) = *control else { continue };
        let is_in = |(subject, index): &(u64, u32)| {
            let is_in = |(of, first, last): &(u64, u32, u32)| {
                of == subject && (*first..=*last).contains(index)
            };
            record.erased.iter().any(is_in)
        };
        let (here, rest): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_in);
        wanted = rest;
        if !here.is_empty() {
            let authority = explain(Subject::Record(position), journal, reader)?.authority;
            let erasure = Erasure {
                position,
                at_unix_ms: record.at_unix_ms,
                principal: authority.as_ref().map(|answers| answers.principal.name.clone()),
                reason: authority.and_then(|answers| answers.reasons.into_iter().next()),
                expired: record.expired.is_some(),
            };
            told.extend(here.into_iter().map(|key| (key, erasure.clone())));
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(told)
}
