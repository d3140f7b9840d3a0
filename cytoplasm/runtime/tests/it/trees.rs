//! Agents in a tree of supervisors: the cases of OTP's documentation, carried out by a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use karyon_log::{Measure, Record, Records};
use karyon_runtime::processes::{Answer, OrderVerb, Question, Stands};
use karyon_runtime::{ExitReason, Intensity, Restart, RunError, TreeError};
use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Flags, Shutdown, Spec, Strategy, Supervised,
};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::support::*;
use Order::{Add, After, Every, Exit, ExitWith, Fail, Link, Monitor, Obey, Panic, Send, Trap};

pub fn flags(strategy: Strategy) -> Flags {
    let intensity = Intensity { restarts: 3, period_ticks: 5 };
    Flags { strategy, intensity, auto_shutdown: AutoShutdown::Never, max_children: None }
}

fn worker(id: u64) -> ChildSpec {
    ChildSpec {
        id: ChildId(id),
        arguments: 0,
        restart: Restart::Permanent,
        shutdown: Shutdown::Timeout { ticks: 3 },
        significant: false,
    }
}

fn four(strategy: Strategy) -> Supervised {
    supervised(4, flags(strategy))
}

/// One supervisor above so many agents.
pub fn supervised(agents: u64, flags: Flags) -> Supervised {
    let children = (1..=agents).map(|id| Spec::Worker(worker(id))).collect();
    Supervised { flags, children }
}

fn above(id: u64, below: Supervised) -> Spec {
    let (id, below) = (ChildId(id), Arc::new(below));
    Spec::Supervisor { id, restart: Restart::Permanent, significant: false, below }
}

fn staged(tree: Supervised) -> Stage {
    Stage { tree: Some(tree), ..Stage::default() }
}

/// Tick, agent, and what its supervisor did.
type Did = (u64, u64, Measure);
/// The agents, or why the run failed.
type Outcome<A> = Result<Vec<Option<A>>, String>;

/// What supervisors did, by tick; and whether the run ended well.
fn measures<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
) -> (Vec<Did>, Outcome<Puppet<R, G>>) {
    let mut first = None;
    for schedulers in [1, 2, 4] {
        let disk = Disk::default();
        let stage = Stage { schedulers, ..stage.clone() };
        let (outcome, recorder) = stage.play::<R, G>(script, recorder(&disk));
        recorder.unwrap().close().unwrap();
        let found = measures_of(&records(&disk).unwrap());
        let outcome = outcome.map(|outcome| outcome.agents).map_err(|error| error.to_string());
        let all = (found, outcome);
        assert_eq!(first.get_or_insert(all.clone()), &all, "{schedulers} schedulers");
    }
    first.unwrap()
}

fn measures_of(records: &[u8]) -> Vec<Did> {
    let mut tick = 0;
    let found = Records::new(records).filter_map(|record| match record.unwrap() {
        Record::Tick(Tick(begun)) => {
            tick = begun;
            None
        }
        Record::Supervised { agent, measure, .. } => Some((tick, agent.0, measure)),
        _ => None,
    });
    found.collect()
}

fn done(tree: Supervised, script: &Script) -> Vec<Did> {
    measures::<0, 0>(&staged(tree), script).0
}

use Measure::{Asked, Continued, Ended, Killed, NotStarted, Started};

#[test]
fn one_for_one_restarts_the_child_alone() {
    let script = Script::new([(1, 2, vec![Fail]), (4, 3, vec![Exit])]);
    let did = done(four(Strategy::OneForOne), &script);
    assert_eq!(did, [(2, 2, Started), (5, 3, Started)]);
}

#[test]
fn one_for_all_stops_the_others_the_last_first_and_starts_all_in_order() {
    let did = done(four(Strategy::OneForAll), &Script::new([(1, 2, vec![Panic])]));
    let stopped = [4, 3, 1].map(|id| (2, id, Ended));
    let started = [1, 2, 3, 4].map(|id| (2, id, Started));
    assert_eq!(did, [&stopped[..], &started].concat());
}

