//! The two files: their bytes, what is refused, and what is said then.

use std::path::Path;

use karyon_types::LogId;

use crate::crash_tests::{
    ADA, BO, LOG, create, data, furnished, keys, master, open, open_read_only,
};
use crate::erasure::Erasure;
use crate::error::{KeystoreError, UnsealError, Which};
use crate::keystore::Keystore;
use crate::limits::{MEMORIES_MAX, PLAINTEXT_BYTES_MAX, RESERVED, RESERVED_MAX};
use crate::master::Master;
use crate::secret::Secret;
use crate::simulated::{Disk, Loss, Stop};
use crate::state::SubjectId;

/// A disk with a file changed from outside.
fn with(disk: &Disk, path: &Path, bytes: &[u8]) -> Disk {
    let disk = disk.copy();
    disk.put(path, bytes);
    disk
}

fn without(disk: &Disk, path: &Path) -> Disk {
    let disk = disk.copy();
    disk.take(path);
    disk
}

/// Refused for writing and for reading, and nothing is touched.
fn refused(disk: &Disk) -> KeystoreError {
    let files = disk.files();
    let error = open(disk).map(|_| ()).unwrap_err();
    let reading = open_read_only(disk).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), reading.to_string());
    assert_eq!(disk.files(), files);
    error
}

#[test]
fn every_flipped_bit_of_both_files_is_refused() {
    let (disk, _) = furnished();
    for path in [master(), &keys(1)] {
        let bytes = disk.files()[path].clone();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let error = refused(&with(&disk, path, &changed));
                let is_told = match &error {
                    KeystoreError::Damaged { path: named, .. }
                    | KeystoreError::Version { path: named, .. } => named == path,
                    _ => false,
                };
                assert!(is_told, "byte {at} of {}: {error}", path.display());
            }
        }
        for length in 0..bytes.len() {
            let error = refused(&with(&disk, path, &bytes[..length]));
            assert!(matches!(error, KeystoreError::Damaged { .. }), "cut at {length}: {error}");
        }
        let error = refused(&with(&disk, path, &[&bytes[..], b"\n"].concat()));
        assert!(matches!(error, KeystoreError::Damaged { .. }), "{error}");
    }
}

#[test]
fn each_thing_that_can_be_wrong_has_its_own_error() {
    let (disk, _) = furnished();
    let text = disk.files()[master()].clone();
    let file = disk.files()[&keys(1)].clone();
    let other =
        |log, generation| Master { log, generation, key: Secret::new([9; 32]) }.encode().to_vec();

    let nothing = Disk::default();
    assert!(matches!(refused(&nothing), KeystoreError::NotMade { .. }));
    assert!(
        matches!(refused(&without(&disk, master())), KeystoreError::MasterMissing { path, .. } if path == master())
    );
    assert!(
        matches!(refused(&without(&disk, &keys(1))), KeystoreError::KeysMissing { path, .. } if path == keys(1))
    );
    assert!(matches!(
        refused(&with(&disk, master(), &other(LOG, 1))),
        KeystoreError::WrongMaster { .. }
    ));
    let error = refused(&with(&disk, master(), &other(LogId([1; 16]), 1)));
    assert!(matches!(
        error,
        KeystoreError::OtherLog { which: Which::Master, found: LogId([1, ..]), .. }
    ));
    for generation in [0, 2, 7, u64::MAX] {
        let error = refused(&with(&disk, master(), &other(LOG, generation)));
        assert!(
            matches!(&error, KeystoreError::Generation { generation: g, .. } if *g == generation),
            "{error}"
        );
    }

    // The keystore of another log, of which somebody has the master.
    let foreign = Disk::default();
    Keystore::create_in(foreign.system(), data(), master(), LogId([1; 16])).unwrap();
    let error = refused(&with(&disk, &keys(1), &foreign.files()[&keys(1)]));
    assert!(matches!(
        error,
        KeystoreError::OtherLog { which: Which::Keys, found: LogId([1, ..]), .. }
    ));

    let mut newer = file.clone();
    newer[8] = 2;
    let error = refused(&with(&disk, &keys(1), &newer));
    assert!(matches!(error, KeystoreError::Version { which: Which::Keys, found: 2, .. }));
    let newer = String::from_utf8(text.clone()).unwrap().replace("key-v1", "key-v12");
    let error = refused(&with(&disk, master(), newer.as_bytes()));
    assert!(matches!(error, KeystoreError::Version { which: Which::Master, found: 12, .. }));
    for other in ["log ", "generation ", "key ", "check "] {
        let text = String::from_utf8(text.clone()).unwrap().replace(other, "word ");
        assert!(matches!(
            refused(&with(&disk, master(), text.as_bytes())),
            KeystoreError::Damaged { .. }
        ));
    }
    assert!(matches!(
        refused(&with(&disk, master(), &[b'0'; 5_000])),
        KeystoreError::Damaged { .. }
    ));
    // A file of one generation under the name of another.
    let renamed = without(&with(&with(&disk, &keys(2), &file), master(), &other(LOG, 2)), &keys(1));
    assert!(matches!(refused(&renamed), KeystoreError::Damaged { .. }));
}

