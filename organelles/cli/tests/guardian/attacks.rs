//! What a process below the runtime tries against its guardian, and what comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, Run, Who, code, skipped, users, word};
use crate::tree::Tree;

/// Agents that leave the processor to the attacker.
const VICTIM: &str = "idle,agents=100,attack";

/// An attempt, what the system answers below root and below an ordinary user.
type Attempt = (&'static str, &'static str, &'static str);

/// What leaves the attacker alive.
const ATTEMPTS: [Attempt; 55] = [
    ("inherit a descriptor of the guardian", "EBADF", "EBADF"),
    ("kill the guardian", "ESRCH", "ESRCH"),
    ("freeze the guardian", "ESRCH", "ESRCH"),
    ("see any process outside", "ESRCH", "ESRCH"),
    ("kill the init", "EPERM", "done"),
    ("freeze the init", "EPERM", "done"),
    ("ptrace the init", "EPERM", "EPERM"),
    ("write into the memory of the init", "EPERM", "EPERM"),
    ("open the memory of the init", "EACCES", "EACCES"),
    ("open the root of the init", "EACCES", "EACCES"),
    ("list the descriptors of the init", "EACCES", "EACCES"),
    ("take a descriptor of the init", "EPERM", "EPERM"),
    ("enter the namespaces of the init", "EPERM", "EPERM"),
    ("have any capability", "EPERM", "EPERM"),
    ("gain rights by a program", "EPERM", "EPERM"),
    ("chroot", "EPERM", "EPERM"),
    ("make a device", "EPERM", "EPERM"),
    ("open the block device", "EACCES", "EACCES"),
    ("set the clock", "EPERM", "EPERM"),
    ("write a setting of the kernel", "EACCES", "EACCES"),
    ("create STOP", "EROFS", "EROFS"),
    ("delete STOP", "EROFS", "EROFS"),
    ("rename STOP", "EROFS", "EROFS"),
    ("write the marker", "EACCES", "EROFS"),
    ("replace the marker", "EXDEV", "EXDEV"),
    ("change the rights of the marker", "EROFS", "EROFS"),
    ("write the list of resumes", "EROFS", "EROFS"),
    ("append to the safety log", "EROFS", "EROFS"),
    ("truncate the safety log", "ENOENT", "ENOENT"),
    ("delete the safety log", "EROFS", "EROFS"),
    ("rename the folder safety", "EBUSY", "EBUSY"),
    ("rename the folder logs", "EBUSY", "EBUSY"),
    ("delete the lock", "EBUSY", "EBUSY"),
    ("rename the lock", "EBUSY", "EBUSY"),
    ("link the marker elsewhere", "EXDEV", "EXDEV"),
    ("remount safety writable", "EPERM", "EPERM"),
    ("unmount safety", "EPERM", "EPERM"),
    ("mount over safety", "EPERM", "EPERM"),
    ("bind over safety", "EPERM", "EPERM"),
    ("remount safety writable in a new namespace", "EPERM", "EPERM"),
    ("unmount safety in a new namespace", "EINVAL", "EINVAL"),
    ("unmount what hides the configuration in a new namespace", "EINVAL", "EINVAL"),
    ("look below the mounts in a new namespace", "EINVAL", "EINVAL"),
    ("mount the block device in a new namespace", "EPERM", "EPERM"),
    ("mount over safety for itself in a new namespace", "done", "done"),
    ("read the configuration", "ENOENT", "ENOENT"),
    ("write the configuration", "EROFS", "EROFS"),
    ("write the register of directories", "EROFS", "EROFS"),
    ("rename the configuration", "EBUSY", "EBUSY"),
    ("write the program of the guardian", "EACCES", "ETXTBSY"),
    ("write the program of the runtime", "EACCES", "ETXTBSY"),
    ("replace the program of the guardian", "EACCES", "EBUSY"),
    ("write a file of root", "EACCES", "EACCES"),
    ("find a safety file open in the runtime", "EACCES", "EACCES"),
    ("forge a heartbeat", "EPERM", "EPERM"),
];

/// Starts the victim, with these attacks or with all that leave the attacker alive.
fn victim<'a>(place: &'a Place, modes: &str, attacks: &[&str]) -> Option<Run<'a>> {
    let folder = place.path("attack");
    if !std::process::Command::new("python3")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        skipped("all attacks: there is no python3");
        return None;
    }
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(folder.join("attack.py"), include_str!("attack.py")).unwrap();
    fs::write(folder.join("names"), attacks.join("\n")).unwrap();
    let run = place.start(modes);
    let facts = format!(
        "guardian = {}\nconfig = {}\nguardian program = {}\nruntime program = {}\ndevice = {}\n",
        run.number(),
        place.config().display(),
        place.guardian().display(),
        place.unruly().display(),
        block_device(),
    );
    fs::write(folder.join("facts.new"), facts).unwrap();
    fs::rename(folder.join("facts.new"), folder.join("facts")).unwrap();
    Some(run)
}

