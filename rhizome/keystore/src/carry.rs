//! Keys that are carried to another machine, in one file: a master key of its own, and a keystore
//! file that is sealed under it. Who has the file has the keys.
//!
//! # Invariants
//! 1. What was erased is not in the file.
//! 2. What is made from it seals nothing under a key that anybody else has: behind the indexes that
//!    were given out, each keystore that comes from one has other keys.

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
use crate::master::Master;
use crate::place::{Place, at_keys, at_master};
use crate::state::State;
use crate::system::{Os, System};

const KIND: &[u8] = b"karyon-carried-keys-v1\n";
/// Lines of the master key behind that.
const MASTER_LINES: usize = 5;

impl Keystore {
    /// Writes the keys to a file that is not there yet, of mode 0600, for another machine: all but
    /// those of the erasure. Nothing else changes.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`], [`KeystoreError::MasterInside`] (the file would lie in the data
    /// directory), as [`erase`](Self::erase), or what the system says. There is no file then.
    pub fn carry(&self, without: &Erasure, path: &Path) -> Result<(), KeystoreError> {
        let place = self.place();
        place.refuse_inside(path)?;
        let mut state = self.without(without)?.unwrap_or_else(|| self.state().clone());
        let system = &place.system;
        // What is sealed here from now on is not for whoever has the file.
        state.renew(|| system.random())?;
        let master = Master { log: place.log, generation: 1, key: system.random()? };
        let keys = place.sealed(&master, &state, path)?;
        let text = master.encode();
        let mut bytes = Zeroizing::new(Vec::with_capacity(KIND.len() + text.len() + keys.len()));
        for part in [KIND, &text, &keys] {
            bytes.extend_from_slice(part);
        }
        match system.write(path, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeystoreError::Exists { path: path.to_owned() })
            }
            Err(error) => {
                // What is there is not whole, and is nobody else's.
                drop(system.remove(path));
                Err(failed("write", path)(error))
            }
            Ok(()) => place.sync_beside(path),
        }
    }
}

/// Keys that were carried here.
pub struct CarriedKeys {
    log: LogId,
    state: State,
}

impl CarriedKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// [`KeystoreError::ReadableByOthers`], [`KeystoreError::Damaged`], [`KeystoreError::Version`],
    /// or what the system says, of a file that is not there too.
    pub fn read(path: &Path) -> Result<CarriedKeys, KeystoreError> {
        let most = FILE_BYTES_MAX + MASTER_BYTES_MAX;
        let found = Os.read(path, most).map_err(failed("read", path))?;
        let found =
            found.ok_or_else(|| failed("read", path)(io::Error::from(io::ErrorKind::NotFound)))?;
        if found.mode & 0o077 != 0 {
            let (path, mode) = (path.to_owned(), found.mode);
            return Err(KeystoreError::ReadableByOthers { path, mode });
        }
        let damaged = |what| KeystoreError::Damaged { path: path.into(), which: Which::Keys, what };
        let rest = found.bytes.strip_prefix(KIND);
        let rest = rest.ok_or_else(|| damaged("it is no file of carried keys"))?;
        let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = ends.map(|(at, _)| at + 1).nth(MASTER_LINES - 1);
        let parts = end.and_then(|end| rest.split_at_checked(end));
        let (text, keys) = parts.ok_or_else(|| damaged("it ends too early"))?;
        let master = Master::decode(text).map_err(|fault| at_master(fault, path))?;
        match file::open(keys, &master) {
            Ok(state) => Ok(CarriedKeys { log: master.log, state }),
            Err(fault) => Err(at_keys(fault, path, path, master.log)),
        }
    }

    /// The id of the keystore that they come from, and of the one that is made from them.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Makes a keystore in the folder `keystore` of a data directory, under a new master key. The
    /// folders that both lie in must be there.
    ///
    /// # Errors
    /// As [`Keystore::create`].
    pub fn settle(mut self, data: &Path, master: &Path) -> Result<Keystore, KeystoreError> {
        let place = Place::new(Box::new(Os), data, master, self.log);
        self.state.renew(|| place.system.random())?;
        let master = Master { log: self.log, generation: 1, key: place.system.random()? };
        place.create(&master, &self.state)?;
        Ok(Keystore::made(place, master, self.state))
    }
}

impl fmt::Debug for CarriedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarriedKeys")
            .field("log", &self.log)
            .field("subjects", &self.state.last().0)
            .finish_non_exhaustive()
    }
}

/// Takes the master key away that belongs to the keystore in a data directory, and to no other:
/// what a making left that nobody finished. Whether it was there.
///
/// # Errors
/// What the system says.
pub fn abandon(data: &Path, master: &Path, log: LogId) -> Result<bool, KeystoreError> {
    let place = Place::new(Box::new(Os), data, master, log);
    let opens = |path: &PathBuf| place.opens_with(path);
    let mut was_there = false;
    for path in [master.to_owned(), place.waiting()].iter().filter(|path| opens(path)) {
        was_there |= place.destroy(path)?;
    }
    Ok(was_there)
}
