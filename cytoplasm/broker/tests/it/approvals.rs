//! Approvals that somebody would like to use twice, for something else, or to give to themselves:
//! the other half of the adversarial table.

use std::sync::atomic::{AtomicUsize, Ordering};

use karyon_broker::{ActError, Answer};
use karyon_log::{Target, Verb};
use karyon_statements::Statement;
use karyon_types::{
    Argument, Arguments, Bound, Capability, Hash, LeaseId, LogId, ProposalId, Terms,
};

use crate::support::*;

fn approved() -> Terms {
    let bounds = vec![("amount", Bound::Maximum(1_000_000))];
    terms(Capability { approval: true, ..capability(bounds) })
}

#[test]
fn approving_82_000_does_not_admit_820_000() {
    let world = World::new();
    let payer = world.agent("payer", approved());
    let (proposal, digest) = proposed(&world.ask(payer, &amount(82_000)));
    assert_eq!(denied(&world.ask_with(payer, &amount(82_000), Some(proposal))), "needs_approval");
    world.approve(ADA, proposal, digest).unwrap();
    let wrong =
        |arguments: &Arguments, proposal| denied(&world.ask_with(payer, arguments, proposal));
    assert_eq!(wrong(&amount(820_000), Some(proposal)), "no_matching_approval");
    assert_eq!(wrong(&amount(81_999), Some(proposal)), "no_matching_approval");
    let text = Arguments::from([("amount".to_owned(), Argument::Text("82000".into()))]);
    assert_eq!(wrong(&text, Some(proposal)), "exceeds_capability_amount");
    let more = Arguments::from([
        ("amount".to_owned(), Argument::Int(82_000)),
        ("to".to_owned(), Argument::Null),
    ]);
    assert_eq!(wrong(&more, Some(proposal)), "no_matching_approval");
    assert_eq!(wrong(&amount(82_000), Some(ProposalId(77))), "no_matching_approval");
    // Another agent with a lease of the same terms does not get it.
    let other = world.agent("other", approved());
    assert_eq!(
        denied(&world.ask_with(other, &amount(82_000), Some(proposal))),
        "no_matching_approval"
    );
    let effect = admitted(&world.ask_with(payer, &amount(82_000), Some(proposal)));
    assert_eq!(world.act(effect).unwrap().status, karyon_log::EffectStatus::Done);
    // Once.
    assert_eq!(wrong(&amount(82_000), Some(proposal)), "no_matching_approval");
    assert_eq!(refused(world.approve(ADA, proposal, digest)), "already_used");
}

#[test]
fn approvals_that_do_not_count() {
    let world = World::new();
    let payer = world.agent("payer", approved());
    let (proposal, digest) = proposed(&world.ask(payer, &amount(82_000)));
    let log = world.broker.log();
    let sign = |log, proposal: u64, digest: Hash, expires_unix_ms, who| {
        Statement::Approval { proposal, digest: digest.0, expires_unix_ms }.sign(log, &key(who))
    };
    for (statement, code) in [
        (sign(log, proposal.0, Hash::ZERO, u64::MAX, ADA), "approval_of_other_arguments"),
        (sign(log, 99, digest, u64::MAX, ADA), "unknown_target"),
        (sign(log, proposal.0, digest, *START, ADA), "approval_expired"),
        (sign(LogId([9; 16]), proposal.0, digest, u64::MAX, ADA), "other_log"),
        (sign(log, proposal.0, digest, u64::MAX, GRACE), "unknown_principal"),
        (order(log, ADA, Verb::Revoke, Target::Agent(payer.0), 1), "unknown_target"),
    ] {
        assert_eq!(refused(world.broker.approve(&statement)), code, "{statement:?}");
    }
    let mut forged = approval(log, ADA, proposal, digest);
    forged.signature.0[0] ^= 1;
    assert_eq!(refused(world.broker.approve(&forged)), "bad_signature");
    // Good until a certain moment, and not used in time.
    world.broker.approve(&sign(log, proposal.0, digest, *START + 10, ADA)).unwrap();
    world.pass(10);
    assert_eq!(
        denied(&world.ask_with(payer, &amount(82_000), Some(proposal))),
        "no_matching_approval"
    );
    // The proposal itself ends as well.
    let (second, digest) = proposed(&world.ask(payer, &amount(5)));
    world.pass(karyon_authority::limits::PROPOSAL_MS);
    assert_eq!(refused(world.approve(ADA, second, digest)), "approval_expired");
}

#[test]
fn an_approval_survives_a_crash_and_is_still_single_use() {
    let world = World::new();
    let payer = world.agent("payer", approved());
    let (proposal, digest) = proposed(&world.ask(payer, &amount(82_000)));
    let world = world.reopened();
    // The very same question is not a second proposal.
    assert_eq!(proposed(&world.ask(payer, &amount(82_000))), (proposal, digest));
    let signed = approval(world.broker.log(), ADA, proposal, digest);
    world.broker.approve(&signed).unwrap();
    assert_eq!(refused(world.broker.approve(&signed)), "already_approved");
    let world = world.reopened();
    assert_eq!(refused(world.broker.approve(&signed)), "already_approved");
    let effect = admitted(&world.ask_with(payer, &amount(82_000), Some(proposal)));
    let world = world.reopened();
    // The intent was durable, so the approval is used, whatever became of it.
    assert_eq!(refused(world.broker.approve(&signed)), "already_used");
    assert_eq!(
        denied(&world.ask_with(payer, &amount(82_000), Some(proposal))),
        "no_matching_approval"
    );
    // Nobody had begun it when the node ended in good order, so it may still happen, once.
    assert_eq!(world.act(effect).unwrap().status, karyon_log::EffectStatus::Done);
    assert!(matches!(world.act(effect), Err(ActError::Refused(_))));
}

