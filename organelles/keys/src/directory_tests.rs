//! Tests of the key directory, on real files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::file::EXPECTED_SECRET;

fn directory() -> (tempfile::TempDir, KeyDirectory) {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDirectory::at(dir.path().join("config/karyon"));
    (dir, keys)
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_node_key_is_made_once() {
    let (_dir, keys) = directory();
    assert!(matches!(keys.load_node_key(), Err(KeyError::Missing { kind: KeyKind::Node, .. })));
    let (key, created) = keys.load_or_create_node_key().unwrap();
    assert_eq!(created, Created::Now);
    let (again, created) = keys.load_or_create_node_key().unwrap();
    assert_eq!((again.public_key(), created), (key.public_key(), Created::Before));
    assert_eq!(keys.load_node_key().unwrap().public_key(), key.public_key());
    assert_eq!(keys.load_node_public_key().unwrap(), key.public_key());

    assert_eq!(mode(keys.path()), 0o700);
    assert_eq!(mode(keys.path().join("node.key")), 0o600);
    let text = fs::read_to_string(keys.path().join("node.key")).unwrap();
    assert_eq!(text, format!("karyon-secret-key-v1 {}\n", key.seed_hex()));
    let text = fs::read_to_string(keys.path().join("node.pub")).unwrap();
    assert_eq!(text, format!("karyon-public-key-v1 {}\n", key.public_key()));
}

#[test]
fn all_who_make_a_node_key_at_once_get_the_same() {
    let (_dir, keys) = directory();
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| keys.load_or_create_node_key().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|(_, created)| *created == Created::Now).count(), 1);
    assert!(made.iter().all(|(key, _)| key.public_key() == made[0].0.public_key()));
}

#[test]
fn principals_are_made_and_never_overwritten() {
    let (_dir, keys) = directory();
    let ada = keys.create_principal("ada").unwrap();
    let bob = keys.create_principal("bob").unwrap();
    assert_ne!(ada, bob);
    match keys.create_principal("ada") {
        Err(KeyError::Exists { kind, path }) => {
            assert_eq!(kind, KeyKind::Principal("ada".into()));
            assert_eq!(path, keys.path().join("principals/ada.key"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(keys.load_principal_key("ada").unwrap().public_key(), ada);
    assert_eq!(keys.load_principal_public_key("bob").unwrap(), bob);
    assert_eq!(mode(keys.path().join("principals")), 0o700);
    assert_eq!(mode(keys.path().join("principals/ada.key")), 0o600);
    assert!(matches!(keys.load_principal_key("eve"), Err(KeyError::Missing { .. })));
    for name in ["", "../ada", ".ada", "a b"] {
        assert!(matches!(keys.create_principal(name), Err(KeyError::Name { .. })), "{name:?}");
        assert!(matches!(keys.load_principal_key(name), Err(KeyError::Name { .. })), "{name:?}");
    }
}

#[test]
fn the_default_principal_exists() {
    let (_dir, keys) = directory();
    assert_eq!(keys.default_principal().unwrap(), None);
    assert!(matches!(keys.set_default_principal("ada"), Err(KeyError::Missing { .. })));
    keys.create_principal("ada").unwrap();
    keys.create_principal("bob").unwrap();
    keys.set_default_principal("ada").unwrap();
    keys.set_default_principal("bob").unwrap();
    assert_eq!(keys.default_principal().unwrap().as_deref(), Some("bob"));
    for text in ["bob", "karyon-default-principal-v1 ../x\n", ""] {
        fs::write(keys.path().join("default-principal"), text).unwrap();
        assert!(matches!(keys.default_principal(), Err(KeyError::Broken { .. })), "{text:?}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let (_dir, keys) = directory();
    keys.load_or_create_node_key().unwrap();
    let path = keys.path().join("node.key");
    for bits in [0o640, 0o604, 0o644, 0o610, 0o602] {
        set_mode(&path, bits);
        let error = keys.load_or_create_node_key().unwrap_err();
        assert!(matches!(error, KeyError::ReadableByOthers { mode, .. } if mode == bits));
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())));
    }
    set_mode(&path, 0o400);
    keys.load_node_key().unwrap();
}

#[test]
fn a_directory_in_which_others_may_write_is_refused() {
    let (_dir, keys) = directory();
    keys.create_principal("ada").unwrap();
    for path in [keys.path().to_owned(), keys.path().join("principals")] {
        set_mode(&path, 0o730);
        for error in
            [keys.load_principal_key("ada").unwrap_err(), keys.create_principal("bob").unwrap_err()]
        {
            assert!(matches!(error, KeyError::WritableByOthers { mode: 0o730, .. }), "{error}");
        }
        set_mode(&path, 0o755);
    }
    keys.load_principal_key("ada").unwrap();
}

#[test]
fn broken_files_are_named_and_kept() {
    let (_dir, keys) = directory();
    let (key, _) = keys.load_or_create_node_key().unwrap();
    let path = keys.path().join("node.key");
    let good = fs::read_to_string(&path).unwrap();
    let seed = key.seed_hex();
    for text in [
        String::new(),
        seed.clone(),
        format!("karyon-secret-key-v1 {seed}"),
        format!("karyon-secret-key-v2 {seed}\n"),
        format!("karyon-secret-key-v1  {seed}\n"),
        format!("karyon-secret-key-v1 {}\n", &seed[1..]),
        format!("karyon-secret-key-v1 {}\n", "0".repeat(64)),
        format!("{good}\n"),
        format!("{good}{good}"),
        "x".repeat(100_000),
    ] {
        fs::write(&path, &text).unwrap();
        let error = keys.load_or_create_node_key().unwrap_err();
        assert!(
            matches!(&error, KeyError::Broken { path: p, expected: EXPECTED_SECRET } if *p == path),
            "{text:?}: {error}"
        );
        assert!(!error.to_string().contains(&seed));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, good).unwrap();
    keys.load_node_key().unwrap();

    let public = keys.path().join("node.pub");
    fs::write(&public, format!("karyon-public-key-v1 {}\n", "0".repeat(64))).unwrap();
    assert!(matches!(keys.load_node_key(), Err(KeyError::Broken { path, .. }) if path == public));
    fs::remove_file(&public).unwrap();
    fs::create_dir(&public).unwrap();
    assert!(matches!(keys.load_node_key(), Err(KeyError::Broken { path, .. }) if path == public));
}

#[test]
fn a_public_file_that_a_crash_left_out_is_written_again() {
    let (_dir, keys) = directory();
    let ada = keys.create_principal("ada").unwrap();
    let path = keys.path().join("principals/ada.pub");
    fs::remove_file(&path).unwrap();
    assert!(matches!(keys.load_principal_public_key("ada"), Err(KeyError::Missing { .. })));
    assert!(matches!(keys.create_principal("ada"), Err(KeyError::Exists { .. })));
    keys.load_principal_key("ada").unwrap();
    assert_eq!(keys.load_principal_public_key("ada").unwrap(), ada);
}

#[test]
fn a_public_file_of_another_key_is_refused() {
    let (_dir, keys) = directory();
    keys.create_principal("ada").unwrap();
    keys.create_principal("bob").unwrap();
    let principals = keys.path().join("principals");
    fs::copy(principals.join("bob.pub"), principals.join("ada.pub")).unwrap();
    assert!(matches!(keys.load_principal_key("ada"), Err(KeyError::Mismatch { .. })));
}
