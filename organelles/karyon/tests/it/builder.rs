//! What is wrong with a run is told when it is run.

use karyon::{Agent, Context, Group, Kind, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

use crate::support::Server;

#[derive(Serialize, Deserialize)]
struct Impostor;

impl Agent for Impostor {
    type Message = ();
    const KIND: Kind = Kind::new("server");

    fn handle(&mut self, _from: Pid, (): (), _ctx: &mut Context<'_, Self>) -> Result {
        Ok(())
    }
}

fn error(build: impl FnOnce(&mut Run)) -> RunError {
    let mut run = Run::new("wrong");
    build(&mut run);
    run.test().err().expect("it is wrong")
}

#[test]
fn each_mistake_is_named() {
    const GROUP: Group<Server> = Group::new("all");
    let server = Server::default;
    let twice = |run: &mut Run| {
        run.agent("a", server());
        run.agent("a", server());
    };
    assert!(matches!(error(twice), RunError::TwoAgents(name) if name == "a"));
    assert!(matches!(error(|run| _ = run.agent("", server())), RunError::Name(_)));
    let kinds = |run: &mut Run| {
        run.agent("a", server());
        run.agent("b", Impostor);
    };
    assert!(matches!(error(kinds), RunError::TwoKinds("server")));
    let nobody = |run: &mut Run| _ = run.reserve::<Server>("a");
    assert!(matches!(error(nobody), RunError::NobodyThere(name) if name == "a"));
    let somebody = |run: &mut Run| {
        let a = run.agent("a", server());
        run.put(a, server());
    };
    assert!(matches!(error(somebody), RunError::SomebodyThere(name) if name == "a"));
    let groups = |run: &mut Run| {
        let a = run.agent("a", server());
        run.group(GROUP, [a]);
        run.group(GROUP, [a]);
    };
    assert!(matches!(error(groups), RunError::TwoGroups("all")));
    assert!(matches!(error(|run| run.group(GROUP, [Pid(9).of()])), RunError::NoAgent(9)));
    assert!(matches!(error(|run| _ = run.revoke(Pid(1), 0)), RunError::NoAgent(1)));
    assert!(matches!(error(|run| _ = run.chaos(1.0)), RunError::Chaos(1.0)));
}
