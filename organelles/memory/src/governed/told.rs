//! Memories for which somebody answers, as an engram tells them: opened, so that they can be sealed
//! again where they come in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as IoWrite;

use karyon_engram::{Principal, Sealer};
use karyon_graph::{EntityId, NOBODY, Reader, Version, View};
use karyon_identity::{PublicKey, SecretKey};
use karyon_keystore::Keystore;
use karyon_log::{Control, Record};
use karyon_memory_ops::{
    Content, Entity, MemoKind, Memory, Origin, Properties, Recorded, Time, Valid, Value, Vertex,
    Write,
};
use karyon_types::{LogId, Position};
use karyon_verify::Report;

use super::adopt::Terms;
use super::change::NewMemo;
use super::hearsay::not_told_on;
use super::recall::{RecallError, opened, serial_of};
use super::{Recalled, Said, Words};
use crate::journal::Journal;
use crate::transplant::{TransplantError, seal};

/// What was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How long the engram is.
    pub bytes: u64,
    /// How many memories it holds.
    pub memories: usize,
    /// What was chosen and stays, as what replaced it does: where the engram comes in, it would hold
    /// again.
    pub superseded: usize,
    /// What was chosen and stays, as another log told it of one that tells it here itself, or of
    /// which a third one told before.
    pub hearsay: usize,
}

/// Which memories for which somebody answers are taken out; of several conditions all must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct GovernedSelection<'a> {
    /// About one of these; empty: about anybody.
    pub subjects: &'a [String],
    /// Under one of these keys; empty: under any.
    pub keys: &'a [String],
    /// For which one of these answers; empty: whoever does.
    pub owners: &'a [String],
    /// Of one of these kinds; empty: of any.
    pub kinds: &'a [MemoKind],
    /// The moment. Versions that begin later are left out; `None`: the end of time.
    pub at: Option<Time>,
    /// Whether what held before the moment is left out: what is to replace what holds then is not,
    /// where no moment is named.
    pub without_history: bool,
    /// What has expired by this second since 1970 is left out, and, without history and where no
    /// moment is named, what begins later and replaces nothing; `None`: nothing is.
    pub now: Option<i64>,
}

impl GovernedSelection<'_> {
    fn admits(&self, memo: &Recalled) -> bool {
        let is_one = |wanted: &[String], found: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted == found)
        };
        is_one(self.subjects, memo.subject.as_deref().unwrap_or_default())
            && is_one(self.keys, &memo.key)
            && is_one(self.owners, &memo.memo.owner)
            && (self.kinds.is_empty() || self.kinds.contains(&memo.memo.kind))
            && self.now.is_none_or(|now| !memo.is_expired(now))
    }
}

/// A memory for which somebody answers, as an engram tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whom it is about.
    pub subject: String,
    /// Under which key.
    pub key: String,
    /// What it is.
    pub kind: MemoKind,
    /// Who answers for it where it comes from.
    pub owner: String,
    /// Why it was kept there.
    pub reason: String,
    /// The last second, since 1970, to which it is kept there; `None`: until somebody erases it.
    pub horizon: Option<i64>,
    /// What it says.
    pub words: Words,
    /// From when on it is so.
    pub from: Time,
    /// The record there.
    pub record: Position,
    /// The log and the record by which it came into the world; `None`: by that record.
    pub first: Option<(LogId, Position)>,
}

const KIND: &str = "kind";
const OWNER: &str = "owner";
const REASON: &str = "reason";
const HORIZON: &str = "horizon";
const TEXT: &str = "text";
const TAGS: &str = "tags";
const EVIDENCE: &str = "evidence";
const VIA: &str = "via";
const FIRST: &str = "first";

impl Told {
    /// What a recalled memory tells; `None`: what it says is erased, or the keys are elsewhere.
    fn of_recalled(memo: Recalled) -> Option<Told> {
        let Said::Words(words) = memo.said else { return None };
        Some(Told {
            subject: memo.subject?,
            key: memo.key,
            kind: memo.memo.kind,
            owner: memo.memo.owner,
            reason: memo.memo.reason,
            horizon: memo.memo.horizon,
            words,
            from: memo.valid.from,
            record: memo.position,
            first: memo.memo.origin.map(|origin| origin.first),
        })
    }

    /// The log and the record by which it came into the world, where it comes from this log.
    pub(super) fn came_to_be(&self, log: LogId) -> (LogId, Position) {
        self.first.unwrap_or((log, self.record))
    }

