//! From a receipt back to the principal, and from a principal to what came of the grant.

use karyon_log::{
    AgentRecord, Approval, Control, GrantRecord, Intent, Order, OutcomeUnknown, PrincipalRecord,
    Proposal, ReasonRecord, Receipt, Record, Refused, TermsRecord,
};
use karyon_memory::{Bounds, LineageError, Subject, consequences, explain};
use karyon_types::{AgentId, GrantId, LeaseId, Position};

use crate::support::*;

const BOUNDS: Bounds = Bounds { depth: 10, links: 1000 };

fn control(control: Control) -> Record<'static> {
    Record::Control(Box::new(control))
}

fn terms(lease: u64, owner: u64, grant: u64, parent: Option<u64>, reason: u64) -> Record<'static> {
    let terms = Default::default();
    control(Control::Terms(TermsRecord { lease, owner, grant, parent, reason, terms }))
}

fn proposal(id: u64, agent: u64, lease: u64) -> Record<'static> {
    control(Control::Proposal(Proposal {
        id,
        agent,
        lease,
        action: "payment.transfer".into(),
        resource: "bank/acme".into(),
        arguments: Default::default(),
        digest: [7; 32],
        expires_unix_ms: 99,
    }))
}

fn approval(proposal: u64, principal: Option<u64>, lease: Option<u64>) -> Record<'static> {
    let signed = Vec::new();
    control(Control::Approval(Approval { proposal, principal, lease, signed, at_unix_ms: 1 }))
}

fn intent(id: u64, agent: u64, lease: u64, proposal: Option<u64>) -> Record<'static> {
    control(Control::Intent(Intent {
        id,
        agent,
        lease,
        capability: 0,
        proposal,
        action: "payment.transfer".into(),
        resource: "bank/acme".into(),
        arguments: Default::default(),
        deadline_unix_ms: 9,
        at_unix_ms: 1,
    }))
}

fn receipt(effect: u64) -> Record<'static> {
    control(Control::Receipt(Receipt {
        effect,
        status: karyon_log::EffectStatus::Done,
        payload: [0; 32],
        used: Default::default(),
        started_unix_ms: 1,
        ended_unix_ms: 2,
        adapter: [0; 32],
        signature: Vec::new(),
    }))
}

/// Ada answers for grant 1; from it lease 8 is cut for agent 5, who cuts lease 9 for agent 6. Bob
/// answers for grant 2, from which lease 10 lets agent 7 approve.
fn records() -> Vec<Record<'static>> {
    let principal = |id, name: &str| {
        control(Control::Principal(PrincipalRecord { id, name: name.into(), public_key: [9; 32] }))
    };
    let reason = |id, parent, label: &str| {
        control(Control::Reason(ReasonRecord { id, parent, label: label.into() }))
    };
    let grant = |id, principal, reason| {
        control(Control::Grant(GrantRecord {
            id,
            principal,
            reason,
            rights: 0,
            scope_first: 0,
            scope_last: 0,
            expires: None,
            signed: Vec::new(),
            terms: Some(Default::default()),
        }))
    };
    vec![
        principal(1, "ada"),                                                  // 0
        reason(1, None, "to keep the books"),                                 // 1
        grant(1, 1, 1),                                                       // 2
        principal(2, "bob"),                                                  // 3
        reason(2, None, "to watch the payments"),                             // 4
        grant(2, 2, 2),                                                       // 5
        control(Control::Agent(AgentRecord { id: 5, name: "clerk".into() })), // 6
        terms(8, 5, 1, None, 1),                                              // 7
        reason(3, Some(1), "to pay a bill"),                                  // 8
        terms(9, 6, 1, Some(8), 3),                                           // 9
        terms(10, 7, 2, None, 2),                                             // 10
        proposal(1, 6, 9),                                                    // 11
        approval(1, Some(1), None),                                           // 12
        proposal(2, 6, 9),                                                    // 13
        approval(2, None, Some(10)),                                          // 14
        intent(1, 6, 9, Some(1)),                                             // 15
        intent(2, 6, 9, Some(2)),                                             // 16
        receipt(1),                                                           // 17
        control(Control::OutcomeUnknown(OutcomeUnknown { effect: 2, why: "cut".into() })), // 18
        intent(3, 5, 8, None),                                                // 19
        receipt(3),                                                           // 20
        control(Control::Refused(Refused {
            agent: 6,
            lease: Some(9),
            code: "exceeds_capability_cents".into(),
            action: "payment.transfer".into(),
            resource: "bank/acme".into(),
            count: 2,
        })), // 21
        control(Control::Order(Order {
            verb: 3,
            target: (5, 8),
            principal: 1,
            signed: Vec::new(),
            in_flight: 0,
            at_unix_ms: 1,
        })), // 22
    ]
}

#[track_caller]
fn chain(position: u64) -> (Vec<u64>, karyon_memory::Lineage) {
    let lineage = ask(&records(), |journal, reader| {
        explain(Subject::Record(Position(position)), journal, reader).unwrap()
    });
    (lineage.links.iter().map(|link| link.position.0).collect(), lineage)
}

#[test]
fn a_receipt_leads_back_to_whoever_answers_and_whoever_approved() {
    let (links, lineage) = chain(17);
    assert_eq!(links, [17, 15, 12, 11, 9, 7, 2]);
    let authority = lineage.authority.unwrap();
    assert_eq!(authority.lease, Some(LeaseId(9)));
    assert_eq!(authority.grant, Some((GrantId(1), Position(2))));
    assert_eq!(authority.reasons, ["to pay a bill", "to keep the books"]);
    assert_eq!(authority.principal.name, "ada");
    let [approved] = &lineage.approved[..] else { panic!("{:?}", lineage.approved) };
    assert_eq!((approved.position, approved.proposal, approved.agent), (Position(12), 1, None));
    let in_person = approved.authority.as_ref().unwrap();
    assert_eq!((in_person.grant, in_person.principal.name.as_str()), (None, "ada"));
}

