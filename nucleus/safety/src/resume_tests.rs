//! Tests of the resume: what it refuses, and that no reason is lost.

use std::fs;

use super::*;
use crate::marker::{initialise, read, replace};

fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    initialise(dir.path()).unwrap();
    dir
}

fn crashed(boot: u64) -> tempfile::TempDir {
    let dir = data();
    replace(dir.path(), &Marker::Running { boot, n: 0 }).unwrap();
    dir
}

fn request(reason: &str) -> ResumeRequest<'_> {
    ResumeRequest { reason, unix_seconds: 1_700_000_000, least_n: 0 }
}

fn clear(n: u64) -> Found {
    Found::Marker(Marker::Clear { n })
}

#[test]
fn after_a_crash_and_after_a_halt() {
    let dir = crashed(1);
    let resumed = resume(dir.path(), request(" looked at it,\nall well ")).unwrap();
    let expected = HumanResume {
        n: 1,
        unix_seconds: 1_700_000_000,
        before: "running(boot 1, 0)".into(),
        reason: "looked at it,\nall well".into(),
    };
    assert_eq!(resumed, expected);
    assert_eq!(read(dir.path()), clear(1));

    replace(dir.path(), &Marker::Running { boot: 2, n: 1 }).unwrap();
    replace(dir.path(), &Marker::Halted { n: 1, reason: "a\tb".into() }).unwrap();
    let second = resume(dir.path(), request("again")).unwrap();
    assert_eq!((second.n, second.before.as_str()), (2, "halted(1): a\\tb"));
    assert_eq!(read(dir.path()), clear(2));

    // The first boot never got as far as recording: both reasons are still there.
    assert_eq!(pending_resumes(dir.path()).unwrap(), [expected, second.clone()]);
    resumes_recorded(dir.path(), 1).unwrap();
    assert_eq!(pending_resumes(dir.path()).unwrap(), [second]);
    resumes_recorded(dir.path(), 2).unwrap();
    resumes_recorded(dir.path(), 2).unwrap();
    assert_eq!(pending_resumes(dir.path()).unwrap(), []);
}

#[test]
fn without_a_reason_or_a_safe_mode_nothing_happens() {
    let dir = crashed(1);
    let before = read(dir.path());
    for reason in ["", " \n\t"] {
        assert!(matches!(resume(dir.path(), request(reason)), Err(ResumeError::NoReason)));
    }
    let long = "x".repeat(1_001);
    let error = resume(dir.path(), request(&long)).unwrap_err();
    assert!(matches!(error, ResumeError::LongReason { length_bytes: 1_001 }));
    assert_eq!(read(dir.path()), before);
    resume(dir.path(), request(&long[1..])).unwrap();
    let error = resume(dir.path(), request("x")).unwrap_err();
    assert!(matches!(error, ResumeError::NotInSafeMode { n: 1 }));
    assert_eq!(pending_resumes(dir.path()).unwrap().len(), 1);

    let nowhere = dir.path().join("nowhere");
    assert!(matches!(resume(&nowhere, request("x")), Err(ResumeError::NoData { .. })));
    assert!(!nowhere.exists());
}

#[test]
fn stop_is_obeyed_and_never_deleted() {
    let dir = crashed(1);
    let stop = dir.path().join("safety/STOP");
    let before = read(dir.path());
    fs::write(&stop, "").unwrap();
    let error = resume(dir.path(), request("x")).unwrap_err();
    assert!(matches!(error, ResumeError::Stop { path } if path == stop));
    assert!(stop.exists());
    assert_eq!(read(dir.path()), before);
    assert_eq!(pending_resumes(dir.path()).unwrap(), []);
    fs::remove_file(&stop).unwrap();
    resume(dir.path(), request("x")).unwrap();
}

#[test]
fn n_does_not_go_back_with_the_marker() {
    let dir = crashed(1);
    resume(dir.path(), ResumeRequest { least_n: 40, ..request("x") }).unwrap();
    assert_eq!(read(dir.path()), clear(41));

    fs::write(dir.path().join("safety/marker"), "rubbish").unwrap();
    let resumed = resume(dir.path(), ResumeRequest { least_n: 3, ..request("broken") }).unwrap();
    assert_eq!(
        (resumed.n, resumed.before.as_str()),
        (42, "broken: its check does not fit its text")
    );

    // Nothing left that knows a number but the caller's log.
    fs::remove_dir_all(dir.path().join("safety")).unwrap();
    let resumed = resume(dir.path(), ResumeRequest { least_n: 50, ..request("gone") }).unwrap();
    assert_eq!((resumed.n, resumed.before.as_str()), (51, "missing"));
    assert_eq!(read(dir.path()), clear(51));
}

#[test]
fn a_resume_cut_off_before_the_marker_keeps_its_reason() {
    let dir = crashed(1);
    // The marker cannot be replaced: a directory is in the way of its temporary file.
    fs::create_dir(dir.path().join("safety/.marker.new")).unwrap();
    assert!(matches!(resume(dir.path(), request("first")), Err(ResumeError::File(_))));
    assert!(matches!(read(dir.path()), Found::Marker(Marker::Running { .. })));
    fs::remove_dir(dir.path().join("safety/.marker.new")).unwrap();
    resume(dir.path(), request("second")).unwrap();
    let list = pending_resumes(dir.path()).unwrap();
    let seen: Vec<_> = list.iter().map(|r| (r.n, r.reason.as_str())).collect();
    assert_eq!(seen, [(1, "first"), (2, "second")]);
    assert_eq!(read(dir.path()), clear(2));
}

#[test]
fn a_broken_list_is_kept_and_named() {
    let dir = crashed(1);
    let path = dir.path().join("safety/resumes");
    fs::write(&path, "rubbish").unwrap();
    let error = resume(dir.path(), request("x")).unwrap_err();
    assert!(matches!(error, ResumeError::List { path: p, why: Damage::Check } if p == path));
    assert_eq!(fs::read_to_string(&path).unwrap(), "rubbish");
    for body in
        ["v2\n", "karyon-safety-resumes-v1\n1\t2\tx\n", "karyon-safety-resumes-v1\n01\t2\tx\ty\n"]
    {
        fs::write(&path, seal(body)).unwrap();
        let error = pending_resumes(dir.path()).unwrap_err();
        assert!(matches!(error, ResumeError::List { why: Damage::Form, .. }), "{body:?}");
    }
}

#[test]
fn a_list_that_nobody_records_is_full_at_last() {
    let dir = crashed(1);
    let longest = HumanResume {
        n: 9,
        unix_seconds: u64::MAX,
        before: "\u{1}".repeat(1_100),
        reason: "\u{1}".repeat(MAX_REASON_BYTES),
    };
    files::replace(dir.path(), NAME, &encode(&vec![longest; MAX_PENDING])).unwrap();
    assert_eq!(pending_resumes(dir.path()).unwrap().len(), MAX_PENDING);
    assert!(matches!(resume(dir.path(), request("x")), Err(ResumeError::Full { .. })));
}
