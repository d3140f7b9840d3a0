//! Tests of the kept checkpoints.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use karyon_identity::SecretKey;

use super::*;

const LOG: LogId = LogId([0xab; 16]);

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

fn note(log: LogId, key: &SecretKey, size: u64, root: u8) -> String {
    Checkpoint { origin: origin(log), size, root: [root; 32] }.to_note(key).unwrap()
}

fn place() -> (tempfile::TempDir, KnownCheckpoints) {
    let dir = tempfile::tempdir().unwrap();
    let known = KnownCheckpoints::at(dir.path().join("karyon/checkpoints"));
    (dir, known)
}

#[test]
fn only_what_is_not_smaller_takes_the_place() {
    let (_dir, known) = place();
    let (key, public) = (secret(1), secret(1).public_key());
    assert_eq!(known.load(LOG, &[public]).unwrap(), None);
    for (size, root, kept, newest) in [
        (5, 1, true, (5, 1)),
        (4, 2, false, (5, 1)),
        (5, 1, true, (5, 1)),
        (5, 2, false, (5, 1)),
        (0, 0, false, (5, 1)),
        (9, 3, true, (9, 3)),
    ] {
        let text = note(LOG, &key, size, root);
        assert_eq!(known.keep(LOG, &public, &text).unwrap(), kept, "{size} {root}");
        let found = known.load(LOG, &[public]).unwrap().unwrap();
        assert_eq!((found.checkpoint.size, found.checkpoint.root), (newest.0, [newest.1; 32]));
        assert_eq!(fs::read_to_string(known.path(LOG)).unwrap(), found.text);
    }
    assert_eq!(known.path(LOG).file_name().unwrap(), "ab".repeat(16).as_str());
    let mode = fs::metadata(known.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn evidence_is_never_passed_over() {
    let (_dir, known) = place();
    let (key, public) = (secret(1), secret(1).public_key());
    let text = note(LOG, &key, 5, 1);
    known.keep(LOG, &public, &text).unwrap();
    let broken = |error: KeyError| error.is_broken_checkpoint();
    for changed in [
        String::new(),
        text[1..].into(),
        text.replace("\n5\n", "\n4\n"),
        note(LogId([1; 16]), &key, 5, 1),
        note(LOG, &secret(2), 5, 1),
        "x".repeat(100_000),
    ] {
        fs::write(known.path(LOG), &changed).unwrap();
        assert!(known.load(LOG, &[public]).is_err_and(broken), "{changed:.80}");
        assert!(known.keep(LOG, &public, &note(LOG, &key, 9, 1)).is_err_and(broken));
        assert_eq!(fs::read_to_string(known.path(LOG)).unwrap(), changed);
        fs::write(known.path(LOG), &text).unwrap();
        if !changed.is_empty() {
            assert!(known.keep(LOG, &public, &changed).is_err_and(broken), "{changed:.80}");
        }
    }
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        fs::write(known.path(LOG), &bytes).unwrap();
        assert!(known.load(LOG, &[public]).is_err_and(broken), "byte {at}");
    }
}

#[test]
fn it_may_be_signed_by_any_of_the_keys() {
    let (_dir, known) = place();
    let (one, two) = (secret(1).public_key(), secret(2).public_key());
    known.keep(LOG, &two, &note(LOG, &secret(2), 5, 1)).unwrap();
    assert_eq!(known.load(LOG, &[one, two]).unwrap().unwrap().checkpoint.size, 5);
    assert!(known.load(LOG, &[one]).is_err());
    assert!(known.load(LOG, &[]).is_err());
}

#[test]
fn a_folder_in_which_others_may_write_is_no_evidence() {
    let (_dir, known) = place();
    known.create().unwrap();
    fs::set_permissions(known.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = known.load(LOG, &[secret(1).public_key()]).unwrap_err();
    assert!(matches!(error, KeyError::WritableByOthers { .. }), "{error}");
}

#[test]
fn the_logs_of_a_key() {
    let (_dir, known) = place();
    let (one, two) = (secret(1), secret(2));
    assert_eq!(known.logs_of(&one.public_key()).unwrap(), []);
    let log = |n| LogId([n; 16]);
    for (n, key) in [(3, &one), (1, &one), (2, &two)] {
        known.keep(log(n), &key.public_key(), &note(log(n), key, 1, 1)).unwrap();
    }
    fs::write(known.folder().join("notes.txt"), "mine").unwrap();
    fs::write(known.path(log(9)), "broken").unwrap();
    assert_eq!(known.logs_of(&one.public_key()).unwrap(), [log(1), log(3)]);
    assert_eq!(known.logs_of(&two.public_key()).unwrap(), [log(2)]);
}