#[test]
fn rest_for_one_stops_and_starts_those_behind_the_child() {
    let did = done(four(Strategy::RestForOne), &Script::new([(1, 3, vec![Panic])]));
    assert_eq!(did, [(2, 4, Ended), (2, 3, Started), (2, 4, Started)]);
}

#[test]
fn transient_after_a_failure_alone_and_temporary_never() {
    let mut tree = four(Strategy::OneForOne);
    for (id, restart) in [(1, Restart::Transient), (2, Restart::Transient), (3, Restart::Temporary)]
    {
        tree.children[id - 1] = Spec::Worker(ChildSpec { restart, ..worker(id as u64) });
    }
    let shutdown = || vec![ExitWith(ExitReason::Shutdown)];
    let script = Script::new([
        (1, 1, vec![Exit]),
        (1, 2, vec![ExitWith(ExitReason::Killed)]),
        (1, 3, vec![Fail]),
        (1, 4, shutdown()),
        (3, 2, shutdown()),
    ]);
    let (did, agents) = measures::<0, 0>(&staged(tree), &script);
    assert_eq!(did, [(2, 2, Started), (2, 4, Started)]);
    let there: Vec<_> = agents.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(there, [false, false, false, true]);
}

#[test]
fn who_traps_exits_is_asked_has_its_time_and_is_killed_behind_it() {
    for (obeys, timeout, ends) in [
        // Asked in tick 2, it ends in it.
        (true, Shutdown::Timeout { ticks: 3 }, vec![(3, 3, Ended)]),
        // It has ticks 2, 3 and 4, though nothing happens in them.
        (false, Shutdown::Timeout { ticks: 3 }, vec![(5, 4, Killed), (5, 3, Ended)]),
        (false, Shutdown::Timeout { ticks: 0 }, vec![(2, 4, Killed), (2, 3, Ended)]),
        (true, Shutdown::Infinity, vec![(3, 3, Ended)]),
    ] {
        let mut tree = four(Strategy::RestForOne);
        tree.children[3] = Spec::Worker(ChildSpec { shutdown: timeout, ..worker(4) });
        let trap = if obeys { vec![Trap(true), Obey] } else { vec![Trap(true)] };
        let script = Script::new([(0, 4, trap), (1, 2, vec![Panic])]);
        let (did, agents) = measures::<0, 0>(&staged(tree), &script);
        let at = ends[0].0;
        let mut expected = vec![(2, 4, Asked)];
        expected.extend(ends);
        expected.extend([2, 3, 4].map(|id| (at, id, Started)));
        assert_eq!(did, expected, "{obeys} {timeout:?}");
        assert_eq!(agents.unwrap()[3].as_ref().unwrap().heard, [""; 0], "it began anew");
    }
}

#[test]
fn a_time_is_not_passed_over_by_timers_far_away() {
    let tree = four(Strategy::RestForOne);
    let script = Script::new([
        (0, 4, vec![Trap(true)]),
        (0, 1, vec![After(100, vec![Add(1)])]),
        (1, 3, vec![Fail]),
    ]);
    let (did, agents) = measures::<0, 0>(&staged(tree), &script);
    assert_eq!(did, [(2, 4, Asked), (5, 4, Killed), (5, 3, Started), (5, 4, Started)]);
    assert_eq!(agents.unwrap()[0].as_ref().unwrap().sum, 1);
}

#[test]
fn who_waits_for_ever_for_one_that_does_not_end_keeps_no_run_from_its_end() {
    let mut tree = four(Strategy::RestForOne);
    let shutdown = Shutdown::Infinity;
    tree.children[3] = Spec::Worker(ChildSpec { shutdown, ..worker(4) });
    let script = Script::new([(0, 4, vec![Trap(true)]), (1, 3, vec![Fail])]);
    let (did, agents) = measures::<0, 0>(&staged(tree), &script);
    assert_eq!(did, [(2, 4, Asked)]);
    let agents = agents.unwrap();
    assert_eq!(agents[3].as_ref().unwrap().heard, ["tick 2: 0 exit, shutdown"]);
    assert!(agents[2].is_none());
}

