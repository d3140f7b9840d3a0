//! Snapshots as files of a data directory: whole, or passed over.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use karyon_runtime::{
    Batch, DataDir, Every, InputSource, Keep, Node, Outcome, Snapshot, SnapshotFolder,
};
use karyon_types::{LogId, Tick};
use karyon_verify::Report;

use crate::node::{begin, seal};
use crate::support::*;
use Order::{Add, After, Send};

fn script() -> Script {
    let greet = |to| vec![Send(to, vec![Add(3)]), After(2, vec![Add(1)])];
    Script::new((0..30).map(|tick| (tick, 1 + tick % 4, greet(1 + (tick * 7) % 4))))
}

/// Is interrupted when the inputs of a tick are released.
struct Interrupted {
    inputs: Script,
    at: u64,
    signal: Arc<AtomicUsize>,
}

impl InputSource for Interrupted {
    fn released(&self, tick: Tick) -> Batch<'_> {
        if tick.0 == self.at {
            self.signal.store(2, Ordering::Relaxed);
        }
        self.inputs.released(tick)
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        self.inputs.payload(index, out);
    }

    fn everybody(&self, tick: Tick) -> Option<u32> {
        self.inputs.everybody(tick)
    }

    fn ends(&self) -> Tick {
        self.inputs.ends()
    }
}

/// Lives up to a tick, or to its end, and takes snapshots.
fn live(mut node: Node, until: Option<u64>, every: Option<Every>) -> Outcome<Puppet<0, 0>> {
    let stage = Stage { snapshots: every.map(|every| node.snapshots(every)), ..Stage::default() };
    let signal = Arc::clone(&stage.interrupt);
    let inputs = Interrupted { inputs: script(), at: until.unwrap_or(u64::MAX), signal };
    let recorder = node.recorder.take().unwrap();
    let (outcome, recorder) = stage.play_from(Arc::new(inputs), recorder);
    node.recorder = recorder;
    let outcome = outcome.unwrap();
    match until {
        Some(_) => drop(node.interrupt(outcome.ticks, 2).unwrap()),
        None => drop(node.complete(seal(1)).unwrap()),
    }
    outcome
}

fn open(path: &Path) -> (Node, Report) {
    let (dir, kinds) = (DataDir::open(path).unwrap(), [("puppet".into(), 1)]);
    Node::resume(dir, key(), 1, "1", &kinds, &[]).unwrap()
}

/// Goes on to the end, from a snapshot if there is one to be believed.
fn resume(path: &Path) -> Outcome<Puppet<0, 0>> {
    let (mut node, report) = open(path);
    node.go_on_from_snapshots(&report);
    live(node, None, None)
}

fn files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join("snapshots")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copied(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// A run that was interrupted behind tick 20, and the whole of it.
fn interrupted(folder: &Path) -> (PathBuf, Outcome<Puppet<0, 0>>) {
    let path = folder.join("data");
    live(begin(&path), Some(20), Some(Every::Ticks(7)));
    let whole = live(begin(&folder.join("whole")), None, None);
    (path, whole)
}

fn is_same(one: &Outcome<Puppet<0, 0>>, other: &Outcome<Puppet<0, 0>>) -> bool {
    (&one.agents, one.counts, one.ticks) == (&other.agents, other.counts, other.ticks)
}

fn name(tick: u64) -> String {
    format!("{tick}.snapshot")
}

#[test]
fn the_newest_two_are_kept_and_one_is_taken_at_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = interrupted(folder.path());
    assert_eq!(whole.resumed_from, None);
    let names: Vec<_> = files(&path).iter().map(|f| f.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, [name(14).as_str(), name(20).as_str()]);
    let again = resume(&path);
    assert_eq!(again.resumed_from, Some(Tick(20)));
    assert!(is_same(&again, &whole));
    // A complete run is repeated from there, too, and ends as it did.
    let again = resume(&path);
    assert_eq!(again.resumed_from, Some(Tick(20)));
    assert!(is_same(&again, &whole));
    let (node, _) = open(&path);
    let again = live(node, None, None);
    assert_eq!(again.resumed_from, None);
    assert!(is_same(&again, &whole));
}

