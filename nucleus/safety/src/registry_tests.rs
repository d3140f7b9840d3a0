//! Tests of the registry: what is not the directory that this machine knows does not start.

use super::*;
use crate::test_place::Place;
use crate::{EventKind, SafeMode, SafetyLog, admit, replace, resume};

fn begun() -> (Place, Entry) {
    let place = Place::new();
    let entry = Entry::begin(&place.data, &place.config, 5).unwrap();
    (place, entry)
}

fn mode(data: &Path, place: &Place) -> SafeMode {
    admit(data, &place.config).unwrap_err()
}

#[test]
fn a_directory_begins_once() {
    let (place, entry) = begun();
    assert_eq!(admit(&place.data, &place.config), Ok(entry.clone()));
    assert_eq!((entry.n, entry.last_unix_s, entry.log_head), (0, 5, [0; 32]));
    let mode = fs::metadata(place.entry()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::metadata(&place.config).unwrap().mode() & 0o777, 0o700);
    // One that was begun half: the marker comes last.
    fs::remove_file(place.data.join("safety/marker")).unwrap();
    Entry::begin(&place.data, &place.config, 6).unwrap();
    for name in ["safety/marker", "log", "logs/safety_events.jsonl"] {
        let place = Place::new();
        let path = place.data.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let error = Entry::begin(&place.data, &place.config, 5).unwrap_err();
        assert_eq!((error.path, error.source.kind()), (path, io::ErrorKind::AlreadyExists));
        assert!(!place.config.exists());
    }
}

#[test]
fn an_entry_is_what_was_stored() {
    let (place, mut entry) = begun();
    entry.n = u64::MAX;
    entry.log_head = [9; 32];
    entry.windows = "asks 1 2\n\ttasks\\ é\n".into();
    for number in 0..=255 {
        entry.use_nonce([number; 16]);
    }
    entry.use_nonce([7; 16]);
    assert_eq!((entry.nonces.len(), entry.nonces[0]), (MAX_NONCES, [1; 16]));
    entry.store().unwrap();
    assert_eq!(Entry::load(&place.data, &place.config), Ok(Some(entry.clone())));
    entry.windows = "x".repeat(MAX_WINDOWS_BYTES);
    entry.store().unwrap();
    entry.windows.push('x');
    assert_eq!(entry.store().unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
    let stored = Entry::load(&place.data, &place.config).unwrap().unwrap();
    assert_eq!(stored.windows.len(), MAX_WINDOWS_BYTES);
}

#[test]
fn golden_text() {
    let entry = Entry {
        device: 1,
        inode: 2,
        n: 3,
        last_unix_s: 4,
        log_head: [0xab; 32],
        nonces: vec![[1; 16], [2; 16]],
        windows: "a\nb".into(),
        path: PathBuf::from("x"),
    };
    let body = format!(
        "karyon-directory-v1\ndevice 1\ninode 2\nn 3\nlast 4\nlog {}\nnonces {} {}\nwindows a\\nb\n",
        "ab".repeat(32),
        "01".repeat(16),
        "02".repeat(16)
    );
    assert_eq!(entry.encode(), seal(&body));
    assert_eq!(Entry::decode(&entry.encode(), Path::new("x")), Ok(entry));
    for (good, bad) in
        [("n 3", "n 03"), ("nonces ", "nonces  "), ("device", "Device"), ("v1", "v2")]
    {
        let text = seal(&body.replacen(good, bad, 1));
        assert_eq!(Entry::decode(&text, Path::new("x")), Err(Damage::Form), "{bad}");
    }
}

#[test]
fn every_flipped_bit_keeps_it_from_starting() {
    let (place, mut entry) = begun();
    entry.use_nonce([3; 16]);
    entry.store().unwrap();
    for path in [place.entry(), place.data.join("safety/identity")] {
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            let mode = mode(&place.data, &place);
            assert!(matches!(mode, SafeMode::Registry(_) | SafeMode::Unknown), "{bit}: {mode}");
        }
        fs::write(&path, good).unwrap();
    }
    admit(&place.data, &place.config).unwrap();
}

#[test]
fn a_directory_that_this_machine_never_ran() {
    let (place, _) = begun();
    assert_eq!(admit(&place.data, Path::new("/nowhere")), Err(SafeMode::Unknown));
    fs::remove_file(place.data.join("safety/identity")).unwrap();
    assert_eq!(mode(&place.data, &place), SafeMode::Unknown);
    // One that ran without a guardian has no identity either.
    let resumed = resume(place.request("mine")).unwrap();
    assert_eq!(resumed.before, "this machine has never run it");
    assert_eq!(admit(&place.data, &place.config).unwrap().n, 1);
}

