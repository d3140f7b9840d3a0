//! Stopped at each operation, in each way: what is found afterwards is the state before or after.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use karyon_types::LogId;

use crate::cipher;
use crate::codec;
use crate::erasure::Erasure;
use crate::error::{KeystoreError, UnsealError};
use crate::keystore::{Keystore, Sealed};
use crate::limits::RESERVED;
use crate::master::Master;
use crate::secret::Secret;
use crate::simulated::{Disk, Loss, Stop, ends};
use crate::state::{Entry, State, Subject, SubjectId};

pub(crate) const LOG: LogId = LogId([0xab; 16]);
pub(crate) const ADA: SubjectId = SubjectId(1);
pub(crate) const BO: SubjectId = SubjectId(2);

pub(crate) fn data() -> &'static Path {
    Path::new("data")
}

pub(crate) fn master() -> &'static Path {
    Path::new("elsewhere/master")
}

pub(crate) fn keys(generation: u64) -> PathBuf {
    data().join(format!("keystore/keys.{generation}"))
}

pub(crate) fn create(disk: &Disk) -> Result<Keystore, KeystoreError> {
    Keystore::create_in(disk.system(), data(), master(), LOG)
}

pub(crate) fn open(disk: &Disk) -> Result<Keystore, KeystoreError> {
    Keystore::open_in(disk.system(), data(), master(), LOG)
}

pub(crate) fn open_read_only(disk: &Disk) -> Result<Keystore, KeystoreError> {
    Keystore::open_read_only_in(disk.system(), data(), master(), LOG)
}

fn text(name: &str, number: u32) -> Vec<u8> {
    format!("what {name} said, {number}").into_bytes()
}

/// A disk with a keystore of two subjects with six memories each, and those.
pub(crate) fn furnished() -> (Disk, Vec<Sealed>) {
    let disk = Disk::default();
    let mut keystore = create(&disk).unwrap();
    let mut sealed = Vec::new();
    for number in 0..6 {
        for name in ["ada", "bo"] {
            sealed.push(keystore.seal(name, b"about", &text(name, number)).unwrap());
        }
    }
    keystore.close().unwrap();
    (disk, sealed)
}

/// Which of these can be read: the others have to be erased.
fn readable(keystore: &Keystore, sealed: &[Sealed]) -> Vec<(SubjectId, u32)> {
    let mut readable = Vec::new();
    for Sealed { subject, index, bytes } in sealed {
        let name = if *subject == ADA { "ada" } else { "bo" };
        match keystore.unseal(*subject, *index, b"about", bytes) {
            Ok(plaintext) => {
                assert_eq!(plaintext, text(name, *index));
                readable.push((*subject, *index));
            }
            Err(error) => {
                assert_eq!(error, UnsealError::Erased { subject: *subject, index: *index });
            }
        }
    }
    readable
}

/// Ada as a whole, and of Bo's memories 1, 3 and 4.
fn erasure() -> Erasure {
    let mut erasure = Erasure::new();
    erasure.erase_subject("ada").erase(BO, 3..5).erase(BO, 1..2);
    erasure
}

const ERASED: [(SubjectId, u32); 9] =
    [(ADA, 0), (ADA, 1), (ADA, 2), (ADA, 3), (ADA, 4), (ADA, 5), (BO, 1), (BO, 3), (BO, 4)];
const LEFT: [(SubjectId, u32); 3] = [(BO, 0), (BO, 2), (BO, 5)];

/// All states that anybody gets who has these files, whatever they are named and whatever they say
/// of themselves, and all master keys among them.
fn opened_with(blocks: &[Vec<u8>], masters: &[Vec<u8>]) -> Vec<State> {
    let masters: Vec<Secret> = masters
        .iter()
        .filter_map(|text| Master::decode(text).ok())
        .map(|found| found.key)
        .collect();
    let mut states = Vec::new();
    for file in blocks.iter().filter(|file| file.starts_with(b"KARYONKS") && file.len() > 136) {
        let (header, content) = file[..file.len() - 32].split_at(88);
        let nonce = header[56..80].try_into().unwrap();
        for key in &masters {
            let mut content = content.to_vec();
            if cipher::unseal(key, &nonce, header, &mut content).is_some() {
                states.push(codec::decode(&content).unwrap());
            }
        }
    }
    states
}

