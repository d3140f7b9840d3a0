//! A disk in memory that stops at an operation, and forgets what was not synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What a disk writes as a whole, bytes.
const SECTOR: usize = 512;

/// What happens at the operation that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It and all behind it fail: the power goes.
    Stop,
    /// It fails, those behind it do not.
    Once,
}

/// What becomes of the writes behind the last sync when the power goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    Everything,
    Nothing,
    /// Each sector is written or not, as the seed says.
    Some(u64),
}

/// The storage of a database; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// As a program sees it.
    now: Vec<u8>,
    /// As it was at the last sync.
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// Operations so far that change something.
    operations: u64,
    fault: Option<(u64, Fault)>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(at, new) => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Change::SetLen(len) => bytes.resize(*len, 0),
        }
    }

    /// What reaches the disk one without the other.
    fn sectors(&self) -> Vec<Change> {
        match self {
            Change::SetLen(_) => vec![self.clone()],
            Change::Write(at, bytes) => {
                let sectors = bytes.chunks(SECTOR).enumerate();
                sectors.map(|(n, sector)| Change::Write(at + n * SECTOR, sector.into())).collect()
            }
        }
    }
}

impl Disk {
    /// One that fails at operation `number`, counted from 1.
    pub fn failing(number: u64, fault: Fault) -> Disk {
        let disk = Disk::default();
        disk.state().fault = Some((number, fault));
        disk
    }

    /// How many operations changed something.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The disk as it is found when the power is back.
    pub fn after(&self, loss: Loss) -> Disk {
        let state = self.state();
        let mut now = state.synced.clone();
        let changes = state.unsynced.iter().flat_map(Change::sectors);
        let mut draw = match loss {
            Loss::Some(seed) => seed,
            Loss::Everything | Loss::Nothing => 0,
        };
        for change in changes {
            let is_written = match loss {
                Loss::Everything => false,
                Loss::Nothing => true,
                Loss::Some(_) => {
                    // Source: Knuth, MMIX; the high bits are the better ones.
                    draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    draw >> 63 == 0
                }
            };
            if is_written {
                change.apply(&mut now);
            }
        }
        let state = State { synced: now.clone(), now, ..State::default() };
        Disk(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn change(&self, change: Option<Change>) -> io::Result<()> {
        let mut state = self.state();
        state.operations += 1;
        let operation = state.operations;
        let fails = state.fault.is_some_and(|(number, fault)| match fault {
            Fault::Stop => operation >= number,
            Fault::Once => operation == number,
        });
        let is_the_one = state.fault.is_some_and(|(number, _)| operation == number);
        match change {
            Some(change) => {
                if !fails {
                    change.apply(&mut state.now);
                }
                // Part of a write that fails may be on the disk.
                if !fails || is_the_one {
                    state.unsynced.push(change);
                }
            }
            None if !fails => {
                state.synced = state.now.clone();
                state.unsynced.clear();
            }
            None => {}
        }
        if fails { Err(io::Error::other("the disk fails")) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let bytes = state.now.get(offset as usize..).and_then(|bytes| bytes.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Some(Change::SetLen(len as usize)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Some(Change::Write(offset as usize, data.into())))
    }
}
