//! Agents that come to life while a run runs: spawned by others, or forked by an order.

use std::sync::Arc;

use karyon_gate::{Lease, Rights, Scope};
use karyon_log::{Cause, CrashKind, Output, Record, Records, Target, Verb};
use karyon_runtime::processes::OrderVerb::{Fork, Kill, Pause, Restart, Resume};
use karyon_runtime::processes::{Answer, Question, Refusal, Selection, Status};
use karyon_runtime::{Chaos, ExitReason, Intensity, Limits, Outcome, RunError};
use karyon_supervision::{Flags, Strategy as Restarts, Supervised};
use karyon_types::{AgentId, LeaseId, Tick};
use proptest::prelude::*;

use crate::asker::{Asker, order};
use crate::schedules::schedules;
use crate::support::*;
use crate::trees::{flags, supervised};
use Order::{Add, After, Every, Exit, Fail, Link, Monitor, Panic, Remember, Say, Send, Spawn};

/// A hundred may be spawned.
pub const SPAWNING: Limits = Limits { spawned: 100, forks: 8, messages_per_tick: 10_000, ..LIMITS };
/// A run without spawning may be forked.
pub const FORKING: Limits = Limits { forks: 8, ..LIMITS };

fn stage() -> Stage {
    Stage { limits: SPAWNING, ..Stage::default() }
}

fn puppet<const R: u8, const G: u32>(outcome: &Outcome<Puppet<R, G>>, id: u64) -> &Puppet<R, G> {
    outcome.agents[id as usize - 1].as_ref().unwrap()
}

type Asked<const R: u8, const G: u32> =
    (Result<Outcome<Puppet<R, G>>, RunError>, Vec<u8>, Vec<Answer>);

/// Plays with questions; the outcome, the records, and the answers.
fn ask<const R: u8, const G: u32>(
    stage: &Stage,
    script: Script,
    questions: Vec<(u64, Question)>,
) -> Asked<R, G> {
    let asker = Asker::new(script, questions);
    let disk = Disk::default();
    let stage = Stage { desk: Some(Arc::clone(&asker.desk)), ..stage.clone() };
    let (outcome, recorder) = stage.play_from(asker.clone(), recorder(&disk));
    recorder.unwrap().close().unwrap();
    let answers = asker.answers().into_iter().map(|(_, _, answer)| answer).collect();
    (outcome, records(&disk).unwrap(), answers)
}

/// A lease that was cut in the course of the run: whose, from which, and by which output.
type OneCut = (u64, u64, Option<(u64, u64, u16)>);

fn cuts(records: &[u8]) -> Vec<OneCut> {
    let cut = |record| match record {
        Some(Record::Lease(lease)) => {
            let by = |cut: karyon_log::Cut| cut.by.map(|by| (by.from.0, by.step, by.output));
            lease.cut.map(|cut| (lease.owner.0, cut.from.0, by(cut)))
        }
        _ => None,
    };
    Records::new(records).filter_map(cut).collect()
}

#[test]
fn a_child_begins_in_the_next_tick_with_what_it_was_given_and_its_parent_is_told() {
    let script = Script::new([
        (0, 3, vec![Spawn(70, vec![Add(7)]), Spawn(60, vec![])]),
        (0, 2, vec![Spawn(50, vec![Send(2, vec![Add(5)])])]),
        (1, 3, vec![Add(1)]),
    ]);
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { schedulers, ..stage() }.complete::<0, 0>(&script);
        assert_eq!(outcome.born, ["child", "child", "child"]);
        let sums: Vec<_> = (1..8).map(|id| puppet(&outcome, id).sum).collect();
        assert_eq!(sums, [0, 5, 1, 0, 50, 77, 60], "by parent, step and output");
        assert_eq!(puppet(&outcome, 3).heard, ["tick 1: 6 spawned", "tick 1: 7 spawned"]);
        let words = in_words(&records);
        let second = words.iter().position(|word| word == "tick 1").unwrap();
        assert_eq!(
            words[second + 1..],
            [
                "input 1: 1",
                "agent 2 step 1 on spawn 5 0.0 -> 1",
                "agent 3 step 1 on spawn 6 0.0 -> 1",
                "agent 3 step 2 on spawn 7 0.1 -> 0",
                "agent 3 step 3 on input 2 -> 0",
                "tick 2",
                "agent 5 step 0 on 2.1.0 -> 1",
                "agent 6 step 0 on 3.1.0 -> 0",
                "tick 3",
                "agent 2 step 2 on 5.0.0 -> 0",
            ]
        );
        let expected = [(5, 2, (2, 0, 0)), (6, 3, (3, 0, 0)), (7, 3, (3, 0, 1))];
        assert_eq!(cuts(&records), expected.map(|(child, above, by)| (child, above, Some(by))));
    }
}

