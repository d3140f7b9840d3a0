//! Children that agents add below dynamic supervisors of the run's tree, and have stopped again.

use std::sync::Arc;

use karyon_log::{Measure, Record, Records};
use karyon_runtime::processes::OrderVerb::{Fork, Kill, Restart};
use karyon_runtime::processes::{Answer, Question, Refusal, Stands};
use karyon_runtime::{ChildTerms, Intensity, Limits, ROOT, RunError, Shutdown, TreeError};
use karyon_supervision::{ChildId, Flags, Restart as Again, Spec, Strategy, Supervised};

use crate::asker::{Asker, order};
use crate::births::SPAWNING;
use crate::repeating::{end_of, log_of};
use crate::support::*;
use crate::trees::{flags, supervised};
use Order::{Add, After, Exit, Fail, Monitor, Obey, Send, SpawnUnder, Terminate, Trap};

/// The dynamic supervisor below the root, behind four agents.
const NURSERY: u64 = 900;

const PERMANENT: Below = (0, Some(3), false);
const TRANSIENT: Below = (1, Some(3), false);
const TEMPORARY: Below = (2, Some(3), false);

fn tree(nursery: Flags) -> Supervised {
    let below = Arc::new(Supervised { flags: nursery, children: Vec::new() });
    let (id, restart) = (ChildId(NURSERY), Again::Permanent);
    let mut tree = supervised(4, flags(Strategy::OneForOne));
    tree.children.push(Spec::Supervisor { id, restart, significant: false, below });
    tree
}

fn dynamic() -> Flags {
    flags(Strategy::Dynamic)
}

fn stage(nursery: Flags) -> Stage {
    Stage { limits: SPAWNING, tree: Some(tree(nursery)), ..Stage::default() }
}

pub fn terms((restart, ticks, significant): Below) -> ChildTerms {
    let restart = match restart {
        0 => Again::Permanent,
        1 => Again::Transient,
        _ => Again::Temporary,
    };
    let shutdown = match ticks {
        None => Shutdown::BrutalKill,
        Some(u64::MAX) => Shutdown::Infinity,
        Some(ticks) => Shutdown::Timeout { ticks },
    };
    ChildTerms { restart, shutdown, significant }
}

fn under(below: Below, sum: u64, orders: Vec<Order>) -> Order {
    SpawnUnder(NURSERY, below, sum, orders)
}

/// The same for any number of schedulers: the agents, and what supervisors did (tick, agent, what).
#[expect(clippy::type_complexity, reason = "two lists")]
fn played<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
) -> (Vec<Option<Puppet<R, G>>>, Vec<(u64, u64, Measure)>) {
    let mut whole: Option<Vec<u8>> = None;
    let mut agents = Vec::new();
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { schedulers, ..stage.clone() }.complete::<R, G>(script);
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        agents = outcome.agents;
    }
    (agents, measures(&whole.unwrap()))
}

fn measures(records: &[u8]) -> Vec<(u64, u64, Measure)> {
    let (mut tick, mut did) = (0, Vec::new());
    for record in Records::new(records) {
        match record.unwrap() {
            Record::Tick(now) => tick = now.0,
            Record::Supervised { agent, measure, .. } => did.push((tick, agent.0, measure)),
            _ => {}
        }
    }
    did
}

fn sum<const R: u8, const G: u32>(agents: &[Option<Puppet<R, G>>], id: u64) -> Option<u64> {
    agents.get(id as usize - 1)?.as_ref().map(|puppet| puppet.sum)
}

