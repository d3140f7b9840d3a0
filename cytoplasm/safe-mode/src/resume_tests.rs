//! Tests of the resume: what it refuses, and that no reason is lost.

use std::fs;

use karyon_safety::{initialise, replace, resumes_recorded};

use super::*;
use crate::test_place::Place;

fn crashed() -> Place {
    let place = Place::new();
    initialise(&place.data).unwrap();
    replace(&place.data, &Marker::Running { n: 0 }).unwrap();
    place
}

fn clear(n: u64) -> Found {
    Found::Marker(Marker::Clear { n })
}

#[test]
fn after_a_crash_and_after_a_halt() {
    let place = crashed();
    let resumed = resume(place.request(" looked at it,\nall well ")).unwrap();
    let expected = HumanResume {
        n: 1,
        unix_seconds: 1_700_000_000,
        signed_by: None,
        before: "running(0)".into(),
        reason: "looked at it,\nall well".into(),
    };
    assert_eq!(resumed, expected);
    assert_eq!(read(&place.data), clear(1));

    replace(&place.data, &Marker::Running { n: 1 }).unwrap();
    replace(&place.data, &Marker::Halted { n: 1, reason: "a\tb".into() }).unwrap();
    let second = resume(place.request("again")).unwrap();
    assert_eq!((second.n, second.before.as_str()), (2, "halted(1): a\\tb"));
    assert_eq!(read(&place.data), clear(2));

    // Both are in the safety log, as resumes that nobody signed.
    let events = fs::read_to_string(SafetyLog::path(&place.data)).unwrap();
    let words = "\"human_resume\",\"reason\":\"looked at it,\\u000aall well [after 0000000000000000]\",\
                 \"autonomy_state\":\"halted\",\"governance_state\":\"degraded\",\"human_notified\":true}";
    assert!(events.contains(words), "{events}");
    // As exact as a halt.
    assert!(events.contains("\"2023-11-14T22:13:20.250Z\""), "{events}");
    assert_eq!(SafetyLog::check(&place.data).unwrap().1, 2);

    // The first boot never got as far as recording: both reasons are still there.
    assert_eq!(pending_resumes(&place.data).unwrap(), [expected, second.clone()]);
    resumes_recorded(&place.data, 1).unwrap();
    assert_eq!(pending_resumes(&place.data).unwrap(), [second]);
    resumes_recorded(&place.data, 2).unwrap();
    resumes_recorded(&place.data, 2).unwrap();
    assert_eq!(pending_resumes(&place.data).unwrap(), []);
}

#[test]
fn without_a_reason_or_a_safe_mode_nothing_happens() {
    let place = crashed();
    let before = read(&place.data);
    for reason in ["", " \n\t"] {
        assert!(matches!(resume(place.request(reason)), Err(ResumeError::NoReason)));
    }
    let long = "x".repeat(1_001);
    let error = resume(place.request(&long)).unwrap_err();
    assert!(matches!(error, ResumeError::LongReason(1_001)));
    assert_eq!(read(&place.data), before);
    resume(place.request(&long[1..])).unwrap();
    let error = resume(place.request("x")).unwrap_err();
    assert!(matches!(error, ResumeError::NotInSafeMode(1)));
    assert_eq!(pending_resumes(&place.data).unwrap().len(), 1);

    let nowhere = place.data.join("nowhere");
    assert!(matches!(
        resume(ResumeRequest { data: &nowhere, ..place.request("x") }),
        Err(ResumeError::NoData(_))
    ));
    assert!(!nowhere.exists());
}

#[test]
fn stop_is_obeyed_and_never_deleted() {
    let place = crashed();
    let stop = place.data.join("safety/STOP");
    let before = read(&place.data);
    fs::write(&stop, "").unwrap();
    let error = resume(place.request("x")).unwrap_err();
    assert!(matches!(error, ResumeError::Stop(path) if path == stop));
    assert!(stop.exists());
    assert_eq!(read(&place.data), before);
    assert_eq!(pending_resumes(&place.data).unwrap(), []);
    fs::remove_file(&stop).unwrap();
    resume(place.request("x")).unwrap();
}

#[test]
fn n_does_not_go_back_with_the_marker() {
    let place = crashed();
    resume(ResumeRequest { least_n: 40, ..place.request("x") }).unwrap();
    assert_eq!(read(&place.data), clear(41));

    fs::write(place.data.join("safety/marker"), "rubbish").unwrap();
    let resumed = resume(ResumeRequest { least_n: 3, ..place.request("broken") }).unwrap();
    assert_eq!(
        (resumed.n, resumed.before.as_str()),
        (42, "broken: its check does not fit its text")
    );

    // Without a readable marker this machine knows the number.
    fs::remove_file(place.data.join("safety/marker")).unwrap();
    assert_eq!(resume(place.request("gone")).unwrap().n, 43);

    // Nothing left that knows a number but the caller's log.
    fs::remove_dir_all(place.data.join("safety")).unwrap();
    let resumed = resume(ResumeRequest { least_n: 50, ..place.request("gone") }).unwrap();
    assert_eq!((resumed.n, resumed.before.as_str()), (51, "missing"));
    assert_eq!(read(&place.data), clear(51));
}

