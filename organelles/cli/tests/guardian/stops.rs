//! The ways to stop.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;

use crate::place::Run;
use crate::tree::{Tree, signal};

/// One way to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Term,
    Int,
    File,
    HostFile,
    Halt,
    GuardianKilled,
    GuardianFrozen,
    InitKilled,
    RuntimeKilled,
    RuntimeFrozen,
}

impl Stop {
    pub(crate) const ALL: [Stop; 10] = [
        Stop::Term,
        Stop::Int,
        Stop::File,
        Stop::HostFile,
        Stop::Halt,
        Stop::GuardianKilled,
        Stop::GuardianFrozen,
        Stop::InitKilled,
        Stop::RuntimeKilled,
        Stop::RuntimeFrozen,
    ];

    /// Stops; when that was.
    pub(crate) fn pull(self, run: &Run<'_>, tree: &Tree) -> Instant {
        let now = Instant::now();
        match self {
            Stop::Term => signal(tree.guardian, Signal::TERM),
            Stop::Int => signal(tree.guardian, Signal::INT),
            Stop::File => {
                fs::write(run.place.data().join("safety").join("STOP"), "").unwrap();
            }
            Stop::HostFile => fs::write(run.place.host_stop(), "").unwrap(),
            Stop::Halt => {
                let (data, config) = (run.place.data(), run.place.config());
                karyon_safe_mode::halt(&data, &config, "a test").unwrap();
            }
            Stop::GuardianKilled => signal(tree.guardian, Signal::KILL),
            Stop::GuardianFrozen => signal(tree.guardian, Signal::STOP),
            Stop::InitKilled => signal(tree.init, Signal::KILL),
            Stop::RuntimeKilled => signal(tree.runtime, Signal::KILL),
            Stop::RuntimeFrozen => signal(tree.runtime, Signal::STOP),
        }
        now
    }
}
