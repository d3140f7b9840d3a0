//! A log's folder on a disk that answers a while, and then never again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use karyon_log::{DiskFolder, ReadFolder, ReadStorage};
use karyon_log_writer::{Folder, Storage};

/// Writes that the disk still takes.
const GOOD_WRITES: u64 = 5;

pub(crate) struct StuckFolder {
    disk: DiskFolder,
    writes: Arc<AtomicU64>,
    /// Set when somebody waits for ever.
    pub(crate) stuck: Arc<AtomicBool>,
}

impl StuckFolder {
    pub(crate) fn new(path: &Path) -> StuckFolder {
        let (writes, stuck) = (Arc::default(), Arc::default());
        StuckFolder { disk: DiskFolder::new(path), writes, stuck }
    }

    fn wrap(&self, inner: Box<dyn Storage>) -> Box<dyn Storage> {
        let (writes, stuck) = (Arc::clone(&self.writes), Arc::clone(&self.stuck));
        Box::new(StuckFile { inner, writes, stuck })
    }
}

impl ReadFolder for StuckFolder {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadStorage>> {
        self.disk.open(name)
    }
}

impl Folder for StuckFolder {
    fn edit(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        self.disk.edit(name).map(|file| self.wrap(file))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        self.disk.create(name).map(|file| self.wrap(file))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }
}

struct StuckFile {
    inner: Box<dyn Storage>,
    writes: Arc<AtomicU64>,
    stuck: Arc<AtomicBool>,
}

impl ReadStorage for StuckFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)
    }
}

impl Storage for StuckFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.writes.fetch_add(1, Ordering::Relaxed) >= GOOD_WRITES {
            self.stuck.store(true, Ordering::Release);
            loop {
                std::thread::park();
            }
        }
        self.inner.write_at(offset, bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn reserve(&mut self, len: u64) -> io::Result<()> {
        self.inner.reserve(len)
    }
}
