//! Keys that are carried to another machine, in one file: a master key of its own, and a keystore
//! file that is sealed under it. Who has the file has the keys.
//!
//! # Invariants
//! 1. What was erased is not in the file.
//! 2. What is made from it seals nothing under a key that anybody else has: behind the indexes that
//!    were given out, each keystore that comes from one has other keys.
//! 3. Of a file that could not be written as a whole nothing is left, or that is said.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use karyon_types::LogId;
use zeroize::Zeroizing;

use crate::erasure::Erasure;
use crate::error::{KeystoreError, Which, failed};
use crate::file;
use crate::keystore::Keystore;
use crate::limits::{FILE_BYTES_MAX, MASTER_BYTES_MAX};
use crate::master::{Master, hex, unhex};
use crate::place::{Place, at_keys, at_master, destroy};
use crate::state::State;
use crate::system::{Os, System};

const KIND: &[u8] = b"karyon-carried-keys-v2\n";
/// What did not say of which log it is.
const UNBOUND: &[u8] = b"karyon-carried-keys-v1\n";
/// The context in which a file is hashed.
const CHECK: &str = "karyon carried keys file v2";
/// Lines that say whose the keys are, and their check.
const SOURCE_LINES: usize = 3;
/// Lines of the master key behind that.
const MASTER_LINES: usize = 5;
/// The longest of the lines before the master key together, bytes.
const HEAD_BYTES_MAX: u64 = 256;

/// Whose keys are carried: a keystore has an id of its own, which no log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The log that holds what was sealed.
    pub log: LogId,
    /// How many records it had.
    pub records: u64,
}

impl Source {
    fn lines(&self) -> String {
        format!("of {}\nrecords {}\n", self.log, self.records)
    }

    /// What these lines say; there is one form.
    fn parse(lines: &str) -> Option<Source> {
        let (log, records) = lines.strip_prefix("of ")?.split_once("\nrecords ")?;
        let records = records.strip_suffix('\n')?.parse().ok()?;
        let source = Source { log: LogId(unhex(log)?), records };
        (source.lines() == lines).then_some(source)
    }

    /// The line by which it is seen that all of the file is as it was written.
    fn check(&self, keys: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let mut hasher = blake3::Hasher::new_derive_key(CHECK);
        hasher.update(self.lines().as_bytes());
        for part in keys {
            hasher.update(part);
        }
        let mut line = Zeroizing::new(b"check ".to_vec());
        hex(&mut line, hasher.finalize().as_bytes());
        line.push(b'\n');
        line
    }
}

impl Keystore {
    /// Writes the keys to a file that is not there yet, of mode 0600, for another machine: all but
    /// those of the erasure. Nothing else changes.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`], [`KeystoreError::MasterInside`] (the file would lie in the data
    /// directory), as [`erase`](Self::erase), or what the system says. There is no file then: what
    /// was written is overwritten and removed, or it is [`KeystoreError::Left`].
    pub fn carry(
        &self,
        without: &Erasure,
        source: Source,
        path: &Path,
    ) -> Result<(), KeystoreError> {
        let place = self.place();
        place.refuse_inside(path)?;
        let mut state = self.without(without)?.unwrap_or_else(|| self.state().clone());
        let system = &place.system;
        // What is sealed here from now on is not for whoever has the file.
        state.renew(|| system.random())?;
        let master = Master { log: place.log, generation: 1, key: system.random()? };
        let keys = place.sealed(&master, &state, path)?;
        let text = master.encode();
        let (lines, check) = (source.lines(), source.check(&[&text, &keys]));
        let parts: [&[u8]; 5] = [KIND, lines.as_bytes(), &check, &text, &keys];
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let written = system.write(path, &bytes);
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            return Err(KeystoreError::Exists { path: path.to_owned() });
        }
        let written = written.map_err(failed("write", path)).and_then(|()| place.sync_beside(path));
        // What is there is nobody else's, and nobody is told that it is whole.
        written.map_err(|error| match place.destroy(path) {
            Ok(_) => error,
            Err(left) => {
                let (error, left) = (Box::new(error), Box::new(left));
                KeystoreError::Left { path: path.to_owned(), error, left }
            }
        })
    }
}

/// Keys that were carried here.
pub struct CarriedKeys {
    source: Source,
    log: LogId,
    state: State,
}

