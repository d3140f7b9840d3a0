//! A log of several files is read as one, and from any place on.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use karyon_identity::SecretKey;
use karyon_log::{End, LogError, Place, SegmentHeader, Walk, WalkedBlock, segment_file};
use karyon_log_writer::write_segment;
use karyon_types::LogId;

use crate::sample::*;
use crate::support::*;

/// What identifies a block that was read.
fn what(blocks: &[WalkedBlock]) -> Vec<(u64, u64, u32, u64, Vec<u8>)> {
    let what = |block: &WalkedBlock| {
        (block.index, block.first_record.0, block.segment, block.offset, block.body.clone())
    };
    blocks.iter().map(what).collect()
}

/// A sealed run and three imports; the log's end.
fn three_imports(folder: &Path) -> End {
    let mut end = write_run(folder, 4);
    for text in ["one", "two", "three"] {
        end = write_import(folder, &end, text);
    }
    end
}

#[test]
fn all_files_are_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let written = three_imports(folder.path());
    let mut walk = Walk::open(folder.path()).unwrap();
    let blocks = rest_of(&mut walk).unwrap();
    assert_eq!(walk.into_end(), written);
    assert_eq!((written.segment, written.commits, written.records), (3, 9, 25));
    assert!(written.sealed && written.tail_bytes == 0);
    let segments: Vec<_> = blocks.iter().map(|block| block.segment).collect();
    assert_eq!(segments, [0, 0, 0, 0, 0, 0, 1, 2, 3]);
    assert!(blocks.iter().zip(0..).all(|(block, index)| block.index == index));
    assert_eq!(blocks[8].body, import("three").body);
    // A storage of its own has nothing behind it.
    let first = karyon_log::open_regular(&segment_file(folder.path(), 0)).unwrap();
    assert_eq!(rest_of(&mut Walk::new(Box::new(first)).unwrap()).unwrap().len(), 6);
}

#[test]
fn a_walk_that_is_resumed_at_any_commit_reads_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    three_imports(folder.path());
    let all = rest_of(&mut Walk::open(folder.path()).unwrap()).unwrap();
    let mut walk = Walk::open(folder.path()).unwrap();
    let mut before = Vec::new();
    loop {
        let place = Place::decode(&walk.place().encode()).unwrap();
        assert_eq!(place, walk.place());
        let mut resumed = Walk::resume(folder.path(), &place).unwrap().expect("a place of the log");
        assert_eq!(resumed.place(), place);
        let rest = rest_of(&mut resumed).unwrap();
        assert_eq!(what(&[&before[..], &rest[..]].concat()), what(&all));
        match walk.next_group().unwrap() {
            Some(blocks) => before.extend(blocks),
            None => break,
        }
        assert_eq!(before.last().unwrap().segment, walk.end().segment);
    }
    assert_eq!(before.len(), all.len());
}

#[test]
fn a_log_that_grows_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut end = write_run(folder.path(), 2);
    let mut walk = Walk::open(folder.path()).unwrap();
    rest_of(&mut walk).unwrap();
    for text in ["one", "two"] {
        let place = walk.place();
        end = write_import(folder.path(), &end, text);
        walk = Walk::resume(folder.path(), &place).unwrap().unwrap();
        let rest = rest_of(&mut walk).unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].body, import(text).body);
        assert_eq!(walk.end(), &end);
    }
}

#[test]
fn a_place_of_another_log_or_past_is_none_of_this() {
    let folder = tempfile::tempdir().unwrap();
    let end = three_imports(folder.path());
    let place = Place { log: header().log, end };
    let resume = |place: &Place| Walk::resume(folder.path(), place).unwrap().is_some();
    let changed = |change: &dyn Fn(&mut Place)| {
        let mut changed = place.clone();
        change(&mut changed);
        resume(&changed)
    };
    assert!(resume(&place));
    assert!(!changed(&|place| place.log = LogId([9; 16])));
    assert!(!changed(&|place| place.end.segment = 2));
    assert!(!changed(&|place| place.end.segment = 4));
    assert!(!changed(&|place| place.end.offset += 4096));
    assert!(!changed(&|place| place.end.commits += 1));
    assert!(!changed(&|place| place.end.records += 1));
    assert!(!changed(&|place| place.end.tree.push(karyon_types::Hash([1; 32]))));
    // The same log with another past.
    let other = tempfile::tempdir().unwrap();
    let end = write_run(other.path(), 4);
    write_import(other.path(), &end, "four");
    assert!(Walk::resume(other.path(), &place).unwrap().is_none());
    let behind_seal = Place { log: header().log, end };
    assert!(resume(&behind_seal), "up to the seal they are the same");
    // A file shorter than the place, cut in front of its commit or behind it.
    let last = segment_file(folder.path(), 3);
    let whole = fs::read(&last).unwrap();
    for len in [whole.len() - 1, 4096, 100, 0] {
        fs::write(&last, &whole[..len]).unwrap();
        assert!(!resume(&place), "cut to {len}");
    }
    fs::write(&last, &whole).unwrap();
    fs::remove_file(segment_file(folder.path(), 1)).unwrap();
    assert!(!resume(&place), "a file before it is gone");
}

