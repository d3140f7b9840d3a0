//! What the guardian sees of a runtime without asking it: `/proc`, the disk, files that changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use karyon_safety::Limits;
use rustix::fs::statvfs;

use crate::held::stat;
use crate::watch::within;

/// Folders and files of a data directory that are looked at; more is not a data directory.
const MAX_FILES: u64 = 100_000;
const MIB: u64 = 1 << 20;

/// What the processes of a namespace use.
#[derive(Debug, Default)]
pub(crate) struct Used {
    processes: u64,
    memory_bytes: u64,
    open_files: u64,
    /// Processor time since the look before.
    pub(crate) cpu_s: u64,
}

/// Looks at a process and all below it.
#[derive(Debug)]
pub(crate) struct Processes {
    init: i32,
    /// Processor time of each when it was last seen.
    seen: BTreeMap<i32, u64>,
    /// Clock ticks that did not make a second yet.
    rest: u64,
}

impl Processes {
    pub(crate) fn below(init: i32) -> Processes {
        Processes { init, seen: BTreeMap::new(), rest: 0 }
    }

    /// What they use. What ends between two looks takes its last moments with it.
    pub(crate) fn look(&mut self) -> Used {
        let all: Vec<Process> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Process::read)
            .collect();
        let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
        for process in &all {
            children.entry(process.parent).or_default().push(process);
        }
        let (mut used, mut ticks) = (Used::default(), self.rest);
        let mut seen = BTreeMap::new();
        let mut open: Vec<&Process> =
            all.iter().filter(|process| process.number == self.init).collect();
        while let Some(process) = open.pop() {
            used.processes += 1;
            used.memory_bytes += process.pages * rustix::param::page_size() as u64;
            used.open_files += process.open_files();
            let before = self.seen.get(&process.number).copied().unwrap_or(0);
            ticks += process.cpu_ticks.saturating_sub(before);
            seen.insert(process.number, process.cpu_ticks);
            open.extend(children.get(&process.number).into_iter().flatten());
        }
        self.seen = seen;
        let second = rustix::param::clock_ticks_per_second();
        (used.cpu_s, self.rest) = (ticks / second, ticks % second);
        used
    }
}

struct Process {
    number: i32,
    parent: i32,
    cpu_ticks: u64,
    pages: u64,
}

impl Process {
    fn read(number: i32) -> Option<Process> {
        let field = stat(number)?;
        Some(Process {
            number,
            parent: field(4)? as i32,
            cpu_ticks: field(14)? + field(15)?,
            pages: field(24)?,
        })
    }

    /// Of one whose files an ordinary user may not list, the room that it has for them: some more.
    fn open_files(&self) -> u64 {
        let listed = fs::read_dir(format!("/proc/{}/fd", self.number));
        let room = || {
            let status = fs::read_to_string(format!("/proc/{}/status", self.number)).ok()?;
            status.lines().find_map(|line| line.strip_prefix("FDSize:"))?.trim().parse().ok()
        };
        listed.map_or_else(|_| room().unwrap_or(0), |files| files.count() as u64)
    }
}

impl Used {
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), String> {
        within("processes", limits.processes, self.processes, "")?;
        within("memory_mib", limits.memory_mib, self.memory_bytes / MIB, "")?;
        within("open_files", limits.open_files, self.open_files, "")
    }
}

/// Whether the disk has room, and the directory does not take too much of it.
pub(crate) fn disk(data: &Path, limits: &Limits) -> Result<(), String> {
    let found = statvfs(data).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) / MIB);
    let least = limits.free_space_mib;
    if found < least {
        return Err(format!("free_space_mib: {found}, and {least} is the least that is allowed"));
    }
    let mut files = 0;
    let bytes = size(data, &mut files);
    within("files in the data directory", MAX_FILES, files, "")?;
    within("disk_use_mib", limits.disk_use_mib, bytes / MIB, "")
}

fn size(path: &Path, files: &mut u64) -> u64 {
    *files += 1;
    // What vanishes while it is looked at takes no room.
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    let mut bytes = found.blocks() * 512;
    if found.is_dir() && *files <= MAX_FILES {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            bytes += size(&entry.path(), files);
        }
    }
    bytes
}

/// Files that nobody but the guardian may change while a runtime lives, as they were.
pub(crate) struct Contract(Vec<(PathBuf, Option<Look>)>);

/// What shows a change: another file, other bytes, or other rights.
type Look = ([u64; 3], [i64; 4]);

fn look(path: &Path) -> Option<Look> {
    let found = fs::symlink_metadata(path).ok()?;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    Some(([found.dev(), found.ino(), found.size()], times))
}

impl Contract {
    pub(crate) fn of(files: impl IntoIterator<Item = PathBuf>) -> Contract {
        let looked_at = |file: PathBuf| (file.clone(), look(&file));
        Contract(files.into_iter().map(looked_at).collect())
    }

    /// The first file that is not as it was.
    pub(crate) fn broken(&self) -> Option<&Path> {
        self.0.iter().find(|(file, seen)| look(file) != *seen).map(|(file, _)| file.as_path())
    }
}

#[cfg(test)]
#[path = "outside_tests.rs"]
mod tests;
