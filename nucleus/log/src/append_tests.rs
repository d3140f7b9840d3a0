//! A crash at every operation of writing a segment leaves the old log or the whole new one.

use std::sync::Mutex;

use karyon_types::LogId;

use super::*;
use crate::Lane;
use crate::control::{Control, Seal};
use crate::record::Record;

/// A real folder whose operations are counted; the one numbered `fails_at` and all behind it fail.
#[derive(Clone)]
struct Faulty {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    operations: u64,
    fails_at: u64,
    /// What is durable of the temporary file's contents.
    durable: Vec<u8>,
    /// The segment whose name the file got, and what had the name before.
    renamed: Option<(u32, Option<Vec<u8>>)>,
    names_are_durable: bool,
}

impl Faulty {
    fn operation<T>(&self, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock().unwrap();
        state.operations += 1;
        if state.operations > state.fails_at {
            return Err(io::Error::other("the disk is gone"));
        }
        drop(state);
        run()
    }

    /// Leaves of the folder what a crash may leave: of what was not synced, what `random` chooses.
    fn crash(&self, mut random: impl FnMut() -> u64) {
        let state = self.state.lock().unwrap();
        let temporary = self.path.join(TEMPORARY);
        let file = match &state.renamed {
            Some((segment, _)) => segment_file(&self.path, *segment),
            None => temporary.clone(),
        };
        if let Ok(seen) = fs::read(&file) {
            let mut kept = seen.clone();
            // Finer than a disk tears, so that every part is torn sometimes.
            for (index, part) in kept.chunks_mut(64).enumerate() {
                if random().is_multiple_of(2) {
                    let from = state.durable.get(index * 64..).unwrap_or_default();
                    part.fill(0);
                    part.iter_mut().zip(from).for_each(|(byte, durable)| *byte = *durable);
                }
            }
            fs::write(&file, kept).unwrap();
        }
        let Some((_, before)) = &state.renamed else { return };
        if !state.names_are_durable && random().is_multiple_of(2) {
            fs::rename(&file, &temporary).unwrap();
            before.iter().for_each(|bytes| fs::write(&file, bytes).unwrap());
        }
    }
}

impl Folder for Faulty {
    fn create_temporary(&mut self) -> io::Result<Box<dyn Storage>> {
        let storage = self.operation(|| LogFolder(&self.path).create_temporary())?;
        Ok(Box::new(FaultyStorage { storage, folder: self.clone() }))
    }

    fn rename_temporary(&mut self, segment: u32) -> io::Result<()> {
        self.operation(|| {
            let before = fs::read(segment_file(&self.path, segment)).ok();
            LogFolder(&self.path).rename_temporary(segment)?;
            self.state.lock().unwrap().renamed = Some((segment, before));
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operation(|| Ok(()))?;
        self.state.lock().unwrap().names_are_durable = true;
        Ok(())
    }
}

struct FaultyStorage {
    storage: Box<dyn Storage>,
    folder: Faulty,
}

impl Storage for FaultyStorage {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.storage.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // A write that fails may have written a part.
        let outcome = self.folder.operation(|| Ok(()));
        self.storage.write_at(offset, bytes)?;
        outcome
    }

    fn sync(&mut self) -> io::Result<()> {
        self.folder.operation(|| Ok(()))?;
        let mut durable = vec![0; self.storage.len()? as usize];
        self.storage.read_at(0, &mut durable)?;
        self.folder.state.lock().unwrap().durable = durable;
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.folder.operation(|| Ok(()))?;
        self.storage.set_len(len)
    }

    fn reserve(&mut self, _len: u64) -> io::Result<()> {
        self.folder.operation(|| Ok(()))
    }
}

fn key() -> Arc<SecretKey> {
    SecretKey::from_seed([7; 32]).unwrap().into()
}

fn header() -> SegmentHeader {
    SegmentHeader { log: LogId([0x11; 16]), node_key: key().public_key() }
}

fn seal(ticks: u64) -> Block {
    let mut body = Vec::new();
    let seal = Control::Seal(Seal { ticks, state_root: [3; 32] });
    Record::Control(Box::new(seal)).encode(&mut body);
    Block { lane: Lane::Control, count: 1, body, wall_ms: 5, seals: true }
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

/// The log's end, should there be a log.
fn end_of(folder: &Path) -> Option<End> {
    match Walk::open(folder) {
        Err(LogError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(LogError::NotALog) => None,
        other => {
            let mut walk = other.unwrap();
            while walk.next_group().unwrap().is_some() {}
            Some(walk.into_end().without_tail())
        }
    }
}

/// Crashes in front of each operation; what was found behind it: the old log, the new one.
fn crash_at_every_operation(segments: u64, before: Option<&[u8]>) -> (u32, u32) {
    let (mut old, mut new) = (0, 0);
    for fails_at in 0.. {
        let mut completed = false;
        for seed in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            let mut end = End::of_new_log();
            for ticks in 0..segments {
                end = write_segment(path, &header(), key(), 1, &end, seal(ticks)).unwrap();
            }
            let file = segment_file(path, segments as u32);
            before.iter().for_each(|bytes| fs::write(&file, bytes).unwrap());
            let state = State { fails_at, ..State::default() };
            let mut faulty = Faulty { path: path.into(), state: Arc::new(Mutex::new(state)) };
            let begin = begin_behind(&end, &seal(99)).unwrap();
            let outcome = append(&mut faulty, &header(), key(), 1, begin, seal(99));
            completed = outcome.is_ok();
            faulty.crash(random(fails_at * 100 + seed));
            let context = format!("operation {fails_at}, seed {seed}");

            let left = fs::read(&file).ok();
            let found = end_of(path);
            let is_new = found.as_ref().is_some_and(|found| found.commits == segments + 1);
            assert!(is_new || outcome.is_err(), "{context}: lost");
            if !is_new {
                assert_eq!(left.as_deref(), before, "{context}: a part of the new one is there");
                assert_eq!(found, (segments > 0).then(|| end.clone()), "{context}");
                write_segment(path, &header(), key(), 1, &end, seal(99)).unwrap();
            }
            (old, new) = (old + u32::from(!is_new), new + u32::from(is_new));
            let longer = end_of(path).unwrap();
            assert_eq!((longer.commits, longer.sealed), (segments + 1, true), "{context}");
            assert!(outcome.is_err() || outcome.unwrap() == longer, "{context}");
            assert!(!path.join(TEMPORARY).exists(), "{context}");
            assert!(left.is_none() || !is_new || left == fs::read(&file).ok());
        }
        if completed {
            assert!(
                fails_at > 6,
                "only {fails_at} operations: the faults are not where the work is"
            );
            return (old, new);
        }
    }
    (old, new)
}

#[test]
fn a_crash_leaves_the_old_log_or_the_whole_new_one() {
    for (segments, before) in [(2, None), (1, Some(&b"a torn attempt"[..])), (0, None)] {
        let (old, new) = crash_at_every_operation(segments, before);
        assert!(old > 100 && new > 20, "the crashes never hit: {old} old, {new} new");
    }
}

#[test]
fn a_place_with_another_last_commit_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let end = End::of_new_log();
    let end = write_segment(folder.path(), &header(), key(), 1, &end, seal(1)).unwrap();
    let mut place = Place { log: header().log, end };
    assert!(Walk::resume(folder.path(), &place).unwrap().is_some());
    place.end.last_commit.0[0] ^= 1;
    assert!(Walk::resume(folder.path(), &place).unwrap().is_none());
}
