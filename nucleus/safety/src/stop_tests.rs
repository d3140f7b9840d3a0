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
            set(path, mode);
            assert!(stop.is_present(), "{} {mode:03o}", path.display());
        }
        // Without the right to list, but with that to look names up, absence is certain.
        for mode in [0o100, 0o300, 0o700] {
            set(path, mode);
            assert!(!stop.is_present(), "{} {mode:03o}", path.display());
        }
    }
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
}
