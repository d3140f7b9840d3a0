use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use karyon_gate::{Lease, Rights, Scope};
use karyon_log::Message;
use karyon_runtime::processes::{Inspected, Listed, Position, Process, Sort, Status};
use karyon_types::{LeaseId, LogId, Tick};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const AT: Position = Position { tick: Some(Tick(7)), records: 20, provisional: true };

fn about() -> About {
    About { karyon: "1.2.3".into(), log: LogId([0xab; 16]), boot: 2, grounds: None }
}

/// Asks at a desk where each question is answered with `answer`; what was asked, and the answers.
fn talk(
    lines: &[&[u8]],
    answer: impl Fn() -> Answer + Send + 'static,
) -> (Vec<Question>, Vec<Value>) {
    let (desk, about) = (Arc::new(Desk::default()), about());
    desk.open();
    let (ended, ends) = channel::<()>();
    let clerk = {
        let desk = Arc::clone(&desk);
        std::thread::spawn(move || clerk(&desk, &ends, answer))
    };
    let mut session = Session::new(&about, &desk, 1_000);
    let answers = lines.iter().filter_map(|line| session.answer(line));
    let answers = answers.map(|line| serde_json::from_slice(&line).unwrap()).collect();
    drop(ended);
    (clerk.join().unwrap(), answers)
}

fn clerk(desk: &Desk, ends: &Receiver<()>, answer: impl Fn() -> Answer) -> Vec<Question> {
    let mut asked = Vec::new();
    loop {
        if let Some(waiting) = desk.take() {
            asked.push(waiting.question.clone());
            waiting.answer(answer());
        } else {
            match ends.try_recv() {
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return asked,
                Ok(()) | Err(_) => std::thread::yield_now(),
            }
        }
    }
}

const HELLO: &[u8] =
    br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"client":"t","protocol":[1,9]}}"#;

fn nobody() -> Answer {
    Answer::Refused(Refusal::Unknown)
}

/// The stable word and JSON-RPC's number of each failure.
fn words(lines: &[&[u8]]) -> Vec<(i64, String)> {
    let (_, answers) = talk(lines, nobody);
    let word = |answer: &Value| {
        let error = &answer["error"];
        (error["code"].as_i64().unwrap_or(0), error["data"]["code"].as_str().unwrap_or("").into())
    };
    answers.iter().map(word).collect()
}

#[test]
fn before_initialize_nothing_else_is_answered() {
    let list = br#"{"jsonrpc":"2.0","id":"a","method":"process.list"}"#;
    let old =
        br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"client":"t","protocol":[9]}}"#;
    let (asked, answers) = talk(&[list, old, list, HELLO, HELLO, list], nobody);
    let codes: Vec<_> = answers.iter().map(|a| a["error"]["data"]["code"].clone()).collect();
    let no = |word: &str| Value::from(word);
    let expected = [
        no("not_initialized"),
        no("unsupported_protocol"),
        no("not_initialized"),
        Value::Null,
        no("already_initialized"),
        no("unknown_agent"),
    ];
    assert_eq!(codes, expected);
    assert_eq!((&answers[0]["id"], &answers[3]["id"]), (&json!("a"), &json!(0)));
    let hello = json!({ "protocol": 1, "karyon": "1.2.3", "log": "ab".repeat(16), "boot": 2 });
    assert_eq!(answers[3]["result"], hello);
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_is_no_request_is_told_what_it_lacks() {
    let deep =
        [&br#"{"jsonrpc":"2.0","id":1,"method":"process.list","params":"#[..], &[b'['; 30_000]]
            .concat();
    let deep_id = [&br#"{"jsonrpc":"2.0","method":"x","id":"#[..], &[b'['; 30_000]].concat();
    for (line, code, word) in [
        (&b"{"[..], -32700, "parse_error"),
        (b"\xff", -32700, "parse_error"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"x\"}", -32700, "parse_error"),
        (&deep, -32700, "parse_error"),
        (&deep_id, -32700, "parse_error"),
        (b" [{}]", -32600, "batch"),
        (b"7", -32600, "invalid_request"),
        (b"{}", -32600, "invalid_request"),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}", -32600, "invalid_request"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"x\"}", -32600, "invalid_request"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"x\"}", -32600, "invalid_request"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"more\":1}", -32600, "invalid_request"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"x\"}", -32600, "invalid_request"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fork\"}", -32601, "unknown_method"),
    ] {
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert_eq!(words(&[HELLO, line])[1], (code, word.to_owned()), "{shown}");
    }
    // What can still be read of it names the request.
    let (_, answers) = talk(&[b"{\"id\":\"x\",\"jsonrpc\":\"2.0\",\"what\":1}"], nobody);
    assert_eq!(answers[0]["id"], "x");
}