#[test]
fn a_child_is_started_again_by_its_supervisor_as_its_spec_says_whatever_its_kind_says() {
    // The kind is temporary.
    let fails = || vec![Add(5), After(2, vec![Fail])];
    let ends = || vec![Add(5), After(2, vec![Exit])];
    let script = Script::new([
        (0, 1, vec![under(PERMANENT, 10, fails()), under(PERMANENT, 20, ends())]),
        (0, 2, vec![under(TRANSIENT, 30, fails()), under(TRANSIENT, 40, ends())]),
        (0, 3, vec![under(TEMPORARY, 50, fails()), Monitor(9)]),
        (2, 4, vec![Monitor(9)]),
    ]);
    let nursery = Flags { intensity: Intensity { restarts: 9, period_ticks: 9 }, ..dynamic() };
    let (agents, did) = played::<2, 0>(&stage(nursery), &script);
    let sums: Vec<_> = (5..10).map(|id| sum(&agents, id)).collect();
    assert_eq!(sums, [Some(10), Some(20), Some(30), None, None], "anew from what they were given");
    let started = |id| (5, id, Measure::Started);
    assert_eq!(did, [started(5), started(6), started(7)]);
    let heard = &agents[0].as_ref().unwrap().heard;
    assert_eq!(heard[..], ["tick 1: 5 spawned", "tick 1: 6 spawned"]);
    assert_eq!(agents[3].as_ref().unwrap().heard, ["tick 5: 9 down, failure: as ordered"]);
}

#[test]
fn a_child_goes_on_from_its_last_good_state() {
    let orders = vec![Add(5), After(2, vec![Fail]), After(6, vec![Add(100)])];
    let script = Script::new([(0, 1, vec![under(PERMANENT, 10, orders)])]);
    let (agents, did) = played::<2, 1>(&stage(dynamic()), &script);
    assert_eq!(sum(&agents, 5), Some(115), "with its timers");
    assert_eq!(did, [(5, 5, Measure::Continued)]);
}

#[test]
fn restarts_count_and_what_was_added_is_gone_with_its_supervisor() {
    // More than three restarts within five ticks: the nursery gives up, and the root starts it
    // again, empty.
    let breaks = |tick| (tick, 1, vec![Send(5, vec![Fail])]);
    let begins = (0, 1, vec![under(PERMANENT, 1, vec![]), under(PERMANENT, 2, vec![])]);
    let later = (20, 1, vec![under(PERMANENT, 3, vec![])]);
    let script = Script::new([begins, breaks(2), breaks(3), breaks(4), breaks(5), later]);
    let (agents, did) = played::<0, 0>(&stage(dynamic()), &script);
    let sums: Vec<_> = (5..8).map(|id| sum(&agents, id)).collect();
    assert_eq!(sums, [None, None, Some(3)]);
    let started = |tick| (tick, 5, Measure::Started);
    assert_eq!(did, [started(4), started(5), started(6), (7, 6, Measure::Ended)]);
    // Where the root bears nothing, that is its end, too.
    let mut tree = tree(dynamic());
    tree.flags.intensity = Intensity { restarts: 0, period_ticks: 1 };
    let stage = Stage { tree: Some(tree), limits: SPAWNING, ..Stage::default() };
    let (outcome, _) = stage.play::<0, 0>(&script, recorder(&Disk::default()));
    assert!(matches!(outcome, Err(RunError::RootGaveUp { .. })));
}

#[test]
fn what_is_refused_is_told_in_the_tick_in_which_a_birth_would_be() {
    let limits = Limits { spawned: 3, ..SPAWNING };
    let nursery = Flags { max_children: Some(2), ..dynamic() };
    let stage = Stage { limits, ..stage(nursery) };
    let nobody = |supervisor| SpawnUnder(supervisor, PERMANENT, 1, vec![]);
    let script = Script::new([
        // Nobody has that number; the root is no dynamic supervisor; nor is an agent.
        (0, 1, vec![nobody(77), nobody(ROOT.0), nobody(2)]),
        // Significant, where nobody's end matters; and no states.
        (1, 1, vec![under((1, None, true), 1, vec![]), under(PERMANENT, NOBODY, vec![])]),
        (2, 1, vec![under(PERMANENT, PANIC, vec![])]),
        // Two may stand there, and only three come to life in all.
        (3, 1, vec![under(TEMPORARY, 1, vec![Exit]), under(PERMANENT, 2, vec![])]),
        (3, 2, vec![under(PERMANENT, 9, vec![])]),
        (8, 1, vec![under(PERMANENT, 3, vec![])]),
        (9, 2, vec![under(PERMANENT, 9, vec![])]),
    ]);
    let (agents, did) = played::<0, 0>(&stage, &script);
    let puppet = |id: usize| agents[id - 1].as_ref().unwrap();
    let (scope, malformed) = ("exceeds_capability_scope", "malformed_arguments");
    assert_eq!(puppet(1).denied, [scope, scope, scope, malformed, malformed, malformed]);
    assert_eq!(puppet(2).denied, ["budget_exhausted"; 2]);
    let heard = ["tick 4: 5 spawned", "tick 4: 6 spawned", "tick 9: 7 spawned"];
    assert_eq!(puppet(1).heard, heard, "what could not start took no serial");
    assert_eq!((agents.len(), did.len()), (7, 0));
}