impl CarriedKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// [`KeystoreError::ReadableByOthers`], [`KeystoreError::Damaged`], [`KeystoreError::Version`],
    /// [`KeystoreError::Unbound`], or what the system says, of a file that is not there too.
    pub fn read(path: &Path) -> Result<CarriedKeys, KeystoreError> {
        let most = FILE_BYTES_MAX + MASTER_BYTES_MAX + HEAD_BYTES_MAX;
        let found = Os.read(path, most).map_err(failed("read", path))?;
        let found =
            found.ok_or_else(|| failed("read", path)(io::Error::from(io::ErrorKind::NotFound)))?;
        if found.mode & 0o077 != 0 {
            let (path, mode) = (path.to_owned(), found.mode);
            return Err(KeystoreError::ReadableByOthers { path, mode });
        }
        let damaged = |what| KeystoreError::Damaged { path: path.into(), which: Which::Keys, what };
        if found.bytes.starts_with(UNBOUND) {
            return Err(KeystoreError::Unbound { path: path.to_owned() });
        }
        let rest = found.bytes.strip_prefix(KIND);
        let rest = rest.ok_or_else(|| damaged("it is no file of carried keys"))?;
        let cut = || damaged("it ends too early");
        let (head, rest) = split(rest, SOURCE_LINES).ok_or_else(cut)?;
        let (text, keys) = split(rest, MASTER_LINES).ok_or_else(cut)?;
        let lines = split(head, SOURCE_LINES - 1).ok_or_else(cut)?;
        let source = std::str::from_utf8(lines.0).ok().and_then(Source::parse);
        let source = source.ok_or_else(|| damaged("it does not say of which log it is"))?;
        if **source.check(&[text, keys]) != *lines.1 {
            return Err(damaged("its check does not fit"));
        }
        let master = Master::decode(text).map_err(|fault| at_master(fault, path))?;
        match file::open(keys, &master) {
            Ok(state) => Ok(CarriedKeys { source, log: master.log, state }),
            Err(fault) => Err(at_keys(fault, path, path, master.log)),
        }
    }

    /// The id of the keystore that they come from, and of the one that is made from them.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Of which log they are, and how far it had come when they were written.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Makes a keystore in the folder `keystore` of a data directory, under a new master key. The
    /// folders that both lie in must be there. Until it is [kept](keep) whoever has the `note`, and
    /// nobody else, can [abandon] it: the note names this making and no other.
    ///
    /// # Errors
    /// As [`Keystore::create`].
    pub fn settle(
        mut self,
        data: &Path,
        master: &Path,
        note: &[u8],
    ) -> Result<Keystore, KeystoreError> {
        let place = Place::new(Box::new(Os), data, master, self.log);
        self.state.renew(|| place.system.random())?;
        let master = Master { log: self.log, generation: 1, key: place.system.random()? };
        place.create(&master, &self.state, Some(note))?;
        Ok(Keystore::made(place, master, self.state))
    }
}

impl fmt::Debug for CarriedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarriedKeys")
            .field("source", &self.source)
            .field("log", &self.log)
            .field("subjects", &self.state.last().0)
            .finish_non_exhaustive()
    }
}

/// Takes the master key away that belongs to the keystore in a data directory, and to no other:
/// what a [making](CarriedKeys::settle) with this note left that nobody finished. Whether it was
/// there. A master key that was made otherwise, or is [kept](keep), stays: what lies in `data` may
/// be a copy of what it opens, or a link to that.
///
/// # Errors
/// What the system says.
pub fn abandon(data: &Path, master: &Path, log: LogId, note: &[u8]) -> Result<bool, KeystoreError> {
    let place = Place::new(Box::new(Os), data, master, log);
    let _held = match place.lock_master() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        // Without this somebody else's could be taken, who makes one under the same name.
        held => held.map_err(failed("lock", master))?,
    };
    let is_folder = place.folder().symlink_metadata().is_ok_and(|found| found.is_dir());
    if !is_folder || !place.was_made_with(note)? {
        return Ok(false);
    }
    let opens = |path: &PathBuf| place.opens_with(path);
    let mut was_there = false;
    for path in [master.to_owned(), place.waiting()].iter().filter(|path| opens(path)) {
        was_there |= place.destroy(path)?;
    }
    place.forget_note()?;
    Ok(was_there)
}

/// Says that a keystore that was [made](CarriedKeys::settle) is in its place: nobody abandons it
/// any more. Whether it could be until now.
///
/// # Errors
/// What the system says.
pub fn keep(data: &Path, master: &Path, log: LogId) -> Result<bool, KeystoreError> {
    let place = Place::new(Box::new(Os), data, master, log);
    let _held = place.lock_master().map_err(failed("lock", master))?;
    place.forget_note()
}

/// Overwrites a file of carried keys and removes it; whether it was there.
///
/// # Errors
/// What the system says; it is there still.
pub fn destroy_carried(path: &Path) -> Result<bool, KeystoreError> {
    destroy(&Os, path)
}

/// What is before and behind so many lines.
fn split(bytes: &[u8], lines: usize) -> Option<(&[u8], &[u8])> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = ends.map(|(at, _)| at + 1).nth(lines.checked_sub(1)?)?;
    bytes.split_at_checked(end)
}
