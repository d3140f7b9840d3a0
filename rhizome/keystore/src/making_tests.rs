//! Making a keystore, and a file of its keys: cut off anywhere, and by several at once.

use std::path::{Path, PathBuf};
use std::sync::Barrier;

use karyon_types::LogId;

use crate::carry::Source;
use crate::crash_tests::{LOG, data, furnished, open};
use crate::erasure::Erasure;
use crate::error::{KeystoreError, UnsealError};
use crate::keystore::Keystore;
use crate::master::Master;
use crate::secret::Secret;
use crate::simulated::{Disk, Stop, ends};

fn master_of(id: LogId) -> PathBuf {
    PathBuf::from(format!("elsewhere/{id}.key"))
}

fn begin(disk: &Disk, new: LogId) -> Result<Keystore, KeystoreError> {
    Keystore::open_or_create_in(|| disk.system(), data(), master_of, new)
}

#[test]
fn a_keystore_that_was_begun_is_gone_on_with_wherever_it_was_cut_off() {
    let whole = |disk: &Disk, id| {
        let mut keystore = begin(disk, id)?;
        let given = keystore.give_out("ada")?;
        keystore.close().map(|()| given)
    };
    for at in 0.. {
        let mut has_stopped = false;
        for (part, loss) in ends() {
            let disk = Disk::default();
            disk.stop(Stop { at, part, is_for_good: true });
            let first = whole(&disk, LOG);
            has_stopped |= disk.operations() > at;
            disk.restart(loss);
            let case = format!("at {at}, {part}, {loss:?}");
            let second = whole(&disk, LogId([2; 16])).unwrap_or_else(|e| panic!("{case}: {e}"));
            // What was given out before is nobody's, and is not given out again.
            assert!(first.is_err() || first.unwrap() != second, "{case}");
            let mut keystore = begin(&disk, LogId([3; 16])).unwrap();
            assert!([LOG, LogId([2; 16])].contains(&keystore.log()), "{case}");
            let sealed = keystore.seal("ada", b"", b"x").unwrap();
            assert!(sealed.index > second.1, "{case}");
        }
        if !has_stopped {
            assert!(at >= 10, "only {at} operations");
            break;
        }
    }
}

/// A keystore whose master was lost is not taken for one whose making was cut off.
#[test]
fn a_keystore_without_its_master_is_not_made_anew() {
    let disk = Disk::default();
    begin(&disk, LOG).unwrap().close().unwrap();
    disk.take(&master_of(LOG));
    let before = disk.files();
    let begun = begin(&disk, LogId([2; 16]));
    assert!(matches!(begun, Err(KeystoreError::MasterMissing { .. })), "{begun:?}");
    assert_eq!(disk.files(), before);
}

/// Nor is it because a master of the first generation waits there, whoever left that: nothing is
/// written over a keystore file, and none is removed, that this master does not open.
#[test]
fn a_master_that_waits_is_no_making_of_keys_that_it_does_not_open() {
    let stray = Master { log: LOG, generation: 1, key: Secret::new([9; 32]) };
    for erasures in 0..3 {
        let disk = Disk::default();
        let mut keystore = begin(&disk, LOG).unwrap();
        for number in 0..erasures {
            let name = number.to_string();
            keystore.seal(&name, b"", b"x").unwrap();
            assert!(
                keystore.erase(Erasure::new().erase_subject(&name)).unwrap().leftover.is_none()
            );
        }
        keystore.close().unwrap();
        let master = disk.files()[&master_of(LOG)].clone();
        disk.take(&master_of(LOG));
        disk.put(&master_of(LOG).with_file_name(format!(".{LOG}.key.new")), &stray.encode());
        let before = disk.files();
        let made = Keystore::create_in(disk.system(), data(), &master_of(LOG), LOG);
        assert!(matches!(made, Err(KeystoreError::MasterMissing { .. })), "{made:?}");
        let begun = begin(&disk, LogId([2; 16]));
        assert!(matches!(begun, Err(KeystoreError::MasterMissing { .. })), "{begun:?}");
        assert_eq!(disk.files(), before, "after {erasures}");
        // It is found again.
        disk.put(&master_of(LOG), &master);
        assert_eq!(begin(&disk, LOG).unwrap().generation(), erasures + 1);
    }
}

