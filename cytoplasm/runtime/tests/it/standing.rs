//! Denials in a row, and what the outputs under one lease may take of the log.

use karyon_log::{Output, Record, Records};
use karyon_runtime::{Chaos, Limits};
use karyon_types::{AgentId, Tick};

use crate::support::*;
use Order::{Add, Exit, Panic, Remember, Say, Send};

/// The outputs of an agent in words: + admitted, ! denied in full, = denied again.
fn outputs(records: &[u8], of: u64) -> Vec<String> {
    let steps = Records::new(records).filter_map(|record| match record.unwrap() {
        Record::Step { agent, outputs, .. } if agent.0 == of => Some(outputs),
        _ => None,
    });
    let words = |output: Output<'_>| match output {
        Output::Sent { .. } | Output::Remembered { .. } | Output::Arranged { .. } => "+".into(),
        Output::Denied { denial, .. }
        | Output::Forgone { denial, .. }
        | Output::Unarranged { denial, .. } => format!("! {denial}"),
        Output::DeniedAgain { denial, count } => format!("= {denial} {count}"),
        Output::Exit => "exit".into(),
    };
    steps.flatten().map(words).collect()
}

#[test]
fn denials_in_a_row_are_counted_exactly() {
    let (to, away) = (|| Send(2, vec![Add(1)]), || Send(99, vec![Add(1)]));
    let memory = || Remember("m".into());
    let script = Script::new([
        // Two kinds of deed, one code; across steps.
        (0, 1, vec![away(), away()]),
        (1, 1, vec![away(), to(), away()]),
        // A step that crashes leaves the row as it was.
        (2, 1, vec![away(), to(), Panic]),
        (2, 1, vec![away()]),
        // Nothing that the gate is asked about: the row goes on, in the next life as well.
        (3, 1, vec![Add(1)]),
        (3, 1, vec![Exit]),
        (4, 1, vec![away(), to()]),
        // From tick 6 on the lease is over: another code, for messages and memories alike.
        (5, 1, vec![away()]),
        (6, 1, vec![to(), memory(), away()]),
        (6, 3, vec![away()]),
        (7, 1, vec![memory(), to()]),
    ]);
    let expires = vec![(AgentId(1), Tick(6))];
    let mut all = Vec::new();
    for (schedulers, probability) in [(1, 0.0), (2, 0.3), (4, 0.3)] {
        let chaos = Chaos::new(3, probability);
        let stage = Stage { schedulers, chaos, expires: expires.clone(), ..Stage::default() };
        let (outcome, records) = stage.complete::<0, 60>(&script);
        assert_eq!((outcome.counts.denied, outcome.counts.forgone), (11, 2));
        let expected = [
            "! exceeds_capability_scope",
            "= exceeds_capability_scope 2",
            "= exceeds_capability_scope 3",
            "+",
            "! exceeds_capability_scope",
            "= exceeds_capability_scope 2",
            "exit",
            "= exceeds_capability_scope 3",
            "+",
            "! exceeds_capability_scope",
            "! lease_expired",
            "= lease_expired 2",
            "= lease_expired 3",
            "= lease_expired 4",
            "= lease_expired 5",
        ];
        assert_eq!(outputs(&records, 1), expected);
        assert_eq!(outputs(&records, 3), ["! exceeds_capability_scope"], "a row of its own");
        // Each is told; those before the exit are gone with that life.
        let told = &outcome.agents[0].as_ref().unwrap().denied;
        assert_eq!(told.iter().filter(|code| *code == "lease_expired").count(), 5);
        all.push(told.clone());
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
}

/// The bytes of `count` messages of `length` bytes to agent 2, as they are recorded: kind, lease,
/// receiver, length, payload.
const fn messages(count: u64, length: u64) -> u64 {
    count * (4 + length)
}

fn say(length: usize) -> Order {
    Say(2, "x".repeat(length))
}

fn with_budget(bytes: u64) -> Stage {
    let limits = Limits { log_bytes_per_lease: bytes, ..LIMITS };
    Stage { limits, ..Stage::default() }
}

#[test]
fn what_passes_the_budget_is_denied() {
    let script = Script::new((0..5).map(|tick| (tick, 1, vec![say(20)])));
    for (budget, admitted) in [
        (messages(5, 20), 5),
        (messages(5, 20) - 1, 4),
        (messages(3, 20), 3),
        (messages(1, 20) - 1, 0),
        (0, 0),
        (u64::MAX, 5),
    ] {
        for schedulers in [1, 2, 4] {
            // What they say are no orders: agent 2 crashes on each and loses it.
            let stage = Stage { schedulers, ..with_budget(budget) };
            let (outcome, records) = stage.complete::<0, 0>(&script);
            let mut expected = vec!["+".to_owned(); admitted];
            let denied = 5 - admitted as u64;
            expected.extend((denied > 0).then(|| "! budget_exhausted".into()));
            expected.extend((2..=denied).map(|count| format!("= budget_exhausted {count}")));
            assert_eq!(outputs(&records, 1), expected, "{budget} bytes");
            assert_eq!(outcome.counts.denied, denied);
            let told = &outcome.agents[0].as_ref().unwrap().denied;
            assert_eq!(*told, vec!["budget_exhausted"; denied as usize]);
            let bound = Records::new(&records)
                .find_map(|record| match record.unwrap() {
                    Record::Lease(lease) => Some(lease.log_bytes),
                    _ => None,
                })
                .unwrap();
            assert_eq!(bound, (budget != u64::MAX).then_some(budget), "the lease says so");
        }
    }
}

#[test]
fn a_smaller_output_may_still_fit_and_denials_count() {
    let script = Script::new([
        (0, 1, vec![say(20), say(90), say(10)]),
        (1, 1, vec![say(0), Remember("y".repeat(30))]),
    ]);
    // After the first message (24) and the denial in full (its receiver, its 90 bytes: 94), 14
    // bytes for the third; the empty message is one byte too long then.
    let budget = 24 + 94 + 14 + 3;
    let (_, records) = with_budget(budget).complete::<0, 0>(&script);
    let none = "! budget_exhausted";
    assert_eq!(outputs(&records, 1), ["+", "+", "+", none, "= budget_exhausted 2"]);
    let budget = 100;
    let (_, records) = with_budget(budget).complete::<0, 0>(&script);
    let again = |count| format!("= budget_exhausted {count}");
    // The denial itself took the rest.
    assert_eq!(outputs(&records, 1), ["+", none, &again(2), &again(3), &again(4)]);
}

#[test]
fn an_agent_cannot_fill_the_log_with_denials_of_different_kinds() {
    // Messages to nobody and memories without the right to them, in turn: no two in a row are
    // denied for the same reason.
    let long = || "z".repeat(200);
    let script = Script::new((0..100).map(|tick| {
        (tick, 1, vec![Say(99, long()), Remember(long()), Say(99, long()), Remember(long())])
    }));
    let stage = Stage { rights: karyon_gate::Rights::SEND, ..with_budget(1_000) };
    let (outcome, records) = stage.complete::<0, 0>(&script);
    assert_eq!((outcome.counts.denied, outcome.counts.forgone), (200, 200));
    let outputs = outputs(&records, 1);
    let full = outputs.iter().filter(|output| output.starts_with('!')).count();
    assert_eq!(full, 5, "four different ones, and that the budget is used up");
    assert_eq!(outputs.last().unwrap(), "= budget_exhausted 396");
}
