//! Killed at any record: what was acknowledged holds, nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use karyon_authority::EffectState;
use karyon_broker::Answer;
use karyon_log::{Target, Verb};
use karyon_types::{AgentId, Bound, Capability, EffectId, LeaseId};

use crate::support::*;

/// Copies a data directory as it lies on the disk, as a kill would leave it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn killed_after_each_answer_the_ledger_comes_back_as_it_was() {
    let world = World::new();
    let killed = tempfile::tempdir().unwrap();
    let mut number = 0;
    let mut check = |world: &World| {
        // The answer was durable, so a copy of the files at this moment holds it.
        number += 1;
        let data = killed.path().join(number.to_string());
        copy(&world.data(), &data);
        let time = Arc::new(AtomicU64::new(world.clock.load(Ordering::SeqCst)));
        let again = open(&world.played, &data, &time).unwrap();
        let state = |ledger: &karyon_authority::Ledger| {
            let proposals: Vec<_> = ledger.proposals().map(|(p, s)| (p.id, s)).collect();
            let effects: Vec<_> = ledger.effects().map(|(intent, _)| intent.id).collect();
            let used = ledger.used(Target::Lease(LeaseId(1)), 0).map(|(n, all)| (n, all.clone()));
            let agent = Target::Agent(AgentId(1));
            (proposals, effects, used, ledger.standing(agent), ledger.holds(LeaseId(1)))
        };
        assert_eq!(again.look(state), world.broker.look(state));
        // Nobody acts again on what was in flight.
        assert!(again.look(|l| l.effects().all(|(_, state)| state == EffectState::Unknown)));
        again
    };
    let careful = Capability { approval: true, ..capability(vec![("amount", Bound::Budget(10))]) };
    let payer = world.agent("payer", terms(careful));
    check(&world);
    let (proposal, digest) = proposed(&world.ask(payer, &amount(4)));
    check(&world);
    world.approve(ADA, proposal, digest).unwrap();
    check(&world);
    world.order(ADA, Verb::Suspend, Target::Agent(payer.0)).unwrap();
    check(&world);
    world.order(ADA, Verb::Resume, Target::Agent(payer.0)).unwrap();
    check(&world);
    let effect = admitted(&world.ask_with(payer, &amount(4), Some(proposal)));
    let again = check(&world);
    assert!(again.act(effect, &key(ADAPTER), |_| unreachable!("it may have happened")).is_err());
    world.act(effect).unwrap();
    let again = check(&world);
    assert!(again.act(effect, &key(ADAPTER), |_| unreachable!("it happened")).is_err());
    world.order(ADA, Verb::Revoke, Target::Lease(payer.1)).unwrap();
    let again = check(&world);
    let arguments = amount(1);
    let ask = karyon_authority::Ask {
        agent: payer.0,
        lease: payer.1,
        action: "payment.transfer",
        resource: "bank/acme",
        arguments: &arguments,
        proposal: None,
        within_ms: 1,
    };
    assert!(matches!(again.ask(&ask).unwrap(), Answer::Denied(no) if no.code() == "lease_revoked"));
    assert_eq!(effect, EffectId(1));
}
