//! The first process of the namespace: with it everything below ends.
//!
//! It is a fork of the guardian that starts the runtime, buries what dies, and ends when it no
//! longer hears its guardian: by signal, by the end of a pipe, or by silence.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};
use rustix::time::Timespec;

use crate::confine::Confinement;
use crate::guardian::HALTED;
use crate::silence::Silence;
use crate::system;

/// What the guardian says through the pipe of life: a beat, or a signal for the runtime.
pub(crate) const BEAT: u8 = b'.';
pub(crate) const TERMINATE: u8 = b'T';
pub(crate) const INTERRUPT: u8 = b'I';

/// How often it looks, milliseconds.
const LOOK_MS: u64 = 25;

/// Becomes the first process. What it says through `report` are lines: `absent MECHANISM why`,
/// `failed why`, `ended code N`, `ended signal N`.
pub(crate) fn run(confinement: &Confinement, life: OwnedFd, report: OwnedFd) -> ! {
    let mut report = File::from(report);
    let runtime = match start(confinement, &mut report) {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&mut report, &format!("failed {error}"));
            system::exit_now(1)
        }
    };
    let silence_ms = confinement.silence_ms;
    // Written now: then there is nothing left to do but to say it.
    let last = format!(
        "karyon: the guardian was silent for {silence_ms} ms; everything below it has ended; see \
         `karyon safety status --data {}`\n",
        confinement.data.display()
    );
    keep(runtime, File::from(life), &mut report, silence_ms, &last)
}

fn start(confinement: &Confinement, report: &mut File) -> std::io::Result<Pid> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    system::catch(&[Signal::CHILD]);
    for (mechanism, why) in confinement.furnish()? {
        say(report, &format!("absent {mechanism} {why}"));
    }
    say(report, "furnished");
    if let Some((_, number)) = system::fork(0)? {
        confinement.drop_rights()?;
        return Pid::from_raw(number).ok_or_else(|| std::io::Error::other("no process number"));
    }
    let error = confinement.become_runtime();
    say(report, &format!("failed {error}"));
    system::exit_now(127)
}

/// A guardian that reads no more is gone, and so is this process soon.
fn say(report: &mut File, line: &str) {
    let _ = report.write_all(format!("{line}\n").as_bytes());
}

/// The last words of a first process whose guardian is frozen, so that a person hears why. First
/// it ends all that live in its namespace: a terminal that takes no words keeps nobody alive.
fn speak(words: &str) {
    if rustix::process::getpid() != Pid::INIT {
        // Without a namespace of its own it would end whatever the user has.
        return;
    }
    // As a group number one is every process but the caller.
    let _ = kill_process_group(Pid::INIT, Signal::KILL);
    let mut stderr = std::io::stderr();
    if poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&Timespec::default())) == Ok(1) {
        let _ = stderr.write(words.as_bytes());
    }
}

fn keep(runtime: Pid, mut life: File, report: &mut File, silence_ms: u64, last: &str) -> ! {
    let look = Timespec::try_from(Duration::from_millis(LOOK_MS)).unwrap_or_default();
    let mut silence = Silence::new(Duration::from_millis(silence_ms));
    loop {
        // Of any process group: what lives here begins its own.
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == runtime {
                let (word, code) = match status.exit_status() {
                    Some(code) => ("code", code),
                    None => ("signal", status.terminating_signal().unwrap_or(0)),
                };
                say(report, &format!("ended {word} {code}"));
                // It counts the same silence, and may be the first to find it too long.
                if (word, code) == ("code", HALTED.into()) && silence.is_long() {
                    speak(last);
                }
                system::exit_now(0)
            }
        }
        let ready = match poll(&mut [PollFd::new(&life, PollFlags::IN)], Some(&look)) {
            Ok(ready) => ready,
            Err(Errno::INTR) => 0,
            // Somebody took away what waiting needs.
            Err(_) => system::exit_now(1),
        };
        if ready == 0 {
            // Signals that interrupt every wait do not keep it from being counted.
            if silence.is_too_long() {
                say(report, "silence");
                speak(last);
                system::exit_now(1)
            }
            continue;
        }
        silence.end();
        let mut said = [0; 64];
        // Else the guardian is gone.
        let Ok(length @ 1..) = life.read(&mut said) else { system::exit_now(1) };
        for word in said.iter().take(length) {
            let signal = match *word {
                TERMINATE => Signal::TERM,
                INTERRUPT => Signal::INT,
                _ => continue,
            };
            // One that has just ended is buried in the next turn.
            let _ = kill_process(runtime, signal);
        }
    }
}
