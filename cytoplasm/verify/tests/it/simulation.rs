//! Whole lives of a log on a simulated disk: crashes at every operation, torn and lost writes,
//! lost names, a full disk. Nothing acknowledged is lost, nothing is invented.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karyon_log::limits::SECTOR_BYTES;
use karyon_log::{Control, End, Halt, LogError, ReadFolder as _, Walk, list_records, origin};
use karyon_log_writer::{Block, Folder, LogFailed, Writer, WriterOptions, write_segment_in};
use karyon_statements::Checkpoint;
use karyon_verify::{Report, Trust, VerifyError, verify_in};

use crate::sample::*;
use crate::simulated_disk::Disk;

const ENGRAMS: [&str; 2] = ["one", "two"];

fn options() -> WriterOptions {
    WriterOptions {
        segment_bytes: 5 * SECTOR_BYTES,
        spare_bytes: 4 * SECTOR_BYTES,
        // One thread, and it waits until it is asked: a seed is the same life each time.
        hash_in_background: false,
        linger: Duration::from_secs(3600),
    }
}

fn halt(reason: &str) -> Block {
    control(Control::Halt(Halt { reason: reason.into(), at_unix_ms: 7 }))
}

/// Hands the blocks over as one group, and waits until they are durable.
fn commit(writer: &Writer, blocks: &[Block]) -> Result<(), LogFailed> {
    blocks.iter().try_for_each(|block| writer.append(block.clone()))?;
    writer.flush()
}

fn is_full(failed: &LogFailed) -> bool {
    failed.kind == io::ErrorKind::StorageFull
}

/// What a run writes: genesis, ticks, a seal, two imports. Large blocks cross a file's mark.
fn script(random: &mut dyn FnMut() -> u64) -> Vec<Block> {
    let mut blocks = vec![control(Control::Genesis(genesis()))];
    let count = 4 + random() % 8;
    blocks.extend((0..count).map(|n| ticks(n, 1 + random() % [5, 40, 3_000][n as usize % 3])));
    blocks.push(seal());
    blocks.extend(ENGRAMS.map(import));
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
        for text in ENGRAMS {
            std::fs::write(inputs.path().join(text), text).unwrap();
        }
        let script = script(random);
        Life { script, inputs, disk: Disk::default(), acknowledged: 0, checkpoint: None, boot: 0 }
    }

    fn folder(&self) -> Arc<dyn Folder> {
        Arc::new(self.disk.clone())
    }

    /// Writes behind `end`.
    fn open(&self, end: &End) -> io::Result<Writer> {
        Writer::open(self.folder(), &header(), key().into(), self.boot, end, options())
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
            let writer = self.open(&end)?;
            while at <= seal {
                let count = (1 + random() as usize % 3).min(seal + 1 - at);
                if let Err(failed) = commit(&writer, &self.script[at..at + count]) {
                    if is_full(&failed) {
                        self.speak(&writer, context);
                    }
                    // Its thread has ended once this is answered.
                    let closed = writer.close().expect_err("it failed");
                    assert_eq!(closed.kind, failed.kind, "{context}");
                    return Err(io::Error::new(failed.kind, failed));
                }
                at += count;
                self.acknowledge(at, writer.status().durable());
            }
            end = writer.close().map_err(|failed| io::Error::new(failed.kind, failed))?;
        }
        while at < self.script.len() {
            let block = self.script[at].clone();
            end =
                write_segment_in(&self.folder(), &header(), key().into(), self.boot, &end, block)?;
            at += 1;
            self.acknowledge(at, (end.tree.size(), end.tree.root()));
        }
        Ok(())
    }

    fn acknowledge(&mut self, at: usize, (size, root): (u64, [u8; 32])) {
        self.checkpoint = Some(Checkpoint { origin: origin(header().log), size, root });
        self.acknowledged = at;
    }

    /// On a full disk: some words still fit.
    fn speak(&mut self, writer: &Writer, context: &str) {
        for words in ["last words", "last words"] {
            writer
                .last_words(halt(words))
                .unwrap_or_else(|error| panic!("{context}: no last words: {error}"));
            self.acknowledge(self.acknowledged, writer.status().durable());
        }
    }

    /// The names of the log's files.
    fn files(&self) -> Vec<String> {
        let names = self.disk.names().unwrap();
        names.into_iter().filter(|name| name.ends_with(".log") && name != "spare.log").collect()
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
            let files: Vec<_> = hashed.iter().map(|number| format!("{number:08}.log")).collect();
            assert_eq!(self.files(), files, "{context}");
        }
    }
}

/// Lives with one to three crashes each, until there were `crashes`.
fn crash(crashes: u64, seed: u64) {
    let (mut number, mut files, mut operations, started) = (0, 0, 0, Instant::now());
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
        files += life.files().len();
        operations += life.disk.operations();
        lives += 1;
    }
    assert!(files as u64 > 3 * lives, "no turns: {files} files in {lives} lives");
    let time = started.elapsed();
    println!(
        "{number} crashes in {lives} lives, {operations} operations since, seed {seed}, {time:?}"
    );
}

#[test]
fn a_few_thousand_crashes() {
    crash(2_000, 1);
}

/// `KARYON_CRASHES=100000 KARYON_SEED=1 cargo test --release -p karyon-verify -- --ignored
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
    let writer = life.open(&End::of_new_log()).unwrap();
    life.disk.full_at(Some(life.disk.operations()));
    let mut words = 0;
    let failed = loop {
        match writer.last_words(halt("last words")) {
            Ok(()) => words += 1,
            Err(failed) => break failed,
        }
    };
    assert!(is_full(&failed) && words >= 4, "{words}: {failed}");
    life.acknowledge(0, writer.status().durable());
    writer.close().unwrap_err();
    assert_eq!(life.verify().unwrap().controls.len(), words + 1, "and one turn");
    life.ends_well(&mut random(4), "there is space again");
}

#[test]
fn after_another_failure_there_are_no_last_words() {
    let life = Life::new(&mut random(3));
    let writer = life.open(&End::of_new_log()).unwrap();
    life.disk.fail_at(Some(life.disk.operations() + 1));
    let failed = commit(&writer, &life.script[..1]).unwrap_err();
    assert!(!is_full(&failed));
    let operations = life.disk.operations();
    assert_eq!(writer.last_words(halt("x")).unwrap_err().kind, failed.kind);
    writer.close().unwrap_err();
    assert_eq!(life.disk.operations(), operations);
}

#[test]
fn nothing_is_written_behind_a_seal() {
    let sealed = || {
        let life = Life::new(&mut random(3));
        let writer = life.open(&End::of_new_log()).unwrap();
        commit(&writer, &[seal()]).unwrap();
        (life, writer)
    };
    let refused = |(life, writer): (Life, Writer), act: &dyn Fn(&Writer) -> _| {
        let operations = life.disk.operations();
        let outcome: Result<(), LogFailed> = act(&writer);
        assert_eq!(outcome.unwrap_err().kind, io::ErrorKind::InvalidInput);
        writer.close().unwrap_err();
        assert_eq!(life.disk.operations(), operations);
    };
    let life = Life::new(&mut random(3));
    let writer = life.open(&End::of_new_log()).unwrap();
    refused((life, writer), &|writer| commit(writer, &[seal(), ticks(0, 1)]));
    refused(sealed(), &|writer| commit(writer, &[ticks(0, 1)]));
    refused(sealed(), &|writer| writer.last_words(halt("x")));
    let (life, writer) = sealed();
    let end = writer.close().unwrap();
    let opened = life.open(&end).map(drop);
    assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
