//! Free-running: no order of the whole, but one in the log, which a replay follows.

use std::collections::{BTreeMap, BTreeSet};

use karyon_log::{Cause, Message, Output, Record, Records, Walk};
use karyon_runtime::{
    Chaos, Divergence, ExitReason, Intensity, Limits, Outcome, RecordError, Recorder, RunError,
    Schedule, add_state,
};
use karyon_types::{AgentId, Hasher};
use proptest::prelude::*;

use crate::repeating::{end_of, log_of};
use crate::support::*;
use Order::{
    Add, After, Cancel, Demonitor, Every, ExitWith, Fail, Link, Monitor, Panic, Say, Send, Trap,
    Unlink,
};

const ROOMY: Limits = Limits { messages_per_tick: 10_000, ..LIMITS };

fn stage(schedulers: usize) -> Stage {
    Stage {
        agents: 11,
        schedulers,
        schedule: Schedule::free(),
        intensity: Intensity { restarts: 100_000, period_ticks: 10 },
        limits: ROOMY,
        ..Stage::default()
    }
}

fn root<const R: u8, const G: u32>(outcome: &Outcome<Puppet<R, G>>) -> String {
    let names: Vec<_> = (1..12).map(|n| n.to_string()).collect();
    let mut hasher = Hasher::for_domain("test");
    add_state(outcome, &names, &mut hasher);
    hasher.finish().to_string()
}

/// Repeats all that a disk holds.
fn replay<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
    disk: &Disk,
) -> Result<Outcome<Puppet<R, G>>, RunError> {
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let recorder = Recorder::resuming(None, walk, &end_of(disk).unwrap());
    stage.play(script, recorder).0
}

/// Goes on behind what a disk holds, to the end.
fn go_on<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
    disk: &Disk,
) -> Result<Outcome<Puppet<R, G>>, RunError> {
    let (outcome, recorder) = stage.play(script, resuming(disk));
    recorder.unwrap().close().unwrap();
    outcome
}

/// Runs to the end, on a disk.
fn live<const R: u8, const G: u32>(stage: &Stage, script: &Script) -> (Outcome<Puppet<R, G>>, Disk) {
    let disk = Disk::default();
    let (outcome, recorder) = stage.play(script, recorder(&disk));
    recorder.unwrap().close().unwrap();
    (outcome.unwrap(), disk)
}

/// Whether each record lies behind what caused it, and no message is handled or lost twice.
fn check_causes(bytes: &[u8]) {
    let (mut made, mut used, mut steps) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut released = 0;
    let mut use_up = |made: &BTreeSet<Message>, agent: AgentId, cause: Cause| {
        let by = match cause {
            Cause::Message(m) | Cause::Timer(m) | Cause::Denial(m) => m,
            Cause::Input(_) | Cause::Down(_) | Cause::Exit(_) | Cause::Spawn(_) => return,
        };
        assert!(made.contains(&by), "{agent} handles {cause:?}, which nobody has sent");
        if let Cause::Message(_) = cause {
            assert!(used.insert(by), "{agent} handles {cause:?} twice");
        }
    };
    for record in Records::new(bytes) {
        match record.unwrap() {
            Record::Step { agent, step, cause, outputs } => {
                use_up(&made, agent, cause);
                released += usize::from(matches!(cause, Cause::Input(_)));
                let next = steps.entry(agent).or_insert(0);
                assert!(step >= *next, "{agent}: {step} behind {next}");
                *next = step + 1;
                for (number, output) in outputs.iter().enumerate() {
                    if !matches!(output, Output::Exit) {
                        let output = number as u16;
                        made.insert(Message { from: agent, step, output });
                    }
                }
            }
            Record::DeadLetter { agent, cause, .. } => use_up(&made, agent, cause),
            _ => {}
        }
    }
    assert!(released > 0);
}

#[track_caller]
fn check_counts<A>(outcome: &Outcome<A>) {
    let counts = outcome.counts;
    assert_eq!(
        counts.sent,
        counts.delivered + counts.denied + counts.refused + counts.dead_lettered
    );
}

#[test]
fn what_is_sent_arrives_and_a_replay_agrees() {
    let relay = (1..12).rev().fold(vec![Add(1)], |orders, agent| vec![Send(agent, orders), Add(1)]);
    let script = Script::new([(0, 3, relay.clone()), (0, 9, relay), (2, 1, vec![Say(2, "?".into())])]);
    for schedulers in [1, 2, 4] {
        let stage = stage(schedulers);
        let (outcome, disk) = live::<0, 0>(&stage, &script);
        check_counts(&outcome);
        let records = records(&disk).unwrap();
        check_causes(&records);
        let again = replay::<0, 0>(&stage, &script, &disk).unwrap();
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
    }
}

fn orders(depth: u32) -> impl Strategy<Value = Vec<Order>> {
    let leaf = prop::collection::vec((1u64..50).prop_map(Add), 0..3);
    leaf.prop_recursive(depth, 24, 3, |inner| {
        prop::collection::vec(
            prop_oneof![
                6 => (1u64..13, inner.clone()).prop_map(|(to, orders)| Send(to, orders)),
                2 => (1u64..50).prop_map(Add),
                1 => Just(Fail),
                1 => Just(Panic),
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

pub fn script() -> impl Strategy<Value = Script> {
    prop::collection::vec((0u64..6, 1u64..12, orders(4)), 1..12).prop_map(Script::new)
}

/// A run of random orders, in which intervals end because leases do.
fn wild(schedulers: usize, seed: u64, chaos: f64, virtual_time: bool) -> Stage {
    Stage {
        chaos: Chaos::new(seed, chaos),
        expires: (1..12).map(|agent| (AgentId(agent), karyon_types::Tick(9 + agent % 4))).collect(),
        virtual_time,
        ..stage(schedulers)
    }
}

/// Whatever happens in it, its replay agrees, and wherever its log is cut it goes on to an end that
/// its replay agrees with.
fn check<const R: u8, const G: u32>(stage: &Stage, script: &Script, cuts: usize) {
    let (outcome, disk) = live::<R, G>(stage, script);
    check_counts(&outcome);
    let whole = records(&disk).unwrap();
    if !outcome.agents.is_empty() {
        check_causes(&whole);
    }
    for schedulers in [1, 3] {
        let again = replay::<R, G>(&Stage { schedulers, ..stage.clone() }, script, &disk).unwrap();
        assert_eq!(again.agents, outcome.agents);
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
        assert_eq!(again.ticks, outcome.ticks);
    }
    let count = Records::new(&whole).count();
    for kept in (0..count).step_by(1 + count / cuts) {
        let mut cut = Records::new(&whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        let disk = log_of(prefix, 1 + kept % 7);
        let outcome = go_on::<R, G>(stage, script, &disk).unwrap();
        check_counts(&outcome);
        let all = records(&disk).unwrap();
        assert_eq!(&all[..prefix.len()], prefix);
        check_causes(&all);
        let again = replay::<R, G>(stage, script, &disk).unwrap();
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_run_is_confirmed_and_goes_on_wherever_it_was_cut(
        script in script(),
        seed: u64,
        schedulers in prop::sample::select(vec![1usize, 2, 4]),
        virtual_time: bool,
    ) {
        for chaos in [0.0, 0.2] {
            let stage = wild(schedulers, seed, chaos, virtual_time);
            check::<0, 0>(&stage, &script, 12);
            check::<0, 3>(&stage, &script, 12);
            check::<2, 0>(&stage, &script, 6);
        }
    }
}
