//! The processes below a guardian, found in /proc beforehand, and the proof that they are dead.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::time::Timespec;

use crate::place::PATIENCE;

/// What lives below a guardian.
pub(crate) struct Tree {
    pub(crate) guardian: Pid,
    /// The first process of the namespace.
    pub(crate) init: Pid,
    pub(crate) runtime: Pid,
    /// All below the guardian; a descriptor is readable when its process is dead.
    all: Vec<(Pid, OwnedFd)>,
}

impl Tree {
    /// Who lives below `guardian` now; `None`: there is no first process or no runtime any more.
    pub(crate) fn of(guardian: u32) -> Option<Tree> {
        let guardian = pid(guardian as i32);
        let parents = parents();
        let below = |parent: Pid| -> Vec<Pid> {
            parents.iter().filter(|(_, above)| *above == parent).map(|(child, _)| *child).collect()
        };
        // A notifier would be a child without children.
        let init = below(guardian).into_iter().find(|child| !below(*child).is_empty())?;
        // What lost its parents came to the init too.
        let is_orphan = |pid: &Pid| arguments(*pid).get(2).is_some_and(|word| word == "grow");
        let runtime = below(init).into_iter().find(|pid| !is_orphan(pid))?;
        let mut all = Vec::new();
        let mut next = vec![guardian];
        while let Some(parent) = next.pop() {
            for child in below(parent) {
                if let Ok(descriptor) = pidfd_open(child, PidfdFlags::empty()) {
                    all.push((child, descriptor));
                }
                next.push(child);
            }
        }
        Some(Tree { guardian, init, runtime, all })
    }

    /// All process numbers, the guardian's too.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let all = self.all.iter().map(|(pid, _)| *pid).chain([self.guardian]);
        all.map(|pid| pid.as_raw_nonzero().get() as u32).collect()
    }

    pub(crate) fn init_number(&self) -> u32 {
        self.init.as_raw_nonzero().get() as u32
    }

    /// Waits until all below the guardian are dead; how long that took from `since` on.
    pub(crate) fn all_dead(&self, since: Instant) -> Result<Duration, String> {
        let mut left: Vec<&(Pid, OwnedFd)> = self.all.iter().collect();
        while !left.is_empty() {
            let mut asked: Vec<_> =
                left.iter().map(|(_, descriptor)| PollFd::new(descriptor, PollFlags::IN)).collect();
            let patience = PATIENCE.saturating_sub(since.elapsed());
            let timeout = Timespec::try_from(patience).unwrap();
            if poll(&mut asked, Some(&timeout)).unwrap() == 0 {
                let names: Vec<_> =
                    left.iter().map(|(pid, _)| format!("{pid:?} {:?}", arguments(*pid))).collect();
                return Err(format!("still alive: {}", names.join(", ")));
            }
            let alive: Vec<bool> = asked.iter().map(|asked| asked.revents().is_empty()).collect();
            let mut alive = alive.into_iter();
            left.retain(|_| alive.next().unwrap());
        }
        Ok(since.elapsed())
    }
}

pub(crate) fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).unwrap();
}

pub(crate) fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

/// Each process, with its parent.
fn parents() -> Vec<(Pid, Pid)> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name is in brackets and may hold anything.
        let behind = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let above = behind.split(' ').nth(1).and_then(|parent| parent.parse().ok());
        if let (Some(child), Some(above)) = (Pid::from_raw(number), above.and_then(Pid::from_raw)) {
            parents.push((child, above));
        }
    }
    parents
}

/// A process's command line.
pub(crate) fn arguments(pid: Pid) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}
