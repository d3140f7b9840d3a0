//! Whole lives of a log on a simulated disk: crashes at every operation, torn and lost writes,
//! lost names, a full disk. Nothing acknowledged is lost, nothing is invented.

use std::time::Instant;

use karyon_identity::Checkpoint;
use karyon_types::{LogId, Tick, hash};

use super::*;
use crate::append::write_segment_in;
use crate::control::{Genesis, Halt, ImportRecord, InputFile, Seal};
use crate::folder::{list_records, list_segments};
use crate::simulated_disk::Disk;
use crate::verify::{Report, Trust, VerifyError, origin, verify_in};
use crate::walk::{LogError, Walk};

const ENGRAM: &str = "engram\n";

fn key() -> Arc<SecretKey> {
    SecretKey::from_seed([7; 32]).unwrap().into()
}

fn header() -> SegmentHeader {
    SegmentHeader { log: LogId([0x11; 16]), node_key: key().public_key() }
}

fn options() -> WriterOptions {
    WriterOptions {
        segment_bytes: 5 * SECTOR_BYTES,
        spare_bytes: 4 * SECTOR_BYTES,
        hash_in_background: false,
        ..WriterOptions::default()
    }
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn control(control: Control) -> Block {
    let (mut body, seals) = (Vec::new(), control.seals());
    Record::Control(Box::new(control)).encode(&mut body);
    Block { lane: Lane::Control, count: 1, body, wall_ms: 5, seals }
}

fn ticks(from: u64, count: u64) -> Block {
    let mut body = Vec::new();
    (from..from + count).for_each(|tick| Record::Tick(Tick(tick)).encode(&mut body));
    Block { lane: Lane::Ticks, count: count as u32, body, wall_ms: 6, seals: false }
}

fn halt(reason: &str) -> Block {
    control(Control::Halt(Halt { reason: reason.into(), at_unix_ms: 7 }))
}

fn import(lease: u64) -> Block {
    let text = ENGRAM.as_bytes();
    let file = InputFile { name: "engram".into(), size: text.len() as u64, hash: hash(text).0 };
    control(Control::Import(ImportRecord {
        file,
        root: vec![1],
        origin: [0x22; 16],
        signer: [5; 32],
        trusted_by: "ada".into(),
        lease,
        at_unix_ms: 8,
    }))
}

/// What a run writes: genesis, ticks, a seal, two imports. Large blocks cross a file's mark.
fn script(random: &mut dyn FnMut() -> u64) -> Vec<Block> {
    let genesis = Genesis {
        karyon: "0.1.0".into(),
        created_unix_ms: 1,
        scenario_name: "test".into(),
        scenario: String::new(),
        kinds: vec![],
        inputs: vec![],
    };
    let mut blocks = vec![control(Control::Genesis(genesis))];
    let count = 4 + random() % 8;
    blocks.extend((0..count).map(|n| ticks(n, 1 + random() % [5, 40, 3_000][n as usize % 3])));
    blocks.push(control(Control::Seal(Seal { ticks: 9, state_root: [3; 32] })));
    blocks.extend([import(1), import(2)]);
    blocks
}

struct Life {
    script: Vec<Block>,
    inputs: tempfile::TempDir,
    disk: Disk,
    /// Of the script: what is acknowledged.
    acknowledged: usize,
    /// The tree of what is acknowledged.
    checkpoint: Option<Checkpoint>,
    boot: u32,
}

impl Life {
    fn new(random: &mut dyn FnMut() -> u64) -> Life {
        let inputs = tempfile::tempdir().unwrap();
        std::fs::write(inputs.path().join("engram"), ENGRAM).unwrap();
        let script = script(random);
        Life { script, inputs, disk: Disk::default(), acknowledged: 0, checkpoint: None, boot: 0 }
    }

    fn folder(&self) -> Arc<dyn Folder> {
        Arc::new(self.disk.clone())
    }

    fn verify(&self) -> Result<Report, VerifyError> {
        let trust = Trust {
            node_key: Some(key().public_key()),
            known: self.checkpoint.iter().cloned().collect(),
        };
        verify_in(self.folder(), &self.inputs.path().join("none"), self.inputs.path(), &trust)
    }

    /// The log's end, and how much of the script it holds; last words are passed over.
    fn look(&self, context: &str) -> (End, usize) {
        let mut walk = match Walk::open_in(self.folder()) {
            Err(LogError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                assert_eq!(self.acknowledged, 0, "{context}: the log is gone");
                return (End::of_new_log(), 0);
            }
            other => other.unwrap_or_else(|error| panic!("{context}: {error}")),
        };
        let mut found = 0;
        while let Some(blocks) =
            walk.next_group().unwrap_or_else(|error| panic!("{context}: {error}"))
        {
            for block in blocks.into_iter().filter(|block| !block.header.turns) {
                if halt("last words").body == block.body {
                    continue;
                }
                let written = self.script.get(found).map(|block| &block.body);
                assert_eq!(Some(&block.body), written, "{context}: block {found} is invented");
                found += 1;
            }
        }
        assert!(found >= self.acknowledged, "{context}: lost {found} < {}", self.acknowledged);
        (walk.into_end(), found)
    }

    /// Starts, and writes what is missing until an operation fails.
    fn live(&mut self, random: &mut dyn FnMut() -> u64, context: &str) -> io::Result<()> {
        let (mut end, mut at) = self.look(context);
        if end.commits > 0 {
            self.verify().unwrap_or_else(|error| panic!("{context}: {error}"));
        }
        self.boot += 1;
        let seal = self.script.iter().position(|block| block.seals).unwrap();
        if at <= seal {
            let mut committer =
                Committer::open(self.folder(), &header(), key(), self.boot, &end, options())?;
            while at <= seal {
                let count = (1 + random() as usize % 3).min(seal + 1 - at);
                let outcome = committer.commit(self.script[at..at + count].to_vec());
                if let Err(error) = outcome {
                    if is_full(error.kind()) {
                        self.speak(&mut committer, context);
                    }
                    return Err(error);
                }
                at += count;
                self.acknowledge(at, committer.end());
            }
            committer.finish()?;
            end = committer.end().clone();
        }
        while at < self.script.len() {
            let block = self.script[at].clone();
            end = write_segment_in(&self.folder(), &header(), key(), self.boot, &end, block)?;
            at += 1;
            self.acknowledge(at, &end);
        }
        Ok(())
    }

    fn acknowledge(&mut self, at: usize, end: &End) {
        let (size, root) = (end.tree.size(), end.tree.root());
        self.checkpoint = Some(Checkpoint { origin: origin(header().log), size, root });
        self.acknowledged = at;
    }

    /// On a full disk: some words still fit.
    fn speak(&mut self, committer: &mut Committer, context: &str) {
        for words in ["last words", "last words"] {
            committer
                .last_words(halt(words))
                .unwrap_or_else(|error| panic!("{context}: no last words: {error}"));
            self.acknowledge(self.acknowledged, committer.end());
        }
    }

    /// Lives to its end, and finds all of it there.
    fn ends_well(&mut self, random: &mut dyn FnMut() -> u64, context: &str) {
        self.disk.fail_at(None);
        self.disk.full_at(None);
        let (_, before) = self.look(context);
        self.live(random, context).unwrap_or_else(|error| panic!("{context}: {error}"));
        self.verify().unwrap_or_else(|error| panic!("{context}: {error}"));
        let (end, found) = self.look(context);
        assert_eq!((found, end.sealed, end.tail_bytes), (self.script.len(), true, 0), "{context}");
        // Whoever writes makes the record hashes that are missing.
        if before < self.script.len() {
            let hashed = list_records(&self.disk).unwrap();
            assert_eq!(list_segments(&self.disk).unwrap(), hashed, "{context}");
        }
    }
}

/// Lives with one to three crashes each, until there were `crashes`.
fn crash(crashes: u64, seed: u64) {
    let (mut number, mut files, started) = (0, 0, Instant::now());
    let mut lives = 0;
    while number < crashes {
        let context = format!("seed {seed}, life {lives}");
        let mut random = random(seed.wrapping_mul(1_000_003).wrapping_add(lives));
        let mut life = Life::new(&mut random);
        for _ in 0..1 + random() % 3 {
            let operations = if lives.is_multiple_of(3) { 25 } else { 90 };
            life.disk.fail_at(Some(life.disk.operations() + random() % operations));
            let outcome = life.live(&mut random, &context);
            assert!(outcome.is_ok() || life.disk.operations() > 0);
            life.disk = life.disk.after_crash(&mut random);
            number += 1;
        }
        life.ends_well(&mut random, &context);
        files += list_segments(&life.disk).unwrap().len();
        lives += 1;
    }
    assert!(files as u64 > 3 * lives, "no turns: {files} files in {lives} lives");
    println!("{number} crashes in {lives} lives, seed {seed}, {:?}", started.elapsed());
}

#[test]
fn a_few_thousand_crashes() {
    crash(2_000, 1);
}

/// `KARYON_CRASHES=100000 KARYON_SEED=1 cargo test --release -p karyon-log -- --ignored
/// simulated_crashes --nocapture`
#[test]
#[ignore = "takes minutes"]
fn simulated_crashes() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number("KARYON_SEED", now.as_secs());
    println!("seed {seed}");
    crash(number("KARYON_CRASHES", 100_000), seed);
}