#[test]
fn a_brutal_kill_asks_nobody() {
    let mut tree = four(Strategy::OneForAll);
    let shutdown = Shutdown::BrutalKill;
    tree.children[3] = Spec::Worker(ChildSpec { shutdown, ..worker(4) });
    let monitors = vec![Monitor(4), Monitor(3)];
    let mut alone = tree.clone();
    alone.children.remove(0);
    let tree = Supervised {
        flags: flags(Strategy::OneForOne),
        children: vec![Spec::Worker(worker(1)), above(10, alone)],
    };
    let script = Script::new([(0, 4, vec![Trap(true)]), (0, 1, monitors), (1, 2, vec![Fail])]);
    let (did, agents) = measures::<0, 0>(&staged(tree), &script);
    let started = [2, 3, 4].map(|id| (2, id, Started));
    assert_eq!(did, [&[(2, 4, Killed), (2, 3, Ended)][..], &started].concat());
    let heard = agents.unwrap()[0].clone().unwrap().heard;
    assert_eq!(heard, ["tick 2: 4 down, killed", "tick 2: 3 down, shutdown"]);
}

#[test]
fn a_supervisor_that_gives_up_is_an_exit_to_the_one_above_and_the_root_fails_the_run() {
    let one = Intensity { restarts: 1, period_ticks: 10 };
    let inner = Supervised {
        flags: Flags { intensity: one, ..flags(Strategy::OneForOne) },
        children: vec![Spec::Worker(worker(3)), Spec::Worker(worker(4))],
    };
    let tree = Supervised {
        flags: Flags { intensity: one, ..flags(Strategy::OneForOne) },
        children: vec![Spec::Worker(worker(1)), above(10, inner), Spec::Worker(worker(2))],
    };
    let script = Script::new((1..=5).map(|tick| (tick, 3, vec![Fail])));
    let (did, outcome) = measures::<0, 1>(&staged(tree), &script);
    let first = [(2, 3, Continued), (3, 4, Ended), (3, 3, Started), (3, 4, Started)];
    let then = [(4, 3, Continued), (5, 4, Ended), (5, 2, Ended), (5, 1, Ended)];
    assert_eq!(did, [first, then].concat());
    let words = "the root supervisor gave up at tick 4: more than 1 restarts within 10 ticks; \
                 the last that failed below it was agent 3";
    assert_eq!(outcome.unwrap_err(), words);
}

#[test]
fn significant_children_end_their_supervisor() {
    for (auto_shutdown, ends) in [
        (AutoShutdown::AnySignificant, vec![(2, 4, Ended), (2, 3, Ended)]),
        (AutoShutdown::AllSignificant, vec![(4, 4, Ended)]),
    ] {
        let significant = ChildSpec { significant: true, restart: Restart::Transient, ..worker(0) };
        let workers = [2, 3].map(|id| Spec::Worker(ChildSpec { id: ChildId(id), ..significant }));
        let inner = Supervised {
            flags: Flags { auto_shutdown, ..flags(Strategy::OneForOne) },
            children: workers.into_iter().chain([Spec::Worker(worker(4))]).collect(),
        };
        let (id, below) = (ChildId(9), Arc::new(inner));
        let transient =
            Spec::Supervisor { id, restart: Restart::Transient, significant: false, below };
        let tree = Supervised {
            flags: flags(Strategy::OneForOne),
            children: vec![Spec::Worker(worker(1)), transient],
        };
        let script = Script::new([(1, 2, vec![Exit]), (3, 3, vec![Exit]), (5, 1, vec![Add(1)])]);
        let (did, agents) = measures::<0, 0>(&staged(tree), &script);
        assert_eq!(did, ends);
        let agents = agents.unwrap();
        assert_eq!(agents[0].as_ref().unwrap().sum, 1);
        assert!(agents[1..].iter().all(Option::is_none));
    }
}

