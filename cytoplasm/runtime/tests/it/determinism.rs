//! The same records and the same state, for any number of schedulers, with and without chaos.

use karyon_log::{Record, Records, Target, Verb};
use karyon_runtime::{Change, Chaos, Counts, ExitReason, Intensity, Limits, add_state};
use karyon_types::{AgentId, GrantId, Hasher, LeaseId, PrincipalId, ReasonId, Tick};
use proptest::prelude::*;

use crate::schedules::schedules;
use crate::support::*;
use Order::{
    Add, After, Cancel, Demonitor, Every, ExitWith, Fail, Link, Monitor, Send, Trap, Unlink,
};

fn orders(depth: u32) -> impl Strategy<Value = Vec<Order>> {
    let leaf = prop::collection::vec((1u64..50).prop_map(Add), 0..3);
    leaf.prop_recursive(depth, 24, 3, |inner| {
        prop::collection::vec(
            prop_oneof![
                4 => (1u64..13, inner.clone()).prop_map(|(to, orders)| Send(to, orders)),
                2 => (1u64..50).prop_map(Add),
                1 => Just(Fail),
                2 => (1u64..6, inner.clone()).prop_map(|(ticks, orders)| After(ticks, orders)),
                1 => (1u64..6, inner).prop_map(|(ticks, orders)| Every(ticks, orders)),
                4 => life(),
            ],
            0..4,
        )
    })
}

/// Bonds, ends, and what takes timers back.
fn life() -> impl Strategy<Value = Order> {
    let reason = prop::sample::select(vec![
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::failure("tired"),
    ]);
    prop_oneof![
        2 => (1u64..13).prop_map(Monitor),
        2 => (1u64..13).prop_map(Link),
        1 => (1u64..13).prop_map(Demonitor),
        1 => (1u64..13).prop_map(Unlink),
        1 => any::<bool>().prop_map(Trap),
        1 => (0u64..4, 0u16..3).prop_map(|(step, output)| Cancel(step, output)),
        1 => reason.prop_map(ExitWith),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    prop::collection::vec((0u64..6, 1u64..12, orders(4)), 1..12).prop_map(Script::new)
}

/// Some are suspended and perhaps resumed, some are revoked.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let target = prop_oneof![
        4 => (1u64..12).prop_map(|serial| Target::Agent(AgentId(serial))),
        2 => (1u64..12).prop_map(|serial| Target::Lease(LeaseId(serial))),
        1 => prop::sample::select(vec![
            Target::Reason(ReasonId(1)),
            Target::Grant(GrantId(1)),
            Target::Principal(PrincipalId(1)),
        ]),
    ];
    let one = (0u64..8, target, prop::option::of(prop::option::weighted(0.8, 0u64..4)));
    prop::collection::vec(one, 0..5).prop_map(|list| {
        let mut changes = Vec::new();
        for (tick, target, suspended) in list {
            let Some(length) = suspended else {
                changes.push((Tick(tick), Verb::Revoke, target));
                continue;
            };
            changes.push((Tick(tick), Verb::Suspend, target));
            changes.extend(length.map(|length| (Tick(tick + length), Verb::Resume, target)));
        }
        changes
    })
}

/// No number of timers that fire together is too many.
const ROOMY: Limits = Limits { messages_per_tick: 10_000, ..LIMITS };

fn stage(schedulers: usize, seed: u64, probability: f64) -> Stage {
    Stage {
        agents: 11,
        schedulers,
        chaos: Chaos::new(seed, probability),
        intensity: Intensity { restarts: 100_000, period_ticks: 10 },
        // Intervals end with what allows them.
        expires: (1..12).map(|agent| (AgentId(agent), Tick(9 + agent % 4))).collect(),
        limits: ROOMY,
        ..Stage::default()
    }
}

/// What the steps that ended well put out.
fn outputs(records: &[u8]) -> Vec<String> {
    let outputs = |record| match record {
        Some(Record::Step { agent, step: _, cause: _, outputs }) => {
            Some(format!("{agent} {outputs:?}"))
        }
        _ => None,
    };
    Records::new(records).filter_map(outputs).collect()
}