#[test]
fn an_older_master_does_not_bring_back_what_was_erased() {
    let (disk, _) = furnished();
    let old = disk.files();
    let mut keystore = open(&disk).unwrap();
    for name in ["ada", "bo"] {
        assert!(keystore.erase(Erasure::new().erase_subject(name)).unwrap().leftover.is_none());
    }
    drop(keystore);
    let new = disk.files();
    // An old master beside the new file, with the old file and without.
    let disk = with(&disk, master(), &old[master()]);
    assert!(matches!(refused(&disk), KeystoreError::Generation { generation: 1, .. }));
    let disk = with(&disk, &keys(1), &old[&keys(1)]);
    assert!(matches!(refused(&disk), KeystoreError::Generation { generation: 1, .. }));
    // An old file beside the new master is removed.
    let disk = with(&disk, master(), &new[master()]);
    open_read_only(&disk).unwrap();
    assert_eq!(disk.files().len(), 3);
    open(&disk).unwrap();
    assert_eq!(disk.files(), new);
}

#[test]
fn nothing_is_made_over_what_is_there() {
    let (disk, _) = furnished();
    for (disk, is_lost) in
        [(disk.copy(), false), (without(&disk, &keys(1)), false), (without(&disk, master()), true)]
    {
        let files = disk.files();
        match create(&disk).map(|_| ()).unwrap_err() {
            KeystoreError::Exists { path } => assert!(!is_lost && path == master()),
            KeystoreError::MasterMissing { .. } => assert!(is_lost),
            error => panic!("{error}"),
        }
        assert_eq!(disk.files(), files);
    }
    // What an erasure leaves beside a master that was lost afterwards does not pass for a making.
    let mut keystore = open(&disk).unwrap();
    disk.stop(Stop { at: 4, part: 0, is_for_good: true });
    keystore.erase(Erasure::new().erase_subject("ada")).unwrap_err();
    disk.restart(Loss::Nothing);
    disk.take(master());
    assert_eq!(disk.files().len(), 3);
    assert!(matches!(create(&disk), Err(KeystoreError::MasterMissing { .. })));
    assert!(matches!(refused(&disk), KeystoreError::MasterMissing { .. }));
    // A master inside of the data directory goes where the data go.
    for inside in ["data/master", "data/keystore/master"] {
        let made = Keystore::create_in(Disk::default().system(), data(), Path::new(inside), LOG);
        assert!(matches!(made, Err(KeystoreError::MasterInside { .. })));
    }
}

