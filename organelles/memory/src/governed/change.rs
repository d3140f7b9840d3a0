//! Recording and erasing: what a principal signs, and what the node records for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use karyon_gate::Rights;
use karyon_graph::Reader;
use karyon_identity::SecretKey;
use karyon_keystore::{Keystore, SubjectId, UnsealError};
use karyon_log::{Control, MemoryRecord};
use karyon_memory_ops::{
    Entity, Memo, MemoKind, Origin, Sealed, Time, Valid, Vertex, Write, WriteError,
};
use karyon_runtime::{Annex, Authority, DataDir, wall_ms};
use karyon_statements::Checkpoint;
use karyon_types::{Hash, Hasher, Position};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::adopt::{Adopted, Terms};
use super::beside::of_subject;
pub use super::change_error::ChangeError;
use super::recall::{first_unused, serial};
use super::settle::find;
use super::standing::Standing;
use super::{
    IS_NUMBER, Recalled, Said, Words, associated, entity_of, is_number, key_of, lane_of, place_of,
    subject_of,
};
use crate::deed::{DeedError, deed};

/// Bytes of writes in one record, but for one write that is longer: a quarter of what a record may
/// have, and fewer than 65,536 of them, which are numbered with 16 bits.
const WRITES_BYTES: usize = 1024 * 1024;

/// Ranges of keys in one record: at most 16 bytes each, less than half of what a record may have.
const RANGES: usize = 100_000;

/// What a grant to record or erase memories is for.
pub const GOVERNED: &str = "memory/governed";

/// What is to be remembered.
#[derive(Clone, Debug)]
pub struct NewMemo<'a> {
    /// Whom or what it is about, 1 to 256 bytes. The log never learns it.
    pub subject: &'a str,
    /// Under which key, 1 to 256 bytes; one memory holds for each subject and key. Not sealed.
    pub key: &'a str,
    /// What it is.
    pub kind: MemoKind,
    /// What it says.
    pub words: Words,
    /// Who answers for it.
    pub owner: &'a str,
    /// Why it is kept.
    pub reason: &'a str,
    /// The last second, since 1970, to which it is kept; `None`: until somebody erases it.
    pub horizon: Option<i64>,
    /// From when on it is so.
    pub from: Time,
}

/// What of a subject is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All of it.
    All,
    /// All that was ever remembered under a key: wherever it came from, or in one place alone
    /// (`KEY@LOG`).
    Key(&'a str),
    /// One memory, by its [id](Recalled::id), or by its record where that holds no other of the
    /// subject.
    Id(&'a str),
}

/// What is to be recorded of memories, sealed already: what a principal signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The writes.
    writes: Vec<ByteBuf>,
    /// The keys that go: subject, first index, last.
    erased: Vec<(u64, u32, u32)>,
    /// Everything whose horizon is no later goes.
    expired: Option<i64>,
    /// How many records the log held when it was thought of: with another one behind them it may
    /// be wrong.
    on: u64,
}

impl Change {
    /// Something new. What was to begin only after `now`, and is erased, is in nobody's way.
    ///
    /// # Errors
    /// [`ChangeError::IsThere`], [`ChangeError::Later`]; [`ChangeError::Malformed`];
    /// [`ChangeError::Keys`].
    pub fn remember(
        keys: &mut Keystore,
        reader: Option<&Reader>,
        memo: &NewMemo<'_>,
        now: Time,
    ) -> Result<Change, ChangeError> {
        memo.check(false)?;
        if is_number(memo.subject) && find(keys, memo.subject).is_none() {
            return Err(memo.malformed(IS_NUMBER.into()));
        }
        match Standing::of(keys, reader, memo, now)? {
            Standing { before: Some(held), .. } if held.said != Said::Erased => {
                Err(ChangeError::IsThere {
                    subject: memo.subject.into(),
                    key: memo.key.into(),
                    position: held.position,
                    horizon: held.memo.horizon,
                })
            }
            Standing { behind: Some(later), .. } => Err(memo.in_front_of(&later)),
            Standing { .. } => Change::with(keys, reader, memo, None),
        }
    }

    /// Something else instead of what is remembered under the same key, which stays in its history:
    /// of [what it replaces](Change::replaced).
    ///
    /// # Errors
    /// Those of [`Change::replaced`]; [`ChangeError::Malformed`]; [`ChangeError::Keys`].
    pub fn supersede(
        keys: &mut Keystore,
        reader: &Reader,
        memo: &NewMemo<'_>,
        now: Time,
    ) -> Result<Change, ChangeError> {
        memo.check(true)?;
        let held = Change::replaced(keys, reader, memo, now)?;
        Change::with(keys, Some(reader), memo, Some(held.position))
    }

