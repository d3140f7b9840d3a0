//! Orders from outside: what each does, what it leaves in the log, and that a run with orders is
//! the same for any number of schedulers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use karyon_runtime::processes::OrderVerb::{Kill, Pause, Restart, Resume};
use karyon_runtime::processes::{Answer, MAX_HELD, Position, Question, Refusal, Selection, Status};
use karyon_runtime::{Ending, Intensity, Limits, Outcome, RunError};
use karyon_types::Tick;

use crate::asker::{Asker, order};
use crate::support::*;
use Order::{Add, After, Every, Fail, Link, Monitor, Send, Trap};

/// Puppet 1 tells puppet 2 to add 1 in each of six ticks, to add 10 in the next, and so on.
fn telling() -> Script {
    Script::new((0..6).map(|tick| (tick, 1, vec![Send(2, vec![Add(10u64.pow(tick as u32))])])))
}

fn with(stage: &Stage, asker: &Arc<Asker<Script>>) -> Stage {
    Stage { desk: Some(Arc::clone(&asker.desk)), ..stage.clone() }
}

/// Plays with questions; the outcome, the records, and the answers.
fn ask<const R: u8, const G: u32>(
    stage: &Stage,
    script: Script,
    questions: Vec<(u64, Question)>,
) -> (Result<Outcome<Puppet<R, G>>, RunError>, Vec<u8>, Vec<Answer>) {
    let asker = Asker::new(script, questions);
    let disk = Disk::default();
    let stage = with(stage, &asker);
    let (outcome, recorder) = stage.play_from(asker.clone(), recorder(&disk));
    recorder.unwrap().close().unwrap();
    let answers = asker.answers().into_iter().map(|(_, _, answer)| answer).collect();
    (outcome, records(&disk).unwrap(), answers)
}

fn tick_of(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Done(Position { tick, .. }) => tick.map(|tick| tick.0),
        other => panic!("{other:?}"),
    }
}

fn agent<const R: u8, const G: u32>(outcome: &Outcome<Puppet<R, G>>, id: usize) -> &Puppet<R, G> {
    outcome.agents[id - 1].as_ref().unwrap()
}

