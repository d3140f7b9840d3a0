//! Records come back as they were written, and nothing else is taken for one.

use karyon_types::{AgentId, Denial, GrantId, LeaseId, PrincipalId, ReasonId, Tick};
use proptest::prelude::*;

use super::*;
use crate::control::{Boot, Seal};

fn message() -> impl Strategy<Value = Message> {
    (any::<u64>(), any::<u64>(), any::<u16>()).prop_map(|(from, step, output)| Message {
        from: AgentId(from),
        step,
        output,
    })
}

fn cause(agent: u64) -> impl Strategy<Value = Cause> {
    prop_oneof![
        any::<u32>().prop_map(Cause::Input),
        message().prop_map(Cause::Message),
        message().prop_map(move |m| Cause::Denial(Message { from: AgentId(agent), ..m })),
        message().prop_map(move |m| Cause::Timer(Message { from: AgentId(agent), ..m })),
        message().prop_map(Cause::Down),
        message().prop_map(Cause::Exit),
        message().prop_map(move |m| Cause::Told(Message { from: AgentId(agent), ..m })),
    ]
}

#[derive(Clone, Debug)]
enum Out {
    Sent(u64, u64, Vec<u8>),
    Denied(u8, u64, Vec<u8>),
    Exit,
    Remembered(u64, Vec<u8>),
    Forgone(u8, Vec<u8>),
    DeniedAgain(u8, u64),
    Arranged(u64, Vec<u8>),
    Unarranged(u8, Vec<u8>),
}

fn out() -> impl Strategy<Value = Out> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), any::<Vec<u8>>()).prop_map(|(a, b, c)| Out::Sent(a, b, c)),
        (1u8..9, any::<u64>(), any::<Vec<u8>>()).prop_map(|(a, b, c)| Out::Denied(a, b, c)),
        Just(Out::Exit),
        (any::<u64>(), any::<Vec<u8>>()).prop_map(|(a, b)| Out::Remembered(a, b)),
        (1u8..9, any::<Vec<u8>>()).prop_map(|(a, b)| Out::Forgone(a, b)),
        (1u8..15, 2u64..).prop_map(|(a, b)| Out::DeniedAgain(a, b)),
        (any::<u64>(), any::<Vec<u8>>()).prop_map(|(a, b)| Out::Arranged(a, b)),
        (1u8..15, any::<Vec<u8>>()).prop_map(|(a, b)| Out::Unarranged(a, b)),
    ]
}

fn check(record: &Record<'_>) {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    let mut records = Records::new(&bytes);
    assert_eq!(records.next(), Some(Some(record.clone())));
    assert_eq!(records.next(), None);
    // Every cut is found.
    for end in 1..bytes.len() {
        assert_eq!(Records::new(&bytes[..end]).next(), Some(None), "cut at {end}");
    }
}

#[test]
fn each_kind_comes_back() {
    let lease = LeaseRecord {
        id: LeaseId(9),
        owner: AgentId(300),
        grant: GrantId(1),
        rights: 1,
        scope: (1, 1000),
        expires: None,
        log_bytes: None,
        cut: None,
    };
    let boot =
        Boot { boot: 1, karyon: "0.1.0".into(), schedulers: 2, at_unix_ms: 7, guardian: None };
    let by = Message { from: AgentId(300), step: 7, output: 2 };
    for record in [
        Record::Control(Box::new(Control::Boot(boot))),
        Record::Control(Box::new(Control::Seal(Seal { ticks: 3, state_root: [7; 32] }))),
        Record::Schedule(b"\x02\x00\x07"),
        Record::Lease(lease),
        Record::Spawn { agent: AgentId(2), kind: 0, lease: LeaseId(2), name: "Zoë" },
        Record::Tick(Tick(700)),
        Record::Input { batch: 4, count: 77 },
        Record::Crash {
            agent: AgentId(5),
            step: 6,
            attempt: 0,
            kind: CrashKind::Chaos,
            decision: Decision::Redelivered,
        },
        Record::Crash {
            agent: AgentId(5),
            step: 6,
            attempt: 0,
            kind: CrashKind::Link,
            decision: Decision::Restarted,
        },
        Record::DeadLetter { agent: AgentId(5), cause: Cause::Input(7), loss: Loss::ReceiverGone },
        Record::Change { verb: Verb::Suspend, target: Target::Agent(AgentId(700)) },
        Record::Change { verb: Verb::Resume, target: Target::Reason(ReasonId(1)) },
        Record::Change { verb: Verb::Revoke, target: Target::Grant(GrantId(2)) },
        Record::Change { verb: Verb::Revoke, target: Target::Principal(PrincipalId(3)) },
        Record::Change { verb: Verb::Revoke, target: Target::Lease(LeaseId(4)) },
        Record::Order { verb: OrderVerb::Pause, agent: AgentId(700), uid: 1000 },
        Record::Order { verb: OrderVerb::Resume, agent: AgentId(1), uid: 0 },
        Record::Order { verb: OrderVerb::Kill, agent: AgentId(1), uid: u32::MAX },
        Record::Order { verb: OrderVerb::Restart, agent: AgentId(1), uid: 7 },
        Record::Supervised { agent: AgentId(700), step: 300, measure: Measure::Started },
        Record::Supervised { agent: AgentId(1), step: 0, measure: Measure::Asked },
        Record::Supervised { agent: AgentId(1), step: 1, measure: Measure::Ended },
        Record::Supervised { agent: AgentId(1), step: 2, measure: Measure::Killed },
        Record::Supervised { agent: AgentId(1), step: 3, measure: Measure::NotStarted },
        Record::Supervised { agent: AgentId(1), step: 3, measure: Measure::Continued },
        Record::Crash {
            agent: AgentId(5),
            step: 6,
            attempt: 1,
            kind: CrashKind::Error,
            decision: Decision::LeftToSupervisor,
        },
        Record::Order { verb: OrderVerb::Fork, agent: AgentId(1), uid: 7 },
        Record::DeadLetter { agent: AgentId(5), cause: Cause::Spawn(by), loss: Loss::ReceiverGone },
    ] {
        check(&record);
    }
    // An expiry is an optional last field, so a cut there is another lease; the frame's length
    // is what tells them apart.
    let mut bytes = Vec::new();
    let cut = |by| Some(Cut { from: LeaseId(4), by });
    for (expires, log_bytes, cut) in [
        (Some(Tick(1200)), None, None),
        (Some(Tick(1200)), Some(9), None),
        (None, Some(1 << 20), None),
        (None, None, cut(None)),
        (None, None, cut(Some(by))),
        (Some(Tick(1200)), None, cut(Some(by))),
        (None, Some(1 << 20), cut(Some(by))),
    ] {
        bytes.clear();
        let lease = Record::Lease(LeaseRecord { expires, log_bytes, cut, ..lease });
        lease.encode(&mut bytes);
        assert_eq!(Records::new(&bytes).next(), Some(Some(lease)));
    }
}

