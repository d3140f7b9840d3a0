//! Tests of the STOP watch: every shape of doubt stops.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;

fn watched() -> (tempfile::TempDir, StopFile) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(SAFETY)).unwrap();
    let stop = StopFile::watch(dir.path()).unwrap();
    assert!(!stop.is_present());
    (dir, stop)
}

#[test]
fn anything_named_stop_stops_and_only_while_it_is_there() {
    type Make = fn(&Path);
    let shapes: [(&str, Make); 6] = [
        ("an empty file", |path| fs::write(path, "").unwrap()),
        ("a file without permissions", |path| {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
        }),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a dangling link", |path| symlink("nowhere", path).unwrap()),
        ("a link to itself", |path| symlink("STOP", path).unwrap()),
        ("a pipe", |path| rustix::fs::mkfifoat(CWD, path, 0o600.into()).unwrap()),
    ];
    let (dir, stop) = watched();
    let path = dir.path().join("safety/STOP");
    for (shape, make) in shapes {
        make(&path);
        assert!(stop.is_present(), "{shape}");
        if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) }.unwrap();
        assert!(!stop.is_present(), "{shape}, removed");
    }
}

#[test]
fn other_names_do_not_stop() {
    let (dir, stop) = watched();
    for name in ["stop", "STOP.bak", "STOP ", "marker"] {
        fs::write(dir.path().join(SAFETY).join(name), "").unwrap();
    }
    assert!(!stop.is_present());
}

#[test]
fn a_folder_that_is_gone_replaced_or_linked_stops() {
    let (dir, stop) = watched();
    let (folder, away) = (dir.path().join(SAFETY), dir.path().join("away"));

    fs::rename(&folder, &away).unwrap();
    assert!(stop.is_present(), "moved away");
    symlink(&away, &folder).unwrap();
    assert!(stop.is_present(), "a link to the very folder");
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert!(stop.is_present(), "another folder");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    assert!(stop.is_present(), "a file");
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    assert!(!stop.is_present(), "back again");

    fs::remove_dir(&folder).unwrap();
    assert!(stop.is_present(), "removed");
    fs::create_dir(&folder).unwrap();
    assert!(stop.is_present(), "removed and made again");
}

#[test]
fn a_data_directory_that_is_gone_stops() {
    let (dir, stop) = watched();
    dir.close().unwrap();
    assert!(stop.is_present());
}

#[test]
fn there_must_be_a_folder_to_watch() {
    let dir = tempfile::tempdir().unwrap();
    assert!(StopFile::watch(dir.path()).is_err());
    fs::write(dir.path().join(SAFETY), "").unwrap();
    assert!(StopFile::watch(dir.path()).is_err());
    fs::remove_file(dir.path().join(SAFETY)).unwrap();
    symlink(dir.path(), dir.path().join(SAFETY)).unwrap();
    assert!(StopFile::watch(dir.path()).is_err());
}

const AS_NOBODY: &str = "KARYON_TEST_STOP_DIRECTORY";

/// Root may read everything, so as root the test runs its other half as nobody.
#[test]
fn a_folder_that_may_not_be_searched_stops() {
    if let Some(data) = std::env::var_os(AS_NOBODY) {
        return check_unsearchable(Path::new(&data));
    }
    let (dir, _) = watched();
    if !is_root(dir.path()) {
        return check_unsearchable(dir.path());
    }
    const NOBODY: u32 = 65_534;
    for path in [dir.path().to_owned(), dir.path().join(SAFETY)] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // A copy that nobody can reach, wherever the build directory is.
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let status = Command::new(program)
        .args(["--exact", "stop::tests::a_folder_that_may_not_be_searched_stops"])
        .env(AS_NOBODY, dir.path())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Whether this process is root: what it makes belongs to user 0.
fn is_root(made_by_us: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(made_by_us).unwrap().uid() == 0
}

fn check_unsearchable(data: &Path) {
    let folder = data.join(SAFETY);
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let stop = StopFile::watch(data).unwrap();
    for path in [folder.as_path(), data] {
        for mode in [0o000, 0o400, 0o600] {
            set(path, 0o700);
            let mut watch = StopWatch::watch(data, Path::new("/nowhere/STOP")).unwrap();
            assert_eq!(watch.check(), None);
            set(path, mode);
            assert!(stop.is_present(), "{} {mode:03o}", path.display());
            // It is not told as seen.
            assert_eq!(watch.check(), Some(DOUBT));
            set(path, 0o700);
            assert_eq!(watch.check(), Some(DOUBT), "latched");
            set(path, mode);
        }
        // Without the right to list, but with that to look names up, absence is certain.
        for mode in [0o100, 0o300, 0o700] {
            set(path, mode);
            assert!(!stop.is_present(), "{} {mode:03o}", path.display());
        }
    }
}

fn listening() -> (tempfile::TempDir, StopWatch) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(SAFETY)).unwrap();
    let watch = StopWatch::watch(dir.path(), &dir.path().join("host/STOP")).unwrap();
    (dir, watch)
}

/// Whether the system says by itself that there is news.
fn is_readable(watch: &StopWatch) -> bool {
    let mut bytes = [0; 4_096];
    rustix::io::read(watch.as_fd(), &mut bytes).is_ok()
}

#[test]
fn of_four_hundred_stops_that_are_removed_at_once_none_is_missed() {
    let (dir, _) = listening();
    let stop = dir.path().join("safety/STOP");
    for round in 0..400 {
        let mut watch = StopWatch::watch(dir.path(), &dir.path().join("host/STOP")).unwrap();
        assert_eq!(watch.check(), None, "{round}");
        fs::write(&stop, "").unwrap();
        fs::remove_file(&stop).unwrap();
        assert_eq!(watch.check(), Some(STOP), "{round}");
        assert_eq!(watch.check(), Some(STOP), "latched");
    }
}

