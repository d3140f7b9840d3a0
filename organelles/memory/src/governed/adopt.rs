//! Memories for which somebody answered elsewhere, from an engram: what is new of them, what is known,
//! and what contradicts.

use std::collections::{BTreeMap, BTreeSet};

use karyon_graph::{NOBODY, Reader, View};
use karyon_identity::PublicKey;
use karyon_keystore::Keystore;
use karyon_memory_ops::{Memory, Time, is_name};
use karyon_types::{LogId, Position};

use super::bounds::CHANGE_BYTES_MAX;
use super::hearsay::speaks;
use super::pasts::{CameToBe, one_past};
use super::recall::{places, versions};
use super::settle::find;
use super::told::Told;
use super::{IS_NUMBER, Recalled, Said, is_number, lane_of, place_of};
use crate::carried::Carried;
use crate::transplant::TransplantError;

/// Memories for which somebody answers that come in at once: they are held, some 1 KB each, and what
/// is recorded of them is handed over as a whole.
pub const ADOPTED_MAX: usize = 50_000;

/// Why nothing comes in where another way has the same name.
const IS_TAKEN: &str = "what lies in its place came from another log, by another way";

/// On which terms they are kept here.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Who answers for them from now on.
    pub owner: &'a str,
    /// The last second, since 1970, to which they are kept; `None`: until somebody erases them.
    pub horizon: Option<i64>,
    /// Whether what was forgotten here as somebody else told it comes in all the same: whether that
    /// said what is said now, nobody knows any more.
    pub again: bool,
}

/// Two memories of one subject and key that say different things of the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The one here: recorded here, or come from a third log.
    pub here: Recalled,
    /// The one that comes.
    pub theirs: Told,
}

/// A memory of an engram that cannot be recorded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// It.
    pub told: Told,
    /// Why not.
    pub why: String,
}

/// What an engram brings of memories for which somebody answers.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// What is not known here, of each subject and key the oldest first.
    pub new: Vec<Told>,
    /// What is known here already: from here, from the log where it was recorded, or as the same log
    /// told it before.
    pub known: usize,
    /// What was forgotten here, by itself or with all about its subject: it is left out.
    pub forgotten: usize,
    /// What was forgotten here as another log told it, which does not speak for the log where it was
    /// recorded: it is left out, unless it is asked for [again](Terms::again).
    pub forgotten_elsewhere: usize,
    /// What was replaced there by what is known or forgotten here in another place: it is left out,
    /// as it would hold here again.
    pub superseded: usize,
    /// What cannot be recorded here, and what else is new of the same subject and key: without the
    /// one, another would seem to hold at its time.
    pub refused: Vec<Refused>,
    /// What of the new is told otherwise here. Both are kept.
    pub disagreements: Vec<Disagreement>,
    /// The log that they come from.
    pub log: LogId,
    /// Whose key signed them.
    pub signer: PublicKey,
}

impl Carried {
    /// How many of its memories are such for which somebody answers.
    ///
    /// # Errors
    /// [`TransplantError::Mixed`]: there are others too.
    pub fn governed(&self) -> Result<usize, TransplantError> {
        match self.by_principals {
            0 => Ok(0),
            all if all == self.memories => Ok(all),
            governed => Err(TransplantError::Mixed { governed, others: self.memories - governed }),
        }
    }
}

impl Carried {
    /// Whether all of its memories are agents'.
    pub(crate) fn of_agents(&self) -> Result<(), TransplantError> {
        match self.governed()? {
            0 => Ok(()),
            governed => Err(TransplantError::Governed { governed }),
        }
    }
}

/// Whether a principal recorded it, and no agent.
pub(crate) fn is_governed(memory: &Memory) -> bool {
    memory.recorded.agent == NOBODY
}

