//! What a process below the runtime tries against its guardian, and what comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::place::{Place, Run, Who, code, skipped, users, word};

/// Agents that leave the processor to the attacker.
const VICTIM: &str = "idle,agents=100,attack";

/// An attempt, what the system answers below root and below an ordinary user.
type Attempt = (&'static str, &'static str, &'static str);

/// What leaves the attacker alive.
const ATTEMPTS: [Attempt; 0] = [];

/// Starts the victim, with these attacks or with all that leave the attacker alive.
fn victim<'a>(place: &'a Place, modes: &str, attacks: &[&str]) -> Option<Run<'a>> {
    let folder = place.path("attack");
    if !std::process::Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success())
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
    let device = mounts.lines().find_map(|line| line.split(' ').next().filter(|d| d.starts_with("/dev/")));
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

const HALTED: (&str, &str, &str) = ("exit 4", "halted", "x");
const DESPERATE: [Desperate; 10] = [
    Desperate { attack: "ask for a halt by the pipe", ends: [HALTED, HALTED] },
    Desperate { attack: "say what no runtime says", ends: [HALTED, HALTED] },
    Desperate { attack: "forge a clean end and kill the runtime", ends: [HALTED, HALTED] },
    Desperate { attack: "rename the data directory", ends: [HALTED, HALTED] },
    Desperate { attack: "swap the data directory", ends: [HALTED, HALTED] },
    Desperate { attack: "swap the data directory for links", ends: [HALTED, HALTED] },
    Desperate { attack: "kill all that can be seen", ends: [HALTED, HALTED] },
    Desperate { attack: "lower the limits of the init", ends: [HALTED, HALTED] },
    Desperate { attack: "rename the folder of the programs", ends: [HALTED, HALTED] },
    Desperate { attack: "lower the priority of the init", ends: [HALTED, HALTED] },
];

#[test]
fn each_desperate_attempt_ends_as_it_is_written_down() {
    let mut faults = Vec::new();
    for who in users() {
        for Desperate { attack, ends } in &DESPERATE {
            let place = Place::new(who).with_own_programs();
            let Some(run) = victim(&place, VICTIM, &[attack]) else { return };
            let expected = ends[usize::from(who == Who::User)];
            let ended = run.end_or_stop("ready");
            let events = place.events().concat();
            let found = (ended.as_str(), word(&place.marker()));
            let said = outcomes(&place).remove(*attack);
            let elsewhere: Vec<_> = fs::read_dir(place.path("attack/elsewhere")).into_iter().flatten().flatten().map(|e| (e.path(), std::os::unix::fs::MetadataExt::uid(&e.metadata().unwrap()))).collect();
            println!("{elsewhere:?}");
            println!("{who:?} {attack}: {said:?} {found:?} {events}");
            if found != (expected.0, expected.1) || !events.contains(expected.2) {
                faults.push(format!("{who:?} {attack}: {found:?} {events}\n{}", place.said()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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
            let Some(mut run) = victim(&place, &format!("{VICTIM},close"), &[attack]) else { return };
            run.wait_for_end_or("done");
            if run.has_ended() {
                continue;
            }
            run.wait_until_closed("close");
            let tree = run.tree();
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
