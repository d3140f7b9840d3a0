//! Keys that are carried to another machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use karyon_keystore::{
    CarriedKeys, Erasure, Keystore, KeystoreError, Sealed, Source, Subject, UnsealError, abandon,
    destroy_carried, keep,
};
use karyon_types::LogId;

use crate::{LOG, Place, erase};

/// The log of which the keys are; their keystore has an id of its own.
const SOURCE: Source = Source { log: LogId([0xcd; 16]), records: 41 };

fn unseal(keystore: &Keystore, sealed: &Sealed) -> Result<Vec<u8>, UnsealError> {
    keystore.unseal(sealed.subject, sealed.index, b"about", &sealed.bytes)
}

/// The note of whoever makes one.
const NOTE: &[u8] = b"making 1";

/// Makes a keystore in `to` of the keys in `from`.
fn carry(from: &Keystore, without: &Erasure, to: &Place) -> Keystore {
    let file = to.folder.path().join("carried");
    from.carry(without, SOURCE, &file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let keys = CarriedKeys::read(&file).unwrap();
    assert_eq!((keys.log(), keys.source()), (LOG, SOURCE));
    keys.settle(&to.data(), &to.master(), NOTE).unwrap()
}

#[test]
fn what_was_sealed_opens_there_and_what_was_erased_is_erased() {
    let (place, there) = (Place::new(), Place::new());
    let mut keystore = place.create();
    let mut seal = |name: &str, text: &[u8]| keystore.seal(name, b"about", text).unwrap();
    let [kept, gone, late] = ["kept", "gone", "late"].map(|text| seal("ada", text.as_bytes()));
    let of_bo = seal("bo", b"all of it goes");
    erase(
        &mut keystore,
        Erasure::new().erase_subject("bo").erase(gone.subject, gone.index..gone.index + 1),
    );
    // Ordered, and not done yet.
    let mut ordered = Erasure::new();
    ordered.erase(late.subject, late.index..late.index + 1);
    let carried = carry(&keystore, &ordered, &there);
    assert_eq!(unseal(&carried, &kept).unwrap(), b"kept");
    for erased in [&gone, &late, &of_bo] {
        assert!(matches!(unseal(&carried, erased), Err(UnsealError::Erased { .. })), "{erased:?}");
    }
    assert_eq!(carried.subject("bo"), Subject::Erased(of_bo.subject));
    assert_eq!(carried.generation(), 1);
    // The one here is as it was.
    assert_eq!(unseal(&keystore, &late).unwrap(), b"late");
    drop(carried);
    assert_eq!(unseal(&there.open(), &kept).unwrap(), b"kept");
    // Neither master opens the other's file, nor is the one in the file a master of either.
    let masters: Vec<_> = [&place, &there].map(|place| fs::read(place.master()).unwrap()).into();
    assert_ne!(masters[0], masters[1]);
    let file = fs::read(there.folder.path().join("carried")).unwrap();
    for master in masters {
        assert!(!file.windows(master.len()).any(|window| window == master));
    }
}

/// Whoever takes the file apart has what was sealed until then, and nothing that comes later.
#[test]
fn the_file_opens_nothing_that_is_sealed_later() {
    let (place, there) = (Place::new(), Place::new());
    let mut keystore = place.create();
    let before = keystore.seal("ada", b"about", b"before").unwrap();
    keystore.close().unwrap();
    let mut keystore = place.open();
    let file = there.folder.path().join("carried");
    keystore.carry(&Erasure::new(), SOURCE, &file).unwrap();
    let later = keystore.seal("ada", b"about", b"later").unwrap();
    let bytes = fs::read(&file).unwrap();
    let ends: Vec<_> = (1..=bytes.len()).filter(|at| bytes[at - 1] == b'\n').collect();
    let folder = there.data().join("keystore");
    fs::create_dir_all(&folder).unwrap();
    for (path, part) in
        [(folder.join("keys.1"), &bytes[ends[8]..]), (there.master(), &bytes[ends[3]..ends[8]])]
    {
        fs::write(&path, part).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let taken = there.open();
    assert_eq!(unseal(&taken, &before).unwrap(), b"before");
    assert!(matches!(unseal(&taken, &later), Err(UnsealError::Damaged { .. })));
}

#[test]
fn nothing_is_sealed_under_one_key_in_two_places() {
    let (place, there, third) = (Place::new(), Place::new(), Place::new());
    let mut keystore = place.create();
    let before = keystore.seal("ada", b"about", b"before").unwrap();
    // Cut off here: indexes stay reserved, and are used by nobody.
    drop(keystore);
    let mut keystore = place.open();
    let mut copies = [&there, &third].map(|place| carry(&keystore, &Erasure::new(), place));
    let here = keystore.seal("ada", b"about", b"here").unwrap();
    let others = copies.each_mut().map(|copy| copy.seal("ada", b"about", b"here").unwrap());
    for other in &others {
        assert_eq!((other.subject, other.index), (here.subject, here.index), "the same place");
        assert_ne!(other.bytes, here.bytes, "the same key");
        assert!(matches!(unseal(&keystore, other), Err(UnsealError::Damaged { .. })));
    }
    assert_ne!(others[0].bytes, others[1].bytes, "the same key");
    for (copy, other) in copies.iter().zip(&others) {
        assert_eq!(unseal(copy, &before).unwrap(), b"before");
        assert_eq!(unseal(copy, other).unwrap(), b"here");
        assert!(matches!(unseal(copy, &here), Err(UnsealError::Damaged { .. })));
    }
}

#[test]
fn nothing_is_written_over_and_nothing_into_the_data() {
    let (place, there) = (Place::new(), Place::new());
    let mut keystore = place.create();
    keystore.seal("ada", b"about", b"x").unwrap();
    let file = place.folder.path().join("carried");
    let none = Erasure::new();
    fs::write(&file, "mine").unwrap();
    let carried = keystore.carry(&none, SOURCE, &file);
    assert!(matches!(carried, Err(KeystoreError::Exists { .. })), "{carried:?}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let inside = place.data().join("carried");
    let carried = keystore.carry(&none, SOURCE, &inside);
    assert!(matches!(carried, Err(KeystoreError::MasterInside { .. })), "{carried:?}");
    assert!(!inside.exists());
    // Where a keystore is, none is made.
    fs::remove_file(&file).unwrap();
    keystore.carry(&none, SOURCE, &file).unwrap();
    drop(there.create());
    let master = fs::read(there.master()).unwrap();
    let settled = CarriedKeys::read(&file).unwrap().settle(&there.data(), &there.master(), NOTE);
    assert!(matches!(settled, Err(KeystoreError::Exists { .. })), "{settled:?}");
    assert_eq!(fs::read(there.master()).unwrap(), master);
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_refused() {
    let place = Place::new();
    let mut keystore = place.create();
    keystore.seal("ada", b"about", b"x").unwrap();
    let file = place.folder.path().join("carried");
    keystore.carry(&Erasure::new(), SOURCE, &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&file, changed).unwrap();
        assert!(CarriedKeys::read(&file).is_err(), "byte {at}");
        fs::write(&file, &bytes[..at]).unwrap();
        assert!(CarriedKeys::read(&file).is_err(), "cut at {at}");
    }
    fs::write(&file, &bytes).unwrap();
    CarriedKeys::read(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let read = CarriedKeys::read(&file);
    assert!(matches!(read, Err(KeystoreError::ReadableByOthers { mode: 0o640, .. })), "{read:?}");
    fs::remove_file(&file).unwrap();
    assert!(matches!(CarriedKeys::read(&file), Err(KeystoreError::Io { .. })));
}

#[test]
fn what_nobody_finished_is_taken_away_and_nothing_else() {
    let (place, there) = (Place::new(), Place::new());
    let mut keystore = place.create();
    keystore.seal("ada", b"about", b"x").unwrap();
    // Another keystore's master stays.
    drop(carry(&keystore, &Erasure::new(), &there));
    assert!(!abandon(&there.data(), &place.master(), LOG, NOTE).unwrap());
    assert!(place.master().exists());
    // It does for whoever did not make it.
    for note in [&b"making 2"[..], b"making", b"making 10", b""] {
        assert!(!abandon(&there.data(), &there.master(), LOG, note).unwrap(), "{note:?}");
    }
    // Its own goes.
    assert!(abandon(&there.data(), &there.master(), LOG, NOTE).unwrap());
    assert!(!there.master().exists());
    assert!(!abandon(&there.data(), &there.master(), LOG, NOTE).unwrap());
    assert_eq!(
        fs::read_dir(there.master().parent().unwrap()).unwrap().count(),
        0,
        "a note is left"
    );
}

/// A copy of a directory, or a link to its keystore, in the place of what a making left.
#[test]
fn what_is_kept_or_lies_behind_a_link_is_not_taken_away() {
    let place = Place::new();
    let mut keystore = place.create();
    keystore.seal("ada", b"about", b"x").unwrap();
    for is_kept in [true, false] {
        let there = Place::new();
        drop(carry(&keystore, &Erasure::new(), &there));
        if is_kept {
            assert!(keep(&there.data(), &there.master(), LOG).unwrap());
            assert!(!keep(&there.data(), &there.master(), LOG).unwrap());
            assert!(!abandon(&there.data(), &there.master(), LOG, NOTE).unwrap());
        } else {
            let planted = there.folder.path().join("planted");
            fs::create_dir(&planted).unwrap();
            let (live, link) = (there.data().join("keystore"), planted.join("keystore"));
            std::os::unix::fs::symlink(live, link).unwrap();
            assert!(!abandon(&planted, &there.master(), LOG, NOTE).unwrap());
        }
        there.open().seal("ada", b"about", b"y").unwrap();
    }
    // What nobody has a note of is nobody's to abandon, whatever an earlier making left there.
    let there = Place::new();
    drop(carry(&keystore, &Erasure::new(), &there));
    fs::remove_file(there.master()).unwrap();
    fs::remove_dir_all(there.data().join("keystore")).unwrap();
    drop(there.create());
    assert!(!abandon(&there.data(), &there.master(), LOG, NOTE).unwrap());
}

#[test]
fn keys_that_do_not_say_of_which_log_they_are_are_refused() {
    let place = Place::new();
    let mut keystore = place.create();
    keystore.seal("ada", b"about", b"x").unwrap();
    let file = place.folder.path().join("carried");
    keystore.carry(&Erasure::new(), SOURCE, &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let head: Vec<_> = text.lines().take(3).collect();
    assert_eq!(head[..2], ["karyon-carried-keys-v2", &format!("of {}", SOURCE.log)]);
    assert_eq!(head[2], "records 41");
    // As earlier versions wrote it.
    let ends: Vec<_> = (1..=bytes.len()).filter(|at| bytes[at - 1] == b'\n').collect();
    let unbound = [b"karyon-carried-keys-v1\n", &bytes[ends[3]..]].concat();
    fs::write(&file, unbound).unwrap();
    let read = CarriedKeys::read(&file);
    assert!(matches!(read, Err(KeystoreError::Unbound { .. })), "{read:?}");
    // Another log than it was written for, or another number, with the check of the right one.
    for (is, other) in
        [("of cd", "of ce"), ("records 41", "records 42"), ("records 41", "records 041")]
    {
        let at = bytes.windows(is.len()).position(|part| part == is.as_bytes()).unwrap();
        let changed = [&bytes[..at], other.as_bytes(), &bytes[at + is.len()..]].concat();
        fs::write(&file, changed).unwrap();
        let read = CarriedKeys::read(&file);
        assert!(matches!(read, Err(KeystoreError::Damaged { .. })), "{other}: {read:?}");
    }
}

#[test]
fn a_key_file_that_is_destroyed_is_overwritten() {
    let place = Place::new();
    let file = place.folder.path().join("carried");
    let other = place.folder.path().join("other");
    place.create().carry(&Erasure::new(), SOURCE, &file).unwrap();
    fs::hard_link(&file, &other).unwrap();
    assert!(destroy_carried(&file).unwrap());
    assert!(!file.exists());
    assert_eq!(fs::read(&other).unwrap(), [], "the keys are still there");
    assert!(!destroy_carried(&file).unwrap());
}

/// Each by its own view of the file system, as processes have them.
#[test]
fn of_several_that_settle_at_once_one_has_the_keys() {
    let place = Place::new();
    let mut keystore = place.create();
    let sealed = keystore.seal("ada", b"about", b"kept").unwrap();
    let file = place.folder.path().join("carried");
    keystore.carry(&Erasure::new(), SOURCE, &file).unwrap();
    for _ in 0..20 {
        let there = Place::new();
        let folders = ["a", "b", "c"].map(|name| there.folder.path().join(name));
        let start = std::sync::Barrier::new(folders.len());
        let settled: Vec<_> = std::thread::scope(|scope| {
            let settle = |folder| {
                let (start, file, master) = (&start, &file, there.master());
                move || {
                    fs::create_dir(folder).unwrap();
                    let keys = CarriedKeys::read(file).unwrap();
                    start.wait();
                    keys.settle(folder, &master, NOTE).map(drop).inspect_err(|_| {
                        // As whoever imports does.
                        assert!(!abandon(folder, &master, LOG, NOTE).unwrap());
                    })
                }
            };
            let threads: Vec<_> =
                folders.iter().map(|folder| scope.spawn(settle(folder))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut whole = 0;
        for (folder, settled) in folders.iter().zip(settled) {
            let opened = Keystore::open(folder, &there.master(), LOG);
            match settled {
                Ok(()) => {
                    assert_eq!(unseal(&opened.unwrap(), &sealed).unwrap(), b"kept");
                    whole += 1;
                }
                Err(KeystoreError::Exists { .. }) => assert!(opened.is_err()),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(whole, 1);
    }
}