/// The disk below the root file system, or a name that is none.
fn block_device() -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let device =
        mounts.lines().find_map(|line| line.split(' ').next().filter(|d| d.starts_with("/dev/")));
    device.unwrap_or("/dev/sda").to_owned()
}

fn outcomes(place: &Place) -> BTreeMap<String, String> {
    let text = fs::read_to_string(place.data().join("attack.out")).unwrap_or_default();
    let pair = |line: &str| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn each_attempt_ends_as_it_is_written_down() {
    let mut faults = Vec::new();
    for who in users() {
        let place = Place::new(who).with_own_programs();
        let Some(mut run) = victim(&place, VICTIM, &[]) else { return };
        run.wait_for("ready");
        let found = outcomes(&place);
        let expected: BTreeMap<String, String> = ATTEMPTS
            .iter()
            .map(|(name, root, user)| {
                let outcome = if who == Who::Root { root } else { user };
                ((*name).to_owned(), (*outcome).to_owned())
            })
            .collect();
        for (name, outcome) in &found {
            println!("{who:?} {name}: {outcome}");
        }
        faults.extend(differences(&found, &expected).map(|fault| format!("{who:?} {fault}")));
        // Nothing of it was noticed by those who were attacked, and nothing was changed.
        assert!(!run.has_ended(), "{}", place.said());
        assert_eq!((word(&place.marker()), place.events().len()), ("running", 0));
        let tree = run.tree();
        crate::tree::signal(tree.guardian, rustix::process::Signal::TERM);
        assert_eq!(code(run.end().unwrap()), "exit 143", "{}", place.said());
        assert_eq!(word(&place.marker()), "clear");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn differences<'a>(
    found: &'a BTreeMap<String, String>,
    expected: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = String> + 'a {
    let names: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    names.into_iter().filter_map(|name| {
        let (found, expected) = (found.get(name), expected.get(name));
        (found != expected).then(|| format!("{name}: {found:?} and not {expected:?}"))
    })
}

/// An attempt that may end the attacker: what the safety log and the marker say then.
struct Desperate {
    attack: &'static str,
    /// Below root and below an ordinary user: the exit, the marker, a word of the event's reason.
    ends: [(&'static str, &'static str, &'static str); 2],
}

/// It was refused, and the run goes on until it is asked to end.
const HELD: (&str, &str, &str) = ("exit 143", "clear", "");
/// It ends the run, and the marker of the data directory says so.
const fn ends(word: &'static str) -> (&'static str, &'static str, &'static str) {
    ("exit 4", "halted", word)
}
const KILLED: (&str, &str, &str) = ("exit 137", "halted", "signal 9");

const DESPERATE: [Desperate; 11] = [
    Desperate { attack: "ask for a halt by the pipe", ends: [HELD, ends("the runtime itself")] },
    Desperate { attack: "say what no runtime says", ends: [HELD, HELD] },
    Desperate { attack: "forge a clean end and kill the runtime", ends: [HELD, HELD] },
    Desperate { attack: "rename the data directory", ends: [ends("STOP"), ends("STOP")] },
    Desperate { attack: "swap the data directory", ends: [ends("STOP"), ends("STOP")] },
    Desperate { attack: "swap the data directory for links", ends: [ends("STOP"), ends("STOP")] },
    Desperate { attack: "kill all that can be seen", ends: [KILLED, KILLED] },
    Desperate { attack: "lower the limits of the init", ends: [HELD, ends("first process")] },
    Desperate { attack: "lower the priority of the init", ends: [HELD, HELD] },
    Desperate { attack: "interrupt the init without end", ends: [HELD, HELD] },
    Desperate {
        attack: "rename the folder of the programs",
        ends: [ends("was changed"), ends("was changed")],
    },
];

/// What one desperate attempt came to, if not to what is written down.
fn desperate(who: Who, attempt: &Desperate) -> Result<(), String> {
    let attack = attempt.attack;
    let place = Place::new(who).with_own_programs();
    let Some(run) = victim(&place, VICTIM, &[attack]) else { return Ok(()) };
    let expected = attempt.ends[usize::from(who == Who::User)];
    let ended = run.end_or_stop("ready");
    // Wherever it is now.
    let moved = place.path("d2");
    let data = if moved.exists() { moved } else { place.data() };
    let log = fs::read_to_string(data.join("logs/safety_events.jsonl")).unwrap_or_default();
    let found = (ended.as_str(), word(&karyon_safety::read(&data)));
    println!("{who:?} {attack}: {found:?} {log}");
    let written = fs::read_dir(place.path("attack/elsewhere")).map_or(0, Iterator::count);
    if found != (expected.0, expected.1) || !log.contains(expected.2) || written > 0 {
        return Err(format!("{who:?} {attack}: {found:?} {written} {log}\n{}", place.said()));
    }
    if data != place.data() && word(&place.marker()) == "clear" {
        return Err(format!("{who:?} {attack}: what was put in its place may start"));
    }
    Ok(())
}

#[test]
fn each_desperate_attempt_ends_as_it_is_written_down() {
    // Mostly waiting, so side by side.
    let faults: Vec<String> = std::thread::scope(|scope| {
        let attempts = users().into_iter().flat_map(|who| DESPERATE.iter().map(move |a| (who, a)));
        let trying: Vec<_> =
            attempts.map(|(who, attempt)| scope.spawn(move || desperate(who, attempt))).collect();
        trying.into_iter().filter_map(|trying| trying.join().unwrap().err()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A control group with one in it for the guardian and all below, which `place`'s user may change
/// as a service manager allows its users.
struct Group(PathBuf);

impl Group {
    fn new(place: &Place, number: u32) -> Option<Group> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let folder = words.next()?;
            (words.next()? == "cgroup2").then(|| PathBuf::from(folder))
        });
        let group = Group(root?.join(format!("karyon-test-{number}")));
        fs::create_dir_all(group.0.join("guarded")).ok()?;
        for name in ["", "cgroup.procs", "guarded", "guarded/cgroup.procs", "guarded/cgroup.freeze"]
        {
            place.give(&group.0.join(name));
        }
        Some(group)
    }

    fn thaw(&self) {
        fs::write(self.0.join("guarded/cgroup.freeze"), "0").unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It is empty when all are dead; what cannot be removed is an empty folder.
        for name in ["guarded", "attacker", ""] {
            match fs::remove_dir(self.0.join(name)) {
                Ok(()) | Err(_) => {}
            }
        }
    }
}

#[test]
fn the_control_group_of_the_guardian_is_out_of_reach() {
    for who in users() {
        let place = Place::new(who);
        let Some(mut run) = victim(&place, VICTIM, &["freeze by the control group"]) else {
            return;
        };
        let Some(group) = Group::new(&place, run.number()) else {
            return skipped("the control group: none can be made here");
        };
        run.wait_for("safety/guardian");
        for number in run.tree().numbers() {
            fs::write(group.0.join("guarded/cgroup.procs"), number.to_string()).unwrap();
        }
        fs::write(place.path("attack/group"), group.0.to_str().unwrap()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1_000));
        let outcome = outcomes(&place).remove("freeze by the control group");
        group.thaw();
        println!("{who:?} freeze by the control group: {outcome:?}");
        assert_eq!(outcome.as_deref(), Some("EROFS"), "{who:?}");
        // The folder can be removed once all are dead.
        let tree = run.tree();
        drop(run);
        tree.all_dead(std::time::Instant::now()).unwrap();
    }
}

#[test]
fn nothing_that_is_tried_on_the_init_outlives_a_frozen_guardian() {
    let mut faults = Vec::new();
    for who in users() {
        for attack in [
            "lower the limits of the init",
            "interrupt the init without end",
            "lower the priority of the init",
        ] {
            // Long enough to look at it before the guardian ends it itself.
            let place = Place::new(who).with("heartbeat_limit_ms", 3_000);
            // The runtime does not end by itself: it has become a program that hears nobody.
            let Some(mut run) = victim(&place, &format!("{VICTIM},close"), &[attack]) else {
                return;
            };
            run.wait_for_end_or("done");
            run.wait_until_closed("close");
            // It may have ended the run by itself, and may do so at any moment.
            let Some(tree) = Tree::of(run.number()) else { continue };
            crate::tree::signal(tree.guardian, rustix::process::Signal::STOP);
            match tree.all_dead(std::time::Instant::now()) {
                Ok(took) => println!("{who:?} {attack}: {} ms", took.as_millis()),
                Err(fault) => faults.push(format!("{who:?} {attack}: {fault}")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_attempt_is_written_down_for_readers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/threat-model.md");
    let text = fs::read_to_string(path).unwrap();
    let attempts = ATTEMPTS.iter().map(|(name, ..)| *name);
    let missing: Vec<_> = attempts
        .chain(DESPERATE.iter().map(|desperate| desperate.attack))
        .filter(|name| !text.contains(name))
        .collect();
    assert!(missing.is_empty(), "docs/threat-model.md says nothing of {missing:?}");
}