#[test]
fn without_a_tree_or_the_right_nobody_is_added() {
    let script = Script::new([(0, 1, vec![under(PERMANENT, 1, vec![]), Terminate(2)])]);
    let flat = Stage { limits: SPAWNING, ..Stage::default() };
    let (outcome, _) = flat.complete::<0, 0>(&script);
    assert_eq!(outcome.agents[0].as_ref().unwrap().denied, ["exceeds_capability_scope"; 2]);
    let rights = karyon_gate::Rights::SEND;
    let (outcome, _) = Stage { rights, ..stage(dynamic()) }.complete::<0, 0>(&script);
    assert_eq!(outcome.agents[0].as_ref().unwrap().denied, ["capability_not_granted"; 2]);
    assert_eq!(outcome.agents.len(), 4);
}

#[test]
fn a_child_is_stopped_as_its_spec_says_and_nobody_else_is() {
    let traps = || vec![Trap(true), Add(1)];
    let script = Script::new([
        (0, 1, vec![under(PERMANENT, 1, vec![]), under(PERMANENT, 2, traps())]),
        (0, 1, vec![under((0, None, false), 3, traps()), under(PERMANENT, 4, vec![])]),
        (3, 2, vec![Terminate(5), Terminate(6), Terminate(7), Terminate(1), Terminate(99)]),
        (4, 2, vec![Terminate(5)]),
    ]);
    let (agents, did) = played::<0, 0>(&stage(dynamic()), &script);
    let alive: Vec<_> = (5..9).map(|id| sum(&agents, id).is_some()).collect();
    assert_eq!(alive, [false, false, false, true]);
    // The second is asked, and killed when its three ticks are over; the third waits for its turn.
    let stopped = [(4, 5, Measure::Ended), (4, 6, Measure::Asked), (7, 6, Measure::Killed)];
    assert_eq!(did[..3], stopped);
    assert_eq!(did[3..], [(7, 7, Measure::Killed)]);
    let denied = &agents[1].as_ref().unwrap().denied;
    assert_eq!(denied[..], ["exceeds_capability_scope"; 3], "one's own, nobody, and who is gone");
}

#[test]
fn who_is_to_be_added_waits_for_a_supervisor_that_waits() {
    let script = Script::new([
        (0, 1, vec![under(PERMANENT, 1, vec![Trap(true)])]),
        (3, 2, vec![Terminate(5), under(PERMANENT, 2, vec![])]),
        (4, 3, vec![under(PERMANENT, 3, vec![])]),
    ]);
    let (agents, did) = played::<0, 0>(&stage(dynamic()), &script);
    assert_eq!(did, [(4, 5, Measure::Asked), (7, 5, Measure::Killed)]);
    assert_eq!((sum(&agents, 6), sum(&agents, 7)), (Some(2), Some(3)), "in the order of asking");
    assert_eq!(agents[1].as_ref().unwrap().heard, ["tick 7: 6 spawned"]);
    assert_eq!(agents[2].as_ref().unwrap().heard, ["tick 7: 7 spawned"]);
    // Of one that waits for ever nothing comes; the run ends all the same.
    let script = Script::new([
        (0, 1, vec![under((0, Some(u64::MAX), false), 1, vec![Trap(true)])]),
        (3, 2, vec![Terminate(5), under(PERMANENT, 2, vec![])]),
    ]);
    let (agents, _) = played::<0, 0>(&stage(dynamic()), &script);
    assert_eq!(agents.len(), 5);
}

