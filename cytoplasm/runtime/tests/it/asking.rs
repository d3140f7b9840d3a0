//! Questions while agents run: each answer is true of the position that it names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karyon_log::{Cause, Message, Record, Records};
use karyon_runtime::processes::{Answer, Question, Selection, Sort, Status};
use karyon_runtime::{Batch, Chaos, InputSource, Limits};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::support::*;
use Order::{Add, Send};
use karyon_runtime::processes::OrderVerb::{Kill, Pause, Restart, Resume};

fn list(sort: Sort, descending: bool, limit: u32) -> Question {
    Question::List(Selection { sort, descending, limit, ..Selection::default() })
}

/// What an independent reader counts in the records up to each tick's end: events that agents are
/// done with, and messages that wait.
fn counted(records: &[u8]) -> Vec<(u64, BTreeMap<u64, u64>)> {
    let mut ends = Vec::new();
    let mut steps = BTreeMap::<u64, u64>::new();
    for (number, record) in (0u64..).zip(Records::new(records)) {
        match record.unwrap() {
            Record::Tick(_) => ends.push((number, steps.clone())),
            Record::Step { agent, step, .. } => drop(steps.insert(agent.0, step + 1)),
            Record::Crash { agent, step, .. } => drop(steps.insert(agent.0, step + 1)),
            _ => {}
        }
    }
    ends.push((Records::new(records).count() as u64, steps));
    ends
}

#[test]
fn what_is_listed_is_what_the_records_say_up_to_there() {
    let greet = |to| vec![Send(to, vec![Add(3)]), Add(1)];
    let script = Script::new((0..20).map(|tick| (tick, 1 + tick % 4, greet(1 + (tick * 7) % 4))));
    let mut asked: Vec<_> = (0..21).map(|tick| (tick, list(Sort::Id, false, 9))).collect();
    asked.extend([
        (3, order(Pause, 2)),
        (7, order(Kill, 3)),
        (9, order(Resume, 2)),
        (9, order(Restart, 4)),
    ]);
    for schedulers in [1, 3] {
        let asker = Asker::new(script.clone(), asked.clone());
        let disk = Disk::default();
        let desk = Some(Arc::clone(&asker.desk));
        let stage = Stage { schedulers, desk, chaos: Chaos::new(3, 0.1), ..Stage::default() };
        let (outcome, recorder) = stage.play_from::<0, 0>(asker.clone(), recorder(&disk));
        recorder.unwrap().close().unwrap();
        outcome.unwrap();
        let ends = counted(&records(&disk).unwrap());
        let mut listings = 0;
        for (tick, _, answer) in asker.answers() {
            let Answer::Listed(listed) = answer else { continue };
            listings += 1;
            let (records, steps) = &ends[tick as usize];
            assert_eq!(listed.at.records, *records, "tick {tick}");
            assert_eq!(listed.at.tick.map_or(0, |last| last.0 + 1), tick);
            assert_eq!(listed.total, 4);
            for process in listed.processes {
                let counted = steps.get(&process.id.0).copied().unwrap_or(0);
                assert_eq!(process.steps, counted, "tick {tick} {}", process.id);
                let paused = process.id == AgentId(2) && (4..10).contains(&tick);
                assert_eq!(process.status == Status::Paused, paused, "tick {tick}");
            }
        }
        assert_eq!(listings, 21);
    }
}