#[test]
fn parameters_are_strict() {
    for params in [
        "[1]",
        "7",
        "{\"id\":-1}",
        "{\"id\":18446744073709551616}",
        "{\"id\":\"1\"}",
        "{\"id\":1,\"id\":2}",
        "{\"id\":1,\"force\":true}",
        "{}",
        "null",
    ] {
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"process.kill","params":{params}}}"#);
        assert_eq!(
            words(&[HELLO, line.as_bytes()])[1],
            (-32602, "invalid_params".into()),
            "{params}"
        );
    }
    for params in ["{\"sort\":\"size\"}", "{\"limit\":-1}", "{\"limit\":4294967296}", "{\"x\":1}"] {
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"process.list","params":{params}}}"#);
        assert_eq!(words(&[HELLO, line.as_bytes()])[1].1, "invalid_params", "{params}");
    }
}

#[test]
fn a_notification_has_no_answer_and_no_consequence() {
    let kill = br#"{"jsonrpc":"2.0","method":"process.kill","params":{"id":1}}"#;
    let hello =
        br#"{"jsonrpc":"2.0","method":"initialize","params":{"client":"t","protocol":[1]}}"#;
    let (asked, answers) = talk(&[hello, kill, b"", b" \r", HELLO, kill], nobody);
    assert!(asked.is_empty());
    assert_eq!(answers.len(), 1);
}

