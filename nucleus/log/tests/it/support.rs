//! A small log, and a disk that loses, tears and refuses.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use karyon_identity::SecretKey;
use karyon_log::{
    Block, Control, End, FileStorage, Genesis, ImportRecord, InputFile, Lane, LogError,
    MemoryStorage, Record, Seal, SegmentHeader, Storage, Walk, WalkedBlock, Writer, segment_file,
    write_segment,
};
use karyon_types::{LogId, Tick, hash};

/// A key that everybody knows.
pub fn key() -> SecretKey {
    SecretKey::from_seed([7; 32]).unwrap()
}

pub fn header() -> SegmentHeader {
    SegmentHeader { log: LogId([0x11; 16]), node_key: key().public_key() }
}

pub fn genesis() -> Genesis {
    Genesis {
        karyon: "0.1.0".into(),
        created_unix_ms: 1_700_000_000_000,
        scenario_name: "test".into(),
        scenario: "seed = 1\n".into(),
        kinds: vec![("person".into(), 1)],
        inputs: vec![],
    }
}

pub fn control(record: Control) -> Block {
    let seals = record.seals();
    let mut body = Vec::new();
    Record::Control(Box::new(record)).encode(&mut body);
    Block { lane: Lane::Control, count: 1, body, wall_ms: 5, seals }
}

pub fn ticks(from: u64, count: u64) -> Block {
    let mut body = Vec::new();
    (from..from + count).for_each(|tick| Record::Tick(Tick(tick)).encode(&mut body));
    Block { lane: Lane::Ticks, count: count as u32, body, wall_ms: 6, seals: false }
}

pub fn seal() -> Block {
    control(Control::Seal(Seal { ticks: 9, state_root: [3; 32] }))
}

/// What an import writes, with a copy that holds `text`.
pub fn import(text: &str) -> Block {
    let size = text.len() as u64;
    let file = InputFile { name: text.trim().into(), size, hash: hash(text.as_bytes()).0 };
    control(Control::Import(ImportRecord {
        file,
        root: vec![1, 0x55, 0x1e, 32],
        origin: [0x22; 16],
        signer: [5; 32],
        trusted_by: "ada".into(),
        lease: 3,
        at_unix_ms: 1_700_000_001_000,
    }))
}

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

/// Writes an import behind `end`.
pub fn write_import(folder: &Path, end: &End, text: &str) -> End {
    write_segment(folder, &header(), key().into(), 2, end, import(text)).unwrap()
}

/// Walks to the end.
pub fn rest_of(walk: &mut Walk) -> Result<Vec<WalkedBlock>, LogError> {
    let mut all = Vec::new();
    while let Some(blocks) = walk.next_group()? {
        all.extend(blocks);
    }
    Ok(all)
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

impl Storage for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.lock().unwrap().seen.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.lock().unwrap().seen.read_at(offset, buffer)
    }

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

/// Makes a log on `storage` and writes the first sector.
pub fn start(mut storage: Box<dyn Storage>) -> io::Result<Writer> {
    storage.write_at(0, &header().encode())?;
    storage.sync()?;
    Writer::start(storage, &header(), key().into(), 1, End::of_new_log())
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

/// A counter-based generator, so that each seed can be replayed.
pub fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
