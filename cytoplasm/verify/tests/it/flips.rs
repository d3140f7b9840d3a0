//! Every changed byte is found, and named by block and record range.

use std::fs;
use std::path::{Path, PathBuf};

use karyon_log::{Control, End, Genesis, InputFile, LogError, origin, segment_file};
use karyon_log_writer::FileStorage;
use karyon_statements::Checkpoint;
use karyon_types::hash;
use karyon_verify::{Trust, VerifyError, verify};

use crate::sample::*;

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the log.
    fn segment(&self, number: u32) -> PathBuf {
        segment_file(&self.path("log"), number)
    }

    fn verify(&self, trust: &Trust) -> Result<karyon_verify::Report, VerifyError> {
        verify(&self.path("log"), &self.path("checkpoint"), &self.path("inputs"), trust)
    }

    /// A whole small run: genesis with an input copy, three commits, the seal, a checkpoint.
    fn sealed() -> Run {
        let run = Run { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(run.path("inputs")).unwrap();
        fs::create_dir(run.path("log")).unwrap();
        fs::write(run.path("inputs/contacts"), "1 2 3\n").unwrap();
        let input = InputFile { name: "contacts".into(), size: 6, hash: hash(b"1 2 3\n").0 };
        let genesis = Genesis { inputs: vec![input], ..genesis() };
        let writer = start(Box::new(FileStorage::create(&run.segment(0)).unwrap())).unwrap();
        writer.append(control(Control::Genesis(genesis))).unwrap();
        writer.flush().unwrap();
        for n in 0..3 {
            writer.append(ticks(n * 5, 5)).unwrap();
        }
        writer.flush().unwrap();
        writer.append(seal()).unwrap();
        run.checkpoint(&writer.close().unwrap());
        run
    }

    /// The same, with an import, or two, in files of their own.
    fn imported(texts: &[&str]) -> Run {
        let run = Run::sealed();
        let mut end = run.verify(&Trust::default()).unwrap().end;
        for text in texts {
            fs::write(run.path("inputs").join(text.trim()), text).unwrap();
            end = write_import(&run.path("log"), &end, text);
        }
        run.checkpoint(&end);
        run
    }

    fn checkpoint(&self, end: &End) {
        let checkpoint = Checkpoint {
            origin: origin(header().log),
            size: end.tree.size(),
            root: end.tree.root(),
        };
        fs::write(self.path("checkpoint"), checkpoint.to_note(&key()).unwrap()).unwrap();
    }
}

fn names_blocks_and_records(error: &VerifyError) -> bool {
    let text = error.to_string();
    text.contains("block") && text.contains("record")
}

fn flip_every_byte(run: &Run, file: &Path, bits: &[u8]) {
    let whole = fs::read(file).unwrap();
    for (at, bit) in (0..whole.len()).zip(bits.iter().cycle()) {
        let mut bytes = whole.clone();
        bytes[at] ^= bit;
        fs::write(file, &bytes).unwrap();
        match run.verify(&Trust::default()) {
            Ok(_) => panic!("byte {at} of {} flipped, not found", file.display()),
            // The magic and the version of the first sector say what kind of file it is.
            Err(VerifyError::Log(LogError::NotALog | LogError::Version { .. })) => {
                panic!("byte {at} of {}: damage taken for another file", file.display())
            }
            Err(error) => {
                assert!(error.is_refutation(), "byte {at}: {error}");
                assert!(names_blocks_and_records(&error), "byte {at}: {error}");
            }
        }
    }
    fs::write(file, &whole).unwrap();
    run.verify(&Trust::default()).unwrap();
}

#[test]
fn every_flipped_byte_of_a_sealed_log_its_inputs_and_its_checkpoint_is_found() {
    let run = Run::sealed();
    let report = run.verify(&Trust { node_key: Some(key().public_key()), known: vec![] }).unwrap();
    let end = &report.end;
    assert_eq!((end.tree.size(), end.records, end.tail_bytes), (5, 17, 0));
    assert_eq!(report.seal().unwrap().state_root, [3; 32]);
    assert_eq!(report.checkpoint, Some(5));
    for file in ["log/00000000.log", "inputs/contacts", "checkpoint"] {
        flip_every_byte(&run, &run.path(file), &[0x01, 0x80, 0x20, 0xff]);
    }
}

