//! What a result depends on beside the program: the machine, and what else runs on it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::text::thousands;

/// What nobody could find out.
pub const UNKNOWN: &str = "unknown";

/// The machine. Each is a text, `unknown` where the system does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's name, as it calls itself.
    pub cpu: String,
    /// How many threads run at a time for this process.
    pub cores: String,
    /// All of it, in bytes.
    pub memory: String,
    /// Its name and release.
    pub kernel: String,
    /// Where data directories lay: its type, and where it is mounted.
    pub filesystem: String,
}

/// What else was running: the load average over 1, 5 and 15 minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Before the first warm-up.
    pub before: String,
    /// Behind the last sample: the benchmark's own is in it.
    pub after: String,
}

impl Machine {
    /// This one; `place` is where data directories will lie.
    pub fn here(place: &Path) -> Machine {
        let cores = std::thread::available_parallelism().ok();
        Machine {
            cpu: told("/proc/cpuinfo", |text| after(text, "model name")),
            cores: cores.map_or_else(|| UNKNOWN.into(), |cores| cores.to_string()),
            memory: told("/proc/meminfo", memory),
            kernel: format!(
                "{} {}",
                told("/proc/sys/kernel/ostype", whole),
                told("/proc/sys/kernel/osrelease", whole)
            ),
            filesystem: place.canonicalize().map_or_else(
                |_| UNKNOWN.into(),
                |place| told("/proc/self/mounts", |text| filesystem(text, &place)),
            ),
        }
    }
}

/// The load average of the moment, or `unknown`.
pub fn load() -> String {
    told("/proc/loadavg", |text| {
        let numbers: Vec<_> = text.split_whitespace().take(3).collect();
        (numbers.len() == 3).then(|| numbers.join(" "))
    })
}

fn told(file: &str, find: impl FnOnce(&str) -> Option<String>) -> String {
    let text = fs::read_to_string(file).ok();
    let found = text.and_then(|text| find(&text)).filter(|found| !found.is_empty());
    found.unwrap_or_else(|| UNKNOWN.into())
}

fn whole(text: &str) -> Option<String> {
    Some(text.trim().into())
}

/// What stands behind the colon of the first line that begins so.
fn after(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().into())
}

fn memory(text: &str) -> Option<String> {
    let kib: u64 = after(text, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{} bytes", thousands(kib * 1024)))
}

/// The mount that a place lies in: the longest that leads there, and of two the later one, which
/// hides the other.
fn filesystem(mounts: &str, place: &Path) -> Option<String> {
    let of = |line: &str| {
        let mut fields = line.split(' ');
        let (_, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        // Spaces are written so. Source: fstab(5).
        let at = at.replace("\\040", " ");
        place.starts_with(&at).then(|| (at.len(), format!("{kind} at {at}")))
    };
    mounts.lines().filter_map(of).max_by_key(|(length, _)| *length).map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filesystem_is_the_nearest_and_newest_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/b /data xfs rw 0 0\n\
                      tmpfs /data/my\\040disk tmpfs rw 0 0\ntmpfs /database tmpfs rw 0 0\n\
                      /dev/c /data btrfs rw 0 0\nbroken\n";
        for (place, found) in [
            ("/home/x", "ext4 at /"),
            ("/data", "btrfs at /data"),
            ("/data/x", "btrfs at /data"),
            ("/data/my disk/x", "tmpfs at /data/my disk"),
            ("/database", "tmpfs at /database"),
        ] {
            assert_eq!(filesystem(mounts, Path::new(place)).as_deref(), Some(found));
        }
        assert_eq!(filesystem("", Path::new("/")), None);
    }

    #[test]
    fn what_the_system_tells() {
        let cpus = "processor\t: 0\nmodel name\t: A: B 9\nmodel name\t: C\n";
        assert_eq!(after(cpus, "model name").as_deref(), Some("A: B 9"));
        assert_eq!(after(cpus, "flags"), None);
        let found = memory("MemTotal:       24638428 kB\nMemFree: 1 kB\n");
        assert_eq!(found.as_deref(), Some("25,229,750,272 bytes"));
        assert_eq!(memory("MemTotal: much\n"), None);
        assert_eq!(told("/nowhere", whole), UNKNOWN);
    }
}
