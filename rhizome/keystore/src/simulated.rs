//! A disk that stops at any operation and forgets what was not made durable.
//!
//! Bytes are durable when `write` returns, as in the real system; names are when their folder was
//! synced. Random bytes are the same each time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use karyon_identity::RandomError;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::system::{Found, Held, Locked, System};

/// A change of names that is not durable yet, atomic as in a journal.
#[derive(Clone)]
enum Change {
    Put(PathBuf, usize),
    Move(PathBuf, PathBuf, usize),
    Take(PathBuf),
}

impl Change {
    fn folder(&self) -> &Path {
        let (Change::Put(path, _) | Change::Move(path, _, _) | Change::Take(path)) = self;
        path.parent().unwrap()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Put(path, inode) => drop(names.insert(path.clone(), *inode)),
            Change::Move(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Change::Take(path) => drop(names.remove(path)),
        }
    }
}

#[derive(Clone, Default)]
struct Inner {
    /// By number; those that have no name any more are what is left in free blocks.
    inodes: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<Change>,
    operations: u64,
    stop: Option<Stop>,
    is_stopped: bool,
    drawn: u64,
    locked: BTreeSet<PathBuf>,
}

/// Where to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// At which operation that changes something, from 0.
    pub(crate) at: u64,
    /// How much of it is done: 0 nothing, 1 a part, 2 all of it but no answer.
    pub(crate) part: u8,
    /// Whether everything fails from there on, or this alone.
    pub(crate) is_for_good: bool,
}

/// What a crash takes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// Nothing: the process was killed.
    Nothing,
    /// All names that were not durable: the power failed.
    All,
    /// In each folder what came behind this many changes.
    Behind(usize),
}