fn has_key(state: &State, (subject, index): (SubjectId, u32)) -> bool {
    match state.entry(subject) {
        Some(Entry::Live(live)) => live.cover.above(index).is_some(),
        Some(Entry::Erased(_)) | None => false,
    }
}

/// Whether anything that was erased follows from the files that have names.
fn follows_from_files(disk: &Disk) -> bool {
    let files: Vec<_> = disk.files().into_values().collect();
    let states = opened_with(&files, &files);
    assert!(!states.is_empty(), "the search found nothing at all");
    states.iter().any(|state| ERASED.iter().any(|erased| has_key(state, *erased)))
}

#[test]
fn an_erasure_that_is_cut_off_anywhere_happened_or_did_not() {
    let (furnished, sealed) = furnished();
    let all: Vec<_> = sealed.iter().map(|sealed| (sealed.subject, sealed.index)).collect();
    let mut outcomes = BTreeSet::new();
    let mut most = 0;
    for at in 0.. {
        let mut has_stopped = false;
        for (part, loss) in ends() {
            let disk = furnished.copy();
            let mut keystore = open(&disk).unwrap();
            disk.stop(Stop { at, part, is_for_good: true });
            let outcome = keystore.erase(&erasure());
            // Without a stop, or with one behind the moment at which it is done.
            let is_done = outcome.is_ok();
            has_stopped |= disk.operations() > at;
            most = most.max(disk.operations());
            drop(keystore);
            disk.restart(loss);

            let is_new = Master::decode(&disk.files()[master()]).unwrap().generation == 2;
            if is_new {
                assert!(!follows_from_files(&disk), "at {at}, {part}, {loss:?}");
            }
            assert_eq!(
                readable(&open_read_only(&disk).unwrap(), &sealed).len(),
                if is_new { 3 } else { 12 }
            );
            let keystore = open(&disk).unwrap();
            let found = readable(&keystore, &sealed);
            if is_new {
                assert_eq!(found, LEFT, "at {at}, {part}, {loss:?}");
                assert_eq!(keystore.subject("ada"), Subject::Erased(ADA));
                assert!(!follows_from_files(&disk), "at {at}, {part}, {loss:?}");
            } else {
                assert!(!is_done, "at {at}, {part}, {loss:?}: it was told to be done");
                assert_eq!(found, all, "at {at}, {part}, {loss:?}");
            }
            outcomes.insert((is_done, is_new));
            let generation = if is_new { 2 } else { 1 };
            assert_eq!(keystore.generation(), generation);
            let names: Vec<_> = disk.files().into_keys().collect();
            assert_eq!(names, [keys(generation), master().to_owned()], "at {at}, {part}, {loss:?}");
        }
        if !has_stopped {
            break;
        }
    }
    assert_eq!(Vec::from_iter(outcomes), [(false, false), (false, true), (true, true)]);
    assert!(most >= 10, "only {most} operations");
}

