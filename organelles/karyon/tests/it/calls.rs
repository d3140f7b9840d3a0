//! Calls: each comes to one end.

use karyon::{AgentRef, Outcome, Run};

use crate::support::{Ask, Client, Do, Server};

type Steady = Client<true>;

fn pair() -> (Run, AgentRef<Server>, AgentRef<Steady>) {
    let mut run = Run::new("pair");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::of(server));
    (run, server, client)
}

fn heard(outcome: &Outcome, client: AgentRef<Steady>) -> Vec<String> {
    let client = outcome.state(client).unwrap();
    assert!(client.calls.is_empty(), "{:?}", client.calls);
    client.heard.clone()
}

#[test]
fn an_answer_takes_two_ticks_and_may_come_from_another() {
    let (mut run, _, client) = pair();
    let other = run.agent("other", Server::default());
    run.input(1, client, Do::Now).input(10, client, Do::By(other));
    assert_eq!(heard(&run.test().unwrap(), client), ["0: init", "3: 7", "13: 7"]);
}

#[test]
fn a_call_that_is_not_answered_in_time_is_over_and_a_late_answer_is_dropped() {
    let (mut run, server, client) = pair();
    run.input(1, client, Do::Never).input(10, client, Do::Later(8));
    let outcome = run.test().unwrap();
    assert_eq!(
        heard(&outcome, client),
        ["0: init", "6: no answer in time", "15: no answer in time"]
    );
    assert_eq!(outcome.state(server).unwrap().handled, 3, "the answer was given");
    assert_eq!(outcome.counts.sent, 3, "two questions and an answer");
    assert_eq!(outcome.counts.crashes, 0, "nobody is told of it");
}

#[test]
fn whoever_asks_one_that_breaks_or_is_gone_is_told() {
    let (mut run, _, client) = pair();
    run.input(1, client, Do::Break).input(1, client, Do::Never).input(9, client, Do::Now);
    let told = "3: whoever was asked is gone: failure: broken";
    assert_eq!(heard(&run.test().unwrap(), client), ["0: init", told, told, "11: 7"]);
}

#[test]
fn a_denied_call_is_told_once_and_only_as_a_call() {
    let (mut run, _, client) = pair();
    run.input(1, client, Do::Now).input(1, client, Do::Now).revoke(client, 1);
    let told = "2: denied: lease_revoked";
    assert_eq!(heard(&run.test().unwrap(), client), ["0: init", told, told]);
}

#[test]
fn the_monitor_of_a_call_is_not_that_of_the_agent() {
    let (mut run, _, client) = pair();
    // Watches, calls (which takes its own monitor back), and still is told.
    run.input(1, client, Do::Watch).input(2, client, Do::Now).input(9, client, Do::Break);
    let outcome = run.test().unwrap();
    let gone = "11: whoever was asked is gone: failure: broken";
    assert_eq!(heard(&outcome, client), ["0: init", "4: 7", gone, "11: down, failure: broken"]);
    // Who only calls hears nothing of later ends.
    let (mut run, server, client) = pair();
    run.input(1, client, Do::Now);
    let reply = || Ask::Count(0);
    run.input(8, server, reply());
    assert_eq!(heard(&run.test().unwrap(), client), ["0: init", "3: 7"]);
}

#[test]
fn calls_are_part_of_the_state_that_comes_back_after_a_crash() {
    let (mut run, _, client) = pair();
    for n in 0..20 {
        run.input(3 * n, client, Do::Later(n % 3));
    }
    let calm = run.test().unwrap();
    for (seed, schedulers) in [(1, 1), (2, 2), (3, 4)] {
        let mut wild = run.clone();
        // The server begins anew when it crashes, so only the client's crashes leave no trace.
        wild.seed(seed).schedulers(schedulers);
        let again = wild.test().unwrap();
        assert_eq!(again.records_root, calm.records_root);
        let wild = wild.chaos(0.1).test().unwrap();
        assert!(wild.counts.crashes > 0);
        let all = wild.state(client).unwrap();
        assert_eq!((all.calls.len(), all.heard.len()), (0, 21), "{:?}", all.heard);
    }
}

#[test]
fn who_begins_anew_waits_for_nothing_and_drops_the_answers_of_its_former_life() {
    let mut run = Run::new("anew");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::<false>::of(server));
    run.input(1, client, Do::Later(3)).input(2, client, Do::Fail).input(3, client, Do::Never);
    let outcome = run.test().unwrap();
    let heard = &outcome.state(client).unwrap().heard;
    assert_eq!(*heard, ["3: init", "8: no answer in time"]);
}
