//! What the guardian hears of questions and effects, and what happens without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use karyon_authority::{Ask, EffectState};
use karyon_broker::{ActError, Broker, BrokerError, Outcome, Performed, Settings};
use karyon_log::{Control, Record, Records, Target, Verb, Walk};
use karyon_runtime::{DataDir, NodeError, datadir};
use karyon_types::{AgentId, Bound, Capability, LeaseId, Terms};

use crate::support::*;

/// The records in which something is asked for, admitted or settled.
fn recorded(data: &std::path::Path) -> Vec<&'static str> {
    let mut walk = Walk::open(&datadir::log_folder(data)).unwrap();
    let mut all = Vec::new();
    while let Some(blocks) = walk.next_group().unwrap() {
        for record in blocks.iter().flat_map(|block| Records::new(&block.body)) {
            let Record::Control(control) = record.unwrap() else { continue };
            match *control {
                Control::Intent(_) => all.push("intent"),
                Control::Proposal(_) => all.push("proposal"),
                Control::Receipt(_) => all.push("receipt"),
                Control::Refused(_) => all.push("refused"),
                Control::Halt(_) => all.push("halt"),
                _ => {}
            }
        }
    }
    all
}

/// What was told of events since the last time.
fn events(world: &World) -> Vec<String> {
    let words = world.played.words();
    words.into_iter().filter(|word| !word.starts_with("begin")).collect()
}

fn is_lost(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Node(NodeError::Guardian(_)))
}

#[test]
fn every_question_and_its_answer_is_told() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![("amount", Bound::Maximum(10))])));
    assert_eq!(events(&world), [""; 0]);
    let effect = admitted(&world.ask(payer, &amount(5)));
    assert_eq!(events(&world), ["Ask 1", "Admitted 1", "Task 1"]);
    assert_eq!(denied(&world.ask(payer, &amount(11))), "exceeds_capability_amount");
    assert_eq!(events(&world), ["Ask 1", "Rejection 1"]);
    // Each denial, also one that the log only counts.
    assert_eq!(denied(&world.ask(payer, &amount(11))), "exceeds_capability_amount");
    assert_eq!(events(&world), ["Ask 1", "Rejection 1"]);
    world.act(effect).unwrap();
    assert_eq!(events(&world), ["Success 1"]);
    let effect = admitted(&world.ask(payer, &amount(5)));
    world.broker.act(effect, &key(ADAPTER), |_| Performed::default()).unwrap();
    assert_eq!(events(&world), ["Ask 1", "Admitted 1", "Task 1", "Failure 1"]);
    // One that is denied when it is asked again is neither done nor failed.
    let effect = admitted(&world.ask(payer, &amount(5)));
    world.order(ADA, Verb::Revoke, Target::Lease(payer.1)).unwrap();
    assert!(matches!(world.act(effect), Err(ActError::Denied(_))));
    assert_eq!(events(&world), ["Ask 1", "Admitted 1", "Task 1", "Rejection 1"]);
    // Nobody answers for a lease that is none, or is another's.
    assert_eq!(denied(&world.ask((payer.0, LeaseId(99)), &amount(1))), "unknown_lease");
    assert_eq!(denied(&world.ask((AgentId(77), payer.1), &amount(1))), "lease_agent_mismatch");
    assert_eq!(events(&world), ["Ask 0", "Rejection 0", "Ask 0", "Rejection 0"]);
    let log = world.broker.log();
    drop(world.broker.close().unwrap());
    assert_eq!(world.played.words(), [format!("checkpoint {log}"), "clean".into()]);
}

#[test]
fn what_a_person_approved_of_is_no_task_of_the_agents_own() {
    let world = World::new();
    let careful = Capability { approval: true, ..capability(vec![]) };
    let payer = world.agent("payer", terms(careful));
    let (boss, judge) = world.agent("boss", Terms { approves: true, ..terms(capability(vec![])) });
    let (first, digest) = proposed(&world.ask(payer, &amount(1)));
    assert_eq!(proposed(&world.ask(payer, &amount(1))), (first, digest));
    assert_eq!(events(&world), ["Ask 1", "Ask 1"]);
    world.approve(ADA, first, digest).unwrap();
    admitted(&world.ask_with(payer, &amount(1), Some(first)));
    assert_eq!(events(&world), ["Ask 1", "Admitted 1"]);
    // Another agent is no person.
    let (second, digest) = proposed(&world.ask(payer, &amount(2)));
    world.broker.approve_as(boss, judge, second, digest).unwrap();
    admitted(&world.ask_with(payer, &amount(2), Some(second)));
    assert_eq!(events(&world), ["Ask 1", "Ask 1", "Admitted 1", "Task 1"]);
}

