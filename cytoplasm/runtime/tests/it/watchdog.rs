//! A step that does not return: named, its scheduler lost, the others go on; and repeated from the
//! log without a watchdog.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use karyon_log::{Cause, Message, Record, Records};
use karyon_log_writer::Writer;
use karyon_runtime::processes::OrderVerb::{Kill, Pause};
use karyon_runtime::processes::{Answer, Question, Selection, Status};
use karyon_runtime::{Outcome, Recorder, RunError, Stuck, Watch};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::repeating::{end_of, log_of};
use crate::support::*;
use Order::{Add, After, Hang, Link, Monitor, Send, Trap};

/// Long enough for any step of these tests on a busy machine, short enough to wait for.
pub const LIMIT: Duration = Duration::from_millis(400);

/// Eight agents; each tick each sends to all. The second hangs on what it is sent in tick 2.
fn script(hang: usize, who: &[u64]) -> Script {
    let all = || (1..=8).map(|to| Send(to, vec![Add(1)])).collect::<Vec<_>>();
    let greetings = (0..6).flat_map(|tick| (1..=8).map(move |from| (tick, from, all())));
    let lives = [
        (0, 1, vec![Trap(true), Link(3), Monitor(4), After(3, vec![Add(1)])]),
        (0, 8, vec![Monitor(1), Link(4), After(9, vec![Add(1)])]),
        (0, 3, vec![After(7, vec![Add(1)]), Monitor(5)]),
        // On the same tick as it is lost in, whoever binds itself hears of it.
        (2, 7, vec![Monitor(3)]),
        (2, 1, vec![Monitor(3)]),
    ];
    let hangs =
        who.iter().map(|who| (1, 6, vec![Send(*who, vec![Hang(hang)])])).collect::<Vec<_>>();
    Script::new(greetings.chain(lives).chain(hangs))
}

fn watched(schedulers: usize, small_tick: u64) -> (Stage, Arc<Mutex<Vec<Stuck>>>) {
    let told: Arc<Mutex<Vec<Stuck>>> = Arc::default();
    let watch = Watch {
        limit: LIMIT,
        told: {
            let told = Arc::clone(&told);
            Arc::new(move |stuck| told.lock().unwrap().push(stuck.clone()))
        },
    };
    (Stage { schedulers, small_tick, watch: Some(watch), ..stage() }, told)
}

fn stage() -> Stage {
    let limits = karyon_runtime::Limits { outputs_per_step: 20, ..LIMITS };
    Stage { agents: 8, limits, ..Stage::default() }
}

fn adds_up(outcome: &Outcome<Puppet<0, 0>>) {
    let counts = outcome.counts;
    let all = counts.delivered + counts.denied + counts.refused + counts.dead_lettered;
    assert_eq!(counts.sent, all, "{counts:?}");
}