#[test]
fn an_erasure_in_which_one_operation_fails_is_told_and_found() {
    let (furnished, sealed) = furnished();
    for at in 0..20 {
        for part in 0..3 {
            let disk = furnished.copy();
            let mut keystore = open(&disk).unwrap();
            disk.stop(Stop { at, part, is_for_good: false });
            match keystore.erase(&erasure()) {
                Ok(committed) => {
                    let has_failed = disk.operations() > at;
                    disk.go_on();
                    assert_eq!(committed.leftover.is_some(), has_failed, "at {at}");
                    assert_eq!(readable(&keystore, &sealed), LEFT);
                    keystore.seal("bo", b"about", b"and goes on").unwrap();
                }
                Err(error) => {
                    assert!(matches!(error, KeystoreError::Io { .. }), "{error}");
                    let refused = [
                        keystore.seal("bo", b"about", b"x").map(|_| ()),
                        keystore.erase(&erasure()).map(|_| ()),
                        keystore.prepare(&["cy"]).map(|_| ()),
                        keystore.close(),
                    ];
                    for refused in refused {
                        assert!(matches!(refused, Err(KeystoreError::Unsettled { .. })));
                    }
                }
            }
            // Opened again, and asked for again, it is done.
            let mut keystore = open(&disk).unwrap();
            let committed = keystore.erase(&erasure()).unwrap();
            assert!(committed.leftover.is_none());
            assert_eq!(committed.generation, 2);
            assert_eq!(readable(&keystore, &sealed), LEFT);
            assert_eq!(disk.files().len(), 2);
        }
    }
}

#[test]
fn what_was_erased_follows_from_nothing_on_the_disk() {
    let (disk, sealed) = furnished();
    let old_file = disk.files()[&keys(1)].clone();
    let old_master = disk.files()[master()].clone();
    let mut keystore = open(&disk).unwrap();
    // The search finds what is there before.
    assert!(follows_from_files(&disk));
    let committed = keystore.erase(&erasure()).unwrap();
    assert!(committed.leftover.is_none());
    assert_eq!(committed.generation, 2);
    assert_eq!(readable(&keystore, &sealed), LEFT);

    // The old master is in no block, with a name or without; nor is the old file.
    let blocks = disk.blocks();
    for gone in [&old_master, &old_file] {
        assert!(!blocks.iter().any(|block| block.windows(32).any(|part| part == &gone[64..96])));
    }
    // Somebody has kept a copy of the old file. It opens with no master that is anywhere.
    let kept = [blocks.clone(), vec![old_file.clone()]].concat();
    let states = opened_with(&kept, &blocks);
    assert_eq!(states.len(), 1);
    assert!(!ERASED.iter().any(|erased| has_key(&states[0], *erased)));
    assert!(LEFT.iter().all(|left| has_key(&states[0], *left)));
    // With the old master it would: that is what cannot be held.
    let states = opened_with(&[old_file], &[old_master]);
    assert!(ERASED.iter().all(|erased| has_key(&states[0], *erased)));
}

#[test]
fn the_name_of_whom_was_erased_is_in_no_file() {
    let (disk, _) = furnished();
    let holds = |disk: &Disk, name: &str| {
        let blocks = disk.blocks();
        let contents: Vec<_> = opened_with(&blocks, &blocks)
            .iter()
            .map(|state| codec::encode(state).to_vec())
            .collect();
        assert!(!contents.is_empty());
        let all = [blocks, contents].concat();
        all.iter().any(|bytes| bytes.windows(name.len()).any(|part| part == name.as_bytes()))
    };
    assert!(holds(&disk, "ada"));
    let mut keystore = open(&disk).unwrap();
    let committed = keystore.erase(Erasure::new().erase_subject("ada")).unwrap();
    assert!(committed.leftover.is_none());
    assert!(holds(&disk, "bo"));
    assert!(!holds(&disk, "ada"));
    let shown = format!("{keystore:?} {:?}", keystore.seal("ada", b"", b"").unwrap_err());
    assert!(!shown.contains("ada"), "{shown}");
}

