//! What one log tells of what came into the world in another: hearsay.
//!
//! A log speaks for its own records, and whoever carries memories on for what it carried itself. So
//! hearsay lies in a place of its own, and neither keeps out nor replaces what the log itself says,
//! or another one tells of it. What it says is answered as long as the log itself does not say the
//! same here.

use std::collections::{BTreeMap, BTreeSet};

use karyon_graph::{EntityId, GraphError, NOBODY, Reader, View};
use karyon_keystore::Keystore;
use karyon_memory_ops::Memo;
use karyon_types::{LogId, Position};

use super::pasts::CameToBe;
use super::recall::{RecallError, versions};
use super::{Recalled, Said, place_of};

/// Whether it is the word of another log than the one in which it came into the world.
fn is_hearsay(memo: &Memo) -> bool {
    memo.origin.is_some_and(|origin| origin.log != origin.first.0)
}

/// Whether a memory is the word of the log in which it came into the world, or of this one.
pub(super) fn speaks(memo: &Memo, log: LogId) -> bool {
    !is_hearsay(memo) || memo.origin.is_some_and(|origin| origin.log == log)
}

/// Whether it is hearsay, and the log in which it came into the world says the very same here, or
/// said so until something replaced it.
pub(super) fn is_told_by_its_log(
    reader: &Reader,
    keys: Option<&Keystore>,
    memo: &Recalled,
    view: &View,
) -> Result<bool, RecallError> {
    let (true, Some(origin)) = (is_hearsay(&memo.memo), memo.memo.origin) else { return Ok(false) };
    let (log, record) = origin.first;
    // The log may be this one.
    for place in [place_of(&memo.key, Some(log)), memo.key.clone()] {
        let all = versions(reader, keys, memo.serial, &place, view)?;
        let is_it = |own: &Recalled| {
            own.memo.origin.map_or(own.position, |origin| origin.record) == record
                && says_the_same(own, memo)
        };
        if all.iter().any(is_it) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn says_the_same(one: &Recalled, other: &Recalled) -> bool {
    let (Said::Words(words), Said::Words(others)) = (&one.said, &other.said) else { return false };
    (&words.text, &words.tags, &words.evidence) == (&others.text, &others.tags, &others.evidence)
        && (one.memo.kind, &one.memo.reason, one.valid.from)
            == (other.memo.kind, &other.memo.reason, other.valid.from)
}

/// Places of hearsay that are not told on: the log itself tells one of the records here, or another
/// one told of it before. An engram says one thing of a record.
pub(super) fn not_told_on(
    reader: &Reader,
    this_log: LogId,
) -> Result<BTreeSet<EntityId>, GraphError> {
    let mut hearsay = Vec::<(CameToBe, EntityId)>::new();
    each_memo(reader, &mut |entity, memo, _| {
        if let (true, Some(origin)) = (is_hearsay(memo), memo.origin) {
            hearsay.push((origin.first, entity.clone()));
        }
    })?;
    let mut word = BTreeMap::<CameToBe, Option<(bool, Position, EntityId)>>::new();
    word.extend(hearsay.iter().map(|(first, _)| (*first, None)));
    if word.is_empty() {
        return Ok(BTreeSet::new());
    }
    each_memo(reader, &mut |entity, memo, position| {
        let first = memo.origin.map_or((this_log, position), |origin| origin.first);
        let Some(best) = word.get_mut(&first) else { return };
        let told = (is_hearsay(memo), position, entity.clone());
        if best.as_ref().is_none_or(|best| told < *best) {
            *best = Some(told);
        }
    })?;
    let is_left = |(first, entity): &(CameToBe, EntityId)| {
        word.get(first).is_some_and(|best| best.as_ref().is_some_and(|(.., best)| best != entity))
    };
    Ok(hearsay.into_iter().filter(is_left).map(|(_, entity)| entity).collect())
}

/// Hears of each memory that a principal recorded here, in the open.
fn each_memo(
    reader: &Reader,
    hear: &mut dyn FnMut(&EntityId, &Memo, Position),
) -> Result<(), GraphError> {
    for entity in reader.written_by(NOBODY)? {
        let EntityId::Fact { .. } = &entity else { continue };
        for version in reader.history(&entity, &View::NOW)? {
            let memo = Memo::of(&version.content).filter(|_| version.recorded.agent == NOBODY);
            if let Some(memo) = memo {
                hear(&entity, &memo, version.position);
            }
        }
    }
    Ok(())
}
