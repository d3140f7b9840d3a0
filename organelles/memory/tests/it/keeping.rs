//! Where nothing may be written, what is asked is answered from memory, whatever lies there.

use std::fs;
use std::path::{Path, PathBuf};

use karyon_graph::{Graph, GraphError};
use karyon_log::Record;
use karyon_memory::{Journal, JournalError, RebuildError, Unkept, open, rebuild};
use karyon_runtime::DataDir;
use karyon_runtime::datadir::{inputs, log_file, log_folder, memory_file};
use karyon_safety::{Marker, replace};
use karyon_types::{Hash, Position};

use crate::support::*;

/// A data directory with a small log, halted.
fn halted() -> (tempfile::TempDir, Vec<Record<'static>>) {
    let folder = tempfile::tempdir().unwrap();
    let mut records = beginning();
    records.extend((0..20).map(tick));
    write_log(folder.path(), &records, 4);
    replace(folder.path(), &Marker::Halted { n: 0, reason: "smoke".into() }).unwrap();
    (folder, records)
}

/// The root of the memory, and why it is not kept.
fn root(data: &Path) -> (Hash, Option<Unkept>) {
    let opened = open(data, &mut |_| ()).unwrap();
    (opened.graph.read().unwrap().memory_root().unwrap(), opened.unkept)
}

fn clear(data: &Path) {
    let config = tempfile::tempdir().unwrap();
    let request = karyon_safe_mode::ResumeRequest {
        data,
        config: config.path(),
        log: [0; 16],
        reason: "all is well",
        unix_ms: 1_000,
        least_n: 0,
        signature: None,
        limits: &karyon_safety::Limits::default(),
    };
    karyon_safe_mode::resume(request).unwrap();
}

#[test]
fn what_is_built_in_safe_mode_is_the_same_and_lies_nowhere() {
    let (folder, records) = halted();
    let data = folder.path();
    let (built, unkept) = root(data);
    assert_eq!(unkept, Some(Unkept::SafeMode));
    let mut journal = Journal::of(data, &mut |_| ()).unwrap();
    assert_eq!((journal.unkept(), journal.rebuilt()), (Some(Unkept::SafeMode), None));
    assert_eq!(journal.end(), Position(records.len() as u64));
    for (position, record) in (0..).zip(&records) {
        let found = journal.record(Position(position)).unwrap().unwrap();
        assert_eq!(found.record().as_ref(), Some(record));
    }
    let refused = rebuild(data, &mut |_| ()).err().unwrap();
    assert!(matches!(refused, RebuildError::SafeMode { .. }), "{refused}");
    assert!(refused.to_string().contains("karyon safety resume --reason"), "{refused}");
    assert!(!memory_file(data).parent().unwrap().exists());

    clear(data);
    assert_eq!(root(data), (built, None));
    assert_eq!(rebuild(data, &mut |_| ()).unwrap().new_root, built);
}

#[test]
fn a_run_under_way_is_not_safe_mode() {
    let (folder, _) = halted();
    let data = folder.path();
    let held = DataDir::open(data).unwrap();
    if DataDir::is_in_use(data) != Some(true) {
        return; // The system does not tell: then nothing is written, to be sure.
    }
    assert_eq!(root(data).1, None);
    assert_eq!(Journal::of(data, &mut |_| ()).unwrap().unkept(), None);
    drop(held);
    // What was kept is read.
    assert_eq!(root(data).1, None);
    assert_eq!(Journal::of(data, &mut |_| ()).unwrap().unkept(), None);
}

/// All files below a folder, with what they hold.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend([vec![(path.clone(), Vec::new())], files(&path)].concat()),
            false => found.push((path.clone(), fs::read(path).unwrap_or_default())),
        }
    }
    found.sort();
    found
}

/// Puts something in the place of the graph or the index.
type Put = fn(&Path, &Path);

#[test]
fn whatever_lies_in_its_place_stays_as_it_is() {
    let puts: [(&str, Put); 6] = [
        ("nothing in it", |file, _| fs::write(file, b"").unwrap()),
        ("garbage", |file, _| fs::write(file, [7; 9000]).unwrap()),
        ("a folder", |file, _| fs::create_dir(file).unwrap()),
        ("a dangling link", |file, _| std::os::unix::fs::symlink("nowhere", file).unwrap()),
        ("not closed by who was killed", |file, data| {
            let writing = data.join("writing");
            let mut graph = Graph::open(&writing).unwrap();
            graph.catch_up(&log_folder(data), &inputs(data), &mut |_| ()).unwrap();
            fs::copy(&writing, file).unwrap();
            drop(graph);
            fs::remove_file(writing).unwrap();
        }),
        ("of another kind, and no checksum", |file, _| {
            let other = halted().0;
            clear(other.path());
            open(other.path(), &mut |_| ()).unwrap();
            fs::copy(memory_file(other.path()), file).unwrap();
            fs::write(file.with_extension("blake3"), "no checksum\n").unwrap();
        }),
    ];
    for (what, put) in puts {
        let (folder, _) = halted();
        let data = folder.path();
        let graph = memory_file(data);
        let index = graph.with_file_name("lineage.redb");
        let expected = root(data);
        fs::create_dir(graph.parent().unwrap()).unwrap();
        for file in [&graph, &index] {
            put(file, data);
        }
        let was = files(data);
        assert_eq!(root(data), expected, "{what}");
        let journal = Journal::of(data, &mut |_| ()).unwrap();
        assert_eq!(journal.unkept(), Some(Unkept::SafeMode), "{what}");
        assert!(files(data) == was, "{what}");
    }
}

#[test]
fn a_log_that_is_damaged_is_said() {
    let (folder, _) = halted();
    let data = folder.path();
    let mut log = fs::read(log_file(data)).unwrap();
    let at = log.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    log[at] ^= 1;
    fs::write(log_file(data), log).unwrap();
    let refused = open(data, &mut |_| ()).err().unwrap();
    assert!(matches!(refused, GraphError::Log(_)), "{refused}");
    let refused = Journal::of(data, &mut |_| ()).err().unwrap();
    assert!(matches!(refused, JournalError::Log(_)), "{refused}");
    assert!(!memory_file(data).parent().unwrap().exists());
}
