//! A step that does not return, in runs whose agents spawn, stand in a tree, or take turns.

use std::sync::{Arc, Mutex};

use karyon_log::{Measure, Record, Records};
use karyon_runtime::processes::{Answer, OrderVerb, Refusal};
use karyon_runtime::{Limits, Outcome, RunError, Schedule, Stuck, Watch};
use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Flags, Intensity, Restart, Shutdown, Spec, Strategy,
    Supervised,
};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::repeating::log_of;
use crate::snapshots::{Kept, run_records, start};
use crate::support::*;
use crate::watchdog::LIMIT;
use Order::{Add, After, Fail, Hang, Link, Monitor, Send, Spawn, Trap};

type Told = Arc<Mutex<Vec<Stuck>>>;

/// Eight agents, two with each of four schedulers.
fn stage() -> Stage {
    let limits = Limits { outputs_per_step: 30, spawned: 20, ..LIMITS };
    Stage { agents: 8, schedulers: 4, limits, ..Stage::default() }
}

fn watched(stage: Stage) -> (Stage, Told) {
    let told = Told::default();
    let hears = Arc::clone(&told);
    let watch = Watch {
        limit: LIMIT,
        told: Arc::new(move |stuck| hears.lock().unwrap().push(stuck.clone())),
    };
    (Stage { watch: Some(watch), ..stage }, told)
}

/// How many records lie in front of the tick behind the last one in which agents were lost, or of
/// all that there are.
fn behind_the_last_loss(records: &[u8]) -> usize {
    let (mut lost, mut behind, mut count) = (false, 0, 0);
    for record in Records::new(records) {
        match record.unwrap() {
            Record::Lost { .. } => lost = true,
            Record::Tick(_) if std::mem::take(&mut lost) => behind = count,
            _ => {}
        }
        count += 1;
    }
    if lost { count } else { behind }
}

