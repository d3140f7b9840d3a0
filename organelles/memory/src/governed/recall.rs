//! What is remembered, for whoever asks.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use karyon_graph::{At, EntityId, GraphError, NOBODY, Reader, Version, VertexId, View};
use karyon_keystore::{Keystore, SubjectId, UnsealError};
use karyon_log::Message;
use karyon_memory_ops::{Entity, Memo, MemoKind, Time, Valid, Vertex};
use karyon_types::Position;

use super::hearsay::is_told_by_its_log;
use super::settle::find;
use super::standing::holds;
use super::{Words, associated, key_of, lane_of, place_of, run, subject_of, vertex_of};

/// Why nothing is recalled.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// The memory cannot be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// What was sealed is not what the key says, where one memory cannot be left out.
    #[error("record {position} was sealed by another key, or is not as it was recorded")]
    Forged {
        /// The record.
        position: Position,
    },
}

/// What a memory says to whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// This.
    Words(Words),
    /// Nothing any more: its key was destroyed.
    Erased,
    /// Nothing here: the keys are elsewhere.
    Locked,
    /// Nothing that can be believed: it was sealed by another key, or is not as it was recorded.
    Damaged,
}

/// A memory as it is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    /// Whom it is about; `None`: erased, or the keys are elsewhere.
    pub subject: Option<String>,
    /// The same, by number.
    pub serial: u64,
    /// Under which key.
    pub key: String,
    /// Who answers, until when, why.
    pub memo: Memo,
    /// What it says.
    pub said: Said,
    /// When that is so.
    pub valid: Valid,
    /// Where it stands in the log.
    pub position: Position,
    /// Which of that record's memories it is.
    pub output: u16,
    /// Whether an agent recorded it that belongs to the subject; else a principal did.
    pub in_run: bool,
}

impl Recalled {
    /// Whether its time is over in a second since 1970: from its horizon on.
    pub fn is_expired(&self, second: i64) -> bool {
        self.memo.horizon.is_some_and(|horizon| horizon <= second)
    }

    /// By which it is named alone: its record, and which of that record's memories it is.
    pub fn id(&self) -> String {
        format!("{}.{}", self.position, self.output)
    }

    /// Where it lies.
    pub(super) fn place(&self) -> String {
        place_of(&self.key, self.memo.origin.map(|origin| lane_of(origin.log, origin.first.0)))
    }

    /// Which of these took its place: of those that were recorded here the one that says so, of
    /// those from elsewhere the next one from there.
    pub fn replaced_by<'a>(&self, history: &'a [Recalled]) -> Option<&'a Recalled> {
        let place = self.place();
        let mut behind = history.iter().filter(|memo| memo.place() == place);
        if self.memo.origin.is_none() {
            // Several, where one that was to begin later was erased before.
            let mut all = behind.filter(|memo| memo.memo.supersedes == Some(self.position));
            let first = all.next()?;
            let is_erased = |memo: &&Recalled| memo.said == Said::Erased;
            return Some(match is_erased(&first) {
                true => all.find(|memo| !is_erased(memo)).unwrap_or(first),
                false => first,
            });
        }
        let is_it = |memo: &&Recalled| (memo.position, memo.output) == (self.position, self.output);
        behind.find(is_it).and_then(|_| behind.next())
    }
}

/// What is found, and how much is left out of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// By subject and key.
    pub memories: Vec<Recalled>,
    /// What would be among them, had it not expired.
    pub expired: usize,
    /// What holds from a later moment on.
    pub later: usize,
    /// What may be among them, and is [damaged](Said::Damaged).
    pub damaged: Vec<Recalled>,
}

/// Which memories are asked for; of several conditions all must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// About this subject, by name or as `~NUMBER`. Then what is erased is found too.
    pub subject: Option<&'a str>,
    /// Under this key.
    pub key: Option<&'a str>,
    /// Of one of these kinds; empty: of any.
    pub kinds: &'a [MemoKind],
    /// For which this one answers.
    pub owner: Option<&'a str>,
    /// With this tag.
    pub tag: Option<&'a str>,
    /// With each of these words somewhere in text, tags, key or subject, in any case.
    pub words: &'a [String],
    /// What has expired by this second since 1970 is left out, and, unless a moment is asked about,
    /// what holds only later; `None`: nothing is.
    pub now: Option<i64>,
}

