//! What the watches look for.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use karyon_guard::{Event, Guard};

use crate::descendants::again;
use crate::mode::Modes;

const MIB: usize = 1 << 20;

/// What must stay in use.
#[derive(Default)]
pub(crate) struct Held {
    _memory: Vec<u8>,
    _files: Vec<File>,
}

/// Uses what can be used up.
pub(crate) fn use_up(folder: &Path, modes: &Modes) -> Held {
    let mut held = Held::default();
    let number = |name| modes.number(name).unwrap_or(0);
    if modes.has("memory") {
        // Written, so that it is there.
        held._memory = vec![1; number("memory") as usize * MIB];
    }
    held._files = (0..number("files")).map(|_| File::open("/dev/null").unwrap()).collect();
    for (name, purpose) in [("cpu", "spin"), ("processes", "sleep")] {
        for count in 0..number(name) {
            again(folder, purpose, count).stdin(Stdio::null()).spawn().unwrap();
        }
    }
    if modes.has("disk") {
        fs::create_dir_all(folder.join("ballast")).unwrap();
        let mut file = File::create(folder.join("ballast").join("0")).unwrap();
        for _ in 0..number("disk") {
            // A disk that is full is what is wanted here.
            match file.write_all(&vec![1; MIB]) {
                Ok(()) => {}
                Err(_) => break,
            }
        }
    }
    held
}

/// Says what is counted.
pub(crate) fn report(guard: &Guard, modes: &Modes) {
    let say = |event: Event, count: u64| {
        for _ in 0..count {
            guard.report(event, 7, "unruly").unwrap();
        }
    };
    let events = [
        ("ask", Event::Ask),
        ("task", Event::Task),
        ("rejection", Event::Rejection),
        ("failure", Event::Failure),
        ("self-modification", Event::SelfModification),
    ];
    for (name, event) in events {
        say(event, modes.number(name).unwrap_or(0));
    }
    if let Some(count) = modes.number("admitted") {
        say(Event::Rejection, count);
        say(Event::Admitted, 1);
        say(Event::Rejection, count);
    }
    if let Some(count) = modes.number("crashes") {
        guard.counters().crashes.fetch_add(count, Ordering::Relaxed);
    }
}

pub(crate) fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}