#[test]
fn who_fails_goes_on_from_its_last_good_state_and_its_siblings_begin_anew() {
    let script = Script::new([
        (0, 2, vec![Add(5), After(4, vec![Add(10)]), Every(3, vec![Add(100)]), Monitor(1)]),
        (0, 3, vec![Add(5), After(9, vec![Add(10)])]),
        (1, 2, vec![Add(1), Fail]),
        (7, 2, vec![Order::Cancel(0, 1)]),
        (8, 1, vec![Exit]),
    ]);
    let (did, agents) = measures::<0, 1>(&staged(four(Strategy::RestForOne)), &script);
    let all = [(2, 4, Ended), (2, 3, Ended), (2, 2, Continued), (2, 3, Started), (2, 4, Started)];
    assert_eq!(did[..5], all);
    let agents = agents.unwrap();
    // At tick 9 the first ended, and those behind it began anew.
    assert_eq!(agents[1].as_ref().unwrap().sum, 0);
    assert_eq!(did[5..8], [(9, 4, Ended), (9, 3, Ended), (9, 2, Ended)]);
    let (_, agents) = measures::<0, 1>(
        &staged(four(Strategy::RestForOne)),
        &Script::new([
            (0, 2, vec![Add(5), After(4, vec![Add(10)]), Monitor(4)]),
            (1, 2, vec![Add(1), Fail]),
            (5, 4, vec![Exit]),
        ]),
    );
    let second = agents.unwrap()[1].clone().unwrap();
    assert_eq!(second.sum, 15);
    let heard = ["tick 2: 4 down, shutdown"];
    assert_eq!(second.heard, heard);
}

#[test]
fn what_ended_is_gone_for_the_rest_of_its_tick_and_there_again_in_the_next() {
    let hello = || vec![Add(1)];
    let script = Script::new([
        (0, 1, vec![Send(2, vec![Fail]), Send(2, hello())]),
        (1, 1, vec![Send(2, hello())]),
        (1, 2, hello()),
    ]);
    let stage = staged(four(Strategy::OneForOne));
    let (outcome, records) = stage.complete::<0, 0>(&script);
    assert_eq!(outcome.agents[1].as_ref().unwrap().sum, 1);
    let words = in_words(&records);
    let at = words.iter().position(|word| word.contains("LeftToSupervisor")).unwrap();
    assert_eq!(
        words[at..at + 4],
        [
            "agent 2 attempt 0: Error, LeftToSupervisor",
            "agent 2 lost 1.0.0: Poison",
            "agent 2 lost 1.0.1: ReceiverGone",
            "tick 2",
        ]
    );
}

#[test]
fn linked_agents_end_for_good_and_each_is_left_to_its_supervisor() {
    let script = Script::new([(0, 1, vec![Link(4)]), (1, 4, vec![Fail])]);
    let did = done(four(Strategy::OneForOne), &script);
    assert_eq!(did, [(2, 4, Started), (3, 1, Started)]);
    // Who is stopped before it hears of the end is not ended twice.
    let did = done(four(Strategy::OneForAll), &script);
    assert_eq!(did.len(), 3 + 4);
}

#[test]
fn kill_and_restart_orders_and_a_pause_ends_with_its_agent() {
    let orders = [
        (1, order(OrderVerb::Pause, 3)),
        (2, order(OrderVerb::Kill, 2)),
        (4, order(OrderVerb::Restart, 4)),
        (6, order(OrderVerb::Restart, 3)),
    ];
    let mut tree = four(Strategy::OneForOne);
    let restart = Restart::Temporary;
    tree.children[1] = Spec::Worker(ChildSpec { restart, ..worker(2) });
    let script = Script::new([
        (0, 4, vec![Trap(true), Obey]),
        (3, 3, vec![Add(1)]),
        (7, 1, vec![Add(1)]),
        (8, 3, vec![Add(1)]),
    ]);
    let mut first = None;
    for schedulers in [1, 2, 4] {
        let asker = Asker::new(script.clone(), orders.clone());
        let desk = Some(asker.desk.clone());
        let stage = Stage { schedulers, desk, ..staged(tree.clone()) };
        let disk = Disk::default();
        let (outcome, recorder) = stage.play_from::<0, 0>(asker.clone(), recorder(&disk));
        recorder.unwrap().close().unwrap();
        let agents = outcome.unwrap().agents;
        assert!(agents[1].is_none(), "temporary");
        assert_eq!(agents[2].as_ref().unwrap().sum, 1, "what waited is lost");
        let records = records(&disk).unwrap();
        let did = measures_of(&records);
        assert_eq!(
            did,
            [(4, 4, Asked), (5, 4, Started), (6, 3, Ended), (6, 3, Started)],
            "{:#?}",
            in_words(&records)
        );
        assert_eq!(first.get_or_insert(records.clone()), &records);
    }
}