/// A disk, shared by who holds it.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn system(&self) -> Box<dyn System> {
        Box::new(self.clone())
    }

    /// Another disk with the same content.
    pub(crate) fn copy(&self) -> Disk {
        Disk(Arc::new(Mutex::new(self.inner().clone())))
    }

    /// From the next operation on, which is operation 0.
    pub(crate) fn stop(&self, stop: Stop) {
        let mut inner = self.inner();
        (inner.operations, inner.stop) = (0, Some(stop));
    }

    /// Nothing stops any more.
    pub(crate) fn go_on(&self) {
        self.inner().stop = None;
    }

    /// Operations that changed something since `stop`.
    pub(crate) fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// The machine begins again.
    pub(crate) fn restart(&self, loss: Loss) {
        let mut inner = self.inner();
        let pending = std::mem::take(&mut inner.pending);
        let mut kept: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for change in pending {
            let count = kept.entry(change.folder().to_owned()).or_default();
            *count += 1;
            let is_kept = match loss {
                Loss::Nothing => true,
                Loss::All => false,
                Loss::Behind(most) => *count <= most,
            };
            if is_kept {
                change.apply(&mut inner.durable);
            }
        }
        inner.names = inner.durable.clone();
        (inner.stop, inner.is_stopped) = (None, false);
        inner.locked.clear();
    }

    /// The files that have names.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let inner = self.inner();
        let file = |(path, inode): (&PathBuf, &usize)| (path.clone(), inner.inodes[*inode].clone());
        inner.names.iter().map(file).collect()
    }

    /// All bytes that are anywhere on the disk, in free blocks too.
    pub(crate) fn blocks(&self) -> Vec<Vec<u8>> {
        self.inner().inodes.clone()
    }

    /// Puts a file there from outside, durably.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut inner = self.inner();
        let inode = inner.inodes.len();
        inner.inodes.push(bytes.to_vec());
        inner.names.insert(path.to_owned(), inode);
        inner.durable.insert(path.to_owned(), inode);
    }

    /// Takes a file away from outside, durably.
    pub(crate) fn take(&self, path: &Path) {
        let mut inner = self.inner();
        inner.names.remove(path);
        inner.durable.remove(path);
    }

    /// Runs an operation, or the part of it that a stop leaves: 0, 1 or 2, and 3 for all of it.
    fn operate(&self, operation: impl FnOnce(&mut Inner, u8)) -> io::Result<()> {
        // Others have their turn between any two.
        std::thread::yield_now();
        let mut inner = self.inner();
        if inner.is_stopped {
            return Err(stopped());
        }
        let number = inner.operations;
        inner.operations += 1;
        match inner.stop.filter(|stop| stop.at == number) {
            None => {
                operation(&mut inner, 3);
                Ok(())
            }
            Some(stop) => {
                operation(&mut inner, stop.part);
                inner.is_stopped = stop.is_for_good;
                Err(stopped())
            }
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("the disk has stopped")
}

impl Inner {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

impl System for Disk {
    fn random(&self) -> Result<Secret, RandomError> {
        let mut inner = self.inner();
        inner.drawn += 1;
        Ok(Secret::new(blake3::derive_key("random bytes of tests", &inner.drawn.to_le_bytes())))
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Option<Found>> {
        let inner = self.inner();
        if inner.is_stopped {
            return Err(stopped());
        }
        let Some(inode) = inner.names.get(path) else { return Ok(None) };
        let bytes = inner.inodes[*inode].iter().copied().take(most as usize + 1).collect();
        Ok(Some(Found { bytes: Zeroizing::new(bytes), mode: 0o600 }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        if inner.is_stopped {
            return Err(stopped());
        }
        let inside = inner.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn real(&self, folder: &Path) -> io::Result<PathBuf> {
        Ok(folder.to_owned())
    }

    fn make_folder(&self, _: &Path) -> io::Result<()> {
        self.operate(|_, _| {})
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.inner().names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.operate(|inner, part| {
            let written = match part {
                0 => return,
                1 => bytes.len() / 2,
                _ => bytes.len(),
            };
            let inode = inner.inodes.len();
            inner.inodes.push(bytes[..written].to_vec());
            inner.change(Change::Put(path.to_owned(), inode));
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = *self.inner().names.get(from).ok_or(io::ErrorKind::NotFound)?;
        self.operate(|inner, part| {
            if part > 0 {
                inner.change(Change::Move(from.to_owned(), to.to_owned(), inode));
            }
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.operate(|inner, part| {
            if part == 0 {
                return;
            }
            let pending = std::mem::take(&mut inner.pending);
            // The half of a sync is the first of its changes.
            let most = if part == 1 { 1 } else { usize::MAX };
            let mut done = 0;
            for change in pending {
                if change.folder() == folder && done < most {
                    change.apply(&mut inner.durable);
                    done += 1;
                } else {
                    inner.pending.push(change);
                }
            }
        })
    }

    fn hold(&self, path: &Path) -> io::Result<Box<dyn Held>> {
        let inode = *self.inner().names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(HeldInode { disk: self.clone(), inode }))
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Locked>> {
        while !self.inner().locked.insert(folder.to_owned()) {
            std::thread::yield_now();
        }
        Ok(Box::new(LockedFolder { disk: self.clone(), folder: folder.to_owned() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.inner().names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.operate(|inner, part| {
            if part > 0 {
                inner.change(Change::Take(path.to_owned()));
            }
        })
    }
}

struct LockedFolder {
    disk: Disk,
    folder: PathBuf,
}

impl Locked for LockedFolder {}

impl Drop for LockedFolder {
    fn drop(&mut self) {
        self.disk.inner().locked.remove(&self.folder);
    }
}

struct HeldInode {
    disk: Disk,
    inode: usize,
}

impl Held for HeldInode {
    fn destroy(&mut self) -> io::Result<()> {
        let inode = self.inode;
        self.disk.operate(|inner, part| {
            let bytes = &mut inner.inodes[inode];
            let half = bytes.len() / 2;
            match part {
                0 => {}
                1 => bytes[..half].fill(0),
                2 => bytes.fill(0),
                _ => bytes.clear(),
            }
        })
    }
}

/// All ways in which a machine can end at an operation.
pub(crate) fn ends() -> Vec<(u8, Loss)> {
    let losses = [Loss::Nothing, Loss::All, Loss::Behind(1), Loss::Behind(2)];
    (0..3).flat_map(|part| losses.map(|loss| (part, loss))).collect()
}

#[test]
fn the_disk_forgets_what_is_not_durable() {
    let disk = Disk::default();
    let (a, b) = (Path::new("f/a"), Path::new("f/b"));
    disk.write(a, b"one").unwrap();
    disk.sync_folder(Path::new("f")).unwrap();
    disk.rename(a, b).unwrap();
    disk.write(a, b"two").unwrap();
    let names = |disk: &Disk| disk.files().into_keys().collect::<BTreeSet<_>>();
    let paths = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
    for (loss, expected) in
        [(Loss::Nothing, paths(&[a, b])), (Loss::All, paths(&[a])), (Loss::Behind(1), paths(&[b]))]
    {
        let copy = disk.copy();
        copy.restart(loss);
        assert_eq!(names(&copy), expected, "{loss:?}");
    }
    disk.stop(Stop { at: 1, part: 1, is_for_good: true });
    let mut held = disk.hold(b).unwrap();
    disk.remove(b).unwrap();
    held.destroy().unwrap_err();
    assert!(disk.read(a, 10).is_err() && disk.names(Path::new("f")).is_err());
    disk.restart(Loss::Nothing);
    assert_eq!(disk.blocks()[0], b"\0ne");
    assert_eq!(names(&disk), paths(&[a]));
}