#[test]
fn a_small_answer_costs_22_bytes_at_a_million_agents_beside_its_payload() {
    let payload = [0u8; 6];
    let mut bytes = Vec::new();
    Record::Step {
        agent: AgentId(1_000_000),
        step: 10_000,
        cause: Cause::Message(Message { from: AgentId(1_000_000), step: 10_000, output: 0 }),
        outputs: vec![Output::Sent {
            lease: LeaseId(1_000_000),
            to: AgentId(1_000_000),
            payload: &payload,
        }],
    }
    .encode(&mut bytes);
    assert_eq!(bytes.len() - payload.len(), 22);
}

#[test]
fn who_is_lost_and_what_is_refused_have_their_numbers() {
    let mut bytes = Vec::new();
    let lost = Record::Lost { first: AgentId(3), last: AgentId(300) };
    lost.encode(&mut bytes);
    assert_eq!(bytes, [4, 15, 3, 0xac, 2]);
    assert_eq!(Records::new(&bytes).next(), Some(Some(lost)));
    bytes.clear();
    let (agent, cause) = (AgentId(1), Cause::Input(7));
    let refused = Record::DeadLetter { agent, cause, loss: Loss::Refused };
    refused.encode(&mut bytes);
    assert_eq!(bytes.last(), Some(&4));
    assert_eq!(Records::new(&bytes).next(), Some(Some(refused)));
}

#[test]
fn what_an_agent_is_told_has_its_numbers() {
    let mut bytes = Vec::new();
    let by = Message { from: AgentId(300), step: 7, output: 1 };
    let told = Record::Told { by, what: b"so" };
    told.encode(&mut bytes);
    assert_eq!(bytes, [7, 50, 0xac, 2, 7, 1, b's', b'o']);
    assert_eq!(Records::new(&bytes).next(), Some(Some(told)));
    bytes.clear();
    let step =
        Record::Step { agent: AgentId(300), step: 9, cause: Cause::Told(by), outputs: vec![] };
    step.encode(&mut bytes);
    assert_eq!(bytes, [7, 51, 0xac, 2, 9, 7, 1, 0]);
    assert_eq!(Records::new(&bytes).next(), Some(Some(step)));
}

#[test]
fn unknown_kinds_and_numbers_are_refused() {
    for bytes in [
        &[1u8, 0][..],
        &[1, 99],
        &[2, 18, 0x80],
        &[7, 23, 1, 1, 0, 9, 1, 0],
        &[4, 26, 6, 1, 1],
        &[0],
    ] {
        assert_eq!(Records::new(bytes).next(), Some(None), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn steps_come_back(
        (agent, cause) in (0u64..1 << 40).prop_flat_map(|a| (Just(a), cause(a))),
        step: u64,
        outs in prop::collection::vec(out(), 0..5),
    ) {
        let outputs = outs.iter().map(|out| match out {
            Out::Sent(lease, to, payload) =>
                Output::Sent { lease: LeaseId(*lease), to: AgentId(*to), payload },
            Out::Denied(denial, to, payload) => Output::Denied {
                denial: Denial::from_number(*denial).unwrap(),
                to: AgentId(*to),
                payload,
            },
            Out::Exit => Output::Exit,
            Out::Remembered(lease, write) => Output::Remembered { lease: LeaseId(*lease), write },
            Out::Forgone(denial, write) =>
                Output::Forgone { denial: Denial::from_number(*denial).unwrap(), write },
            Out::DeniedAgain(denial, count) => Output::DeniedAgain {
                denial: Denial::from_number(*denial).unwrap(),
                count: *count,
            },
            Out::Arranged(lease, what) =>
                Output::Arranged { lease: (*lease > 0).then_some(LeaseId(*lease)), what },
            Out::Unarranged(denial, what) =>
                Output::Unarranged { denial: Denial::from_number(*denial).unwrap(), what },
        }).collect();
        check(&Record::Step { agent: AgentId(agent), step, cause, outputs });
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_decode_to_their_own_encoding(bytes: Vec<u8>) {
        let mut records = Records::new(&bytes);
        let mut again = Vec::new();
        let mut good = 0;
        while let Some(Some(record)) = records.next() {
            record.encode(&mut again);
            good = again.len();
        }
        prop_assert_eq!(&again[..good], &bytes[..good]);
    }
}
