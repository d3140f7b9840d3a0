//! Tests of the marker: one text a state, and no way round a person.

use std::fs;

use super::*;
use crate::checked::{FORM, OLD_VERSION, UNSEALED};

fn halted(n: u64, reason: &str) -> Marker {
    Marker::Halted { n, reason: reason.into() }
}

fn data_with(marker: Option<&Marker>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    make_folder(dir.path(), SAFETY).unwrap();
    if let Some(marker) = marker {
        write(dir.path(), marker).unwrap();
    }
    dir
}

#[test]
fn golden_texts() {
    for (marker, line) in [
        (Marker::Clear { n: 7 }, "karyon-safety-marker-v2 clear 7\n"),
        (Marker::Running { n: 7 }, "karyon-safety-marker-v2 running 7\n"),
        (halted(u64::MAX, ""), "karyon-safety-marker-v2 halted 18446744073709551615 \n"),
        (halted(7, "a b\n c"), "karyon-safety-marker-v2 halted 7 a b\\n c\n"),
    ] {
        let text = marker.encode();
        assert_eq!(text, format!("{line}sha512 {}\n", crate::hex(&crate::digest(line.as_bytes()))));
        assert_eq!(Marker::decode(&text), Ok(marker));
    }
}

#[test]
fn a_text_with_a_good_check_and_no_known_form_is_broken() {
    for line in [
        "",
        "clear 7\n",
        "karyon-safety-marker-v3 clear 7\n",
        "karyon-safety-marker-v2 clear\n",
        "karyon-safety-marker-v2 clear 07\n",
        "karyon-safety-marker-v2 clear +7\n",
        "karyon-safety-marker-v2 clear 7 \n",
        "karyon-safety-marker-v2 clear 7\n\n",
        "karyon-safety-marker-v2 clear 18446744073709551616\n",
        "karyon-safety-marker-v2 running 3 7\n",
        "karyon-safety-marker-v2 halted 7\n",
        "karyon-safety-marker-v2 halted 7 a\nb\n",
        "karyon-safety-marker-v2 Clear 7\n",
    ] {
        assert_eq!(Marker::decode(&seal(line)), Err(FORM.into()), "{line:?}");
    }
}

/// Written by an earlier version, byte for byte.
#[test]
fn a_marker_of_an_earlier_version_is_named_so() {
    let text = "karyon-safety-marker-v1 clear 7\nblake3 \
                0000000000000000000000000000000000000000000000000000000000000000\n";
    assert_eq!(Marker::decode(text), Err(OLD_VERSION.into()));
}

#[test]
fn every_flipped_bit_of_the_file_is_broken() {
    let dir = data_with(Some(&Marker::Clear { n: 7 }));
    let path = dir.path().join("safety/marker");
    let good = fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(dir.path()), Found::Broken { why: UNSEALED.into() }, "bit {bit}");
    }
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert_eq!(read(dir.path()), Found::Broken { why: UNSEALED.into() }, "{length} bytes");
    }
}

#[test]
fn what_is_no_plain_file_is_broken() {
    let dir = data_with(None);
    let path = dir.path().join("safety/marker");
    assert_eq!(read(dir.path()), Found::Missing);
    assert_eq!(read(&dir.path().join("nowhere")), Found::Missing);

    fs::create_dir(&path).unwrap();
    assert_eq!(read(dir.path()), Found::Broken { why: files::NOT_A_FILE.into() });
    fs::remove_dir(&path).unwrap();

    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert_eq!(read(dir.path()), Found::Broken { why: files::NOT_A_FILE.into() });
    fs::remove_file(&path).unwrap();

    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    assert_eq!(read(dir.path()), Found::Broken { why: files::NOT_A_FILE.into() });
    fs::remove_file(&path).unwrap();

    fs::write(&path, vec![b'x'; (4 << 20) + 1]).unwrap();
    assert_eq!(read(dir.path()), Found::Broken { why: files::TOO_LONG.into() });
}

#[test]
fn only_a_new_directory_is_initialised() {
    let dir = tempfile::tempdir().unwrap();
    initialise(dir.path()).unwrap();
    assert_eq!(read(dir.path()), Found::Marker(Marker::Clear { n: 0 }));
    assert!(initialise(dir.path()).unwrap_err().to_string().contains("cannot become"));
    fs::write(dir.path().join("safety/marker"), "").unwrap();
    assert!(initialise(dir.path()).unwrap_err().to_string().contains("cannot become"));
    let nowhere = dir.path().join("nowhere");
    assert!(initialise(&nowhere).is_err() && !nowhere.exists());
}

#[test]
fn the_order_of_states() {
    let (clear, running) = (|n| Marker::Clear { n }, |n| Marker::Running { n });
    let all = [4, 5, 6].map(|n| [clear(n), running(n), halted(n, "x")]).concat();
    for (present, permitted) in [
        (Some(clear(5)), vec![running(5), halted(5, "x"), halted(6, "x")]),
        (Some(running(5)), vec![clear(6), halted(5, "x"), halted(6, "x")]),
        (Some(halted(5, "y")), vec![halted(5, "x"), halted(6, "x")]),
        (None, vec![halted(4, "x"), halted(5, "x"), halted(6, "x")]),
    ] {
        for next in &all {
            let dir = data_with(present.as_ref());
            let before = read(dir.path());
            let result = replace(dir.path(), next);
            if permitted.contains(next) {
                result.unwrap();
                assert_eq!(read(dir.path()), Found::Marker(next.clone()));
            } else {
                let words = format!("it is {before} and cannot become {next}");
                assert!(result.unwrap_err().to_string().ends_with(&words), "{words}");
                assert_eq!(read(dir.path()), before);
            }
        }
    }
}

#[test]
fn a_halt_is_written_with_any_reason_over_anything() {
    let dir = data_with(None);
    let path = dir.path().join("safety/marker");
    fs::write(&path, "rubbish").unwrap();
    fs::write(dir.path().join("safety/.marker.new"), "left by a crash").unwrap();
    replace(dir.path(), &halted(0, &"é".repeat(600))).unwrap();
    assert_eq!(read(dir.path()), Found::Marker(halted(0, &"é".repeat(500))));
    let names: Vec<_> = fs::read_dir(dir.path().join("safety")).unwrap().collect();
    assert_eq!(names.len(), 1);
}
