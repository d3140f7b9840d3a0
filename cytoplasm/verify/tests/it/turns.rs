//! A log that goes on from file to file: read as one, checked to the byte, against its past.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use karyon_log::{Control, DiskFolder, End, Walk, origin, segment_file};
use karyon_log_writer::{Block, Writer, WriterOptions};
use karyon_statements::Checkpoint;
use karyon_verify::{RecordHashes, Trust, VerifyError, verify};
use proptest::prelude::*;

use crate::sample::*;

fn open(folder: &Path, boot: u32, end: &End) -> Writer {
    open_with(folder, boot, end, 4)
}

fn open_with(folder: &Path, boot: u32, end: &End, sectors: u64) -> Writer {
    let options = WriterOptions {
        segment_bytes: sectors * 4096,
        spare_bytes: 4 * 4096,
        linger: Duration::ZERO,
        ..WriterOptions::default()
    };
    let folder = Arc::new(DiskFolder::new(folder));
    Writer::open(folder, &header(), key().into(), boot, end, options).unwrap()
}

/// A sealed log of several files, each with the hashes of its records.
fn run(folder: &Path) -> End {
    write(open(folder, 1, &End::of_new_log()), folder, 5)
}

fn write(writer: Writer, folder: &Path, blocks: u64) -> End {
    let blocks = (0..blocks).map(|n| ticks(n * 9, 9));
    for block in [control(Control::Genesis(genesis()))].into_iter().chain(blocks).chain([seal()]) {
        writer.append(block).unwrap();
        writer.flush().unwrap();
    }
    assert!(folder.join("spare.log").exists());
    let end = writer.close().unwrap();
    assert!(!folder.join("spare.log").exists());
    assert!(end.segment >= 2 && end.sealed, "{end:?}");
    end
}

fn check(folder: &Path, known: Vec<Checkpoint>) -> Result<karyon_verify::Report, VerifyError> {
    let trust = Trust { node_key: Some(key().public_key()), known };
    verify(folder, &folder.join("checkpoint"), &folder.join("inputs"), &trust)
}

fn checkpoint(size: u64, root: [u8; 32]) -> Checkpoint {
    Checkpoint { origin: origin(header().log), size, root }
}

#[test]
fn every_flipped_byte_of_every_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let writer = open_with(folder.path(), 1, &End::of_new_log(), 2);
    let end = write(writer, folder.path(), 1);
    let report = check(folder.path(), vec![]).unwrap();
    assert_eq!(report.end, end);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len() as u32, 2 * (end.segment + 1), "{files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= [0x01, 0x80, 0x20, 0xff][at % 4];
            fs::write(&file, &bytes).unwrap();
            let error = check(folder.path(), vec![]).expect_err("a flipped byte was not found");
            assert!(error.is_refutation(), "byte {at} of {}: {error}", file.display());
            let text = error.to_string();
            assert!(text.contains("block") && text.contains("record"), "{at}: {text}");
        }
        fs::write(&file, &whole).unwrap();
    }
    check(folder.path(), vec![]).unwrap();
}

#[test]
fn an_altered_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path());
    let blocks = rest_of(&mut Walk::open(folder.path()).unwrap()).unwrap();
    let block = &blocks[1];
    let file = segment_file(folder.path(), block.segment);
    let whole = fs::read(&file).unwrap();
    // Each record is three bytes: length, kind, tick. A block's header is 88.
    for record in 0..9 {
        let mut bytes = whole.clone();
        bytes[block.offset as usize + 88 + 3 * record + 2] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let text = check(folder.path(), vec![]).unwrap_err().to_string();
        let named = format!("block 1, record #{}: ", block.first_record.0 + record as u64);
        assert!(text.starts_with(&named), "{text}");
    }
    fs::write(&file, &whole).unwrap();
    let folder = DiskFolder::new(folder.path());
    let hashes = RecordHashes::read(&folder, &header(), block.segment).unwrap().unwrap();
    assert_eq!(hashes.at(block.first_record.0), Some(karyon_verify::record_hash(&block.body[..3])));
}