#[test]
fn every_shape_of_stop_is_latched() {
    type Make = fn(&Path);
    let shapes: [(&str, Make); 5] = [
        ("an empty file", |path| fs::write(path, "").unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a dangling link", |path| symlink("nowhere", path).unwrap()),
        ("a pipe", |path| rustix::fs::mkfifoat(CWD, path, 0o600.into()).unwrap()),
        ("a file moved here", |path| {
            let other = path.with_file_name("other");
            fs::write(&other, "").unwrap();
            fs::rename(other, path).unwrap();
        }),
    ];
    for (shape, make) in shapes {
        for folder in ["safety", "host"] {
            let dir = tempfile::tempdir().unwrap();
            for name in ["safety", "host"] {
                fs::create_dir(dir.path().join(name)).unwrap();
            }
            let (stop, host) = (dir.path().join(folder).join("STOP"), dir.path().join("host/STOP"));
            let expected = Some(if folder == "host" { HOST_STOP } else { STOP });
            let mut watch = StopWatch::watch(dir.path(), &host).unwrap();
            assert_eq!(watch.check(), None);
            make(&stop);
            let away = dir.path().join("away");
            fs::rename(&stop, away).unwrap();
            assert_eq!(watch.check(), expected, "{shape} in {folder}, moved away again");
            make(&stop);
            let mut watch = StopWatch::watch(dir.path(), &host).unwrap();
            assert_eq!(watch.check(), expected, "{shape} in {folder}, there at the start");
        }
    }
}

#[test]
fn names_that_are_not_stop_wake_but_do_not_stop() {
    let (dir, mut watch) = listening();
    assert!(!is_readable(&watch));
    for name in ["stop", "STOP.bak", "marker"] {
        fs::write(dir.path().join(SAFETY).join(name), "").unwrap();
    }
    assert_eq!(watch.check(), None);
    // What is read does not wake.
    fs::read(dir.path().join("safety/marker")).unwrap();
    fs::read_dir(dir.path().join(SAFETY)).unwrap().count();
    assert!(!is_readable(&watch));
    fs::write(dir.path().join("safety/marker"), "x").unwrap();
    assert!(is_readable(&watch));
}

#[test]
fn a_folder_that_was_lost_is_doubt_for_good() {
    for folder in ["safety", "host"] {
        for moved in [true, false] {
            let (dir, _) = listening();
            fs::create_dir(dir.path().join("host")).unwrap();
            let host = dir.path().join("host/STOP");
            let mut watch = StopWatch::watch(dir.path(), &host).unwrap();
            let (path, away) = (dir.path().join(folder), dir.path().join("away"));
            if moved {
                fs::rename(&path, &away).unwrap();
                fs::rename(&away, &path).unwrap();
            } else {
                fs::remove_dir(&path).unwrap();
                fs::create_dir(&path).unwrap();
            }
            // One that is held open dies without a word; its place tells.
            assert_eq!(watch.check(), Some(DOUBT), "{folder}, moved: {moved}");
            assert_eq!(watch.check(), Some(DOUBT), "latched");
        }
    }
}

#[test]
fn too_many_events_are_doubt() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let (dir, mut watch) = listening();
    let names = ["one", "two"].map(|name| dir.path().join(SAFETY).join(name));
    fs::write(&names[0], "").unwrap();
    // Equal events in a row count once; renames there and back are not equal.
    for round in 0..limit {
        fs::rename(&names[round % 2], &names[1 - round % 2]).unwrap();
    }
    let questions = 2 * limit / MAX_EVENTS + 2;
    assert!((0..questions).any(|_| watch.check() == Some(DOUBT)));
}

/// A question that reads no more events drops none that it has taken.
#[test]
fn a_stop_behind_many_events_is_not_missed() {
    for extra in 0..60 {
        let (dir, mut watch) = listening();
        let folder = dir.path().join(SAFETY);
        // Longer names: what one call takes is no divisor of the limit.
        let names = ["a-name-of-some-length-1", "a-name-of-some-length-2"].map(|n| folder.join(n));
        fs::write(&names[0], "").unwrap();
        for round in 0..MAX_EVENTS / 2 - 30 + extra {
            fs::rename(&names[round % 2], &names[1 - round % 2]).unwrap();
        }
        fs::write(folder.join("STOP"), "").unwrap();
        fs::remove_file(folder.join("STOP")).unwrap();
        watch.check();
        assert_eq!(watch.check(), Some(STOP), "{extra}");
    }
}

#[test]
fn the_folder_of_the_host_may_come_later() {
    let (dir, mut watch) = listening();
    let (folder, stop) = (dir.path().join("host"), dir.path().join("host/STOP"));
    assert_eq!(watch.check(), None);
    fs::write(&folder, "").unwrap();
    assert_eq!(watch.check(), None, "a file in its place has no STOP");
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert_eq!(watch.check(), None);
    fs::write(&stop, "").unwrap();
    fs::remove_file(&stop).unwrap();
    assert_eq!(watch.check(), Some(HOST_STOP), "listened to since the last question");
}

/// Prints what a question costs: `cargo test -p karyon-safety --release -- --nocapture costs`.
#[test]
fn what_a_question_costs() {
    let (_dir, stop) = watched();
    let rounds = 20_000;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        assert!(!std::hint::black_box(&stop).is_present());
    }
    println!("is_present: {} ns", start.elapsed().as_nanos() / rounds);
    let (_dir, mut watch) = listening();
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        assert_eq!(watch.check(), None);
    }
    println!("check: {} ns", start.elapsed().as_nanos() / rounds);
}
