//! Exports that somebody made with care: every hash fits, and they are refused all the same.

use std::fs;

use karyon_exit::{FileEntry, ImportError, Manifest};
use karyon_identity::SecretKey;

use crate::support::{Pieces, Place, digits, header, key, seal_header};

fn exported(place: &Place, key: Option<&SecretKey>) -> Pieces {
    place.export("d", key, "d.tar");
    Pieces::of(&fs::read(place.path("d.tar")).unwrap())
}

/// Puts a file in front of the list of hashes, and into the manifest.
fn add(pieces: &mut Pieces, name: &str, content: &[u8]) {
    let before = pieces.at("SHA256SUMS");
    pieces.0.insert(before, (header(name, content.len()), content.to_vec()));
    let entry =
        FileEntry { name: name.into(), bytes: content.len() as u64, sha256: digits(content) };
    pieces.mend(None, |manifest| manifest.files.push(entry));
}

#[test]
fn the_forger_of_these_tests_makes_what_is_taken_in() {
    let place = Place::new();
    let mut pieces = exported(&place, None);
    let before = pieces.bytes();
    pieces.mend(None, |_| ());
    assert!(pieces.bytes() == before);
    // Words are for readers: nobody takes them in, and nobody compares them with the log.
    pieces.put("README.txt", b"other words\n");
    pieces.mend(None, |_| ());
    fs::write(place.path("words.tar"), pieces.bytes()).unwrap();
    place.import("words.tar", "new").unwrap();
    assert!(!place.path("new/README.txt").exists());
}