#[test]
fn an_agent_that_approved_is_named_with_its_own_principal() {
    let (links, lineage) = chain(18);
    assert_eq!(links, [18, 16, 14, 13, 9, 7, 2]);
    assert_eq!(lineage.authority.unwrap().principal.name, "ada");
    let [approved] = &lineage.approved[..] else { panic!("{:?}", lineage.approved) };
    assert_eq!((approved.position, approved.agent), (Position(14), Some(AgentId(7))));
    let authority = approved.authority.as_ref().unwrap();
    assert_eq!((authority.lease, authority.principal.name.as_str()), (Some(LeaseId(10)), "bob"));
    assert_eq!(authority.reasons, ["to watch the payments"]);
}

#[test]
fn every_record_leads_back_to_a_principal() {
    for (position, links, principal) in [
        (0, &[0][..], "ada"),
        (1, &[1], "ada"),
        (2, &[2], "ada"),
        (3, &[3], "bob"),
        (5, &[5], "bob"),
        (6, &[6], "ada"),
        (8, &[8, 1], "ada"),
        (9, &[9, 7, 2], "ada"),
        (10, &[10, 5], "bob"),
        (11, &[11, 9, 7, 2], "ada"),
        (12, &[12, 11, 9, 7, 2], "ada"),
        (20, &[20, 19, 7, 2], "ada"),
        (21, &[21, 9, 7, 2], "ada"),
        (22, &[22], "ada"),
    ] {
        let (found, lineage) = chain(position);
        assert_eq!(found, links, "{position}");
        assert_eq!(lineage.authority.unwrap().principal.name, principal, "{position}");
    }
}

/// Each link of the tree, and that of which it came.
fn tree(position: u64, bounds: Bounds) -> (Vec<(u64, Option<u64>)>, karyon_memory::LeftOut) {
    let tree = ask(&records(), |journal, reader| {
        consequences(Subject::Record(Position(position)), bounds, journal, reader).unwrap()
    });
    let at = |place: usize| tree.links[place].link.position.0;
    let links = (0..tree.links.len()).map(|link| (at(link), tree.links[link].parent.map(at)));
    (links.collect(), tree.left_out)
}

#[test]
fn a_principal_leads_to_all_that_was_done_in_their_name() {
    let (links, left_out) = tree(0, BOUNDS);
    let expected = [
        (0, None),
        (2, Some(0)),
        (22, Some(0)),
        (12, Some(0)),
        (7, Some(2)),
        (15, Some(12)),
        (9, Some(7)),
        (19, Some(7)),
        (17, Some(15)),
        (11, Some(9)),
        (13, Some(9)),
        (21, Some(9)),
        (20, Some(19)),
        (14, Some(13)),
        (16, Some(14)),
        (18, Some(16)),
    ];
    assert_eq!(links, expected);
    assert_eq!(left_out, Default::default());
    let (links, _) = tree(3, BOUNDS);
    let expected = [3, 5, 10, 14, 16, 18];
    assert_eq!(links.iter().map(|(link, _)| *link).collect::<Vec<_>>(), expected);
}

#[test]
fn both_ways_agree() {
    let records = records();
    ask(&records, |journal, reader| {
        let mut chains = Vec::new();
        for record in 0..records.len() as u64 {
            let subject = Subject::Record(Position(record));
            let lineage = explain(subject, journal, reader).unwrap();
            chains.push(lineage.links.iter().map(|link| link.position.0).collect::<Vec<_>>());
        }
        for record in 0..records.len() as u64 {
            let subject = Subject::Record(Position(record));
            let tree = consequences(subject, BOUNDS, journal, reader).unwrap();
            assert_eq!(tree.left_out, Default::default());
            let came_of: Vec<_> = tree.links.iter().map(|link| link.link.position.0).collect();
            for (effect, chain) in (0..).zip(&chains) {
                // Principals, reasons and an approver's lease are told beside the chain.
                let beside = matches!(record, 0 | 1 | 3 | 4 | 5 | 6 | 8 | 10);
                if chain.contains(&record) {
                    assert!(came_of.contains(&effect), "{effect} came of {record}");
                } else if came_of.contains(&effect) {
                    assert!(beside, "{effect} did not come of {record}");
                }
            }
        }
    });
}

#[test]
fn bounds_say_what_they_leave_out() {
    let (links, left_out) = tree(2, Bounds { depth: 1, links: 1000 });
    assert_eq!(links, [(2, None), (7, Some(2))]);
    assert_eq!((left_out.deeper, left_out.more), (1, false));
    let (links, left_out) = tree(2, Bounds { depth: 10, links: 3 });
    assert_eq!(links.len(), 3);
    assert_eq!((left_out.deeper, left_out.more), (0, true));
}

#[test]
fn an_effect_of_nothing_is_told() {
    let mut records = records();
    records.push(receipt(77));
    let last = Subject::Record(Position(records.len() as u64 - 1));
    let error = ask(&records, |journal, reader| explain(last, journal, reader).unwrap_err());
    assert!(
        matches!(error, LineageError::Missing { ref what, .. } if what == "effect 77"),
        "{error}"
    );
}