#[test]
fn reserved_space_behind_the_seal_is_checked_too() {
    let run = Run::sealed();
    let whole = fs::read(run.segment(0)).unwrap();
    let mut longer = whole.clone();
    longer.resize(whole.len() + 10_000, 0);
    fs::write(run.segment(0), &longer).unwrap();
    run.verify(&Trust::default()).unwrap();
    for at in [whole.len(), whole.len() + 5_000, longer.len() - 1] {
        let mut bytes = longer.clone();
        bytes[at] = 1;
        fs::write(run.segment(0), &bytes).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(error.is_refutation() && names_blocks_and_records(&error), "{error}");
    }
}

#[test]
fn a_cut_log_is_shorter_than_its_checkpoint() {
    let run = Run::sealed();
    let whole = fs::read(run.segment(0)).unwrap();
    for len in (0..whole.len()).step_by(97) {
        fs::write(run.segment(0), &whole[..len]).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(error.is_refutation() && names_blocks_and_records(&error), "{len}: {error}");
    }
}

#[test]
fn without_seal_and_checkpoint_what_was_cut_is_a_tail() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.segment(0)).unwrap();
    fs::write(run.segment(0), &whole[..whole.len() - 4000]).unwrap();
    let report = run.verify(&Trust::default()).unwrap();
    assert_eq!((report.end.tree.size(), report.seal(), report.checkpoint), (4, None, None));
    assert!(report.end.tail_bytes > 0);
}

#[test]
fn damage_before_a_valid_commit_is_no_tail() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let mut bytes = fs::read(run.segment(0)).unwrap();
    // The first commit lies in the second sector.
    bytes[4096 + 300] ^= 1;
    fs::write(run.segment(0), &bytes).unwrap();
    match run.verify(&Trust::default()).unwrap_err() {
        VerifyError::Log(LogError::Damaged(damage)) => {
            assert_eq!((damage.first_block, damage.last_block), (0, Some(0)));
            assert_eq!((damage.first_record, damage.last_record), (0, Some(0)));
            assert_eq!(damage.offset, 4096);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn another_key_is_not_the_trusted_one() {
    let run = Run::sealed();
    let other = karyon_identity::SecretKey::from_seed([8; 32]).unwrap().public_key();
    let error = run.verify(&Trust { node_key: Some(other), known: vec![] }).unwrap_err();
    assert!(matches!(error, VerifyError::WrongKey { .. }) && error.is_refutation());
}

#[test]
fn a_damaged_first_sector_is_damage_also_without_a_checkpoint() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.segment(0)).unwrap();
    for at in [0, 7, 8, 20, 60, 90, 4000] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(run.segment(0), &bytes).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(error.is_refutation() && names_blocks_and_records(&error), "{at}: {error}");
    }
}

#[test]
fn a_first_sector_that_was_never_whole_is_no_log_yet() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.segment(0)).unwrap();
    let mut torn = whole[..4096].to_vec();
    torn[40..].fill(0);
    for bytes in [&torn[..], &torn[..512], &[]] {
        fs::write(run.segment(0), bytes).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(matches!(error, VerifyError::Log(LogError::NotALog)), "{error}");
    }
}

#[test]
fn every_flipped_byte_of_a_log_of_two_files_is_found() {
    let run = Run::imported(&["engram\n"]);
    let report = run.verify(&Trust::default()).unwrap();
    assert_eq!((report.end.tree.size(), report.end.records, report.end.segment), (6, 18, 1));
    assert_eq!(report.seal().unwrap().state_root, [3; 32]);
    assert_eq!(report.imports().map(|import| import.lease).collect::<Vec<_>>(), [3]);
    let files = [run.segment(0), run.segment(1)].map(|file| fs::metadata(file).unwrap().len());
    assert_eq!(report.bytes, files[0] + files[1]);
    let names = ["log/00000000.log", "log/00000001.log", "inputs/contacts", "inputs/engram"];
    for file in names.iter().chain(&["checkpoint"]) {
        flip_every_byte(&run, &run.path(file), &[0x01, 0x80, 0x20, 0xff]);
    }
}

#[track_caller]
fn refuted(run: &Run, what: &str) -> VerifyError {
    let error = run.verify(&Trust::default()).expect_err(what);
    assert!(error.is_refutation() && names_blocks_and_records(&error), "{what}: {error}");
    error
}