#[test]
fn nobody_in_the_line_of_delegation_approves() {
    let world = World::new();
    let (broker, all) = (&world.broker, Terms { approves: true, ..approved() });
    let (grant, _) = world.grant(ADA, &all);
    let [boss, middle, payer, puppet, peer] =
        ["boss", "middle", "payer", "puppet", "peer"].map(|name| broker.agent(name).unwrap());
    let boss_lease = broker.lease(grant, boss, None, all.clone()).unwrap();
    let middle_lease = broker.attenuate(boss, boss_lease, middle, None, all.clone()).unwrap();
    let payer_lease = broker.attenuate(middle, middle_lease, payer, None, all.clone()).unwrap();
    // What the proposer passed on, and what somebody above it passed on, is no other's authority.
    let of_payer = broker.attenuate(payer, payer_lease, puppet, None, all.clone()).unwrap();
    let of_boss = broker.attenuate(boss, boss_lease, peer, None, all.clone()).unwrap();
    let own_again = broker.lease(grant, payer, None, all.clone()).unwrap();
    let independent = broker.lease(grant, peer, None, all.clone()).unwrap();
    let not_allowed = broker.lease(grant, peer, None, approved()).unwrap();
    let (proposal, digest) = proposed(&world.ask((payer, payer_lease), &amount(82_000)));
    let refuse = |agent, lease| refused(broker.approve_as(agent, lease, proposal, digest));
    for (agent, lease, code) in [
        (payer, payer_lease, "approver_not_independent"),
        (payer, own_again, "approver_not_independent"),
        (middle, middle_lease, "approver_not_independent"),
        (boss, boss_lease, "approver_not_independent"),
        (puppet, of_payer, "approver_not_independent"),
        (peer, of_boss, "approver_not_independent"),
        (peer, not_allowed, "capability_not_granted"),
        (payer, independent, "lease_agent_mismatch"),
        (peer, LeaseId(999), "unknown_lease"),
    ] {
        assert_eq!(refuse(agent, lease), code, "{agent} {lease}");
    }
    assert_eq!(
        refused(broker.approve_as(peer, independent, proposal, Hash::ZERO)),
        "approval_of_other_arguments"
    );
    broker.approve_as(peer, independent, proposal, digest).unwrap();
    admitted(&world.ask_with((payer, payer_lease), &amount(82_000), Some(proposal)));
}

#[test]
fn of_two_approvals_and_of_two_uses_that_race_one_wins() {
    let world = World::new();
    world.grant(GRACE, &approved());
    let payer = world.agent("payer", approved());
    for round in 0..20 {
        let (proposal, digest) = proposed(&world.ask(payer, &amount(1000 + round)));
        let wins = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for principal in [ADA, GRACE] {
                let (world, wins) = (&world, &wins);
                scope.spawn(move || match world.approve(principal, proposal, digest) {
                    Ok(_) => drop(wins.fetch_add(1, Ordering::SeqCst)),
                    other => assert_eq!(refused(other), "already_approved"),
                });
            }
        });
        assert_eq!(wins.swap(0, Ordering::SeqCst), 1);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (world, wins) = (&world, &wins);
                scope.spawn(move || {
                    match world.ask_with(payer, &amount(1000 + round), Some(proposal)) {
                        Answer::Admitted(effect) => {
                            // And of two who act on it, one.
                            let acts = [world.act(effect).is_ok(), world.act(effect).is_ok()];
                            assert_eq!(acts, [true, false]);
                            wins.fetch_add(1, Ordering::SeqCst);
                        }
                        other => assert_eq!(denied(&other), "no_matching_approval"),
                    }
                });
            }
        });
        assert_eq!(wins.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn an_approval_that_ends_between_admission_and_act() {
    let world = World::new();
    let payer = world.agent("payer", approved());
    let (proposal, digest) = proposed(&world.ask(payer, &amount(7)));
    let (number, digest, expires_unix_ms) = (proposal.0, digest.0, *START + 10);
    let approval = Statement::Approval { proposal: number, digest, expires_unix_ms };
    world.broker.approve(&approval.sign(world.broker.log(), &key(ADA))).unwrap();
    let effect = admitted(&world.ask_with(payer, &amount(7), Some(proposal)));
    world.pass(10);
    match world.act(effect) {
        Err(ActError::Denied(no)) => assert_eq!(no.code(), "no_matching_approval"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_approval_does_not_outlive_its_approver() {
    let world = World::new();
    world.grant(GRACE, &approved());
    let payer = world.agent("payer", approved());
    let (first, digest) = proposed(&world.ask(payer, &amount(7)));
    world.approve(GRACE, first, digest).unwrap();
    let (second, digest) = proposed(&world.ask(payer, &amount(8)));
    world.approve(GRACE, second, digest).unwrap();
    let effect = admitted(&world.ask_with(payer, &amount(8), Some(second)));
    let grace = world.broker.look(|ledger| ledger.principal(&key(GRACE).public_key())).unwrap();
    world.order(GRACE, Verb::Revoke, Target::Principal(grace)).unwrap();
    let unused = world.ask_with(payer, &amount(7), Some(first));
    assert_eq!(denied(&unused), "no_matching_approval");
    match world.act(effect) {
        Err(ActError::Denied(no)) => assert_eq!(no.code(), "no_matching_approval"),
        other => panic!("{other:?}"),
    }
}