#[test]
fn as_many_are_answered_between_two_ticks_as_are_little_work() {
    let script = Script::new((0..9).map(|tick| (tick, 1, vec![Add(1)])));
    // A list of so many agents is the work of three looks at one.
    for (agents, question, at_once) in [
        (4, Question::Inspect(AgentId(2)), 64),
        (4, order(Kill, 2), 64),
        (4, list(Sort::Id, false, 9), 64),
        (16_384, list(Sort::Id, false, 9), 22),
    ] {
        let asker = Asker::new(script.clone(), vec![(3, question.clone()); 65]);
        let desk = Some(Arc::clone(&asker.desk));
        let stage = Stage { agents, desk, ..Stage::default() };
        stage.play_from::<0, 0>(asker.clone(), recorder(&Disk::default())).0.unwrap();
        let answered = asker.answers().into_iter().map(|(.., answer)| match answer {
            Answer::Listed(listed) => listed.at.tick,
            Answer::Inspected(found) => found.at.tick,
            Answer::Tree(shown) => shown.at.tick,
            Answer::Done(at) | Answer::Forked(at, _) => at.tick.map(|tick| Tick(tick.0 - 1)),
            Answer::Refused(why) => panic!("{why}"),
        });
        let first = answered.filter(|tick| *tick == Some(Tick(2))).count();
        assert_eq!(first, at_once, "{question:?}");
    }
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let script = Script::new([
        (0, 3, vec![Send(1, vec![Add(1)]), Send(1, vec![Add(1)])]),
        (0, 2, vec![Add(1)]),
        (1, 2, vec![Add(1)]),
    ]);
    let page = |offset, selection: Selection| {
        (1, Question::List(Selection { offset, limit: 2, ..selection }))
    };
    let by = |sort, descending| Selection { sort, descending, ..Selection::default() };
    let named =
        |name: &str, exact| Selection { name: Some(name.into()), exact, ..by(Sort::Id, false) };
    let exited = Selection { status: Some(Status::Exited), ..by(Sort::Id, false) };
    let asked = vec![
        page(0, by(Sort::Id, true)),
        page(10, by(Sort::Id, true)),
        page(0, by(Sort::Mailbox, true)),
        page(0, by(Sort::Steps, true)),
        page(9, by(Sort::Name, false)),
        page(0, named("12", false)),
        page(0, named("puppet 1", true)),
        page(0, exited),
    ];
    let asker = Asker::new(script, asked);
    let desk = Some(Arc::clone(&asker.desk));
    let stage = Stage { agents: 12, schedulers: 5, desk, ..Stage::default() };
    stage.play_from::<0, 0>(asker.clone(), recorder(&Disk::default())).0.unwrap();
    let found: Vec<_> = asker
        .answers()
        .into_iter()
        .map(|(_, _, answer)| match answer {
            Answer::Listed(listed) => {
                (listed.total, listed.processes.iter().map(|p| p.id.0).collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: [(u64, &[u64]); 8] = [
        (12, &[12, 11]),
        (12, &[2, 1]),
        (12, &[1, 2]),
        (12, &[2, 3]),
        // 1, 10, 11, 12, 2, 3, …
        (12, &[7, 8]),
        (1, &[12]),
        (1, &[1]),
        (0, &[]),
    ];
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!((found.0, found.1.as_slice()), expected, "list {number}");
    }
}

#[test]
fn an_inspected_agent_shows_its_state_its_lease_and_from_then_on_its_causes() {
    let script = Script::new((0..4).map(|tick| (tick, 1, vec![Send(2, vec![Add(5)])])));
    let inspect = |tick, id| (tick, Question::Inspect(AgentId(id)));
    let asker = Asker::new(script, [inspect(1, 2), inspect(4, 2), inspect(4, 9)]);
    let stage = Stage { desk: Some(Arc::clone(&asker.desk)), ..Stage::default() };
    stage.play_from::<0, 0>(asker.clone(), recorder(&Disk::default())).0.unwrap();
    let answers = asker.answers();
    let Answer::Inspected(first) = &answers[0].2 else { panic!("{:?}", answers[0]) };
    let Answer::Inspected(then) = &answers[1].2 else { panic!("{:?}", answers[1]) };
    let state = |sum| {
        let mut bytes = Vec::new();
        let puppet =
            Puppet::<0, 0> { sum, denied: Vec::new(), heard: Vec::new(), ..Puppet::default() };
        karyon_runtime::codec::encode(&puppet, &mut bytes);
        Some(bytes)
    };
    assert_eq!((&first.state, &then.state), (&state(0), &state(15)));
    assert_eq!((first.process.mailbox, then.process.mailbox), (1, 1));
    assert_eq!(then.lease.as_ref().map(|lease| lease.owner), Some(AgentId(2)));
    let message = |step| Cause::Message(Message { from: AgentId(1), step, output: 0 });
    assert_eq!(
        (first.last.as_slice(), then.last.as_slice()),
        (&[][..], &[2, 1, 0].map(message)[..])
    );
    assert_eq!(answers[2].2, Answer::Refused(karyon_runtime::processes::Refusal::Unknown));
}

/// The same inputs again every few ticks, until somebody ends the run.
struct Steady(Script);

impl InputSource for Steady {
    fn released(&self, tick: Tick) -> Batch<'_> {
        Batch { number: tick.0, ..self.0.released(Tick(tick.0 % self.0.ends().0)) }
    }
    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        self.0.payload(index, out);
    }
    fn ends(&self) -> Tick {
        Tick(u64::MAX)
    }
}

#[test]
#[ignore = "a measurement: ten thousand questions while 100,000 agents run"]
fn ten_thousand_questions_under_full_load() {
    let agents = 100_000u64;
    // Each agent tells its neighbour something every tenth tick: 20,000 events a tick.
    let script = Script::new((0..10).flat_map(|tick| {
        (0..agents / 10).map(move |n| {
            let agent = 1 + n * 10 + tick;
            (tick, agent, vec![Send(1 + agent % agents, vec![Add(1)])])
        })
    }));
    let asker = Asker::new(Steady(script), []);
    let limits = Limits { messages_per_tick: 1 << 20, ..LIMITS };
    let desk = Some(Arc::clone(&asker.desk));
    let stage = Stage { agents, small_tick: 64, limits, desk, ..Stage::default() };
    let mut times = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let recorder = recorder(&Disk::default());
            stage.play_from::<0, 0>(asker.clone(), recorder).0.unwrap()
        });
        while matches!(asker.desk.ask(list(Sort::Id, false, 1)), Answer::Refused(_)) {
            std::thread::yield_now();
        }
        let askers: Vec<_> = (0..8u64)
            .map(|asker_number| {
                let desk = Arc::clone(&asker.desk);
                scope.spawn(move || {
                    let ask = |turn: u64| {
                        let agent = 1 + asker_number * 10_000 + turn / 4;
                        let question = match turn % 4 {
                            0 => list(Sort::Mailbox, true, 20),
                            1 => Question::Inspect(AgentId(agent)),
                            2 => order(Pause, agent),
                            _ => order(Resume, agent),
                        };
                        let start = Instant::now();
                        let answer = desk.ask(question);
                        assert!(!matches!(answer, Answer::Refused(_)), "{answer:?}");
                        start.elapsed()
                    };
                    (0..1_250).map(ask).collect::<Vec<Duration>>()
                })
            })
            .collect();
        let times: Vec<_> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
        stage.interrupt.store(15, std::sync::atomic::Ordering::Relaxed);
        let outcome = run.join().unwrap();
        println!("{} ticks, {} steps", outcome.ticks, outcome.counts.steps);
        times
    });
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000];
    println!("{} answers: p50 {:?}, p99 {:?}, most {:?}", times.len(), at(500), at(990), at(1000));
}
