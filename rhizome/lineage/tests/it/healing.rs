//! A file that is not an index of this log is built anew; a kill leaves an older one.

use std::fs;

use karyon_lineage::{Index, IndexError, Rebuilt, catch_up, catch_up_by};
use karyon_log::Walk;
use karyon_types::Position;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::against_scan::agrees;
use crate::support::*;

type Commits = Vec<Vec<Vec<karyon_log::Record<'static>>>>;

fn some_commits() -> Commits {
    commits().new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

/// What catching up says, and that all is well then.
#[track_caller]
fn heals(log: &Log, commits: &Commits) -> Option<Rebuilt> {
    let caught_up = catch_up(&log.file(), log.path(), &mut |_| ()).unwrap();
    agrees(log, &flat(commits), &log.index());
    caught_up.rebuilt
}

#[test]
fn files_that_cannot_be_used() {
    let commits = some_commits();
    let log = Log::of(1, &commits);
    assert!(Index::open(&log.file()).unwrap().is_none());
    assert_eq!(heals(&log, &commits), None);
    fs::write(log.file(), b"no database").unwrap();
    assert!(Index::open(&log.file()).unwrap().is_none());
    assert!(matches!(heals(&log, &commits), Some(Rebuilt::Damaged { .. })));
    // One of another log, and one that is ahead of its log.
    let longer = [commits.clone(), commits.clone()].concat();
    for other in [Log::of(2, &commits), Log::of(1, &longer)] {
        drop(other.index());
        fs::copy(other.file(), log.file()).unwrap();
        assert!(!Index::open(&log.file()).unwrap().unwrap().is_current(log.path()).unwrap());
        assert_eq!(heals(&log, &commits), Some(Rebuilt::NotInLog));
    }
}

#[test]
fn another_layout() {
    let commits = some_commits();
    let log = Log::of(1, &commits);
    drop(log.index());
    {
        let database = redb::Database::open(log.file()).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&[u8], &[u8]>::new("meta");
        let mut table = transaction.open_table(meta).unwrap();
        table.insert(&b"layout"[..], &7u32.to_le_bytes()[..]).unwrap();
        drop(table);
        transaction.commit().unwrap();
    }
    assert!(Index::open(&log.file()).unwrap().is_none());
    assert_eq!(heals(&log, &commits), Some(Rebuilt::Layout { found: 7 }));
}

#[test]
fn one_writer_or_many_readers() {
    let commits = some_commits();
    let log = Log::of(1, &commits);
    let index = log.index();
    let second = Index::open(&log.file()).unwrap().unwrap();
    let busy = catch_up(&log.file(), log.path(), &mut |_| ());
    assert!(matches!(busy, Err(IndexError::InUse { .. })));
    drop((index, second));
    assert_eq!(heals(&log, &commits), None);
}

#[test]
fn a_log_that_is_damaged_further_on_is_read_up_to_there() {
    let commits = [some_commits(), some_commits()].concat();
    let log = Log::of(1, &commits);
    let file = karyon_log::segment_file(log.path(), 0);
    let mut bytes = fs::read(&file).unwrap();
    let mut walk = Walk::open(log.path()).unwrap();
    let first = walk.next_group().unwrap().unwrap();
    let second = walk.next_group().unwrap().unwrap();
    let at = second[0].offset as usize;
    bytes[at + 90] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = catch_up(&log.file(), log.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, IndexError::Log(_)), "{error}");
    let records: u32 = first.iter().map(|block| block.header.count).sum();
    let index = Index::open(&log.file()).unwrap().unwrap();
    assert_eq!(index.end(), Position(u64::from(records)));
}

#[test]
fn where_there_is_no_log_no_index_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory").join("lineage.redb");
    let error = catch_up(&file, folder.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, IndexError::Log(_)));
    assert!(!file.exists());
}

#[test]
fn killed_after_any_transaction_it_goes_on_from_there() {
    let commits = [some_commits(), some_commits()].concat();
    let log = Log::of(1, &commits);
    let mut killed = Vec::new();
    let file = log.file();
    let caught_up = catch_up_by(1, &file, log.path(), &mut |records| {
        // The file as it is while the database is open: nobody closes it in good order.
        let copy = file.with_extension(format!("{records}"));
        fs::copy(&file, &copy).unwrap();
        killed.push((records, copy));
    });
    assert_eq!(killed.len(), commits.len());
    assert_eq!(caught_up.unwrap().rebuilt, None);
    for (records, copy) in killed {
        fs::copy(copy, log.file()).unwrap();
        let caught_up = catch_up(&log.file(), log.path(), &mut |_| ()).unwrap();
        assert_eq!((caught_up.from, caught_up.rebuilt), (Position(records), None));
        agrees(&log, &flat(&commits), &log.index());
    }
}