    /// What a memory takes the place of when it begins. What was to begin only after `now`, and is
    /// erased, does not count.
    ///
    /// # Errors
    /// [`ChangeError::Missing`], [`ChangeError::Erased`], [`ChangeError::Gone`],
    /// [`ChangeError::Later`]; what reading says.
    pub fn replaced(
        keys: &Keystore,
        reader: &Reader,
        memo: &NewMemo<'_>,
        now: Time,
    ) -> Result<Recalled, ChangeError> {
        let (subject, key) = (memo.subject.to_owned(), memo.key.to_owned());
        match Standing::of(keys, Some(reader), memo, now)? {
            Standing { behind: Some(later), .. } => Err(memo.in_front_of(&later)),
            Standing { before: None, .. } => Err(ChangeError::Missing { subject, key: Some(key) }),
            Standing { before: Some(held), .. } if held.said == Said::Erased => {
                Err(ChangeError::Gone { subject, key, id: held.id() })
            }
            Standing { before: Some(held), .. } => Ok(held),
        }
    }

    /// Nothing any more of a subject, by its name or as `~NUMBER`.
    ///
    /// # Errors
    /// [`ChangeError::Missing`], [`ChangeError::Erased`].
    pub fn forget_subject(keys: &Keystore, subject: &str) -> Result<Change, ChangeError> {
        let (serial, is_erased) = known(keys, subject, None)?;
        if is_erased {
            return Err(ChangeError::Erased { subject: subject.into(), key: None });
        }
        Ok(Change { erased: vec![(serial, 0, u32::MAX)], ..Change::default() })
    }

    /// Nothing any more of what was ever remembered under a key of a subject.
    ///
    /// # Errors
    /// [`ChangeError::Missing`], [`ChangeError::Erased`]; see [`GraphError`](karyon_graph::GraphError).
    pub fn forget(
        keys: &Keystore,
        reader: &Reader,
        subject: &str,
        key: &str,
    ) -> Result<Change, ChangeError> {
        let goes = Change::goes(keys, reader, subject, Which::Key(key))?;
        Ok(Change::forget_these(&goes))
    }

    /// Nothing any more of these, each of which has a key of its own.
    pub fn forget_these(goes: &[Recalled]) -> Change {
        let erased = goes.iter().map(|memo| (memo.serial, memo.memo.sealed.index)).collect();
        Change { erased: ranges(erased), ..Change::default() }
    }

    /// What would be forgotten of a subject, which is named or `~NUMBER`: what is erased already is
    /// not among it.
    ///
    /// # Errors
    /// [`ChangeError::Missing`], [`ChangeError::Erased`], [`ChangeError::InRun`],
    /// [`ChangeError::NoId`]; see [`GraphError`](karyon_graph::GraphError).
    pub fn goes(
        keys: &Keystore,
        reader: &Reader,
        subject: &str,
        which: Which<'_>,
    ) -> Result<Vec<Recalled>, ChangeError> {
        let (key, id) = match which {
            Which::All => (None, None),
            Which::Key(key) => (Some(key), None),
            Which::Id(id) => (None, Some(id)),
        };
        let (serial, is_gone) = known(keys, subject, key)?;
        let (subject, named) = (subject.to_owned(), key.or(id).map(ToOwned::to_owned));
        let mut all = of_subject(reader, Some(keys), serial)?;
        if which == Which::All {
            all.retain(|memo| memo.said != Said::Erased);
            return match is_gone {
                true => Err(ChangeError::Erased { subject, key: None }),
                false => Ok(all),
            };
        }
        all.retain(|memo| match which {
            Which::Id(id) => id == memo.id() || id == memo.position.to_string(),
            Which::Key(_) | Which::All => {
                key.is_none_or(|key| key == memo.key || key == memo.place())
            }
        });
        if id.is_some() && all.len() > 1 {
            let ids = all.iter().map(Recalled::id).collect::<Vec<_>>().join(", ");
            return Err(ChangeError::NoId { ids });
        }
        let (in_run, mut all): (Vec<_>, Vec<_>) = all.into_iter().partition(|memo| memo.in_run);
        if let (true, Some(memo)) = (all.is_empty(), in_run.first()) {
            return Err(ChangeError::InRun { subject, key: memo.key.clone() });
        }
        if all.is_empty() {
            return Err(ChangeError::Missing { subject, key: named });
        }
        all.retain(|memo| memo.said != Said::Erased);
        match all.is_empty() {
            true => Err(ChangeError::Erased { subject, key: named }),
            false => Ok(all),
        }
    }

    /// Nothing any more of what was to be kept no longer than `second`; `None`: there is no such
    /// thing.
    pub fn expire(expired: Vec<(u64, u32)>, second: i64) -> Option<Change> {
        let erased = ranges(expired);
        let expired = Some(second);
        (!erased.is_empty()).then_some(Change { erased, expired, ..Change::default() })
    }