    pub(super) fn write(&self) -> Write {
        let list = |texts: &mut dyn Iterator<Item = &String>| {
            Value::List(texts.map(|text| text.clone().into()).collect())
        };
        let horizon = self.horizon.and_then(|second| Time::new(second, 0));
        let first = self.first.map(|(log, record)| {
            let record = Value::Int(record.0.cast_signed());
            Value::List(vec![Value::Bytes(log.0.into()), record])
        });
        Write {
            entity: Entity::Fact {
                subject: Vertex::Named(self.subject.clone()),
                predicate: self.key.clone(),
            },
            valid: Valid::since(self.from),
            content: Content::with([
                (KIND, self.kind.name().into()),
                (OWNER, self.owner.clone().into()),
                (REASON, self.reason.clone().into()),
                (HORIZON, horizon.map_or(Value::Null, Value::Time)),
                (TEXT, self.words.text.clone().into()),
                (TAGS, list(&mut self.words.tags.iter())),
                (EVIDENCE, list(&mut self.words.evidence.iter())),
                (VIA, list(&mut self.words.via.iter())),
                (FIRST, first.unwrap_or(Value::Null)),
            ]),
        }
    }

    /// What a memory of an engram tells; `None`: it is none for which somebody answers, or not in
    /// its one form.
    pub fn of(memory: &Memory) -> Option<Told> {
        let Memory { write, recorded } = memory;
        let Entity::Fact { subject: Vertex::Named(subject), predicate } = &write.entity else {
            return None;
        };
        let Content::Present { properties, .. } = &write.content else { return None };
        let told = Told {
            subject: subject.clone(),
            key: predicate.clone(),
            kind: MemoKind::of_name(&text(properties, KIND)?)?,
            owner: text(properties, OWNER)?,
            reason: text(properties, REASON)?,
            horizon: match properties.get(HORIZON)? {
                Value::Time(time) => Some(time.units()),
                _ => None,
            },
            words: Words {
                text: text(properties, TEXT)?,
                tags: texts(properties, TAGS)?.into_iter().collect::<BTreeSet<_>>(),
                evidence: texts(properties, EVIDENCE)?,
                via: texts(properties, VIA)?,
            },
            from: write.valid.from,
            record: recorded.position,
            first: first(properties.get(FIRST)?),
        };
        let is_whole = told.write() == *write && recorded.agent == NOBODY;
        is_whole.then_some(told)
    }

    /// As it is recorded here, where it comes from a log whose engrams this key signs.
    pub(super) fn here<'a>(
        &'a self,
        words: Words,
        (log, signer): (LogId, PublicKey),
        terms: &Terms<'a>,
    ) -> (NewMemo<'a>, Origin) {
        let memo = NewMemo {
            subject: &self.subject,
            key: &self.key,
            kind: self.kind,
            words,
            owner: terms.owner,
            reason: &self.reason,
            horizon: terms.horizon,
            from: self.from,
        };
        let (record, first) = (self.record, self.came_to_be(log));
        (memo, Origin { log, signer: signer.0, record, first })
    }

    /// What it says here: the same, with where it comes from.
    pub(super) fn words_here(&self, log: &LogId) -> Words {
        let Told { words, record, owner, .. } = self;
        let mut words = words.clone();
        words.via.push(format!("record {record} of log {log}, for which {owner} answered"));
        words
    }
}

fn first(value: &Value) -> Option<(LogId, Position)> {
    let Value::List(parts) = value else { return None };
    let [Value::Bytes(log), Value::Int(record)] = &parts[..] else { return None };
    Some((LogId(log[..].try_into().ok()?), Position(record.cast_unsigned())))
}

