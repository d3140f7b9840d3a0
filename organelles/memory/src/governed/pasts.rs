//! Whether what an engram tells of a log is what is known here of that log.
//!
//! A record of a log says one thing. Where a copy of a data directory was gone on with beside the
//! directory itself, two records have one place and one signer: such a log has two pasts, and nobody
//! here can say which of them is the right one.

use std::collections::{BTreeMap, BTreeSet};

use karyon_graph::{EntityId, NOBODY, Reader, View};
use karyon_keystore::Keystore;
use karyon_memory_ops::Memo;
use karyon_types::{LogId, Position};

use super::hearsay::speaks;
use super::recall::serial_of;
use super::settle::find;
use super::told::Told;
use super::{Recalled, Said, Words, key_of};
use crate::transplant::TransplantError;

/// The log and the record by which a memory came into the world.
pub(super) type CameToBe = (LogId, Position);

impl Told {
    /// Whether it says what is known here by the same record of the same log, as far as that can
    /// be read here.
    pub(super) fn says_as(&self, memo: &Recalled) -> bool {
        let is_so = (self.kind, self.reason.as_str(), self.from)
            == (memo.memo.kind, memo.memo.reason.as_str(), memo.valid.from);
        is_so
            && match &memo.said {
                // From where it came, and who answered on the way, is not what it says.
                Said::Words(said) => {
                    let words = &self.words;
                    (&words.text, &words.tags, &words.evidence)
                        == (&said.text, &said.tags, &said.evidence)
                }
                Said::Erased | Said::Locked | Said::Damaged => true,
            }
    }

    fn says_as_told(&self, other: &Told) -> bool {
        let all = |told: &Told| {
            let Told { subject, key, kind, reason, from, words, .. } = told.clone();
            (subject, key, kind, reason, from, Words { via: Vec::new(), ..words })
        };
        all(self) == all(other)
    }

    /// Why an engram of a log that tells it is refused.
    pub(super) fn two_pasts(&self, log: LogId) -> TransplantError {
        let (log, record) = self.came_to_be(log);
        let (subject, key) = (self.subject.clone(), self.key.clone());
        TransplantError::TwoPasts { log, record, subject, key }
    }
}

/// Refuses an engram that says of a record what is not known here by it: that it is about something
/// else, or that it is something else than this log holds there. What it says in words is compared
/// where it is read. Known is what this log, the record's own log or the engram's log said.
pub(super) fn one_past(
    told: &[Told],
    log: LogId,
    here: Option<(&Reader, LogId)>,
    keys: Option<&Keystore>,
) -> Result<(), TransplantError> {
    let mut of_record = BTreeMap::<CameToBe, &Told>::new();
    for told in told {
        let first = told.came_to_be(log);
        if of_record.insert(first, told).is_some_and(|other| !other.says_as_told(told)) {
            return Err(told.two_pasts(log));
        }
    }
    let Some((reader, this_log)) = here else { return Ok(()) };
    let known = places_of(reader, (this_log, log), &of_record)?;
    for (first, told) in of_record {
        let subject = keys.and_then(|keys| find(keys, &told.subject));
        // What is forgotten as a whole is left out, whatever it was.
        if matches!(subject, Some((_, true))) {
            continue;
        }
        let is_other = |(serial, key): &(u64, String)| {
            *key != told.key || (keys.is_some() && subject.is_none_or(|(of, _)| of != *serial))
        };
        let is_wrong = match known.get(&first) {
            Some(places) => places.iter().any(is_other),
            // Its own log holds something else there.
            None => first.0 == this_log && first.1 < reader.end(),
        };
        if is_wrong {
            return Err(told.two_pasts(log));
        }
    }
    Ok(())
}

/// About whom, and under which key, is what is known here by these records.
fn places_of(
    reader: &Reader,
    (this_log, log): (LogId, LogId),
    asked: &BTreeMap<CameToBe, &Told>,
) -> Result<BTreeMap<CameToBe, BTreeSet<(u64, String)>>, TransplantError> {
    let asks_this_log = asked.keys().any(|(log, _)| *log == this_log);
    let mut known = BTreeMap::<CameToBe, BTreeSet<_>>::new();
    for entity in reader.written_by(NOBODY)? {
        let EntityId::Fact { subject, predicate } = &entity else { continue };
        let (key, lane) = key_of(predicate);
        if lane.is_none() && !asks_this_log {
            continue;
        }
        let Some(serial) = serial_of(reader, *subject)? else { continue };
        for version in reader.history(&entity, &View::NOW)? {
            let memo = Memo::of(&version.content).filter(|_| version.recorded.agent == NOBODY);
            // What another log told of a record is no word about it.
            let Some(memo) = memo.filter(|memo| speaks(memo, log)) else { continue };
            let first = memo.origin.map_or((this_log, version.position), |origin| origin.first);
            if asked.contains_key(&first) {
                known.entry(first).or_default().insert((serial, key.to_owned()));
            }
        }
    }
    Ok(known)
}