impl Filter<'_> {
    /// The moment at which principals' memories are asked, where none is named: the end of the
    /// second.
    pub(super) fn moment(&self, view: &View) -> Option<Time> {
        match view.at {
            At::Now => Time::new(self.now?, 999_999_999),
            At::Moment(_) | At::Between(..) => None,
        }
    }

    fn admits(&self, memo: &Recalled) -> bool {
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let is_known = is(self.key, &memo.key)
            && is(self.owner, &memo.memo.owner)
            && (self.kinds.is_empty() || self.kinds.contains(&memo.memo.kind));
        let Said::Words(words) = &memo.said else {
            // What it said is not known, so only who asks for this very subject meets it.
            return is_known
                && self.tag.is_none()
                && self.words.is_empty()
                && ([Said::Locked, Said::Damaged].contains(&memo.said) || self.subject.is_some());
        };
        let has_tag = self.tag.is_none_or(|tag| words.tags.contains(tag));
        is_known && has_tag && self.words.iter().all(|word| mentions(memo, words, word))
    }
}

fn mentions(memo: &Recalled, words: &Words, word: &str) -> bool {
    let word = word.to_lowercase();
    let mut texts = words.tags.iter().chain([&words.text, &memo.key]).chain(&memo.subject);
    texts.any(|text| text.to_lowercase().contains(&word))
}

/// The memories that hold, by subject and key. `None` for `keys`: they are elsewhere.
///
/// # Errors
/// See [`RecallError`].
pub fn recall(
    reader: &Reader,
    keys: Option<&Keystore>,
    filter: &Filter<'_>,
    view: &View,
) -> Result<Vec<Recalled>, RecallError> {
    Ok(find_all(reader, keys, filter, view)?.memories)
}

/// The same, with how much is left out.
///
/// # Errors
/// See [`RecallError`].
pub fn find_all(
    reader: &Reader,
    keys: Option<&Keystore>,
    filter: &Filter<'_>,
    view: &View,
) -> Result<Found, RecallError> {
    let mut all_found = Found::default();
    let entities = match filter.subject {
        None => all(reader, keys)?,
        Some(name) => match serial(keys, name) {
            None => return Ok(all_found),
            Some(serial) => match reader.find_vertex(None, &vertex_of(serial))? {
                None => return Ok(all_found),
                Some(vertex) => reader.entities_of(vertex)?,
            },
        },
    };
    let moment = filter.moment(view);
    let found = &mut all_found.memories;
    for entity in entities {
        let EntityId::Fact { subject, predicate } = &entity else { continue };
        if filter.key.is_some_and(|key| key != key_of(predicate).0) {
            continue;
        }
        let Some(serial) = serial_of(reader, *subject)? else { continue };
        let (memo, later) = holding(reader, keys, (serial, &entity), view, moment)?;
        let is_to_come = |memo: &&Recalled| memo.said != Said::Erased && filter.admits(memo);
        all_found.later += later.iter().filter(is_to_come).count();
        let Some(memo) = memo else { continue };
        if memo.said == Said::Damaged {
            // Whether it mentions what is asked for nobody knows.
            let is_asked = Filter { tag: None, words: &[], ..filter.clone() }.admits(&memo);
            all_found.damaged.extend(is_asked.then_some(memo));
            continue;
        }
        if !filter.admits(&memo) {
            continue;
        }
        // What is erased is told as that, whether or not its time was over.
        match memo.said != Said::Erased && filter.now.is_some_and(|now| memo.is_expired(now)) {
            true => all_found.expired += 1,
            false => found.push(memo),
        }
    }
    // What was recorded here stands before what came from elsewhere, and a log's own word before
    // what another tells of it.
    found.sort_by(|one, other| {
        let order = |memo: &Recalled| {
            let origin = memo.memo.origin?;
            Some((origin.log != origin.first.0, origin.log, origin.first.0))
        };
        (&one.subject, &one.key, order(one)).cmp(&(&other.subject, &other.key, order(other)))
    });
    Ok(all_found)
}

/// What holds in an entity, and, where a `moment` is named, what holds only later.
pub(super) fn holding(
    reader: &Reader,
    keys: Option<&Keystore>,
    (serial, entity): (u64, &EntityId),
    view: &View,
    moment: Option<Time>,
) -> Result<(Option<Recalled>, Vec<Recalled>), RecallError> {
    let EntityId::Fact { predicate, .. } = entity else { return Ok((None, Vec::new())) };
    let is_later = |from: Time| moment.is_some_and(|moment| moment < from);
    if let Some(version) = reader.get(entity, view)?
        && version.recorded.agent == NOBODY
        && !is_later(version.valid.from)
    {
        let memo = opened(keys, serial, predicate, version);
        // In front of what is erased something may have been said since.
        if memo.as_ref().is_none_or(|memo| memo.said != Said::Erased) {
            return Ok((answered(reader, keys, memo, view)?, Vec::new()));
        }
    }
    // An agent may write whatever it likes about anything, an end of it, too: in front of what
    // somebody answers for it hides nothing.
    let mut all = versions(reader, keys, serial, predicate, view)?;
    // Moments of a run are of its model, and no moments of a clock.
    let is_later = |memo: &Recalled| !memo.in_run && is_later(memo.valid.from);
    let behind = all.iter().rposition(|memo| !is_later(memo)).map_or(0, |last| last + 1);
    let later = all.split_off(behind);
    Ok((answered(reader, keys, holds(all), view)?, later))
}