impl Adopted {
    /// Takes in what is new of one subject and key, if all of it can be recorded here; how many
    /// bytes of a change that is, in front of them each its length.
    fn take(&mut self, chain: Vec<Told>, terms: &Terms<'_>) -> u64 {
        let bytes = |told: &Told| {
            let words = told.words_here(&self.log);
            let (memo, origin) = told.here(words, (self.log, self.signer), terms);
            memo.bytes(Some(&origin)).map(|bytes| bytes as u64 + 8)
        };
        let each: Vec<_> = chain.iter().map(bytes).collect();
        let wrong = each.iter().position(Result::is_err).and_then(|at| chain.get(at));
        let Some(wrong) = wrong.map(|told| told.record) else {
            self.new.extend(chain);
            return each.into_iter().flatten().sum();
        };
        let whys = each.into_iter().map(|bytes| {
            let why = bytes.err();
            why.unwrap_or_else(|| format!("it belongs to record {wrong}, which cannot"))
        });
        let whys: Vec<_> = whys.collect();
        self.refuse(chain, whys);
        0
    }

    fn refuse(&mut self, chain: Vec<Told>, whys: impl IntoIterator<Item = String>) {
        let refused = chain.into_iter().zip(whys).map(|(told, why)| Refused { told, why });
        self.refused.extend(refused);
    }
}

/// What is known or forgotten here of a subject and key.
#[derive(Default)]
struct There {
    /// Where what comes would lie.
    lane: Vec<Recalled>,
    /// Whether what lies there came another way: a log's id is whatever its node says, and one may
    /// be made to be the hash that names another way.
    is_taken: bool,
    /// In each of the other places.
    beside: Vec<Vec<Recalled>>,
}

/// The log and the record by which what is remembered in a log came into the world.
fn came_to_be(memo: &Recalled, this_log: LogId) -> CameToBe {
    memo.memo.origin.map_or((this_log, memo.position), |origin| origin.first)
}

/// Its record in the log that it came from.
fn record_there(memo: &Recalled) -> Option<Position> {
    memo.memo.origin.map(|origin| origin.record)
}

/// How what an engram tells is known here already.
enum Known {
    /// It says what is remembered.
    Here,
    /// It was forgotten, here or where the log itself had told it.
    Forgotten,
    /// Something by that record was forgotten, and another log had told it.
    ForgottenElsewhere,
}

impl Adopted {
    /// How something is known of which this was `found` by the same record; `None`: it is not.
    ///
    /// Only what the record's own log said of it counts, or this engram's; what others told stays
    /// beside it. But where that is forgotten, a person is asked.
    fn weigh(
        &self,
        told: &Told,
        found: &[&Recalled],
        again: bool,
    ) -> Result<Option<Known>, TransplantError> {
        let is_erased = |memo: &&Recalled| memo.said == Said::Erased;
        let (heard, hearsay): (Vec<&Recalled>, Vec<&Recalled>) =
            found.iter().partition(|memo| speaks(&memo.memo, self.log));
        if !heard.is_empty() {
            return match heard.iter().any(|memo| told.says_as(memo)) {
                false => Err(told.two_pasts(self.log)),
                true if heard.iter().any(is_erased) => Ok(Some(Known::Forgotten)),
                true => Ok(Some(Known::Here)),
            };
        }
        // What an erased one said cannot be compared any more.
        let same: Vec<_> = hearsay.into_iter().filter(|memo| told.says_as(memo)).collect();
        let is_forgotten = !again && !same.is_empty() && same.iter().all(is_erased);
        Ok(is_forgotten.then_some(Known::ForgottenElsewhere))
    }

