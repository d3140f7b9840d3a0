//! What the keystore knows: the subjects, in the order of their serials.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::limits::{MEMORIES_MAX, RESERVED, RESERVED_MAX};
use crate::secret::Secret;
use crate::tree::Cover;

/// A subject: somebody or something that memories are about, and whose they are to erase. A serial
/// from 1, given out once in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(pub u64);

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subject {}", self.0)
    }
}

/// What there is under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nothing, and there never was.
    Never,
    /// A subject with keys.
    Live(SubjectId),
    /// A subject without keys, for ever.
    Erased(SubjectId),
}

/// BLAKE3 of a name, under a key that lies in the keystore alone.
pub(crate) type NameDigest = [u8; 32];

/// A subject that has keys.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) name: Zeroizing<String>,
    /// The index behind those that may be given out before the file is written again; never below
    /// `next`.
    pub(crate) reserved: u32,
    /// The next index to be given out; not in the file: there it is `reserved`.
    pub(crate) next: u32,
    /// Indexes that were given out since the file was read; not in the file.
    pub(crate) given: u32,
    pub(crate) cover: Cover,
}

impl Live {
    /// Whether an index can be given out as things are.
    pub(crate) fn is_ready(&self) -> bool {
        self.next < self.reserved
    }

    pub(crate) fn is_full(&self) -> bool {
        self.next >= MEMORIES_MAX
    }

    /// Reserves indexes; in force once it is in the file.
    pub(crate) fn reserve(&mut self) {
        let count = self.given.clamp(RESERVED, RESERVED_MAX);
        self.reserved = self.next.saturating_add(count).min(MEMORIES_MAX);
    }

    /// An index that was never given out; `None` until more are reserved.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let index = self.is_ready().then_some(self.next)?;
        (self.next, self.given) = (self.next + 1, self.given.saturating_add(1));
        Some(index)
    }
}

/// What is kept of a subject.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Live(Live),
    Erased(NameDigest),
}

/// All that is secret, but for the master key.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The key under which names are hashed, so that a digest of an erased name tells nobody who
    /// lacks it which name it was.
    pepper: Secret,
    /// By serial, from 1: none is ever taken out.
    entries: Vec<Entry>,
    by_name: BTreeMap<NameDigest, SubjectId>,
}

impl State {
    /// Nobody yet.
    pub(crate) fn new(pepper: Secret) -> State {
        State { pepper, entries: Vec::new(), by_name: BTreeMap::new() }
    }

    /// The state with these subjects; `None` if two of them have one name.
    pub(crate) fn of(pepper: Secret, entries: Vec<Entry>) -> Option<State> {
        let mut state = State { entries: Vec::with_capacity(entries.len()), ..State::new(pepper) };
        for entry in entries {
            state.push(entry)?;
        }
        Some(state)
    }

    pub(crate) fn pepper(&self) -> &Secret {
        &self.pepper
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The last serial that was given out; 0 if none was.
    pub(crate) fn last(&self) -> SubjectId {
        SubjectId(self.entries.len() as u64)
    }

    pub(crate) fn entry(&self, subject: SubjectId) -> Option<&Entry> {
        self.entries.get(place(subject)?)
    }

    pub(crate) fn live_mut(&mut self, subject: SubjectId) -> Option<&mut Live> {
        match self.entries.get_mut(place(subject)?)? {
            Entry::Live(live) => Some(live),
            Entry::Erased(_) => None,
        }
    }

    /// What there is under a name.
    pub(crate) fn subject(&self, name: &str) -> Subject {
        let Some(subject) = self.by_name.get(&self.digest(name)) else { return Subject::Never };
        match self.entry(*subject) {
            Some(Entry::Live(_)) => Subject::Live(*subject),
            Some(Entry::Erased(_)) => Subject::Erased(*subject),
            None => Subject::Never,
        }
    }

    /// Adds a subject of a name that never was.
    pub(crate) fn add(&mut self, name: &str, root: Secret) -> Option<SubjectId> {
        let mut live = Live {
            name: Zeroizing::new(name.to_owned()),
            reserved: 0,
            next: 0,
            given: 0,
            cover: Cover::whole(root),
        };
        live.reserve();
        self.push(Entry::Live(live))
    }

    /// Reserves more for all who have used much of theirs, where the file is to be written anyhow:
    /// so many subjects in turn do not cost a write each.
    pub(crate) fn reserve_for_all(&mut self) {
        for entry in &mut self.entries {
            if let Entry::Live(live) = entry
                && live.given > 0
                && live.reserved.saturating_sub(live.next) <= RESERVED / 2
            {
                live.reserve();
            }
        }
    }

    /// Gives every subject other keys behind the indexes that were given out: two keystores that
    /// come from one seal nothing under the same key.
    pub(crate) fn renew<E>(
        &mut self,
        mut draw: impl FnMut() -> Result<Secret, E>,
    ) -> Result<(), E> {
        for entry in &mut self.entries {
            if let Entry::Live(live) = entry {
                live.cover = live.cover.renewed(live.reserved, &mut draw)?;
            }
        }
        Ok(())
    }

    /// Destroys all keys of a subject and its name.
    pub(crate) fn erase(&mut self, subject: SubjectId) {
        let Some(Entry::Live(live)) = self.entry(subject) else { return };
        let digest = self.digest(&live.name);
        if let Some(entry) = place(subject).and_then(|place| self.entries.get_mut(place)) {
            *entry = Entry::Erased(digest);
        }
    }

    fn push(&mut self, entry: Entry) -> Option<SubjectId> {
        let digest = match &entry {
            Entry::Live(live) => self.digest(&live.name),
            Entry::Erased(digest) => *digest,
        };
        let subject = SubjectId(self.entries.len() as u64 + 1);
        if self.by_name.insert(digest, subject).is_some() {
            return None;
        }
        self.entries.push(entry);
        Some(subject)
    }

    fn digest(&self, name: &str) -> NameDigest {
        *blake3::keyed_hash(self.pepper.bytes(), name.as_bytes()).as_bytes()
    }
}

fn place(subject: SubjectId) -> Option<usize> {
    usize::try_from(subject.0.checked_sub(1)?).ok()
}