#[test]
fn what_a_paused_agent_is_sent_waits_in_order_in_front_of_what_comes_later() {
    let script = Script::new([
        (0, 1, vec![Send(2, vec![Order::Say(3, "a".into())])]),
        (1, 1, vec![Send(2, vec![Order::Say(3, "b".into())])]),
        (3, 2, vec![Order::Say(3, "input".into())]),
        (2, 1, vec![Send(2, vec![Order::Say(3, "c".into())])]),
        (3, 1, vec![Send(2, vec![Order::Say(3, "d".into())])]),
    ]);
    // Puppet 3 is paused for good, so that its letters are not read.
    let questions = vec![
        (0, order(Pause, 3)),
        (1, order(Pause, 2)),
        (4, order(Resume, 2)),
        (6, order(Kill, 3)),
    ];
    let (outcome, records, answers) = ask::<0, 0>(&Stage::default(), script, questions);
    assert_eq!(outcome.unwrap().ending, Ending::Completed);
    assert_eq!(answers.iter().map(tick_of).collect::<Vec<_>>(), [0, 1, 4, 6].map(Some));
    let words = in_words(&records);
    let of = |who: &str| {
        words.iter().filter(|w| w.starts_with(who)).map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(
        of("agent 2"),
        [
            "agent 2 step 0 on 1.0.0 -> 1",
            "agent 2 step 1 on 1.1.0 -> 1",
            "agent 2 step 2 on input 2 -> 1",
            "agent 2 step 3 on 1.2.0 -> 1",
            "agent 2 step 4 on 1.3.0 -> 1",
        ]
    );
    // All of it in the tick from which on it was resumed.
    let first = words.iter().position(|w| w.starts_with("agent 2")).unwrap();
    assert_eq!(
        words[first - 2..first],
        ["tick 4", "Order { verb: Resume, agent: AgentId(2), uid: 1000 }"]
    );
    let (ends, lost): (Vec<&str>, Vec<&str>) =
        of("agent 3").into_iter().partition(|word| word.contains("attempt"));
    assert_eq!(ends, ["agent 3 attempt 0: Order, Restarted"]);
    assert_eq!(lost.len(), 5);
    assert!(lost.iter().all(|w| w.ends_with("MailboxEmptied")), "{words:?}");
}

#[test]
fn timers_and_the_ends_of_others_wait_for_a_paused_agent_too() {
    let mut inputs = vec![
        (
            0,
            2,
            vec![Trap(true), Monitor(3), Link(4), After(3, vec![Add(1)]), Every(2, vec![Add(10)])],
        ),
        (1, 3, vec![Order::Exit]),
        (2, 4, vec![Fail]),
        (3, 1, vec![Send(2, vec![Add(100)])]),
    ];
    // Or no tick would be looked at in which nothing happens.
    inputs.extend((4..14).map(|tick| (tick, 1, vec![])));
    let script = Script::new(inputs);
    for schedulers in [1, 2, 4] {
        let stage = Stage { schedulers, ..Stage::default() };
        let questions = vec![(1, order(Pause, 2)), (8, order(Resume, 2)), (12, order(Kill, 2))];
        let (outcome, records, _) = ask::<2, 0>(&stage, script.clone(), questions);
        assert_eq!(outcome.unwrap().agents[1], None);
        let words = in_words(&records);
        let of: Vec<_> = words.iter().filter(|word| word.starts_with("agent 2")).collect();
        assert_eq!(
            of,
            [
                "agent 2 step 0 on input 0 -> 5",
                // The interval waits as one, however long the pause.
                "agent 2 step 1 on down 3.0.0 -> 0",
                "agent 2 step 2 on timer 0.4 -> 0",
                "agent 2 step 3 on exit 4.0.0 -> 0",
                "agent 2 step 4 on timer 0.3 -> 0",
                "agent 2 step 5 on 1.0.0 -> 0",
                "agent 2 step 6 on timer 0.4 -> 0",
                "agent 2 attempt 0: Order, Stopped",
            ],
            "{words:#?}"
        );
    }
}

#[test]
fn whoever_is_bound_to_an_agent_that_is_ended_by_an_order_is_told() {
    let script = Script::new([
        (0, 1, vec![Trap(true), Link(2), Monitor(2)]),
        (0, 3, vec![Link(2)]),
        (5, 4, vec![]),
    ]);
    for (verb, reason) in [(Kill, "killed"), (Restart, "shutdown")] {
        let (outcome, _, _) =
            ask::<1, 0>(&Stage::default(), script.clone(), vec![(2, order(verb, 2))]);
        let outcome = outcome.unwrap();
        let told = [format!("tick 3: 2 down, {reason}"), format!("tick 3: 2 exit, {reason}")];
        assert_eq!(agent(&outcome, 1).heard, told);
        // Puppet 3 traps nothing: it dies of the link, and a transient one is not started again
        // after a shutdown.
        assert_eq!(outcome.agents[2].is_none(), verb == Restart);
    }
}

#[test]
fn a_killed_agent_loses_its_mailbox_and_its_supervisor_decides() {
    let questions = || vec![(3, order(Kill, 2))];
    let lost = |records: &[u8], loss: &str| {
        let words = in_words(records);
        words.iter().filter(|w| w.starts_with("agent 2 lost") && w.ends_with(loss)).count()
    };
    // Ticks 1 and 2 add 1 and 10; what tick 3 would have brought is lost.
    let (outcome, records, _) = ask::<0, 0>(&Stage::default(), telling(), questions());
    let outcome = outcome.unwrap();
    assert_eq!(agent(&outcome, 2).sum, 111_000, "it began anew");
    assert_eq!((lost(&records, "MailboxEmptied"), outcome.counts.restarts), (1, 1));
    assert_eq!((outcome.counts.crashes, outcome.counts.dead_lettered), (0, 1));
    let (outcome, records, _) = ask::<1, 3>(&Stage::default(), telling(), questions());
    assert_eq!(agent(&outcome.unwrap(), 2).sum, 111_011, "it keeps its last good state");
    assert_eq!(lost(&records, "MailboxEmptied"), 1);
    let (outcome, records, _) = ask::<2, 0>(&Stage::default(), telling(), questions());
    let outcome = outcome.unwrap();
    assert_eq!(outcome.agents[1], None);
    assert_eq!((lost(&records, "ReceiverGone"), outcome.counts.restarts), (4, 0));
}

#[test]
fn a_restart_is_always_one_and_inputs_of_its_tick_come_behind_it() {
    let script = Script::new([
        (0, 1, vec![Send(2, vec![Add(1)])]),
        (1, 2, vec![Add(10)]),
        (2, 2, vec![Add(100)]),
    ]);
    let questions = vec![(1, order(Restart, 2))];
    let (outcome, records, _) = ask::<2, 0>(&Stage::default(), script, questions);
    let outcome = outcome.unwrap();
    assert_eq!(agent(&outcome, 2).sum, 110);
    assert_eq!(outcome.counts.restarts, 1);
    assert_eq!(
        in_words(&records)[3..9],
        [
            "tick 1",
            "Order { verb: Restart, agent: AgentId(2), uid: 1000 }",
            "input 1: 1",
            // The end has the number of a step.
            "agent 2 attempt 0: Order, Restarted",
            "agent 2 lost 1.0.0: MailboxEmptied",
            "agent 2 step 1 on input 1 -> 0",
        ]
    );
}

#[test]
fn kills_count_against_the_intensity_and_restarts_by_a_person_do_not() {
    let stage =
        Stage { intensity: Intensity { restarts: 1, period_ticks: 100 }, ..Stage::default() };
    let twice = |verb| vec![(1, order(verb, 2)), (2, order(verb, 3))];
    let (outcome, ..) = ask::<0, 0>(&stage, telling(), twice(Restart));
    assert_eq!(outcome.unwrap().counts.restarts, 2);
    match ask::<0, 0>(&stage, telling(), twice(Kill)).0 {
        Err(RunError::IntensityExceeded { tick: Tick(2), .. }) => {}
        other => panic!("{:?}", other.map(|outcome| outcome.counts)),
    }
}

#[test]
fn an_order_that_cannot_be_carried_out_is_refused_and_changes_nothing() {
    let refused = |refusal| Answer::Refused(refusal);
    let questions = vec![
        (1, order(Kill, 0)),
        (1, order(Pause, 5)),
        (1, order(Kill, u64::MAX)),
        (1, order(Resume, 2)),
        (2, order(Kill, 3)),
        (3, order(Restart, 3)),
        (3, order(Pause, 2)),
        (3, order(Pause, 2)),
        (4, order(Kill, 2)),
        (4, order(Resume, 2)),
    ];
    let (outcome, records, answers) = ask::<2, 0>(&Stage::default(), telling(), questions);
    outcome.unwrap();
    use Refusal::{AlreadyPaused, Exited, Unknown};
    assert_eq!(answers[0..3], [refused(Unknown), refused(Unknown), refused(Unknown)]);
    assert_eq!(answers[3], refused(Refusal::NotPaused));
    assert_eq!(tick_of(&answers[4]), Some(2));
    assert_eq!(answers[5], refused(Exited));
    assert_eq!(tick_of(&answers[6]), Some(3));
    assert_eq!(answers[7], refused(AlreadyPaused));
    // A temporary one is gone then.
    assert_eq!(answers[9], refused(Exited));
    assert_eq!(in_words(&records).iter().filter(|w| w.starts_with("Order")).count(), 3);
}

#[test]
fn what_waits_for_a_paused_agent_is_no_mailbox_of_one_tick() {
    // One message a tick is its bound, and ten wait.
    let limits = Limits { messages_per_tick: 1, ..LIMITS };
    let stage = Stage { limits, ..Stage::default() };
    let script = Script::new((0..10).map(|tick| (tick, 1, vec![Send(2, vec![Add(1)])])));
    let questions = vec![(0, order(Pause, 2)), (11, order(Resume, 2))];
    let (outcome, ..) = ask::<0, 0>(&stage, script, questions);
    assert_eq!(agent(&outcome.unwrap(), 2).sum, 10);
}

#[test]
fn a_run_waits_once_more_waits_for_paused_agents_than_may() {
    let a_tick = 1 << 13;
    let full = MAX_HELD / a_tick;
    // One order in advance lets a tick pass; the last tick is released by the resume.
    let script = Script::new((0..full + 3).flat_map(|tick| {
        (0..a_tick).map(move |n| (tick, if n == 0 { 1 } else { 2 + n % 2 }, vec![Add(1)]))
    }));
    for schedulers in [1, 3] {
        let asker = Asker::new(script.clone(), [(0, order(Pause, 2)), (0, order(Pause, 3))]);
        let stage = with(&Stage { schedulers, ..Stage::default() }, &asker);
        let outcome = std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let recorder = recorder(&Disk::default());
                stage.play_from::<0, 0>(asker.clone(), recorder).0.unwrap()
            });
            let wait = |agent| {
                while stage.progress.waiting.load(Ordering::Relaxed) != agent {
                    assert!(!run.is_finished());
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            wait(2);
            let ticks = |asked| tick_of(&asker.desk.ask(asked)).unwrap();
            let waits = ticks(order(Pause, 4));
            assert_eq!(waits, full + 1, "the first tick whose inputs do not wait any more");
            wait(2);
            assert_eq!(ticks(order(Resume, 4)), waits + 1, "one tick an order");
            wait(2);
            assert_eq!(ticks(order(Resume, 2)), waits + 2);
            wait(3);
            ticks(order(Resume, 3));
            run.join().unwrap()
        });
        assert_eq!(outcome.ending, Ending::Completed);
        let sums: u64 = (1..4).map(|id| agent(&outcome, id).sum).sum();
        assert_eq!(sums, (full + 3) * a_tick);
    }
}

