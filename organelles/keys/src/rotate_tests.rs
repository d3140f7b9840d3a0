//! Tests of rotations: to their end, cut off after every step, and many at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::list::{KeyInfo, KeyState};
use crate::rotation::follow;

fn place() -> (tempfile::TempDir, KeyDirectory) {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDirectory::at(dir.path());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    keys.load_or_create_node_key().unwrap();
    keys.create_principal("ada").unwrap();
    keys.create_principal("retired").unwrap();
    (dir, keys)
}

fn kinds() -> [KeyKind; 3] {
    [KeyKind::Node, KeyKind::Principal("ada".into()), KeyKind::Principal("retired".into())]
}

fn load(keys: &KeyDirectory, kind: &KeyKind) -> SecretKey {
    match kind {
        KeyKind::Node => keys.load_node_key().unwrap(),
        KeyKind::Principal(name) => keys.load_principal_key(name).unwrap(),
    }
}

fn of(keys: &KeyDirectory, kind: &KeyKind) -> Vec<KeyInfo> {
    let mut all = keys.list().unwrap();
    all.retain(|key| key.kind.as_ref() == Some(kind));
    all
}

#[test]
fn the_old_pair_is_kept_and_names_the_new_one() {
    let (_dir, keys) = place();
    for kind in kinds() {
        let first = load(&keys, &kind).public_key();
        let second = keys.rotate(&kind, &first).unwrap().new;
        let third = keys.rotate(&kind, &second).unwrap().new;
        assert_eq!(load(&keys, &kind).public_key(), third);
        let found = of(&keys, &kind);
        assert_eq!(found.iter().map(|key| key.public).collect::<Vec<_>>(), [third, second, first]);
        assert_eq!(found[0].state, KeyState::Current { rotation_pending: false });
        let rotations: Vec<_> = found
            .iter()
            .filter_map(|key| match &key.state {
                KeyState::Retired { rotation } => rotation.clone(),
                KeyState::Current { .. } => None,
            })
            .collect();
        assert_eq!(follow(first, &rotations).unwrap(), (third, 2));
        for old in [first, second] {
            for (extension, mode) in [("key", 0o600), ("pub", 0o644), ("rotation", 0o644)] {
                let file = fs::metadata(keys.retired_file(&kind, &old, extension)).unwrap();
                assert_eq!(file.permissions().mode() & 0o777, mode, "{extension}");
            }
        }
        let folder = fs::metadata(keys.retired(&kind)).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_log_finds_the_node_key_that_began_it() {
    let (_dir, keys) = place();
    let first = keys.load_node_key().unwrap().public_key();
    let second = keys.rotate(&KeyKind::Node, &first).unwrap().new;
    for key in [first, second] {
        assert_eq!(keys.node_key_for(&key).unwrap().public_key(), key);
    }
    assert_eq!(keys.node_public_keys().unwrap(), (Some(second), vec![first]));
    // Never a principal's, whether it is one or was one.
    let ada = keys.load_principal_public_key("ada").unwrap();
    keys.rotate(&KeyKind::Principal("ada".into()), &ada).unwrap();
    for key in [ada, keys.load_principal_public_key("ada").unwrap()] {
        assert!(matches!(keys.node_key_for(&key), Err(KeyError::NotHere { .. })));
    }
    assert_eq!(keys.node_public_keys().unwrap().1, [first]);

    assert!(matches!(
        keys.destroy_retired(&KeyKind::Node, &second),
        Err(KeyError::Current { public, .. }) if public == second
    ));
    assert!(keys.destroy_retired(&KeyKind::Node, &first).unwrap());
    assert!(!keys.destroy_retired(&KeyKind::Node, &first).unwrap());
    assert!(matches!(keys.node_key_for(&first), Err(KeyError::NotHere { .. })));
    assert_eq!(keys.node_public_keys().unwrap(), (Some(second), vec![first]), "still verifies");
    assert_eq!(keys.node_key_for(&second).unwrap().public_key(), second);
}

#[test]
fn a_retired_secret_is_as_secret() {
    let (_dir, keys) = place();
    let first = keys.load_node_key().unwrap().public_key();
    keys.rotate(&KeyKind::Node, &first).unwrap();
    let path = keys.retired_file(&KeyKind::Node, &first, "key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = keys.node_key_for(&first).unwrap_err();
    assert!(matches!(error, KeyError::ReadableByOthers { mode: 0o640, .. }));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(keys.path().join("node.key"), &path).unwrap();
    assert!(matches!(keys.node_key_for(&first), Err(KeyError::Mismatch { .. })));
    fs::set_permissions(keys.retired(&KeyKind::Node), fs::Permissions::from_mode(0o720)).unwrap();
    let error = keys.node_key_for(&first).unwrap_err();
    assert!(matches!(error, KeyError::WritableByOthers { .. }));
}

/// The number of steps after which the new key is the current one.
fn switched() -> usize {
    ORDER.iter().position(|step| *step == Step::Switch).unwrap() + 1
}

#[test]
fn a_crash_after_any_step_leaves_one_current_key() {
    for kind in kinds() {
        for steps in 0..=ORDER.len() {
            let (_dir, keys) = place();
            let first = load(&keys, &kind).public_key();
            let work = Work::begin(&keys, &kind, &first).unwrap();
            for step in &ORDER[..steps] {
                work.perform(*step).unwrap();
                // A write that is cut off leaves a part of a file under another name.
                let folders = [keys.path().to_owned(), keys.retired(&kind)];
                for folder in folders.iter().filter(|folder| folder.is_dir()) {
                    fs::write(folder.join(format!(".{first}.key.new")), "karyon-sec").unwrap();
                    fs::write(folder.join(".node.pub.new"), "karyon-pub").unwrap();
                }
            }
            let next = work.next.public_key();
            drop(work);

            let current = if steps < switched() { first } else { next };
            let looked_at_first_by_a_reader = steps % 2 == 0;
            if looked_at_first_by_a_reader && kind == KeyKind::Node {
                assert_eq!(keys.load_node_public_key().unwrap(), current);
            }
            assert_eq!(load(&keys, &kind).public_key(), current, "after {steps} steps");
            assert_eq!(keys.public(&kind).unwrap(), current);
            let found = of(&keys, &kind);
            let is_current = |key: &&KeyInfo| matches!(key.state, KeyState::Current { .. });
            assert_eq!(found.iter().filter(is_current).count(), 1, "after {steps} steps");
            assert_eq!(found[0].public, current);
            let pending = (1..switched()).contains(&steps);
            assert_eq!(found[0].state, KeyState::Current { rotation_pending: pending });
            // What a statement names is never a key that nobody has.
            if steps >= switched() {
                assert_eq!(found.len(), 2);
                assert!(found[1].secret);
            } else {
                assert_eq!(found.len(), 1);
            }
            if kind == KeyKind::Node {
                assert_eq!(keys.node_key_for(&first).unwrap().public_key(), first);
            }

            // The next rotation goes on, to the very key that was meant.
            let rotation = keys.rotate(&kind, &current).unwrap();
            assert_eq!(rotation.old, current);
            assert_eq!(rotation.new == next, pending, "after {steps} steps");
            assert_eq!(load(&keys, &kind).public_key(), rotation.new);
            let found = of(&keys, &kind);
            assert_eq!(found[0].state, KeyState::Current { rotation_pending: false });
            let former = if steps < switched() { 1 } else { 2 };
            assert_eq!(found.len(), 1 + former);
        }
    }
}

#[test]
fn of_many_rotations_at_once_one_wins() {
    let (_dir, keys) = place();
    for kind in kinds() {
        let first = load(&keys, &kind).public_key();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| keys.rotate(&kind, &first))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let current = load(&keys, &kind).public_key();
        let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert_eq!(won[0].new, current);
        for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let told = matches!(lost, KeyError::Rotated { from, now, .. }
                if *from == first && *now == current);
            assert!(told, "{lost}");
        }
        assert_eq!(of(&keys, &kind).len(), 2);
    }
}

#[test]
fn whoever_loads_meanwhile_gets_the_old_or_the_new_key() {
    let (_dir, keys) = place();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let done = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut loaded = Vec::new();
                    while !done() {
                        loaded.push(keys.load_node_key().unwrap().public_key());
                        loaded.push(keys.load_node_public_key().unwrap());
                    }
                    loaded
                })
            })
            .collect();
        let mut all = vec![keys.load_node_key().unwrap().public_key()];
        for _ in 0..20 {
            let from = *all.last().unwrap();
            all.push(keys.rotate(&KeyKind::Node, &from).unwrap().new);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            for key in reader.join().unwrap() {
                assert!(all.contains(&key), "{key}");
            }
        }
    });
}

