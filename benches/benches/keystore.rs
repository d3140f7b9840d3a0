//! Claim: sealing and unsealing a memory cost microseconds each, however much was erased before;
//! erasing a million memories costs one write of a small file.
//!
//! Workload: 256 bytes, 32 bytes of associated data. One subject of whom 0 or 1,000 memories were
//! erased, each by itself, spread over 1,000,000. "seal": one after the other. "unseal": of 16,384
//! that were sealed in a row ("in order"), or the same in a pseudo-random order over all 1,000,000
//! indexes ("at random"); who asks has subject, index and bytes. "seal for 10,000": for one of
//! 10,000 subjects after the other, in a pseudo-random order, all prepared by one write.
//! "erase": 1,000,000 memories of a subject as one range, or one of them; each in a keystore that
//! was made for it, and committed.
//! "file": bytes of the keystore file.
//! Durability: indexes are reserved durably, 1,024 to 16,384 by a write, which is in the mean of "seal";
//! unsealing writes nothing; an erasure is durable, with the old files overwritten and removed.
//! Unit: the time of one; bytes.
//! Means: what a memory of a subject costs beside being recorded or read.
//! Does not mean: anything about a disk that is busy. All keys are in memory.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId};
use karyon_benches::sampling::{figure, is_asked_for};
use karyon_benches::{shuffled, size};
use karyon_keystore::{Erasure, Keystore, Sealed, SubjectId};
use karyon_types::LogId;
use tempfile::TempDir;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "keystore";
const ABOUT: [u8; 32] = [1; 32];
const TEXT: [u8; 256] = [2; 256];
const LOG: LogId = LogId([3; 16]);
/// Indexes over which is asked and erased.
const MEMORIES: u32 = 1_000_000;
const SUBJECT: SubjectId = SubjectId(1);

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    for erased in [0, 1_000] {
        one_subject(&mut group, erased);
    }
    many_subjects(&mut group);
    erase(&mut group, "a range of 1000000", 0..MEMORIES);
    erase(&mut group, "one", 5..6);
}

/// A keystore, in folders that go with it.
struct Place {
    folder: TempDir,
    keystore: Keystore,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir_in(FOLDER).expect("a folder can be made");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder can be made");
        let keystore = Keystore::create(&data, &folder.path().join("master"), LOG);
        Place { keystore: keystore.expect("it can be made"), folder }
    }

    /// One subject, who has had so many memories.
    fn with(memories: u32) -> Place {
        let mut place = Place::new();
        assert_eq!(place.keystore.prepare(&["ada"]).expect("it can be written"), [SUBJECT]);
        place.keystore.advance(SUBJECT, memories).expect("it is there");
        place
    }

    fn file(&self) -> PathBuf {
        let generation = self.keystore.generation();
        self.folder.path().join(format!("data/keystore/keys.{generation}"))
    }

    fn seal(&mut self, name: &str) -> Sealed {
        self.keystore.seal(name, &ABOUT, &TEXT).expect("it can be sealed")
    }

    fn unseal(&self, sealed: &Sealed) -> Vec<u8> {
        let Sealed { subject, index, bytes } = sealed;
        self.keystore.unseal(*subject, *index, &ABOUT, bytes).expect("it is not erased")
    }

    fn erase(&mut self, erasure: &Erasure) {
        let committed = self.keystore.erase(erasure).expect("it can be written");
        assert!(committed.leftover.is_none(), "the old file was removed");
    }
}

fn bytes(path: &Path) -> f64 {
    std::fs::metadata(path).expect("it is there").len() as f64
}

fn one_subject(group: &mut BenchmarkGroup<'_, WallTime>, erased: u32) {
    let id = |what: &str| BenchmarkId::new(what, erased);
    let count = size(16_384, 64) as u32;
    let mut place = Place::with(0);
    let in_order: Vec<Sealed> = (0..count).map(|_| place.seal("ada")).collect();
    // Sealed at places all over the first million, in their order, and asked for in another.
    let mut spread = Vec::new();
    for number in 0..count {
        let index = u64::from(number) * u64::from(MEMORIES) / u64::from(count);
        place.keystore.advance(SUBJECT, index as u32).expect("it is there");
        spread.push(place.seal("ada"));
    }
    place.keystore.advance(SUBJECT, MEMORIES).expect("it is there");
    let mut erasure = Erasure::new();
    for number in 0..erased {
        // Beside those that are asked for, most of them.
        let index = number * (MEMORIES / 1_000) + 7;
        erasure.erase(SUBJECT, index..index + 1);
    }
    place.erase(&erasure);
    let is_there = |sealed: &&Sealed| {
        place.keystore.unseal(SUBJECT, sealed.index, &ABOUT, &sealed.bytes).is_ok()
    };
    let in_order: Vec<&Sealed> = in_order.iter().filter(is_there).collect();
    let spread: Vec<&Sealed> = spread.iter().filter(is_there).collect();
    assert!(in_order.len() + 20 > count as usize && spread.len() + 40 > count as usize);
    let at_random: Vec<&Sealed> =
        shuffled(spread.len()).into_iter().filter_map(|at| spread.get(at).copied()).collect();
    assert!(at_random.iter().all(|sealed| place.unseal(sealed) == TEXT), "it is what was sealed");

    for (what, asked) in [("unseal in order", &in_order), ("unseal at random", &at_random)] {
        let mut next = asked.iter().cycle();
        group.bench_function(id(what), |bencher| {
            bencher.iter(|| next.next().map(|sealed| place.unseal(sealed)));
        });
    }
    figure(&format!("{GROUP}/file, 1 subject/{erased}"), bytes(&place.file()), "bytes");
    group.bench_function(id("seal"), |bencher| bencher.iter(|| place.seal("ada")));
}

fn many_subjects(group: &mut BenchmarkGroup<'_, WallTime>) {
    let count = size(10_000, 20);
    let mut place = Place::new();
    let names: Vec<String> = (0..count).map(|number| format!("somebody {number:07}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    place.keystore.prepare(&names).expect("it can be written");
    figure(&format!("{GROUP}/file, subjects/{count}"), bytes(&place.file()), "bytes");
    let order = shuffled(names.len());
    let mut next = order.iter().cycle().filter_map(|at| names.get(*at));
    group.bench_function(BenchmarkId::new("seal for", count), |bencher| {
        bencher.iter(|| next.next().map(|name| place.seal(name)));
    });
}

fn erase(group: &mut BenchmarkGroup<'_, WallTime>, what: &str, memories: std::ops::Range<u32>) {
    let mut erasure = Erasure::new();
    erasure.erase(SUBJECT, memories);
    group.bench_function(format!("erase {what}"), |bencher| {
        bencher.iter_batched(
            || Place::with(MEMORIES),
            |mut place| {
                place.erase(black_box(&erasure));
                place
            },
            BatchSize::PerIteration,
        );
    });
}