    /// What an engram tells and nobody here knows yet, beside what is remembered here.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`]; [`ChangeError::Keys`]; [`ChangeError::Graph`].
    pub fn adopt(
        keys: &mut Keystore,
        reader: Option<&Reader>,
        adopted: &Adopted,
        terms: &Terms<'_>,
    ) -> Result<Change, ChangeError> {
        let subjects: BTreeSet<&str> =
            adopted.new.iter().map(|told| told.subject.as_str()).collect();
        for subject in &subjects {
            not_given_twice(keys, reader, subject)?;
        }
        keys.prepare(&subjects.into_iter().collect::<Vec<_>>())?;
        let writes = adopted.new.iter().map(|told| {
            let words = told.words_here(&adopted.log);
            let (memo, origin) = told.here(words, (adopted.log, adopted.signer), terms);
            write_of(keys, &memo, None, Some(origin))
        });
        Ok(Change { writes: writes.collect::<Result<_, _>>()?, ..Change::default() })
    }

    fn with(
        keys: &mut Keystore,
        reader: Option<&Reader>,
        memo: &NewMemo<'_>,
        supersedes: Option<Position>,
    ) -> Result<Change, ChangeError> {
        not_given_twice(keys, reader, memo.subject)?;
        let write = write_of(keys, memo, supersedes, None)?;
        Ok(Change { writes: vec![write], ..Change::default() })
    }

    /// What it rests on: the records of the log that were read.
    #[must_use]
    pub fn resting_on(self, reader: Option<&Reader>) -> Change {
        Change { on: reader.map_or(0, |reader| reader.end().0), ..self }
    }

    /// Whether keys are to be destroyed for it.
    pub fn erases(&self) -> bool {
        !self.erased.is_empty()
    }

    /// For the hand-over to the node.
    ///
    /// # Errors
    /// None that memory would give.
    pub fn encode(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec_named(self)
    }

    /// What was handed over.
    ///
    /// # Errors
    /// [`ChangeError::Forged`].
    pub fn decode(bytes: &[u8]) -> Result<Change, ChangeError> {
        let change: Change =
            rmp_serde::from_slice(bytes).map_err(|_| ChangeError::Forged("it cannot be read"))?;
        for write in &change.writes {
            let write = Write::decode(write).ok_or(ChangeError::Forged("a write is none"))?;
            let memo =
                Memo::of(&write.content).ok_or(ChangeError::Forged("a write is no memory"))?;
            let Entity::Fact { subject, predicate } = &write.entity else {
                return Err(ChangeError::Forged("a memory is a fact"));
            };
            let lane = memo.origin.map(|origin| lane_of(origin.log, origin.first.0));
            if key_of(predicate).1 != lane {
                return Err(ChangeError::Forged("a memory lies where those of another log do"));
            }
            if subject_of(subject) != Some(memo.sealed.subject) {
                return Err(ChangeError::Forged("a memory is about another subject than its key"));
            }
        }
        Ok(change)
    }

    /// What the principal signs.
    pub fn digest(bytes: &[u8]) -> Hash {
        Hasher::for_domain("karyon memory change v1").field(bytes).finish()
    }

    /// The records of it, under a lease: one, unless it is long.
    pub fn records(self, lease: u64, at_unix_ms: u64) -> Vec<MemoryRecord> {
        let record =
            |writes, erased| MemoryRecord { lease, writes, erased, expired: None, at_unix_ms };
        let mut records: Vec<_> =
            self.erased.chunks(RANGES).map(|some| record(Vec::new(), some.to_vec())).collect();
        let (mut bytes, mut told) = (WRITES_BYTES, BTreeSet::new());
        for write in self.writes {
            bytes += write.len();
            let entity = Write::decode(&write).map(|write| write.entity);
            // Two versions of one memory are told apart by their records.
            if bytes > WRITES_BYTES || told.contains(&entity) {
                records.push(record(Vec::new(), Vec::new()));
                bytes = write.len();
                told.clear();
            }
            told.insert(entity);
            if let Some(last) = records.last_mut() {
                last.writes.push(write);
            }
        }
        // Nothing of it is gone before all of it is.
        if let Some(last) = records.last_mut() {
            last.expired = self.expired;
        }
        records
    }
}