#[test]
fn a_crash_at_every_operation_of_a_life() {
    let whole = {
        let mut life = Life::new(&mut random(5));
        life.ends_well(&mut random(6), "whole");
        life.disk.operations()
    };
    assert!(whole > 60, "{whole}");
    for operation in 0..whole {
        for seed in 0..4 {
            let context = format!("operation {operation}, seed {seed}");
            let mut life = Life::new(&mut random(5));
            life.disk.fail_at(Some(operation));
            let outcome = life.live(&mut random(6), &context);
            // Only hashes of the last records may be missing.
            assert!(outcome.is_err() || life.acknowledged == life.script.len(), "{context}");
            life.disk = life.disk.after_crash(&mut random(seed));
            life.ends_well(&mut random(7), &context);
        }
    }
}

#[test]
fn on_a_full_disk_last_words_fit_and_the_log_goes_on_when_there_is_space() {
    let mut spoken = 0;
    for seed in 0..4 {
        for operation in 0..100 {
            let context = format!("full from operation {operation} on, seed {seed}");
            let mut random = random(seed);
            let mut life = Life::new(&mut random);
            life.disk.full_at(Some(operation));
            let outcome = life.live(&mut random, &context);
            let (end, found) = life.look(&context);
            spoken += u32::from(outcome.is_err() && end.commits > 0 && found < life.script.len());
            if operation % 2 == 0 {
                life.disk = life.disk.after_crash(&mut random);
            }
            life.ends_well(&mut random, &context);
        }
    }
    assert!(spoken > 100, "{spoken}");
}

