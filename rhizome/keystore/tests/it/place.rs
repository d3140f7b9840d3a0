//! What lies where, with which rights, and what is not touched.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use karyon_keystore::{Erasure, Keystore, KeystoreError, Subject, SubjectId, id_in};

use crate::{LOG, Place, erase};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn two_files_that_nobody_else_may_read() {
    let place = Place::new();
    let folder = place.data().join("keystore");
    let mut keystore = place.create();
    let sealed = keystore.seal("ada", b"about", b"a memory").unwrap();
    for generation in 1..4 {
        assert_eq!(names(&folder), [format!("keys.{generation}")]);
        assert_eq!(names(place.master().parent().unwrap()), ["master"]);
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&place.keys(generation)), 0o600);
        assert_eq!(mode(&place.master()), 0o600);
        let other = keystore.seal("bo", b"", b"of somebody else").unwrap();
        let index = other.index..other.index + 1;
        erase(&mut keystore, Erasure::new().erase(other.subject, index));
    }
    drop(keystore);
    let found = place.open().unseal(sealed.subject, sealed.index, b"about", &sealed.bytes);
    assert_eq!(found.unwrap(), b"a memory");
}

/// What editors, file systems and backups leave in a folder.
#[test]
fn what_is_not_called_as_ours_is_neither_read_nor_touched() {
    let place = Place::new();
    let folder = place.data().join("keystore");
    let mut keystore = place.create();
    let sealed = keystore.seal("ada", b"about", b"a memory").unwrap();
    drop(keystore);
    let strays = [
        ".nfs000000000001",
        "keys.1~",
        "#keys.1#",
        ".keys.1.swp",
        "keys.1.bak",
        "keys.bak",
        "keys.01",
        "keys.+2",
        "keys.",
        "keys",
        "keys.99999999999999999999",
        ".keys.1.new~",
    ];
    for name in strays {
        fs::write(folder.join(name), "not ours").unwrap();
    }
    let odd = std::ffi::OsStr::from_bytes(b"keys.\xff");
    fs::write(folder.join(odd), "not ours").unwrap();
    for name in ["lost+found", "keys.7", "keys.0"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    assert_eq!(id_in(&place.data()).unwrap(), Some(LOG));
    place.open_read_only().unseal(sealed.subject, 0, b"about", &sealed.bytes).unwrap();
    let mut keystore = place.open();
    keystore.seal("bo", b"", b"more").unwrap();
    erase(&mut keystore, Erasure::new().erase_subject("bo"));
    keystore.close().unwrap();
    place.open().unseal(sealed.subject, 0, b"about", &sealed.bytes).unwrap();
    for name in strays.map(std::ffi::OsStr::new).into_iter().chain([odd]) {
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"not ours", "{name:?}");
    }
    assert!(folder.join("keys.7").is_dir());
    // What is called as ours is, and may be of a later version: it is named, and stays.
    for (name, bytes) in [("keys.3", &b"KARYONK2 of somebody later"[..]), ("keys.4", b"")] {
        fs::write(folder.join(name), bytes).unwrap();
        let told = id_in(&place.data()).unwrap_err().to_string();
        assert!(told.contains(name) && told.contains("put it aside"), "{told}");
        assert_eq!(fs::read(folder.join(name)).unwrap(), bytes);
        fs::remove_file(folder.join(name)).unwrap();
    }
    symlink("/nowhere", place.keys(3)).unwrap();
    let told = id_in(&place.data()).unwrap_err().to_string();
    assert!(told.contains("keys.3: it is not a regular file"), "{told}");
    fs::remove_file(place.keys(3)).unwrap();
    fs::write(place.keys(4), "later").unwrap();
    let opened = Keystore::open(&place.data(), &place.master(), LOG);
    assert!(matches!(opened, Err(KeystoreError::Generation { generation: 2, .. })), "{opened:?}");
}

#[test]
fn a_master_key_that_others_may_read_is_refused() {
    let place = Place::new();
    drop(place.create());
    for mode in [0o640, 0o604, 0o601] {
        fs::set_permissions(place.master(), fs::Permissions::from_mode(mode)).unwrap();
        let opened = Keystore::open(&place.data(), &place.master(), LOG);
        assert!(
            matches!(opened, Err(KeystoreError::ReadableByOthers { mode: found, .. }) if found == mode)
        );
    }
    fs::set_permissions(place.master(), fs::Permissions::from_mode(0o400)).unwrap();
    place.open();
}

#[test]
fn a_master_key_inside_of_the_data_is_refused_however_it_is_named() {
    let place = Place::new();
    symlink(place.data(), place.folder.path().join("link")).unwrap();
    for inside in ["data/master", "config/../data/master", "link/master"] {
        let master = place.folder.path().join(inside);
        let made = Keystore::create(&place.data(), &master, LOG);
        assert!(matches!(made, Err(KeystoreError::MasterInside { .. })), "{inside}");
    }
    assert_eq!(names(&place.data()), [""; 0]);
}

