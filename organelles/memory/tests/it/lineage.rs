//! Chains of causes in logs made by hand.

use karyon_log::{Cause, Output};
use karyon_memory::{Lineage, LineageError, Subject, What, explain};
use karyon_types::{AgentId, LeaseId, Position};

use crate::support::*;

fn why(records: &[karyon_log::Record<'_>], subject: Subject) -> Result<Lineage, LineageError> {
    ask(records, |journal, reader| explain(subject, journal, reader))
}

/// Who, in which record, and what: "fact", "sent", "input" or "step".
fn links(lineage: &Lineage) -> Vec<(u64, u64, &'static str)> {
    let links = lineage.links.iter().map(|link| {
        let what = match &link.what {
            What::Fact { .. } => "fact",
            What::Sent { .. } => "sent",
            What::Input { .. } => "input",
            What::Step { .. } => "step",
            other => panic!("{other:?}"),
        };
        (link.agent.unwrap().0, link.position.0, what)
    });
    links.collect()
}

fn remembered(lease: u64, write: &[u8]) -> Output<'_> {
    Output::Remembered { lease: LeaseId(lease), write }
}

#[test]
fn what_others_wrote_about_an_agent_is_not_what_it_knew() {
    // Agent 2 writes about agent 1, who itself wrote something before, and sends to 3.
    let (own, gossip, heard) =
        (fact(1, "sad", 1, None), fact(1, "loud", 2, None), fact(3, "heard", 3, Some(1)));
    let mut records = beginning();
    records.extend([
        tick(0),
        step(1, 0, Cause::Input(0), vec![remembered(1, &own)]),
        step(2, 0, Cause::Input(1), vec![remembered(2, &gossip)]),
        tick(1),
        step(1, 1, Cause::Input(2), vec![sent(1, 3)]),
        tick(2),
        step(3, 0, message(1, 1, 0), vec![remembered(3, &heard)]),
    ]);
    let lineage = why(&records, Subject::Agent(AgentId(3))).unwrap();
    let expected =
        [(3, 17, "fact"), (1, 15, "sent"), (1, 15, "input"), (1, 12, "fact"), (1, 12, "input")];
    assert_eq!(links(&lineage), expected);
    let answerable = lineage.authority.unwrap();
    assert_eq!(answerable.reasons, ["to test", "to learn"]);
    assert_eq!((answerable.principal.name.as_str(), answerable.lease), ("ada", Some(LeaseId(1))));
}

#[test]
fn a_chain_without_facts_ends_at_an_input() {
    let mut records = beginning();
    records.extend([
        tick(0),
        step(1, 0, Cause::Input(7), vec![sent(1, 2)]),
        tick(1),
        step(2, 0, message(1, 0, 0), vec![sent(2, 3)]),
        tick(2),
        step(3, 0, message(2, 0, 0), Vec::new()),
    ]);
    let lineage = why(&records, Subject::Record(Position(16))).unwrap();
    let expected = [(3, 16, "step"), (2, 14, "sent"), (1, 12, "sent"), (1, 12, "input")];
    assert_eq!(links(&lineage), expected);
}

#[test]
fn a_cause_that_is_nowhere_is_told() {
    let mut records = beginning();
    records.extend([tick(0), step(3, 0, message(2, 5, 0), Vec::new())]);
    let error = why(&records, Subject::Record(Position(12))).unwrap_err();
    assert!(matches!(error, LineageError::NoCause { agent: AgentId(2), step: 5, .. }), "{error}");
    let error = why(&beginning(), Subject::Record(Position(99))).unwrap_err();
    assert!(matches!(error, LineageError::NoRecord { .. }), "{error}");
}