#[test]
fn a_run_whose_rest_waits_for_paused_agents_waits_for_orders_or_for_a_signal() {
    for end in [true, false] {
        let asker = Asker::new(telling(), [(1, order(Pause, 2))]);
        let stage = with(&Stage::default(), &asker);
        let disk = Disk::default();
        let (outcome, durable) = std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let (outcome, recorder) = stage.play_from::<0, 0>(asker.clone(), recorder(&disk));
                recorder.unwrap().close().unwrap();
                outcome
            });
            let selection =
                || Selection { status: Some(Status::Paused), limit: 9, ..Selection::default() };
            let durable = loop {
                std::thread::sleep(Duration::from_millis(1));
                if stage.progress.waiting.load(Ordering::Relaxed) != 2 {
                    assert!(!run.is_finished());
                    continue;
                }
                match asker.desk.ask(Question::List(selection())) {
                    Answer::Listed(listed) if !listed.at.provisional => break listed,
                    Answer::Listed(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            if end {
                stage.interrupt.store(15, Ordering::Relaxed);
            } else {
                let answer = asker.desk.ask(order(Resume, 2));
                assert_eq!(tick_of(&answer), Some(7), "{answer:?}");
            }
            (run.join().unwrap().unwrap(), durable)
        });
        assert_eq!(durable.processes[0].mailbox, 6);
        assert_eq!(durable.at.tick, Some(Tick(6)));
        assert_eq!(stage.progress.waiting.load(Ordering::Relaxed), 0);
        match end {
            true => {
                assert_eq!((outcome.ending, outcome.ticks), (Ending::Interrupted { signal: 15 }, 7))
            }
            false => {
                assert_eq!((outcome.ending, agent(&outcome, 2).sum), (Ending::Completed, 111_111));
            }
        }
        assert_eq!(asker.desk.ask(order(Kill, 1)), Answer::Refused(Refusal::NotRunning));
    }
}