#[test]
fn orders_see_children_as_their_supervisor_keeps_them_and_forks_stand_in_no_tree() {
    let script = Script::new([
        (0, 1, vec![under(PERMANENT, 7, vec![Obey, Trap(true)])]),
        (9, 1, vec![Send(6, vec![Fail]), Terminate(6)]),
    ]);
    let asked = vec![
        (2, order(Restart, 5)),
        (2, order(Kill, 5)),
        (5, order(Fork, 5)),
        (6, Question::Tree { offset: 0, limit: 100 }),
    ];
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let asker = Asker::new(script.clone(), asked.clone());
        let disk = Disk::default();
        let desk = Some(Arc::clone(&asker.desk));
        let stage = Stage { desk, schedulers, ..stage(dynamic()) };
        let (outcome, recorder) = stage.play_from::<2, 0>(asker.clone(), recorder(&disk));
        recorder.unwrap().close().unwrap();
        let outcome = outcome.unwrap();
        let records = records(&disk).unwrap();
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        let answers: Vec<_> = asker.answers().into_iter().map(|(_, _, answer)| answer).collect();
        assert!(matches!(answers[0], Answer::Refused(Refusal::NotKept)), "{answers:?}");
        let Answer::Tree(shown) = &answers[3] else { panic!("{answers:?}") };
        let shown: Vec<_> = shown
            .branches
            .iter()
            .map(|branch| match &branch.stands {
                Stands::Agent { restarts, .. } => (branch.id, branch.above, *restarts),
                Stands::Supervisor { children, .. } => (branch.id, branch.above, *children),
                Stands::SupervisorAtRest => panic!("all run"),
            })
            .collect();
        let four = (1..5).map(|id| (id, Some(0), 0));
        let all = [(0, None, 5)].into_iter().chain(four);
        let all = all.chain([(NURSERY, Some(0), 1), (5, Some(NURSERY), 1)]);
        assert_eq!(shown, all.collect::<Vec<_>>(), "killed, and started again");
        // The fork is of a temporary kind, and its own.
        assert_eq!((sum(&outcome.agents, 5), sum(&outcome.agents, 6)), (Some(7), None));
        let denied = &outcome.agents[0].as_ref().unwrap().denied;
        assert_eq!(denied[..], ["exceeds_capability_scope"]);
    }
}

#[test]
fn a_supervisors_number_is_above_all_that_agents_may_have() {
    let mut tree = tree(dynamic());
    tree.children.pop();
    let below = Arc::new(Supervised { flags: dynamic(), children: Vec::new() });
    let (id, restart) = (ChildId(4 + 108), Again::Permanent);
    tree.children.push(Spec::Supervisor { id, restart, significant: false, below });
    let stage = Stage { tree: Some(tree), ..stage(dynamic()) };
    let (outcome, _) = stage.play::<0, 0>(&Script::default(), recorder(&Disk::default()));
    let expected = TreeError::SupervisorId(ChildId(112));
    assert!(matches!(outcome, Err(RunError::Tree(error)) if error == expected));
}

#[test]
fn a_run_that_adds_children_is_repeated_wherever_it_was_cut() {
    let script = || {
        Script::new([
            (0, 1, vec![under(PERMANENT, 1, vec![Trap(true), After(3, vec![Fail])])]),
            (1, 2, vec![under(TEMPORARY, 2, vec![After(2, vec![Exit])])]),
            (
                2,
                3,
                vec![under(TRANSIENT, 3, vec![Trap(true)]), SpawnUnder(3, PERMANENT, 1, vec![])],
            ),
            (4, 3, vec![Terminate(7), under(PERMANENT, NOBODY, vec![])]),
            (5, 4, vec![under(PERMANENT, 4, vec![]), Terminate(4)]),
        ])
    };
    let (outcome, whole) = stage(dynamic()).complete::<0, 0>(&script());
    assert_eq!(outcome.agents.len(), 8);
    for kept in 0..=Records::new(&whole).count() {
        let mut cut = Records::new(&whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        let schedulers = 1 + kept % 4;
        let disk = log_of(prefix, 1 + kept % 5);
        let end = end_of(&disk).unwrap();
        assert!(end.records as usize <= kept);
        let stage = Stage { schedulers, ..stage(dynamic()) };
        let (again, recorder) = stage.play::<0, 0>(&script(), resuming(&disk));
        recorder.unwrap().close().unwrap();
        assert!(again.is_ok(), "{kept} records kept");
        assert_eq!(records(&disk).unwrap(), whole, "{kept} records kept");
    }
}
