//! What came of messages and facts in logs made by hand.

use karyon_log::{
    Cause, CrashKind, Cut, Decision, LeaseRecord, Loss, Message, OrderVerb, Output, Record,
};
use karyon_memory::{Bounds, Consequences, LeftOut, Subject, What, consequences, explain};
use karyon_types::{AgentId, GrantId, LeaseId, Position};

use crate::support::*;

const BOUNDS: Bounds = Bounds { depth: 10, links: 1000 };

fn what_came_of(records: &[Record<'_>], subject: Subject) -> Consequences {
    ask(records, |journal, reader| consequences(subject, BOUNDS, journal, reader).unwrap())
}

/// Who, in which record, what, and of which place in the list it came.
fn links(tree: &Consequences) -> Vec<(u64, u64, &'static str, Option<usize>)> {
    let links = tree.links.iter().map(|link| {
        let what = match &link.link.what {
            What::Fact { .. } => "fact",
            What::Sent { .. } => "sent",
            What::Step { .. } => "step",
            What::Crashed { .. } => "crash",
            What::Lost { .. } => "lost",
            What::Born => "born",
            What::Leased => "lease",
            What::Arranged { .. } => "arranged",
            other => panic!("{other:?}"),
        };
        (link.link.agent.unwrap().0, link.link.position.0, what, link.parent)
    });
    links.collect()
}

fn remembered(lease: u64, write: &[u8]) -> Output<'_> {
    Output::Remembered { lease: LeaseId(lease), write }
}

#[test]
fn a_fact_leads_to_what_was_sent_until_the_next_one() {
    let (first, second) = (fact(1, "sad", 1, None), fact(1, "glad", 2, None));
    let heard = fact(2, "heard", 3, Some(1));
    let mut records = beginning();
    records.extend([
        tick(0),
        step(1, 0, Cause::Input(0), vec![sent(1, 3)]),
        step(1, 1, Cause::Input(1), vec![remembered(1, &first), sent(1, 2)]),
        tick(1),
        step(3, 0, message(1, 0, 0), Vec::new()),
        step(2, 0, message(1, 1, 1), vec![remembered(2, &heard)]),
        step(1, 2, Cause::Input(2), vec![sent(1, 3)]),
        step(1, 3, Cause::Input(3), vec![remembered(1, &second)]),
        step(1, 4, Cause::Input(4), vec![sent(1, 2)]),
        tick(2),
        step(3, 1, message(1, 2, 0), vec![sent(3, 2)]),
        step(2, 1, message(1, 4, 0), Vec::new()),
        tick(3),
        step(2, 2, message(3, 1, 0), Vec::new()),
    ]);
    let tree = what_came_of(&records, Subject::Agent(AgentId(1)));
    let expected = [
        (1, 13, "fact", None),
        (1, 18, "fact", None),
        (1, 13, "sent", Some(0)),
        (1, 17, "sent", Some(0)),
        (2, 16, "fact", Some(2)),
        (3, 21, "sent", Some(3)),
    ];
    assert_eq!(links(&tree), expected);
    // After the second fact a message was sent of which nothing came.
    let barren: Vec<_> = tree.links.iter().map(|link| link.barren).collect();
    assert_eq!(barren, [0, 1, 0, 0, 0, 0]);
    assert_eq!(tree.links[3].input, Some(2));
    assert_eq!(tree.links[3].handled.as_ref().unwrap().position, Position(21));
    assert_eq!(tree.left_out, LeftOut::default());
}

/// Agent 2 crashes on a message and then handles it, and crashes on another until it is lost.
fn crashes() -> Vec<Record<'static>> {
    let crash = |step, decision| Record::Crash {
        agent: AgentId(2),
        step,
        attempt: 0,
        kind: CrashKind::Panic,
        decision,
    };
    let mut records = beginning();
    records.extend([
        tick(0),
        step(1, 0, Cause::Input(0), vec![sent(1, 2), sent(1, 2)]),
        tick(1),
        crash(0, Decision::Redelivered),
        step(2, 0, message(1, 0, 0), vec![sent(2, 3)]),
        crash(1, Decision::Redelivered),
        crash(1, Decision::Restarted),
        Record::DeadLetter { agent: AgentId(2), cause: message(1, 0, 1), loss: Loss::Poison },
    ]);
    records
}