/// The same, unless the log of which it tells says it itself.
fn answered(
    reader: &Reader,
    keys: Option<&Keystore>,
    memo: Option<Recalled>,
    view: &View,
) -> Result<Option<Recalled>, RecallError> {
    let all = View { at: At::Now, as_recorded: view.as_recorded };
    Ok(match memo {
        Some(memo) if is_told_by_its_log(reader, keys, &memo, &all)? => None,
        memo => memo,
    })
}

/// What principals recorded, and what agents remember of subjects whose keys are here.
fn all(reader: &Reader, keys: Option<&Keystore>) -> Result<Vec<EntityId>, GraphError> {
    let mut all: BTreeSet<_> = reader.written_by(NOBODY)?.into_iter().collect();
    for (subject, _) in keys.into_iter().flat_map(Keystore::subjects) {
        if let Some(vertex) = reader.find_vertex(None, &vertex_of(subject.0))? {
            all.extend(reader.entities_of(vertex)?);
        }
    }
    Ok(all.into_iter().collect())
}

/// All that was ever remembered under a key of a subject, the oldest first; what came from elsewhere
/// behind it, log by log.
///
/// # Errors
/// See [`RecallError`].
pub fn history(
    reader: &Reader,
    keys: Option<&Keystore>,
    subject: &str,
    key: &str,
    view: &View,
) -> Result<Vec<Recalled>, RecallError> {
    let Some(serial) = serial(keys, subject) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for place in places(reader, serial, key)? {
        all.extend(versions(reader, keys, serial, &place, view)?);
    }
    Ok(all)
}

/// Where memories lie under a key of a subject: those from here first.
pub(super) fn places(reader: &Reader, serial: u64, key: &str) -> Result<Vec<String>, GraphError> {
    let Some(subject) = reader.find_vertex(None, &vertex_of(serial))? else {
        return Ok(Vec::new());
    };
    let places = reader.entities_of(subject)?.into_iter().filter_map(|entity| match entity {
        EntityId::Fact { subject: of, predicate } if of == subject => {
            (key_of(&predicate).0 == key).then_some(predicate)
        }
        EntityId::Fact { .. } | EntityId::Vertex(_) | EntityId::Edge { .. } => None,
    });
    let mut places: Vec<String> = places.collect();
    places.sort_unstable_by_key(|place| key_of(place).1);
    Ok(places)
}

/// The same of a subject by its number, at one place.
pub(super) fn versions(
    reader: &Reader,
    keys: Option<&Keystore>,
    serial: u64,
    place: &str,
    view: &View,
) -> Result<Vec<Recalled>, RecallError> {
    let Some(subject) = reader.find_vertex(None, &vertex_of(serial))? else {
        return Ok(Vec::new());
    };
    let entity = EntityId::Fact { subject, predicate: place.into() };
    let mut all = Vec::new();
    for version in reader.history(&entity, view)? {
        all.extend(opened(keys, serial, place, version));
    }
    Ok(all)
}

/// The index behind all under which something of a subject was sealed, as the memory says.
pub(super) fn first_unused(reader: &Reader, serial: u64) -> Result<u32, GraphError> {
    let Some(subject) = reader.find_vertex(None, &vertex_of(serial))? else { return Ok(0) };
    let mut end = 0;
    for entity in reader.entities_of(subject)? {
        for version in reader.history(&entity, &View::NOW)? {
            let memo = Memo::of(&version.content).filter(|_| version.recorded.agent == NOBODY);
            end = memo.map_or(end, |memo| end.max(memo.sealed.index.saturating_add(1)));
        }
    }
    Ok(end)
}

/// The number of a subject.
pub(super) fn serial(keys: Option<&Keystore>, name: &str) -> Option<u64> {
    let found = keys.and_then(|keys| find(keys, name)).map(|(serial, _)| serial);
    found.or_else(|| subject_of(&Vertex::Named(name.into())))
}

pub(super) fn serial_of(reader: &Reader, subject: VertexId) -> Result<Option<u64>, GraphError> {
    Ok(match reader.entity(&EntityId::Vertex(subject))? {
        Entity::Vertex(vertex) => subject_of(&vertex),
        Entity::Edge { .. } | Entity::Fact { .. } => None,
    })
}

