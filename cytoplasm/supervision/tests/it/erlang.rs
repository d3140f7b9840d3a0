//! The same scenarios under Erlang/OTP's own supervisors: the same starts and stops, in the same
//! order, and the same answers. Needs `escript` (Debian: `erlang-base`); without it the test says
//! so and passes.
//!
//! Not compared: dynamic supervisors (OTP's children have no ids), time (OTP counts seconds), and
//! whether one was killed or asked to end.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::Command;

use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Event, Exit, Flags, Restart, Spec, Strategy, Supervised,
};
use karyon_supervision::{Refusal, Request};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::scenario::{Happens, Holds, Scenario, ids, scenario};
use crate::support::{Did, Driver, ROOT, worker};

const SCRIPT: &str = include_str!("otp.escript");

/// Enough that each mistake planted in the supervisor was found; a second or two of OTP's time.
const SCENARIOS: usize = 1_000;

const HOLDS: Holds = Holds { dynamic: false, requests: true, time: false, failed_starts: true };

#[test]
fn erlang_otp_does_the_same() {
    let mut runner = TestRunner::deterministic();
    let scenarios: Vec<_> = (0..SCENARIOS)
        .map(|_| scenario(HOLDS).new_tree(&mut runner).unwrap().current())
        .map(|scenario| {
            let told = live(&scenario);
            (scenario, told)
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let (script, terms) = (dir.path().join("otp.escript"), dir.path().join("scenarios"));
    // The first line of a script is not read.
    std::fs::write(&script, format!("#!/usr/bin/env escript\n{SCRIPT}")).unwrap();
    let text: String = scenarios.iter().map(|(_, told)| told.term.as_str()).collect();
    std::fs::write(&terms, text).unwrap();
    let output = match Command::new("escript").arg(&script).arg(&terms).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: there is no escript on this machine (Debian: erlang-base)");
            return;
        }
        Err(error) => panic!("escript cannot be run: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let answered = String::from_utf8(output.stdout).unwrap();
    let mut lines = answered.lines();
    for (scenario, told) in &scenarios {
        assert_eq!(lines.next(), Some(told.expected.as_str()), "\n{}{scenario:#?}", told.term);
    }
    assert_eq!(lines.next(), None);
    let restarts = answered.matches("start").count();
    assert!(restarts > 10 * SCENARIOS, "only {restarts} starts: there was little to compare");
}

/// A scenario as OTP is told it, and what it should say.
struct Told {
    term: String,
    expected: String,
}

/// Lets the tree live through it, with what happens in terms of who runs at the time.
fn live(scenario: &Scenario) -> Told {
    let mut driver = Driver::new(scenario.below.clone(), scenario.failing.clone());
    let (mut ops, mut lines) = (Vec::new(), Vec::new());
    driver.hear(Event::Begin).unwrap();
    lines.push(line("-", &driver.did()));
    for (at, happens) in scenario.happens.iter().enumerate() {
        if let Some((op, answer)) = happen(&mut driver, scenario, *happens, at) {
            ops.push(op);
            lines.push(line(answer, &driver.did()));
        }
    }
    driver.hear(Event::ShutDown).unwrap();
    ops.push("shutdown".into());
    lines.push(line("-", &driver.did()));
    let failing: Vec<_> =
        scenario.failing.iter().map(|(id, nth)| format!("{{{id},{nth}}}")).collect();
    let root = supervisor(ROOT, Restart::Permanent, false, &scenario.below);
    let term = format!("{{{root},[{}],[{}]}}.\n", failing.join(","), ops.join(","));
    Told { term, expected: format!("[{}]", lines.join(",")) }
}

fn happen(
    driver: &mut Driver,
    scenario: &Scenario,
    happens: Happens,
    at: usize,
) -> Option<(String, &'static str)> {
    let (supervisors, children) = ids(&scenario.below);
    let child = |place: usize| (!children.is_empty()).then(|| children[place % children.len()]);
    let told = |answer: Result<(), Refusal>| if answer.is_ok() { "done" } else { "no" };
    Some(match happens {
        Happens::Later(_) => return None,
        Happens::Exit(place, exit) => {
            let alive: Vec<_> = driver.alive.iter().copied().collect();
            let who = *alive.get(place % alive.len().max(1))?;
            driver.exit(who, exit);
            let reason = match exit {
                Exit::Normal => "normal",
                Exit::Shutdown => "shutdown",
                Exit::Killed => "killed",
                Exit::Failure => "failure",
            };
            (format!("{{exit,{who},{reason}}}"), "-")
        }
        Happens::Terminate(place) => {
            let (above, id) = child(place)?;
            let answer = driver.ask(above, Request::Terminate(id));
            (format!("{{terminate,{},{}}}", above.0, id.0), told(answer))
        }
        Happens::Restart(place) => {
            let (above, id) = child(place)?;
            let answer = driver.ask(above, Request::Restart(id));
            (format!("{{restart,{},{}}}", above.0, id.0), told(answer))
        }
        Happens::Delete(place) => {
            let (above, id) = child(place)?;
            let answer = driver.ask(above, Request::Delete(id));
            (format!("{{delete,{},{}}}", above.0, id.0), told(answer))
        }
        Happens::Add(place, restart) => {
            let above = supervisors[place % supervisors.len()];
            let spec = Spec::Worker(worker(1_000 + at as u64, restart));
            let op = format!("{{add,{},{}}}", above.0, kid(&spec));
            (op, told(driver.ask(above, Request::Add(spec))))
        }
    })
}

fn line(answer: &str, did: &[Did]) -> String {
    let did: Vec<_> = did
        .iter()
        .map(|did| match did {
            Did::Start(id) => format!("{{start,{id}}}"),
            Did::Fail(id) => format!("{{fail,{id}}}"),
            Did::Stop(id) | Did::Kill(id) => format!("{{stop,{id}}}"),
            Did::End => "'end'".into(),
        })
        .collect();
    let answer = if answer == "-" { "'-'" } else { answer };
    format!("{{{answer},[{}]}}", did.join(","))
}

fn kid(spec: &Spec) -> String {
    match spec {
        Spec::Worker(ChildSpec { id, restart, significant, .. }) => {
            format!("{{worker,{},{},{significant}}}", id.0, word(*restart))
        }
        Spec::Supervisor { id, restart, significant, below } => {
            supervisor(*id, *restart, *significant, below)
        }
    }
}

fn supervisor(id: ChildId, restart: Restart, significant: bool, below: &Supervised) -> String {
    let Flags { strategy, intensity, auto_shutdown, max_children: _ } = below.flags;
    let strategy = match strategy {
        Strategy::OneForOne => "one_for_one",
        Strategy::OneForAll => "one_for_all",
        Strategy::RestForOne => "rest_for_one",
        Strategy::Dynamic => "simple_one_for_one",
    };
    let auto_shutdown = match auto_shutdown {
        AutoShutdown::Never => "never",
        AutoShutdown::AnySignificant => "any_significant",
        AutoShutdown::AllSignificant => "all_significant",
    };
    let mut text = format!("{{sup,{},{},{significant},", id.0, word(restart));
    let (restarts, period) = (intensity.restarts, intensity.period_ticks);
    write!(text, "{{{strategy},{restarts},{period},{auto_shutdown}}}").unwrap();
    let kids: Vec<_> = below.children.iter().map(kid).collect();
    write!(text, ",[{}]}}", kids.join(",")).unwrap();
    text
}

fn word(restart: Restart) -> &'static str {
    match restart {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    }
}