#[test]
fn what_is_missing_or_damaged_is_passed_over_for_an_older_one_or_for_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = interrupted(folder.path());
    let copy = folder.path().join("copy");
    let tried = |tick: Option<u64>, damage: &dyn Fn(&[PathBuf])| {
        copied(&path, &copy);
        damage(&files(&copy));
        let again = resume(&copy);
        assert_eq!(again.resumed_from, tick.map(Tick));
        assert!(is_same(&again, &whole));
        fs::remove_dir_all(&copy).unwrap();
    };
    let flip = |file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    };
    tried(Some(20), &|_| ());
    tried(Some(14), &|files| fs::remove_file(&files[1]).unwrap());
    tried(Some(14), &|files| flip(&files[1]));
    tried(Some(20), &|files| flip(&files[0]));
    tried(None, &|files| files.iter().for_each(|file| flip(file)));
    tried(None, &|files| fs::remove_dir_all(files[0].parent().unwrap()).unwrap());
    // What a write that was cut off leaves.
    tried(Some(20), &|files| {
        fs::write(files[1].with_file_name(".27.snapshot.new"), b"half").unwrap();
        fs::write(files[1].with_file_name(name(27)), b"KSNAP\x0001").unwrap();
    });
}

/// What is read of the newest file.
fn newest(path: &Path, report: &Report) -> Option<Snapshot> {
    let folder = SnapshotFolder::of(path, report.log);
    let mut starts = folder.believed(&report.controls, u64::MAX).into_iter();
    starts.next().and_then(|start| start())
}

#[test]
fn every_flipped_byte_of_a_snapshot_makes_it_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = interrupted(folder.path());
    let (node, report) = open(&path);
    drop(node.interrupt(20, 2).unwrap());
    let file = files(&path).pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    assert_eq!(newest(&path, &report).unwrap().tick, Tick(20));
    for place in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut other = bytes.clone();
            other[place] ^= bit;
            fs::write(&file, other).unwrap();
            assert_eq!(newest(&path, &report), None, "byte {place}");
        }
        fs::write(&file, &bytes[..place]).unwrap();
        assert_eq!(newest(&path, &report), None, "cut to {place} bytes");
    }
    fs::write(&file, [&bytes[..], b"x"].concat()).unwrap();
    assert_eq!(newest(&path, &report), None, "one byte more");
}

#[test]
fn a_forged_snapshot_and_one_of_another_log_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = interrupted(folder.path());
    let (node, report) = open(&path);
    drop(node.interrupt(20, 2).unwrap());
    let real = newest(&path, &report).unwrap();
    // Whole, with its own digest, and with another state.
    let mut content = real.content.to_vec();
    *content.last_mut().unwrap() ^= 1;
    let forged = [
        Snapshot { content: content.into(), ..real.clone() },
        Snapshot { tick: Tick(19), ..real.clone() },
        Snapshot { records: real.records - 1, ..real.clone() },
    ];
    for forged in forged {
        fs::remove_dir_all(path.join("snapshots")).unwrap();
        SnapshotFolder::of(&path, report.log).keep(&forged).unwrap();
        assert_eq!(newest(&path, &report), None);
    }
    SnapshotFolder::of(&path, LogId([7; 16])).keep(&real).unwrap();
    assert_eq!(newest(&path, &report), None);
    let again = resume(&path);
    assert_eq!(again.resumed_from, None);
    assert!(is_same(&again, &whole));
}

#[test]
fn where_nothing_can_be_kept_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let node = begin(&path);
    fs::write(path.join("snapshots"), b"no folder").unwrap();
    live(node, Some(20), Some(Every::Ticks(2)));
    let again = resume(&path);
    assert_eq!(again.resumed_from, None);
    let whole = live(begin(&folder.path().join("whole")), None, None);
    assert!(is_same(&again, &whole));
}
