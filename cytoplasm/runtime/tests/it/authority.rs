//! No message without a lease that covers it; a denial is told and recorded.

use karyon_gate::Rights;
use karyon_log::{Output, Record, Records};
use karyon_types::{AgentId, Denial, LeaseId, Tick};

use crate::support::*;
use Order::{Add, Panic, Remember, Say, Send};

#[test]
fn a_denied_message_does_not_arrive_and_its_sender_is_told() {
    let greet = || vec![Send(2, vec![Add(1)])];
    let script = Script::new([
        (0, 1, greet()),
        (2, 1, greet()),
        (3, 1, vec![Send(5, vec![Add(1)]), Send(0, vec![Add(1)])]),
        (3, 3, vec![Send(99, vec![Add(1)])]),
        (3, 3, greet()),
    ]);
    let stage = Stage { expires: vec![(AgentId(1), Tick(2))], ..Stage::default() };
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { schedulers, ..stage.clone() }.complete::<0, 0>(&script);
        let agent = |n: usize| outcome.agents[n - 1].as_ref().unwrap();
        assert_eq!(agent(2).sum, 2);
        assert_eq!(agent(1).denied, ["lease_expired"; 3]);
        assert_eq!(agent(3).denied, ["exceeds_capability_scope"]);
        let counts = outcome.counts;
        assert_eq!((counts.sent, counts.delivered, counts.denied), (6, 2, 4));
        assert_eq!((counts.refused, counts.dead_lettered, counts.crashes), (0, 0, 0));
        let recorded: Vec<_> = Records::new(&records)
            .filter_map(|record| match record.unwrap() {
                Record::Step { outputs, .. } => Some(outputs),
                _ => None,
            })
            .flatten()
            .filter_map(|output| match output {
                Output::Denied { denial, to, .. } => Some((denial, to.0)),
                // Whom it was to, the message that was denied does not say again.
                Output::DeniedAgain { denial, count } => Some((denial, 1_000 + count)),
                _ => None,
            })
            .collect();
        let (expired, scope) = (Denial::LeaseExpired, Denial::ExceedsCapabilityScope);
        assert_eq!(recorded, [(expired, 2), (expired, 1_002), (expired, 1_003), (scope, 99)]);
    }
}

/// Step by step, what the memory outputs of agent 1 were.
fn memories(records: &[u8]) -> Vec<Vec<String>> {
    let step = |record: Option<Record<'_>>| match record.unwrap() {
        Record::Step { agent: AgentId(1), outputs, .. } => Some(
            outputs
                .iter()
                .map(|output| match output {
                    Output::Remembered { lease, write } => {
                        assert_eq!(*lease, LeaseId(1));
                        format!("+{}", String::from_utf8_lossy(write))
                    }
                    Output::Forgone { denial, write } => {
                        format!("-{} {denial}", String::from_utf8_lossy(write))
                    }
                    Output::DeniedAgain { denial, count } => format!("={denial} {count}"),
                    other => format!("{other:?}").chars().take(4).collect(),
                })
                .collect(),
        ),
        _ => None,
    };
    Records::new(records).filter_map(step).collect()
}

#[test]
fn memories_are_outputs_gated_and_recorded_in_their_order() {
    let remember = |text: &str| Remember(text.into());
    let script = Script::new([
        (0, 1, vec![remember("a"), Say(2, String::new()), remember("bb"), remember("")]),
        (1, 1, vec![remember("lost"), Panic]),
        (2, 1, vec![Say(2, String::new()), remember("late")]),
    ]);
    let stage = Stage { expires: vec![(AgentId(1), Tick(2))], ..Stage::default() };
    for schedulers in [1, 2, 4] {
        let stage = Stage { schedulers, ..stage.clone() };
        let (outcome, records) = stage.complete::<0, 1>(&script);
        let counts = outcome.counts;
        assert_eq!((counts.sent, counts.denied), (2, 1));
        assert_eq!((counts.remembered, counts.forgone), (3, 1));
        assert_eq!(outcome.agents[0].as_ref().unwrap().denied, ["lease_expired"; 2]);
        // A step that crashed leaves nothing behind, its memories included; the last two are the
        // agent's steps on the news of its denials.
        let expected: [&[&str]; 4] =
            [&["+a", "Sent", "+bb", "+"], &["Deni", "=lease_expired 2"], &[], &[]];
        assert_eq!(memories(&records), expected);
    }
    let stage = Stage { rights: Rights::SEND, ..Stage::default() };
    let (outcome, records) = stage.complete::<0, 1>(&Script::new([(0, 1, vec![remember("a")])]));
    assert_eq!(outcome.counts.forgone, 1);
    let expected: [&[&str]; 2] = [&["-a capability_not_granted"], &[]];
    assert_eq!(memories(&records), expected);
}
