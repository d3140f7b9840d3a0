//! Proofs hold for what is so and for nothing else; checkpoints and proofs are also read by
//! implementations that nobody here wrote.

use karyon_audit::{GrewError, Note, ProofError, check_proof, grew, merkle, prove};
use karyon_identity::SecretKey;
use karyon_log::{Records, SegmentHeader, origin};
use karyon_log_writer::Block;
use karyon_statements::Checkpoint;
use karyon_types::{LogId, Position};
use signed_note::{Note as ForeignNote, StandardVerifier, VerifierList};
use tlog_tiles::tlog;

use crate::support::*;

/// 11 blocks of 3 ticks, each in a commit of its own.
fn blocks() -> impl Iterator<Item = Block> {
    ticks(11, 3)
}

/// What a signed note's own implementation takes as the node's key.
fn foreign_key(name: &str, key: &SecretKey) -> StandardVerifier {
    let public = [&[1][..], &key.public_key().0].concat();
    let id = signed_note::key_id(name, &public);
    let base64 = data_encoding::BASE64.encode(&public);
    StandardVerifier::new(&format!("{name}+{id:08x}+{base64}")).unwrap()
}

/// The checkpoint in a note, as others read it.
fn foreign_checkpoint(note: &str) -> tlog_tiles::Checkpoint {
    let note = ForeignNote::from_bytes(note.as_bytes()).unwrap();
    let verifier = foreign_key(&origin(header().log), &key());
    let (verified, unverified) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap()
}

fn nodes<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<tlog::Hash> {
    lines.map(|line| tlog::Hash::parse_hash(line).unwrap()).collect()
}

/// The hash of the block in a proof, from its bytes alone.
fn block_in(proof: &str) -> tlog::Hash {
    let extra = proof.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
    let extra = data_encoding::BASE64.decode(extra.as_bytes()).unwrap();
    let commit = u32::from_le_bytes(extra[16..20].try_into().unwrap()) as usize;
    tlog::record_hash(&karyon_types::hash(&extra[20 + commit..]).0)
}

#[test]
fn every_record_is_proved_and_others_accept_the_proof() {
    let folder = write_blocks(blocks());
    for position in 0..33 {
        let text = prove(folder.path(), Position(position), &Note::Sign(&key())).unwrap();
        let checked = check_proof(&text, &key().public_key()).unwrap();
        assert_eq!((checked.position.0, checked.block, checked.size), (position, position / 3, 11));
        let record = Records::new(&checked.bytes).next().unwrap().unwrap();
        assert_eq!(record, karyon_log::Record::Tick(karyon_types::Tick(position)));

        let (proof, note) = text.split_once("\n\n").unwrap();
        let checkpoint = foreign_checkpoint(note);
        assert_eq!(checkpoint.origin(), origin(header().log));
        let path = nodes(proof.lines().skip(3));
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        tlog::check_record(&path, size, root, position / 3, block_in(&text)).unwrap();
        tlog::check_record(&path, size, root, (position / 3 + 1) % 11, block_in(&text))
            .unwrap_err();
    }
    let error = prove(folder.path(), Position(33), &Note::Sign(&key())).unwrap_err();
    assert!(matches!(error, ProofError::NoRecord { records: 33, .. }), "{error:?}");
}

