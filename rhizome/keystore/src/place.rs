//! Where the two files lie, and the order in which they are written.
//!
//! # Invariants
//! 1. The master's generation says which keystore file is the one. No other is ever read, and none
//!    is removed before that one was read.
//! 2. At every moment that one is there, whole, if the master is.
//! 3. A new master is durable in the place of the old one before anything of the old generation is
//!    destroyed.
//! 4. A keystore is made, and what a making left is abandoned, by whoever holds the master's folder:
//!    no master is written over by another making, and no keystore file at all.
//! 5. What is abandoned has the note beside it with which whoever abandons it made it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use karyon_types::LogId;
use zeroize::Zeroizing;

use crate::cipher::NONCE_BYTES;
use crate::error::{KeystoreError, Which, failed};
use crate::file::{self, FileFault};
use crate::limits::{FILE_BYTES_MAX, MASTER_BYTES_MAX};
use crate::master::{Master, MasterFault};
use crate::state::State;
use crate::system::{Locked, System};

/// The folder in the data directory.
pub(crate) const FOLDER: &str = "keystore";
const KEYS: &str = "keys.";

/// Where a keystore and its master key lie.
pub(crate) struct Place {
    pub(crate) system: Box<dyn System>,
    data: PathBuf,
    folder: PathBuf,
    master: PathBuf,
    pub(crate) log: LogId,
}