#[test]
fn a_resume_cut_off_before_the_marker_keeps_its_reason() {
    let place = crashed();
    // The marker cannot be replaced: a directory is in the way of its temporary file.
    fs::create_dir(place.data.join("safety/.marker.new")).unwrap();
    assert!(matches!(resume(place.request("first")), Err(ResumeError::File(_))));
    assert!(matches!(read(&place.data), Found::Marker(Marker::Running { .. })));
    fs::remove_dir(place.data.join("safety/.marker.new")).unwrap();
    resume(place.request("second")).unwrap();
    let list = pending_resumes(&place.data).unwrap();
    let seen: Vec<_> = list.iter().map(|r| (r.n, r.reason.as_str())).collect();
    assert_eq!(seen, [(1, "first"), (2, "second")]);
    assert_eq!(read(&place.data), clear(2));
}

#[test]
fn a_broken_list_is_kept_and_named() {
    let place = crashed();
    let path = place.data.join("safety/resumes");
    fs::write(&path, "rubbish").unwrap();
    let error = resume(place.request("x")).unwrap_err();
    let words = format!("{} is broken: its check does not fit its text", path.display());
    assert!(matches!(error, ResumeError::Broken(found) if found == words));
    assert_eq!(fs::read_to_string(&path).unwrap(), "rubbish");
}

#[test]
fn a_list_that_nobody_records_is_full_at_last() {
    let place = crashed();
    let longest = HumanResume {
        n: 9,
        unix_seconds: u64::MAX,
        signed_by: Some([255; 32]),
        before: "\u{1}".repeat(1_100),
        reason: "\u{1}".repeat(MAX_REASON_BYTES),
    };
    replace_resumes(&place.data, &vec![longest; MAX_PENDING]).unwrap();
    assert_eq!(pending_resumes(&place.data).unwrap().len(), MAX_PENDING);
    assert!(matches!(resume(place.request("x")), Err(ResumeError::Full(_))));
}

#[test]
fn a_host_wide_stop_is_obeyed() {
    let place = crashed();
    fs::create_dir_all(place.limits.host_stop.parent().unwrap()).unwrap();
    fs::write(&place.limits.host_stop, "").unwrap();
    let error = resume(place.request("x")).unwrap_err();
    assert!(matches!(error, ResumeError::Stop(path) if path == place.limits.host_stop));
    assert_eq!(pending_resumes(&place.data).unwrap(), []);
}

#[test]
fn files_of_an_earlier_version() {
    let place = Place::new();
    let safety = place.data.join("safety");
    fs::create_dir(&safety).unwrap();
    let former = |state| format!("karyon-safety-{state}\nblake3 {}\n", "0".repeat(64));
    fs::write(safety.join("marker"), former("marker-v1 clear 7")).unwrap();
    let mode = admit(&place.data, &place.config).unwrap_err();
    let old = "is broken: it is of an earlier version";
    assert_eq!(mode.why(), format!("the file safety/marker {old}"));

    let path = safety.join("resumes");
    fs::write(&path, former("resumes-v1")).unwrap();
    let error = resume(place.request("new version")).unwrap_err();
    let words = format!("{} {old}", path.display());
    assert!(matches!(error, ResumeError::Broken(found) if found == words));
    fs::remove_file(&path).unwrap();
    let request = ResumeRequest { least_n: 9, ..place.request("new version") };
    assert_eq!(resume(request).unwrap().n, 10);
    assert_eq!(read(&place.data), clear(10));
}

#[test]
fn a_broken_safety_log_or_registry_keeps_safe_mode() {
    let place = crashed();
    resume(place.request("first")).unwrap();
    replace(&place.data, &Marker::Running { n: 1 }).unwrap();
    for path in [place.entry(), place.data.join("safety/identity"), SafetyLog::path(&place.data)] {
        let good = fs::read(&path).unwrap();
        place.overwrite(&path, b"{\"timestamp\":\" [after 0]\",\"autonomy_state\":\"}\n");
        let named = format!("{} is broken: ", path.display());
        let before = read(&place.data);
        if path.ends_with("safety_events.jsonl") {
            // A line in no known form is what a crash left; one that follows nothing is not.
            let line =
                String::from_utf8(good.clone()).unwrap().replace("[after 0000", "[after 0100");
            place.overwrite(&path, line.as_bytes());
        }
        let error = resume(place.request("x")).unwrap_err();
        assert!(matches!(error, ResumeError::Broken(words) if words.starts_with(&named)));
        assert_eq!(read(&place.data), before);
        place.overwrite(&path, &good);
    }
    resume(place.request("x")).unwrap();
}