#[test]
fn a_lost_secret_is_not_made_anew_over_its_public_half() {
    let (_dir, keys) = place();
    let first = keys.load_node_public_key().unwrap();
    fs::remove_file(keys.path().join("node.key")).unwrap();
    let error = keys.load_or_create_node_key().unwrap_err();
    let KeyError::Lost { public, retired, .. } = error else { panic!("{error}") };
    assert_eq!(keys.load_node_public_key().unwrap(), first);
    assert!(!keys.list().unwrap()[0].secret);
    // As the message says.
    fs::create_dir(retired.parent().unwrap()).unwrap();
    fs::rename(public, retired).unwrap();
    let (second, _) = keys.load_or_create_node_key().unwrap();
    assert_eq!(keys.node_public_keys().unwrap(), (Some(second.public_key()), vec![first]));
    let found = of(&keys, &KeyKind::Node);
    assert_eq!(found[1].state, KeyState::Retired { rotation: None });
    assert!(!found[1].secret);
}

#[test]
fn what_lies_among_the_retired_is_checked() {
    let (_dir, keys) = place();
    let first = keys.load_node_public_key().unwrap();
    let second = keys.rotate(&KeyKind::Node, &first).unwrap().new;
    let file = |extension| keys.retired_file(&KeyKind::Node, &first, extension);
    let good = fs::read_to_string(file("rotation")).unwrap();
    for text in ["", "x", &good[1..], &good.replace("node\n", "principal ada\n")] {
        fs::write(file("rotation"), text).unwrap();
        assert!(matches!(keys.list(), Err(KeyError::Broken { .. })), "{text:?}");
    }
    fs::write(file("rotation"), good).unwrap();
    keys.list().unwrap();
    fs::write(file("pub"), format!("karyon-public-key-v1 {second}\n")).unwrap();
    assert!(matches!(keys.node_public_keys(), Err(KeyError::Broken { .. })));
}

