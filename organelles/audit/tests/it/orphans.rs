//! Whatever was done without a reason that can be found is listed, and nothing else.

use karyon_audit::limits::LISTED_ORPHANS;
use karyon_audit::{Want, find_orphans};
use karyon_log::{
    Cause, Control, Cut, ImportRecord, InputFile, LeaseRecord, Message, OrderVerb, OutcomeUnknown,
    Output, Record,
};
use karyon_types::{AgentId, LeaseId};

use crate::support::*;

/// The orphans of a log: the record's position and what it lacks.
fn orphans_of(records: &[Record<'_>]) -> Vec<(u64, Want)> {
    let folder = write_records(records);
    let found = find_orphans(folder.path()).unwrap();
    assert_eq!(found.records, records.len() as u64);
    assert_eq!(found.count, found.first.len() as u64);
    found.first.iter().map(|orphan| (orphan.position.0, orphan.want)).collect()
}

#[test]
fn a_story_with_reasons_has_none() {
    assert_eq!(orphans_of(&story()), []);
    let folder = write_records(&story());
    assert_eq!(find_orphans(folder.path()).unwrap().traced, 24);
}

/// A lease that was cut from another in the course of the run.
fn cut(id: u64, owner: u64, from: u64, by: Option<Message>) -> Record<'static> {
    let Record::Lease(plain) = lease(id, owner, 1) else { panic!("a lease") };
    Record::Lease(LeaseRecord { cut: Some(Cut { from: LeaseId(from), by }), ..plain })
}

fn born(id: u64) -> Record<'static> {
    Record::Spawn { agent: AgentId(id), kind: 0, lease: LeaseId(id), name: "child" }
}

fn forked(id: u64) -> Record<'static> {
    Record::Order { verb: OrderVerb::Fork, agent: AgentId(id), uid: 7 }
}

fn spawned() -> Output<'static> {
    Output::Arranged { lease: Some(LeaseId(1)), what: b"\x10\x01ago" }
}

fn recall() -> Output<'static> {
    Output::Arranged { lease: Some(LeaseId(1)), what: b"\x1e\x01what?" }
}

fn told(by: Message) -> Record<'static> {
    Record::Told { by, what: &[1; 34] }
}

