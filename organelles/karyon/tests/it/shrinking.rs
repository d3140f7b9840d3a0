//! The test kit finds what fails, and makes it short.

use karyon::Run;
use karyon::testkit::{Property, Random};

use crate::support::{Ask, Client, Do, Server};

#[test]
fn a_failure_needs_three_inputs_and_three_are_shown() {
    let mut run = Run::new("three");
    let server = run.agent("server", Server::default());
    let found = Property::new(run)
        .inputs(60, move |random: &mut Random, script| {
            script.input(random.below(50), server, Ask::Count(random.below(9)));
        })
        .find(move |outcome| match outcome.state(server).map(|server| server.handled) {
            Some(handled @ 3..) => Err(format!("{handled} is too much")),
            _ => Ok(()),
        })
        .expect("it fails");
    assert_eq!((found.why.as_str(), found.inputs, found.chaos), ("3 is too much", 3, 0.0));
    let lines: Vec<_> = found.code.lines().collect();
    assert_eq!(lines.len(), 3, "{}", found.code);
    assert!(lines.iter().all(|line| line.starts_with("run.input(0, server, Ask::Count(")));
}

#[test]
fn a_failure_that_needs_a_crash_shows_its_seed() {
    let mut run = Run::new("crash");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::<true>::of(server));
    let found = Property::new(run)
        .chaos(0.2)
        .inputs(30, move |random, script| {
            script.input(random.below(20), client, Do::Now);
        })
        .find(move |outcome| {
            let heard = outcome.state(client).map(|client| client.heard.concat());
            match heard.unwrap_or_default().contains("gone") {
                true => Err("a call was lost".into()),
                false => Ok(()),
            }
        })
        .expect("it fails");
    assert_eq!((found.inputs, found.why.as_str()), (1, "a call was lost"));
    assert!(found.code.starts_with("run.chaos(0.2).seed("), "{}", found.code);
    assert!(found.code.ends_with("run.input(0, client, Do::Now);\n"), "{}", found.code);
}

#[test]
fn what_holds_holds() {
    let mut run = Run::new("holds");
    let server = run.agent("server", Server::default());
    let client = run.agent("client", Client::<true>::of(server));
    Property::new(run)
        .runs(20)
        .chaos(0.1)
        .inputs(20, move |random, script| script.input(random.below(30), client, Do::Later(2)))
        .holds(move |outcome| match outcome.state(client) {
            Some(client) if client.calls.is_empty() => Ok(()),
            Some(client) => Err(format!("{} calls never ended", client.calls.len())),
            None => Err("it is gone".into()),
        });
}
