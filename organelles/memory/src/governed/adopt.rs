//! Memories for which somebody answered elsewhere, from an engram: what is new of them, what is known,
//! and what contradicts.

use std::collections::BTreeMap;

use karyon_graph::{NOBODY, Reader, View};
use karyon_identity::PublicKey;
use karyon_keystore::Keystore;
use karyon_memory_ops::{Memory, Time, is_name};
use karyon_types::{LogId, Position};

use super::bounds::CHANGE_BYTES_MAX;
use super::recall::{places, versions};
use super::settle::find;
use super::told::Told;
use super::{Recalled, Said, lane_of, place_of};
use crate::carried::Carried;
use crate::transplant::TransplantError;

/// Memories for which somebody answers that come in at once: they are held, some 1 KB each, and what
/// is recorded of them is handed over as a whole.
pub const ADOPTED_MAX: usize = 50_000;

/// On which terms they are kept here.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Who answers for them from now on.
    pub owner: &'a str,
    /// The last second, since 1970, to which they are kept; `None`: until somebody erases them.
    pub horizon: Option<i64>,
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
    /// What is known here already, by whatever way it came.
    pub known: usize,
    /// What was forgotten here, by itself or with all about its subject: it is left out.
    pub forgotten: usize,
    /// What cannot be recorded here, and what else is new of the same subject and key: without the
    /// one, another would seem to hold at its time.
    pub refused: Vec<Refused>,
    /// What is told otherwise here. Both are kept.
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
        let refused = chain.into_iter().zip(each).map(|(told, bytes)| {
            let why = bytes.err();
            let why = why.unwrap_or_else(|| format!("it belongs to record {wrong}, which cannot"));
            Refused { told, why }
        });
        self.refused.extend(refused);
        0
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
    // In the order in which they were recorded, so that they are superseded as they were there.
    told.sort_by(|one, other| {
        (one.record, &one.subject, &one.key).cmp(&(other.record, &other.subject, &other.key))
    });
    let mut adopted = Adopted {
        new: Vec::new(),
        known: 0,
        forgotten: 0,
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
        // By which record of which log it came into the world, and whether it is forgotten.
        let mut known = BTreeMap::<(LogId, Position), bool>::new();
        for place in places(reader, serial, &key)? {
            let here = versions(reader, keys, serial, &place, &View::NOW)?;
            if place == own_place {
                let origins = here.iter().filter_map(|memo| memo.memo.origin);
                for origin in origins {
                    if origin.signer != signer.0 {
                        let writer = PublicKey(origin.signer);
                        return Err(TransplantError::OtherSigner { log, writer, signer });
                    }
                }
            } else {
                disagree(&here, &chain, &mut adopted.disagreements);
            }
            for memo in here {
                let first = memo.memo.origin.map_or((this_log, memo.position), |from| from.first);
                known.insert(first, memo.said == Said::Erased);
            }
        }
        let mut new = Vec::new();
        for told in chain {
            match known.get(&told.came_to_be(log)) {
                None => new.push(told),
                Some(false) => adopted.known += 1,
                Some(true) => adopted.forgotten += 1,
            }
        }
        bytes += adopted.take(new, terms);
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

/// Finds what two chains say differently of the same time. Each memory holds from its moment to
/// that of the next.
fn disagree(here: &[Recalled], theirs: &[Told], into: &mut Vec<Disagreement>) {
    let ends = |moments: Vec<Time>| {
        let next = moments.iter().skip(1).copied().map(Some).chain([None]);
        moments.iter().copied().zip(next.collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let mut here: Vec<&Recalled> = here.iter().collect();
    let mut theirs: Vec<&Told> = theirs.iter().collect();
    here.sort_by_key(|memo| (memo.valid.from, memo.position));
    theirs.sort_by_key(|told| (told.from, told.record));
    let spans_here = ends(here.iter().map(|memo| memo.valid.from).collect());
    let spans_theirs = ends(theirs.iter().map(|told| told.from).collect());
    let (mut at_here, mut at_theirs) = (0, 0);
    while let (Some(memo), Some(told), Some(span), Some(their_span)) = (
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
        if let Said::Words(words) = &memo.said
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