#[test]
fn a_making_that_is_cut_off_anywhere_is_made_anew() {
    for at in 0.. {
        let mut has_stopped = false;
        for (part, loss) in ends() {
            let disk = Disk::default();
            disk.stop(Stop { at, part, is_for_good: true });
            let outcome = create(&disk);
            has_stopped |= disk.operations() > at;
            disk.restart(loss);
            let case = format!("at {at}, {part}, {loss:?}");
            match open(&disk) {
                Ok(_) => {
                    assert!(matches!(create(&disk), Err(KeystoreError::Exists { .. })), "{case}");
                }
                Err(KeystoreError::NotMade { .. }) => {
                    assert!(outcome.is_err(), "{case}");
                    create(&disk).unwrap();
                }
                Err(error) => panic!("{case}: {error}"),
            }
            let mut keystore = open(&disk).unwrap();
            assert_eq!(keystore.seal("ada", b"", b"x").unwrap().subject, ADA, "{case}");
            assert_eq!(disk.files().len(), 2, "{case}");
        }
        if !has_stopped {
            assert!(at >= 7, "only {at} operations");
            break;
        }
    }
}

#[test]
fn a_write_that_is_cut_off_loses_nothing_that_was_sealed() {
    let (furnished, sealed) = furnished();
    for at in 0..4 {
        for (part, loss) in ends() {
            let disk = furnished.copy();
            let mut keystore = open(&disk).unwrap();
            disk.stop(Stop { at, part, is_for_good: true });
            // A subject more, in one write: written, renamed, synced.
            let new = keystore.seal("cy", b"about", b"cy is new");
            assert_eq!(new.is_ok(), at == 3);
            disk.restart(loss);
            let keystore = open(&disk).unwrap();
            assert_eq!(readable(&keystore, &sealed).len(), 12);
            assert_eq!(disk.files().len(), 2);
            if let Ok(new) = new {
                let found = keystore.unseal(new.subject, new.index, b"about", &new.bytes);
                assert_eq!(found.unwrap(), b"cy is new");
            }
        }
    }
}

#[test]
fn no_index_is_given_out_twice_whatever_crashes() {
    let disk = Disk::default();
    drop(create(&disk).unwrap());
    let mut given = BTreeSet::new();
    let mut number = 7u64;
    let mut draw = move |below: u64| {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % below
    };
    let mut crashes = 0;
    for _ in 0..400 {
        let mut keystore = open(&disk).unwrap();
        disk.stop(Stop { at: draw(30), part: draw(3) as u8, is_for_good: true });
        let count = if draw(10) == 0 { RESERVED + 10 } else { draw(4) as u32 };
        let mut outcome = Ok(());
        for _ in 0..count {
            let name = ["ada", "bo", "cy"][draw(3) as usize];
            match keystore.seal(name, b"", b"x") {
                Ok(sealed) => assert!(given.insert((sealed.subject, sealed.index)), "{sealed:?}"),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if outcome.is_ok() && draw(2) == 0 {
            outcome = keystore.close();
        }
        crashes += u32::from(outcome.is_err());
        disk.restart([Loss::Nothing, Loss::All, Loss::Behind(1)][draw(3) as usize]);
    }
    assert!(given.len() > 5_000 && crashes > 20, "{} given, {crashes} crashes", given.len());
}

#[test]
fn whoever_reads_while_somebody_erases_sees_before_or_after() {
    let (furnished, sealed) = furnished();
    // The reader looks after each operation of the writer, without a restart.
    for at in 0..20 {
        for part in 0..3 {
            let disk = furnished.copy();
            let early = open_read_only(&disk).unwrap();
            let mut keystore = open(&disk).unwrap();
            disk.stop(Stop { at, part, is_for_good: false });
            let before = disk.copy();
            let outcome = keystore.erase(&erasure());
            let names = disk.files();
            let found = readable(&open_read_only(&disk).unwrap(), &sealed);
            assert!(found.len() == 12 || found == LEFT, "at {at}: {found:?}");
            assert_eq!(disk.files(), names, "reading has changed something");
            if outcome.is_ok() {
                assert_eq!(found, LEFT);
            }
            // Who had opened it before goes on with what there was.
            assert_eq!(readable(&early, &sealed).len(), 12);
            assert_eq!(readable(&open_read_only(&before).unwrap(), &sealed).len(), 12);
        }
    }
}
