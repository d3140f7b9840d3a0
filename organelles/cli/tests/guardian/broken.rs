//! Each way to stop while the others are broken, and on a disk that is full.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal};

use crate::matrix::stopped;
use crate::place::{PATIENCE, Place, Run, skipped, users};
use crate::stops::Stop;
use crate::tree::signal;

/// What a pipe holds. Source: pipe(7).
const PIPE_BYTES: usize = 65_536;
/// Agents that do not end when they are asked, with a log that never answers.
const DEAF: &str = "busy,deaf,stuck-log";

/// Breaks what can be broken without being a stop by itself.
fn break_others(run: &Run<'_>, stop: Stop) {
    let safety = run.place.data().join("safety");
    if stop != Stop::Halt {
        fs::remove_file(safety.join("requests")).unwrap();
    }
    if !matches!(stop, Stop::Halt | Stop::GuardianKilled | Stop::GuardianFrozen) {
        // Who guards cannot be found out any more.
        fs::remove_file(safety.join("guardian")).unwrap();
    }
}

#[test]
fn each_way_works_with_the_others_broken() {
    let mut faults = Vec::new();
    for who in users() {
        for stop in [Stop::Term, Stop::File, Stop::Halt, Stop::GuardianKilled, Stop::GuardianFrozen]
        {
            let place = Place::new(who).with("host_stop", "/proc/STOP").with("term_grace_ms", 300);
            let run = place.start_ready(DEAF);
            break_others(&run, stop);
            let expected = match stop {
                Stop::GuardianKilled => ("signal 9", "running"),
                _ => ("exit 4", "halted"),
            };
            if let Err(fault) = stopped(run, stop, expected) {
                faults.push(format!("{who:?} {stop:?}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_halt_needs_no_help_of_a_guardian_that_is_frozen() {
    for who in users() {
        for frozen in ["guardian", "init too"] {
            // So long a limit that silence is not what ends it.
            let place = Place::new(who).with("heartbeat_limit_ms", 60_000);
            let run = place.start_ready("busy,deaf,fork=10");
            let tree = run.tree();
            signal(tree.guardian, Signal::STOP);
            if frozen == "init too" {
                signal(tree.init, Signal::STOP);
            }
            let (data, config) = (place.data(), place.config());
            let since = std::time::Instant::now();
            let halted = karyon_safe_mode::halt(&data, &config, "it is frozen").unwrap();
            assert_eq!(halted, karyon_safe_mode::Halted::ByForce, "{who:?} {frozen}");
            tree.all_dead(since).unwrap();
            assert_eq!(crate::place::word(&place.marker()), "halted", "{who:?} {frozen}");
            assert!(place.events().concat().contains("it is frozen"), "{:?}", place.events());
            karyon_safety::SafetyLog::check(&data).unwrap();
        }
    }
}

#[test]
fn a_terminal_that_takes_no_words_keeps_nobody_alive() {
    for who in users() {
        let place = Place::new(who).with("heartbeat_limit_ms", 500);
        // A pipe that nobody reads, with no room left.
        let (_unread, mut full) = std::io::pipe().unwrap();
        full.write_all(&[b'x'; PIPE_BYTES]).unwrap();
        let (data, program) = (place.data(), place.unruly());
        let arguments = [data.to_str().unwrap(), "busy,deaf,fork=10"];
        let mut run = place.start_into(&program, &arguments, Stdio::null(), full.into());
        run.wait_for("ready");
        let tree = run.tree();
        signal(tree.guardian, Signal::STOP);
        tree.all_dead(std::time::Instant::now()).unwrap();
    }
}

#[test]
fn whoever_comes_to_the_first_process_is_buried_by_it() {
    for who in users() {
        let place = Place::new(who);
        let ready = place.data().join("ready");
        // Each begins a session of its own and ends at once, behind its parent.
        let script = format!(
            "for i in $(seq 50); do setsid -f true; done; touch {}; exec sleep 30",
            ready.display()
        );
        let mut run = place.start_program(Path::new("/bin/sh"), &["-c", &script]);
        run.wait_for("ready");
        let init = run.tree().init_number();
        let begun = std::time::Instant::now();
        loop {
            let path = format!("/proc/{init}/task/{init}/children");
            let left = fs::read_to_string(path).unwrap();
            if left.split_whitespace().count() <= 1 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE / 10, "unburied: {left}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// The session of a process as its `/proc/PID/stat` has it. It is 0 where the session was begun
/// outside this PID namespace, which `getsid` of rustix takes for impossible.
fn session(pid: Pid) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_the_name = stat.rsplit_once(") ").unwrap().1;
    // State, parent, group, session.
    behind_the_name.split(' ').nth(3).unwrap().parse().unwrap()
}

#[test]
fn a_terminal_stops_and_freezes_nobody() {
    for who in users() {
        let place = Place::new(who).with("heartbeat_limit_ms", 500);
        let mut run = place.start_ready("busy");
        let tree = run.tree();
        for word in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
            signal(tree.guardian, word);
        }
        // Whatever else the terminal's processes are told does not reach the runtime by itself.
        assert_eq!(session(tree.runtime), tree.runtime.as_raw_nonzero().get());
        assert_ne!(session(tree.init), session(tree.guardian));
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert!(!run.has_ended(), "{}", place.said());
        signal(tree.guardian, Signal::TERM);
        assert_eq!(crate::place::code(run.end().unwrap()), "exit 143", "{}", place.said());
    }
}

#[test]
fn a_flood_of_words_delays_no_stop_for_ever() {
    let mut faults = Vec::new();
    for who in users() {
        for stop in [Stop::File, Stop::Halt] {
            let place = Place::new(who).with("heartbeat_limit_ms", 20_000);
            let run = place.start_ready("idle,agents=100,flood=8");
            match stopped(run, stop, ("exit 4", "halted")) {
                Ok(took) if took.as_secs() < 10 => {
                    println!("{who:?} {stop:?}: {} ms", took.as_millis())
                }
                Ok(took) => faults.push(format!("{who:?} {stop:?}: {} ms", took.as_millis())),
                Err(fault) => faults.push(format!("{who:?} {stop:?}: {fault}")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A small disk for a data directory, as long as this lives.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(place: &Place) -> Option<SmallDisk> {
        let path = place.data();
        match mount("small", &path, "tmpfs", MountFlags::empty(), c"size=32m,mode=755") {
            Ok(()) => {
                place.give(&path);
                Some(SmallDisk(path))
            }
            Err(errno) => {
                skipped(&format!("a full disk: no small one can be mounted here: {errno}"));
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match unmount(&self.0, UnmountFlags::DETACH) {
            Ok(()) | Err(_) => {}
        }
    }
}

#[test]
fn a_full_disk_stops_no_stop() {
    let mut faults = Vec::new();
    for who in users() {
        for stop in Stop::ALL {
            let place = Place::new(who).with("free_space_mib", 0);
            let Some(_disk) = SmallDisk::mount(&place) else { return };
            let mut run = place.start_ready("idle,agents=100,disk=64");
            run.wait_for("ready");
            std::thread::sleep(std::time::Duration::from_millis(100));
            let tree = run.tree();
            let at = stop.pull(&run, &tree);
            if let Err(fault) = tree.all_dead(at) {
                faults.push(format!("{who:?} {stop:?}: {fault}"));
            }
            if stop == Stop::GuardianFrozen {
                signal(tree.guardian, Signal::CONT);
            }
            let ended = run.end().map(crate::place::code);
            // There is no room for a new marker: then the old one, which says `running`, is what
            // keeps the next start from going on.
            let marker = crate::place::word(&place.marker());
            let in_order = matches!(ended.as_deref(), Ok("exit 143" | "exit 130"));
            if (marker == "clear") && !in_order || marker == "missing" || marker == "broken" {
                faults.push(format!("{who:?} {stop:?}: {ended:?}, {marker}: {}", place.said()));
            }
            println!("{who:?} {stop:?}: {ended:?}, {marker}");
            if let Err(fault) = place.verify(&[]) {
                faults.push(format!("{who:?} {stop:?}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn too_little_free_space_halts() {
    for who in users() {
        for (megabytes, halts) in [(24, true), (4, false)] {
            let place = Place::new(who).with("free_space_mib", 10);
            let Some(_disk) = SmallDisk::mount(&place) else { return };
            let mut run = place.start_ready(&format!("idle,agents=100,disk={megabytes}"));
            if !halts {
                std::thread::sleep(std::time::Duration::from_secs(12));
                assert!(!run.has_ended(), "{}", place.said());
                continue;
            }
            assert_eq!(crate::place::code(run.end().unwrap()), "exit 4", "{}", place.said());
            assert!(place.events().concat().contains("free_space_mib"), "{:?}", place.events());
        }
    }
}
