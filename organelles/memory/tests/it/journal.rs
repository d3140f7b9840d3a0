//! Every record is found where it lies, however the log was cut into commits.

use karyon_log::{Cause, Record};
use karyon_memory::{Journal, JournalError};
use karyon_runtime::datadir::{log_file, memory_file};
use karyon_types::{AgentId, LeaseId, Position, Tick};

use crate::support::*;

/// Ticks 0, 2, 4 … of four steps each, every agent in turn.
fn records() -> Vec<Record<'static>> {
    let mut records = beginning();
    let mut steps = [0; 3];
    for number in 0..30u64 {
        records.push(tick(2 * number));
        for turn in 0..4 {
            let agent = (number + turn) % 3 + 1;
            let taken = &mut steps[agent as usize - 1];
            records.push(step(agent, *taken, Cause::Input(turn as u32), Vec::new()));
            *taken += 1;
        }
    }
    records
}

#[test]
fn every_record_step_and_tick_is_found() {
    let records = records();
    for group in [1, 3, 7, 1000] {
        let folder = tempfile::tempdir().unwrap();
        write_log(folder.path(), &records, group);
        let mut journal = Journal::of(folder.path(), &mut |_| ()).unwrap();
        assert_eq!(journal.end(), Position(records.len() as u64));
        assert_eq!(
            (journal.last_tick(), journal.last_lease().unwrap()),
            (Some(Tick(58)), Some(LeaseId(3)))
        );
        let mut now = None;
        for (position, record) in (0u64..).zip(&records) {
            if let Record::Tick(tick) = record {
                now = Some(*tick);
            }
            let found = journal.record(Position(position)).unwrap().unwrap();
            assert_eq!(found.record().as_ref(), Some(record));
            assert_eq!((found.position.0, found.tick), (position, now));
            if let Record::Step { agent, step, .. } = record {
                let before = Position(records.len() as u64);
                let found = journal.step(*agent, *step, before).unwrap().unwrap();
                assert_eq!(found.position.0, position);
                assert!(journal.step(*agent, *step, Position(10)).unwrap().is_none());
            }
        }
        assert!(journal.record(journal.end()).unwrap().is_none());
        for tick in 0..60 {
            let is_later = |record: &&Record<'_>| matches!(record, Record::Tick(t) if t.0 > tick);
            let later = records.iter().position(|record| is_later(&record));
            let expected = later.unwrap_or(records.len()) as u64 - 1;
            assert_eq!(journal.end_of_tick(Tick(tick)).unwrap(), Position(expected), "{tick}");
        }
        let last = journal.last_step(AgentId(1)).unwrap().unwrap();
        let is_of_one = |r: &Record<'_>| matches!(r, Record::Step { agent: AgentId(1), .. });
        assert_eq!(last.position.0, records.iter().rposition(is_of_one).unwrap() as u64);
        assert!(journal.last_step(AgentId(9)).unwrap().is_none());
    }
}

#[test]
fn a_log_that_was_replaced_meanwhile_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), &records(), 3);
    let mut journal = Journal::of(folder.path(), &mut |_| ()).unwrap();
    let log = std::fs::read(log_file(folder.path())).unwrap();
    std::fs::write(log_file(folder.path()), &log[..log.len() / 2]).unwrap();
    let last = Position(journal.end().0 - 1);
    let error = journal.record(last).unwrap_err();
    assert!(matches!(error, JournalError::Changed { .. } | JournalError::Log(_)), "{error}");
}

#[test]
fn a_changed_byte_in_the_index_is_noticed_wherever_it_is() {
    let (records, folder) = (records(), tempfile::tempdir().unwrap());
    write_log(folder.path(), &records, 3);
    let all = |journal: &mut Journal| {
        let positions = (0..records.len() as u64).map(Position);
        let found = positions.map(|position| journal.record(position).unwrap().unwrap());
        let found: Vec<_> =
            found.map(|found| (found.tick, format!("{:?}", found.record()))).collect();
        (found, journal.steps(AgentId(2), 0).unwrap().map(Result::unwrap).collect::<Vec<_>>())
    };
    let mut journal = Journal::of(folder.path(), &mut |_| ()).unwrap();
    assert!(journal.rebuilt().is_none());
    let expected = all(&mut journal);
    drop(journal);
    let file = memory_file(folder.path()).with_file_name("lineage.redb");
    let whole = std::fs::read(&file).unwrap();
    let checksum = std::fs::read(file.with_extension("blake3")).unwrap();
    for flip in 0..40 {
        let (at, bit) = (flip * (whole.len() - 1) / 39, flip % 8);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        std::fs::write(&file, bytes).unwrap();
        std::fs::write(file.with_extension("blake3"), &checksum).unwrap();
        let mut journal = Journal::of(folder.path(), &mut |_| ()).unwrap();
        assert!(journal.rebuilt().is_some(), "byte {at}");
        assert_eq!(all(&mut journal), expected, "byte {at}");
    }
}

#[test]
fn a_log_that_grows_is_read_on() {
    let (records, folder) = (records(), tempfile::tempdir().unwrap());
    write_log(folder.path(), &records[..41], 3);
    let journal = Journal::of(folder.path(), &mut |_| ()).unwrap();
    assert_eq!(journal.end(), Position(41));
    drop(journal);
    // The same commits at its beginning, and more behind them.
    let longer = tempfile::tempdir().unwrap();
    write_log(longer.path(), &records, 3);
    std::fs::copy(log_file(longer.path()), log_file(folder.path())).unwrap();
    let mut heard = Vec::new();
    let mut journal = Journal::of(folder.path(), &mut |records| heard.push(records)).unwrap();
    assert_eq!((heard, journal.rebuilt()), (vec![records.len() as u64], None));
    let last = Position(records.len() as u64 - 1);
    assert_eq!(journal.record(last).unwrap().unwrap().record().as_ref(), records.last());
}