#[test]
fn it_is_told_before_it_is_recorded() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![])));
    let data = world.data();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    world.played.on_each(move |word| {
        told.lock().unwrap().push(format!("{word}: {}", recorded(&data).join(" ")));
    });
    let effect = admitted(&world.ask(payer, &amount(1)));
    world.act(effect).unwrap();
    denied(&world.ask((payer.0, LeaseId(9)), &amount(1)));
    let expected = [
        "Ask 1: ",
        "Admitted 1: ",
        "Task 1: ",
        "Success 1: intent",
        "Ask 0: intent receipt",
        "Rejection 0: intent receipt",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn nobody_asks_for_what_governs_them() {
    let world = World::new();
    let own = |action: &str, resource: &str| Capability {
        action: action.into(),
        resource: resource.into(),
        ..capability(vec![])
    };
    for (action, resource, number) in
        [("karyon.limits.change", "bank/acme", 1), ("payment.transfer", "karyon/safety", 2)]
    {
        // Even where a person has allowed it.
        let payer = world.agent(action, terms(own(action, resource)));
        let arguments = amount(1);
        let ask = Ask {
            agent: payer.0,
            lease: payer.1,
            action,
            resource,
            arguments: &arguments,
            proposal: None,
            within_ms: 60_000,
        };
        assert_eq!(denied(&world.broker.ask(&ask).unwrap()), "default_deny");
        let row = |event: &str| format!("{event} {number}");
        assert_eq!(events(&world), ["Ask", "SelfModification", "Rejection"].map(row));
    }
    assert_eq!(recorded(&world.data()), ["refused", "refused"]);
}

#[test]
fn unguarded_nothing_is_done_to_the_world() {
    let folder = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicU64::new(*START));
    let dir = DataDir::create(&folder.path().join("data")).unwrap();
    let broker = Broker::create(dir, settings(&time)).unwrap();
    let limited = terms(capability(vec![]));
    let signed = signed(broker.log(), ADA, &limited, 1);
    let (grant, _) = broker.grant(&signed, key(ADA).public_key(), limited.clone(), None).unwrap();
    let agent = broker.agent("payer").unwrap();
    let lease = broker.lease(grant, agent, None, limited).unwrap();
    let arguments = amount(1);
    let ask = Ask {
        agent,
        lease,
        action: "payment.transfer",
        resource: "bank/acme",
        arguments: &arguments,
        proposal: None,
        within_ms: 60_000,
    };
    let effect = admitted(&broker.ask(&ask).unwrap());
    let refused = broker.act(effect, &key(ADAPTER), |_| unreachable!("nobody guards it"));
    match refused {
        Err(ActError::Broker(error @ BrokerError::Unguarded)) => {
            assert!(error.to_string().contains("start it with"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // It was not begun, and the node goes on.
    assert_eq!(broker.look(|l| l.effect(effect).map(|(_, s)| s)), Some(EffectState::InFlight));
    assert_eq!(denied(&broker.ask(&Ask { lease: LeaseId(9), ..ask }).unwrap()), "unknown_lease");
    drop(broker.close().unwrap());
}

#[test]
fn a_question_that_is_not_heard_is_not_answered_and_ends_the_node() {
    for word in ["Ask", "Admitted", "Task", "Rejection", "SelfModification"] {
        let world = World::new();
        let payer = world.agent("payer", terms(capability(vec![("amount", Bound::Maximum(10))])));
        world.played.dies_of(word);
        let arguments = amount(if word == "Rejection" { 11 } else { 1 });
        let ask = Ask {
            agent: payer.0,
            lease: payer.1,
            action: "payment.transfer",
            resource: if word == "SelfModification" { "karyon/safety" } else { "bank/acme" },
            arguments: &arguments,
            proposal: None,
            within_ms: 60_000,
        };
        assert!(is_lost(&world.broker.ask(&ask).unwrap_err()), "{word}");
        assert_eq!(recorded(&world.data()), ["halt"], "{word}");
        // Nothing goes on, and no end is a clean one.
        assert!(world.broker.ask(&ask).is_err());
        let order = world.order(ADA, Verb::Revoke, Target::Agent(payer.0));
        assert!(order.is_err(), "a stop that is not durable is not acknowledged");
        assert!(world.broker.close().is_err());
        assert!(!world.played.words().contains(&"clean".to_owned()));
    }
}

#[test]
fn without_its_guardian_an_admitted_effect_does_not_happen() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![])));
    let effect = admitted(&world.ask(payer, &amount(1)));
    world.played.dies();
    let lost = world.broker.act(effect, &key(ADAPTER), |_| unreachable!("its guardian is gone"));
    assert!(matches!(lost, Err(ActError::Broker(BrokerError::Unguarded))));
    assert_eq!(recorded(&world.data()), ["intent", "halt"]);
    assert!(world.broker.close().is_err());
}

#[test]
fn a_guardian_that_is_lost_between_the_first_look_and_the_last_is_noticed() {
    // Once it is set, whoever asks for the time kills the guardian.
    type Death = Box<dyn Fn() + Send + Sync>;
    let time = Arc::new(AtomicU64::new(*START));
    let death: Arc<OnceLock<Death>> = Arc::default();
    let (clock, dies) = (Arc::clone(&time), Arc::clone(&death));
    let settings = Settings {
        clock: Box::new(move || {
            if let Some(die) = dies.get() {
                die();
            }
            clock.load(Ordering::SeqCst)
        }),
        ..settings(&time)
    };
    let world = World::with(settings, time);
    let payer = world.agent("payer", terms(capability(vec![])));
    let effect = admitted(&world.ask(payer, &amount(1)));
    assert!(death.set(Box::new(world.played.death())).is_ok());
    let lost = world.broker.act(effect, &key(ADAPTER), |_| unreachable!("its guardian is gone"));
    assert!(matches!(lost, Err(ActError::Broker(BrokerError::Unguarded))));
    assert_eq!(recorded(&world.data()), ["intent", "halt"]);
}

#[test]
fn what_happened_while_the_guardian_was_lost_is_recorded_and_is_the_last() {
    let world = World::new();
    let payer = world.agent("payer", terms(capability(vec![])));
    let (first, second) =
        (admitted(&world.ask(payer, &amount(1))), admitted(&world.ask(payer, &amount(2))));
    let lost = world.broker.act(first, &key(ADAPTER), |_| {
        world.played.dies();
        Performed { outcome: Outcome::Done, ..Performed::default() }
    });
    assert!(matches!(lost, Err(ActError::Broker(error)) if is_lost(&error)));
    assert_eq!(recorded(&world.data()), ["intent", "intent", "receipt", "halt"]);
    let next = world.broker.act(second, &key(ADAPTER), |_| unreachable!("its guardian is gone"));
    assert!(matches!(next, Err(ActError::Broker(BrokerError::Unguarded))));
}
