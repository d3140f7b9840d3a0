//! The keystore as others use it.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use karyon_types::LogId;

use crate::erasure::{Erasure, merged};
use crate::error::{KeystoreError, UnsealError, failed};
use crate::limits::{MEMORIES_MAX, NAME_BYTES_MAX, PATHS, PLAINTEXT_BYTES_MAX};
use crate::look::id_by;
use crate::master::Master;
use crate::place::{FOLDER, Place};
use crate::run::RunKey;
use crate::sealed::{self, Which};
use crate::state::{Entry, Live, State, Subject, SubjectId};
use crate::system::{Os, System};
use crate::tree::{Landings, Path};

/// What was sealed, and where its key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Whose key.
    pub subject: SubjectId,
    /// Which of the subject's keys; given out once.
    pub index: u32,
    /// The nonce, the ciphertext and its tag: [`OVERHEAD_BYTES`](crate::limits::OVERHEAD_BYTES)
    /// longer than the plaintext.
    pub bytes: Vec<u8>,
}

/// What an erasure came to. All of it is erased, and durably so.
#[derive(Debug)]
#[must_use = "an old file may be left that has to be removed"]
pub struct Committed {
    /// The generation of the master key now; as before, if all of it was erased already.
    pub generation: u64,
    /// Why the old file, or the old master key, could not be overwritten or removed. Without the
    /// old master key the old file is of no use; the next [`Keystore::open`] tries again to remove
    /// it.
    pub leftover: Option<KeystoreError>,
}

/// Whether the files may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Writing,
    ReadOnly,
    /// A write failed.
    Unsettled,
}

/// The keys of a log's subjects, as of when it was opened and with what was changed through this
/// handle since.
pub struct Keystore {
    place: Place,
    master: Master,
    state: State,
    mode: Mode,
    /// By serial, modulo their number.
    paths: Vec<Mutex<Path>>,
    landings: Landings,
}

impl Keystore {
    /// Makes a keystore for a log, in the folder `keystore` of its data directory, and a master key.
    /// The folders that both lie in must be there. A making that was cut off is made anew.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`], [`KeystoreError::MasterMissing`] (there is a keystore, which needs
    /// the master key that it had), [`KeystoreError::MasterInside`], or what the system says.
    pub fn create(
        data: &FilePath,
        master: &FilePath,
        log: LogId,
    ) -> Result<Keystore, KeystoreError> {
        Keystore::create_in(Box::new(Os), data, master, log)
    }

    pub(crate) fn create_in(
        system: Box<dyn System>,
        data: &FilePath,
        master: &FilePath,
        log: LogId,
    ) -> Result<Keystore, KeystoreError> {
        let place = Place::new(system, data, master, log);
        let master = Master { log, generation: 1, key: place.system.random()? };
        let state = State::new(place.system.random()?);
        place.create(&master, &state, None)?;
        Ok(Keystore::with(place, master, state, Mode::Writing))
    }

