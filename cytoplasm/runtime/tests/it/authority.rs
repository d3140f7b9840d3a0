//! No message without a lease that covers it; a denial is told and recorded.

use karyon_log::{Output, Record, Records};
use karyon_types::{AgentId, Denial, Tick};

use crate::support::*;
use Order::{Add, Send};

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
                Output::Sent { .. } | Output::Exit => None,
            })
            .collect();
        let (expired, scope) = (Denial::LeaseExpired, Denial::ExceedsCapabilityScope);
        assert_eq!(recorded, [(expired, 2), (expired, 5), (expired, 0), (scope, 99)]);
    }
}
