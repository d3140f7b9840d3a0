//! Tests of the registry: what is not the directory that this machine knows does not start.

use super::*;
use crate::test_place::Place;
use crate::{EventKind, SafetyLog, admit, replace};

fn begun() -> (Place, Entry) {
    let place = Place::new();
    let entry = Entry::begin(&place.data, &place.config, 5).unwrap();
    (place, entry)
}

fn refused(data: &Path, place: &Place) -> String {
    admit(data, &place.config).unwrap_err().why().to_owned()
}

const UNKNOWN: &str = "this machine has never run it";
const COPIED: &str = "it is a copy, or was moved";

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
        assert!(is_new(&place.data), "{name}");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let error = Entry::begin(&place.data, &place.config, 5).unwrap_err();
        let data = place.data.clone();
        assert_eq!((error.path, error.source.kind()), (data, io::ErrorKind::AlreadyExists));
        assert!(!place.config.exists());
    }
}

#[test]
fn an_entry_is_what_was_stored() {
    let (place, mut entry) = begun();
    entry.n = u64::MAX;
    entry.log_head = [9; 32];
    entry.windows = "asks 1 2\n\ttasks\\ é\n".into();
    entry.nonces = vec![[1; 16], [7; 16]];
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
        clear: true,
        last_unix_s: 4,
        log_head: [0xab; 32],
        nonces: vec![[1; 16], [2; 16]],
        windows: "a\nb".into(),
        path: PathBuf::from("x"),
    };
    let body = format!(
        "karyon-directory-v1\ndevice 1\ninode 2\nn 3\nclear true\nlast 4\nlog {}\nnonces {} {}\nwindows a\\nb\n",
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
        assert_eq!(Entry::decode(&text, Path::new("x")), Err(FORM.into()), "{bad}");
    }
}

#[test]
fn every_flipped_bit_keeps_it_from_starting() {
    let (place, mut entry) = begun();
    entry.nonces.push([3; 16]);
    entry.store().unwrap();
    for path in [place.entry(), place.data.join("safety/identity")] {
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            let why = refused(&place.data, &place);
            assert!(why.contains(" is broken: ") || why == UNKNOWN, "{bit}: {why}");
        }
        fs::write(&path, good).unwrap();
    }
    admit(&place.data, &place.config).unwrap();
}

#[test]
fn a_directory_that_this_machine_never_ran() {
    let (place, _) = begun();
    assert_eq!(admit(&place.data, Path::new("/nowhere")).unwrap_err().why(), UNKNOWN);
    fs::remove_file(place.data.join("safety/identity")).unwrap();
    assert_eq!(refused(&place.data, &place), UNKNOWN);
}

#[test]
fn a_copy_is_not_the_directory_and_a_renamed_one_is() {
    let (place, entry) = begun();
    let copy = place.copy("copy");
    assert_eq!(refused(&copy, &place), COPIED);
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
    assert_eq!(refused(&moved, &place), COPIED);
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
    let why = refused(&place.data, &place);
    assert!(why.ends_with("its marker has number 0, this machine knows 1"), "{why}");

    entry.store().unwrap();
    fs::write(&marker, new).unwrap();
    entry.n = 0;
    entry.store().unwrap();
    let why = refused(&place.data, &place);
    assert!(why.ends_with("its marker has number 1, this machine knows 0"), "{why}");
}

/// The number alone does not tell: a halt keeps it.
#[test]
fn a_marker_that_is_put_back_is_seen() {
    let (place, mut entry) = begun();
    entry.clear = false;
    entry.store().unwrap();
    let why = refused(&place.data, &place);
    assert!(why.contains("its marker was put back"), "{why}");
}

#[test]
fn a_safety_log_that_ends_elsewhere_is_seen() {
    let (place, mut entry) = begun();
    let append = |reason| {
        SafetyLog::append(&place.data, EventKind::SafetyHalt, reason, "g", false, 0).unwrap()
    };
    entry.log_head = append("one");
    entry.store().unwrap();
    admit(&place.data, &place.config).unwrap();
    let path = SafetyLog::path(&place.data);
    let good = fs::read(&path).unwrap();
    let head = "its safety log is broken: it does not end where this machine saw it end";
    append("two");
    assert_eq!(refused(&place.data, &place), head);
    place.overwrite(&path, &good[..good.len() - 3]);
    assert_eq!(refused(&place.data, &place), head);
    place.overwrite(&path, b"");
    assert_eq!(refused(&place.data, &place), head);
    fs::remove_file(&path).unwrap();
    assert_eq!(refused(&place.data, &place), head);
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
