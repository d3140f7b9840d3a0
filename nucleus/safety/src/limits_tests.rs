//! Tests of the limits: every key is read, bounded and tightened; nothing else is.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

fn fault(text: &str) -> (usize, String) {
    Limits::parse(text).unwrap_err()
}

const HEARTBEAT: &str = "heartbeat_limit_ms must be at least 4 times heartbeat_ms";

const NO_PATH: &str = "expected the absolute path of a file";

/// What is said of a key.
fn of(key: &str, why: &str) -> String {
    format!("{key}: {why}")
}

fn unknown(name: &str) -> String {
    format!("there is no key \"{name}\"")
}

fn looser(present: u64) -> String {
    format!("{present} is in place and can only be tightened")
}

fn key() -> String {
    let pair = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([5; 32]));
    crate::hex(&*pair.pk)
}

#[test]
fn without_a_file_all_is_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits::load(&dir.path().join("nowhere")).unwrap();
    assert_eq!(limits, Limits::load(dir.path()).unwrap());
    assert_eq!(limits, Limits::default());
    assert_eq!(limits.digest, digest(b""));
    let lines: String = limits
        .numbers()
        .filter(|(name, _)| *name != "memory_mib")
        .map(|(name, value)| format!("{name}={value} "))
        .collect();
    assert_eq!(
        lines,
        "heartbeat_ms=50 heartbeat_limit_ms=2000 term_grace_ms=10000 asks_per_minute=600 \
         tasks_per_day=10 rejections_in_sequence=3 failures_in_sequence=5 \
         crashes_per_minute=1000000 self_modifications_per_day=1 stalled_step_s=30 \
         cpu_s_per_day=172800 open_files=4096 processes=1024 disk_use_mib=102400 \
         free_space_mib=64 clock_back_s=10 notify_limit_ms=5000 "
    );
    assert_eq!((limits.notify_command.as_ref(), limits.resume_keys.len()), (None, 0));
    assert_eq!(limits.host_stop, Path::new("/run/karyon/STOP"));
    assert_eq!((limits.runtime_uid, limits.require_namespaces), (77_001, false));
    for key in KEYS {
        assert!((key.least..=key.most).contains(&(key.get)(&limits)), "{}", key.name);
    }
}

#[test]
fn every_key_is_read_and_changes_its_own_value() {
    for key in KEYS.iter().filter(|key| !key.name.starts_with("heartbeat")) {
        let value = if (key.get)(&Limits::default()) == key.most { key.least } else { key.most };
        let limits = Limits::parse(&format!("# x\n\n {} =  {value}\r\n", key.name)).unwrap();
        let default = Limits::default();
        let changed = limits.numbers().zip(default.numbers());
        let changed: Vec<_> = changed.filter(|(a, b)| a.1 != b.1).map(|(a, _)| a.0).collect();
        assert_eq!(changed, [key.name]);
    }
    let text = format!(
        "notify_command=/bin/true\nresume_key={}\nresume_key={}\nhost_stop=/tmp/y\nruntime_uid=5\n\
         require_namespaces=true\nheartbeat_ms=10\nheartbeat_limit_ms=40",
        key(),
        key()
    );
    let limits = Limits::parse(&text).unwrap();
    assert_eq!(limits.notify_command.as_deref(), Some(Path::new("/bin/true")));
    assert_eq!(limits.resume_keys.len(), 2);
    assert_eq!((limits.host_stop.as_path(), limits.runtime_uid), (Path::new("/tmp/y"), 5));
    assert!(limits.require_namespaces);
    assert_eq!(limits.digest, digest(text.as_bytes()));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (line, expected) in [
        ("heartbeat_ms", "expected `key = value`".into()),
        ("heartbeat_mss = 50", of("heartbeat_mss", &unknown("heartbeat_mss"))),
        ("task_per_day = 1", of("task_per_day", &unknown("task_per_day"))),
        ("resume_keys = 00", of("resume_keys", &unknown("resume_keys"))),
        ("= 1", of("", &unknown(""))),
        ("processes = 9", "this key was set before".into()),
        ("runtime_uid = 0", of("runtime_uid", "expected a user's number, not 0")),
        ("runtime_uid = 4294967295", of("runtime_uid", "expected a user's number, not 0")),
        ("require_namespaces = yes", of("require_namespaces", "expected true or false")),
        ("host_stop = STOP", of("host_stop", NO_PATH)),
        ("host_stop = /tmp/STOP/", of("host_stop", NO_PATH)),
        ("notify_command =", of("notify_command", NO_PATH)),
        ("heartbeat_limit_ms = 199", HEARTBEAT.into()),
        ("heartbeat_ms = 501", HEARTBEAT.into()),
    ] {
        let (number, why) = fault(&format!("# limits\nprocesses=8\n{line}\n# end\n"));
        let expected: String = expected;
        assert_eq!((number, why), (3, expected), "{line}");
    }
    for value in ["9", "1001", "-50", "+50", "050", "5e1", "", "50 ms", "18446744073709551616"] {
        let expected = of("heartbeat_ms", "expected a number from 10 to 1000");
        assert_eq!(fault(&format!("heartbeat_ms = {value}")), (1, expected), "{value:?}");
    }
    for bad in ["", "00", &"0".repeat(64), &key().to_uppercase(), &key()[1..]] {
        assert!(
            fault(&format!("resume_key = {bad}"))
                .1
                .starts_with("resume_key: expected a public key")
        );
    }
    let many = format!("resume_key = {}\n", key()).repeat(MAX_RESUME_KEYS + 1);
    assert_eq!(fault(&many), (17, of("resume_key", "expected at most 16 keys")));
}