#[test]
fn a_link_is_neither_followed_nor_overwritten() {
    let place = Place::new();
    let mut keystore = place.create();
    keystore.seal("ada", b"", b"x").unwrap();
    drop(keystore);
    let mine = place.folder.path().join("mine");
    fs::write(&mine, "what is mine").unwrap();
    // In the place of what an erasure that was cut off would have left.
    symlink(&mine, place.keys(2)).unwrap();
    let opened = Keystore::open(&place.data(), &place.master(), LOG);
    assert!(matches!(opened, Err(KeystoreError::Io { .. })));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "what is mine");
    fs::remove_file(place.keys(2)).unwrap();
    // In the place of the master: an erasure would leave what it leads to.
    let moved = place.folder.path().join("moved");
    fs::rename(place.master(), &moved).unwrap();
    symlink(&moved, place.master()).unwrap();
    let opened = Keystore::open(&place.data(), &place.master(), LOG);
    assert!(matches!(opened, Err(KeystoreError::Io { .. })));
}

#[test]
fn what_is_not_ours_stays() {
    let place = Place::new();
    drop(place.create());
    let folder = place.data().join("keystore");
    let others = ["keys", "keys.", "keys.01", "keys.2.new", "keys.x", "note", ".keys.new"];
    for name in others {
        fs::write(folder.join(name), "mine").unwrap();
    }
    for name in ["keys.0", "keys.2", ".keys.1.new", ".keys.2.new"] {
        fs::write(folder.join(name), "left").unwrap();
    }
    fs::write(place.master().with_file_name(".master.new"), "left").unwrap();
    place.open_read_only();
    assert_eq!(names(&folder).len(), 12);
    place.open();
    let mut expected: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
    expected.push("keys.1".to_owned());
    expected.sort();
    assert_eq!(names(&folder), expected);
    assert_eq!(names(place.master().parent().unwrap()), ["master"]);
    assert!(others.iter().all(|name| fs::read_to_string(folder.join(name)).unwrap() == "mine"));
}

#[test]
fn folders_that_are_not_there_are_named() {
    let place = Place::new();
    let nowhere = place.folder.path().join("nowhere");
    let made = Keystore::create(&place.data(), &nowhere.join("master"), LOG);
    assert!(matches!(made, Err(KeystoreError::Io { path, .. }) if path.starts_with(&nowhere)));
    let opened = Keystore::open(&nowhere, &place.master(), LOG);
    assert!(matches!(opened, Err(KeystoreError::NotMade { .. })));
    drop(Keystore::create(&place.data(), &place.master(), LOG).unwrap());
    let opened = Keystore::open(&place.data(), &nowhere.join("master"), LOG);
    assert!(matches!(opened, Err(KeystoreError::MasterMissing { .. })));
}

#[test]
fn the_name_of_whom_was_erased_is_in_no_file() {
    let place = Place::new();
    let mut keystore = place.create();
    let name = "Ada, Countess of Lovelace";
    keystore.seal(name, b"", b"wrote the first program").unwrap();
    erase(&mut keystore, Erasure::new().erase_subject(name));
    drop(keystore);
    for path in [place.keys(2), place.master()] {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(name.len()).any(|part| part == name.as_bytes()));
    }
    let mut keystore = place.open();
    assert_eq!(keystore.subject(name), Subject::Erased(SubjectId(1)));
    assert_eq!(keystore.subjects().count(), 0);
    let again = keystore.seal(name, b"", b"and the second");
    assert!(matches!(again, Err(KeystoreError::SubjectErased { subject: SubjectId(1) })));
    assert_eq!(keystore.seal("ada", b"", b"x").unwrap().subject, SubjectId(2));
    // Nothing secret is shown.
    let shown = format!("{keystore:?}");
    assert!(shown.contains("generation: 2") && !shown.contains("Secret"), "{shown}");
}

#[test]
fn many_threads_read_what_was_sealed() {
    let place = Place::new();
    let mut keystore = place.create();
    let seal = |number: u32| {
        let name = ["ada", "bo", "cy"][number as usize % 3];
        keystore.seal(name, &number.to_le_bytes(), format!("{name} {number}").as_bytes()).unwrap()
    };
    let sealed: Vec<_> = (0..600).map(seal).collect();
    let (keystore, sealed) = (&keystore, &sealed);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            scope.spawn(move || {
                for turn in 0..2_000u32 {
                    let number = (turn * (2 * thread + 1)) % 600;
                    let one = &sealed[number as usize];
                    let name = ["ada", "bo", "cy"][number as usize % 3];
                    let found =
                        keystore.unseal(one.subject, one.index, &number.to_le_bytes(), &one.bytes);
                    assert_eq!(found.unwrap(), format!("{name} {number}").as_bytes());
                }
            });
        }
    });
}
