//! Who asks, what the client makes of answers, and what the node makes of clients that go away.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use karyon_boundary::{Client, ClientError, List};
use karyon_runtime::processes::{Answer, Listed, OrderVerb, Question};
use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

use crate::support::{AT, HELLO, Node, PATIENCE, about, process, word};

#[test]
fn an_order_bears_the_number_of_who_gave_it() {
    let node = Node::new();
    let mut client = node.client();
    let done = client.kill(1).unwrap();
    assert!(done.at.provisional && done.at.tick == Some(12));
    let refused = client.pause(2).unwrap_err();
    assert!(matches!(&refused, ClientError::Failed(why) if why.data.code == "already_paused"));
    assert_eq!(refused.to_string(), "agent 2: it is paused already (already_paused)");
    let asked = node.asked.lock().unwrap();
    let [Question::Order(kill), Question::Order(pause)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((kill.verb, pause.verb), (OrderVerb::Kill, OrderVerb::Pause));
    assert_eq!((kill.uid, pause.uid), (geteuid().as_raw(), geteuid().as_raw()));
}

#[test]
fn another_user_is_not_heard_even_where_the_socket_can_be_reached() {
    if !geteuid().is_root() {
        return;
    }
    let node = Node::new();
    let data = node.data().to_path_buf();
    let as_another = |data: std::path::PathBuf| {
        std::thread::spawn(move || {
            let other = Some(Uid::from_raw(65_533));
            // Of this thread alone.
            set_thread_res_uid(other, other, other).unwrap();
            Client::connect(&data, "test", PATIENCE).err().unwrap()
        })
    };
    let closed = as_another(data.clone()).join().unwrap();
    assert!(matches!(closed, ClientError::NotAllowed(_) | ClientError::NoData(_)), "{closed}");
    node.let_in();
    let refused = as_another(data).join().unwrap();
    assert!(matches!(&refused, ClientError::Failed(why) if why.data.code == "forbidden"));
    assert!(refused.to_string().contains("user 65533"), "{refused}");
    assert!(node.asked.lock().unwrap().is_empty());
}

#[test]
fn whoever_goes_away_in_the_midst_of_an_answer_disturbs_nobody() {
    let many = |_| {
        let processes = (0..1_000).map(|_| process(1)).collect();
        Answer::Listed(Listed { at: AT, total: 1_000, processes })
    };
    let node = Node::with(about(), many);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"process.list"}"#;
    for _ in 0..100 {
        let mut raw = node.raw();
        raw.ask(HELLO).unwrap();
        raw.say(list);
        raw.stream.read_exact(&mut [0; 10]).unwrap();
        drop(raw);
        // Before anything is answered, and in the midst of a line.
        let mut raw = node.raw();
        raw.say(HELLO);
        raw.stream.write_all(&list.as_bytes()[..20]).unwrap();
    }
    let listed = node.client().list(&List::default()).unwrap();
    assert_eq!(listed.processes.len(), 1_000);
}

#[test]
fn what_a_node_must_not_say_is_named() {
    let hello =
        r#"{"jsonrpc":"2.0","id":1,"result":{"protocol":1,"karyon":"9","log":"","boot":1}}"#;
    let later = hello.replace("\"protocol\":1", "\"protocol\":2");
    let other = hello.replace("\"id\":1", "\"id\":2");
    let more = hello.replace("\"boot\":1", "\"boot\":1,\"more\":[1]");
    let long = "x".repeat(2 * 1024 * 1024);
    for (said, expected) in [
        (hello, None),
        (more.as_str(), None),
        (&later, Some("not understood")),
        (&other, Some("not understood")),
        ("{}", Some("not understood")),
        ("no JSON", Some("not understood")),
        (&long, Some("too long")),
        ("", Some("ended before")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("node.sock")).unwrap();
        let said = said.to_owned();
        let node = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = [0; 4096];
            assert!(stream.read(&mut heard).unwrap() > 0);
            if !said.is_empty() {
                // Who does not want to hear all of it goes away.
                drop(stream.write_all(said.as_bytes()).and_then(|()| stream.write_all(b"\n")));
            }
        });
        let answer = Client::connect(folder.path(), "test", PATIENCE).map(drop);
        node.join().unwrap();
        match (answer, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
            (answer, expected) => panic!("{answer:?} for {expected:?}"),
        }
    }
}

#[test]
fn nobody_waits_for_a_node_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let _deaf = UnixListener::bind(folder.path().join("node.sock")).unwrap();
    let error = Client::connect(folder.path(), "test", Duration::from_millis(50)).err().unwrap();
    assert!(matches!(error, ClientError::Late), "{error}");
    let missing = folder.path().join("none");
    let error = Client::connect(&missing, "test", PATIENCE).err().unwrap();
    assert!(matches!(error, ClientError::NoData(_)), "{error}");
}

#[test]
fn a_run_that_ended_says_so() {
    let node = Node::new();
    let mut client = node.client();
    node.desk.close();
    let error = client.inspect(1).unwrap_err();
    assert!(matches!(&error, ClientError::Failed(why) if why.data.code == "not_running"));
    let answer = node.raw().ask("[]").unwrap();
    assert_eq!(word(&answer), "batch");
}