#[test]
fn a_person_halts_what_does_not_run() {
    let place = Place::new();
    let (data, config) = (&place.data, &place.config);
    Entry::begin(data, config, 1).unwrap();
    halt_idle(data, config, "not tonight", 1_700_000_000_123).unwrap();
    assert_eq!(read(data), Found::Marker(Marker::Halted { n: 0, reason: "not tonight".into() }));
    let events = fs::read_to_string(SafetyLog::path(data)).unwrap();
    let words = "{\"timestamp\":\"2023-11-14T22:13:20.123Z\",\"event\":\"manual_stop\",\
                 \"reason\":\"not tonight [after 0000000000000000]\",";
    assert!(events.starts_with(words), "{events}");
    assert_eq!(resume(place.request("tonight")).unwrap().n, 1);
    assert_eq!(admit(data, config).unwrap().n, 1);

    // Of a copy the original hears nothing.
    let copy = place.copy("copy");
    halt_idle(&copy, config, "a copy", 0).unwrap();
    assert!(matches!(read(&copy), Found::Marker(Marker::Halted { .. })));
    assert_eq!(admit(data, config).unwrap().n, 1);

    // Rubbish in all places keeps nobody from halting.
    for path in [data.join("safety/marker"), place.entry()] {
        fs::write(path, "rubbish").unwrap();
    }
    halt_idle(data, config, "again", 0).unwrap();
    assert!(matches!(read(data), Found::Marker(Marker::Halted { .. })));
}

#[test]
fn a_marker_that_is_put_back_undoes_no_halt() {
    let place = Place::new();
    Entry::begin(&place.data, &place.config, 5).unwrap();
    let marker = place.data.join("safety/marker");
    let clear = fs::read(&marker).unwrap();
    halt_idle(&place.data, &place.config, "danger", 1).unwrap();
    fs::write(&marker, clear).unwrap();
    let mode = admit(&place.data, &place.config).unwrap_err();
    assert!(mode.why().contains("put back"), "{mode}");
    resume(place.request("looked")).unwrap();
    admit(&place.data, &place.config).unwrap();
}

#[test]
fn a_folder_that_went_with_its_stop_ends_no_safe_mode() {
    let place = Place::new();
    Entry::begin(&place.data, &place.config, 5).unwrap();
    fs::create_dir(place.data.join("log")).unwrap();
    fs::write(place.data.join("log/00000000.log"), "").unwrap();
    fs::write(place.data.join("safety/STOP"), "").unwrap();
    fs::rename(place.data.join("safety"), place.data.join("away")).unwrap();
    let refused = resume(place.request("looked")).unwrap_err();
    assert!(matches!(&refused, ResumeError::NoFolder(_)), "{refused}");
    assert!(!place.data.join("safety").exists());
}

#[test]
fn a_directory_that_this_machine_never_ran_is_registered() {
    // One that ran without a guardian has no identity either.
    let place = Place::new();
    initialise(&place.data).unwrap();
    let resumed = resume(place.request("mine")).unwrap();
    assert_eq!(resumed.before, "this machine has never run it");
    assert_eq!(admit(&place.data, &place.config).unwrap().n, 1);
}

#[test]
fn a_copy_gets_an_identity_of_its_own() {
    let place = Place::new();
    let mut entry = Entry::begin(&place.data, &place.config, 5).unwrap();
    entry.windows = "tasks 9".into();
    entry.nonces = vec![[1; 16]];
    entry.store().unwrap();
    let copy = place.copy("copy");
    let resumed = resume(ResumeRequest { data: &copy, ..place.request("a copy") }).unwrap();
    assert_eq!(resumed.before, "it is a copy, or was moved");
    let of_copy = admit(&copy, &place.config).unwrap();
    assert_eq!((of_copy.n, of_copy.windows, of_copy.nonces), (1, "tasks 9".into(), vec![[1; 16]]));
    // The original goes on as before.
    assert_eq!(admit(&place.data, &place.config), Ok(entry));
}

#[test]
fn what_was_put_back_or_cut_on_purpose_is_admitted_again() {
    let place = Place::new();
    let mut entry = Entry::begin(&place.data, &place.config, 5).unwrap();
    entry.n = 1;
    entry.store().unwrap();
    assert_eq!(resume(place.request("put back on purpose")).unwrap().n, 2);
    admit(&place.data, &place.config).unwrap();
    place.overwrite(&SafetyLog::path(&place.data), b"");
    admit(&place.data, &place.config).unwrap_err();
    resume(place.request("the log was lost")).unwrap();
    admit(&place.data, &place.config).unwrap();
}

#[test]
fn the_oldest_nonce_is_forgotten_first() {
    let place = Place::new();
    let mut entry = Entry::begin(&place.data, &place.config, 5).unwrap();
    (0..=255).for_each(|number| use_nonce(&mut entry, [number; 16]));
    use_nonce(&mut entry, [7; 16]);
    assert_eq!((entry.nonces.len(), entry.nonces[0]), (MAX_NONCES, [1; 16]));
}