#[test]
fn cut_removed_and_swapped_files_are_found() {
    let run = Run::imported(&["one\n", "two\n"]);
    let (zero, one, two) = (run.segment(0), run.segment(1), run.segment(2));
    let whole = [&zero, &one, &two].map(|file| fs::read(file).unwrap());
    let restore = || {
        for (file, bytes) in [&zero, &one, &two].into_iter().zip(&whole) {
            fs::write(file, bytes).unwrap();
        }
        run.verify(&Trust::default()).unwrap();
    };
    for (file, bytes) in [&zero, &one, &two].into_iter().zip(&whole) {
        for len in (0..bytes.len()).step_by(97) {
            fs::write(file, &bytes[..len]).unwrap();
            refuted(&run, &format!("{} cut to {len}", file.display()));
        }
        fs::remove_file(file).unwrap();
        refuted(&run, &format!("{} removed", file.display()));
        restore();
        fs::write(file, [&bytes[..], &[1]].concat()).unwrap();
        refuted(&run, &format!("a byte behind {}", file.display()));
        restore();
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        fs::write(run.segment(a), &whole[b as usize]).unwrap();
        fs::write(run.segment(b), &whole[a as usize]).unwrap();
        refuted(&run, &format!("{a} and {b} swapped"));
        restore();
    }
    fs::remove_file(&one).unwrap();
    let error = refuted(&run, "1 is gone, 2 is there").to_string();
    assert!(error.contains("00000001.log") && error.contains("gone"), "{error}");
}

#[test]
fn damage_in_a_later_file_names_it() {
    let run = Run::imported(&["one\n", "two\n"]);
    let whole = fs::read(run.segment(1)).unwrap();
    let mut bytes = whole.clone();
    bytes[4096 + 300] ^= 1;
    fs::write(run.segment(1), &bytes).unwrap();
    for covered in [true, false] {
        let error = refuted(&run, "a flipped bit");
        let VerifyError::Log(LogError::Segment { segment: 1, source }) = &error else {
            panic!("{error}")
        };
        let LogError::Damaged(damage) = &**source else { panic!("{error}") };
        assert_eq!((damage.first_block, damage.last_block, damage.offset), (5, Some(5), 4096));
        assert!(error.to_string().contains("00000001.log"), "{error}");
        if covered {
            // A later file proves as well as a checkpoint that this one was committed.
            fs::remove_file(run.path("checkpoint")).unwrap();
        }
    }
}

#[test]
fn a_damaged_import_is_named_by_its_record() {
    let run = Run::imported(&["engram\n"]);
    fs::write(run.path("inputs/engram"), "engraM\n").unwrap();
    match run.verify(&Trust::default()).unwrap_err() {
        VerifyError::Input { block, record, .. } => assert_eq!((block, record), (5, 17)),
        other => panic!("{other}"),
    }
    fs::remove_file(run.path("inputs/engram")).unwrap();
    refuted(&run, "the copy is gone");
}

#[test]
fn without_a_checkpoint_over_it_a_torn_import_is_a_tail() {
    let run = Run::sealed();
    let end = run.verify(&Trust::default()).unwrap().end;
    let longer = write_import(&run.path("log"), &end, "engram\n");
    fs::write(run.path("inputs/engram"), "engram\n").unwrap();
    assert_eq!(run.verify(&Trust::default()).unwrap().checkpoint, Some(5));
    let whole = fs::read(run.segment(1)).unwrap();
    fs::write(run.segment(1), &whole[..4500]).unwrap();
    // Its record hashes were made when it was whole; a crash leaves none.
    refuted(&run, "the records of a whole file are known").to_string();
    fs::remove_file(run.path("log/00000001.records")).unwrap();
    let report = run.verify(&Trust::default()).unwrap();
    assert_eq!((report.end.segment, report.end.sealed, report.imports().count()), (0, true, 0));
    assert_eq!((report.end.tail_bytes, report.end.tail_segment()), (4500, 1));
    run.checkpoint(&longer);
    let error = refuted(&run, "the checkpoint covers the tail").to_string();
    assert!(error.contains("00000001.log"), "{error}");
}

#[test]
fn a_copy_of_an_earlier_commit_is_a_tail_and_a_later_one_is_not() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.segment(0)).unwrap();
    let sector = |number: usize| &whole[number * 4096..(number + 1) * 4096];
    // Header and genesis; behind them genesis again, or what follows the commit that is gone.
    fs::write(run.segment(0), [sector(0), sector(1), sector(1)].concat()).unwrap();
    let report = run.verify(&Trust::default()).unwrap();
    assert!(report.end.commits == 1 && report.end.tail_bytes > 0);
    let last = whole.len() / 4096 - 1;
    fs::write(run.segment(0), [sector(0), sector(1), sector(last)].concat()).unwrap();
    match run.verify(&Trust::default()).unwrap_err() {
        VerifyError::Log(LogError::Damaged(damage)) => {
            assert_eq!((damage.first_block, damage.last_block), (1, Some(3)));
            assert_eq!((damage.first_record, damage.last_record), (1, Some(15)));
        }
        other => panic!("{other}"),
    }
}
