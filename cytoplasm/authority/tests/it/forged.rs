//! A log can be written by whoever holds the node's key: what a principal or an adapter is to have
//! said in it counts only with their signature.

use karyon_authority::{Ask, Decision, Ledger, receipt_digest};
use karyon_log::{Approval, Control, EffectStatus, Intent, Order, Proposal, Receipt, Target, Verb};
use karyon_statements::{SignedStatement, Statement};
use karyon_types::{AgentId, Argument, Arguments, Capability, LeaseId, LogId, Terms};

use crate::support::{KEYS, LOG, apply, ledger, order, signed_grant};

/// Ada granted, an agent proposed.
fn story() -> (Ledger, Proposal) {
    let mut ledger = ledger();
    let pay = Capability {
        action: "pay".into(),
        resource: "bank".into(),
        constraints: Vec::new(),
        uses: None,
        approval: true,
    };
    let terms = Terms { capabilities: vec![pay], ..Terms::default() };
    let granted = ledger.grant(&signed_grant(0, &terms, 1), terms.clone(), None).unwrap();
    apply(&mut ledger, granted.records);
    let agent = ledger.agent("payer").unwrap();
    apply(&mut ledger, [Control::Agent(agent)]);
    let lease = ledger.lease(granted.id, AgentId(1), None, terms).unwrap();
    apply(&mut ledger, [Control::Terms(lease)]);
    let Decision::NeedsApproval(proposal) = ask(&ledger) else { panic!() };
    apply(&mut ledger, [Control::Proposal(proposal.clone())]);
    (ledger, proposal)
}

fn arguments() -> Arguments {
    [("amount".to_owned(), Argument::Int(82_000))].into()
}

fn ask(ledger: &Ledger) -> Decision {
    ledger.ask(&Ask {
        agent: AgentId(1),
        lease: LeaseId(1),
        action: "pay",
        resource: "bank",
        arguments: &arguments(),
        proposal: None,
        within_ms: 1,
    })
}

fn approval(signed: &SignedStatement) -> Control {
    let (principal, lease, signed) = (Some(1), None, signed.encode());
    Control::Approval(Approval { proposal: 1, principal, lease, signed, at_unix_ms: 0 })
}

#[test]
fn approvals() {
    let (mut ledger, proposal) = story();
    let say = |proposal, digest, log, key: usize| {
        Statement::Approval { proposal, digest, expires_unix_ms: 9 }.sign(log, &KEYS[key])
    };
    let good = say(1, proposal.digest, LOG, 0);
    let mut bent = good.clone();
    bent.signature.0[3] ^= 1;
    for bad in [
        say(1, proposal.digest, LOG, 1),
        say(1, [0; 32], LOG, 0),
        say(2, proposal.digest, LOG, 0),
        say(1, proposal.digest, LogId([1; 16]), 0),
        order(0, Verb::Revoke, Target::Agent(AgentId(1)), 1),
        bent,
    ] {
        assert!(ledger.apply(&approval(&bad)).is_err(), "{bad:?}");
    }
    let nobody =
        Approval { proposal: 1, principal: None, lease: None, signed: Vec::new(), at_unix_ms: 0 };
    assert!(ledger.apply(&Control::Approval(nobody.clone())).is_err());
    // The proposer's own lease, which may not approve anyway.
    let own = Approval { lease: Some(1), ..nobody };
    assert!(ledger.apply(&Control::Approval(own)).is_err());
    ledger.apply(&approval(&good)).unwrap();
    assert!(ledger.apply(&approval(&good)).is_err());
}

#[test]
fn orders() {
    let (mut ledger, _) = story();
    let target = Target::Lease(LeaseId(1));
    let record = |signed: &SignedStatement, verb: Verb| {
        let (verb, target) = (verb as u8, target.parts());
        let (signed, principal) = (signed.encode(), 1);
        Control::Order(Order { verb, target, principal, signed, in_flight: 0, at_unix_ms: 0 })
    };
    let suspend = order(0, Verb::Suspend, target, 5);
    assert!(ledger.apply(&record(&order(1, Verb::Suspend, target, 5), Verb::Suspend)).is_err());
    assert!(ledger.apply(&record(&suspend, Verb::Revoke)).is_err());
    ledger.apply(&record(&suspend, Verb::Suspend)).unwrap();
    assert!(ledger.apply(&record(&suspend, Verb::Suspend)).is_err());
    let earlier = order(0, Verb::Resume, target, 4);
    assert!(ledger.apply(&record(&earlier, Verb::Resume)).is_err());
}

#[test]
fn receipts() {
    let (mut ledger, proposal) = story();
    let good = Statement::Approval { proposal: 1, digest: proposal.digest, expires_unix_ms: 9 };
    ledger.apply(&approval(&good.sign(LOG, &KEYS[0]))).unwrap();
    let intent = Intent {
        id: 1,
        agent: 1,
        lease: 1,
        capability: 0,
        proposal: Some(1),
        action: "pay".into(),
        resource: "bank".into(),
        arguments: arguments(),
        deadline_unix_ms: 9,
        at_unix_ms: 0,
    };
    let unapproved = Intent { proposal: Some(2), ..intent.clone() };
    let mut dearer = intent.clone();
    dearer.arguments = [("amount".to_owned(), Argument::Int(820_000))].into();
    for bad in [
        unapproved,
        dearer,
        Intent { proposal: None, ..intent.clone() },
        Intent { agent: 2, ..intent.clone() },
        Intent { resource: "bankrupt".into(), ..intent.clone() },
        Intent { capability: 1, ..intent.clone() },
    ] {
        assert!(ledger.apply(&Control::Intent(bad.clone())).is_err(), "{bad:?}");
    }
    ledger.apply(&Control::Intent(intent)).unwrap();
    let mut receipt = Receipt {
        effect: 1,
        status: EffectStatus::Done,
        payload: [0; 32],
        used: [].into(),
        started_unix_ms: 0,
        ended_unix_ms: 0,
        adapter: KEYS[2].public_key().0,
        signature: vec![0; 64],
    };
    assert!(ledger.apply(&Control::Receipt(receipt.clone())).is_err());
    receipt.signature = KEYS[2].sign(&receipt_digest(LOG, &receipt).0).0.to_vec();
    let changed = Receipt { status: EffectStatus::Failed, ..receipt.clone() };
    assert!(ledger.apply(&Control::Receipt(changed)).is_err());
    ledger.apply(&Control::Receipt(receipt.clone())).unwrap();
    assert!(ledger.apply(&Control::Receipt(receipt)).is_err());
}
