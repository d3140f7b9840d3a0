//! Descendants that try to get away, and show that they live by what they write.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often one that does not spin writes.
const PACE: Duration = Duration::from_millis(3);

/// Starts so many; each forks twice, so that nobody below knows its parent.
pub(crate) fn start(folder: &Path, count: u64) {
    fs::create_dir_all(folder.join("grow")).unwrap();
    let children: Vec<_> = (0..count)
        .map(|number| again(folder, "descend", number).stdin(Stdio::null()).spawn().unwrap())
        .collect();
    for mut child in children {
        child.wait().unwrap();
    }
    while fs::read_dir(folder.join("grow")).unwrap().count() < count as usize {
        std::thread::sleep(PACE);
    }
}

/// This program once more, for another purpose.
pub(crate) fn again(folder: &Path, purpose: &str, number: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(folder).arg(purpose).arg(number.to_string());
    command
}

/// The one in the middle: leaves session and process group, starts the last one and is gone.
pub(crate) fn descend(folder: &Path, arguments: &[String]) -> ExitCode {
    rustix::process::setsid().unwrap();
    let number = arguments[0].parse().unwrap();
    let mut last = again(folder, "grow", number);
    last.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Nobody waits for it: that is what makes it hard to find.
    drop(last.spawn().unwrap());
    ExitCode::SUCCESS
}

/// The last one: ignores what can be ignored, moves to another cgroup if it may, and writes.
pub(crate) fn grow(folder: &Path, arguments: &[String]) -> ExitCode {
    let number: u64 = arguments[0].parse().unwrap();
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).unwrap();
    }
    match rustix::process::setsid() {
        Ok(_) | Err(_) => {}
    }
    change_cgroup();
    let path = folder.join("grow").join(number.to_string());
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    // Whoever spins before all are there keeps the others from coming.
    let mut spins = false;
    loop {
        // A full disk is no reason to end.
        match file.write_all(b".") {
            Ok(()) | Err(_) => {}
        }
        if number.is_multiple_of(2) || !spins {
            std::thread::sleep(PACE);
            spins = folder.join("ready").exists();
            continue;
        }
        let until = Instant::now() + PACE;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }
}

/// Tries the root of each hierarchy and the folders below it; that it fails is allowed.
fn change_cgroup() {
    let me = std::process::id().to_string();
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let below = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in std::iter::once(root.into()).chain(below.take(8)) {
            if fs::write(folder.join("cgroup.procs"), &me).is_ok() {
                return;
            }
        }
    }
}
