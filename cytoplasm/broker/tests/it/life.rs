//! An effect's whole life, and the limits on how many there are at once.

use karyon_authority::{
    EffectState,
    limits::{EFFECT_MS_MAX, IN_FLIGHT_LEASE_MAX, IN_FLIGHT_MAX, LEASE_LOG_BYTES},
};
use karyon_broker::{ActError, Answer, Outcome, effect_key};
use karyon_log::{Control, Record, Records, Target, Verb, Walk};
use karyon_runtime::datadir;
use karyon_types::{Argument, Bound, EffectId};
use karyon_verify::{KeyStatus, Trust, verify};

use crate::support::*;

fn kinds(world: &World) -> Vec<&'static str> {
    let mut walk = Walk::open(&datadir::log_folder(&world.data())).unwrap();
    let mut kinds = Vec::new();
    while let Some(blocks) = walk.next_group().unwrap() {
        for block in blocks {
            for record in Records::new(&block.body) {
                let Record::Control(control) = record.unwrap() else { continue };
                kinds.push(match *control {
                    Control::Principal(_) => "principal",
                    Control::Reason(_) => "reason",
                    Control::Grant(_) => "grant",
                    Control::Agent(_) => "agent",
                    Control::Terms(_) => "terms",
                    Control::Order(_) => "order",
                    Control::Proposal(_) => "proposal",
                    Control::Approval(_) => "approval",
                    Control::Intent(_) => "intent",
                    Control::Receipt(_) => "receipt",
                    Control::OutcomeUnknown(_) => "unknown",
                    _ => continue,
                });
            }
        }
    }
    kinds
}

#[test]
fn everything_is_recorded_before_it_is_real() {
    let world = World::new();
    let bounds = vec![("amount", Bound::Maximum(10))];
    let careful = karyon_types::Capability { approval: true, ..capability(bounds) };
    let payer = world.agent("payer", terms(careful));
    let (proposal, digest) = proposed(&world.ask(payer, &amount(5)));
    world.approve(ADA, proposal, digest).unwrap();
    let effect = admitted(&world.ask_with(payer, &amount(5), Some(proposal)));
    let receipt = world.broker.act(effect, &key(ADAPTER), |intent| {
        // While it acts, its intent is on the disk.
        assert_eq!(intent.id, effect.0);
        assert_eq!(kinds(&world).last(), Some(&"intent"));
        karyon_broker::Performed { outcome: Outcome::Done, ..Default::default() }
    });
    assert_eq!(receipt.unwrap().effect, effect.0);
    world.order(ADA, Verb::Suspend, Target::Agent(payer.0)).unwrap();
    let expected = [
        "principal",
        "reason",
        "grant",
        "agent",
        "terms",
        "proposal",
        "approval",
        "intent",
        "receipt",
        "order",
    ];
    assert_eq!(kinds(&world), expected);
    let data = world.data();
    drop(world.broker.close().unwrap());
    let trust = Trust { node_key: Some(key(NODE).public_key()), ..Trust::default() };
    let report = verify(
        &datadir::log_folder(&data),
        &datadir::checkpoint_file(&data),
        &datadir::inputs(&data),
        &trust,
    );
    assert_eq!(report.unwrap().key, KeyStatus::Trusted);
}

#[test]
fn what_takes_too_long_is_unknown_and_a_late_receipt_settles_it() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![("amount", Bound::Budget(10))])));
    let effect = admitted(&world.ask(payer, &amount(10)));
    world.broker.sweep().unwrap();
    let receipt = world.broker.act(effect, &key(ADAPTER), |_| {
        world.pass(60_000);
        world.broker.sweep().unwrap();
        let state = world.broker.look(|ledger| ledger.effect(effect).map(|(_, state)| state));
        assert_eq!(state, Some(EffectState::Unknown));
        // It may have happened: its budget stays reserved.
        assert_eq!(denied(&world.ask(payer, &amount(1))), "budget_exhausted");
        karyon_broker::Performed::default()
    });
    assert_eq!(receipt.unwrap().status, karyon_log::EffectStatus::Failed);
    admitted(&world.ask(payer, &amount(10)));
}

#[test]
fn receipts_of_strangers_are_not_taken() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![])));
    let effect = admitted(&world.ask(payer, &amount(1)));
    let stranger = world.broker.act(effect, &key(99), |_| Default::default());
    assert!(
        matches!(stranger, Err(ActError::Refused(refusal)) if refusal.code() == "unknown_adapter")
    );
    assert_ne!(effect_key(world.broker.log(), effect), effect_key(world.broker.log(), EffectId(2)));
}

#[test]
fn effects_in_flight_are_bounded() {
    let world = World::new();
    let all: Vec<_> = (0..IN_FLIGHT_MAX as u64 / IN_FLIGHT_LEASE_MAX)
        .map(|n| world.agent(&format!("payer {n}"), terms(capability(vec![]))))
        .collect();
    for payer in &all {
        for _ in 0..IN_FLIGHT_LEASE_MAX {
            admitted(&world.ask(*payer, &amount(1)));
        }
        // None takes the room of the others.
        assert_eq!(world.ask(*payer, &amount(1)), Answer::LaneClosed);
        assert_eq!(world.broker.in_flight(Target::Lease(payer.1)), IN_FLIGHT_LEASE_MAX);
    }
    let late = world.agent("late", terms(capability(vec![])));
    assert_eq!(world.ask(late, &amount(1)), Answer::LaneClosed);
    world.act(EffectId(1)).unwrap();
    admitted(&world.ask(late, &amount(1)));
    // Whatever was asked for, after a day their outcome is unknown, and there is room again.
    world.pass(EFFECT_MS_MAX);
    admitted(&world.ask(late, &amount(1)));
}

#[test]
fn stop_denies_everything() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![])));
    let effect = admitted(&world.ask(payer, &amount(1)));
    std::fs::write(world.data().join("safety").join("STOP"), "").unwrap();
    assert_eq!(denied(&world.ask(payer, &amount(1))), "system_halted");
    assert!(matches!(world.act(effect), Err(ActError::Denied(no)) if no.code() == "system_halted"));
}

#[test]
fn who_cannot_tell_leaves_an_unknown_outcome_and_a_late_receipt_settles_it() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![("amount", Bound::Budget(10))])));
    let effect = admitted(&world.ask(payer, &amount(10)));
    let lost = world.broker.act(effect, &key(ADAPTER), |_| karyon_broker::Performed {
        outcome: Outcome::Unknown("the line broke".into()),
        ..Default::default()
    });
    assert!(matches!(lost, Err(ActError::Unknown(why)) if why == "the line broke"));
    assert_eq!(denied(&world.ask(payer, &amount(1))), "budget_exhausted");
    let again = world.broker.act(effect, &key(ADAPTER), |_| unreachable!("it may have happened"));
    assert!(matches!(again, Err(ActError::Refused(_))));
}

#[test]
fn a_lease_fills_the_log_only_so_far() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![])));
    let big = [("note".to_owned(), Argument::Text("x".repeat(60_000)))].into();
    let mut admissions = 0u64;
    loop {
        match world.ask(payer, &big) {
            Answer::Admitted(effect) => drop(world.act(effect).unwrap()),
            other => break assert_eq!(denied(&other), "budget_exhausted"),
        }
        admissions += 1;
        assert!(admissions * 60_000 < LEASE_LOG_BYTES + 100_000);
    }
    assert!(admissions > 1000);
    let world = world.reopened();
    assert_eq!(denied(&world.ask(payer, &amount(1))), "budget_exhausted");
}
