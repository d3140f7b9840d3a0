//! A node's life without agents: what it leaves, and what a next start makes of it.

use std::path::Path;

use karyon_log::{Genesis, Seal};
use karyon_runtime::{Beginning, DataDir, Node, NodeError};
use karyon_safety::{Found, Marker, ResumeRequest};

use crate::support::key;

fn begin(path: &Path) -> Node {
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
    Node::create(DataDir::create(path).unwrap(), key(), 1, beginning).unwrap()
}

fn resume(path: &Path, karyon: &str) -> Result<Node, NodeError> {
    let kinds = [("puppet".into(), 1)];
    Node::resume(DataDir::open(path).unwrap(), key(), 1, karyon, &kinds).map(|(node, _)| node)
}

fn seal(root: u8) -> Seal {
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

#[test]
fn the_marker_follows_the_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let marker = || karyon_safety::read(path);
    let node = begin(path);
    assert_eq!(marker(), Found::Marker(Marker::Running { boot: 1, n: 0 }));
    drop(node.interrupt(5, 2).unwrap());
    assert_eq!(marker(), Found::Marker(Marker::Clear { n: 1 }));
    let node = resume(path, "1").unwrap();
    assert_eq!(marker(), Found::Marker(Marker::Running { boot: 2, n: 1 }));
    node.abandon().unwrap();
    assert!(matches!(resume(path, "1"), Err(NodeError::SafeMode { .. })));
    let request = ResumeRequest { reason: "a test", unix_seconds: 1, least_n: 0 };
    karyon_safety::resume(path, request).unwrap();
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
    begin(path).abandon().unwrap();
    let request = ResumeRequest { reason: "once", unix_seconds: 1, least_n: 0 };
    karyon_safety::resume(path, request).unwrap();
    let list = path.join("safety").join("resumes");
    let before = std::fs::read(&list).unwrap();
    drop(resume(path, "1").unwrap().interrupt(0, 2).unwrap());
    // As after a crash between the record and the list.
    std::fs::write(&list, before).unwrap();
    drop(resume(path, "1").unwrap().interrupt(0, 2).unwrap());
    let log = std::fs::read(karyon_runtime::datadir::log_file(path)).unwrap();
    assert_eq!(log.windows(4).filter(|bytes| bytes == b"once").count(), 1);
}
