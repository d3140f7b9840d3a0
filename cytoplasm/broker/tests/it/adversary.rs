//! The adversarial table: whoever wants more than they were given, and the stable code that they
//! are told.

use std::sync::atomic::Ordering;

use karyon_authority::{Ask, LeaseRefused, Wider};
use karyon_broker::{ActError, BrokerError, Outcome, Performed};
use karyon_log::{Target, Verb};
use karyon_types::{AgentId, Argument, Arguments, Bound, Capability, LeaseId, LogId, Terms};

use crate::support::*;

fn limited() -> Terms {
    terms(capability(vec![("amount", Bound::Maximum(100_000)), ("amount", Bound::Budget(250_000))]))
}

fn approved() -> Terms {
    let bounds = vec![("amount", Bound::Maximum(1_000_000))];
    terms(Capability { approval: true, ..capability(bounds) })
}

/// Whoever reads such a thing from the log would have to go as deep.
fn nested(levels: usize) -> Argument {
    (0..levels).fold(Argument::Null, |inner, _| Argument::List(vec![inner]))
}

#[test]
fn arguments_that_slip_past_nothing() {
    let world = World::new();
    let payer = world.agent("payer", limited());
    let one = |argument| Arguments::from([("amount".to_owned(), argument)]);
    let too_much = "exceeds_capability_amount";
    for (arguments, code) in [
        (Arguments::new(), too_much),
        (one(Argument::Null), too_much),
        (one(Argument::Text("50".into())), too_much),
        (one(Argument::Text("82000 EUR".into())), too_much),
        (one(Argument::Bool(true)), too_much),
        (one(Argument::List(vec![Argument::Int(1)])), too_much),
        (one(Argument::Int(-1)), too_much),
        (one(Argument::Int(i64::MIN)), too_much),
        (one(Argument::Int(100_001)), too_much),
        (one(Argument::Int(i64::MAX)), too_much),
        (one(Argument::Big(u64::MAX)), too_much),
        (one(Argument::Float(f64::NAN)), too_much),
        (one(Argument::Float(f64::INFINITY)), too_much),
        (one(Argument::Float(f64::NEG_INFINITY)), too_much),
        (one(Argument::Float(1.0)), too_much),
        (Arguments::from([("Amount".to_owned(), Argument::Int(1))]), too_much),
        (one(Argument::Text("x".repeat(70_000))), "malformed_arguments"),
        (one(nested(500)), "malformed_arguments"),
    ] {
        assert_eq!(denied(&world.ask(payer, &arguments)), code, "{arguments:.60?}");
    }
    let elsewhere = |action, resource| {
        let arguments = amount(1);
        let (agent, lease) = payer;
        let (arguments, proposal, within_ms) = (&arguments, None, 1);
        denied(
            &world
                .broker
                .ask(&Ask { agent, lease, action, resource, arguments, proposal, within_ms })
                .unwrap(),
        )
    };
    assert_eq!(elsewhere("payment.transfer", "bank/acmeville"), "exceeds_capability_scope");
    assert_eq!(elsewhere("payment.transfer", "bank"), "exceeds_capability_scope");
    assert_eq!(elsewhere("payment.transfer", "bank/acme/../other"), "malformed_arguments");
    assert_eq!(elsewhere("payment.transfer", "bank/acme/"), "malformed_arguments");
    assert_eq!(elsewhere("payment.transfer", ""), "malformed_arguments");
    assert_eq!(elsewhere("Payment.transfer", "bank/acme"), "capability_not_granted");
    assert_eq!(elsewhere("", "bank/acme"), "capability_not_granted");
    admitted(&world.ask(payer, &amount(100_000)));
}

#[test]
fn budgets_are_reserved_settled_and_never_overdrawn() {
    let world = World::new();
    let payer = world.agent("payer", limited());
    let first = admitted(&world.ask(payer, &amount(100_000)));
    let second = admitted(&world.ask(payer, &amount(100_000)));
    // Reserved is as good as spent.
    assert_eq!(denied(&world.ask(payer, &amount(50_001))), "budget_exhausted");
    // A failure frees what it reserved, a success what it did not use.
    let failed = Performed::default();
    world.broker.act(first, &key(ADAPTER), |_| failed).unwrap();
    let cheaper = Performed {
        outcome: Outcome::Done,
        used: [("amount".to_owned(), 60_000)].into(),
        ..Performed::default()
    };
    world.broker.act(second, &key(ADAPTER), |_| cheaper).unwrap();
    assert_eq!(world.broker.look(|ledger| ledger.spent(payer.1, 0, "amount")), Some(60_000));
    let third = admitted(&world.ask(payer, &amount(100_000)));
    // An adapter that used more than was asked for is believed: nothing is left.
    let dearer = Performed {
        outcome: Outcome::Done,
        used: [("amount".to_owned(), u64::MAX)].into(),
        ..Performed::default()
    };
    world.broker.act(third, &key(ADAPTER), |_| dearer).unwrap();
    assert_eq!(denied(&world.ask(payer, &amount(0))), "budget_exhausted");
    // The same after a restart.
    let world = world.reopened();
    assert_eq!(denied(&world.ask(payer, &amount(0))), "budget_exhausted");
}