impl Place {
    pub(crate) fn new(system: Box<dyn System>, data: &Path, master: &Path, log: LogId) -> Place {
        let (data, master) = (data.to_owned(), master.to_owned());
        Place { system, folder: data.join(FOLDER), data, master, log }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes both files, for nobody yet. What a making that was cut off has left is made anew. Of
    /// several that are made at once under one master's name one is. With a note it can be
    /// [abandoned](crate::abandon) until it is [kept](crate::keep).
    pub(crate) fn create(
        &self,
        master: &Master,
        state: &State,
        note: Option<&[u8]>,
    ) -> Result<(), KeystoreError> {
        self.refuse_inside(&self.master)?;
        // From the look at the master to its rename: what waits beside it is nobody else's.
        let _held = self.lock_master().map_err(failed("lock", parent(&self.master)))?;
        if self.read_master()?.is_some() {
            return Err(KeystoreError::Exists { path: self.master.clone() });
        }
        if let Some(keys) = self.begun()? {
            // Only now is it known to open with the master that waits; so its name goes first.
            self.system.remove(&keys).map_err(failed("remove", &keys))?;
            self.sync(&self.folder)?;
        }
        let make = failed("make", &self.folder);
        self.system.make_folder(&self.folder).map_err(make)?;
        match note {
            Some(note) => self.write_new(&self.note(), note)?,
            None => drop(self.destroy(&self.note())?),
        }
        // The new master waits beside its place: so a keystore that never had one can be told from
        // one that has lost it.
        let waiting = beside(&self.master);
        self.write_new(&waiting, &master.encode())?;
        self.sync(parent(&self.master))?;
        self.put_state(master, state)?;
        self.rename(&waiting, &self.master)
    }

    /// Keeps others from making a keystore under this master's name, or abandoning one.
    pub(crate) fn lock_master(&self) -> io::Result<Box<dyn Locked>> {
        self.system.lock(parent(&self.master))
    }

    /// Reads both files. Somebody who erases in between is no error.
    pub(crate) fn load(&self) -> Result<(Master, State), KeystoreError> {
        self.refuse_inside(&self.master)?;
        loop {
            let seen = self.read_master()?;
            let error = match self.load_with(seen.as_deref()) {
                Ok(loaded) => return Ok(loaded),
                Err(error) => error,
            };
            // What was read is of no generation, or of one that is gone, if the master was replaced
            // meanwhile. Each further turn is an erasure that somebody else has completed.
            if self.read_master()? == seen {
                return Err(error);
            }
        }
    }

    fn load_with(&self, text: Option<&Vec<u8>>) -> Result<(Master, State), KeystoreError> {
        let Some(text) = text else {
            self.begun()?;
            let (folder, master) = (self.folder.clone(), self.master.clone());
            return Err(KeystoreError::NotMade { folder, master });
        };
        let master = self.parse_master(text)?;
        // An erasure that was cut off leaves the next generation, and nobody leaves a later one.
        let next = master.generation.saturating_add(1);
        if self.generations()?.last().is_some_and(|last| *last > next) {
            return Err(self.no_keys(&master)?);
        }
        let path = self.keys(master.generation);
        let found = self.system.read(&path, FILE_BYTES_MAX).map_err(failed("read", &path))?;
        let Some(found) = found else { return Err(self.no_keys(&master)?) };
        if found.bytes.len() as u64 > FILE_BYTES_MAX {
            let what = "it is too long";
            return Err(KeystoreError::Damaged { path, which: Which::Keys, what });
        }
        match file::open(&found.bytes, &master) {
            Ok(state) => Ok((master, state)),
            Err(fault) => Err(at_keys(fault, &path, &self.master, self.log)),
        }
    }

    fn read_master(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeystoreError> {
        let path = &self.master;
        let found = self.system.read(path, MASTER_BYTES_MAX).map_err(failed("read", path))?;
        let Some(found) = found else { return Ok(None) };
        if found.mode & 0o077 != 0 {
            return Err(KeystoreError::ReadableByOthers { path: path.clone(), mode: found.mode });
        }
        Ok(Some(found.bytes))
    }

    fn parse_master(&self, text: &[u8]) -> Result<Master, KeystoreError> {
        let (path, which) = (self.master.clone(), Which::Master);
        match Master::decode(text) {
            Ok(master) if master.log == self.log => Ok(master),
            Ok(Master { log: found, .. }) => {
                Err(KeystoreError::OtherLog { path, which, found, expected: self.log })
            }
            Err(fault) => Err(at_master(fault, &path)),
        }
    }

    /// What to say where the files that are there are not the master's.
    fn no_keys(&self, master: &Master) -> Result<KeystoreError, KeystoreError> {
        Ok(match self.generations()?.last() {
            Some(other) => KeystoreError::Generation {
                master: self.master.clone(),
                generation: master.generation,
                keys: self.keys(*other),
            },
            None => KeystoreError::KeysMissing {
                path: self.keys(master.generation),
                master: self.master.clone(),
            },
        })
    }

    /// The keystore file of a making that was cut off: the first, and alone, and the master that
    /// waits for its place opens it. Refuses any other, which has lost its master.
    fn begun(&self) -> Result<Option<PathBuf>, KeystoreError> {
        let generations = self.generations()?;
        let Some(generation) = generations.last().copied() else { return Ok(None) };
        let keys = self.keys(generation);
        if generations == [1] && self.opens_with(&self.waiting()) {
            return Ok(Some(keys));
        }
        Err(KeystoreError::MasterMissing { path: self.master.clone(), keys })
    }

    /// Refuses a master key inside of the data directory.
    pub(crate) fn refuse_inside(&self, master: &Path) -> Result<(), KeystoreError> {
        // What is not there lies nowhere.
        let real = |folder: &Path| match self.system.real(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            real => real.map(Some).map_err(failed("find", folder)),
        };
        match (real(parent(master))?, real(&self.data)?) {
            (Some(folder), Some(data)) if folder.starts_with(&data) => {
                let (master, data) = (master.to_owned(), self.data.clone());
                Err(KeystoreError::MasterInside { master, data })
            }
            _ => Ok(()),
        }
    }

    /// Refuses to write where the master is no longer the one that was read: somebody else has
    /// erased, and what this process knows would bring it back.
    pub(crate) fn refuse_replaced(&self, master: &Master) -> Result<(), KeystoreError> {
        match self.read_master()? {
            Some(text) if *text == *master.encode() => Ok(()),
            Some(_) | None => Err(KeystoreError::Replaced { master: self.master.clone() }),
        }
    }

    /// Puts a state durably into the place of the one before.
    pub(crate) fn put_state(&self, master: &Master, state: &State) -> Result<(), KeystoreError> {
        let path = self.keys(master.generation);
        self.put(&path, &self.sealed(master, state, &path)?)
    }

    /// The bytes of a keystore file that is to lie at `path`.
    pub(crate) fn sealed(
        &self,
        master: &Master,
        state: &State,
        path: &Path,
    ) -> Result<Vec<u8>, KeystoreError> {
        let nonce = self.system.random()?;
        let nonce = nonce.bytes().first_chunk::<NONCE_BYTES>().copied().unwrap_or_default();
        let file = file::seal(state, master, &nonce);
        let file = file.filter(|file| file.len() as u64 <= FILE_BYTES_MAX);
        file.ok_or_else(|| KeystoreError::FileTooLong { path: path.to_owned() })
    }

    /// Whether the file at `path` is the master key of the keystore that lies here.
    pub(crate) fn opens_with(&self, path: &Path) -> bool {
        let read = |path: &Path, most| self.system.read(path, most).ok().flatten();
        let master = read(path, MASTER_BYTES_MAX).and_then(|text| Master::decode(&text.bytes).ok());
        master.is_some_and(|master| {
            let keys = read(&self.keys(master.generation), FILE_BYTES_MAX);
            master.log == self.log
                && keys.is_some_and(|keys| file::open(&keys.bytes, &master).is_ok())
        })
    }

    /// Where the master key is written that is to take its place.
    pub(crate) fn waiting(&self) -> PathBuf {
        beside(&self.master)
    }

    /// Where the note of whoever made the keystore lies, until it is kept.
    fn note(&self) -> PathBuf {
        hidden(&self.master, ".made")
    }

    /// Whether it was made with this note, and is not kept yet.
    pub(crate) fn was_made_with(&self, note: &[u8]) -> Result<bool, KeystoreError> {
        let path = self.note();
        let found = self.system.read(&path, note.len() as u64).map_err(failed("read", &path))?;
        Ok(found.is_some_and(|found| **found.bytes == *note))
    }

    /// Takes the note away, durably; whether there was one.
    pub(crate) fn forget_note(&self) -> Result<bool, KeystoreError> {
        let was_there = self.destroy(&self.note())?;
        if was_there {
            self.sync(parent(&self.master))?;
        }
        Ok(was_there)
    }

    /// Makes the name of a file durable.
    pub(crate) fn sync_beside(&self, path: &Path) -> Result<(), KeystoreError> {
        self.sync(parent(path))
    }

    /// Puts a state and a new master durably into the place of those before, and destroys what was
    /// there. Within the error: nothing is done, or all is and opening again shows it. What is
    /// given back is why something old is still there, although all is done.
    pub(crate) fn replace(
        &self,
        old: &Master,
        new: &Master,
        state: &State,
    ) -> Result<Option<KeystoreError>, KeystoreError> {
        let overwrite = failed("overwrite", &self.master);
        let mut held = self.system.hold(&self.master).map_err(overwrite)?;
        self.put_state(new, state)?;
        self.put(&self.master, &new.encode())?;
        // Done. From here on nothing opens the old file any more.
        let overwritten = held.destroy().map_err(failed("overwrite", &self.master));
        let path = self.keys(old.generation);
        let destroyed = self.destroy(&path).and_then(|_| self.sync(&self.folder));
        Ok(overwritten.and(destroyed).err())
    }

    /// Destroys what erasures and writes that were cut off have left: files of other generations
    /// than the one that was read, and what was to take a place.
    pub(crate) fn tidy(&self, master: &Master) -> Result<(), KeystoreError> {
        let names = self.system.names(&self.folder).map_err(failed("read", &self.folder))?;
        let is_left = |name: &&String| {
            generation(name).is_some_and(|found| found != master.generation)
                || name
                    .strip_prefix('.')
                    .and_then(|name| name.strip_suffix(".new"))
                    .is_some_and(|name| generation(name).is_some())
        };
        let mut has_left = false;
        for name in names.iter().filter(is_left) {
            has_left |= self.destroy(&self.folder.join(name))?;
        }
        if has_left {
            self.sync(&self.folder)?;
        }
        if self.destroy(&beside(&self.master))? {
            self.sync(parent(&self.master))?;
        }
        Ok(())
    }

    /// The generations of which there is a file, in order.
    fn generations(&self) -> Result<Vec<u64>, KeystoreError> {
        let names = self.system.names(&self.folder).map_err(failed("read", &self.folder))?;
        let mut generations: Vec<u64> = names.iter().filter_map(|name| generation(name)).collect();
        generations.sort_unstable();
        Ok(generations)
    }

    pub(crate) fn keys(&self, generation: u64) -> PathBuf {
        self.folder.join(format!("{KEYS}{generation}"))
    }

    /// Puts a file durably in its place, whole or not at all.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
        let waiting = beside(path);
        self.write_new(&waiting, bytes)?;
        self.rename(&waiting, path)
    }

    /// Writes a file that is to take a place, where a write that was cut off may have left one.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
        self.destroy(path)?;
        self.system.write(path, bytes).map_err(failed("write", path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), KeystoreError> {
        self.system.rename(from, to).map_err(failed("replace", to))?;
        self.sync(parent(to))
    }

    /// Overwrites a file and takes its name away; whether it was there.
    pub(crate) fn destroy(&self, path: &Path) -> Result<bool, KeystoreError> {
        destroy(&*self.system, path)
    }

    fn sync(&self, folder: &Path) -> Result<(), KeystoreError> {
        self.system.sync_folder(folder).map_err(failed("sync", folder))
    }
}

/// Overwrites a file and takes its name away; whether it was there.
pub(crate) fn destroy(system: &dyn System, path: &Path) -> Result<bool, KeystoreError> {
    let destroyed = match system.hold(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        held => held.and_then(|mut held| held.destroy()),
    };
    destroyed.map_err(failed("overwrite", path))?;
    system.remove(path).map_err(failed("remove", path))?;
    Ok(true)
}

/// What is wrong with a master key that lies at `path`.
pub(crate) fn at_master(fault: MasterFault, path: &Path) -> KeystoreError {
    let (path, which) = (path.to_owned(), Which::Master);
    match fault {
        MasterFault::Version(found) => KeystoreError::Version { path, which, found },
        MasterFault::Damaged(what) => KeystoreError::Damaged { path, which, what },
    }
}

/// What is wrong with a keystore file that lies at `path`, and should be of this master and log.
pub(crate) fn at_keys(
    fault: FileFault,
    path: &Path,
    master: &Path,
    expected: LogId,
) -> KeystoreError {
    let (path, which) = (path.to_owned(), Which::Keys);
    match fault {
        FileFault::Version(found) => KeystoreError::Version { path, which, found },
        FileFault::OtherLog(found) => KeystoreError::OtherLog { path, which, found, expected },
        FileFault::WrongMaster => {
            KeystoreError::WrongMaster { master: master.to_owned(), keys: path }
        }
        FileFault::Damaged(what) => KeystoreError::Damaged { path, which, what },
    }
}

/// The generation of a keystore file's name; `None` for any other name.
pub(crate) fn generation(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(KEYS)?;
    digits.parse().ok().filter(|generation: &u64| generation.to_string() == digits)
}

/// Where a file is written that is to take the place of another.
fn beside(path: &Path) -> PathBuf {
    hidden(path, ".new")
}

fn hidden(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(extension);
    path.with_file_name(name)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
