//! Orders from outside, at ticks that are known before.

use karyon::{
    Agent, AgentRef, Answer, Call, Context, Kind, Order, Pid, Refusal, Result, Run, RunError,
};
use serde::{Deserialize, Serialize};

use crate::support::{Ask, Client, Do, Server, data};

type Steady = Client<true>;

fn pair() -> (Run, AgentRef<Server>, AgentRef<Steady>) {
    let mut run = Run::new("pair");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::of(server));
    (run, server, client)
}

/// Asks the server, and speaks to another of its kind.
#[derive(Serialize, Deserialize)]
struct Twin {
    server: AgentRef<Server>,
    call: Option<Call<u64>>,
    heard: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Told {
    Ask,
    Greet(AgentRef<Twin>),
    Hello,
}

impl Agent for Twin {
    type Message = Told;
    const KIND: Kind = Kind::new("twin");

    fn handle(&mut self, from: Pid, told: Told, ctx: &mut Context<'_, Self>) -> Result {
        match told {
            Told::Ask => self.call = Some(ctx.call(self.server, |to| Ask::Later(3, to), 9)),
            Told::Greet(other) => ctx.cast(other, Told::Hello),
            Told::Hello => self.heard.push(format!("{}: {from} greets", ctx.now().0)),
        }
        Ok(())
    }

    fn answered(&mut self, answer: Answer, ctx: &mut Context<'_, Self>) -> Result {
        let said = answer.take(&mut self.call);
        self.heard.push(format!("{}: {said:?}", ctx.now().0));
        Ok(())
    }

    fn forked(&mut self, from: Pid, ctx: &mut Context<'_, Self>) -> Result {
        self.heard.push(format!("{}: {} forked from {from}", ctx.now().0, ctx.me()));
        Ok(())
    }
}

#[test]
fn a_fork_is_told_and_the_calls_of_the_other_are_not_its_own() {
    let mut run = Run::new("twins");
    let server = run.agent("server", Server::default());
    let twin = run.agent("twin", Twin { server, call: None, heard: Vec::new() });
    let fork = Pid(3).of::<Twin>();
    // So that leases reach who comes.
    run.may_spawn::<Twin>(1).input(1, twin, Told::Ask).order(3, twin, Order::Fork);
    run.input(4, twin, Told::Greet(fork)).input(9, twin, Told::Greet(fork));
    run.order(8, fork, Order::Kill).input(12, twin, Told::Hello);
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let outcome = run.schedulers(schedulers).test().unwrap();
        assert_eq!(outcome.refused, []);
        assert_eq!(outcome.born().collect::<Vec<_>>(), [(fork.pid(), "twin/fork-3")]);
        let heard = &outcome.state(twin).unwrap().heard;
        assert_eq!(heard[..], ["6: Some(Ok(8))", "12: outside greets"]);
        // Killed, it begins anew as it was forked, and is told again.
        let told =
            ["10: Some(Err(Forked))", "10: agent 3 forked from agent 2", "10: agent 2 greets"];
        assert_eq!(outcome.state(fork).unwrap().heard, told);
        let roots = (outcome.records_root, outcome.state_root);
        assert_eq!(*whole.get_or_insert(roots), roots);
    }
}

#[test]
fn pause_resume_kill_and_restart_do_what_they_say() {
    let (mut run, server, client) = pair();
    run.input(2, client, Do::Now).order(2, server, Order::Pause).order(4, server, Order::Resume);
    run.input(10, server, Ask::Count(0)).order(12, server, Order::Kill);
    run.order(14, client, Order::Restart).order(14, client, Order::Resume);
    let outcome = run.test().unwrap();
    assert_eq!(outcome.state(server).unwrap().handled, 0, "it began anew");
    assert_eq!(outcome.counts.restarts, 2);
    let refused: Vec<_> = outcome.refused.iter().map(|order| (order.tick, order.why)).collect();
    assert_eq!(refused, [(14, Refusal::NotPaused)]);
    // Paused in tick 2, the server was asked in 3 and answered in 4.
    assert!(outcome.counts.delivered >= 2);
    run.order(16, server, Order::Pause);
    assert!(matches!(run.test(), Err(RunError::PausedForGood(1))));
}

#[test]
fn orders_are_part_of_the_run_and_repeated_from_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let (mut run, server, client) = pair();
    run.input(1, client, Do::Now).order(9, client, Order::Fork).order(9, server, Order::Kill);
    run.order(12, Pid(3), Order::Fork).order(13, Pid(9), Order::Kill);
    let outcome = run.begin(&data).unwrap();
    assert_eq!(outcome.born().count(), 2);
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(outcome.records_root, run.test().unwrap().records_root);
    for schedulers in [1, 2, 4] {
        assert!(run.schedulers(schedulers).replay(&data).unwrap().is_confirmed());
    }
    let again = run.resume(&data).unwrap();
    assert_eq!((again.state_root, again.born().count()), (outcome.state_root, 2));
    run.order(20, client, Order::Kill);
    assert!(matches!(run.resume(&data), Err(RunError::OtherRun(_))));
}