#[test]
fn another_agents_lease_and_guessed_ones() {
    let world = World::new();
    let payer = world.agent("payer", limited());
    let thief = world.broker.agent("thief").unwrap();
    assert_eq!(denied(&world.ask((thief, payer.1), &amount(1))), "lease_agent_mismatch");
    let one = amount(1);
    let ask = |lease| {
        let (agent, arguments) = (thief, &one);
        let (action, resource) = ("payment.transfer", "bank/acme");
        let (proposal, within_ms) = (None, 1);
        let ask =
            Ask { agent, lease: LeaseId(lease), action, resource, arguments, proposal, within_ms };
        // The ledger alone: a million records of denials are another test's.
        world.broker.look(|ledger| ledger.ask(&ask))
    };
    let admitted = (0..1_000_000u64)
        .map(|guess| guess.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7) % 2_000_000)
        .filter(|guess| !matches!(ask(*guess), karyon_authority::Decision::Denied(_)))
        .count();
    assert_eq!(admitted, 0);
    // A thousand denials in a row are ten records in the log, and one at the end.
    for guess in 0..1000 {
        assert_eq!(denied(&world.ask((thief, LeaseId(1000 + guess)), &one)), "unknown_lease");
    }
    let world = world.reopened();
    let refused = refusals(&world.data());
    assert_eq!(refused.last(), Some(&(thief.0, "unknown_lease".to_owned(), 1000)));
    assert!(refused.len() < 20, "{refused:?}");
}

/// Agent, code and count of each denial in the log.
fn refusals(data: &std::path::Path) -> Vec<(u64, String, u64)> {
    let mut walk = karyon_log::Walk::open(&karyon_runtime::datadir::log_folder(data)).unwrap();
    let mut found = Vec::new();
    while let Some(blocks) = walk.next_group().unwrap() {
        for block in blocks {
            for record in karyon_log::Records::new(&block.body) {
                if let karyon_log::Record::Control(control) = record.unwrap()
                    && let karyon_log::Control::Refused(refused) = *control
                {
                    found.push((refused.agent, refused.code, refused.count));
                }
            }
        }
    }
    found
}

#[test]
fn expired_between_admission_and_act() {
    let world = World::new();
    let ends = Terms { expires_unix_ms: Some(*START + 100), ..limited() };
    let payer = world.agent("payer", ends);
    let effect = admitted(&world.ask(payer, &amount(1)));
    world.pass(100);
    let code = match world.act(effect) {
        Err(ActError::Denied(no)) => no.code().into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code, "lease_expired");
    assert_eq!(denied(&world.ask(payer, &amount(1))), "lease_expired");
    // What did not happen is not spent.
    assert_eq!(world.broker.look(|ledger| ledger.spent(payer.1, 0, "amount")), Some(0));
}

#[test]
fn revoked_before_the_act_and_in_flight() {
    let world = World::new();
    let payer = world.agent("payer", limited());
    let early = admitted(&world.ask(payer, &amount(1)));
    let late = admitted(&world.ask(payer, &amount(1)));
    // While it happens, the principal revokes: the order says that one is still in flight, and
    // nothing new is admitted.
    let receipt = world.broker.act(late, &key(ADAPTER), |_| {
        assert_eq!(world.order(ADA, Verb::Revoke, Target::Agent(payer.0)).unwrap(), 2);
        assert_eq!(denied(&world.ask(payer, &amount(1))), "lease_revoked");
        Performed { outcome: Outcome::Done, ..Performed::default() }
    });
    assert_eq!(receipt.unwrap().status, karyon_log::EffectStatus::Done);
    let code = match world.act(early) {
        Err(ActError::Denied(no)) => no.code().into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code, "lease_revoked");
    assert_eq!(world.broker.in_flight(Target::Agent(payer.0)), 0);
    let world = world.reopened();
    assert_eq!(denied(&world.ask(payer, &amount(1))), "lease_revoked");
}