    /// What of a chain is to come in. What is known or forgotten is not, nor what it replaced there
    /// where it lies elsewhere here: it would hold.
    fn sift(
        &mut self,
        mut chain: Vec<Told>,
        there: &There,
        this_log: LogId,
        terms: &Terms<'_>,
    ) -> Result<Vec<Told>, TransplantError> {
        let mut known = BTreeMap::<CameToBe, Vec<&Recalled>>::new();
        for memo in there.lane.iter().chain(there.beside.iter().flatten()) {
            known.entry(came_to_be(memo, this_log)).or_default().push(memo);
        }
        let place = |memo: &Recalled| (memo.position, memo.output);
        let in_lane: BTreeSet<_> = there.lane.iter().map(place).collect();
        chain.sort_by_key(|told| (told.from, told.record));
        let (mut new, mut is_replaced) = (Vec::new(), false);
        for told in chain.into_iter().rev() {
            let found = known.get(&told.came_to_be(self.log)).map_or(&[][..], Vec::as_slice);
            let weighed = self.weigh(&told, found, terms.again)?;
            let Some(count) = weighed else {
                // Recorded later here, it would stand in front of what replaced it at once.
                let is_behind = |memo: &Recalled| {
                    memo.valid.from == told.from && record_there(memo) > Some(told.record)
                };
                match is_replaced || there.lane.iter().any(is_behind) {
                    true => self.superseded += 1,
                    false => new.push(told),
                }
                continue;
            };
            is_replaced |=
                !found.iter().any(|memo| told.says_as(memo) && in_lane.contains(&place(memo)));
            match count {
                Known::Here => self.known += 1,
                Known::Forgotten => self.forgotten += 1,
                Known::ForgottenElsewhere => self.forgotten_elsewhere += 1,
            }
        }
        new.sort_by_key(|told| told.record);
        Ok(new)
    }
}

/// Compares what an engram brings with what is remembered here. Nothing is written.
///
/// # Errors
/// See [`TransplantError`].
pub fn adopted(
    here: Option<(&Reader, LogId)>,
    keys: Option<&Keystore>,
    engram: &Carried,
    terms: &Terms<'_>,
) -> Result<Adopted, TransplantError> {
    if !is_name(terms.owner) {
        return Err(TransplantError::Owner { owner: terms.owner.into() });
    }
    let (log, signer) = (engram.manifest.origin.log, engram.signer);
    let mut told = read(engram)?;
    one_past(&told, log, here, keys)?;
    // In the order in which they were recorded, so that they are superseded as they were there.
    told.sort_by(|one, other| {
        (one.record, &one.subject, &one.key).cmp(&(other.record, &other.subject, &other.key))
    });
    let mut adopted = Adopted {
        new: Vec::new(),
        known: 0,
        forgotten: 0,
        forgotten_elsewhere: 0,
        superseded: 0,
        refused: Vec::new(),
        disagreements: Vec::new(),
        log,
        signer,
    };
    let mut chains = BTreeMap::<(String, String, LogId), Vec<Told>>::new();
    for told in told {
        let (first, _) = told.came_to_be(log);
        chains.entry((told.subject.clone(), told.key.clone(), first)).or_default().push(told);
    }
    let mut bytes = 0;
    for ((subject, key, first), chain) in chains {
        let serial = match keys.and_then(|keys| find(keys, &subject)) {
            Some((_, true)) => {
                adopted.forgotten += chain.len();
                continue;
            }
            Some((serial, false)) => serial,
            // As `remember` has it: in the log a number means one of the subjects there.
            None if is_number(&subject) => {
                adopted.refuse(chain, std::iter::repeat(IS_NUMBER.to_owned()));
                continue;
            }
            None => {
                bytes += adopted.take(chain, terms);
                continue;
            }
        };
        let Some((reader, this_log)) = here else {
            bytes += adopted.take(chain, terms);
            continue;
        };
        let own_place = place_of(&key, Some(lane_of(log, first)));
        let mut there = There::default();
        for place in places(reader, serial, &key)? {
            let mut memos = versions(reader, keys, serial, &place, &View::NOW)?;
            memos.retain(|memo| !memo.in_run);
            if place != own_place {
                there.beside.push(memos);
                continue;
            }
            for origin in memos.iter().filter_map(|memo| memo.memo.origin) {
                if origin.log != log || origin.first.0 != first {
                    there.is_taken = true;
                } else if origin.signer != signer.0 {
                    let writer = PublicKey(origin.signer);
                    return Err(TransplantError::OtherSigner { log, writer, signer });
                }
            }
            there.lane = memos;
        }
        if there.is_taken {
            adopted.refuse(chain, std::iter::repeat(IS_TAKEN.to_owned()));
            continue;
        }
        let new = adopted.sift(chain, &there, this_log, terms)?;
        let before = adopted.new.len();
        bytes += adopted.take(new, terms);
        let kept = adopted.new.get(before..).unwrap_or_default();
        let here = there.lane.iter().map(|memo| (memo.valid.from, record_there(memo), None));
        let new = kept.iter().map(|told| (told.from, Some(told.record), Some(told)));
        let mut lane: Vec<_> = here.chain(new).collect();
        lane.sort_by_key(|(from, record, _)| (*from, *record));
        for beside in &there.beside {
            // What came into the world in one log replaced each other there, as far as it is told
            // alike.
            let is_otherwise = |memo: &Recalled| {
                let mut same =
                    kept.iter().filter(|told| told.came_to_be(log) == came_to_be(memo, this_log));
                same.any(|told| !told.says_as(memo))
            };
            if beside.iter().all(|memo| came_to_be(memo, this_log).0 != first)
                || beside.iter().any(is_otherwise)
            {
                disagree(beside, &lane, &mut adopted.disagreements);
            }
        }
    }
    if bytes > CHANGE_BYTES_MAX {
        return Err(TransplantError::TooHeavy { bytes });
    }
    // The first of each before the second of any: those that are recorded together are all of
    // different memories.
    let mut of_each = BTreeMap::<(String, String), usize>::new();
    adopted.new.sort_by_cached_key(|told| {
        let before = of_each.entry((told.subject.clone(), told.key.clone())).or_default();
        *before += 1;
        *before
    });
    Ok(adopted)
}