/// A former key that was carried here is known by its secret file alone; one of which the public
/// file was taken away, so that it is trusted no more, is not.
#[test]
fn a_node_key_that_was_brought_here_alone_is_known() {
    let (_dir, keys) = place();
    let (_other, others) = place();
    let own = keys.load_node_public_key().unwrap();
    let second = keys.rotate(&KeyKind::Node, &own).unwrap().new;
    let foreign = others.load_node_public_key().unwrap();
    let to = keys.retired_file(&KeyKind::Node, &foreign, "key");
    let from = others.path().join("node.key");
    fs::copy(&from, &to).unwrap();
    let mut both = vec![own, foreign];
    both.sort();
    let known = || keys.node_public_keys().map(|(current, retired)| (current, retired.len()));
    let mut retired = keys.node_public_keys().unwrap().1;
    retired.sort();
    assert_eq!(retired, both);
    let listed = keys.list().unwrap();
    let found = listed.iter().find(|key| key.public == foreign).unwrap();
    assert_eq!((found.secret, &found.state), (true, &KeyState::Retired { rotation: None }));
    // Beside its public file it is there once.
    let public = keys.retired_file(&KeyKind::Node, &foreign, "pub");
    fs::copy(others.path().join("node.pub"), public).unwrap();
    assert_eq!(known().unwrap(), (Some(second), 2));
    fs::remove_file(keys.retired_file(&KeyKind::Node, &own, "pub")).unwrap();
    assert_eq!(keys.node_public_keys().unwrap().1, [foreign]);
    // Nor is it taken for another one.
    let wrong = keys.retired_file(&KeyKind::Node, &second, "key");
    fs::copy(from, wrong).unwrap();
    assert!(matches!(known(), Err(KeyError::Broken { .. })));
}

#[test]
fn keys_are_listed_without_secrets() {
    let (_dir, keys) = place();
    keys.set_default_principal("ada").unwrap();
    let all = keys.list().unwrap();
    assert_eq!(all.iter().filter_map(|key| key.kind.clone()).collect::<Vec<_>>(), kinds());
    let seed = keys.load_node_key().unwrap().seed_hex();
    assert!(!format!("{all:?}").contains(&seed));
    assert_eq!(all.iter().map(|key| key.default).collect::<Vec<_>>(), [false, true, false]);
    assert!(all.iter().all(|key| key.secret && key.created_unix_ms.is_some()));
}