/// The write of a memory, sealed.
fn write_of(
    keys: &mut Keystore,
    memo: &NewMemo<'_>,
    supersedes: Option<Position>,
    origin: Option<Origin>,
) -> Result<ByteBuf, ChangeError> {
    let malformed = |why: String| memo.malformed(why);
    memo.bytes(origin.as_ref()).map_err(malformed)?;
    let place = place_of(memo.key, origin.map(|origin| lane_of(origin.log, origin.first.0)));
    let words = memo.words.encode().map_err(|error| malformed(error.to_string()))?;
    let bound = associated(&place, memo.kind, memo.owner);
    let sealed = keys.seal(memo.subject, &bound, &words)?;
    let content = Memo {
        kind: memo.kind,
        owner: memo.owner.into(),
        reason: memo.reason.into(),
        horizon: memo.horizon,
        supersedes,
        origin,
        sealed: Sealed { subject: sealed.subject.0, index: sealed.index, bytes: sealed.bytes },
    }
    .content();
    let entity = entity_of(sealed.subject.0, &place);
    let write = Write { entity, valid: Valid::since(memo.from), content };
    let mut bytes = Vec::new();
    write.encode(&mut bytes).map_err(|error: WriteError| malformed(error.to_string()))?;
    Ok(ByteBuf::from(bytes))
}

/// Keys that were brought back from a backup do not know what was sealed since.
fn not_given_twice(
    keys: &mut Keystore,
    reader: Option<&Reader>,
    subject: &str,
) -> Result<(), ChangeError> {
    let Some(reader) = reader else { return Ok(()) };
    match find(keys, subject) {
        Some((serial, false)) => {
            keys.advance(SubjectId(serial), first_unused(reader, serial)?)?;
        }
        Some((_, true)) => {}
        // It gets the next number, which nobody in the log may have.
        None => {
            let mut serials = Vec::new();
            reader.vertex_names(&mut |name| {
                serials.extend(subject_of(&Vertex::Named(name.into())));
            })?;
            for serial in serials {
                let Err(error) = keys.advance(SubjectId(serial), 0) else { continue };
                // Agents, and other logs, may call a thing whatever they like.
                if !of_subject(reader, Some(keys), serial)?.is_empty() {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(())
}

fn known(keys: &Keystore, subject: &str, key: Option<&str>) -> Result<(u64, bool), ChangeError> {
    let missing =
        || ChangeError::Missing { subject: subject.into(), key: key.map(ToOwned::to_owned) };
    if let Some(found) = find(keys, subject) {
        return Ok(found);
    }
    let serial = serial(Some(keys), subject).ok_or_else(missing)?;
    // Nothing is sealed so: all that is asked is whether it ever could have been.
    match (keys.name(SubjectId(serial)), keys.unseal(SubjectId(serial), 0, &[], &[])) {
        (Some(_), _) => Ok((serial, false)),
        (None, Err(UnsealError::Erased { .. })) => Ok((serial, true)),
        (None, _) => Err(missing()),
    }
}

/// The number of a subject, by name or as `~NUMBER`, that was forgotten as a whole.
pub(super) fn gone(keys: &Keystore, subject: &str) -> Option<u64> {
    known(keys, subject, None).ok().and_then(|(serial, is_gone)| is_gone.then_some(serial))
}

/// Neighbouring keys together.
fn ranges(mut keys: Vec<(u64, u32)>) -> Vec<(u64, u32, u32)> {
    keys.sort_unstable();
    keys.dedup();
    let mut ranges: Vec<(u64, u32, u32)> = Vec::new();
    for (subject, index) in keys {
        match ranges.last_mut() {
            Some((same, _, last)) if *same == subject && last.checked_add(1) == Some(index) => {
                *last = index;
            }
            _ => ranges.push((subject, index, index)),
        }
    }
    ranges
}

/// Records a change that a principal signed; where it stands.
///
/// # Errors
/// See [`ChangeError`]. Nothing is recorded then; should the checkpoint be what cannot be written,
/// it is.
pub fn record_change(
    dir: DataDir,
    key: Arc<SecretKey>,
    bytes: &[u8],
    authority: &Authority,
    known: &[Checkpoint],
    karyon: &str,
) -> Result<Position, ChangeError> {
    authority.permits(key.public_key(), Change::digest(bytes), GOVERNED, Rights::REMEMBER)?;
    let change = Change::decode(bytes)?;
    let annex = Annex::begin(dir, key, known)?;
    if annex.report().map_or(0, |report| report.end.records) != change.on {
        return Err(ChangeError::Overtaken);
    }
    let records = deed(&annex, authority, karyon, Rights::REMEMBER, |lease| {
        let records = change.records(lease.0, wall_ms());
        Ok::<_, DeedError>(records.into_iter().map(Control::Memory).collect())
    })?;
    let (dir, end) = annex.seal(karyon, &records)?;
    // It is in the log; whoever asks next builds the memory if this fails.
    drop(crate::open(dir.path(), &mut |_| ()));
    Ok(Position(end.records - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_keys_are_one_range() {
        let keys = vec![(1, 3), (1, 4), (2, 5), (1, 5), (1, 7), (2, 5), (1, u32::MAX), (2, 6)];
        let expected = [(1, 3, 5), (1, 7, 7), (1, u32::MAX, u32::MAX), (2, 5, 6)];
        assert_eq!(ranges(keys), expected);
        assert_eq!(ranges(Vec::new()), []);
    }
}
