//! Tests of the safety log: what was written is found again, and nothing else goes unseen.

use std::fs;

use super::*;
use crate::test_place::Place;

fn append(place: &Place, reason: &str) -> [u8; 32] {
    let event = EventKind::RunawayDetected;
    SafetyLog::append(&place.data, event, reason, "enforced", false, 0).unwrap()
}

fn does_not_follow(line: u64) -> String {
    format!("line {line} does not follow the one before it")
}

fn three() -> (Place, PathBuf, Vec<String>) {
    let place = Place::new();
    for reason in ["one", "two \"2\"\n\\", "three [after x]\",\"autonomy_state\":\""] {
        append(&place, reason);
    }
    let path = SafetyLog::path(&place.data);
    let lines = fs::read_to_string(&path).unwrap().lines().map(String::from).collect();
    (place, path, lines)
}

#[test]
fn golden_lines() {
    let place = Place::new();
    assert_eq!(SafetyLog::check(&place.data), Ok(([0; 32], 0)));
    assert_eq!(SafetyLog::is_append_only(&place.data), None);
    let line = "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"event\":\"runaway_detected\",\
                \"reason\":\"a\\u000a\\\"b\\\\ [after 0000000000000000]\",\
                \"autonomy_state\":\"halted\",\"governance_state\":\"enforced\",\
                \"human_notified\":false}";
    let head = append(&place, "a\n\"b\\");
    assert_eq!(fs::read_to_string(SafetyLog::path(&place.data)).unwrap(), format!("{line}\n"));
    assert_eq!(head, crate::digest(line.as_bytes()));
    append(&place, "b");
    let text = fs::read_to_string(SafetyLog::path(&place.data)).unwrap();
    let second = format!("\"reason\":\"b [after {}]\"", &hex(&head)[..16]);
    assert!(text.lines().nth(1).unwrap().contains(&second), "{text}");
    assert_eq!(SafetyLog::check(&place.data).unwrap().1, 2);
}

#[test]
fn reasons_of_any_length_and_letters_are_one_line() {
    let place = Place::new();
    let all: String = (0..0x300).filter_map(char::from_u32).collect();
    append(&place, &all);
    append(&place, &"\0".repeat(5_000));
    let text = fs::read_to_string(SafetyLog::path(&place.data)).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.len() < 12_000, "{}", text.len());
    assert_eq!(SafetyLog::check(&place.data).unwrap().1, 2);
}

#[test]
fn cut_edited_and_reordered_lines_are_found() {
    let (place, path, lines) = three();
    let [one, two, three] = &lines[..] else { panic!("{lines:?}") };
    let edited = two.replace("two", "tvo");
    for (changed, broken) in [
        (vec![two, three], Err(does_not_follow(1))),
        (vec![one, three], Err(does_not_follow(2))),
        (vec![two, one, three], Err(does_not_follow(1))),
        (vec![one, three, two], Err(does_not_follow(2))),
        (vec![one, &edited, three], Err(does_not_follow(3))),
        (vec![one, one, two, three], Err(does_not_follow(2))),
        (vec![one, two], Ok(2)),
        (vec![one, two, three], Ok(3)),
    ] {
        let text: String = changed.iter().map(|line| format!("{line}\n")).collect();
        place.overwrite(&path, text.as_bytes());
        assert_eq!(SafetyLog::check(&place.data).map(|(_, count)| count), broken);
    }
}

/// Each flip is seen in the chain, or in the head for the last line.
#[test]
fn every_flipped_bit_is_seen() {
    let (place, path, _) = three();
    let good = fs::read(&path).unwrap();
    let before = SafetyLog::check(&place.data).unwrap();
    crate::test_release::release(&path);
    for bit in 0..(good.len() - 1) * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let scan = scan(&bytes);
        let unseen = scan == (before.0, before.1, None);
        assert!(!unseen, "bit {bit}");
    }
}

/// What a crash left, at every length, is kept, ended, and bound by the next line.
#[test]
fn a_torn_line_is_completed() {
    let place = Place::new();
    append(&place, "one");
    append(&place, "two");
    let path = SafetyLog::path(&place.data);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (0..whole.len()).step_by(7).chain([first - 1, first, first + 1, whole.len() - 1]) {
        place.overwrite(&path, &whole[..cut]);
        let torn = SafetyLog::check(&place.data).unwrap();
        let head = append(&place, "next");
        assert_eq!(SafetyLog::check(&place.data).unwrap(), (head, torn.1 + 1), "{cut}");
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.starts_with(&whole[..cut]) && bytes.ends_with(b"\n"));
        if cut > 0 {
            // Nothing before the torn end can be changed afterwards.
            let mut changed = bytes.clone();
            changed[cut - 1] ^= 1;
            assert!(scan(&changed).2.is_some() || scan(&changed).0 != head, "{cut}");
        }
    }
}

#[test]
fn what_is_no_plain_file_is_not_written_to() {
    let place = Place::new();
    let path = SafetyLog::path(&place.data);
    fs::create_dir(path.parent().unwrap()).unwrap();
    let event = EventKind::ManualStop;
    let append = || SafetyLog::append(&place.data, event, "x", "g", true, 0);
    std::os::unix::fs::symlink(place.data.join("elsewhere"), &path).unwrap();
    assert!(append().is_err());
    assert_eq!(SafetyLog::check(&place.data), Err(files::NOT_A_FILE.into()));
    assert!(!place.data.join("elsewhere").exists());
    fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    assert!(append().is_err());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(append().is_err());
}

/// Where the file system knows the attribute and we are root.
#[test]
fn root_can_only_append() {
    let (place, path, _) = three();
    let truncate = || fs::OpenOptions::new().write(true).truncate(true).open(&path);
    match SafetyLog::is_append_only(&place.data) {
        Some(true) => assert!(truncate().is_err() && fs::remove_file(&path).is_err()),
        Some(false) | None => drop(truncate().unwrap()),
    }
}

#[test]
fn moments() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
        (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
    ] {
        assert_eq!(rfc3339(ms), text);
    }
    rfc3339(u64::MAX);
}