#[test]
fn a_log_must_extend_every_known_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let end = run(folder.path());
    let mut tree = karyon_log::Tree::default();
    let mut good = vec![];
    for block in rest_of(&mut Walk::open(folder.path()).unwrap()).unwrap() {
        good.push(checkpoint(tree.size(), tree.root()));
        tree.push(block.hash);
    }
    check(folder.path(), good.clone()).unwrap();
    let refused = |known: Checkpoint| {
        let error = check(folder.path(), [&good[..4], &[known]].concat()).unwrap_err();
        assert!(error.is_refutation(), "{error}");
        error.to_string()
    };
    // The largest one that holds covers 3 blocks: genesis and 9 ticks twice.
    let text = refused(checkpoint(5, [9; 32]));
    assert!(text.starts_with("block 3 and all behind it, record #19 and all"), "{text}");
    let text = refused(checkpoint(end.tree.size() + 1, [9; 32]));
    assert!(text.contains("shorter"), "{text}");
    let other = Checkpoint { origin: "karyon/other".into(), ..good[2].clone() };
    assert!(refused(other).contains("karyon/other"));
}

#[test]
fn behind_a_turn_the_next_file_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path());
    for name in ["00000002.log", "00000002.records"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    for number in 3..9 {
        for file in [format!("{number:08}.log"), format!("{number:08}.records")] {
            if folder.path().join(&file).exists() {
                fs::remove_file(folder.path().join(file)).unwrap();
            }
        }
    }
    let end = check(folder.path(), vec![]).unwrap().end;
    assert!(end.turned && !end.sealed && end.segment == 1);
    let writer = open(folder.path(), 2, &end);
    writer.append(ticks(900, 1)).unwrap();
    let status = Arc::clone(writer.status());
    writer.flush().unwrap();
    let durable = status.durable();
    let end = writer.close().unwrap();
    assert_eq!((end.segment, durable), (2, (end.tree.size(), end.tree.root())));
    assert_eq!(check(folder.path(), vec![checkpoint(durable.0, durable.1)]).unwrap().end, end);
    fs::remove_file(segment_file(folder.path(), 1)).unwrap();
    assert!(check(folder.path(), vec![]).unwrap_err().is_refutation());
}

#[test]
fn threads_that_wait_share_commits() {
    let folder = tempfile::tempdir().unwrap();
    let options = WriterOptions::default();
    let disk = Arc::new(DiskFolder::new(folder.path()));
    let end = End::of_new_log();
    let writer = Writer::open(disk, &header(), key().into(), 1, &end, options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let writer = &writer;
            scope.spawn(move || {
                for n in 0..20 {
                    writer.append(ticks(thread * 100 + n, 1)).unwrap();
                    writer.flush().unwrap();
                }
            });
        }
    });
    let end = writer.close().unwrap();
    assert_eq!(end.records, 64 * 20);
    assert!(end.commits < 64 * 20 / 2, "{} commits", end.commits);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Flush,
    Reopen,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Against a list: whatever was appended comes back in order, whatever files it lies in.
    #[test]
    fn a_log_is_a_list(steps in prop::collection::vec(
        prop_oneof![
            6 => (1u64..3_000).prop_map(Step::Append),
            3 => Just(Step::Flush),
            1 => Just(Step::Reopen),
        ],
        1..40,
    )) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path(), 1, &End::of_new_log());
        let mut list: Vec<Block> = vec![];
        for (boot, step) in (2..).zip(steps) {
            match step {
                Step::Append(count) => {
                    list.push(ticks(list.len() as u64, count));
                    writer.append(list[list.len() - 1].clone()).unwrap();
                }
                Step::Flush => writer.flush().unwrap(),
                Step::Reopen => {
                    writer.close().unwrap();
                    let mut walk = Walk::open(folder.path()).unwrap();
                    rest_of(&mut walk).unwrap();
                    writer = open(folder.path(), boot, walk.end());
                }
            }
        }
        let end = writer.close().unwrap();
        let mut walk = Walk::open(folder.path()).unwrap();
        let blocks = rest_of(&mut walk).unwrap();
        let bodies: Vec<_> =
            blocks.iter().filter(|block| !block.header.turns).map(|block| &block.body).collect();
        prop_assert_eq!(bodies, list.iter().map(|block| &block.body).collect::<Vec<_>>());
        prop_assert_eq!((&walk.end().tree, walk.end().records), (&end.tree, end.records));
        check(folder.path(), vec![]).unwrap();
    }
}
