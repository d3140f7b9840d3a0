//! Every changed byte is found, and named by block and record range.

use std::fs;
use std::path::{Path, PathBuf};

use karyon_identity::Checkpoint;
use karyon_log::{
    Control, FileStorage, Genesis, InputFile, LogError, Trust, VerifyError, Writer, origin, verify,
};
use karyon_types::hash;

use crate::support::*;

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, trust: &Trust) -> Result<karyon_log::Report, VerifyError> {
        verify(&self.path("log"), &self.path("checkpoint"), &self.path("inputs"), trust)
    }

    /// A whole small run: genesis with an input copy, three commits, the seal, a checkpoint.
    fn sealed() -> Run {
        let run = Run { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(run.path("inputs")).unwrap();
        fs::write(run.path("inputs/contacts"), "1 2 3\n").unwrap();
        let input = InputFile { name: "contacts".into(), size: 6, hash: hash(b"1 2 3\n").0 };
        let genesis = Genesis { inputs: vec![input], ..genesis() };
        let writer = start(Box::new(FileStorage::create(&run.path("log")).unwrap())).unwrap();
        writer.append(control(Control::Genesis(genesis))).unwrap();
        writer.flush().unwrap();
        for n in 0..3 {
            writer.append(ticks(n * 5, 5)).unwrap();
        }
        writer.flush().unwrap();
        writer.append(seal()).unwrap();
        run.checkpoint(writer);
        run
    }

    fn checkpoint(&self, writer: Writer) {
        let end = writer.close().unwrap();
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
    let report = run.verify(&Trust { node_key: Some(key().public_key()) }).unwrap();
    let end = &report.end;
    assert_eq!((end.tree.size(), end.records, end.tail_bytes), (5, 17, 0));
    assert_eq!(report.seal().unwrap().state_root, [3; 32]);
    assert_eq!(report.checkpoint, Some(5));
    for file in ["log", "inputs/contacts", "checkpoint"] {
        flip_every_byte(&run, &run.path(file), &[0x01, 0x80, 0x20, 0xff]);
    }
}

#[test]
fn reserved_space_behind_the_seal_is_checked_too() {
    let run = Run::sealed();
    let whole = fs::read(run.path("log")).unwrap();
    let mut longer = whole.clone();
    longer.resize(whole.len() + 10_000, 0);
    fs::write(run.path("log"), &longer).unwrap();
    run.verify(&Trust::default()).unwrap();
    for at in [whole.len(), whole.len() + 5_000, longer.len() - 1] {
        let mut bytes = longer.clone();
        bytes[at] = 1;
        fs::write(run.path("log"), &bytes).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(error.is_refutation() && names_blocks_and_records(&error), "{error}");
    }
}

#[test]
fn a_cut_log_is_shorter_than_its_checkpoint() {
    let run = Run::sealed();
    let whole = fs::read(run.path("log")).unwrap();
    for len in (0..whole.len()).step_by(97) {
        fs::write(run.path("log"), &whole[..len]).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(error.is_refutation() && names_blocks_and_records(&error), "{len}: {error}");
    }
}

#[test]
fn without_seal_and_checkpoint_what_was_cut_is_a_tail() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.path("log")).unwrap();
    fs::write(run.path("log"), &whole[..whole.len() - 4000]).unwrap();
    let report = run.verify(&Trust::default()).unwrap();
    assert_eq!((report.end.tree.size(), report.seal(), report.checkpoint), (4, None, None));
    assert!(report.end.tail_bytes > 0);
}

#[test]
fn damage_before_a_valid_commit_is_no_tail() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let mut bytes = fs::read(run.path("log")).unwrap();
    // The first commit lies in the second sector.
    bytes[4096 + 300] ^= 1;
    fs::write(run.path("log"), &bytes).unwrap();
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
    let error = run.verify(&Trust { node_key: Some(other) }).unwrap_err();
    assert!(matches!(error, VerifyError::WrongKey { .. }) && error.is_refutation());
}

#[test]
fn a_damaged_first_sector_is_damage_also_without_a_checkpoint() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.path("log")).unwrap();
    for at in [0, 7, 8, 20, 60, 90, 4000] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(run.path("log"), &bytes).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(error.is_refutation() && names_blocks_and_records(&error), "{at}: {error}");
    }
}

#[test]
fn a_first_sector_that_was_never_whole_is_no_log_yet() {
    let run = Run::sealed();
    fs::remove_file(run.path("checkpoint")).unwrap();
    let whole = fs::read(run.path("log")).unwrap();
    let mut torn = whole[..4096].to_vec();
    torn[40..].fill(0);
    for bytes in [&torn[..], &torn[..512], &[]] {
        fs::write(run.path("log"), bytes).unwrap();
        let error = run.verify(&Trust::default()).unwrap_err();
        assert!(matches!(error, VerifyError::Log(LogError::NotALog)), "{error}");
    }
}
