//! What is asked of a run of the library, and ordered, while it runs.

use std::time::{Duration, Instant};

use karyon_boundary::{Client, TreeOf};
use karyon_keys::KeyDirectory;
use karyon_runtime::Limits;
use serde::{Deserialize, Serialize};

use super::Data;
use crate::address::Pid;
use crate::agent::{Agent, Kind, Result};
use crate::context::Context;
use crate::run::{Child, Run, Supervisor};
use crate::spawn::Spawned;

#[expect(unreachable_pub, reason = "it is shared with the tests of other crates")]
#[path = "../../../../../cytoplasm/guard/tests/played/guardian.rs"]
mod guardian;

/// The longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Goes on until somebody ends it.
#[derive(Serialize, Deserialize)]
struct Clock {
    ticks: u64,
}

impl Agent for Clock {
    type Message = ();
    const KIND: Kind = Kind::new("clock").temporary();

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.interval(1, ());
        if self.ticks == 0 {
            ctx.spawn_under("clocks", Child::temporary(), "second", Clock { ticks: 1_000 })?;
        }
        Ok(())
    }

    fn handle(&mut self, _from: Pid, (): (), _ctx: &mut Context<'_, Self>) -> Result {
        self.ticks += 1;
        Ok(())
    }

    fn spawned(&mut self, _child: Spawned, _ctx: &mut Context<'_, Self>) -> Result {
        Ok(())
    }
}

fn clocks() -> Run {
    let mut run = Run::new("clocks");
    let first = run.agent("first", Clock { ticks: 0 });
    run.may_spawn::<Clock>(1).limits(Limits { forks: 2, ..Limits::default() });
    run.supervise(
        Supervisor::one_for_one()
            .child_with(first, Child::temporary())
            .supervisor(Supervisor::dynamic("clocks")),
    );
    run
}

fn connected(data: &Data) -> Client {
    let begun = Instant::now();
    loop {
        match Client::connect(data.path(), "test", PATIENCE) {
            Ok(client) => return client,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_of_the_library_is_asked_and_ordered_as_those_of_the_command_line_are() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new(folder.path().join("run"), "ada", "a test")
        .keys(KeyDirectory::at(folder.path().join("keys")));
    // What a guardian makes.
    std::fs::create_dir_all(data.path().join("safety")).unwrap();
    let run = clocks();
    let outcome = std::thread::scope(|scope| {
        let running = scope.spawn(|| run.begin_under(Some(guardian::guard()), &data));
        let mut client = connected(&data);
        assert_eq!(client.hello().boot, 1);
        let part = TreeOf::default();
        while client.tree(&part).unwrap().branches.len() < 4 {}
        let tree = client.tree(&part).unwrap();
        let ids: Vec<_> = tree.branches.iter().map(|branch| (branch.id, branch.above)).collect();
        let clocks = tree.branches[2].id;
        assert_eq!(ids, [(0, None), (1, Some(0)), (clocks, Some(0)), (2, Some(clocks))]);
        assert!(clocks > u64::from(u32::MAX), "no agent's number");
        let inspected = client.inspect(2).unwrap();
        assert_eq!(inspected.grounds.unwrap().principal, "ada");
        client.pause(2).unwrap();
        client.fork(2).unwrap();
        client.resume(2).unwrap();
        for id in 1..=3 {
            client.kill(id).unwrap();
        }
        drop(client);
        running.join().unwrap().unwrap()
    });
    let born: Vec<_> = outcome.born().map(|(pid, name)| (pid.0, name)).collect();
    assert_eq!(born, [(2, "second"), (3, "second/fork-3")]);
    assert!(run.replay(&data).unwrap().is_confirmed(), "with the orders of its log");
    assert!(!data.path().join("node.sock").exists());
}

#[test]
fn a_run_that_says_so_is_asked_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new(folder.path().join("run"), "ada", "a test")
        .keys(KeyDirectory::at(folder.path().join("keys")));
    // What a guardian makes.
    std::fs::create_dir_all(data.path().join("safety")).unwrap();
    let mut run = clocks();
    let digest = run.digest();
    run.order(40, Pid(1), crate::Order::Kill).order(40, Pid(2), crate::Order::Kill);
    run.socket(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run.begin_under(Some(guardian::guard()), &data));
        while !running.is_finished() {
            assert!(!data.path().join("node.sock").exists());
            std::thread::yield_now();
        }
        running.join().unwrap().unwrap();
    });
    assert_eq!(clocks().socket(false).digest(), digest, "no part of what it is");
}