    /// Opens the keystore of a data directory, or makes one with the id `new` where there is none.
    /// One whose making was cut off is made anew, with the id that it was to have. `master` says
    /// where the master key of an id lies.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn open_or_create(
        data: &FilePath,
        master: impl Fn(LogId) -> PathBuf,
        new: LogId,
    ) -> Result<Keystore, KeystoreError> {
        Keystore::open_or_create_in(|| Box::new(Os), data, master, new)
    }

    pub(crate) fn open_or_create_in(
        system: impl Fn() -> Box<dyn System>,
        data: &FilePath,
        master: impl Fn(LogId) -> PathBuf,
        new: LogId,
    ) -> Result<Keystore, KeystoreError> {
        let id = id_by(&*system(), data).map_err(failed("read", &data.join(FOLDER)))?;
        let Some(id) = id else { return Keystore::create_in(system(), data, &master(new), new) };
        match Keystore::open_in(system(), data, &master(id), id) {
            // Nothing was ever given out of it: its master never had its place.
            Err(KeystoreError::NotMade { .. }) => {
                Keystore::create_in(system(), data, &master(id), id)
            }
            opened => opened,
        }
    }

    /// Opens the keystore of a log, and destroys what an erasure that was cut off has left.
    ///
    /// # Errors
    /// What is wrong with either file, each with an error of its own: see [`KeystoreError`]. Nothing
    /// was changed then.
    pub fn open(data: &FilePath, master: &FilePath, log: LogId) -> Result<Keystore, KeystoreError> {
        Keystore::open_in(Box::new(Os), data, master, log)
    }

    pub(crate) fn open_in(
        system: Box<dyn System>,
        data: &FilePath,
        master: &FilePath,
        log: LogId,
    ) -> Result<Keystore, KeystoreError> {
        let place = Place::new(system, data, master, log);
        let (master, state) = place.load()?;
        place.tidy(&master)?;
        Ok(Keystore::with(place, master, state, Mode::Writing))
    }

    /// Opens the keystore of a log to unseal, while another process may change it. Writes nothing
    /// and removes nothing. What is erased later is not noticed: whoever reads for long opens it
    /// again now and then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_read_only(
        data: &FilePath,
        master: &FilePath,
        log: LogId,
    ) -> Result<Keystore, KeystoreError> {
        Keystore::open_read_only_in(Box::new(Os), data, master, log)
    }

    pub(crate) fn open_read_only_in(
        system: Box<dyn System>,
        data: &FilePath,
        master: &FilePath,
        log: LogId,
    ) -> Result<Keystore, KeystoreError> {
        let place = Place::new(system, data, master, log);
        let (master, state) = place.load()?;
        Ok(Keystore::with(place, master, state, Mode::ReadOnly))
    }

    fn with(place: Place, master: Master, state: State, mode: Mode) -> Keystore {
        let paths = (0..PATHS).map(|_| Mutex::new(Path::new())).collect();
        Keystore { place, master, state, mode, paths, landings: Landings::new() }
    }

    /// One that was made a moment ago.
    pub(crate) fn made(place: Place, master: Master, state: State) -> Keystore {
        Keystore::with(place, master, state, Mode::Writing)
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn master_bytes(&self) -> &[u8] {
        self.master.key.bytes()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The log whose keystore it is.
    pub fn log(&self) -> LogId {
        self.master.log
    }

    /// How many master keys there were, from 1: one more with each erasure.
    pub fn generation(&self) -> u64 {
        self.master.generation
    }

    /// What there is under a name. Names are compared byte for byte.
    pub fn subject(&self, name: &str) -> Subject {
        self.state.subject(name)
    }

    /// The subjects that are not erased, by serial.
    pub fn subjects(&self) -> impl Iterator<Item = (SubjectId, &str)> {
        (1..).map(SubjectId).zip(self.state.entries()).filter_map(|(subject, entry)| match entry {
            Entry::Live(live) => Some((subject, live.name.as_str())),
            Entry::Erased(_) => None,
        })
    }

    /// The index behind all that were given out to a subject; after a crash up to
    /// [`RESERVED_MAX`](crate::limits::RESERVED_MAX) more. `None`: it is erased, or unknown.
    pub fn end(&self, subject: SubjectId) -> Option<u32> {
        match self.state.entry(subject)? {
            Entry::Live(live) => Some(live.next),
            Entry::Erased(_) => None,
        }
    }

    /// Makes ready to seal for these subjects, with one write of the file if any is needed: whoever
    /// is new gets a serial and keys, whoever has no index left gets some reserved. Who seals for
    /// many asks for all of them first.
    ///
    /// # Errors
    /// [`KeystoreError::Name`], [`KeystoreError::SubjectErased`], [`KeystoreError::Full`]: nothing
    /// was changed. [`KeystoreError::ReadOnly`], [`KeystoreError::Replaced`],
    /// [`KeystoreError::Unsettled`], or what the system says.
    pub fn prepare(&mut self, names: &[&str]) -> Result<Vec<SubjectId>, KeystoreError> {
        self.may_write()?;
        let mut subjects = Vec::with_capacity(names.len());
        let mut after: Option<State> = None;
        for name in names {
            if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
                return Err(KeystoreError::Name { bytes: name.len() });
            }
            let state = after.as_ref().unwrap_or(&self.state);
            match state.subject(name) {
                Subject::Erased(subject) => return Err(KeystoreError::SubjectErased { subject }),
                Subject::Live(subject) => {
                    subjects.push(subject);
                    if live(state, subject).is_some_and(Live::is_ready) {
                        continue;
                    }
                    let after = after.get_or_insert_with(|| self.state.clone());
                    match after.live_mut(subject).filter(|live| !live.is_full()) {
                        Some(live) => live.reserve(),
                        None => return Err(KeystoreError::Full { subject }),
                    }
                }
                Subject::Never => {
                    let root = self.place.system.random()?;
                    let after = after.get_or_insert_with(|| self.state.clone());
                    subjects.extend(after.add(name, root));
                }
            }
        }
        if let Some(mut after) = after {
            after.reserve_for_all();
            self.change(after)?;
        }
        Ok(subjects)
    }

    /// Seals a plaintext for a subject, whether there is one of this name yet or not. What is
    /// `associated` is not kept, and has to be the same when it is unsealed. Another copy of the
    /// same files gives the same bytes for the same, and for anything else bytes that tell nothing.
    ///
    /// # Errors
    /// [`KeystoreError::TooLong`], and as [`prepare`](Self::prepare).
    pub fn seal(
        &mut self,
        name: &str,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Sealed, KeystoreError> {
        self.may_write()?;
        let too_long = KeystoreError::TooLong { bytes: plaintext.len() };
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(too_long);
        }
        let (subject, index) = self.give_out(name)?;
        let path = self.paths.get_mut(slot(subject));
        let (Some(live), Some(path)) = (self.state.live_mut(subject), path) else {
            return Err(KeystoreError::UnknownSubject { subject, last: self.state.last() });
        };
        let path = path.get_mut().unwrap_or_else(PoisonError::into_inner);
        let key = path.key(&self.landings, subject.0, &live.cover, index);
        let key = key.ok_or(KeystoreError::Full { subject })?;
        let which = Which { log: self.master.log, subject, index };
        let bytes = sealed::seal(key, which, associated, plaintext).ok_or(too_long)?;
        Ok(Sealed { subject, index, bytes })
    }

    /// Gives out the next key of a subject, whether there is one of this name yet or not, for
    /// whoever seals under it later: see [`run_key`](Self::run_key). Nothing is sealed under it by
    /// [`seal`](Self::seal).
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn give_out(&mut self, name: &str) -> Result<(SubjectId, u32), KeystoreError> {
        self.may_write()?;
        let subject = match self.state.subject(name) {
            Subject::Live(subject) if live(&self.state, subject).is_some_and(Live::is_ready) => {
                Some(subject)
            }
            Subject::Live(_) | Subject::Erased(_) | Subject::Never => {
                self.prepare(&[name])?.first().copied()
            }
        };
        let last = self.state.last();
        let subject = subject.unwrap_or(SubjectId(last.0 + 1));
        let live = self.state.live_mut(subject);
        let live = live.ok_or(KeystoreError::UnknownSubject { subject, last })?;
        Ok((subject, live.take().ok_or(KeystoreError::Full { subject })?))
    }

    /// The key that was given out so, for many things: each has a name of its own.
    ///
    /// # Errors
    /// [`UnsealError::Erased`], [`UnsealError::Unknown`].
    pub fn run_key(&self, subject: SubjectId, index: u32) -> Result<RunKey, UnsealError> {
        let live = match self.state.entry(subject) {
            Some(Entry::Live(live)) if index < MEMORIES_MAX => live,
            Some(Entry::Erased(_)) => return Err(UnsealError::Erased { subject, index }),
            Some(Entry::Live(_)) | None => return Err(UnsealError::Unknown { subject, index }),
        };
        let mut path = Path::new();
        let leaf = path.key(&self.landings, subject.0, &live.cover, index);
        let leaf = leaf.ok_or(UnsealError::Erased { subject, index })?;
        let which = Which { log: self.master.log, subject, index };
        Ok(RunKey::of(leaf, &which.of_run()))
    }

    /// What was sealed under this key, with these associated data.
    ///
    /// # Errors
    /// [`UnsealError`]: erased, unknown or damaged.
    pub fn unseal(
        &self,
        subject: SubjectId,
        index: u32,
        associated: &[u8],
        bytes: &[u8],
    ) -> Result<Vec<u8>, UnsealError> {
        let unknown = UnsealError::Unknown { subject, index };
        let live = match self.state.entry(subject) {
            Some(Entry::Live(live)) if index < MEMORIES_MAX => live,
            Some(Entry::Erased(_)) => return Err(UnsealError::Erased { subject, index }),
            Some(Entry::Live(_)) | None => return Err(unknown),
        };
        let which = Which { log: self.master.log, subject, index };
        let unseal = |path: &mut Path| {
            let key = path.key(&self.landings, subject.0, &live.cover, index);
            let key = key.ok_or(UnsealError::Erased { subject, index })?;
            sealed::open(key, which, associated, bytes)
                .ok_or(UnsealError::Damaged { subject, index })
        };
        // Who meets another reader takes the whole way rather than wait.
        match self.path(subject) {
            Some(mut path) => unseal(&mut path),
            None => unseal(&mut Path::new()),
        }
    }

    fn path(&self, subject: SubjectId) -> Option<MutexGuard<'_, Path>> {
        match self.paths.get(slot(subject))?.try_lock() {
            Ok(path) => Some(path),
            Err(TryLockError::Poisoned(path)) => Some(path.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Says that the log holds memories of a subject below this index, so that none of them is given
    /// out again. That matters where the keystore is older than the log: after a backup was brought
    /// back.
    ///
    /// # Errors
    /// [`KeystoreError::UnknownSubject`]: the log holds a subject that this keystore never had.
    pub fn advance(&mut self, subject: SubjectId, end: u32) -> Result<(), KeystoreError> {
        let last = self.state.last();
        if subject.0 == 0 || subject > last {
            return Err(KeystoreError::UnknownSubject { subject, last });
        }
        if let Some(live) = self.state.live_mut(subject) {
            live.next = live.next.max(end.min(MEMORIES_MAX));
            // What is erased below it must not be given out when the file is read again.
            live.reserved = live.reserved.max(live.next);
        }
        Ok(())
    }

    /// Erases for ever: when this returns, what was sealed under the keys that were named cannot be
    /// unsealed by anybody who has the files as they are now. What was erased before stays so, and
    /// is no error: an erasure of which nobody knows whether it happened is asked for again.
    ///
    /// # Errors
    /// [`KeystoreError::UnknownName`], [`KeystoreError::UnknownSubject`], [`KeystoreError::Range`],
    /// [`KeystoreError::FileTooLong`], [`KeystoreError::ReadOnly`], [`KeystoreError::Replaced`],
    /// [`KeystoreError::Unsettled`]: nothing was erased. Or what the system says: then all was
    /// erased or nothing, and opening again shows which.
    pub fn erase(&mut self, erasure: &Erasure) -> Result<Committed, KeystoreError> {
        self.may_write()?;
        let Some(after) = self.without(erasure)? else {
            return Ok(Committed { generation: self.master.generation, leftover: None });
        };
        self.place.refuse_replaced(&self.master)?;
        let generation = self.master.generation.saturating_add(1);
        let key = self.place.system.random()?;
        let master = Master { log: self.master.log, generation, key };
        let replaced = self.place.replace(&self.master, &master, &after);
        let leftover = self.settled(replaced)?;
        (self.master, self.state) = (master, after);
        self.landings.forget();
        for path in &mut self.paths {
            path.get_mut().unwrap_or_else(PoisonError::into_inner).forget();
        }
        Ok(Committed { generation, leftover })
    }

    /// The same keystore for reading only, in which what is to be erased is erased: for whoever reads
    /// while somebody else is about to erase it. Nothing is written.
    ///
    /// # Errors
    /// [`KeystoreError::UnknownName`], [`KeystoreError::UnknownSubject`], [`KeystoreError::Range`].
    pub fn hiding(mut self, erasure: &Erasure) -> Result<Keystore, KeystoreError> {
        let after = self.without(erasure)?.unwrap_or(self.state);
        self.state = after;
        Ok(Keystore::with(self.place, self.master, self.state, Mode::ReadOnly))
    }

    /// The state without what is to be erased; `None` if all of it is erased already.
    pub(crate) fn without(&self, erasure: &Erasure) -> Result<Option<State>, KeystoreError> {
        let mut after: Option<State> = None;
        for name in &erasure.subjects {
            match self.state.subject(name) {
                Subject::Never => return Err(KeystoreError::UnknownName { name: name.clone() }),
                Subject::Erased(_) => {}
                Subject::Live(subject) => {
                    after.get_or_insert_with(|| self.state.clone()).erase(subject);
                }
            }
        }
        for (subject, ranges) in &erasure.memories {
            let (subject, last) = (*subject, self.state.last());
            let live = match self.state.entry(subject) {
                None => return Err(KeystoreError::UnknownSubject { subject, last }),
                Some(Entry::Erased(_)) => continue,
                Some(Entry::Live(live)) => live,
            };
            let end = live.next;
            if let Some(range) = ranges.iter().find(|range| range.is_empty() || range.end > end) {
                return Err(KeystoreError::Range { subject, range: range.clone(), end });
            }
            let ranges = merged(ranges);
            if live.cover.holds_any(&ranges) {
                let after = after.get_or_insert_with(|| self.state.clone());
                // Not there any more if the whole subject is to be erased.
                if let Some(live) = after.live_mut(subject) {
                    live.cover = live.cover.without(&ranges);
                }
            }
        }
        Ok(after)
    }

    /// Ends in good order: indexes that were reserved and not given out are given back.
    ///
    /// # Errors
    /// [`KeystoreError::Unsettled`], [`KeystoreError::Replaced`], or what the system says. Nothing is
    /// lost then but the indexes.
    pub fn close(mut self) -> Result<(), KeystoreError> {
        if self.mode == Mode::ReadOnly {
            return Ok(());
        }
        self.may_write()?;
        let is_unused = |entry: &Entry| matches!(entry, Entry::Live(live) if live.is_ready());
        if !self.state.entries().iter().any(is_unused) {
            return Ok(());
        }
        let mut after = self.state.clone();
        for serial in 1..=after.last().0 {
            if let Some(live) = after.live_mut(SubjectId(serial)) {
                live.reserved = live.next;
            }
        }
        self.change(after)
    }

    /// Puts a state into the place of the one that is there, durably.
    fn change(&mut self, after: State) -> Result<(), KeystoreError> {
        self.place.refuse_replaced(&self.master)?;
        let put = self.place.put_state(&self.master, &after);
        self.settled(put)?;
        self.state = after;
        Ok(())
    }

    /// After a file operation that failed nothing is written until the files were read again.
    fn settled<T>(&mut self, outcome: Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        if let Err(KeystoreError::Io { .. }) = outcome {
            self.mode = Mode::Unsettled;
        }
        outcome
    }

    fn may_write(&self) -> Result<(), KeystoreError> {
        let folder = || self.place.folder().to_owned();
        match self.mode {
            Mode::Writing => Ok(()),
            Mode::ReadOnly => Err(KeystoreError::ReadOnly { folder: folder() }),
            Mode::Unsettled => Err(KeystoreError::Unsettled { folder: folder() }),
        }
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore")
            .field("folder", &self.place.folder())
            .field("log", &self.master.log)
            .field("generation", &self.master.generation)
            .field("subjects", &self.state.last().0)
            .finish_non_exhaustive()
    }
}

fn live(state: &State, subject: SubjectId) -> Option<&Live> {
    match state.entry(subject)? {
        Entry::Live(live) => Some(live),
        Entry::Erased(_) => None,
    }
}

/// Which path serves a subject.
fn slot(subject: SubjectId) -> usize {
    (subject.0 % PATHS as u64) as usize
}