fn read(engram: &Carried) -> Result<Vec<Told>, TransplantError> {
    if engram.memories > ADOPTED_MAX {
        return Err(TransplantError::TooManyGoverned { memories: engram.memories });
    }
    // All of it is held; what is in the open is never twice as long as what is sealed of it.
    if engram.bytes > 4 * CHANGE_BYTES_MAX {
        return Err(TransplantError::TooHeavy { bytes: engram.bytes });
    }
    let mut stream = engram.read()?;
    let mut all = Vec::with_capacity(engram.memories);
    while let Some((cid, memory)) = stream.next_memory()? {
        all.push(Told::of(&memory).ok_or(TransplantError::NotGoverned { cid })?);
    }
    Ok(all)
}

/// A lane, in the order in which it holds: from when on, the record there, and what comes; `None`: it
/// is here already.
type Lane<'a> = [(Time, Option<Position>, Option<&'a Told>)];

/// Finds what of all that comes says something else than is said here of the same time. Each memory
/// holds from its moment to that of the next.
fn disagree(here: &[Recalled], theirs: &Lane<'_>, into: &mut Vec<Disagreement>) {
    let ends = |moments: Vec<Time>| {
        let next = moments.iter().skip(1).copied().map(Some).chain([None]);
        moments.iter().copied().zip(next.collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let mut here: Vec<&Recalled> = here.iter().collect();
    here.sort_by_key(|memo| (memo.valid.from, memo.position));
    let spans_here = ends(here.iter().map(|memo| memo.valid.from).collect());
    let spans_theirs = ends(theirs.iter().map(|(from, ..)| *from).collect());
    let (mut at_here, mut at_theirs) = (0, 0);
    while let (Some(memo), Some((_, _, told)), Some(span), Some(their_span)) = (
        here.get(at_here),
        theirs.get(at_theirs),
        spans_here.get(at_here),
        spans_theirs.get(at_theirs),
    ) {
        let ((from, to), (their_from, their_to)) = (*span, *their_span);
        let begins_before = |from: Time, to: Option<Time>| to.is_none_or(|to| from < to);
        // A memory that was superseded in the moment in which it began never held.
        let meet = begins_before(from.max(their_from), to)
            && begins_before(from.max(their_from), their_to);
        if let (Said::Words(words), Some(told)) = (&memo.said, told)
            && meet
            && words.text != told.words.text
        {
            into.push(Disagreement { here: (*memo).clone(), theirs: (*told).clone() });
        }
        // Whichever ends first makes room for the next.
        match (to, their_to) {
            (None, None) => break,
            (Some(to), Some(their_to)) if to <= their_to => at_here += 1,
            (Some(_), None) => at_here += 1,
            (Some(_) | None, Some(_)) => at_theirs += 1,
        }
    }
}