#[test]
fn a_changed_proof_proves_nothing() {
    let folder = write_blocks(blocks());
    let text = prove(folder.path(), Position(16), &Note::Sign(&key())).unwrap();
    let mut refused = 0;
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        match check_proof(&changed, &key().public_key()) {
            // The number of the record, changed to its neighbour's, is a proof of that one.
            Ok(checked) => assert_eq!((checked.position.0 == 16, checked.block), (false, 5)),
            Err(error) => {
                assert!(error.is_refutation(), "byte {at}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 500, "{refused}");
    for end in 0..text.len() {
        if let Some(cut) = text.get(..end) {
            check_proof(cut, &key().public_key()).unwrap_err();
        }
    }
    let other = SecretKey::from_seed([8; 32]).unwrap();
    check_proof(&text, &other.public_key()).unwrap_err();
}

#[test]
fn a_proof_may_rest_on_an_older_checkpoint_that_covers_the_record() {
    let before = write_blocks(blocks().take(6));
    let kept = checkpoint_of(before.path());
    let folder = write_blocks(blocks());
    let text = prove(folder.path(), Position(17), &Note::Kept(&kept)).unwrap();
    assert_eq!(check_proof(&text, &key().public_key()).unwrap().size, 6);
    let error = prove(folder.path(), Position(18), &Note::Kept(&kept)).unwrap_err();
    assert!(matches!(error, ProofError::NotCovered { size: 6, block: 6, .. }), "{error:?}");
    let forked = write_blocks(ticks(11, 4));
    let error = prove(forked.path(), Position(0), &Note::Kept(&kept)).unwrap_err();
    assert!(matches!(error, ProofError::False { .. }), "{error:?}");
}

/// A checkpoint over all of a log.
fn checkpoint_of(folder: &std::path::Path) -> String {
    let mut walk = karyon_log::Walk::open(folder).unwrap();
    while walk.next_group().unwrap().is_some() {}
    let tree = &walk.end().tree;
    let checkpoint =
        Checkpoint { origin: origin(walk.header().log), size: tree.size(), root: tree.root() };
    checkpoint.to_note(&key()).unwrap()
}

#[test]
fn growth_is_proved_and_others_accept_the_proof() {
    let folder = write_blocks(blocks());
    for size in 1..=11 {
        let since = checkpoint_of(write_blocks(blocks().take(size)).path());
        let growth = grew(folder.path(), &since, &key().public_key()).unwrap();
        assert_eq!(growth.blocks, (size as u64, 11));
        assert_eq!(growth.records, (size as u64 * 3, 33));

        let text = growth.proof(&Note::Sign(&key())).unwrap();
        let (proof, note) = text.split_once("\n\n").unwrap_or(("", &text));
        let new = foreign_checkpoint(note.trim_start_matches('\n'));
        let old = foreign_checkpoint(&since);
        assert_eq!(proof.lines().next(), Some(format!("old {size}").as_str()));
        let path = nodes(proof.lines().skip(1));
        tlog::check_tree(&path, new.size(), *new.hash(), old.size(), *old.hash()).unwrap();
        let plain: Vec<merkle::Node> = path.iter().map(|node| node.0).collect();
        let roots = ((old.size(), old.hash().0), (new.size(), new.hash().0));
        assert!(merkle::is_consistent(roots.0, roots.1, &plain));
    }
}

#[test]
fn a_log_that_did_not_just_grow_is_told_from_one_that_did() {
    let key_here = key().public_key();
    let folder = write_blocks(blocks());
    let since = checkpoint_of(folder.path());

    let shorter = write_blocks(blocks().take(10));
    let error = grew(shorter.path(), &since, &key_here).unwrap_err();
    assert!(matches!(error, GrewError::Shorter { size: 11, blocks: 10, records: 30 }), "{error:?}");

    let forked = write_blocks(ticks(12, 4));
    let error = grew(forked.path(), &since, &key_here).unwrap_err();
    assert!(matches!(error, GrewError::Forked { size: 11, last: 43 }), "{error:?}");

    let other = SegmentHeader { log: LogId([0x22; 16]), ..header() };
    let error = grew(write_log(&other, blocks()).path(), &since, &key_here).unwrap_err();
    assert!(matches!(error, GrewError::OtherLog { .. }), "{error:?}");

    let stranger = SecretKey::from_seed([8; 32]).unwrap().public_key();
    let error = grew(folder.path(), &since, &stranger).unwrap_err();
    assert!(matches!(error, GrewError::Note(_)) && error.is_refutation(), "{error:?}");

    // Signatures of others are not looked at; what is no signature is refused.
    for own_first in [true, false] {
        let cosigned = cosigned(&since, own_first);
        assert_eq!(grew(folder.path(), &cosigned, &key_here).unwrap().blocks, (11, 11));
        grew(folder.path(), &format!("{cosigned}x\n"), &key_here).unwrap_err();
        let other = cosigned.replacen("11\n", "10\n", 1);
        let error = grew(folder.path(), &other, &key_here).unwrap_err();
        assert!(error.is_refutation(), "{error:?}");
    }

    // A checkpoint over nothing is extended by every log of that name.
    let nothing = Checkpoint { origin: origin(header().log), size: 0, root: merkle::root(&[]) };
    let growth = grew(folder.path(), &nothing.to_note(&key()).unwrap(), &key_here).unwrap();
    assert_eq!((growth.blocks, growth.records), ((0, 11), (0, 33)));
}
