//! Init, terminate, and a run on a data directory.

use karyon::{
    Agent, Context, Data, KeyDirectory, Kind, Pid, Replayed, Result, Run, RunError, failure,
};
use serde::{Deserialize, Serialize};

use crate::support::{Ask, Client, Do, Server};

#[test]
fn init_comes_first_and_again_with_what_reaches_one_that_began_anew() {
    let mut run = Run::new("init");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::<false>::of(server));
    assert_eq!(run.test().unwrap().state(client).unwrap().heard, ["0: init"]);
    run.input(0, client, Do::Fail).input(4, client, Do::Watch);
    let outcome = run.test().unwrap();
    assert_eq!(outcome.state(client).unwrap().heard, ["4: init"]);
    assert_eq!(outcome.counts.crashes, 1);
}

#[test]
fn terminate_is_called_for_who_ends_by_its_own_will_alone() {
    for (told, handled) in [(Do::End, 1), (Do::Fail, 0)] {
        let mut run = Run::new("end");
        let server = run.agent("server", Server::default());
        let client = run.agent("client", Client::<false>::of(server));
        run.input(1, client, told);
        let outcome = run.test().unwrap();
        assert_eq!(outcome.state(server).unwrap().handled, handled);
        assert_eq!(outcome.is_alive(client), handled == 0, "it is transient");
    }
}

fn recorded() -> Run {
    let mut run = Run::new("recorded");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::<true>::of(server));
    run.input(1, client, Do::Now).input(4, client, Do::Break).input(9, server, Ask::Count(1));
    run
}

#[test]
fn what_ran_on_a_data_directory_is_repeated_and_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new(folder.path().join("run"), "ada", "a test")
        .keys(KeyDirectory::at(folder.path().join("keys")));
    let mut run = recorded();
    let outcome = run.begin(&data).unwrap();
    assert_eq!(outcome.records_root, run.test().unwrap().records_root);
    assert!(matches!(run.begin(&data), Err(RunError::Node(_))), "once");
    for schedulers in [1, 2, 4] {
        match run.schedulers(schedulers).replay(&data).unwrap() {
            Replayed::Confirmed { state_root, .. } => {
                assert_eq!(state_root, Some(outcome.state_root));
            }
            other => panic!("{other:?}"),
        }
    }
    // A sealed run ends as it did.
    let resumed = run.resume(&data).unwrap();
    assert_eq!(resumed.state_root, outcome.state_root);

    let mut more_inputs = recorded();
    let name = more_inputs.reserve::<Server>("third");
    assert!(matches!(more_inputs.replay(&data), Err(RunError::NobodyThere(_))));
    more_inputs.put(name, Server::default());
    assert!(matches!(more_inputs.resume(&data), Err(RunError::Node(_) | RunError::OtherRun(_))));
    let mut other = recorded();
    other.limits(karyon::Limits { outputs_per_step: 63, ..karyon::Limits::default() });
    assert!(matches!(other.resume(&data), Err(RunError::OtherRun(_))));
    assert!(run.replay(&data).unwrap().is_confirmed(), "nothing was harmed");
}

/// Adds up; 0 breaks it, and so it goes on as the kind of its number says.
#[derive(Default, Serialize, Deserialize)]
struct Sum<const KIND: u8>(u64);

impl<const KIND: u8> Agent for Sum<KIND> {
    type Message = u64;
    const KIND: Kind = match KIND {
        0 => Kind::new("forgetful"),
        1 => Kind::new("faithful").keeps_its_state(2),
        _ => Kind::new("mayfly").temporary(),
    };

    fn handle(&mut self, _from: Pid, number: u64, _ctx: &mut Context<'_, Self>) -> Result {
        self.0 += number;
        if number == 0 { Err(failure("as told")) } else { Ok(()) }
    }
}

#[test]
fn each_agent_is_restarted_as_its_own_kind_says() {
    let mut run = Run::new("kinds");
    let forgetful = run.agent("forgetful", Sum::<0>(1_000));
    let faithful = run.agent("faithful", Sum::<1>(1_000));
    let mayfly = run.agent("mayfly", Sum::<2>(1_000));
    for (tick, number) in [(0, 1), (1, 0), (1, 10), (2, 100)] {
        run.input(tick, forgetful, number).input(tick, faithful, number);
        run.input(tick, mayfly, number);
    }
    let mut whole = None;
    for schedulers in [1, 2, 3] {
        let outcome = run.schedulers(schedulers).test().unwrap();
        assert_eq!(outcome.state(forgetful).map(|sum| sum.0), Some(1_100));
        assert_eq!(outcome.state(faithful).map(|sum| sum.0), Some(1_111));
        assert!(outcome.state(mayfly).is_none());
        let roots = (outcome.records_root, outcome.state_root);
        assert_eq!(*whole.get_or_insert(roots), roots);
    }
}