#[test]
fn each_kind_of_stop_holds_at_once_and_after_a_restart() {
    let world = World::new();
    let (grant, reason) = world.grant(ADA, &limited());
    let agent = world.broker.agent("payer").unwrap();
    let below = world.broker.reason(reason, "the rent").unwrap();
    let half =
        terms(capability(vec![("amount", Bound::Maximum(10)), ("amount", Bound::Budget(1000))]));
    let lease = world.broker.lease(grant, agent, Some(below), half).unwrap();
    let payer = (agent, lease);
    let ada = world.broker.look(|ledger| ledger.principal(&key(ADA).public_key())).unwrap();
    for (target, code) in [
        (Target::Agent(agent), "agent_halted"),
        (Target::Lease(lease), "lease_suspended"),
        (Target::Grant(grant), "lease_suspended"),
        (Target::Reason(below), "lease_suspended"),
        (Target::Reason(reason), "lease_suspended"),
        (Target::Principal(ada), "lease_suspended"),
    ] {
        admitted(&world.ask(payer, &amount(1)));
        world.order(ADA, Verb::Suspend, target).unwrap();
        assert_eq!(denied(&world.ask(payer, &amount(1))), code, "{target:?}");
        assert_eq!(refused(world.order(ADA, Verb::Suspend, target)), "already_so");
        world.order(ADA, Verb::Resume, target).unwrap();
        assert_eq!(refused(world.order(ADA, Verb::Resume, target)), "not_suspended");
    }
    admitted(&world.ask(payer, &amount(1)));
    world.order(ADA, Verb::Suspend, Target::Reason(reason)).unwrap();
    let world = world.reopened();
    assert_eq!(denied(&world.ask(payer, &amount(1))), "lease_suspended");
    world.order(ADA, Verb::Resume, Target::Reason(reason)).unwrap();
    world.order(ADA, Verb::Revoke, Target::Principal(ada)).unwrap();
    assert_eq!(denied(&world.ask(payer, &amount(1))), "lease_revoked");
    assert_eq!(refused(world.order(ADA, Verb::Resume, Target::Principal(ada))), "principal_halted");
}

#[test]
fn orders_of_strangers_and_orders_given_twice() {
    let world = World::new();
    let payer = world.agent("payer", limited());
    let target = Target::Lease(payer.1);
    let log = world.broker.log();
    assert_eq!(refused(world.order(GRACE, Verb::Revoke, target)), "unknown_principal");
    world.grant(GRACE, &limited());
    assert_eq!(refused(world.order(GRACE, Verb::Revoke, target)), "not_answerable");
    assert_eq!(
        refused(world.order(ADA, Verb::Revoke, Target::Lease(LeaseId(99)))),
        "unknown_target"
    );
    let suspend = order(log, ADA, Verb::Suspend, target, 5000);
    let resume = order(log, ADA, Verb::Resume, target, 5001);
    world.broker.order(&suspend).unwrap();
    world.broker.order(&resume).unwrap();
    world.broker.order(&order(log, ADA, Verb::Suspend, target, 5002)).unwrap();
    // Whoever kept the old "resume" cannot use it again.
    assert_eq!(refused(world.broker.order(&resume)), "order_replayed");
    let world = world.reopened();
    assert_eq!(refused(world.broker.order(&resume)), "order_replayed");
    assert_eq!(denied(&world.ask(payer, &amount(1))), "lease_suspended");
    let elsewhere = order(LogId([9; 16]), ADA, Verb::Resume, target, 6000);
    assert_eq!(refused(world.broker.order(&elsewhere)), "other_log");
    let mut forged = order(log, ADA, Verb::Resume, target, 6000);
    forged.signature = order(log, GRACE, Verb::Resume, target, 6000).signature;
    assert_eq!(refused(world.broker.order(&forged)), "bad_signature");
}

#[test]
fn a_clock_that_was_set_back_ends_what_has_an_end() {
    let world = World::new();
    let forever = world.agent("forever", limited());
    let ends =
        world.agent("ends", Terms { expires_unix_ms: Some(*START + 1_000_000), ..limited() });
    let payer = world.agent("payer", approved());
    let (proposal, digest) = proposed(&world.ask(payer, &amount(7)));
    admitted(&world.ask(ends, &amount(1)));
    // Running, it does not go back.
    world.clock.store(*START - 2 * HOUR, Ordering::SeqCst);
    admitted(&world.ask(ends, &amount(1)));
    let world = world.reopened();
    // The log's blocks carry the machine's own time, which is later than this clock's.
    assert_eq!(denied(&world.ask(ends, &amount(1))), "lease_expired");
    assert_eq!(refused(world.approve(ADA, proposal, digest)), "approval_expired");
    admitted(&world.ask(forever, &amount(1)));
    let world = world.reopened();
    assert_eq!(denied(&world.ask(ends, &amount(1))), "lease_expired");
}