#[test]
fn last_words_go_on_until_the_room_is_used_up() {
    let mut life = Life::new(&mut random(3));
    let mut committer =
        Committer::open(life.folder(), &header(), key(), 1, &End::of_new_log(), options()).unwrap();
    life.disk.full_at(Some(life.disk.operations()));
    let mut words = 0;
    let error = loop {
        match committer.last_words(halt("last words")) {
            Ok(()) => words += 1,
            Err(error) => break error,
        }
    };
    assert!(is_full(error.kind()) && words >= 4, "{words}: {error}");
    life.acknowledge(0, committer.end());
    assert_eq!(life.verify().unwrap().controls.len(), words + 1, "and one turn");
    life.ends_well(&mut random(4), "there is space again");
}

#[test]
fn after_another_failure_there_are_no_last_words() {
    let life = Life::new(&mut random(3));
    let mut committer =
        Committer::open(life.folder(), &header(), key(), 1, &End::of_new_log(), options()).unwrap();
    life.disk.fail_at(Some(life.disk.operations() + 1));
    let error = committer.commit(vec![life.script[0].clone()]).unwrap_err();
    assert!(!is_full(error.kind()));
}

#[test]
fn nothing_is_written_behind_a_seal() {
    let life = Life::new(&mut random(3));
    let mut committer =
        Committer::open(life.folder(), &header(), key(), 1, &End::of_new_log(), options()).unwrap();
    let seal = control(Control::Seal(Seal { ticks: 9, state_root: [3; 32] }));
    let refused = |outcome: io::Result<()>| {
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    };
    refused(committer.commit(vec![seal.clone(), ticks(0, 1)]));
    committer.commit(vec![seal]).unwrap();
    refused(committer.commit(vec![ticks(0, 1)]));
    refused(committer.last_words(halt("x")));
    let end = committer.end().clone();
    drop(committer);
    let opened = Committer::open(life.folder(), &header(), key(), 1, &end, options());
    refused(opened.map(drop));
}
