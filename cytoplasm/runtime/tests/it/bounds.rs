//! Bounds end a run with the agent's name; nothing is dropped in silence.

use karyon_runtime::{Limits, RecordError, RunError};
use karyon_types::{AgentId, Tick};

use crate::support::*;
use Order::{Add, Say, Send};

#[test]
fn outputs_of_a_step() {
    let script = Script::new([(1, 3, (0..9).map(|_| Send(1, vec![])).collect())]);
    for (outputs_per_step, passes) in [(9, true), (8, false)] {
        let limits = Limits { outputs_per_step, ..LIMITS };
        let (outcome, _) =
            Stage { limits, ..Stage::default() }.play::<0, 0>(&script, recorder(&Disk::default()));
        match outcome {
            Ok(outcome) => assert!(passes && outcome.counts.delivered == 9),
            Err(RunError::OutputBound { agent, tick, bound }) => {
                assert!(!passes);
                assert_eq!((agent, tick, bound), (AgentId(3), Tick(1), 8));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn messages_of_a_tick() {
    // Five agents send to agent 2, and three to agent 4, in one tick: the smaller serial is named
    // for any number of schedulers.
    let to = |receiver: u64, senders: std::ops::Range<u64>| {
        senders.map(move |sender| (0, sender, vec![Send(receiver, vec![Add(1)])]))
    };
    let script = Script::new(to(2, 1..6).chain(to(4, 6..11)));
    for schedulers in [1, 2, 5] {
        for (messages_per_tick, passes) in [(5, true), (4, false)] {
            let limits = Limits { messages_per_tick, ..LIMITS };
            let stage = Stage { limits, schedulers, agents: 10, ..Stage::default() };
            match stage.play::<0, 0>(&script, recorder(&Disk::default())).0 {
                Ok(outcome) => assert!(passes && outcome.counts.delivered == 10),
                Err(RunError::MailboxBound { agent, tick, bound }) => {
                    assert!(!passes);
                    assert_eq!((agent, tick, bound), (AgentId(2), Tick(1), 4));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_step_record_that_no_reader_would_accept_is_not_written() {
    // One send of five mebibytes.
    let long = "x".repeat(5 << 20);
    let script = Script::new([(0, 2, vec![Say(1, long)])]);
    let disk = Disk::default();
    let (outcome, recorder) = Stage::default().play::<0, 0>(&script, recorder(&disk));
    match outcome {
        Err(RunError::RecordBound { agent, tick }) => {
            assert_eq!((agent, tick), (AgentId(2), Tick(0)));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was written"),
    }
    recorder.unwrap().close().unwrap();
    in_words(&records(&disk).unwrap());
}

#[test]
fn a_run_that_fails_leaves_the_same_records_for_any_number_of_schedulers() {
    let to = |receiver: u64, senders: std::ops::Range<u64>| {
        senders.map(move |sender| (0, sender, vec![Send(receiver, vec![Add(1)])]))
    };
    let script = Script::new(to(9, 1..9));
    let limits = Limits { messages_per_tick: 4, ..LIMITS };
    let kept: Vec<_> = [(1, 0), (2, 0), (5, 0), (2, 1000)]
        .map(|(schedulers, small_tick)| {
            let stage = Stage { limits, schedulers, small_tick, agents: 10, ..Stage::default() };
            let disk = Disk::default();
            let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
            assert!(matches!(outcome, Err(RunError::MailboxBound { .. })));
            recorder.unwrap().close().unwrap();
            in_words(&records(&disk).unwrap())
        })
        .into();
    assert_eq!(kept[0].len(), 10, "the tick before it is whole");
    assert!(kept.iter().all(|records| *records == kept[0]));
}

#[test]
fn a_log_that_fails_ends_the_run_and_keeps_what_it_had() {
    // Agents 1 and 2 send to each other for 30,000 ticks: several blocks.
    let mut orders = vec![Add(1)];
    for n in 0..40 {
        orders = vec![Send(1 + n % 2, orders)];
    }
    let script = Script::new((0..3_000).map(|tick| (tick * 10, 2, orders.clone())));
    let disk = Disk {
        writes_left: Some(std::sync::Arc::new(std::sync::Mutex::new(3))),
        ..Disk::default()
    };
    let (outcome, recorder) = Stage::default().play::<0, 0>(&script, recorder(&disk));
    match outcome {
        Err(RunError::Record(RecordError::Log(failed))) => {
            assert_eq!(failed.kind, std::io::ErrorKind::StorageFull);
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the failure went unnoticed"),
    }
    assert!(recorder.unwrap().close().is_err());
    assert!(!records(&disk).unwrap().is_empty());
}