fn root<const G: u32>(outcome: &karyon_runtime::Outcome<Puppet<0, G>>) -> String {
    let names: Vec<_> = (1..12).map(|n| n.to_string()).collect();
    let mut hasher = Hasher::for_domain("test");
    add_state(outcome, &names, &mut hasher);
    hasher.finish().to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_number_of_schedulers(
        script in script(),
        seed: u64,
        changes in changes(),
        schedule in schedules(),
        budget in prop_oneof![Just(u64::MAX), 0u64..300],
    ) {
        let limits = Limits { log_bytes_per_lease: budget, ..ROOMY };
        let stage = |schedulers, seed, probability| Stage {
            changes: changes.clone(),
            schedule,
            limits,
            ..stage(schedulers, seed, probability)
        };
        for probability in [0.0, 0.2] {
            let (one, records) = stage(1, seed, probability).complete::<0, 3>(&script);
            for (schedulers, small_tick) in [(2, 0), (3, 0), (3, 5), (4, 1_000), (16, 0)] {
                let stage = Stage { small_tick, ..stage(schedulers, seed, probability) };
                let (other, others) = stage.complete::<0, 3>(&script);
                prop_assert_eq!(&others, &records, "{} schedulers", schedulers);
                prop_assert_eq!(&other.agents, &one.agents);
                prop_assert_eq!(other.counts, one.counts);
                prop_assert_eq!(root(&other), root(&one));
            }
        }
    }

    /// Chaos that no message runs out of attempts under changes nothing but the crashes.
    #[test]
    fn chaos_leaves_no_trace_in_the_state(
        script in script(),
        seed: u64,
        changes in changes(),
        schedule in schedules(),
        budget in prop_oneof![Just(u64::MAX), 0u64..300],
    ) {
        let limits = Limits { log_bytes_per_lease: budget, ..ROOMY };
        let stage = |probability| Stage {
            changes: changes.clone(),
            schedule,
            limits,
            ..stage(2, seed, probability)
        };
        let (calm, calm_records) = stage(0.0).complete::<0, 60>(&script);
        let (wild, wild_records) = stage(0.3).complete::<0, 60>(&script);
        prop_assert_eq!(outputs(&wild_records), outputs(&calm_records), "rows and budgets, too");
        prop_assert_eq!(&wild.agents, &calm.agents);
        prop_assert_eq!(root(&wild), root(&calm));
        prop_assert_eq!(wild.counts.delivered, calm.counts.delivered);
        let others = |counts: Counts| counts.restarts - counts.crashes;
        prop_assert_eq!(others(wild.counts), others(calm.counts), "of exits, and by links");
        prop_assert_eq!(wild.counts.exits, calm.counts.exits);
    }

    #[test]
    fn no_message_is_lost_or_counted_twice(
        script in script(),
        seed: u64,
        schedule in schedules(),
    ) {
        let stage = Stage { schedule, ..stage(3, seed, 0.1) };
        let (outcome, _) = stage.complete::<0, 0>(&script);
        let counts = outcome.counts;
        prop_assert_eq!(
            counts.sent,
            counts.delivered + counts.denied + counts.refused + counts.dead_lettered
        );
    }
}

#[test]
fn messages_of_a_tick_come_by_receiver_sender_step_and_output() {
    let greet = || vec![Send(3, vec![]), Send(1, vec![]), Send(3, vec![])];
    // Agent 4 has two steps in tick 0; the inputs name agents out of order; in tick 1 an input
    // and a denial come to agent 3 as well.
    let script = Script::new([
        (0, 4, greet()),
        (0, 2, greet()),
        (0, 4, vec![Send(3, vec![])]),
        (0, 3, vec![Send(99, vec![])]),
        (0, 1, vec![Send(3, vec![])]),
        (1, 3, vec![]),
    ]);
    for schedulers in [1, 2, 4] {
        let (_, records) = Stage { schedulers, ..Stage::default() }.complete::<0, 0>(&script);
        let words = in_words(&records);
        let second = words.iter().position(|word| word == "tick 1").unwrap();
        assert_eq!(
            words[second + 1..],
            [
                "input 1: 1",
                "agent 1 step 1 on 2.0.1 -> 0",
                "agent 1 step 2 on 4.0.1 -> 0",
                "agent 3 step 1 on input 5 -> 0",
                "agent 3 step 2 on 1.0.0 -> 0",
                "agent 3 step 3 on 2.0.0 -> 0",
                "agent 3 step 4 on 2.0.2 -> 0",
                "agent 3 step 5 on denial 0.0 -> 0",
                "agent 3 step 6 on 4.0.0 -> 0",
                "agent 3 step 7 on 4.0.2 -> 0",
                "agent 3 step 8 on 4.1.0 -> 0",
            ]
        );
    }
}