#[test]
fn what_cannot_be_asked_for() {
    let (disk, sealed) = furnished();
    let mut keystore = open(&disk).unwrap();
    let files = disk.files();
    for bytes in [0, 257] {
        let name = "n".repeat(bytes);
        assert!(
            matches!(keystore.seal(&name, b"", b""), Err(KeystoreError::Name { bytes: found }) if found == bytes)
        );
    }
    let long = vec![0; PLAINTEXT_BYTES_MAX + 1];
    assert!(matches!(keystore.seal("ada", b"", &long), Err(KeystoreError::TooLong { .. })));
    for (subject, range, is_range) in [
        (ADA, 0..0, true),
        (ADA, 6..7, true),
        (ADA, 0..MEMORIES_MAX, true),
        (SubjectId(3), 0..1, false),
        (SubjectId(0), 0..1, false),
    ] {
        let mut erasure = Erasure::new();
        erasure.erase(BO, 0..1).erase(subject, range.clone());
        match keystore.erase(&erasure).unwrap_err() {
            KeystoreError::Range { end: 6, range: named, .. } => {
                assert!(is_range && named == range)
            }
            KeystoreError::UnknownSubject { last: BO, .. } => assert!(!is_range),
            error => panic!("{error}"),
        }
    }
    let unknown = keystore.erase(Erasure::new().erase_subject("bo").erase_subject("b"));
    assert!(matches!(unknown, Err(KeystoreError::UnknownName { name }) if name == "b"));
    assert!(matches!(keystore.advance(SubjectId(3), 1), Err(KeystoreError::UnknownSubject { .. })));
    for (subject, index) in
        [(SubjectId(0), 0), (SubjectId(3), 0), (ADA, MEMORIES_MAX), (ADA, u32::MAX)]
    {
        let found = keystore.unseal(subject, index, b"about", &sealed[0].bytes);
        assert_eq!(found, Err(UnsealError::Unknown { subject, index }));
    }
    assert_eq!(disk.files(), files);

    // Reading only, nothing is written, whatever is asked.
    let mut keystore = open_read_only(&disk).unwrap();
    let refused = [
        keystore.seal("ada", b"", b"").map(|_| ()),
        keystore.prepare(&["cy"]).map(|_| ()),
        keystore.erase(Erasure::new().erase_subject("ada")).map(|_| ()),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(KeystoreError::ReadOnly { .. })));
    }
    keystore.close().unwrap();
    assert_eq!(disk.files(), files);
}

#[test]
fn who_did_not_notice_an_erasure_brings_nothing_back() {
    let (disk, sealed) = furnished();
    let (mut late, mut keystore) = (open(&disk).unwrap(), open(&disk).unwrap());
    let committed = keystore.erase(Erasure::new().erase_subject("ada")).unwrap();
    assert!(committed.leftover.is_none());
    let files = disk.files();
    let refused = [
        late.erase(Erasure::new().erase_subject("bo")).map(|_| ()),
        late.prepare(&["cy"]).map(|_| ()),
        late.seal("bo", b"", b"x").map(|_| ()),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(KeystoreError::Replaced { .. })));
    }
    disk.take(master());
    let refused = keystore.erase(Erasure::new().erase_subject("bo"));
    assert!(matches!(refused, Err(KeystoreError::Replaced { .. })));
    disk.put(master(), &files[master()]);
    assert_eq!(disk.files(), files);
    let found = open(&disk).unwrap().unseal(ADA, 0, b"about", &sealed[0].bytes);
    assert_eq!(found, Err(UnsealError::Erased { subject: ADA, index: 0 }));
}

#[test]
fn a_subject_can_be_full() {
    let (disk, _) = furnished();
    let mut keystore = open(&disk).unwrap();
    keystore.advance(ADA, MEMORIES_MAX - 2).unwrap();
    for index in [MEMORIES_MAX - 2, MEMORIES_MAX - 1] {
        let sealed = keystore.seal("ada", b"", b"one of the last").unwrap();
        assert_eq!(sealed.index, index);
        assert_eq!(keystore.unseal(ADA, index, b"", &sealed.bytes).unwrap(), b"one of the last");
    }
    assert!(matches!(keystore.seal("ada", b"", b""), Err(KeystoreError::Full { subject: ADA })));
    keystore.advance(ADA, u32::MAX).unwrap();
    assert_eq!(keystore.end(ADA), Some(MEMORIES_MAX));
    keystore.close().unwrap();
    let mut keystore = open(&disk).unwrap();
    assert!(matches!(keystore.prepare(&["bo", "ada"]), Err(KeystoreError::Full { subject: ADA })));
    assert!(keystore.erase(Erasure::new().erase(ADA, 3..MEMORIES_MAX)).unwrap().leftover.is_none());
}

