//! Snapshots: from any tick a run goes on as it did, on a data directory and in memory.

use karyon::{Agent, Context, Every, Kind, Order, Pid, Replayed, Result, Run, RunError, Schedule};
use serde::{Deserialize, Serialize};

use crate::support::{Ask, Client, Do, Server, data};

fn run() -> Run {
    let mut run = Run::new("snapshots");
    let (server, other) =
        (run.agent("server", Server::default()), run.agent("o", Server::default()));
    let keeps = run.agent("keeps", Client::<true>::of(server));
    let begins = run.agent("begins", Client::<true>::of(server));
    for tick in 0..6 {
        run.input(3 * tick, keeps, Do::Later(tick)).input(3 * tick + 1, begins, Do::By(other));
    }
    run.input(2, keeps, Do::Watch).input(9, keeps, Do::Break).input(11, begins, Do::Fail);
    run.input(5, keeps, Do::Never).input(25, server, Ask::Count(1));
    run.order(4, server, Order::Pause).order(7, server, Order::Resume);
    run.order(8, keeps, Order::Fork).order(12, other, Order::Kill);
    run.chaos(0.1);
    run
}

#[test]
fn calls_timers_and_orders_go_on_from_a_snapshot_of_any_tick() {
    for schedule in [Schedule::default(), Schedule::sequential_random(7)] {
        let mut run = run();
        run.schedule(schedule);
        let (once, again) = (run.test().unwrap(), run.test_snapshots().unwrap());
        assert!(once.ticks > 20 && once.counts.crashes > 0);
        assert_eq!((once.state_root, once.records_root), (again.state_root, again.records_root));
    }
}

/// Its type forgets how often it was told something.
#[derive(Default, Serialize, Deserialize)]
struct Forgetful {
    #[serde(skip)]
    told: u64,
    kept: u64,
}

impl Agent for Forgetful {
    type Message = ();
    const KIND: Kind = Kind::new("forgetful");

    fn handle(&mut self, _from: Pid, (): (), _ctx: &mut Context<'_, Self>) -> Result {
        self.told += 1;
        self.kept += self.told;
        Ok(())
    }
}

#[test]
fn a_state_that_leaves_something_out_is_found() {
    let mut run = Run::new("forgets");
    let agent = run.agent("forgetful", Forgetful::default());
    run.input(0, agent, ()).input(2, agent, ());
    assert_eq!(run.test().unwrap().state(agent).unwrap().kept, 3);
    match run.test_snapshots() {
        Err(RunError::Snapshot { tick: 0, what }) => assert!(what.contains("state"), "{what}"),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn a_run_on_a_data_directory_goes_on_from_its_newest_snapshot_or_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let mut run = run();
    let outcome = run.snapshots(Every::Ticks(4)).begin(&data).unwrap();
    assert_eq!(outcome.resumed_from, None);
    let files = std::fs::read_dir(data.path().join("snapshots")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let newest = names.map(|name| name.strip_suffix(".snapshot").unwrap().parse().unwrap()).max();
    let newest: u64 = newest.unwrap();
    assert!(newest.is_multiple_of(4) && newest + 9 > outcome.ticks);
    let resumed = run.schedulers(2).resume(&data).unwrap();
    assert_eq!((resumed.resumed_from, resumed.state_root), (Some(newest), outcome.state_root));
    let resumed = run.resume_from_zero(&data).unwrap();
    assert_eq!((resumed.resumed_from, resumed.state_root), (None, outcome.state_root));
    let whole = match run.replay(&data).unwrap() {
        Replayed::Confirmed { compared, .. } => compared,
        other => panic!("{other:?}"),
    };
    match run.replay_from_snapshot(&data).unwrap() {
        Replayed::Confirmed { compared, state_root, .. } => {
            assert_eq!(state_root, Some(outcome.state_root));
            assert_eq!(compared.from.map(|tick| tick.0), Some(newest));
            assert!(compared.records < whole.records);
            assert_eq!((compared.last, compared.tick), (whole.last, whole.tick));
        }
        other => panic!("{other:?}"),
    }
}