#[test]
fn crashes_and_losses_are_told_both_ways() {
    let records = crashes();
    let tree = what_came_of(&records, Subject::Record(Position(12)));
    let expected = [
        (1, 12, "step", None),
        (1, 12, "sent", Some(0)),
        (1, 12, "sent", Some(0)),
        (2, 14, "crash", Some(1)),
        (2, 15, "sent", Some(1)),
        (2, 16, "crash", Some(2)),
        (2, 17, "crash", Some(2)),
    ];
    assert_eq!(links(&tree), expected);
    assert!(tree.links[4].handled.is_none(), "it is on its way when the log ends");
    let lost = tree.links[2].handled.as_ref().unwrap();
    assert!(matches!(lost.what, What::Lost { loss: Loss::Poison }));
    for crash in [14, 16, 17] {
        let subject = Subject::Record(Position(crash));
        let lineage = ask(&records, |journal, reader| explain(subject, journal, reader).unwrap());
        let positions: Vec<_> = lineage.links.iter().map(|link| link.position.0).collect();
        assert_eq!(positions, [crash, 12, 12]);
        let tree = what_came_of(&records, subject);
        let next = if crash == 14 { (2, 15, "step", Some(0)) } else { (2, 18, "lost", Some(0)) };
        assert_eq!(links(&tree)[1], next, "{crash}");
    }
}

/// Agent 1 arms a timer that fires twice; the second time it sends what kills agent 2, which agents
/// 1 and 3 hear of. Agent 3 ends itself for that, which agent 1 hears of, too.
fn lives() -> Vec<Record<'static>> {
    let arranged = |what| Output::Arranged { lease: Some(LeaseId(1)), what };
    let told = |agent, number, of: (u64, u64, u16), outputs| {
        let from = Message { from: AgentId(of.0), step: of.1, output: of.2 };
        step(agent, number, Cause::Down(from), outputs)
    };
    let timer = |number, outputs| {
        let armed = Message { from: AgentId(1), step: 0, output: 1 };
        step(1, number, Cause::Timer(armed), outputs)
    };
    let mut records = beginning();
    records.extend([
        tick(0),
        step(1, 0, Cause::Input(0), vec![arranged(b"\x04\x02"), arranged(b"\x02\x01")]),
        tick(1),
        timer(1, Vec::new()),
        tick(2),
        timer(2, vec![sent(1, 2)]),
        tick(3),
        Record::Crash {
            agent: AgentId(2),
            step: 0,
            attempt: 0,
            kind: CrashKind::Panic,
            decision: Decision::Stopped,
        },
        Record::DeadLetter { agent: AgentId(2), cause: message(1, 2, 0), loss: Loss::Poison },
        tick(4),
        told(1, 3, (2, 0, 0), Vec::new()),
        told(3, 0, (2, 0, 0), vec![Output::Arranged { lease: None, what: b"\x0a\x02" }]),
        tick(5),
        told(1, 4, (3, 0, 0), Vec::new()),
    ]);
    records
}

#[test]
fn timers_and_ends_are_told_both_ways() {
    let records = lives();
    // From the last that was heard back to the input: ended, heard, crashed, sent, armed.
    let last = Subject::Record(Position(24));
    let lineage = ask(&records, |journal, reader| explain(last, journal, reader).unwrap());
    let positions: Vec<_> = lineage.links.iter().map(|link| link.position.0).collect();
    assert_eq!(positions, [24, 22, 18, 16, 12, 12]);
    assert!(matches!(lineage.links[2].what, What::Crashed { .. }));
    assert!(matches!(lineage.links[4].what, What::Arranged { .. }));
    // And forth again.
    let tree = what_came_of(&records, Subject::Record(Position(12)));
    let expected = [
        (1, 12, "step", None),
        (1, 12, "arranged", Some(0)),
        (1, 16, "step", Some(0)),
        (1, 16, "sent", Some(2)),
        (2, 18, "crash", Some(3)),
        (1, 21, "step", Some(4)),
        (3, 22, "step", Some(4)),
        (3, 22, "arranged", Some(6)),
    ];
    assert_eq!(links(&tree), expected);
    assert_eq!(tree.links[1].handled.as_ref().unwrap().position, Position(14));
    assert_eq!(tree.links[7].handled.as_ref().unwrap().position, Position(24));
}

#[test]
fn a_lease_leads_to_what_was_done_under_it_and_a_birth_to_what_was_sent() {
    let records = crashes();
    let tree = what_came_of(&records, Subject::Record(Position(5)));
    assert_eq!(links(&tree)[..2], [(1, 5, "lease", None), (1, 12, "step", Some(0))]);
    let tree = what_came_of(&records, Subject::Agent(AgentId(1)));
    let expected = [(1, 6, "born", None), (1, 12, "sent", Some(0)), (1, 12, "sent", Some(0))];
    assert_eq!(links(&tree)[..3], expected);
    let tree = what_came_of(&records, Subject::Agent(AgentId(99)));
    assert!(tree.links.is_empty());
}

