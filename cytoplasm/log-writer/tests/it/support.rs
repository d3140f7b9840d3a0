//! Whole logs written and read, and a disk that loses, tears and refuses.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use karyon_log::{Control, End, LogError, ReadStorage, Walk, segment_file};
use karyon_log_writer::{FileStorage, MemoryStorage, Storage};

use crate::sample::*;

/// Writes a sealed run as the first file of `folder`: genesis, `commits` commits, the seal.
pub fn write_run(folder: &Path, commits: u64) -> End {
    let file = segment_file(folder, 0);
    let writer = start(Box::new(FileStorage::create(&file).unwrap())).unwrap();
    let blocks = (0..commits).map(|n| ticks(n * 5, 5));
    for block in [control(Control::Genesis(genesis()))].into_iter().chain(blocks).chain([seal()]) {
        writer.append(block).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap()
}

/// A disk in memory whose operations are counted; the one numbered `fails_at` and all behind it
/// fail. What was written but not synced may be kept, lost or torn by sector.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    durable: MemoryStorage,
    seen: MemoryStorage,
    unsynced: Vec<(u64, Vec<u8>)>,
    operations: u64,
    fails_at: Option<u64>,
}

impl Disk {
    pub fn failing_at(operation: u64) -> Disk {
        let disk = Disk::default();
        disk.0.lock().unwrap().fails_at = Some(operation);
        disk
    }

    pub fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// What a restart finds: all that was synced, and of the rest a part that `random` chooses.
    pub fn after_crash(&self, mut random: impl FnMut() -> u64) -> MemoryStorage {
        let state = self.0.lock().unwrap();
        let mut disk = state.durable.clone();
        for (offset, bytes) in &state.unsynced {
            for (index, sector) in bytes.chunks(512).enumerate() {
                match random() % 3 {
                    0 => {}
                    1 => disk.write_at(offset + index as u64 * 512, sector).unwrap(),
                    _ => {
                        let part = (random() % 512) as usize;
                        let part = &sector[..part.min(sector.len())];
                        disk.write_at(offset + index as u64 * 512, part).unwrap();
                    }
                }
            }
        }
        disk
    }
}

impl State {
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails_at {
            Some(at) if self.operations > at => Err(io::Error::other("the disk is gone")),
            _ => Ok(()),
        }
    }
}

impl ReadStorage for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.lock().unwrap().seen.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.lock().unwrap().seen.read_at(offset, buffer)
    }
}

impl Storage for Disk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        // A write that fails may have written a part.
        let outcome = state.operation();
        state.unsynced.push((offset, bytes.to_vec()));
        outcome?;
        state.seen.write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        state.unsynced.clear();
        state.durable = state.seen.clone();
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        state.seen.set_len(len)
    }

    fn reserve(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        if state.seen.len()? < len {
            state.seen.set_len(len)?;
        }
        Ok(())
    }
}

/// Reads a log to its end: the bodies of its blocks, and how it ends.
pub fn read(storage: &MemoryStorage) -> Result<(Vec<Vec<u8>>, End), LogError> {
    let mut walk = Walk::new(Box::new(storage.clone()))?;
    let mut bodies = Vec::new();
    while let Some(blocks) = walk.next_group()? {
        bodies.extend(blocks.into_iter().map(|block| block.body));
    }
    Ok((bodies, walk.into_end()))
}