#[test]
fn a_stop_of_the_machine_that_nobody_could_make_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let parsed = |path: &str| {
        let path = dir.path().join(path);
        Limits::parse(&format!("\nhost_stop = {}", path.display())).map(|limits| limits.host_stop)
    };
    for below in ["file/STOP", "nowhere/STOP", "file/STOP/x"] {
        let (line, why) = parsed(below).unwrap_err();
        assert_eq!(line, 2);
        assert!(why.starts_with("host_stop: its folder is none"), "{why}");
        assert!(why.contains("make the folder"), "{why}");
    }
    // STOP itself may be there.
    for fine in ["STOP", "file"] {
        assert_eq!(parsed(fine).unwrap(), dir.path().join(fine));
    }
}

#[test]
fn a_limit_is_only_tightened() {
    let mut limits = Limits::default();
    for setting in ["processes=1024", "processes = 2", "free_space_mib=64", "free_space_mib=65"] {
        limits.tighten(setting).unwrap();
    }
    assert_eq!((limits.processes, limits.free_space_mib), (2, 65));
    let before = limits.clone();
    for (setting, why) in [
        ("processes=3", looser(2)),
        ("free_space_mib=64", looser(65)),
        ("notify_limit_ms=100", NOT_A_LIMIT.into()),
        ("require_namespaces=true", NOT_A_LIMIT.into()),
        ("runtime_uid=5", NOT_A_LIMIT.into()),
        ("host_stop=/tmp/x", NOT_A_LIMIT.into()),
        ("heartbeat_limit_ms=199", HEARTBEAT.into()),
        ("process=1", unknown("process")),
        ("processes", "expected `key = value`".into()),
    ] {
        let error = limits.tighten(setting).unwrap_err();
        let why: String = why;
        assert_eq!(error, format!("{setting}: {why}"));
        assert_eq!(limits, before);
    }
}

#[test]
fn a_file_that_others_can_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(NAME);
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let place = path.display().to_string();
    let refused = |why: &str| Err(format!("{place}: {why}"));
    let loaded = || Limits::load(dir.path()).map(|limits| limits.processes);
    fs::write(&path, "processes = 9\n").unwrap();
    for (mode, ours) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
        set(&path, mode);
        let expected = if ours { Ok(9) } else { refused(NOT_OURS) };
        assert_eq!(loaded(), expected, "{mode:o}");
    }
    set(&path, 0o600);
    set(dir.path(), 0o777);
    assert_eq!(loaded(), refused(NOT_OURS));
    set(dir.path(), 0o700);

    fs::write(&path, vec![b'#'; 64 << 10]).unwrap();
    loaded().unwrap();
    fs::write(&path, vec![b'#'; (64 << 10) + 1]).unwrap();
    assert_eq!(loaded(), refused(files::TOO_LONG));
    fs::write(&path, b"\xff").unwrap();
    assert_eq!(loaded(), refused(FORM));
    fs::write(&path, "\nprocesses = x\n").unwrap();
    let error = Limits::load(dir.path()).unwrap_err();
    assert!(error.starts_with(&format!("{place}:2: ")), "{error}");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert_eq!(loaded(), refused(files::NOT_A_FILE));
}

#[test]
fn a_file_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(NAME), "").unwrap();
    for (path, fine) in [(dir.path().join(NAME), true), (dir.path().into(), false)] {
        Limits::load(dir.path()).unwrap();
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(Limits::load(dir.path()).unwrap_err().ends_with(NOT_OURS));
        if fine {
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
    }
}

proptest! {
    /// Any text gives limits in their ranges or a fault in one of its lines, and never panics.
    #[test]
    fn any_text(text in "([a-z_]{0,20}( ?= ?|#)[0-9/x]{0,12}\n|(heartbeat_ms|processes|free_space_mib)=[0-9]{1,4}\r?\n|\\PC*){0,6}") {
        match Limits::parse(&text) {
            Ok(limits) => for key in KEYS {
                prop_assert!((key.least..=key.most).contains(&(key.get)(&limits)));
            },
            Err((line, _)) => prop_assert!((1..=text.lines().count()).contains(&line)),
        }
    }

    /// No row of settings makes a limit looser than it was.
    #[test]
    fn tightening_never_loosens(
        steps in proptest::collection::vec((0..KEYS.len(), 0..200_000u64), 0..20),
    ) {
        let mut limits = Limits::default();
        for (index, value) in steps {
            let before = limits.clone();
            let outcome = limits.tighten(&format!("{}={value}", KEYS[index].name));
            for key in KEYS {
                let (old, new) = ((key.get)(&before), (key.get)(&limits));
                let is_fine = match key.tighter {
                    Less => new <= old,
                    More => new >= old,
                    Fixed => new == old,
                };
                prop_assert!(is_fine);
            }
            if outcome.is_err() {
                prop_assert_eq!(&before, &limits);
            }
        }
    }
}