#[test]
fn every_record_has_consequences_or_none() {
    let records = crashes();
    for position in 0..records.len() as u64 {
        let tree = what_came_of(&records, Subject::Record(Position(position)));
        assert_eq!(tree.links[0].link.position, Position(position));
        for link in &tree.links[1..] {
            let parent = &tree.links[link.parent.unwrap()];
            assert!(parent.link.position <= link.link.position);
        }
    }
}

/// Agent 1 spawns agent 4, is told of it and sends it something; agent 4 is forked.
fn births() -> Vec<Record<'static>> {
    let spawn = b"\x10\x02Zogo";
    let by = Message { from: AgentId(1), step: 0, output: 0 };
    let lease = |id: u64, from: u64, by| {
        Record::Lease(LeaseRecord {
            id: LeaseId(id),
            owner: AgentId(id),
            grant: GrantId(1),
            rights: 3,
            scope: (1, 3),
            expires: None,
            log_bytes: None,
            cut: Some(Cut { from: LeaseId(from), by }),
        })
    };
    let born =
        |id: u64| Record::Spawn { agent: AgentId(id), kind: 0, lease: LeaseId(id), name: "Zo" };
    let told = Cause::Spawn(Message { from: AgentId(4), ..by });
    let mut records = beginning();
    records.extend([
        tick(0),
        step(
            1,
            0,
            Cause::Input(0),
            vec![Output::Arranged { lease: Some(LeaseId(1)), what: spawn }],
        ),
        tick(1),
        lease(4, 1, Some(by)),
        born(4),
        step(1, 1, told, vec![sent(1, 4)]),
        tick(2),
        step(4, 0, message(1, 1, 0), vec![]),
        tick(3),
        Record::Order { verb: OrderVerb::Fork, agent: AgentId(4), uid: 7 },
        lease(5, 4, None),
        born(5),
    ]);
    records
}

#[test]
fn births_are_told_both_ways() {
    let records = births();
    let why = |position| {
        let subject = Subject::Record(Position(position));
        let lineage = ask(&records, |journal, reader| explain(subject, journal, reader).unwrap());
        lineage.links.iter().map(|link| link.position.0).collect::<Vec<_>>()
    };
    // Where the story begins is an input; its step is named twice, as in all lineages.
    assert_eq!(why(15), [15, 14, 12, 12], "the child leads to its parent's step");
    assert_eq!(why(18), [18, 16, 12, 12], "by the news of the birth");
    assert_eq!(why(22), [22, 21, 20], "a fork leads to the order");
    let tree = what_came_of(&records, Subject::Record(Position(12)));
    let found: Vec<_> =
        links(&tree).into_iter().map(|(who, at, what, _)| (who, at, what)).collect();
    for expected in [(1, 12, "arranged"), (1, 16, "step"), (1, 16, "sent")] {
        assert!(found.contains(&expected), "{expected:?}: {found:?}");
    }
    assert_eq!(tree.links[1].handled.as_ref().unwrap().position, Position(14));
}

/// Agent 1 asks the memory, is told, and sends what it made of that to agent 2.
fn recalled() -> Vec<Record<'static>> {
    let by = Message { from: AgentId(1), step: 0, output: 0 };
    let asked = Output::Arranged { lease: Some(LeaseId(1)), what: b"\x1e\x01what?" };
    let mut records = beginning();
    records.extend([
        tick(0),
        step(1, 0, Cause::Input(0), vec![asked]),
        tick(2),
        Record::Told { by, what: &[1; 34] },
        step(1, 1, Cause::Told(by), vec![sent(1, 2)]),
        tick(3),
        step(2, 0, message(1, 1, 0), vec![]),
    ]);
    records
}

#[test]
fn what_an_agent_recalled_is_told_both_ways() {
    let records = recalled();
    let why = |position| {
        let subject = Subject::Record(Position(position));
        let lineage = ask(&records, |journal, reader| explain(subject, journal, reader).unwrap());
        lineage.links.iter().map(|link| link.position.0).collect::<Vec<_>>()
    };
    assert_eq!(why(17), [17, 15, 12, 12], "by way of the question");
    assert_eq!(why(14), [14, 12, 12], "an answer leads to its question");
    let tree = what_came_of(&records, Subject::Record(Position(12)));
    let found: Vec<_> =
        links(&tree).into_iter().map(|(who, at, what, _)| (who, at, what)).collect();
    for expected in [(1, 12, "arranged"), (1, 15, "sent")] {
        assert!(found.contains(&expected), "{expected:?}: {found:?}");
    }
}