/// A version with what it says; `None`: neither a principal recorded it here, nor an agent of the
/// subject.
pub(super) fn opened(
    keys: Option<&Keystore>,
    serial: u64,
    place: &str,
    version: Version,
) -> Option<Recalled> {
    let Version { valid, content, position, recorded, origin } = version;
    let memo = Memo::of(&content)?;
    let (key, from) = key_of(place);
    let is_there = origin.is_none() && memo.sealed.subject == serial;
    if !is_there || memo.origin.map(|origin| lane_of(origin.log, origin.first.0)) != from {
        return None;
    }
    let in_run = recorded.agent != NOBODY;
    let said = match keys {
        None => Said::Locked,
        Some(keys) if in_run => {
            let (from, step) = (recorded.agent, recorded.step);
            let written = Message { from, step, output: recorded.output.unwrap_or_default() };
            match run::opened(keys, &memo.sealed, written) {
                // An agent may write whatever it likes about anything; this is what it did.
                Ok(None) => return None,
                Ok(Some(write)) => match run::in_words(&write) {
                    None => return None,
                    Some(text) => Said::Words(Words { text, ..Words::default() }),
                },
                Err(UnsealError::Erased { .. }) => Said::Erased,
                Err(UnsealError::Unknown { .. } | UnsealError::Damaged { .. }) => Said::Locked,
            }
        }
        Some(keys) => {
            let bound = associated(place, memo.kind, &memo.owner);
            let subject = SubjectId(serial);
            match keys.unseal(subject, memo.sealed.index, &bound, &memo.sealed.bytes) {
                Ok(bytes) => Words::decode(&bytes).map_or(Said::Damaged, Said::Words),
                Err(UnsealError::Erased { .. }) => Said::Erased,
                Err(UnsealError::Unknown { .. }) => Said::Locked,
                Err(UnsealError::Damaged { .. }) => Said::Damaged,
            }
        }
    };
    let subject = keys.and_then(|keys| keys.name(SubjectId(serial))).map(ToOwned::to_owned);
    let (key, output) = (key.to_owned(), recorded.output.unwrap_or_default());
    Some(Recalled { subject, serial, key, memo, said, valid, position, output, in_run })
}

/// The keys of what was to be kept no longer than `second`, and is not erased.
///
/// # Errors
/// See [`RecallError`].
pub fn due(reader: &Reader, keys: &Keystore, second: i64) -> Result<Vec<(u64, u32)>, RecallError> {
    let mut entities = BTreeSet::new();
    let last = Time::new(second, 0).unwrap_or(Time::MAX);
    reader.each_horizon(last, |_, entity| {
        entities.insert(entity);
        ControlFlow::Continue(())
    })?;
    let mut due = Vec::new();
    for entity in entities {
        let EntityId::Fact { subject, predicate } = &entity else { continue };
        let Some(serial) = serial_of(reader, *subject)? else { continue };
        for version in reader.history(&entity, &View::NOW)? {
            // What it says does not matter, but for what an agent may have made up.
            let opens = (version.recorded.agent != NOBODY).then_some(keys);
            let memo = opened(opens, serial, predicate, version);
            due.extend(memo.and_then(|Recalled { memo: Memo { horizon, sealed, .. }, .. }| {
                let is_over = horizon.is_some_and(|horizon| horizon <= second);
                let is_live = keys.is_live(SubjectId(serial), sealed.index);
                (is_over && is_live).then_some((serial, sealed.index))
            }));
        }
    }
    Ok(due)
}

/// What whoever is new should know: what holds, by kind, with where it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Briefing {
    /// In the order of [`MemoKind::ALL`]; the newest first in each.
    pub parts: Vec<(MemoKind, Vec<Recalled>)>,
    /// What may be among them, and is [damaged](Said::Damaged).
    pub damaged: Vec<Recalled>,
}

/// Briefs of what the filter admits.
///
/// # Errors
/// See [`RecallError`].
pub fn brief(
    reader: &Reader,
    keys: Option<&Keystore>,
    filter: &Filter<'_>,
    view: &View,
) -> Result<Briefing, RecallError> {
    let Found { memories: mut all, damaged, .. } = find_all(reader, keys, filter, view)?;
    all.retain(|memo| matches!(memo.said, Said::Words(_)));
    all.sort_by_key(|memo| std::cmp::Reverse(memo.position));
    let parts = MemoKind::ALL.map(|kind| {
        let (of_kind, rest) = std::mem::take(&mut all)
            .into_iter()
            .partition(|memo: &Recalled| memo.memo.kind == kind);
        all = rest;
        (kind, of_kind)
    });
    Ok(Briefing { parts: parts.into(), damaged })
}