#[test]
fn each_method_asks_what_it_says() {
    let ask = |method: &str, params: &str| {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let (mut asked, _) = talk(&[HELLO, line.as_bytes()], nobody);
        assert_eq!(asked.len(), 1);
        asked.remove(0)
    };
    for (method, verb) in [
        ("process.pause", OrderVerb::Pause),
        ("process.resume", OrderVerb::Resume),
        ("process.kill", OrderVerb::Kill),
        ("process.restart", OrderVerb::Restart),
        ("process.fork", OrderVerb::Fork),
    ] {
        let order = Order { verb, agent: AgentId(u64::MAX), uid: 1_000 };
        let params = format!("{{\"id\":{}}}", u64::MAX);
        assert_eq!(ask(method, &params), Question::Order(order));
    }
    assert_eq!(ask("process.inspect", r#"{"id":3}"#), Question::Inspect(AgentId(3)));
    let places = Question::Tree { offset: 2, limit: 7 };
    assert_eq!(ask("process.tree", r#"{"offset":2,"limit":7}"#), places);
    let places = Question::Tree { offset: 0, limit: MAX_LISTED };
    assert_eq!(ask("process.tree", "{}"), places);
    let all = Selection { limit: MAX_LISTED, ..Selection::default() };
    assert_eq!(ask("process.list", "{}"), Question::List(all.clone()));
    assert_eq!(ask("process.list", r#"{"limit":4000000000}"#), Question::List(all));
    let some = r#"{"sort":"mailbox","descending":true,"name":"a","exact":true,"status":"paused",
                   "offset":5,"limit":6}"#;
    let selection = Selection {
        sort: Sort::Mailbox,
        descending: true,
        name: Some("a".into()),
        exact: true,
        status: Some(Status::Paused),
        offset: 5,
        limit: 6,
    };
    assert_eq!(ask("process.list", &some.replace('\n', " ")), Question::List(selection));
    for (word, sort) in [
        ("id", Sort::Id),
        ("name", Sort::Name),
        ("steps", Sort::Steps),
        ("restarts", Sort::Restarts),
    ] {
        let Question::List(selection) = ask("process.list", &format!("{{\"sort\":\"{word}\"}}"))
        else {
            panic!("no list")
        };
        assert_eq!(selection.sort, sort);
    }
}

#[test]
fn every_refusal_has_its_word() {
    for (refusal, word) in [
        (Refusal::Unknown, "unknown_agent"),
        (Refusal::Exited, "exited"),
        (Refusal::AlreadyPaused, "already_paused"),
        (Refusal::NotPaused, "not_paused"),
        (Refusal::TooMany, "too_many"),
        (Refusal::Busy, "busy"),
        (Refusal::Repeating, "repeating"),
        (Refusal::NotRunning, "not_running"),
    ] {
        let line = br#"{"jsonrpc":"2.0","id":1,"method":"process.pause","params":{"id":4}}"#;
        let (_, answers) = talk(&[HELLO, line], move || Answer::Refused(refusal));
        let error = &answers[1]["error"];
        assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32001), &json!(word)));
        assert!(!error["data"]["hint"].as_str().unwrap().is_empty());
    }
}

fn process(id: u64, name: &str) -> Process {
    Process {
        id: AgentId(id),
        name: name.into(),
        kind: "person",
        status: Status::Exited,
        steps: 5,
        mailbox: 6,
        restarts: 7,
        log_bytes: u64::MAX,
    }
}

#[test]
fn an_agent_is_shown_with_what_it_may_and_did() {
    let lease = Lease {
        id: LeaseId(9),
        owner: AgentId(3),
        rights: Rights::SEND.and(Rights::ACT),
        scope: Scope { first: 1, last: 8 },
        expires: Some(Tick(11)),
    };
    let message = Message { from: AgentId(2), step: 3, output: 4 };
    let found = Inspected {
        at: AT,
        process: process(3, "Zoë"),
        lease: Some(lease),
        state: Some(vec![0x92, 1, 0xc3]),
        last: vec![
            karyon_log::Cause::Message(message),
            karyon_log::Cause::Denial(message),
            karyon_log::Cause::Input(6),
        ],
    };
    let line = br#"{"jsonrpc":"2.0","id":1,"method":"process.inspect","params":{"id":3}}"#;
    let (_, answers) = talk(&[HELLO, line], move || Answer::Inspected(Box::new(found.clone())));
    let expected = json!({
        "at": { "tick": 7, "records": 20, "provisional": true },
        "process": {
            "id": 3, "name": "Zoë", "kind": "person", "status": "exited", "steps": 5, "mailbox": 6,
            "restarts": 7, "log_bytes": u64::MAX,
        },
        "lease": {
            "id": 9, "rights": ["send", "act"], "scope": { "first": 1, "last": 8 }, "expires": 11,
        },
        "grounds": null,
        "state": { "size_bytes": 3, "value": [1, true], "cut": false },
        "last": [
            { "what": "message", "from": 2, "step": 3, "output": 4 },
            { "what": "denial", "step": 3, "output": 4 },
            { "what": "input", "input": 6 },
        ],
    });
    assert_eq!(answers[1]["result"], expected);
    // The same when it is read, and a later version's words are read too.
    let mut later = expected;
    let read: crate::Inspected = serde_json::from_value(later.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), later);
    later["last"][0] = json!({ "what": "timer", "id": 3 });
    later["process"]["more"] = json!(1);
    let read: crate::Inspected = serde_json::from_value(later).unwrap();
    assert_eq!(read.last[0], Cause::Other);
}

#[test]
fn a_list_is_cut_before_it_is_too_long_and_says_where_it_goes_on() {
    let long = "\u{1}".repeat(10_000);
    for (name, shown, total, next) in [
        ("a", 1_000, 5_000, Some(1_100)),
        ("a", 1_000, 1_100, None),
        (&long, 250, 9_999, Some(350)),
    ] {
        let processes = (0..1_000).map(|id| process(id, name)).collect();
        let listed = Listed { at: AT, total, processes };
        let line = br#"{"jsonrpc":"2.0","id":1,"method":"process.list","params":{"offset":100}}"#;
        let (_, answers) = talk(&[HELLO, line], move || Answer::Listed(listed.clone()));
        let result = &answers[1]["result"];
        assert!(answers[1].to_string().len() < ANSWER_BYTES_MAX);
        assert_eq!(result["processes"].as_array().unwrap().len(), shown);
        assert_eq!((&result["total"], &result["next"]), (&json!(total), &json!(next)));
    }
}

#[test]
fn one_agent_always_fits_and_the_longest_id_comes_back() {
    let listed =
        Listed { at: AT, total: 1, processes: vec![process(1, &"\u{1}".repeat(4_000_000))] };
    let id = "\u{1}".repeat(10_000);
    let line = json!({ "jsonrpc": "2.0", "id": id, "method": "process.list" }).to_string();
    let (_, answers) = talk(&[HELLO, line.as_bytes()], move || Answer::Listed(listed.clone()));
    assert_eq!(answers[1]["id"], id);
    assert_eq!(answers[1]["result"]["processes"].as_array().unwrap().len(), 1);
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z.]{0,8}", inner, 0..6)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        Just("initialize".to_owned()),
        Just("process.list".to_owned()),
        Just("process.kill".to_owned()),
        Just("process.inspect".to_owned()),
        ".{0,10}",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        (any_json(), method, any_json()).prop_map(|(id, method, params)| {
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
                .to_string()
                .into_bytes()
        }),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_there_is_one_answer_in_one_line_or_none(
        lines in proptest::collection::vec(requests(), 1..8), greeted in any::<bool>()
    ) {
        let (about, desk) = (about(), Desk::default());
        let mut session = Session::new(&about, &desk, 0);
        if greeted {
            session.answer(HELLO);
        }
        for line in lines {
            let Some(answer) = session.answer(&line) else { continue };
            prop_assert!(!answer.contains(&b'\n') && answer.len() < ANSWER_BYTES_MAX);
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            prop_assert_eq!(&answer["jsonrpc"], "2.0");
            let fields = answer.as_object().unwrap();
            prop_assert!(fields.contains_key("id"));
            prop_assert!(fields.contains_key("result") != fields.contains_key("error"));
        }
    }
}
