//! An effect's whole life, and the limits on how many there are at once.

use karyon_authority::{EffectState, limits::IN_FLIGHT_MAX};
use karyon_broker::{ActError, Answer, effect_key};
use karyon_log::{Control, KeyStatus, Record, Records, Target, Trust, Verb, Walk, verify};
use karyon_runtime::datadir;
use karyon_types::{Bound, EffectId};

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
        karyon_broker::Performed { done: true, ..Default::default() }
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
    assert_eq!(world.broker.sweep().unwrap(), 0);
    let receipt = world.broker.act(effect, &key(ADAPTER), |_| {
        world.pass(60_000);
        assert_eq!(world.broker.sweep().unwrap(), 1);
        let state = world.broker.look(|ledger| ledger.effect(effect).map(|(_, state)| state));
        assert_eq!(state, Some(EffectState::Unknown));
        // It may have happened: its budget stays reserved.
        assert_eq!(denied(&world.ask(payer, &amount(1))), "budget_exhausted");
        karyon_broker::Performed::default()
    });
    assert_eq!(receipt.unwrap().status, "failed");
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
    let payer = world.agent("payer", terms(capability(vec![])));
    for _ in 0..IN_FLIGHT_MAX {
        admitted(&world.ask(payer, &amount(1)));
    }
    assert_eq!(world.ask(payer, &amount(1)), Answer::LaneClosed);
    assert_eq!(world.broker.in_flight(Target::Lease(payer.1)), IN_FLIGHT_MAX as u64);
    world.act(EffectId(1)).unwrap();
    admitted(&world.ask(payer, &amount(1)));
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