#[test]
fn a_start_that_fails_is_tried_again_and_counts() {
    for (failing, started) in [(0..0, true), (1..3, true), (1..9, false)] {
        let starts = Arc::new(AtomicU64::new(0));
        let init = move |id: AgentId| {
            let nth = if id.0 == 2 { starts.fetch_add(1, Relaxed) } else { 0 };
            assert!(!failing.contains(&nth), "no start");
            Puppet::<0, 0>::default()
        };
        let disk = Disk::default();
        let inputs = Arc::new(Script::new([(1, 2, vec![Fail])]));
        let stage = staged(four(Strategy::OneForOne));
        let (outcome, recorder) = stage.play_as(init, inputs, recorder(&disk));
        recorder.unwrap().close().unwrap();
        let did = measures_of(&records(&disk).unwrap());
        if started {
            let last = *did.last().unwrap();
            assert_eq!(last, (2, 2, Started));
            assert!(did[..did.len() - 1].iter().all(|did| *did == (2, 2, NotStarted)));
            outcome.map(drop).unwrap();
        } else {
            assert_eq!(did[..3], [(2, 2, NotStarted); 3]);
            assert_eq!(did[3..], [4, 3, 1].map(|id| (2, id, Ended)));
            assert!(matches!(outcome, Err(RunError::RootGaveUp { .. })));
        }
    }
}

#[test]
fn of_very_many_starts_that_fail_the_rest_is_tried_a_tick_later() {
    let intensity = Intensity { restarts: u64::MAX, period_ticks: 1 };
    let mut tree = four(Strategy::OneForOne);
    tree.flags.intensity = intensity;
    let starts = Arc::new(AtomicU64::new(0));
    let init = move |id: AgentId| {
        let nth = if id.0 == 2 { starts.fetch_add(1, Relaxed) } else { 0 };
        assert!(!(1..1_500).contains(&nth), "no start");
        Puppet::<0, 0>::default()
    };
    let disk = Disk::default();
    let inputs = Arc::new(Script::new([(1, 2, vec![Fail])]));
    let (outcome, recorder) = staged(tree).play_as(init, inputs, recorder(&disk));
    recorder.unwrap().close().unwrap();
    outcome.map(drop).unwrap();
    let did = measures_of(&records(&disk).unwrap());
    assert_eq!(did.len(), 1_500);
    assert_eq!(did.iter().filter(|(tick, ..)| *tick == 2).count(), 1_001);
    assert_eq!(did.last(), Some(&(3, 2, Started)));
}

