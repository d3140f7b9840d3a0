//! Every way to stop, against every kind of trouble, as root and as an ordinary user.

use std::time::Duration;

use rustix::process::Signal;

use crate::place::{Place, Run, code, users, word};
use crate::stops::Stop;
use crate::tree::signal;

/// How long files are looked at that must not grow any more: many times what a descendant needs
/// to write again.
const STILL: Duration = Duration::from_millis(60);

/// What a runtime in trouble does when it is asked to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It ends in good order.
    Ends,
    /// Nothing.
    Stays,
    /// It dies of the signal, without a last word.
    Dies,
}

/// Kinds of trouble.
const TROUBLES: [(&str, Asked); 8] = [
    ("busy", Asked::Ends),
    ("idle", Asked::Ends),
    ("busy,spin", Asked::Stays),
    ("busy,deadlock", Asked::Stays),
    ("busy,fork=40", Asked::Ends),
    ("busy,stuck-log", Asked::Stays),
    ("idle,deaf", Asked::Stays),
    ("idle,close", Asked::Dies),
];

/// How it must have ended: the guardian's exit, and the marker.
fn expected(stop: Stop, asked: Asked) -> (&'static str, &'static str) {
    match (stop, asked) {
        (Stop::Term, Asked::Ends) => ("exit 143", "clear"),
        (Stop::Int, Asked::Ends) => ("exit 130", "clear"),
        (Stop::Term, Asked::Dies) => ("exit 143", "halted"),
        (Stop::Int, Asked::Dies) => ("exit 130", "halted"),
        (Stop::RuntimeKilled, _) => ("exit 137", "halted"),
        (Stop::GuardianKilled, _) => ("signal 9", "running"),
        _ => ("exit 4", "halted"),
    }
}

/// Stops a run; what was not as it must be.
pub(crate) fn stopped(
    run: Run<'_>,
    stop: Stop,
    expected: (&str, &str),
) -> Result<Duration, String> {
    let place = run.place;
    let known = place.checkpoint()?;
    let tree = run.tree();
    let at = stop.pull(&run, &tree);
    let took = tree.all_dead(at)?;
    let before = place.grown();
    if stop == Stop::GuardianFrozen {
        signal(tree.guardian, Signal::CONT);
    }
    let ended = run.end()?;
    if !before.is_empty() {
        std::thread::sleep(STILL);
        if before != place.grown() {
            return Err("what was said to be dead still writes".into());
        }
    }
    let found = (code(ended), word(&place.marker()));
    if found != (expected.0.to_owned(), expected.1) {
        return Err(format!("{found:?} and not {expected:?}\n{}", place.said()));
    }
    let events = place.events();
    if (expected.1 == "halted") != (events.len() == 1) {
        return Err(format!("events: {events:?}"));
    }
    karyon_safety::SafetyLog::check(&place.data()).map_err(|error| error.to_string())?;
    place.verify(&[known])?;
    Ok(took)
}

/// One row of the matrix.
fn row(stop: Stop) {
    let mut faults = Vec::new();
    for who in users() {
        for (modes, asked) in TROUBLES {
            let mut place = Place::new(who);
            if matches!(stop, Stop::GuardianFrozen | Stop::RuntimeFrozen) {
                place = place.with("heartbeat_limit_ms", 500);
            }
            if modes.contains("close") {
                // So that it is the stop that ends it, and not the link that is gone.
                place = place.with("heartbeat_limit_ms", 2_000);
            }
            if asked == Asked::Stays {
                // So that what does not listen is ended soon.
                place = place.with("term_grace_ms", 300);
            }
            let mut run = place.start_ready(modes);
            run.wait_until_closed(modes);
            let outcome = stopped(run, stop, expected(stop, asked));
            match &outcome {
                Ok(took) => println!("{stop:?} {who:?} {modes}: {} ms", took.as_millis()),
                Err(fault) => faults.push(format!("{stop:?} {who:?} {modes}: {fault}")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

macro_rules! rows {
    ($($name:ident: $stop:ident),*) => {$(
        #[test]
        fn $name() {
            row(Stop::$stop);
        }
    )*};
}

rows! {
    term: Term,
    int: Int,
    stop_file: File,
    host_stop: HostFile,
    halt: Halt,
    guardian_killed: GuardianKilled,
    guardian_frozen: GuardianFrozen,
    init_killed: InitKilled,
    runtime_killed: RuntimeKilled,
    runtime_frozen: RuntimeFrozen
}
