//! Ctrl-C and SIGTERM: a process of its own, because they are its.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use karyon::{Agent, Context, Data, Ending, Every, KeyDirectory, Kind, Pid, Result, Run};
use serde::{Deserialize, Serialize};

/// Counts for a long time.
#[derive(Default, Serialize, Deserialize)]
struct Counter(u64);

impl Agent for Counter {
    type Message = u64;
    const KIND: Kind = Kind::new("counter");

    fn handle(&mut self, _from: Pid, left: u64, ctx: &mut Context<'_, Self>) -> Result {
        self.0 += 1;
        // So long that no signal comes too late, but for one that never comes.
        std::thread::sleep(Duration::from_millis(1));
        if left > 0 && self.0 < 60_000 {
            ctx.cast(ctx.me(), left - 1);
        }
        Ok(())
    }
}

const FOLDER: &str = "KARYON_TEST_SIGNALS";

fn counting(steps: u64) -> (Run, karyon::AgentRef<Counter>) {
    let mut run = Run::new("counting");
    let counter = run.agent("counter", Counter::default());
    run.input(0, counter, steps);
    run.snapshots(Every::Ticks(10));
    (run, counter)
}

fn at(folder: &str) -> Data {
    let keys = KeyDirectory::at(format!("{folder}/keys"));
    Data::new(format!("{folder}/run"), "ada", "a test").keys(keys)
}

/// The process that is sent a signal: only where the other test asks for it.
#[test]
fn the_process_that_is_interrupted() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let outcome = counting(1_000_000).0.begin(&at(&folder)).unwrap();
    let Ending::Interrupted { signal } = outcome.ending else { panic!("{:?}", outcome.ending) };
    std::fs::write(format!("{folder}/ended"), signal.to_string()).unwrap();
    // Behind the run a signal is one again.
    std::thread::sleep(Duration::from_secs(600));
}

fn until(what: impl Fn() -> bool, child: &mut Child) {
    while !what() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_ends_a_run_in_good_order_and_behind_it_the_program() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signals::the_process_that_is_interrupted", "--nocapture"])
            .env(FOLDER, path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until(|| path.join("run/snapshots").exists(), &mut child);
        let send = |child: &Child| {
            let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
        };
        send(&child);
        until(|| path.join("ended").exists(), &mut child);
        let number = if signal == "INT" { 2 } else { 15 };
        until(
            || std::fs::read_to_string(path.join("ended")).unwrap() == number.to_string(),
            &mut child,
        );
        send(&child);
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        // It goes on from its snapshot, with nobody who has to allow it.
        let (run, _) = counting(1_000_000);
        assert!(run.replay(&at(path.to_str().unwrap())).unwrap().is_confirmed());
    }
}