/// The story with other records from a position on, without its seal.
fn with(more: &[Record<'static>]) -> Vec<Record<'static>> {
    let mut records = story();
    records.pop();
    records.extend_from_slice(more);
    records
}

#[test]
fn each_kind_of_orphan_is_found_and_says_what_it_lacks() {
    let end = story().len() as u64 - 1;
    let import = |lease| {
        control(Control::Import(ImportRecord {
            file: InputFile { name: "x".into(), size: 0, hash: [0; 32] },
            root: vec![],
            origin: [0; 16],
            signer: [0; 32],
            trusted_by: "named".into(),
            lease,
            at_unix_ms: 1,
        }))
    };
    let on_input = |outputs| step(1, 3, Cause::Input(9), outputs);
    let unknown =
        |effect| control(Control::OutcomeUnknown(OutcomeUnknown { effect, why: "late".into() }));
    // Two inputs were released, and both are used up by then.
    let released = Record::Input { batch: 1, count: 1 };
    let gone = message(1, 0, 0);
    let never = message(1, 7, 0);
    let own = message(1, 3, 0);
    for (more, expected) in [
        (vec![reason(3, Some(8), "x")], vec![(end, Want::Reason(8))]),
        (vec![reason(3, Some(3), "x")], vec![(end, Want::Reason(3))]),
        (vec![reason(3, None, " \t")], vec![(end, Want::Label(3))]),
        (vec![reason(2, None, "again")], vec![(end, Want::Unique(2))]),
        // A circle can only be closed by a number that is given twice.
        (
            vec![reason(1, Some(2), "circle"), grant(2, 1, 1)],
            vec![(end, Want::Unique(1)), (end + 1, Want::Unique(1))],
        ),
        (vec![grant(2, 5, 1)], vec![(end, Want::Principal(5))]),
        (vec![grant(2, 1, 7)], vec![(end, Want::Reason(7))]),
        (vec![grant(1, 1, 1)], vec![(end, Want::Unique(1))]),
        (vec![lease(9, 1, 4)], vec![(end, Want::Grant(4))]),
        (vec![lease(1, 1, 1)], vec![(end, Want::Unique(1))]),
        (vec![terms(9, 3, Some(8), 1)], vec![(end, Want::Lease(8))]),
        (vec![terms(9, 3, None, 8)], vec![(end, Want::Reason(8))]),
        // What rests on something broken is listed with what is broken.
        (
            vec![grant(2, 5, 1), lease(9, 1, 2), released.clone(), on_input(vec![sent(9, 2)])],
            vec![
                (end, Want::Principal(5)),
                (end + 1, Want::Principal(5)),
                (end + 3, Want::Principal(5)),
            ],
        ),
        (vec![released.clone(), on_input(vec![sent(8, 2)])], vec![(end + 1, Want::Lease(8))]),
        (
            vec![released.clone(), on_input(vec![remembered(2)])],
            vec![(end + 1, Want::Owner { lease: 2, owner: 2 })],
        ),
        (vec![on_input(vec![])], vec![(end, Want::Input(9))]),
        (
            vec![released.clone(), step(1, 3, Cause::Input(5), vec![])],
            vec![(end + 1, Want::Input(5))],
        ),
        (vec![step(2, 1, Cause::Message(gone), vec![])], vec![(end, Want::Message(gone))]),
        (vec![step(2, 1, Cause::Message(never), vec![])], vec![(end, Want::Message(never))]),
        (vec![step(1, 3, Cause::Denial(never), vec![])], vec![(end, Want::Denial(never))]),
        (vec![step(1, 3, Cause::Denial(gone), vec![])], vec![(end, Want::Denial(gone))]),
        // A life as it may be: a timer that fires twice, an end that is told to two, a monitor of
        // one that is not there.
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![armed(Some(1)), bound(1), bound(1)]),
                step(1, 4, Cause::Timer(message(1, 3, 0)), vec![armed(None)]),
                step(1, 5, Cause::Timer(message(1, 3, 0)), vec![]),
                step(1, 6, Cause::Down(message(2, 0, 1)), vec![]),
                step(3, 1, Cause::Exit(message(2, 0, 1)), vec![]),
                step(1, 7, Cause::Down(message(1, 3, 1)), vec![]),
                step(1, 8, Cause::Exit(message(1, 3, 2)), vec![]),
            ],
            vec![],
        ),
        // A child, of whom its parent is told; a fork of it.
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![spawned(), spawned()]),
                cut(7, 7, 1, Some(own)),
                born(7),
                step(1, 4, Cause::Spawn(Message { from: AgentId(7), ..own }), vec![]),
                step(1, 5, Cause::Spawn(Message { from: AgentId(0), output: 1, ..own }), vec![]),
                forked(7),
                cut(8, 8, 7, None),
                born(8),
            ],
            vec![],
        ),
        // A question, its answer, and the step on that; each once, and only if it was asked.
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![recall()]),
                told(own),
                step(1, 4, Cause::Told(own), vec![]),
            ],
            vec![],
        ),
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![recall()]),
                step(1, 4, Cause::Told(own), vec![]),
            ],
            vec![(end + 2, Want::Told(own))],
        ),
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![recall()]),
                told(own),
                told(own),
                step(1, 4, Cause::Told(own), vec![]),
                step(1, 5, Cause::Told(own), vec![]),
            ],
            vec![(end + 3, Want::Told(own)), (end + 5, Want::Told(own))],
        ),
        (vec![told(never)], vec![(end, Want::Told(never))]),
        // Nobody asked for it; it was asked for once; another was; nobody was told of that one.
        (vec![cut(7, 7, 1, Some(own))], vec![(end, Want::Spawn(own))]),
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![spawned()]),
                cut(7, 7, 1, Some(own)),
                cut(8, 8, 1, Some(own)),
                step(1, 4, Cause::Spawn(Message { from: AgentId(8), ..own }), vec![]),
            ],
            vec![(end + 3, Want::Spawn(own)), (end + 4, Want::Spawn(own))],
        ),
        (
            vec![
                released.clone(),
                step(1, 3, Cause::Input(9), vec![spawned()]),
                cut(7, 7, 2, Some(own)),
            ],
            vec![(end + 2, Want::Spawn(own))],
        ),
        (vec![cut(7, 7, 9, None)], vec![(end, Want::Lease(9))]),
        (vec![forked(2), cut(7, 7, 1, None)], vec![(end + 1, Want::Fork(1))]),
        (vec![step(1, 3, Cause::Timer(never), vec![])], vec![(end, Want::Timer(never))]),
        (vec![step(1, 3, Cause::Timer(gone), vec![])], vec![(end, Want::Timer(gone))]),
        (vec![step(2, 3, Cause::Down(never), vec![])], vec![(end, Want::End(never))]),
        (vec![step(2, 3, Cause::Exit(gone), vec![])], vec![(end, Want::End(gone))]),
        (
            vec![released.clone(), on_input(vec![bound(1)]), step(2, 3, Cause::Down(own), vec![])],
            vec![(end + 2, Want::End(own))],
        ),
        (
            vec![released.clone(), on_input(vec![bound(2)])],
            vec![(end + 1, Want::Owner { lease: 2, owner: 2 })],
        ),
        (vec![proposal(3, 3, 8)], vec![(end, Want::Lease(8))]),
        (vec![proposal(3, 4, 3)], vec![(end, Want::Owner { lease: 3, owner: 3 })]),
        (vec![approval(8, Some(1), None)], vec![(end, Want::Proposal(8))]),
        (vec![proposal(3, 3, 3), approval(3, None, None)], vec![(end + 1, Want::Approver)]),
        (
            vec![proposal(3, 3, 3), approval(3, Some(6), None), intent(3, 3, 3, Some(3))],
            vec![(end + 1, Want::Principal(6)), (end + 2, Want::Approval(3))],
        ),
        (vec![intent(3, 3, 8, None)], vec![(end, Want::Lease(8))]),
        (vec![intent(3, 3, 3, Some(8))], vec![(end, Want::Proposal(8))]),
        // An approval is for one use.
        (vec![intent(3, 3, 3, Some(1))], vec![(end, Want::Approval(1))]),
        // One that is replayed does not come back, nor does one for a number given twice.
        (
            vec![approval(1, Some(1), None), intent(3, 3, 3, Some(1))],
            vec![(end, Want::Approved(1)), (end + 1, Want::Approval(1))],
        ),
        (
            vec![proposal(1, 3, 3), approval(1, Some(1), None), intent(3, 3, 3, Some(1))],
            vec![
                (end, Want::Unique(1)),
                (end + 1, Want::Approved(1)),
                (end + 2, Want::Approval(1)),
            ],
        ),
        (vec![receipt(8)], vec![(end, Want::Intent(8))]),
        (vec![unknown(8)], vec![(end, Want::Intent(8))]),
        (vec![order(6)], vec![(end, Want::Principal(6))]),
        (vec![import(8)], vec![(end, Want::Lease(8))]),
        (vec![import(3)], vec![]),
        (vec![unknown(2)], vec![]),
    ] {
        assert_eq!(orphans_of(&with(&more)), expected, "{more:?}");
    }
}

#[test]
fn a_message_is_for_its_receiver_only() {
    let mut records = story();
    let at = records
        .iter()
        .position(|record| matches!(record, Record::Step { cause: Cause::Message(_), .. }));
    let at = at.unwrap();
    records[at] = step(1, 1, Cause::Message(message(1, 0, 0)), vec![]);
    assert_eq!(orphans_of(&records), [(at as u64, Want::Message(message(1, 0, 0)))]);
}

#[test]
fn of_many_the_first_are_listed_and_all_are_counted() {
    let many = LISTED_ORPHANS as u64 + 7;
    let folder = write_records(&with(&(0..many).map(|id| receipt(100 + id)).collect::<Vec<_>>()));
    let found = find_orphans(folder.path()).unwrap();
    assert_eq!((found.count, found.first.len()), (many, LISTED_ORPHANS));
    assert_eq!(found.first[0].want, Want::Intent(100));
}