#[test]
fn a_block_of_memories_costs_one_write() {
    let disk = Disk::default();
    let mut keystore = create(&disk).unwrap();
    let writes = |disk: &Disk| disk.operations() / 3;
    disk.stop(Stop { at: u64::MAX, part: 0, is_for_good: true });
    let names: Vec<String> = (0..100).map(|number| format!("subject {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let subjects = keystore.prepare(&names).unwrap();
    assert_eq!(subjects, (1..=100).map(SubjectId).collect::<Vec<_>>());
    assert_eq!(writes(&disk), 1);
    for name in &names {
        keystore.seal(name, b"", b"x").unwrap();
    }
    assert_eq!(writes(&disk), 1);
    for _ in 1..RESERVED {
        keystore.seal(names[0], b"", b"x").unwrap();
    }
    assert_eq!(writes(&disk), 1);
    assert_eq!(keystore.seal(names[0], b"", b"x").unwrap().index, RESERVED);
    assert_eq!(writes(&disk), 2);
    // Not closed: what was reserved is lost. Closed: it is given back.
    let mut keystore = open(&disk).unwrap();
    assert_eq!(keystore.seal(names[1], b"", b"x").unwrap().index, RESERVED);
    keystore.close().unwrap();
    let mut keystore = open(&disk).unwrap();
    assert_eq!(keystore.seal(names[1], b"", b"x").unwrap().index, RESERVED + 1);
    assert_eq!(keystore.prepare(&[]).unwrap(), []);
}

#[test]
fn subjects_in_turn_share_their_writes() {
    let disk = Disk::default();
    let mut keystore = create(&disk).unwrap();
    disk.stop(Stop { at: u64::MAX, part: 0, is_for_good: true });
    keystore.prepare(&["ada", "bo", "cy", "rarely"]).unwrap();
    keystore.seal("rarely", b"", b"x").unwrap();
    for _ in 0..8 * RESERVED {
        for name in ["ada", "bo", "cy"] {
            keystore.seal(name, b"", b"x").unwrap();
        }
    }
    // 1,024 reserved, and 1,024, 2,048 and 4,096 more, for all three at once.
    assert_eq!(disk.operations() / 3, 4);
    keystore = open(&disk).unwrap();
    assert_eq!(keystore.end(SubjectId(4)), Some(RESERVED));
    assert_eq!(keystore.end(SubjectId(1)), Some(8 * RESERVED));
    // Who begins anew reserves little again.
    assert_eq!(keystore.seal("ada", b"", b"x").unwrap().index, 8 * RESERVED);
    keystore = open(&disk).unwrap();
    assert_eq!(keystore.end(SubjectId(1)), Some(9 * RESERVED));
    // Nothing for whom nothing was sealed since.
    assert_eq!(keystore.end(SubjectId(4)), Some(RESERVED));
}

#[test]
fn no_more_is_reserved_at_once_than_is_said() {
    let disk = Disk::default();
    let mut keystore = create(&disk).unwrap();
    let mut last = 0;
    for _ in 0..5 * RESERVED_MAX {
        last = keystore.seal("ada", b"", b"x").unwrap().index;
    }
    let end = open(&disk).unwrap().end(ADA).unwrap();
    assert!(end > last && end - last <= RESERVED_MAX, "{last} {end}");
}

/// A keystore whose every byte is known, since its random bytes are.
fn golden() -> (Disk, Vec<u8>) {
    let (disk, _) = furnished();
    let mut keystore = open(&disk).unwrap();
    let erasure = keystore.erase(Erasure::new().erase_subject("ada").erase(BO, 1..3));
    assert!(erasure.unwrap().leftover.is_none());
    let sealed = keystore.seal("bo", b"about", b"what version 2 sealed").unwrap();
    assert_eq!((sealed.subject, sealed.index), (BO, 6));
    keystore.close().unwrap();
    (disk, sealed.bytes)
}

/// The files are of version 1, and what is sealed is of version 2.
#[test]
fn golden_bytes() {
    let (disk, sealed) = golden();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = disk.files();
    let is_new = std::env::var_os("KARYON_WRITE_GOLDEN").is_some();
    for (name, bytes) in
        [("v1.master", &files[master()]), ("v1.keys.2", &files[&keys(2)]), ("v2.sealed", &sealed)]
    {
        let path = folder.join(name);
        if is_new {
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(&std::fs::read(&path).unwrap(), bytes, "{name} is not what was written");
    }
}