#[test]
fn a_paused_agent_for_whom_nothing_waits_keeps_no_run_from_its_end() {
    let questions = vec![(3, order(Pause, 4))];
    let (outcome, _, answers) = ask::<0, 0>(&Stage::default(), telling(), questions);
    assert_eq!((outcome.unwrap().ending, tick_of(&answers[0])), (Ending::Completed, Some(3)));
}

#[test]
fn a_desk_is_closed_however_the_run_ends() {
    let script = Script::new([(0, 1, vec![Order::Say(2, "no orders".into()); 9])]);
    let asker = Asker::new(script, [(0, order(Pause, 2))]);
    let disk = Disk::default();
    let stage = with(&Stage::default(), &asker);
    let (outcome, _recorder) = stage.play_from::<0, 0>(asker.clone(), recorder(&disk));
    assert!(matches!(outcome, Err(RunError::OutputBound { .. })));
    // Its tick was never recorded, and so neither was the order.
    let answers = asker.answers();
    assert_eq!(answers[0].2, Answer::Refused(Refusal::NotRunning));
    assert_eq!(asker.desk.ask(order(Pause, 2)), Answer::Refused(Refusal::NotRunning));
}

#[test]
fn a_pace_delays_what_happens_and_changes_nothing_of_it() {
    let as_fast_as_can_be = Stage::default().complete::<0, 0>(&telling()).1;
    let rate = std::num::NonZeroU64::new(1_000);
    let paced = Stage { rate, ..Stage::default() }.complete::<0, 0>(&telling()).1;
    assert_eq!(paced, as_fast_as_can_be);
    // An event a second, and 72 to pay for: it is asked, told what to do and ended while it waits.
    let asker = Asker::new(telling(), []);
    let rate = std::num::NonZeroU64::MIN;
    let stage = with(&Stage { rate: Some(rate), ..Stage::default() }, &asker);
    let outcome = std::thread::scope(|scope| {
        let many = (0..8).map(|_| (0, 1, vec![Send(2, vec![Add(1)]); 8]));
        let script = Script::new(many.chain([(2, 1, vec![Add(1)])]));
        let run =
            scope.spawn(|| stage.play_from::<0, 0>(Arc::new(script), recorder(&Disk::default())).0);
        while stage.progress.tick.load(Ordering::Relaxed) == 0 && !run.is_finished() {
            match asker.desk.ask(Question::List(Selection { limit: 9, ..Selection::default() })) {
                Answer::Listed(listed) if listed.at.tick == Some(Tick(0)) => break,
                Answer::Listed(_) | Answer::Refused(Refusal::NotRunning) => {}
                other => panic!("{other:?}"),
            }
        }
        stage.interrupt.store(15, Ordering::Relaxed);
        run.join().unwrap()
    });
    assert_eq!(outcome.unwrap().ending, Ending::Interrupted { signal: 15 });
}
