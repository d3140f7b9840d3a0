//! A node's life without agents: what it leaves, and what a next start makes of it.

use std::path::Path;

use karyon_log::{Control, End, Genesis, ReadStorage, Seal, SegmentHeader};
use karyon_log_writer::{Storage, Writer};
use karyon_runtime::{Beginning, DataDir, Node, NodeError, Recorder};
use karyon_safe_mode::ResumeRequest;
use karyon_safety::{Found, Limits, Marker};
use karyon_statements::Checkpoint;

use crate::support::key;

pub fn begin(path: &Path) -> Node {
    create(DataDir::create(path).unwrap()).unwrap()
}

pub fn create(dir: DataDir) -> Result<Node, NodeError> {
    let genesis = Genesis {
        karyon: "1".into(),
        created_unix_ms: 0,
        scenario_name: "none".into(),
        scenario: String::new(),
        kinds: vec![("puppet".into(), 1)],
        inputs: vec![],
    };
    let beginning =
        Beginning { genesis, authority: vec![], inputs: vec![("in".into(), b"1 2 3".to_vec())] };
    Node::create(dir, key(), 1, beginning)
}

fn resume(path: &Path, karyon: &str) -> Result<Node, NodeError> {
    go_on(DataDir::open(path).unwrap(), karyon)
}

pub fn go_on(dir: DataDir, karyon: &str) -> Result<Node, NodeError> {
    let kinds = [("puppet".into(), 1)];
    Node::resume(dir, key(), 1, karyon, &kinds, &[]).map(|(node, _)| node)
}

pub fn seal(root: u8) -> Seal {
    Seal { ticks: 0, state_root: [root; 32] }
}

#[test]
fn a_sealed_run_that_repeats_to_another_state_is_found() {
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path()).complete(seal(1)).unwrap();
    resume(folder.path(), "1").unwrap().complete(seal(1)).unwrap();
    match resume(folder.path(), "1").unwrap().complete(seal(2)) {
        Err(NodeError::OtherState { sealed, found }) => {
            assert_eq!((sealed.0, found.0), ([1; 32], [2; 32]));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("another state went unnoticed"),
    }
}

fn person_looks(data: &Path, reason: &str) {
    let (config, limits) = (tempfile::tempdir().unwrap(), Limits::default());
    let request = ResumeRequest {
        data,
        config: config.path(),
        log: [0; 16],
        reason,
        unix_ms: 1_000,
        least_n: 0,
        signature: None,
        limits: &limits,
    };
    karyon_safe_mode::resume(request).unwrap();
}

#[test]
fn the_marker_follows_the_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let marker = || karyon_safety::read(path);
    let node = begin(path);
    assert_eq!(marker(), Found::Marker(Marker::Running { n: 0 }));
    drop(node.interrupt(5, 2).unwrap());
    assert_eq!(marker(), Found::Marker(Marker::Clear { n: 1 }));
    let node = resume(path, "1").unwrap();
    assert_eq!(marker(), Found::Marker(Marker::Running { n: 1 }));
    node.abandon("it failed").unwrap();
    assert_eq!(marker(), Found::Marker(Marker::Halted { n: 1, reason: "it failed".into() }));
    assert!(matches!(resume(path, "1"), Err(NodeError::SafeMode { .. })));
    person_looks(path, "a test");
    assert!(matches!(resume(path, "2"), Err(NodeError::Mismatch { .. })));
    assert_eq!(marker(), Found::Marker(Marker::Clear { n: 2 }));
    drop(resume(path, "1").unwrap().complete(seal(1)).unwrap());
    assert_eq!(marker(), Found::Marker(Marker::Clear { n: 3 }));
    assert_eq!(karyon_safety::pending_resumes(path).unwrap(), []);
}

#[test]
fn a_resume_that_is_recorded_already_is_not_recorded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    begin(path).abandon("it failed").unwrap();
    person_looks(path, "once");
    let list = path.join("safety").join("resumes");
    let before = std::fs::read(&list).unwrap();
    drop(resume(path, "1").unwrap().interrupt(0, 2).unwrap());
    // As after a crash between the record and the list.
    std::fs::write(&list, before).unwrap();
    drop(resume(path, "1").unwrap().interrupt(0, 2).unwrap());
    let log = std::fs::read(karyon_runtime::datadir::log_file(path)).unwrap();
    assert_eq!(log.windows(4).filter(|bytes| bytes == b"once").count(), 1);
}

/// A disk on which nothing can be written any more.
pub struct Broken;

impl ReadStorage for Broken {
    fn len(&self) -> std::io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

impl Storage for Broken {
    fn write_at(&mut self, _: u64, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::Error::other("the disk is gone"))
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, _: u64) -> std::io::Result<()> {
        Ok(())
    }

    fn reserve(&mut self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_fails_halts_the_node_and_the_marker_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for step in 0..3 {
        let folder = path.join(step.to_string());
        let mut node = begin(&folder);
        let header = SegmentHeader { log: node.log(), node_key: key().public_key() };
        let storage = Box::new(Broken);
        let writer = Writer::start(storage, &header, key(), 1, End::of_new_log()).unwrap();
        node.recorder = Some(Recorder::new(writer));
        let outcome = match step {
            0 => node.complete(seal(1)).map(drop),
            1 => node.interrupt(0, 2).map(drop),
            _ => {
                node.record_durably(&[Control::Seal(seal(1))]).unwrap_err();
                node.abandon("it failed")
            }
        };
        assert_eq!(outcome.is_err(), step < 2, "there is nothing to abandon in the third");
        match karyon_safety::read(&folder) {
            Found::Marker(Marker::Halted { reason, .. }) => {
                assert!(reason.contains("the disk is gone"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_log_that_does_not_extend_a_known_checkpoint_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("data"), folder.path().join("checkpoint"));
    let mut node = begin(&path);
    node.witnessed_by(copy.clone());
    drop(node.interrupt(0, 2).unwrap());
    let known = karyon_verify::read_checkpoint(&copy, &key().public_key()).unwrap().unwrap();
    let resume = |known: &Checkpoint| {
        let (dir, kinds) = (DataDir::open(&path).unwrap(), [("puppet".into(), 1)]);
        let known = std::slice::from_ref(known);
        Node::resume(dir, key(), 1, "1", &kinds, known).map(|(node, _)| node)
    };
    let (longer, other) = (
        Checkpoint { size: known.size + 1, ..known.clone() },
        Checkpoint { root: [9; 32], ..known.clone() },
    );
    for refused in [longer, other] {
        match resume(&refused) {
            Err(NodeError::Verify(error)) => assert!(error.is_refutation(), "{error}"),
            _ => panic!("{refused:?} was not noticed"),
        }
    }
    drop(resume(&known).unwrap().interrupt(0, 2).unwrap());
}