#[test]
fn somebody_who_asks_sees_the_tree_and_what_each_does() {
    let mut inner = four(Strategy::RestForOne);
    inner.children.remove(0);
    let restart = Restart::Temporary;
    inner.children[1] = Spec::Worker(ChildSpec { restart, ..worker(3) });
    let tree = Supervised {
        flags: flags(Strategy::OneForAll),
        children: vec![Spec::Worker(worker(1)), above(10, inner)],
    };
    let script = Script::new([(0, 4, vec![Trap(true)]), (1, 2, vec![Fail]), (9, 1, vec![Add(1)])]);
    let all = |tick| (tick, Question::Tree { offset: 0, limit: 99 });
    let part = (9, Question::Tree { offset: 1, limit: 1 });
    let asked = [all(0), (2, order(OrderVerb::Pause, 1)), all(3), all(6), part];
    for (tree, flat) in [(Some(tree), false), (None, true)] {
        let asker = Asker::new(script.clone(), asked.clone());
        let desk = Some(asker.desk.clone());
        let stage = Stage { tree, desk, ..Stage::default() };
        let stage = Stage { interrupt: Arc::default(), progress: Arc::default(), ..stage };
        // Nobody resumes the first: the run waits until it is interrupted.
        let waits = {
            let (progress, interrupt) = (stage.progress.clone(), stage.interrupt.clone());
            std::thread::spawn(move || {
                while progress.waiting.load(Relaxed) == 0 {
                    std::thread::yield_now();
                }
                interrupt.store(2, Relaxed);
            })
        };
        let (outcome, _) = stage.play_from::<0, 0>(asker.clone(), recorder(&Disk::default()));
        waits.join().unwrap();
        outcome.map(drop).unwrap();
        let shown = asker.answers().into_iter().filter_map(|(.., answer)| match answer {
            Answer::Tree(shown) => {
                let places = shown.branches.iter().map(|branch| {
                    let words = match &branch.stands {
                        Stands::Supervisor { restarts, intensity, children, .. } => {
                            format!("{restarts} of {}, {children}", intensity.restarts)
                        }
                        Stands::SupervisorAtRest => "at rest".into(),
                        Stands::Agent { upkeep, restarts, .. } => format!("{upkeep:?} {restarts}"),
                    };
                    format!("{}{}: {words}", " ".repeat(branch.depth as usize), branch.id)
                });
                Some((shown.total, places.collect::<Vec<_>>()))
            }
            _ => None,
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown.len(), 4);
        if flat {
            let all = ["0: 1 of 1000, 4", " 1: Paused 0", " 2: Running 1", " 3: Running 0"];
            assert_eq!(shown[1].1[..4], all);
            assert_eq!(shown[3], (5, vec![" 1: Paused 0".to_owned()]));
            continue;
        }
        let first = ["0: 0 of 3, 2", " 1: Running 0", " 10: 0 of 3, 3", "  2: Running 0"];
        assert_eq!(shown[0].1[..4], first);
        let asked = ["  2: Waiting 0", "  3: Running 0", "  4: Stopping 0"];
        assert_eq!(shown[1].1[..3], ["0: 0 of 3, 2", " 1: Paused 0", " 10: 1 of 3, 3"]);
        assert_eq!(shown[1].1[3..], asked);
        let then = [" 10: 1 of 3, 2", "  2: Running 1", "  4: Running 1"];
        assert_eq!(shown[2].1[2..], then, "the third was temporary");
        assert_eq!(shown[3], (5, vec![" 1: Paused 0".to_owned()]));
    }
}

#[test]
fn an_agent_that_cannot_begin_is_named() {
    let init = |id: AgentId| {
        assert!(id.0 != 3, "no start");
        Puppet::<0, 0>::default()
    };
    let stage = staged(four(Strategy::OneForAll));
    let disk = Disk::default();
    let (outcome, _) = stage.play_as(init, Arc::new(Script::default()), recorder(&disk));
    assert!(matches!(outcome, Err(RunError::NotStarted { agent: AgentId(3) })));
}

#[test]
fn a_tree_that_does_not_fit_is_refused_before_anything_begins() {
    let mut missing = four(Strategy::OneForOne);
    missing.children.remove(1);
    let mut none = four(Strategy::OneForOne);
    none.children.push(Spec::Worker(worker(5)));
    let mut twice = four(Strategy::OneForOne);
    twice.children.push(Spec::Worker(worker(2)));
    let mut low = four(Strategy::OneForOne);
    low.children.remove(3);
    let below = Supervised { children: vec![Spec::Worker(worker(4))], ..low.clone() };
    low.children.push(above(4, below));
    for (tree, expected) in [
        (missing, TreeError::Unsupervised(AgentId(2))),
        (none, TreeError::NoAgent(ChildId(5))),
        (twice, TreeError::Spec(karyon_supervision::SpecError::Duplicate(ChildId(2)))),
        (low, TreeError::SupervisorId(ChildId(4))),
    ] {
        let disk = Disk::default();
        let stage = staged(tree);
        let (outcome, recorder) = stage.play::<0, 0>(&Script::default(), recorder(&disk));
        recorder.unwrap().close().unwrap();
        assert!(matches!(outcome, Err(RunError::Tree(error)) if error == expected));
        assert_eq!(records(&disk).unwrap(), [0; 0]);
    }
}