#[test]
fn names_that_leave_the_folder_or_are_none() {
    let place = Place::new();
    let pieces = exported(&place, None);
    for name in [
        "../x",
        "/tmp/x",
        "log/../../x",
        "inputs/../../x",
        "inputs/..",
        "inputs/a/b",
        "safety/marker",
        "safety/STOP",
        "keystore/keys.1",
        "memory/graph.redb",
        "lock",
        "log/spare.log",
        "log/00000000.log/",
        "manifest.json",
        "node.key",
    ] {
        let mut pieces = pieces.clone();
        add(&mut pieces, name, b"forged");
        let error = place.refuses(&pieces.bytes(), name);
        assert!(matches!(error, ImportError::Damaged { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains("no export holds"), "{name}: {error}");
    }
}

#[test]
fn what_the_log_does_not_name_and_what_comes_twice() {
    let place = Place::new();
    let pieces = exported(&place, None);
    let mut stray = pieces.clone();
    add(&mut stray, "inputs/more", b"forged");
    let error = place.refuses(&stray.bytes(), "an input of nobody's");
    assert!(error.to_string().contains("the log names no such input"), "{error}");
    for name in ["inputs/contacts", "log/00000000.log", "README.txt"] {
        let mut twice = pieces.clone();
        let content = pieces.content(name).to_vec();
        add(&mut twice, name, &content);
        let error = place.refuses(&twice.bytes(), name);
        assert!(error.to_string().contains("twice"), "{error}");
    }
    // A segment of nobody's, and a log without its beginning.
    let mut more = pieces.clone();
    add(&mut more, "log/00000001.log", &[7; 8192]);
    place.refuses(&more.bytes(), "a segment behind the end");
    let mut less = pieces.clone();
    less.remove("log/00000000.log");
    let mut manifest = less.manifest();
    manifest.files.retain(|file| file.name != "log/00000000.log");
    less.put("manifest.json", &manifest.encode().unwrap());
    less.mend(None, |_| ());
    place.refuses(&less.bytes(), "a log without its beginning");
}

#[test]
fn links_devices_folders_and_other_headers() {
    let place = Place::new();
    let pieces = exported(&place, None);
    let at = pieces.at("inputs/contacts");
    for (kind, word) in [
        (b'1', "a link"),
        (b'2', "a link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'5', "a folder"),
        (b'6', "a pipe"),
        (b'x', "no header"),
        (b'L', "no header"),
        (0, "no header"),
    ] {
        let mut pieces = pieces.clone();
        let header = &mut pieces.0[at].0;
        header[156] = kind;
        header[157..168].copy_from_slice(b"/etc/passwd");
        seal_header(header);
        let error = place.refuses(&pieces.bytes(), word);
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    // Another owner, a time, a prefix: told by nobody.
    for (place_in_header, bytes) in [(108, b"0001750"), (136, b"1234567"), (345, b"outside")] {
        let mut pieces = pieces.clone();
        let header = &mut pieces.0[at].0;
        header[place_in_header..place_in_header + 7].copy_from_slice(bytes);
        seal_header(header);
        let error = place.refuses(&pieces.bytes(), "another header");
        assert!(error.to_string().contains("one form"), "{error}");
    }
}

#[test]
fn another_order_something_missing_something_between() {
    let place = Place::new();
    let pieces = exported(&place, Some(&key()));
    for name in ["README.txt", "log/checkpoint", "inputs/contacts", "SHA256SUMS", "manifest.json"] {
        let mut less = pieces.clone();
        less.remove(name);
        place.refuses(&less.bytes(), name);
    }
    let (one, two) = (pieces.at("reasons.json"), pieces.at("grants.json"));
    let mut turned = pieces.clone();
    turned.0.swap(one, two);
    place.refuses(&turned.bytes(), "turned");
    // What the manifest calls otherwise.
    for (name, other) in [("README.txt", "log.jsonl"), ("inputs/contacts", "inputs/other")] {
        let mut renamed = pieces.clone();
        let at = renamed.at(name);
        renamed.0[at].0 = header(other, pieces.content(name).len());
        let error = place.refuses(&renamed.bytes(), other);
        assert!(error.to_string().contains("should follow here"), "{error}");
    }
    let mut more = pieces.clone();
    let content = (header("inputs/x", 1), vec![1]);
    more.0.insert(one, content);
    place.refuses(&more.bytes(), "between");
    let mut behind = pieces.clone();
    behind.0.push((header("inputs/x", 1), vec![1]));
    place.refuses(&behind.bytes(), "behind");
}

#[test]
fn a_manifest_that_promises_something_else() {
    type Promise = (&'static str, fn(&mut Manifest));
    let promises: [Promise; 7] = [
        ("log", |manifest| manifest.log_id = "03".repeat(16)),
        ("node key", |manifest| manifest.node_key = "03".repeat(32)),
        ("number of records", |manifest| manifest.records -= 1),
        ("number of blocks", |manifest| manifest.tree_size += 1),
        ("tree root", |manifest| manifest.tree_root = "03".repeat(32)),
        ("state root", |manifest| manifest.state_root = Some("03".repeat(32))),
        ("memory root", |manifest| manifest.memory_root = "03".repeat(32)),
    ];
    let place = Place::new();
    let pieces = exported(&place, None);
    for (what, change) in promises {
        let mut pieces = pieces.clone();
        pieces.mend(None, change);
        let error = place.refuses(&pieces.bytes(), what);
        assert!(error.is_refutation(), "{what}: {error:?}");
        assert!(matches!(error, ImportError::Promise { what: of, .. } if of == what), "{error:?}");
    }
    let mut next = pieces.clone();
    next.mend(None, |manifest| manifest.version = 2);
    let error = place.refuses(&next.bytes(), "version 2");
    assert!(matches!(error, ImportError::Version { found: 2 }), "{error:?}");
}

#[test]
fn signed_by_somebody_else_or_another_manifest() {
    let place = Place::new();
    let pieces = exported(&place, Some(&key()));
    let mallory = SecretKey::from_seed([9; 32]).unwrap();
    // In their own name, for this log.
    let mut forged = pieces.clone();
    forged.mend(Some(&mallory), |_| ());
    let error = place.refuses(&forged.bytes(), "signed by another");
    assert!(error.to_string().contains("not signed by the key"), "{error}");
    // As if the log were theirs.
    let mut forged = pieces.clone();
    forged.mend(Some(&mallory), |manifest| {
        manifest.node_key = mallory.public_key().to_string();
    });
    let error = place.refuses(&forged.bytes(), "signed by another, who is named");
    assert!(matches!(error, ImportError::Signer { .. }), "{error:?}");
    // The signature of another manifest.
    let mut forged = pieces.clone();
    let old = pieces.content("manifest.dsse.json").to_vec();
    forged.mend(Some(&key()), |manifest| manifest.karyon = "9.9.9".into());
    let sums = forged.content("SHA256SUMS").to_vec();
    let sums = String::from_utf8(sums).unwrap();
    let new = digits(forged.content("manifest.dsse.json"));
    forged.put("manifest.dsse.json", &old);
    forged.put("SHA256SUMS", sums.replace(&new, &digits(&old)).as_bytes());
    let error = place.refuses(&forged.bytes(), "another manifest's signature");
    assert!(error.to_string().contains("not the manifest beside it"), "{error}");
    // Without it, it is as one that nobody signed.
    let mut bare = pieces.clone();
    bare.remove("manifest.dsse.json");
    bare.mend(None, |_| ());
    fs::write(place.path("bare.tar"), bare.bytes()).unwrap();
    place.import("bare.tar", "new").unwrap();
}

#[test]
fn a_log_that_was_changed_and_whose_hashes_fit() {
    let place = Place::new();
    let pieces = exported(&place, None);
    let log = pieces.content("log/00000000.log").to_vec();
    for at in (0..log.len()).step_by(501) {
        let mut changed = log.clone();
        changed[at] ^= 4;
        let mut pieces = pieces.clone();
        pieces.put("log/00000000.log", &changed);
        pieces.mend(None, |_| ());
        let error = place.refuses(&pieces.bytes(), &format!("byte {at} of the log"));
        assert!(error.is_refutation(), "byte {at}: {error:?}");
    }
    // Behind its end, where a crash leaves things and an export does not.
    let mut longer = pieces.clone();
    longer.put("log/00000000.log", &[&log[..], &[7; 64]].concat());
    longer.mend(None, |_| ());
    let error = place.refuses(&longer.bytes(), "a tail");
    assert!(error.to_string().contains("never committed"), "{error}");
    for (name, content) in [("log/checkpoint", &b"karyon/x\n"[..]), ("inputs/contacts", b"x")] {
        let mut changed = pieces.clone();
        changed.put(name, content);
        changed.mend(None, |_| ());
        let error = place.refuses(&changed.bytes(), name);
        assert!(error.is_refutation(), "{name}: {error:?}");
    }
}