#[test]
fn a_wider_lease_is_refused_with_its_rule() {
    let world = World::new();
    let (payer, lease) = world.agent("payer", limited());
    let other = world.broker.agent("other").unwrap();
    let bounds = |most, budget| {
        terms(capability(vec![("amount", Bound::Maximum(most)), ("amount", Bound::Budget(budget))]))
    };
    let cut =
        |by: AgentId, terms: Terms| match world.broker.attenuate(by, lease, other, None, terms) {
            Err(BrokerError::Lease(LeaseRefused::Wider(wider))) => Err(wider),
            other => Ok(other.map(|_| ()).map_err(|error| error.to_string())),
        };
    let amounts = "amount".to_owned();
    assert_eq!(cut(payer, bounds(100_001, 1)), Err(Wider::Bound(amounts.clone())));
    assert_eq!(cut(payer, bounds(1, 250_001)), Err(Wider::Budget(amounts.clone())));
    assert_eq!(cut(payer, Terms { approves: true, ..bounds(1, 1) }), Err(Wider::Approves));
    assert_eq!(cut(payer, bounds(1, 200_000)), Ok(Ok(())));
    // What is passed on is gone.
    assert_eq!(cut(payer, bounds(1, 50_001)), Err(Wider::Budget(amounts)));
    assert_eq!(denied(&world.ask((payer, lease), &amount(50_001))), "budget_exhausted");
    assert_eq!(cut(other, bounds(1, 1)), Ok(Err("lease_agent_mismatch".into())));
}

#[test]
fn no_grant_without_an_answerable_principal() {
    let world = World::new();
    let limited = limited();
    let refuse =
        |signed, key, terms: &Terms| match world.broker.grant(&signed, key, terms.clone(), None) {
            Err(BrokerError::Grant(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
    let ada = key(ADA).public_key();
    // Another key than the one that this machine knows for the name.
    assert!(
        refuse(signed(world.broker.log(), ADA, &limited, 1), key(GRACE).public_key(), &limited)
            .contains("key")
    );
    // Terms other than those that were signed.
    assert!(
        refuse(signed(world.broker.log(), ADA, &limited, 1), ada, &approved())
            .contains("for other contents")
    );
    let mut nobody = signed(world.broker.log(), ADA, &limited, 1);
    nobody.terms.principal = String::new();
    assert!(refuse(nobody, ada, &limited).contains("no answerable principal"));
    let mut forged = signed(world.broker.log(), ADA, &limited, 1);
    forged.terms.reason = "another".into();
    assert!(refuse(forged, ada, &limited).contains("signature"));
}

#[test]
fn one_signature_is_one_grant_in_one_log() {
    let world = World::new();
    let limited = limited();
    let once = signed(world.broker.log(), ADA, &limited, 1);
    let again = |world: &World, signed| {
        let ada = key(ADA).public_key();
        match world.broker.grant(signed, ada, limited.clone(), None) {
            Ok(_) => "granted".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(again(&world, &once), "granted");
    assert!(again(&world, &once).contains("order_replayed"));
    let world = world.reopened();
    assert!(again(&world, &once).contains("order_replayed"));
    // Nor is it worth anything in another log.
    assert!(again(&World::new(), &once).contains("resource"));
    assert_eq!(again(&world, &signed(world.broker.log(), ADA, &limited, 2)), "granted");
}

#[test]
fn of_several_budgets_on_one_argument_the_smallest_counts_once() {
    let world = World::new();
    let bounds = vec![("amount", Bound::Budget(100)), ("amount", Bound::Budget(60))];
    let payer = world.agent("payer", terms(capability(bounds)));
    assert_eq!(denied(&world.ask(payer, &amount(61))), "budget_exhausted");
    let effect = admitted(&world.ask(payer, &amount(60)));
    assert_eq!(denied(&world.ask(payer, &amount(1))), "budget_exhausted");
    world.broker.act(effect, &key(ADAPTER), |_| Performed::default()).unwrap();
    admitted(&world.ask(payer, &amount(60)));
}

#[test]
fn terms_that_no_log_could_hold_are_refused() {
    let world = World::new();
    let names = (0..3000).map(|n| karyon_types::Plain::Text(format!("{n:0>40}"))).collect();
    let huge = terms(capability(vec![("to", Bound::OneOf(names))]));
    let ada = key(ADA).public_key();
    match world.broker.grant(&signed(world.broker.log(), ADA, &huge, 1), ada, huge.clone(), None) {
        Err(BrokerError::Grant(error)) => assert!(error.to_string().contains("64 KiB"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reasons_are_only_so_deep() {
    let world = World::new();
    let (_, mut reason) = world.grant(ADA, &limited());
    let codes = std::iter::from_fn(|| match world.broker.reason(reason, "below") {
        Ok(below) => {
            reason = below;
            Some(())
        }
        other => {
            assert_eq!(refused(other), "lane_closed");
            None
        }
    });
    assert_eq!(codes.count() + 1, karyon_authority::limits::REASONS_DEEP_MAX);
}