#[test]
fn without_the_right_or_beyond_the_limit_nobody_comes_to_life() {
    let spawn = || Spawn(1, vec![]);
    let script = Script::new([(0, 1, vec![spawn()]), (1, 1, vec![spawn()])]);
    let rights = Rights::SEND;
    let (outcome, _) = Stage { rights, ..stage() }.complete::<0, 0>(&script);
    assert_eq!(puppet(&outcome, 1).denied, ["capability_not_granted"; 2]);
    assert_eq!((outcome.agents.len(), outcome.counts.unarranged), (4, 2));
    // Three may come to life; four are asked for in a tick by two agents, then two more.
    let limits = Limits { spawned: 3, ..SPAWNING };
    let script = Script::new([
        (0, 4, vec![spawn(), spawn()]),
        (0, 1, vec![spawn(), spawn()]),
        (2, 2, vec![spawn(), spawn()]),
    ]);
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { limits, schedulers, ..stage() }.complete::<0, 0>(&script);
        assert_eq!(outcome.agents.len(), 7);
        let heard = |id| puppet(&outcome, id).heard.clone();
        assert_eq!(
            (heard(1), heard(4)),
            (
                vec!["tick 1: 5 spawned".into(), "tick 1: 6 spawned".into()],
                vec!["tick 1: 7 spawned".to_owned()],
            )
        );
        assert_eq!(puppet(&outcome, 4).denied, ["budget_exhausted"]);
        assert_eq!(puppet(&outcome, 2).denied, ["budget_exhausted"; 2]);
        let words = in_words(&records);
        assert!(words.contains(&"agent 4 step 2 on spawn 0 0.1 -> 0".into()), "{words:#?}");
        assert!(words.contains(&"agent 2 step 1 on denial 0.0 -> 0".into()), "{words:#?}");
    }
}

#[test]
fn who_cannot_begin_ends_as_it_begins_and_whoever_monitors_it_finds_nobody() {
    for (sum, kind) in [(NOBODY, CrashKind::Error), (PANIC, CrashKind::Panic)] {
        let script = Script::new([
            (0, 1, vec![Spawn(sum, vec![Add(1)])]),
            (3, 1, vec![Monitor(5), Spawn(3, vec![])]),
        ]);
        let (outcome, records) = stage().complete::<0, 0>(&script);
        assert_eq!(outcome.agents.len(), 6);
        assert_eq!(outcome.agents[4], None);
        let heard = &puppet(&outcome, 1).heard;
        assert_eq!(heard[..], ["tick 1: 5 spawned", "tick 4: 6 spawned", "tick 4: 5 down, noproc"]);
        let words = in_words(&records);
        assert!(words.contains(&format!("agent 5 attempt 0: {kind:?}, Stopped")), "{words:#?}");
        assert!(words.contains(&"agent 5 lost 1.1.0: ReceiverGone".into()), "{words:#?}");
        assert_eq!(outcome.counts.restarts, 0);
    }
}

#[test]
fn a_child_is_restarted_from_the_same_bytes_as_its_kind_says() {
    let orders = vec![Add(5), Send(1, vec![]), After(1, vec![Fail])];
    let script = Script::new([(0, 1, vec![Spawn(70, orders)])]);
    let (outcome, _) = stage().complete::<0, 0>(&script);
    assert_eq!((puppet(&outcome, 5).sum, outcome.counts.restarts), (70, 1));
    let (outcome, _) = stage().complete::<0, 2>(&script);
    assert_eq!(puppet(&outcome, 5).sum, 75, "its last good state");
    let (outcome, _) = stage().complete::<2, 0>(&script);
    assert_eq!(outcome.agents[4], None, "temporary");
}