#[test]
fn a_next_file_without_a_commit_is_a_tail() {
    let folder = tempfile::tempdir().unwrap();
    let end = write_run(folder.path(), 1);
    let next = segment_file(folder.path(), 1);
    let longer = write_import(folder.path(), &end, "one");
    let whole = fs::read(&next).unwrap();
    let mut torn = whole.clone();
    torn[4096..8000].fill(0);
    let mut broken_block = whole.clone();
    broken_block[4096 + 300] ^= 1;
    let mut no_header = whole[..4096].to_vec();
    no_header[20..].fill(0);
    let nonzero = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    for bytes in [
        &[][..],
        &[0; 100],
        &[0; 9000],
        &[0xaa; 100],
        &whole[..50],
        &whole[..4096],
        &whole[..5000],
        &torn,
        &broken_block,
        &no_header,
    ] {
        fs::write(&next, bytes).unwrap();
        let mut walk = Walk::open(folder.path()).unwrap();
        assert_eq!(rest_of(&mut walk).unwrap().len(), 3);
        assert_eq!(walk.place().end, end);
        assert!(walk.end().sealed);
        assert_eq!(walk.end().tail_bytes, nonzero(bytes) as u64, "{} bytes", bytes.len());
        // The next attempt replaces it.
        assert_eq!(write_import(folder.path(), walk.end(), "one"), longer);
        assert_eq!(fs::read(&next).unwrap(), whole);
    }
}

#[track_caller]
fn damaged(folder: &Path, segment: u32) -> String {
    let error = match Walk::open(folder) {
        Ok(mut walk) => rest_of(&mut walk).expect_err("damage was not found"),
        Err(error) => error,
    };
    let text = error.to_string();
    let damaged = match (error, segment) {
        (LogError::Damaged(_), 0) => true,
        (LogError::Segment { segment: found, source }, _) => {
            found == segment && matches!(*source, LogError::Damaged(_))
        }
        _ => false,
    };
    assert!(damaged, "{text}");
    text
}

#[test]
fn what_a_tail_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    three_imports(folder.path());
    let path = |number| segment_file(folder.path(), number);
    let whole: Vec<_> = (0..4).map(|number| fs::read(path(number)).unwrap()).collect();
    let restore = || {
        (0..4).zip(&whole).for_each(|(number, bytes)| fs::write(path(number), bytes).unwrap());
        rest_of(&mut Walk::open(folder.path()).unwrap()).unwrap();
    };
    // A file is gone, and a later one is there.
    for number in [1, 2] {
        fs::remove_file(path(number)).unwrap();
        damaged(folder.path(), number);
        restore();
    }
    fs::remove_file(path(0)).unwrap();
    damaged(folder.path(), 0);
    restore();
    // A file before the last is not whole.
    for cut in [0, 4096, 5000] {
        fs::write(path(1), &whole[1][..cut]).unwrap();
        damaged(folder.path(), 1);
        restore();
    }
    // The run is cut in front of its seal, but the log goes on.
    let mut unsealed = whole[0].clone();
    let seal = unsealed.len() - 4096;
    fs::write(path(0), &unsealed[..seal]).unwrap();
    damaged(folder.path(), 0);
    unsealed[seal + 10] ^= 1;
    fs::write(path(0), &unsealed).unwrap();
    damaged(folder.path(), 0);
    restore();
    // A header that was whole once, in front of a valid commit.
    let mut headless = whole[3].clone();
    headless[30] ^= 1;
    fs::write(path(3), &headless).unwrap();
    damaged(folder.path(), 3);
    restore();
    // A valid commit that belongs elsewhere: the file between is gone.
    fs::remove_file(path(3)).unwrap();
    fs::rename(path(2), path(1)).unwrap();
    damaged(folder.path(), 1);
}

#[test]
fn a_file_of_another_log_or_key_is_damage() {
    for other in [
        SegmentHeader { log: LogId([0x12; 16]), ..header() },
        SegmentHeader { node_key: SecretKey::from_seed([8; 32]).unwrap().public_key(), ..header() },
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_run(folder.path(), 1);
        fs::write(segment_file(folder.path(), 1), other.encode()).unwrap();
        assert!(damaged(folder.path(), 1).contains("another log"));
    }
}

#[test]
fn a_log_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("none")] {
        match Walk::open(&path).map(|_| ()) {
            Err(LogError::Io(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_segment_is_written_only_where_the_log_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused = |end: &End, block| {
        let before = fs::read_dir(path).unwrap().count();
        let error = write_segment(path, &header(), key().into(), 2, end, block).unwrap_err();
        assert_eq!(fs::read_dir(path).unwrap().count(), before);
        error.kind()
    };
    assert_eq!(refused(&End::of_new_log(), ticks(0, 1)), ErrorKind::InvalidInput);
    let first = write_import(path, &End::of_new_log(), "a log of its own");
    assert_eq!((first.segment, first.commits, first.sealed), (0, 1, true));
    assert_eq!(refused(&End::of_new_log(), import("x")), ErrorKind::AlreadyExists);
    let second = write_import(path, &first, "one");
    assert_eq!(refused(&first, import("two")), ErrorKind::AlreadyExists);
    let mut unsealed = second;
    unsealed.sealed = false;
    assert_eq!(refused(&unsealed, import("two")), ErrorKind::InvalidInput);
    let mut walk = Walk::open(path).unwrap();
    assert_eq!(rest_of(&mut walk).unwrap().len(), 2);
}