/// Cut at many records, and not cut, without a watchdog: the same comes out.
fn repeats(whole: &[u8], outcome: &Outcome<Puppet<0, 0>>, script: &Script, from: usize) {
    let count = Records::new(whole).count();
    for kept in (from..=count).step_by(7).chain([count]) {
        let mut cut = Records::new(whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        for (per_block, schedulers) in [(1, 1), (5, 2), (1000, 3), (7, 8)] {
            let disk = log_of(prefix, per_block);
            let end = end_of(&disk).unwrap();
            let walk = karyon_log::Walk::new(Box::new(disk.clone())).unwrap();
            let writer =
                Writer::start(Box::new(disk.clone()), &header(), key(), 2, end.clone()).unwrap();
            let recorder = Recorder::resuming(Some(writer), walk, &end);
            let (again, recorder) = Stage { schedulers, ..stage() }.play::<0, 0>(script, recorder);
            recorder.unwrap().close().unwrap();
            let again = again.unwrap();
            assert!(records(&disk).unwrap() == whole, "{kept} records kept, {schedulers}");
            assert_eq!((again.counts, again.lost), (outcome.counts, outcome.lost));
            assert!(again.agents == outcome.agents);
        }
    }
}

/// How many records lie in front of the tick behind the one in which agents were lost.
fn behind_the_loss(records: &[u8]) -> usize {
    let mut lost = false;
    let place = Records::new(records).position(|record| match record.unwrap() {
        Record::Lost { .. } => {
            lost = true;
            false
        }
        Record::Tick(_) => lost,
        _ => false,
    });
    place.unwrap()
}

#[test]
fn a_step_that_does_not_return_is_named_its_scheduler_is_lost_and_the_others_go_on() {
    for small_tick in [0, 1_000_000] {
        let which = if small_tick == 0 { 0 } else { 1 };
        let released = Released(which);
        let (stage, told) = watched(4, small_tick);
        let script = script(which, &[3]);
        let (outcome, records) = stage.complete::<0, 0>(&script);
        let told = told.lock().unwrap().clone();
        let [stuck] = told.as_slice() else { panic!("{told:?}") };
        let message = Message { from: AgentId(6), step: stuck_step(stuck), output: 0 };
        assert_eq!((stuck.agent, stuck.tick), (AgentId(3), Tick(2)));
        assert_eq!(stuck.cause, Cause::Message(message));
        assert_eq!((stuck.name.as_str(), stuck.kind), ("puppet 3", "puppet"));
        assert_eq!(stuck.lost, [(AgentId(3), AgentId(4))]);
        assert!(stuck.after >= LIMIT);
        assert_eq!(outcome.lost, 2);
        assert!(outcome.agents[2].is_none() && outcome.agents[3].is_none());
        assert_eq!(outcome.agents.iter().flatten().count(), 6);
        adds_up(&outcome);
        let words = in_words(&records);
        let tick = words.iter().position(|words| words == "tick 2").unwrap();
        assert_eq!(
            words[tick + 1..tick + 3],
            ["input 2: 10", "Lost { first: AgentId(3), last: AgentId(4) }"]
        );
        let own = |w: &&String| w.starts_with("agent 3 ") || w.starts_with("agent 4 ");
        assert!(words[tick..].iter().filter(own).all(|w| w.ends_with("ReceiverGone")));
        // Nobody took a step in that tick that did not count.
        let heard = |id: usize| outcome.agents[id - 1].as_ref().unwrap().heard.clone();
        assert_eq!(heard(7), ["tick 3: 3 down, noproc"]);
        assert!(heard(1).contains(&"tick 3: 4 down, killed".into()), "{:?}", heard(1));
        assert!(heard(1).contains(&"tick 3: 3 exit, killed".into()), "{:?}", heard(1));
        repeats(&records, &outcome, &script, behind_the_loss(&records));
        drop(released);
    }
}

fn stuck_step(stuck: &Stuck) -> u64 {
    match stuck.cause {
        Cause::Message(message) => message.step,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_steps_that_do_not_return_lose_two_schedulers() {
    let _released = Released(2);
    let (stage, told) = watched(4, 0);
    let script = script(2, &[1, 8]);
    let (outcome, records) = stage.complete::<0, 0>(&script);
    let mut agents: Vec<_> = told.lock().unwrap().iter().map(|stuck| stuck.agent.0).collect();
    agents.sort_unstable();
    assert_eq!((agents, outcome.lost), (vec![1, 8], 4));
    adds_up(&outcome);
    repeats(&records, &outcome, &script, behind_the_loss(&records));
}

#[test]
fn where_all_are_stuck_the_run_ends_and_its_last_whole_tick_is_kept() {
    for (which, schedulers, who) in [(3, 1, &[5][..]), (4, 2, &[2, 7]), (5, 2, &[2, 7])] {
        let _released = Released(which);
        let small_tick = if which == 5 { 1_000_000 } else { 0 };
        let (stage, told) = watched(schedulers, small_tick);
        let disk = Disk::default();
        let (outcome, recorder) = stage.play::<0, 0>(&script(which, who), recorder(&disk));
        match outcome {
            Err(RunError::Stuck(stuck)) => {
                assert!(who.contains(&stuck.agent.0) && stuck.tick == Tick(2), "{stuck}");
            }
            other => panic!("{:?}", other.map(|outcome| outcome.counts)),
        }
        recorder.unwrap().close().unwrap();
        let words = in_words(&records(&disk).unwrap());
        assert!(words.contains(&"tick 1".into()) && !words.contains(&"tick 2".into()));
        assert_eq!(told.lock().unwrap().len(), schedulers);
    }
}

#[test]
fn a_step_that_is_slow_but_returns_in_time_is_left_alone() {
    let slow = |which: usize| {
        std::thread::spawn(move || {
            std::thread::sleep(LIMIT / 8);
            drop(Released(which));
        })
    };
    let (stage, told) = watched(2, 0);
    let releasing = slow(6);
    let (outcome, records) = stage.complete::<0, 0>(&script(6, &[3]));
    releasing.join().unwrap();
    assert!(told.lock().unwrap().is_empty());
    assert_eq!(outcome.lost, 0);
    let (_, unwatched) = Stage { watch: None, ..stage }.complete::<0, 0>(&script(6, &[3]));
    assert!(records == unwatched);
}

#[test]
fn what_waited_for_paused_agents_is_counted_and_orders_of_the_lost_tick_are_repeated() {
    let _released = Released(7);
    let questions = || vec![(0, order(Pause, 4)), (2, order(Kill, 4)), (2, order(Pause, 1))];
    let (stage, _told) = watched(4, 0);
    let list = Selection { limit: 9, ..Selection::default() };
    let asked = questions().into_iter().chain([(4, Question::List(list))]);
    let asker = Asker::new(
        script(7, &[3]),
        asked.chain([(5, order(karyon_runtime::processes::OrderVerb::Resume, 1))]),
    );
    let disk = Disk::default();
    let stage = Stage { desk: Some(asker.desk.clone()), ..stage };
    let (outcome, recorder) = stage.play_from::<0, 0>(asker.clone(), recorder(&disk));
    recorder.unwrap().close().unwrap();
    let outcome = outcome.unwrap();
    adds_up(&outcome);
    let listed = asker.answers().into_iter().find_map(|(_, _, answer)| match answer {
        Answer::Listed(listed) => Some(listed),
        _ => None,
    });
    let of = |status| {
        let all = listed.as_ref().unwrap().processes.iter();
        all.filter(|p| p.status == status).map(|p| p.id.0).collect::<Vec<_>>()
    };
    assert_eq!((of(Status::Lost), of(Status::Paused)), (vec![3, 4], vec![1]));
    let records = records(&disk).unwrap();
    let count = Records::new(&records).count();
    repeats(&records, &outcome, &script(7, &[3]), count);
}