fn text(properties: &Properties, name: &str) -> Option<String> {
    match properties.get(name)? {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn texts(properties: &Properties, name: &str) -> Option<Vec<String>> {
    let Value::List(values) = properties.get(name)? else { return None };
    let texts = values.iter().map(|value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

/// Takes out memories for which somebody answers, opened; what is erased is left out, and with it
/// what it replaced: of each memory, a version goes only with all that replaced it. Whoever gives
/// them away `answers` for that in the manifest. As [`export`](crate::export) otherwise.
///
/// # Errors
/// See [`TransplantError`].
pub fn export_governed(
    report: &Report,
    reader: &Reader,
    journal: &mut Journal,
    keys: Option<&Keystore>,
    (selection, answers): (&GovernedSelection<'_>, Principal),
    key: &SecretKey,
    (spool, out): (File, &mut impl IoWrite),
) -> Result<Exported, TransplantError> {
    let mut chosen: Vec<(Position, u16, Recorded, Version, u64, String)> = Vec::new();
    let (mut superseded, mut hearsay) = (0, 0);
    let stays = not_told_on(reader, report.log)?;
    for entity in reader.written_by(NOBODY)? {
        let EntityId::Fact { subject, predicate } = &entity else { continue };
        let Some(serial) = serial_of(reader, *subject)? else { continue };
        let history = reader.history(&entity, &View::NOW)?;
        let (go, stay) = travelling(keys, (serial, predicate), history, selection)?;
        if stays.contains(&entity) {
            hearsay += go.len() + stay;
            continue;
        }
        superseded += stay;
        for version in go {
            let Recorded { position, output, .. } = version.recorded;
            let Some(output) = output else { continue };
            chosen.push((position, output, version.recorded, version, serial, predicate.clone()));
        }
    }
    if chosen.is_empty() && superseded > 0 {
        return Err(TransplantError::Superseded { superseded });
    }
    chosen.sort_unstable_by_key(|(position, output, ..)| (*position, *output));
    let mut sealer = Sealer::new(spool);
    for (position, output, recorded, version, serial, place) in chosen {
        let write = version_write(&version, serial, &place);
        let memo = opened(keys, serial, &place, version);
        let Some(told) = memo.and_then(Told::of_recalled) else { continue };
        if logged(journal, position, output)? != Some(write) {
            return Err(TransplantError::NotInLog { position });
        }
        sealer.add(&Memory { write: told.write(), recorded })?;
    }
    // What one of them was recorded for is not for whoever reads another.
    let why = Some(("each for a reason of its own", answers));
    let (bytes, memories) =
        seal(report, reader, sealer, (BTreeSet::new(), selection.at, why), key, out)?;
    Ok(Exported { bytes, memories, superseded, hearsay })
}

/// Which of an entity's versions go, and how many of those that are chosen stay: one without that
/// which replaced it would hold where it comes in, and does so no more here.
fn travelling(
    keys: Option<&Keystore>,
    (serial, place): (u64, &str),
    mut history: Vec<Version>,
    selection: &GovernedSelection<'_>,
) -> Result<(Vec<Version>, usize), TransplantError> {
    // What an agent writes about it replaces nothing.
    history.retain(|version| version.recorded.agent == NOBODY);
    let begins_by = |moment: Option<Time>, version: &Version| {
        moment.is_none_or(|moment| version.valid.from <= moment)
    };
    // What begins later does not hold yet.
    let now = selection.now.and_then(|now| Time::new(now, 999_999_999));
    let holding = history.iter().rposition(|version| begins_by(selection.at.or(now), version));
    let (mut go, mut stay, mut is_replaced) = (Vec::new(), 0, false);
    for (index, version) in history.into_iter().enumerate().rev() {
        // What is to replace it later goes with what holds.
        let is_asked = begins_by(selection.at, &version)
            && (!selection.without_history || holding.is_some_and(|holding| holding <= index));
        let Some(memo) = opened(keys, serial, place, version.clone()) else { continue };
        if is_asked && memo.said == Said::Locked {
            return Err(TransplantError::Locked);
        }
        if is_asked && memo.said == Said::Damaged {
            return Err(RecallError::Forged { position: memo.position }.into());
        }
        let is_told = matches!(memo.said, Said::Words(_)) && memo.subject.is_some();
        match is_asked && is_told && selection.admits(&memo) {
            true if is_replaced => stay += 1,
            true => go.push(version),
            false => is_replaced = true,
        }
    }
    Ok((go, stay))
}

/// The write of a version, as it lies in the log.
fn version_write(version: &Version, serial: u64, place: &str) -> Write {
    let (valid, content) = (version.valid, version.content.clone());
    Write { entity: super::entity_of(serial, place), valid, content }
}

/// What the log holds at a place.
fn logged(
    journal: &mut Journal,
    position: Position,
    output: u16,
) -> Result<Option<Write>, TransplantError> {
    let Some(found) = journal.record(position)? else { return Ok(None) };
    let Some(Record::Control(control)) = found.record() else { return Ok(None) };
    let Control::Memory(record) = *control else { return Ok(None) };
    Ok(record.writes.get(usize::from(output)).and_then(|write| Write::decode(write)))
}
