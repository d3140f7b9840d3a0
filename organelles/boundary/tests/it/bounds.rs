//! Bounds: of lines, of time, of connections. Whoever passes one is let go, and others are served.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use karyon_boundary::limits::{CONNECTIONS_MAX, LINE_BYTES_MAX};
use karyon_boundary::{Client, ClientError};

use crate::support::{HELLO, Node, PATIENCE, word};

#[test]
fn a_line_that_is_too_long_ends_the_conversation() {
    let node = Node::new();
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"process.list"}"#;
    for (length, expected) in [(LINE_BYTES_MAX, ""), (LINE_BYTES_MAX + 1, "line_too_long")] {
        let mut raw = node.raw();
        raw.ask(HELLO).unwrap();
        let answer = raw.ask(&format!("{list}{}", " ".repeat(length - list.len()))).unwrap();
        assert_eq!(word(&answer), expected);
        let goes_on = raw.ask(list).is_some();
        assert_eq!(goes_on, expected.is_empty());
    }
}

/// A new caller, when there is a place again.
fn served(node: &Node) -> Client {
    loop {
        match Client::connect(node.data(), "test", PATIENCE) {
            Ok(client) => return client,
            Err(ClientError::Failed(why)) if why.data.code == "too_many_connections" => {
                std::thread::yield_now();
            }
            Err(ClientError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn more_than_there_are_places_for_are_told_so() {
    let node = Node::new();
    let mut held: Vec<_> = (0..CONNECTIONS_MAX).map(|_| node.client()).collect();
    let error = Client::connect(node.data(), "test", PATIENCE).err().unwrap();
    assert!(matches!(&error, ClientError::Failed(why) if why.data.code == "too_many_connections"));
    // Those who were there first are served on.
    assert_eq!(held[0].inspect(1).unwrap().process.name, "ada");
    drop(held);
    assert_eq!(served(&node).inspect(1).unwrap().process.name, "ada");
}

#[test]
fn thousands_of_callers_leave_a_node_that_answers() {
    let node = Node::new();
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..250 {
                    served(&node).inspect(2).unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                    // One that says nothing and goes.
                    drop(node.raw());
                }
            });
        }
    });
    assert_eq!(answered.load(Ordering::Relaxed), 2_000);
}

#[test]
fn whoever_says_nothing_or_takes_nothing_holds_no_place() {
    let node = Node::new();
    let inspect = r#"{"jsonrpc":"2.0","id":2,"method":"process.inspect","params":{"id":1}}"#;
    let held: Vec<_> = (0..CONNECTIONS_MAX)
        .map(|number| {
            let mut raw = node.raw();
            match number % 3 {
                // Nothing, half a line, or all that can be said without listening.
                0 => {}
                1 => raw.stream.write_all(&HELLO.as_bytes()[..10]).unwrap(),
                _ => {
                    raw.say(HELLO);
                    raw.stream.set_nonblocking(true).unwrap();
                    while raw.say(inspect) {}
                }
            }
            raw
        })
        .collect();
    // Within the limits of time, however many hold on.
    assert_eq!(served(&node).inspect(1).unwrap().process.name, "ada");
    drop(held);
}

#[test]
fn a_node_that_ends_waits_for_nobody() {
    let mut node = Node::new();
    let mut idle = node.raw();
    idle.ask(HELLO).unwrap();
    let silent = node.raw();
    node.stop();
    assert!(idle.hear().is_none());
    drop(silent);
    // One that waits at the desk, where nobody answers: as in a tick that does not end.
    let mut node = Node::new();
    let mut client = node.client();
    node.leave_the_desk();
    let asking = std::thread::spawn(move || client.inspect(1));
    // So that it stands there; a machine on which it does not yet shows less.
    std::thread::sleep(Duration::from_millis(100));
    node.stop();
    assert!(asking.join().unwrap().is_err());
}