#[test]
fn a_copy_gets_an_identity_of_its_own() {
    let (place, mut entry) = begun();
    entry.windows = "tasks 9".into();
    entry.use_nonce([1; 16]);
    entry.store().unwrap();
    let copy = place.copy("copy");
    assert_eq!(mode(&copy, &place), SafeMode::Copied);
    resume(crate::ResumeRequest { data: &copy, ..place.request("a copy") }).unwrap();
    let of_copy = admit(&copy, &place.config).unwrap();
    assert_eq!((of_copy.n, of_copy.windows, of_copy.nonces), (1, "tasks 9".into(), vec![[1; 16]]));
    // The original goes on as before.
    assert_eq!(admit(&place.data, &place.config), Ok(entry));

    // Renamed it is the same directory; another one in its place is not.
    let moved = place.data.with_file_name("moved");
    fs::rename(&place.data, &moved).unwrap();
    admit(&moved, &place.config).unwrap();
    fs::rename(moved.join("safety"), moved.join("away")).unwrap();
    fs::create_dir(moved.join("safety")).unwrap();
    for name in ["marker", "identity"] {
        fs::copy(moved.join("away").join(name), moved.join("safety").join(name)).unwrap();
    }
    assert_eq!(mode(&moved, &place), SafeMode::Copied);
}

#[test]
fn an_older_or_newer_state_is_seen() {
    let (place, mut entry) = begun();
    let marker = place.data.join("safety/marker");
    let old = fs::read(&marker).unwrap();
    replace(&place.data, &Marker::Running { n: 0 }).unwrap();
    (entry.n, entry.last_unix_s) = (1, 6);
    entry.store().unwrap();
    replace(&place.data, &Marker::Clear { n: 1 }).unwrap();
    admit(&place.data, &place.config).unwrap();
    let new = fs::read(&marker).unwrap();
    fs::write(&marker, old).unwrap();
    assert_eq!(mode(&place.data, &place), SafeMode::RolledBack { known: 1, found: 0 });
    assert_eq!(resume(place.request("put back on purpose")).unwrap().n, 2);

    entry.store().unwrap();
    fs::write(&marker, new).unwrap();
    entry.n = 0;
    entry.store().unwrap();
    assert_eq!(mode(&place.data, &place), SafeMode::RolledBack { known: 0, found: 1 });
}

#[test]
fn a_safety_log_that_ends_elsewhere_is_seen() {
    let (place, mut entry) = begun();
    let append = |reason| {
        SafetyLog::append(&place.data, EventKind::SafetyHalt, reason, "a", "g", false, 0).unwrap()
    };
    entry.log_head = append("one");
    entry.store().unwrap();
    admit(&place.data, &place.config).unwrap();
    let path = SafetyLog::path(&place.data);
    let good = fs::read(&path).unwrap();
    let head = SafeMode::SafetyLog { why: Damage::Head };
    append("two");
    assert_eq!(mode(&place.data, &place), head);
    place.overwrite(&path, &good[..good.len() - 3]);
    assert_eq!(mode(&place.data, &place), head);
    place.overwrite(&path, b"");
    assert_eq!(mode(&place.data, &place), head);
    fs::remove_file(&path).unwrap();
    assert_eq!(mode(&place.data, &place), head);
    resume(place.request("the log was lost")).unwrap();
    admit(&place.data, &place.config).unwrap();
}

#[test]
fn the_environment_names_the_place() {
    type Variables = &'static [(&'static str, &'static str)];
    let check = |variables: Variables, expected: Option<&str>| {
        let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        assert_eq!(locate(get), expected.map(PathBuf::from), "{variables:?}");
    };
    check(&[("KARYON_CONFIG_HOME", "/k"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")], Some("/k"));
    check(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")], Some("/x/karyon"));
    check(&[("HOME", "/h")], Some("/h/.config/karyon"));
    check(
        &[("KARYON_CONFIG_HOME", ""), ("XDG_CONFIG_HOME", "x"), ("HOME", "/h")],
        Some("/h/.config/karyon"),
    );
    check(&[("HOME", "")], None);
    check(&[], None);
}
