//! A small log, and how it is written. The tests of verification use it too.

use std::io;
use std::path::Path;

use karyon_identity::SecretKey;
use karyon_log::{
    Control, End, Genesis, ImportRecord, InputFile, Lane, LogError, Record, Seal, SegmentHeader,
    Walk, WalkedBlock,
};
use karyon_log_writer::{Block, Storage, Writer, write_segment};
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

/// Writes an import behind `end`.
pub fn write_import(folder: &Path, end: &End, text: &str) -> End {
    write_segment(folder, &header(), key().into(), 2, end, import(text)).unwrap()
}

/// Makes a log on `storage` and writes the first sector.
pub fn start(mut storage: Box<dyn Storage>) -> io::Result<Writer> {
    storage.write_at(0, &header().encode())?;
    storage.sync()?;
    Writer::start(storage, &header(), key().into(), 1, End::of_new_log())
}

/// Walks to the end.
pub fn rest_of(walk: &mut Walk) -> Result<Vec<WalkedBlock>, LogError> {
    let mut all = Vec::new();
    while let Some(blocks) = walk.next_group()? {
        all.extend(blocks);
    }
    Ok(all)
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