#[test]
fn children_are_bound_timed_and_told_of_as_others_are() {
    let child = vec![Link(1), Monitor(2), After(3, vec![Fail])];
    let script = Script::new([
        (0, 1, vec![Order::Trap(true), Spawn(1, child.clone()), Spawn(2, child)]),
        (3, 3, vec![Monitor(5), Monitor(6), Monitor(99)]),
        (4, 2, vec![Exit]),
    ]);
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { schedulers, ..stage() }.complete::<1, 0>(&script);
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        let failed = |who| format!("tick 6: {who} down, failure: as ordered");
        let heard = &puppet(&outcome, 3).heard;
        assert_eq!(heard[..], ["tick 4: 99 down, noproc".to_owned(), failed(5), failed(6)]);
        let heard = &puppet(&outcome, 1).heard[2..];
        assert_eq!(
            heard,
            ["tick 6: 5 exit, failure: as ordered", "tick 6: 6 exit, failure: as ordered"]
        );
    }
}

#[test]
fn a_change_that_aims_at_a_parent_or_at_who_is_not_born_yet_holds_for_the_child() {
    let say = |tick| (tick, 1, vec![Send(5, vec![Say(3, "x".into()), Remember("y".into())])]);
    let script =
        Script::new([(0, 1, vec![Spawn(1, vec![])]), say(2), say(4), say(6), say(8), say(10)]);
    let denied = |changes: Vec<(u64, Verb, Target)>| {
        let changes = changes.into_iter().map(|(tick, verb, on)| (Tick(tick), verb, on)).collect();
        let (outcome, _) = Stage { changes, ..stage() }.complete::<0, 0>(&script);
        puppet(&outcome, 5).denied.clone()
    };
    let (agent, lease) = (|id| Target::Agent(AgentId(id)), |id| Target::Lease(LeaseId(id)));
    assert_eq!(denied(vec![]), Vec::<String>::new());
    // What stops the parent only in between lets its messages through and stops the child's.
    let between = |from, to, on| vec![(from, Verb::Suspend, on), (to, Verb::Resume, on)];
    assert_eq!(denied(between(3, 4, lease(1))), ["lease_suspended"; 2]);
    assert_eq!(denied(between(3, 4, agent(1))), ["agent_halted"; 2]);
    assert_eq!(denied(vec![(9, Verb::Revoke, lease(1))]), ["lease_revoked"; 2]);
    assert_eq!(denied(between(0, 6, agent(5))), ["agent_halted"; 4], "before it was born");
    assert_eq!(denied(vec![(11, Verb::Revoke, agent(5))]), ["lease_revoked"; 2]);
    let script = || Script::new([(0, 1, vec![Spawn(1, vec![])])]);
    let changes = vec![(Tick(0), Verb::Revoke, agent(999))];
    let (outcome, _) =
        Stage { changes, ..stage() }.play::<0, 0>(&script(), recorder(&Disk::default()));
    assert!(matches!(outcome, Err(RunError::Change { .. })), "nobody can have that serial");
}

#[test]
fn a_child_has_left_of_the_log_what_its_parent_has_left() {
    let fill = |bytes| Remember("x".repeat(bytes));
    let limits = Limits { log_bytes_per_lease: 600, ..SPAWNING };
    let expires = vec![(AgentId(1), Tick(30))];
    let script =
        Script::new([(0, 1, vec![fill(100), fill(100), Spawn(1, vec![Every(1, vec![fill(50)])])])]);
    let (outcome, records) = Stage { limits, expires, ..stage() }.complete::<0, 0>(&script);
    assert_eq!(puppet(&outcome, 5).denied[0], "budget_exhausted");
    let left = Records::new(&records).find_map(|record| match record {
        Some(Record::Lease(lease)) if lease.owner.0 == 5 => lease.log_bytes,
        _ => None,
    });
    assert!((300..380).contains(&left.unwrap()), "{left:?}");
    let remembered = Records::new(&records).filter(|record| match record {
        Some(Record::Step { agent: AgentId(5), outputs, .. }) => {
            matches!(outputs[..], [Output::Remembered { .. }])
        }
        _ => false,
    });
    assert!((4..8).contains(&remembered.count()));
}

#[test]
fn ten_thousand_children_in_a_tick_and_chains_of_children() {
    let limits =
        Limits { spawned: 11_000, outputs_per_step: 20_000, messages_per_tick: 20_000, ..LIMITS };
    let storm = (0..10_000).map(|sum| Spawn(sum, vec![Send(2, vec![Add(1)])])).collect();
    // Told only to spawn one that is told the same, and so on.
    let chain = (0..12).fold(vec![], |below, _| vec![Spawn(1, below)]);
    let script = Script::new([(0, 1, storm), (0, 3, chain.clone()), (3, 4, chain)]);
    let mut whole = None;
    for schedulers in [1, 3] {
        let stage = Stage { limits, schedulers, ..stage() };
        let (outcome, records) = stage.complete::<0, 0>(&script);
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        assert_eq!(outcome.agents.len(), 4 + 10_000 + 24);
        assert_eq!(puppet(&outcome, 2).sum, 10_000);
        assert_eq!(outcome.born.len(), 10_024);
    }
}