#[test]
fn a_making_that_is_cut_off_twice_anywhere_is_made_anew() {
    let make = |disk: &Disk| begin(disk, LOG).map(drop);
    let mut met = 0;
    for first in 0..14 {
        for second in 0..18 {
            for (part, loss) in ends() {
                let disk = Disk::default();
                for at in [first, second] {
                    disk.stop(Stop { at, part, is_for_good: true });
                    met += u32::from(make(&disk).is_err());
                    disk.restart(loss);
                }
                let case = format!("at {first} and {second}, {part}, {loss:?}");
                make(&disk).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(disk.files().len(), 2, "{case}");
            }
        }
    }
    assert!(met > 1000, "{met}");
}

#[test]
fn of_several_that_are_made_at_once_under_one_master_one_is() {
    let places = ["one", "two", "three"].map(Path::new);
    for _ in 0..300 {
        let (disk, start) = (Disk::default(), Barrier::new(places.len()));
        let made = std::thread::scope(|scope| {
            let threads = places.map(|place| {
                let (disk, start) = (&disk, &start);
                scope.spawn(move || {
                    start.wait();
                    let made = Keystore::create_in(disk.system(), place, &master_of(LOG), LOG);
                    made.map(|mut made| made.seal("ada", b"", b"kept").unwrap())
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let mut whole = 0;
        for (place, made) in places.iter().zip(made) {
            let opened = Keystore::open_in(disk.system(), place, &master_of(LOG), LOG);
            match made {
                Ok(sealed) => {
                    let (subject, index) = (sealed.subject, sealed.index);
                    let opened = opened.unwrap().unseal(subject, index, b"", &sealed.bytes);
                    assert_eq!(opened.unwrap(), b"kept");
                    whole += 1;
                }
                Err(KeystoreError::Exists { .. }) => assert!(opened.is_err()),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(whole, 1);
    }
}

#[test]
fn of_keys_whose_file_fails_half_way_nothing_is_on_the_disk() {
    let file = Path::new("stick/keys");
    let source = Source { log: LOG, records: 7 };
    let mut met = [0; 2];
    for at in 0..4 {
        for part in 0..3 {
            let (disk, _) = furnished();
            let keystore = open(&disk).unwrap();
            let (names, blocks) = (disk.files(), disk.blocks().len());
            disk.stop(Stop { at, part, is_for_good: false });
            let carried = keystore.carry(&Erasure::new(), source, file);
            let has_failed = disk.operations() > at;
            assert_eq!(carried.is_err(), has_failed, "at {at}, {part}");
            met[usize::from(has_failed)] += 1;
            if has_failed {
                assert!(matches!(carried, Err(KeystoreError::Io { .. })), "{carried:?}");
                assert_eq!(disk.files(), names, "at {at}, {part}");
                let left = &disk.blocks()[blocks..];
                let is_zero = |block: &Vec<u8>| block.iter().all(|byte| *byte == 0);
                assert!(left.iter().all(is_zero), "at {at}, {part}: keys are in a free block");
            }
        }
    }
    assert_eq!(met, [6, 6]);
    // Where that cannot be done either, it is said.
    let (disk, _) = furnished();
    let keystore = open(&disk).unwrap();
    disk.stop(Stop { at: 0, part: 1, is_for_good: true });
    let carried = keystore.carry(&Erasure::new(), source, file);
    assert!(matches!(carried, Err(KeystoreError::Left { .. })), "{carried:?}");
}

#[test]
fn what_is_hidden_is_erased_for_who_hides_it_and_for_nobody_else() {
    let (disk, sealed) = furnished();
    let before = disk.files();
    let mut erasure = Erasure::new();
    erasure.erase_subject("bo").erase(sealed[0].subject, 0..1);
    let hiding = open(&disk).unwrap().hiding(&erasure).unwrap();
    for one in &sealed {
        let found = hiding.unseal(one.subject, one.index, b"about", &one.bytes);
        let (subject, index) = (one.subject, one.index);
        match (subject.0, index) {
            (1, 1..) => assert!(found.is_ok(), "{subject} {index}"),
            _ => assert_eq!(found, Err(UnsealError::Erased { subject, index })),
        }
        open(&disk).unwrap().unseal(subject, index, b"about", &one.bytes).unwrap();
    }
    let mut hiding = hiding;
    let sealed = hiding.seal("ada", b"", b"x");
    assert!(matches!(sealed, Err(KeystoreError::ReadOnly { .. })), "{sealed:?}");
    assert_eq!(disk.files(), before);
}