/// Without a watchdog, cut behind the loss and not cut, on other schedulers: the same comes out.
fn repeats(stage: &Stage, whole: &[u8], script: &Script, expected: &Ended) {
    let count = Records::new(whole).count();
    for kept in (behind_the_last_loss(whole)..=count).step_by(5).chain([count]) {
        let mut cut = Records::new(whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        for (per_block, schedulers) in [(1, 1), (5, 2), (1000, 3), (7, 8)] {
            let disk = log_of(prefix, per_block);
            let stage = Stage { schedulers, watch: None, ..stage.clone() };
            let (again, recorder) = stage.play::<0, 0>(script, resuming(&disk));
            recorder.unwrap().close().unwrap();
            assert!(records(&disk).unwrap() == whole, "{kept} records kept, {schedulers}");
            assert!(&ended(again) == expected, "{kept} records kept, {schedulers}");
        }
    }
}

type Agents = Vec<Option<Puppet<0, 0>>>;
type Ended = Result<(karyon_runtime::Counts, u64, Vec<String>, Agents), String>;

fn ended(outcome: Result<Outcome<Puppet<0, 0>>, RunError>) -> Ended {
    let outcome = outcome.map_err(|error| error.to_string())?;
    let counts = outcome.counts;
    let all = counts.delivered + counts.denied + counts.refused + counts.dead_lettered;
    assert_eq!(counts.sent, all, "{counts:?}");
    Ok((counts, outcome.lost, outcome.born, outcome.agents))
}

fn play(stage: &Stage, script: &Script) -> (Ended, Vec<u8>) {
    let disk = Disk::default();
    let (outcome, recorder) = stage.play::<0, 0>(script, recorder(&disk));
    recorder.unwrap().close().unwrap();
    (ended(outcome), records(&disk).unwrap())
}

/// In each tick each sends to all, also to those that are yet to come.
fn greetings(last: u64) -> impl Iterator<Item = (u64, u64, Vec<Order>)> {
    let all = move || (1..=last).map(|to| Send(to, vec![Add(1)])).collect::<Vec<_>>();
    (0..8).flat_map(move |tick| (1..=8).map(move |from| (tick, from, all())))
}

#[test]
fn who_came_to_life_with_a_lost_scheduler_is_lost_and_who_comes_later_lives() {
    // 0: a child hangs. 1: the leader runs all shares. 2: one that came later hangs, too.
    for (variant, which) in [(0, 8), (1, 9), (2, 10)] {
        let _released = Released(which);
        let _later = (variant == 2).then(|| Released(11));
        let two = |orders: Vec<Order>| vec![Spawn(0, vec![]), Spawn(0, orders)];
        let last = if variant == 2 { Hang(11) } else { Send(1, vec![Add(1_000)]) };
        let lives = [
            // 9 to 14 come to life in tick 1; 10 and 14 are with 3 and 4.
            (0, 1, two(vec![])),
            (2, 6, vec![Send(10, vec![Hang(which)])]),
            (0, 6, two(vec![])),
            (0, 8, two(vec![After(2, vec![Add(1)]), Monitor(3), Link(5)])),
            (0, 5, vec![Trap(true)]),
            (3, 7, vec![Monitor(10), Monitor(14)]),
            // Its child comes to life in the tick in which it is lost itself.
            (2, 3, vec![Spawn(100, vec![Add(7)])]),
            // Void.
            (3, 4, vec![Spawn(200, vec![])]),
            // 16, 17 and 18; the last lives where 10 was lost.
            (4, 5, vec![Spawn(300, vec![]), Spawn(300, vec![]), Spawn(300, vec![last])]),
        ];
        let script = Script::new(greetings(18).chain(lives));
        let small_tick = if variant == 1 { 1_000_000 } else { 0 };
        let (stage, told) = watched(Stage { small_tick, ..stage() });
        let (outcome, records) = play(&stage, &script);
        let told = told.lock().unwrap().clone();
        assert_eq!((told[0].agent, told[0].tick), (AgentId(10), Tick(3)));
        assert_eq!((told[0].name.as_str(), told[0].kind), ("child", "puppet"));
        let ranges = |ids: &[(u64, u64)]| -> Vec<_> {
            ids.iter().map(|(first, last)| (AgentId(*first), AgentId(*last))).collect()
        };
        assert_eq!(told[0].lost, ranges(&[(3, 4), (10, 10), (14, 14)]));
        let words = told[0].to_string();
        assert!(words.ends_with("lost: agent 3 to agent 4, agent 10, agent 14"), "{words}");
        let (_, lost, born, agents) = outcome.clone().unwrap();
        let gone: Vec<_> = (1..).zip(&agents).filter(|(_, agent)| agent.is_none()).collect();
        let gone: Vec<u64> = gone.into_iter().map(|(id, _)| id).collect();
        assert_eq!(born.len(), 10, "what was asked for in a void tick never happened");
        if variant == 2 {
            assert_eq!((told.len(), told[1].agent), (2, AgentId(18)));
            assert_eq!((lost, gone), (5, vec![3, 4, 10, 14, 18]));
        } else {
            assert_eq!((told.len(), lost, gone), (1, 4, vec![3, 4, 10, 14]));
            assert!(agents[0].as_ref().unwrap().sum > 1_000);
        }
        assert!(agents[14].as_ref().unwrap().sum >= 100);
        let heard = |id: usize| agents[id - 1].as_ref().unwrap().heard.clone();
        assert!(heard(7).contains(&"tick 4: 10 down, noproc".into()), "{:?}", heard(7));
        assert!(heard(5).contains(&"tick 4: 14 exit, killed".into()), "{:?}", heard(5));
        repeats(&stage, &records, &script, &outcome);
    }
}

fn worker(id: u64) -> Spec {
    Spec::Worker(ChildSpec {
        id: ChildId(id),
        arguments: 0,
        restart: Restart::Permanent,
        shutdown: Shutdown::Timeout { ticks: 3 },
        significant: false,
    })
}

fn tree(strategy: Strategy) -> Supervised {
    let intensity = Intensity { restarts: 1, period_ticks: 100 };
    let flags =
        Flags { strategy, intensity, auto_shutdown: AutoShutdown::Never, max_children: None };
    Supervised { flags, children: (1..=8).map(worker).collect() }
}

fn measures(records: &[u8]) -> Vec<(u64, u64, Measure)> {
    let found = Records::new(records).filter_map(|record| match record.unwrap() {
        Record::Supervised { agent, step, measure } => Some((agent.0, step, measure)),
        _ => None,
    });
    found.collect()
}

#[test]
fn who_is_lost_in_a_tree_was_terminated_and_counts_as_no_failure() {
    let _released = Released(12);
    let lives =
        [(1, 6, vec![Send(3, vec![Hang(12)])]), (2, 7, vec![Monitor(3)]), (4, 5, vec![Fail])];
    let script = Script::new(greetings(8).chain(lives));
    let (stage, told) = watched(Stage { tree: Some(tree(Strategy::OneForOne)), ..stage() });
    let asker = Asker::new(
        script.clone(),
        vec![(4, order(OrderVerb::Restart, 3)), (5, order(OrderVerb::Restart, 4))],
    );
    let asked = Stage { desk: Some(asker.desk.clone()), ..stage.clone() };
    let disk = Disk::default();
    let (outcome, recorder) = asked.play_from(asker.clone(), recorder(&disk));
    recorder.unwrap().close().unwrap();
    let (outcome, records) = (ended(outcome), records(&disk).unwrap());
    for (_, _, answer) in asker.answers() {
        assert_eq!(answer, Answer::Refused(Refusal::Exited));
    }
    assert_eq!(told.lock().unwrap().len(), 1);
    // Two were lost, and one restart is borne: that of the one who failed.
    let started: Vec<_> = measures(&records).iter().map(|(id, _, what)| (*id, *what)).collect();
    assert_eq!(started, [(5, Measure::Started)]);
    let (counts, lost, _, agents) = outcome.clone().unwrap();
    assert_eq!((counts.restarts, lost), (1, 2));
    assert!(agents[2].is_none() && agents[3].is_none());
    assert_eq!(agents.iter().flatten().count(), 6);
    assert!(agents[6].as_ref().unwrap().heard[0].starts_with("tick 3: 3 down"));
    repeats(&stage, &records, &script, &outcome);
}

#[test]
fn a_group_that_cannot_be_without_the_lost_gives_up() {
    let _released = Released(13);
    let lives = [(1, 6, vec![Send(3, vec![Hang(13)])]), (4, 5, vec![Fail])];
    let script = Script::new(greetings(8).chain(lives));
    let (stage, _told) = watched(Stage { tree: Some(tree(Strategy::OneForAll)), ..stage() });
    let (outcome, records) = play(&stage, &script);
    let error = outcome.clone().unwrap_err();
    assert!(error.contains("agent 3"), "{error}");
    let measures = measures(&records);
    let failed: Vec<_> = measures.iter().filter(|(_, _, m)| *m == Measure::NotStarted).collect();
    assert_eq!(failed.first(), Some(&&(3, 0, Measure::NotStarted)), "{measures:?}");
    repeats(&stage, &records, &script, &outcome);
}

#[test]
fn where_agents_take_turns_all_are_stuck_and_the_last_whole_tick_is_kept() {
    let _released = Released(14);
    let lives = [(2, 3, vec![Hang(14)]), (0, 1, vec![Monitor(2)])];
    let script = Script::new(greetings(8).chain(lives));
    for tree in [None, Some(tree(Strategy::OneForOne))] {
        let schedule = Schedule::sequential_random(5);
        let (stage, told) = watched(Stage { schedule, tree, ..stage() });
        let disk = Disk::default();
        let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
        match outcome {
            Err(RunError::Stuck(stuck)) => {
                assert_eq!((stuck.agent, stuck.tick), (AgentId(3), Tick(2)));
                assert_eq!(stuck.name, "puppet 3");
            }
            other => panic!("{:?}", other.map(|outcome| outcome.counts)),
        }
        recorder.unwrap().close().unwrap();
        assert_eq!(told.lock().unwrap().len(), 1);
        let words = in_words(&records(&disk).unwrap());
        assert!(words.contains(&"tick 1".into()) && !words.contains(&"tick 2".into()));
    }
}

#[test]
fn a_run_that_lost_a_scheduler_goes_on_from_a_snapshot_behind_that() {
    let _released = Released(15);
    let lives = [
        (0, 1, vec![Spawn(0, vec![]), Spawn(0, vec![])]),
        (0, 6, vec![Spawn(0, vec![After(9, vec![Add(1)])]), Spawn(0, vec![])]),
        (2, 6, vec![Send(3, vec![Hang(15)])]),
        (3, 7, vec![Monitor(4), Link(3)]),
    ];
    let script = Script::new(greetings(12).chain(lives));
    let (stage, told) = watched(stage());
    let (disk, kept) = (Disk::default(), Kept::default());
    let stage = Stage { snapshots: kept.every_tick(), ..stage };
    let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
    recorder.unwrap().close().unwrap();
    let (expected, whole) = (ended(outcome), run_records(&disk));
    assert_eq!(told.lock().unwrap().len(), 1);
    assert!(expected.as_ref().unwrap().1 > 2);
    for snapshot in kept.all() {
        let left = Records::new(&whole).count() - snapshot.records as usize;
        for (schedulers, left) in [(1, left), (2, left / 3), (3, 0), (8, left)] {
            let mut cut = Records::new(&whole);
            let lost = behind_the_last_loss(&whole);
            (0..lost.max(snapshot.records as usize + left)).for_each(|_| assert!(cut.pass()));
            let disk = log_of(&whole[..whole.len() - cut.rest().len()], 5);
            let recorder = resuming(&disk).starting_from(vec![start(&snapshot)]);
            let stage = Stage { schedulers, watch: None, snapshots: None, ..stage.clone() };
            let (again, recorder) = stage.play::<0, 0>(&script, recorder);
            recorder.unwrap().close().unwrap();
            assert!(records(&disk).unwrap() == whole, "{}, {schedulers}", snapshot.tick);
            assert_eq!(again.as_ref().unwrap().resumed_from, Some(snapshot.tick));
            assert!(ended(again) == expected, "{}, {schedulers}", snapshot.tick);
        }
    }
}