fn forked(answer: &Answer) -> u64 {
    match answer {
        Answer::Forked(_, child) => child.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fork_goes_on_from_the_same_state_under_its_own_name() {
    let script = Script::new([
        (0, 2, vec![Add(5), After(4, vec![Add(100)]), Monitor(1)]),
        (1, 1, vec![Send(2, vec![Add(1)])]),
        (3, 1, vec![Send(2, vec![Add(20)])]),
        (5, 1, vec![]),
    ]);
    let questions = vec![
        (2, order(Fork, 2)),
        (3, order(Fork, 5)),
        (4, order(Pause, 5)),
        (4, order(Fork, 5)),
        (5, order(Resume, 5)),
        (5, order(Kill, 6)),
        (5, Question::List(Selection { limit: 10, ..Selection::default() })),
    ];
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let stage = Stage { schedulers, limits: FORKING, ..Stage::default() };
        let (outcome, records, answers) = ask::<0, 0>(&stage, script.clone(), questions.clone());
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        let outcome = outcome.unwrap();
        let forks: Vec<_> = [0, 1, 3].map(|nth| forked(&answers[nth])).into();
        assert_eq!(forks, [5, 6, 7]);
        assert_eq!(
            outcome.born,
            ["puppet 2/fork-5", "puppet 2/fork-5/fork-6", "puppet 2/fork-5/fork-7"]
        );
        // The message of tick 1 was on its way to the second agent, and only to it; the killed
        // one began as it was forked.
        assert_eq!([2, 5, 6, 7].map(|id| puppet(&outcome, id).sum), [126, 5, 5, 5]);
        assert_eq!(outcome.counts.restarts, 1);
        let scope = |id| outcome.leases.get(AgentId(id)).map(|lease| lease.scope);
        assert_eq!(scope(6), scope(2));
        let Answer::Listed(listed) = &answers[6] else { panic!("{:?}", answers[6]) };
        let status: Vec<_> = listed.processes.iter().map(|p| (p.id.0, p.status)).collect();
        assert_eq!(status, (1..8).map(|id| (id, Status::Running)).collect::<Vec<_>>());
        assert_eq!(listed.processes[6].name, "puppet 2/fork-5/fork-7");
        let expected = [(5, 2, None), (6, 5, None), (7, 5, None)];
        assert_eq!(cuts(&records), expected);
    }
}

#[test]
fn a_fork_of_who_exited_of_nobody_and_beyond_the_limit_is_refused() {
    let script = Script::new([(0, 2, vec![Exit]), (4, 1, vec![])]);
    let questions = vec![
        (1, order(Fork, 2)),
        (1, order(Fork, 9)),
        (2, order(Fork, 1)),
        (2, order(Fork, 1)),
        (2, order(Fork, 1)),
        (3, order(Restart, 5)),
    ];
    let limits = Limits { forks: 2, ..LIMITS };
    let stage = Stage { limits, ..Stage::default() };
    let (outcome, _, answers) = ask::<1, 0>(&stage, script, questions);
    assert_eq!(outcome.unwrap().agents.len(), 6);
    let refused = |refusal| Answer::Refused(refusal);
    assert_eq!(answers[..2], [refused(Refusal::Exited), refused(Refusal::Unknown)]);
    assert_eq!([forked(&answers[2]), forked(&answers[3])], [5, 6]);
    assert_eq!(answers[4], refused(Refusal::TooMany));
    assert!(matches!(answers[5], Answer::Done(_)), "{:?}", answers[5]);
}

#[test]
fn a_paused_agent_is_told_of_its_child_when_it_is_resumed_and_a_killed_one_is_not() {
    let script = Script::new([
        (0, 1, vec![Spawn(1, vec![])]),
        (0, 2, vec![Spawn(2, vec![])]),
        (4, 3, vec![]),
    ]);
    let questions = vec![(1, order(Pause, 1)), (1, order(Kill, 2)), (3, order(Resume, 1))];
    let (outcome, records, _) = ask::<0, 0>(&stage(), script, questions);
    let outcome = outcome.unwrap();
    assert_eq!(puppet(&outcome, 1).heard, ["tick 3: 5 spawned"]);
    assert_eq!(puppet(&outcome, 2).heard, Vec::<String>::new());
    let words = in_words(&records);
    assert!(words.contains(&"agent 2 lost spawn 6 0.0: MailboxEmptied".into()), "{words:#?}");
}

/// What puppets of a random family do.
pub fn family(depth: u32) -> impl Strategy<Value = Vec<Order>> {
    let leaf = prop::collection::vec((1u64..50).prop_map(Add), 0..3);
    leaf.prop_recursive(depth, 24, 3, |inner| {
        let one = prop_oneof![
            6 => (1u64..50, inner.clone()).prop_map(|(sum, orders)| Spawn(sum, orders)),
            1 => prop::sample::select(vec![NOBODY, PANIC]).prop_map(|sum| Spawn(sum, vec![])),
            4 => (1u64..24, inner.clone()).prop_map(|(to, orders)| Send(to, orders)),
            2 => (1u64..4, inner).prop_map(|(ticks, orders)| After(ticks, orders)),
            1 => (1u64..24).prop_map(Monitor),
            1 => (1u64..24).prop_map(Link),
            1 => Just(Fail),
            1 => Just(Panic),
            1 => Just(Exit),
            1 => Just(Order::ExitWith(ExitReason::failure("tired"))),
            1 => Just(Remember("something".into())),
        ];
        prop::collection::vec(one, 0..5)
    })
}

fn families() -> impl Strategy<Value = Script> {
    prop::collection::vec((0u64..5, 1u64..8, family(4)), 1..10).prop_map(Script::new)
}

/// Nobody above the scenario's agents, or one supervisor that never gives up.
fn above() -> impl Strategy<Value = Option<Supervised>> {
    let strategy = prop::sample::select(vec![
        Restarts::OneForOne,
        Restarts::OneForAll,
        Restarts::RestForOne,
        Restarts::Dynamic,
    ]);
    prop::option::of(strategy.prop_map(|strategy| {
        let intensity = Intensity { restarts: u64::MAX, period_ticks: 1 };
        supervised(7, Flags { intensity, ..flags(strategy) })
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn families_are_the_same_for_any_number_of_schedulers(
        script in families(),
        seed: u64,
        schedule in schedules(),
        tree in above(),
        spawned in 1u64..30,
        budget in prop_oneof![Just(u64::MAX), 50u64..400],
    ) {
        let limits = Limits { spawned, log_bytes_per_lease: budget, ..SPAWNING };
        for probability in [0.0, 0.2] {
            let chaos = Chaos::new(seed, probability);
            let tree = tree.clone();
            let stage = Stage { agents: 7, chaos, limits, schedule, tree, ..Stage::default() };
            let (one, records) = Stage { schedulers: 1, ..stage.clone() }.complete::<0, 3>(&script);
            for (schedulers, small_tick) in [(2, 0), (3, 5), (4, 0), (16, 0)] {
                let stage = Stage { schedulers, small_tick, ..stage.clone() };
                let (other, others) = stage.complete::<0, 3>(&script);
                prop_assert_eq!(&others, &records, "{} schedulers", schedulers);
                prop_assert_eq!((&other.agents, &other.born), (&one.agents, &one.born));
                prop_assert_eq!(other.counts, one.counts);
                prop_assert_eq!(&other.leases, &one.leases);
            }
            prop_assert!(one.agents.len() as u64 <= 7 + spawned);
        }
    }

    #[test]
    fn chaos_leaves_no_trace_in_families(script in families(), seed: u64) {
        let stage = |probability| Stage {
            agents: 7, chaos: Chaos::new(seed, probability), ..stage()
        };
        let (calm, calm_records) = stage(0.0).complete::<0, 60>(&script);
        let (wild, wild_records) = stage(0.3).complete::<0, 60>(&script);
        prop_assert_eq!((&wild.agents, &wild.born), (&calm.agents, &calm.born));
        prop_assert_eq!(cuts(&wild_records), cuts(&calm_records));
    }

    /// Whatever the run's leases are: what a child may do, its parent may do.
    #[test]
    fn no_lease_of_a_child_is_wider_than_its_parents(
        script in families(),
        rights in 0u32..64,
        expires in prop::collection::vec(prop::option::of(0u64..9), 7),
    ) {
        let expires = (1..).zip(expires).filter_map(|(id, tick)| Some((AgentId(id), Tick(tick?))));
        let rights = Rights(rights).and(Rights::SPAWN);
        let stage = Stage { agents: 7, rights, expires: expires.collect(), ..stage() };
        let (outcome, records) = stage.complete::<0, 0>(&script);
        let lease = |id: u64| outcome.leases.get(AgentId(id)).unwrap();
        for (child, parent, _) in cuts(&records) {
            let (child, parent) = (lease(child), lease(parent));
            prop_assert!(parent.rights.contains(child.rights));
            prop_assert!(parent.scope.covers(child.scope));
            let end = |lease: &Lease| lease.expires.map_or(u64::MAX, |tick| tick.0);
            prop_assert!(end(&child) <= end(&parent));
        }
        // And that is what the gate said: no step put out anything when its parents could not.
        let widest = Scope { first: 1, last: 7 + SPAWNING.spawned + SPAWNING.forks };
        prop_assert!(outcome.leases.iter().all(|lease| widest.covers(lease.scope)));
    }
}

/// Whether each output of a step was allowed.
fn allowed(outputs: &[Output<'_>]) -> Vec<bool> {
    let is_allowed = |output: &Output<'_>| match output {
        Output::Sent { .. } | Output::Remembered { .. } | Output::Arranged { .. } => true,
        Output::Denied { .. }
        | Output::Forgone { .. }
        | Output::DeniedAgain { .. }
        | Output::Unarranged { .. } => false,
        Output::Exit => panic!("nobody was to exit"),
    };
    outputs.iter().map(is_allowed).collect()
}

fn ask_for_all() -> Vec<Order> {
    let orders = [Say(3, "x".into()), Say(99, "x".into()), Say(1_000, "x".into()), Monitor(4)];
    let others = [Link(3), Remember("x".into()), After(90, vec![]), Spawn(1, vec![])];
    orders.into_iter().chain(others).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The first puppet and its child ask for the same in each tick, while authority changes.
    #[test]
    fn whatever_a_child_asks_the_gate_allows_nothing_that_it_denies_the_parent(
        rights in 0u32..64,
        expires in prop::option::of(0u64..12),
        changes in prop::collection::vec((0u64..12, 0u8..3, 0u8..5), 0..6),
        forked: bool,
    ) {
        let mut suspended = std::collections::BTreeSet::new();
        let mut at: Vec<_> = changes;
        at.sort_unstable();
        let mut list = Vec::new();
        for (tick, verb, target) in at {
            let target = match target {
                0 => Target::Agent(AgentId(1)),
                1 => Target::Lease(LeaseId(1)),
                2 => Target::Agent(AgentId(5)),
                3 => Target::Lease(LeaseId(5)),
                _ => Target::Reason(karyon_types::ReasonId(1)),
            };
            let verb = match verb {
                0 => { suspended.insert(target); Verb::Suspend }
                1 if suspended.remove(&target) => Verb::Resume,
                _ => Verb::Revoke,
            };
            list.push((Tick(tick), verb, target));
        }
        let script = Script::new((2..12).flat_map(|tick| {
            [(tick, 1, ask_for_all()), (tick - 1, 2, vec![Send(5, ask_for_all())])]
        }).chain((!forked).then(|| (0, 1, vec![Spawn(1, vec![])]))));
        let stage = Stage {
            rights: Rights(rights).and(Rights::SEND).and(Rights::SPAWN),
            changes: list,
            expires: expires.into_iter().map(|tick| (AgentId(1), Tick(tick))).collect(),
            ..stage()
        };
        let questions = forked.then(|| (1, order(Fork, 1))).into_iter().collect();
        let (outcome, records, _) = ask::<0, 0>(&stage, script, questions);
        prop_assert!(outcome.is_ok());
        let (mut parent, mut compared) = (Vec::new(), 0);
        for record in Records::new(&records) {
            match record.unwrap() {
                Record::Tick(_) => parent.clear(),
                Record::Step { agent: AgentId(1), cause: Cause::Input(_), outputs, .. } => {
                    parent = allowed(&outputs);
                }
                Record::Step { agent: AgentId(5), cause: Cause::Message(_), outputs, .. }
                    if outputs.len() == 8 =>
                {
                    for (child, parent) in allowed(&outputs).iter().zip(&parent) {
                        prop_assert!(*parent || !child);
                        compared += 1;
                    }
                }
                _ => {}
            }
        }
        let stopped_at_once = expires == Some(0) || !stage.changes.is_empty();
        prop_assert!(compared > 0 || stopped_at_once);
    }
}
